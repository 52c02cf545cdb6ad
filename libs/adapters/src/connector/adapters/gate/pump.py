"""Turns a bell's rings into a counter and an event, for as long as the gate lives."""

import asyncio
import contextlib

from connector.domain.ports.quota import Bell

_LISTEN_S = 30.0


class Pump:
    """`rings` rises with each ring; `news` is set by a ring and by `poke`, and cleared by whoever waits."""

    def __init__(self, bell: Bell, key: str) -> None:
        self.rings = 0
        self.news = asyncio.Event()
        self._bell = bell
        self._key = key
        self._task = asyncio.create_task(self._run(), name=f"listen {key}")

    async def _run(self) -> None:
        while True:
            await self._bell.wait(self._key, _LISTEN_S)
            self.rings += 1
            self.news.set()

    def poke(self) -> None:
        self.news.set()

    async def wait(self, seconds: float) -> None:
        """Until news or time-out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()
        self.news.clear()

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
