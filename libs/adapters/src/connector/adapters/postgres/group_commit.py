"""Many callers, one transaction: what comes while a transaction runs goes together into the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """`apply` takes a batch of items and gives one result each; it is all or nothing.

    A failed batch of several is repeated one by one, so that an item fails for its own sake only.
    """

    def __init__(self, apply: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], limit: int = 512) -> None:
        self._apply = apply
        self._limit = limit
        self._queue: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        await asyncio.sleep(0)  # lets callers that are ready now join the first batch
        while self._queue:
            batch, self._queue = self._queue[: self._limit], self._queue[self._limit :]
            await self._commit(batch)
        self._running = None

    async def _commit(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._apply([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1:
                for entry in batch:
                    await self._commit([entry])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
