"""One process of the platform as a simulation sees it: it can die at every await, be stopped and wake again."""

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.domain.ports.clock import Task

from .loop import START

QUICK_CALL_S = 0.02
SLOW_CALL_S = 1.0
"""The longest a call to the database or the log takes when nothing is wrong; one in twenty is slow."""


class DatabaseAway(Exception):
    """The process cannot reach the database, or does not hear whether it committed."""


@dataclass(slots=True)
class Planned:
    """Happens at the process's `points`-th await point from now; `after` counts only the ends of these calls."""

    points: int
    happen: Callable[[], None]
    after: str | None = None


class Process:
    """Everything a process does to the world passes `point()`: there it may be dead, stopped or slow."""

    def __init__(self, name: str, seed: str) -> None:
        self.name = name
        self.alive = True
        self.random = random.Random(seed)
        self.stopped_until_s = 0.0
        self.away_until_s = 0.0
        self.answers_lost = 0
        self.planned: list[Planned] = []
        self.on_answer_lost: Callable[[], None] = lambda: None
        self.wall_offset_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def create_task(self, coro: Coroutine[Any, Any, None], *, name: str | None = None) -> Task:
        task = asyncio.get_running_loop().create_task(coro, name=f"{self.name}: {name}")
        self._tasks = [known for known in self._tasks if not known.done()]
        self._tasks.append(task)
        return task

    def kill(self) -> None:
        """As SIGKILL: whatever its tasks do from now on reaches nothing."""
        self.alive = False
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def point(self) -> None:
        """An await point: latency, and what may befall the process there."""
        self.pass_by()
        longest_s = SLOW_CALL_S if self.random.random() < 0.05 else QUICK_CALL_S
        await asyncio.sleep(self.random.random() * longest_s)
        await self._while_stopped()

    async def _while_stopped(self) -> None:
        while self.alive and (left_s := self.stopped_until_s - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)
        self._require_life()

    def pass_by(self, done: str | None = None) -> None:
        """What is planned to befall the process after so many points befalls it here; `done` is the call that ended."""
        if self.planned:
            for plan in [plan for plan in self.planned if plan.after in (None, done)]:
                plan.points -= 1
                if plan.points <= 0:
                    self.planned.remove(plan)
                    plan.happen()
        self._require_life()

    def _require_life(self) -> None:
        if not self.alive:
            raise asyncio.CancelledError

    async def call(self, method: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
        """One transaction: refused, or done and answered, or done and not answered."""
        await self.point()
        if self.away_until_s > asyncio.get_running_loop().time():
            raise DatabaseAway
        result = await method(*args, **named)
        if self.answers_lost:
            self.answers_lost -= 1
            self.on_answer_lost()
            raise DatabaseAway
        self.pass_by(method.__name__)
        await self.point()
        return result

    # the port Clock

    def now(self) -> datetime:
        return START + timedelta(seconds=self.boot_time_s() + self.wall_offset_s)

    def boot_time_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._while_stopped()


class Reached:
    """A store as one process reaches it: each of its methods is a call."""

    def __init__(self, process: Process, store: object) -> None:
        self._process = process
        self._store = store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not inspect.iscoroutinefunction(method):
            return method
        process = self._process

        async def call(*args: Any, **named: Any) -> Any:
            return await process.call(method, *args, **named)

        setattr(self, name, call)
        return call
