"""The sandbox's clock: real time plus an offset in a server, purely virtual in a simulation."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime


class SandboxClock:
    """Seconds since the epoch (UTC) that a test can move.

    `source` and `sleeper` are the time base; a simulation passes its own virtual pair, so that one scheduler orders
    everything. `advance` only moves the sandbox's own offset, as if the vendor's clock had jumped ahead.
    """

    def __init__(
        self,
        source: Callable[[], float] = time.time,
        sleeper: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._sleeper = sleeper
        self._offset_s = 0.0

    def time(self) -> float:
        return self._source() + self._offset_s

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        self._offset_s += seconds

    async def sleep(self, seconds: float) -> None:
        await self._sleeper(seconds)
