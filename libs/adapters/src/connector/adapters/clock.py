"""The machine's clocks."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def boot_time_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> Awaitable[None]:
        return asyncio.sleep(seconds)
