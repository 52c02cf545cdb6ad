"""A loop that runs a schedule in virtual time, in one order only: no sockets, no threads, no waiting."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Stalled(Exception):
    """Every task waits for something that nobody will do."""


class _NoSockets(selectors.SelectSelector):
    """Never looks at a socket: where nobody can run, the clock jumps to the next timer."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stalled
        self.now_s += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _NoSockets()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now_s


def run(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from virtual second 0; whatever it leaves running is cancelled."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(coro)
