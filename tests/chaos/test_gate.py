"""Eight processes on one Exact connection, killed and stopped at random: the chain of tokens never breaks by our doing.

`GATE_LIVES=300` runs the long form (about 16 minutes); without it 20 lives are lived.
"""

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

import pytest

from connector.adapters.gate.authorize import Outcome
from connector.domain.ports.tokens import TokenState
from tests.chaos.gate_worker import REFRESH_DEADLINE_S, hammer
from tests.integration.gate.world import VendorProcess, World, exact_connection, vendor_process, world, write_key_ring

LIVES = int(os.environ.get("GATE_LIVES", "20"))
WORKERS = 8
LIFE_S = 3.0
LONGEST_STOP_S = 2.0 * REFRESH_DEADLINE_S


class Herd:
    """The workers; whoever is killed is replaced. A server that has everything imported forks them."""

    def __init__(self, settings: dict[str, object]) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.chaos.gate_worker"])
        self.seen: Counter[str] = Counter()
        self.workers = [self._spawn() for _ in range(WORKERS)]

    def _spawn(self) -> BaseProcess:
        hear, tell = self._context.Pipe(duplex=False)
        worker = self._context.Process(target=hammer, args=(self._settings, tell), daemon=True)
        worker.start()
        tell.close()
        Thread(target=self._listen, args=(hear,), daemon=True).start()
        return worker

    def _listen(self, hear: Pipe) -> None:
        with hear, contextlib.suppress(EOFError, OSError):
            while True:
                self.seen[hear.recv()] += 1

    def kill_one(self, drawn: random.Random) -> None:
        index = drawn.randrange(WORKERS)
        self.workers[index].kill()
        self.workers[index].join()
        self.workers[index] = self._spawn()

    async def stop_one(self, drawn: random.Random, seconds: float) -> None:
        worker = drawn.choice(self.workers)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(worker.pid, signal.SIGCONT)

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.join()


@contextmanager
def herd(settings: dict[str, object]) -> Iterator[Herd]:
    animals = Herd(settings)
    try:
        yield animals
    finally:
        animals.end()


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.timeout(2 * LIVES * LIFE_S + 240)
@pytest.mark.parametrize("harm", ["kill", "stop"])
async def test_one_refresh_a_life_and_one_named_reauthorisation_a_lost_answer(
    harm: str, database_url: str, tmp_path: Path
) -> None:
    drawn = random.Random(f"{harm}-4")
    stands = (
        harm == "stop"
    )  # who wakes after its not_after brings a pair that is still good, if reuse left the chain be
    switches = {"minute_s": 1.0, "day_limit": 10_000_000, "error_block": False, "reuse_kills_chain": not stands}
    with vendor_process("exact", token_life_s=LIFE_S, **switches) as exact:
        connection = exact_connection(exact.base_url, exact.credentials["divisions"][0], name=harm, minute_s=1.0)
        keys = write_key_ring(tmp_path)
        async with world(database_url, keys, connection) as here:
            await here.vault.put(connection.id, {k: exact.credentials[k] for k in ("client_id", "client_secret")})
            assert (await here.log_in(connection.id)).outcome is Outcome.AUTHORISED
            settings = {
                "base_url": exact.base_url,
                "division": connection.settings.division,
                "name": harm,
                "database_url": database_url,
                "key_ring": str(keys),
            }
            with herd(settings) as animals:
                calm = asyncio.Lock()
                harming = asyncio.create_task(harm_without_end(harm, animals, here, exact, drawn, calm))
                logins = await live(here, exact, LIVES, calm, patience_s=1.5 * LONGEST_STOP_S if stands else 0.0)
                harming.cancel()
                await asyncio.gather(harming, return_exceptions=True)
            row = await here.tokens.read(connection.id)
            counters = exact.act("counters")
    told = f"{counters} {animals.seen} {row}"
    tokens = counters["tokens"]
    print(f"{harm}: {LIVES} lives, {tokens['refreshes']} refreshes, {logins} named re-authorisations; {told}")
    assert tokens["too_early"] == 0, told
    assert counters["limit_reached"] == {}, told
    assert counters["most_parallel"] == 1, told
    assert animals.seen["200"] > 2 * LIVES, told
    lost = tokens["refreshes"] - (row.generation - 1 - logins)
    assert row.reauthorisations == logins == lost, f"one refresh a life, one login for each pair that was lost; {told}"
    assert tokens["reused"] >= lost, told
    if harm == "stop":
        assert tokens["answers_lost"] == logins, told
    else:  # who is killed between the vendor's rotation and our commit loses an answer that the vendor saw delivered
        assert tokens["answers_lost"] <= logins, told


async def harm_without_end(
    harm: str, animals: Herd, here: World, exact: VendorProcess, drawn: random.Random, calm: asyncio.Lock
) -> None:
    while True:
        await asyncio.sleep(drawn.uniform(0.2, 1.5))
        async with calm:
            if drawn.random() < 0.1:
                await lose_an_answer(here, exact, drawn)
        if harm == "kill":
            animals.kill_one(drawn)
        else:
            await animals.stop_one(drawn, drawn.uniform(1.2 * REFRESH_DEADLINE_S, LONGEST_STOP_S))


async def lose_an_answer(here: World, exact: VendorProcess, drawn: random.Random) -> None:
    """Of the next request for a token, or the request itself. Twice in a row at most: each time in a row the gate waits
    longer for the next. The answer only where a token is good: the vendor counts what it answered to a spent one."""
    (connection,) = here.configuration.snapshot.connections
    row = await here.tokens.read(connection)
    if row.attempts > 1:
        return
    when = drawn.choice(["before", "after"]) if row.state is TokenState.VALID else "before"
    exact.clear_faults()
    exact.fault(path="/api/oauth2/token", method="POST", when=when, action="drop", times=1)


async def live(here: World, exact: VendorProcess, lives: int, calm: asyncio.Lock, *, patience_s: float) -> int:
    """Until so many pairs were stored; a person logs in where that was asked for so long. Return how often it was."""
    logins = 0
    broken_at: float | None = None
    (connection,) = here.configuration.snapshot.connections
    async with asyncio.timeout(lives * LIFE_S * 2 + 60):
        while (row := await here.tokens.read(connection)).generation <= lives:
            if row.state is not TokenState.REAUTHORISE:
                broken_at = None
            elif time.monotonic() - (broken_at := broken_at or time.monotonic()) >= patience_s:
                async with calm:
                    exact.clear_faults()
                    assert (await here.log_in(connection)).outcome is Outcome.AUTHORISED
                logins += 1
            await asyncio.sleep(0.05)
    return logins
