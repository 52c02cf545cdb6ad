"""Time, randomness and tasks come by parameter, so that a simulation can own them."""

from collections.abc import Awaitable, Coroutine
from datetime import datetime
from typing import Any, Protocol


class Clock(Protocol):
    """`now` is the process's wall clock, for people and log lines only: it orders nothing.

    `boot_time_s` goes on while the process or the machine is suspended (CLOCK_BOOTTIME): deadlines use it.
    """

    def now(self) -> datetime: ...
    def boot_time_s(self) -> float: ...
    def sleep(self, seconds: float) -> Awaitable[None]: ...


class Randomness(Protocol):
    """Jitter and unguessable names; `random.Random` satisfies it in tests, `secrets.SystemRandom` in production."""

    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...
    def getrandbits(self, k: int) -> int: ...


class Signal(Protocol):
    """Wakes a waiting task of the same process (an `asyncio.Event` with a time-out)."""

    def set(self) -> None: ...
    def clear(self) -> None: ...
    def is_set(self) -> bool: ...
    async def wait(self, timeout_s: float | None = None) -> bool:
        """True once set, False after the time-out. Setting it before the wait counts."""
        ...


class Task(Protocol):
    def cancel(self) -> object: ...


class Spawner(Protocol):
    """Starts a task that ends with its owner (an `asyncio.TaskGroup` in production)."""

    def create_task(self, coro: Coroutine[Any, Any, None], *, name: str | None = None) -> Task: ...
