"""A replica that dies or stands still at a point of a refresh: what can be recovered is, what cannot is named once."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from connector.adapters.gate.authorize import Outcome
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.domain.ports.configuration import Connection
from connector.domain.ports.gate import ConnectionPaused, GateError
from tests.integration.gate.refreshing import Point, renew
from tests.integration.gate.world import VendorProcess, World, divisions
from tests.support import until

SAFE = (Point.BEFORE_REQUEST, Point.STORED)
LOST = (Point.ROTATED, Point.ANSWERED)
ANSWER_TAKES_S = 0.7


@dataclass
class Replica:
    process: BaseProcess
    told: Pipe

    @property
    def halted(self) -> bool:
        """Dead, or stopped by a signal."""
        assert self.process.pid is not None
        if not self.process.is_alive():
            return True
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def halt(self, how: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, how)

    def wake(self) -> None:
        self.halt(signal.SIGCONT)

    def got_a_token(self) -> bool:
        """Whatever it was told before; False where it tells nothing more for 20 s."""
        while self.told.poll(20.0):
            if self.told.recv() == "a token":
                return True
        return False


@pytest.fixture
def replica(
    request: pytest.FixtureRequest,
    here: World,
    exact: VendorProcess,
    connection: Connection,
    database_url: str,
    tmp_path: Path,
) -> Iterator[Replica]:
    point, halt = request.getfixturevalue("point"), request.getfixturevalue("halt")
    settings = {
        "base_url": exact.base_url,
        "division": connection.settings.division,
        "name": connection.id.connection,
        "database_url": database_url,
        "key_ring": str(tmp_path / "keys.json"),
    }
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.gate.refreshing"])
    hear, tell = context.Pipe(duplex=False)
    process = context.Process(target=renew, args=(settings, point, halt, tell), daemon=True)
    yield Replica(process, hear)
    process.kill()
    process.join()


async def refreshing_until_halted(
    here: World, exact: VendorProcess, connection: Connection, replica: Replica, point: Point, halt: signal.Signals
) -> None:
    assert (await here.log_in(connection.id)).outcome is Outcome.AUTHORISED
    await asyncio.sleep(2.95)
    if point is Point.ROTATED:
        exact.fault(
            path="/api/oauth2/token", method="POST", when="after", action="delay", delay_s=ANSWER_TAKES_S, times=1
        )
    replica.process.start()
    if point is Point.ROTATED:
        await until(lambda: exact.act("counters")["tokens"]["refreshes"] == 1)
        replica.halt(halt)
    await until(lambda: replica.halted)


async def called(here: World, connection: Connection) -> int:
    """The status of a call, waited for while the gate says that it has to be."""
    async with asyncio.timeout(20.0):
        while True:
            try:
                return (await here.call(connection, divisions(connection))).status
            except ConnectionPaused:
                raise
            except GateError:
                await asyncio.sleep(0.2)


@pytest.mark.parametrize("halt", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "stands-still"])
@pytest.mark.parametrize("point", SAFE, ids=lambda point: point.name.lower())
async def test_nothing_is_lost_where_the_pair_is_unspent_or_stored(
    here: World, exact: VendorProcess, connection: Connection, replica: Replica, point: Point, halt: signal.Signals
) -> None:
    await refreshing_until_halted(here, exact, connection, replica, point, halt)
    assert await called(here, connection) == 200
    if halt is signal.SIGSTOP:
        replica.wake()
        assert await asyncio.to_thread(replica.got_a_token)
    counters = exact.act("counters")["tokens"]
    assert (counters["reused"], counters["logins"]) == (0, 1), "the woken one sent no spent token"
    assert counters["too_early"] == 0
    assert (await here.tokens.read(connection.id)).reauthorisations == 0


@pytest.mark.parametrize("halt", [signal.SIGKILL], ids=["dies"])
@pytest.mark.parametrize("point", LOST, ids=lambda point: point.name.lower())
async def test_a_pair_that_died_with_its_holder_is_one_named_reauthorisation(
    here: World, exact: VendorProcess, connection: Connection, replica: Replica, point: Point, halt: signal.Signals
) -> None:
    await refreshing_until_halted(here, exact, connection, replica, point, halt)
    for _ in range(5):
        with pytest.raises(ConnectionPaused, match=f"re-authorisation needed .*connector authorize {connection.id}"):
            await called(here, connection)
    assert exact.act("counters")["tokens"]["reused"] == 1, "one try with the stored token, and no more"
    assert (await here.tokens.read(connection.id)).reauthorisations == 1
    assert (await here.log_in(connection.id)).outcome is Outcome.AUTHORISED
    assert await called(here, connection) == 200


@pytest.mark.parametrize("halt", [signal.SIGSTOP], ids=["stands-still"])
@pytest.mark.parametrize("point", LOST, ids=lambda point: point.name.lower())
async def test_a_pair_whose_holder_wakes_late_is_stored_and_lifts_the_mark(
    here: World, exact: VendorProcess, connection: Connection, replica: Replica, point: Point, halt: signal.Signals
) -> None:
    exact.set(reuse_kills_chain=False)
    await refreshing_until_halted(here, exact, connection, replica, point, halt)
    with pytest.raises(ConnectionPaused, match="re-authorisation needed"):
        await called(here, connection)
    replica.wake()
    assert await asyncio.to_thread(replica.got_a_token)
    assert await called(here, connection) == 200
    row = await here.tokens.read(connection.id)
    assert (row.reauthorisations, exact.act("counters")["tokens"]["logins"]) == (0, 1)


async def test_a_new_pair_outlives_a_database_that_is_away_when_it_comes(
    here: World, exact: VendorProcess, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await here.log_in(connection.id)).outcome is Outcome.AUTHORISED
    await asyncio.sleep(2.95)
    tries = 0
    store = PostgresTokenStore.store

    async def away(self: PostgresTokenStore, *given: Any) -> bool:
        nonlocal tries
        tries += 1
        if tries <= 4:
            raise OperationalError("update token", {}, ConnectionError("the database is away"))
        return await store(self, *given)

    monkeypatch.setattr(PostgresTokenStore, "store", away)
    assert await called(here, connection) == 200
    assert tries == 5
    counters = exact.act("counters")["tokens"]
    assert (counters["refreshes"], counters["reused"], counters["logins"]) == (1, 0, 1)
