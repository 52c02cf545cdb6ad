"""Reads that wait at the same time go out as one call: Exact takes one call at a time, and few a minute."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Shown = TypeVar("Shown")
Read = Callable[[Sequence[str]], Awaitable[Mapping[str, Shown]]]


@dataclass(slots=True)
class _Batch(Generic[Shown]):
    ids: set[str] = field(default_factory=set)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    shown: Mapping[str, Shown] | None = None
    error: Exception | None = None


class Gathered(Generic[Shown]):
    """One kind of read. Who asks before a call leaves shares it: nobody is answered by a call that left before, so that
    everybody sees what they have just written.

    While `more` says that others will ask soon, a call waits for them: until `enough` have asked, `go` is called, or
    `wait_s` is over.
    """

    def __init__(self, read: Read[Shown], more: Callable[[], bool], *, enough: int, wait_s: float) -> None:
        self._read = read
        self._more = more
        self._enough = enough
        self._wait_s = wait_s
        self._turn = asyncio.Lock()
        self._next: _Batch[Shown] = _Batch()

    async def __call__(self, ids: Sequence[str]) -> dict[str, Shown]:
        """What is shown of these ids. An error is everybody's who shared the call; a cancelled caller leaves the call
        to the next one."""
        batch = self._next
        batch.ids.update(ids)
        if len(batch.ids) >= self._enough:
            batch.go.set()
        async with self._turn:
            if batch.shown is None and batch.error is None:
                await self._carry_out(batch)
        if batch.error is not None:
            raise batch.error
        assert batch.shown is not None
        return {one: batch.shown[one] for one in ids if one in batch.shown}

    def go(self) -> None:
        """Nobody else will ask soon."""
        self._next.go.set()

    async def _carry_out(self, batch: _Batch[Shown]) -> None:
        if self._more():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    await batch.go.wait()
        if batch is self._next:
            self._next = _Batch()
        try:
            batch.shown = await self._read(sorted(batch.ids))
        except Exception as error:
            batch.error = error
