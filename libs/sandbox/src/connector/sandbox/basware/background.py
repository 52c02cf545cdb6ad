"""Work that follows an answer: results that come later, and notices being delivered."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable

from connector.sandbox.core.clock import SandboxClock

Job = Callable[[], Awaitable[None]]


class Background:
    """Timed changes of the store, made at latest when somebody looks, and jobs that run beside the server."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()

    def later(self, delay_s: float, change: Callable[[], None]) -> None:
        due_at = self._clock.time() + delay_s
        heapq.heappush(self._due, (due_at, next(self._order), change))

        async def wake() -> None:
            while (left_s := due_at - self._clock.time()) > 0:
                await self._clock.sleep(left_s)
            self.settle()

        self.spawn(wake)

    def settle(self) -> None:
        """Make every change that is due (the clock may have jumped since anyone looked)."""
        while self._due and self._due[0][0] <= self._clock.time():
            heapq.heappop(self._due)[2]()

    def spawn(self, job: Job) -> None:
        self._jobs.put_nowait(job)

    async def run(self) -> None:
        """Run jobs, each on its own, until cancelled."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                job = await self._jobs.get()
                task = asyncio.ensure_future(job())
                running.add(task)
                task.add_done_callback(running.discard)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
