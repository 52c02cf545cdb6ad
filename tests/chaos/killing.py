"""What goes wrong in a chaos run: services killed and stopped, broker and database restarted, vendors away."""

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from connector.adapters.parts.part import Part, PartsError
from connector.console.demo.stage import Stage, log_in
from connector.console.output import Failed
from connector.console.processes import Process, ProcessEnded
from connector.console.services import service

WEIGHTS = {
    "kill": 120,
    "stop": 36,
    "lose-answers": 16,
    "outage": 12,
    "kill-broker": 2,
    "restart-broker": 1,
    "kill-database": 4,
    "restart-database": 2,
}
NO_KILLS = frozenset({"lose-answers", "outage", "replace", "log-in"})
"""What is counted, and kills nothing, or what is counted already."""
LONGEST_STOP_S = 25.0
REPLACED_AFTER_S = 8.0
"""Of what stands still longer another is started, as a cluster does that holds its machine for lost."""
AWAKE_S = 4.0
"""So long who was replaced may try to do harm on waking, before it is ended."""
NEVER_REPLACED = frozenset({"ingest"})
"""Its port belongs to it as long as it stands still."""
LONGEST_OUTAGE_S = 8.0
VENDOR_PATHS = "^/(api/|rest/|v1/(?!tokens$))"
"""Exact's and Coupa's, Procore's, Basware's. Exact's token endpoint is among them: its tokens are good once."""
READY_WITHIN_S = 180.0
ANSWERS_WITHIN_S = 60.0
STARTS = 4
"""How often a part may fail to start: on a busy machine a broker misses its own heartbeats for a while."""
LOOK_S = 0.3


class Trouble:
    """Makes trouble on a stage and sees to it, as a cluster would, that what ended is started again."""

    def __init__(self, stage: Stage, dice: random.Random) -> None:
        self._stage = stage
        self._dice = dice
        self.done: Counter[str] = Counter()
        """By kind; a signal to a process that had just ended is none."""
        self._stopped: set[str] = set()
        self._under_way: list[asyncio.Task[None]] = []
        self._away: list[Part] = []
        self._client = httpx.AsyncClient(trust_env=False, timeout=ANSWERS_WITHIN_S)

    @property
    def kills(self) -> int:
        """Processes that got SIGKILL or SIGSTOP, and restarts of broker and database."""
        return sum(count for kind, count in self.done.items() if kind not in NO_KILLS)

    async def make(self) -> None:
        """One piece of trouble; what takes time goes on beside the next."""
        parts = self._stage.parts
        kind = self._dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        makers: Mapping[str, Callable[[], Awaitable[bool]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "lose-answers": self._lose_answers,
            "outage": self._outage,
            "kill-broker": lambda: self._part(parts.broker, parts.broker.kill),
            "restart-broker": lambda: self._part(parts.broker, parts.broker.stop),
            "kill-database": lambda: self._part(parts.database, parts.database.kill),
            "restart-database": lambda: self._part(parts.database, parts.database.stop),
        }
        if await makers[kind]():
            self.done[kind] += 1

    async def _kill(self) -> bool:
        process = self._stage.processes[self._dice.choice(list(self._stage.flow.services))]
        runs = process.runs
        process.signal(signal.SIGKILL)
        return runs

    async def _stop(self) -> bool:
        name, seconds = self._dice.choice(list(self._stage.flow.services)), self._dice.uniform(0.5, LONGEST_STOP_S)
        process = self._stage.processes[name]
        if name in self._stopped or not process.runs:
            return False
        process.signal(signal.SIGSTOP)
        self._beside(self._stand_still(name, process, seconds))
        return True

    async def _stand_still(self, name: str, process: Process, seconds: float) -> None:
        self._stopped.add(name)
        await asyncio.sleep(min(seconds, REPLACED_AFTER_S))
        replaced = seconds > REPLACED_AFTER_S and name not in NEVER_REPLACED and process.runs
        if replaced:
            self.done["replace"] += 1
            self._stage.processes.start(service(name, self._stage.platform))
        await asyncio.sleep(max(0.0, seconds - REPLACED_AFTER_S))
        process.signal(signal.SIGCONT)
        self._stopped.discard(name)
        if replaced:
            await asyncio.sleep(AWAKE_S)
            process.signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait, 10.0)

    async def _lose_answers(self) -> bool:
        """The next writes of a vendor are carried out, and nobody hears of it."""
        rule = {"method": "POST|PUT|PATCH", "path": VENDOR_PATHS, "when": "after", "action": "drop"}
        await self._fault(rule | {"times": self._dice.randint(1, 4)})
        return True

    async def _outage(self) -> bool:
        rule = {"path": VENDOR_PATHS, "when": "before", "action": "respond", "status": 503, "times": None}
        system = await self._fault(rule)
        self._beside(self._over(system, self._dice.uniform(1, LONGEST_OUTAGE_S)))
        return True

    async def _fault(self, rule: dict[str, object]) -> str:
        system = self._dice.choice(list(self._stage.addresses))
        await self._client.post(f"{self._stage.addresses[system]['control_url']}/faults", json=rule)
        return system

    async def _over(self, system: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._client.delete(f"{self._stage.addresses[system]['control_url']}/faults")

    async def _part(self, part: Part, end: Callable[[], None]) -> bool:
        """Not beside other trouble of its kind: there is one broker and one database."""
        if part in self._away:
            return False
        self._away.append(part)
        self._beside(self._end_and_start(part, end))
        return True

    async def _end_and_start(self, part: Part, end: Callable[[], None]) -> None:
        await asyncio.to_thread(end)
        for attempt in range(1, STARTS + 1):
            try:
                await asyncio.to_thread(part.start)
                break
            except PartsError:
                if attempt == STARTS:
                    raise
        self._away.remove(part)

    def _beside(self, work: Awaitable[None]) -> None:
        """What fails of it fails the run, at its end."""
        self._under_way.append(asyncio.ensure_future(work))

    async def keep_up(self) -> None:
        """Start whatever ended, until cancelled."""
        while True:
            for name in self._stage.processes.ended():
                self._stage.processes.restart(name)
            await asyncio.sleep(LOOK_S)

    async def log_in_again(self) -> None:
        """What a person does, until cancelled: log in wherever the platform names a login as needed. An answer of a
        token endpoint that was lost takes a single-use token with it."""
        asked = text("select connection from token where state = 'reauthorise'")
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(SQLAlchemyError, OSError, httpx.HTTPError, Failed):
                async with self._stage.run.engine.connect() as db:
                    connections = list((await db.execute(asked)).scalars())
                for connection in connections:
                    await log_in(self._stage, [connection])
                    self.done["log-in"] += 1

    async def end(self) -> None:
        """No more trouble: what stands still goes on, vendors answer, everything runs. Raises what trouble itself met,
        and ProcessEnded where a service cannot be had again."""
        await asyncio.gather(*self._under_way)
        for system in self._stage.addresses:
            await self._client.delete(f"{self._stage.addresses[system]['control_url']}/faults")
        await self._client.aclose()
        await self._all_ready()

    async def _all_ready(self) -> None:
        """A service that was killed in its start, or whose broker was, ends once more before it stays."""
        gives_up = asyncio.get_running_loop().time() + READY_WITHIN_S
        while True:
            try:
                return await self._stage.ready()
            except ProcessEnded:
                if asyncio.get_running_loop().time() > gives_up:
                    raise
            await asyncio.sleep(LOOK_S)
