"""What goes wrong in a chaos run: services killed and stopped, broker and database restarted, vendors away."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import httpx

from connector.console.demo.stage import Stage

WEIGHTS = {
    "kill": 60,
    "stop": 18,
    "lose-answers": 8,
    "outage": 6,
    "kill-broker": 3,
    "restart-broker": 1,
    "kill-database": 3,
    "restart-database": 1,
}
LONGEST_STOP_S = 25.0
"""Longer than the epoch: who wakes after that has been replaced."""
LONGEST_OUTAGE_S = 8.0
LOOK_S = 0.3


class Trouble:
    """Makes trouble on a stage and sees to it, as a cluster would, that what ended is started again."""

    def __init__(self, stage: Stage, dice: random.Random) -> None:
        self._stage = stage
        self._dice = dice
        self.done: Counter[str] = Counter()
        self._stopped: set[str] = set()
        self._under_way: list[asyncio.Task[None]] = []
        self._client = httpx.AsyncClient(trust_env=False)

    @property
    def kills(self) -> int:
        """Processes that got SIGKILL or SIGSTOP, and restarts of broker and database."""
        return sum(count for kind, count in self.done.items() if kind not in ("lose-answers", "outage"))

    async def make(self) -> None:
        """One piece of trouble; what takes time goes on beside the next."""
        kind = self._dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        makers: Mapping[str, Callable[[], Awaitable[None]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "lose-answers": self._lose_answers,
            "outage": self._outage,
            "kill-broker": lambda: self._part(self._stage.parts.kill_broker, self._stage.parts.broker.start),
            "restart-broker": lambda: self._part(self._stage.parts.restart_broker),
            "kill-database": lambda: self._part(self._stage.parts.kill_database, self._stage.parts.database.start),
            "restart-database": lambda: self._part(self._stage.parts.restart_database),
        }
        await makers[kind]()
        self.done[kind] += 1

    async def _kill(self) -> None:
        name = self._dice.choice(list(self._stage.flow.services))
        self._stage.processes[name].signal(signal.SIGKILL)

    async def _stop(self) -> None:
        name = self._dice.choice(list(self._stage.flow.services))
        if name not in self._stopped:
            self._beside(self._stand_still(name, self._dice.uniform(0.5, LONGEST_STOP_S)))

    async def _stand_still(self, name: str, seconds: float) -> None:
        process = self._stage.processes[name]
        self._stopped.add(name)
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.signal(signal.SIGCONT)
        self._stopped.discard(name)

    async def _lose_answers(self) -> None:
        """The next writes of a vendor are carried out, and nobody hears of it."""
        rule = {"method": "POST|PUT|PATCH", "path": "/api/", "when": "after", "action": "drop"}
        await self._fault(rule | {"times": self._dice.randint(1, 4)})

    async def _outage(self) -> None:
        rule = {"path": "/api/", "when": "before", "action": "respond", "status": 503, "times": None}
        system = await self._fault(rule)
        self._beside(self._over(system, self._dice.uniform(1, LONGEST_OUTAGE_S)))

    async def _fault(self, rule: dict[str, object]) -> str:
        system = self._dice.choice(list(self._stage.addresses))
        await self._client.post(f"{self._stage.addresses[system]['control_url']}/faults", json=rule)
        return system

    async def _over(self, system: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._client.delete(f"{self._stage.addresses[system]['control_url']}/faults")

    async def _part(self, *actions: Callable[[], None]) -> None:
        """Not beside other trouble of its kind: there is one broker and one database."""
        for action in actions:
            await asyncio.to_thread(action)

    def _beside(self, work: Awaitable[None]) -> None:
        self._under_way = [task for task in self._under_way if not task.done()]
        self._under_way.append(asyncio.ensure_future(work))

    async def keep_up(self) -> None:
        """Start whatever ended, until cancelled."""
        while True:
            for name in self._stage.processes.ended():
                self._stage.processes.restart(name)
            await asyncio.sleep(LOOK_S)

    async def end(self) -> None:
        """No more trouble: what stands still goes on, vendors answer, everything runs."""
        await asyncio.gather(*self._under_way)
        for system in self._stage.addresses:
            await self._client.delete(f"{self._stage.addresses[system]['control_url']}/faults")
        await self._client.aclose()
        await self._stage.ready()
