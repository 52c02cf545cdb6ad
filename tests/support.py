"""Running things in tests: until a condition holds, then ended as a service would be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from connector.domain.ports.log import Message

WITHIN_S = 20.0


@asynccontextmanager
async def running(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """The coroutine as a task that is cancelled, and waited for, at the end; its own failure is raised."""
    task = asyncio.create_task(coroutine)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], what: str = "the expected did not happen") -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            while not condition():  # noqa: ASYNC110 (the condition may hold by another thread's doing)
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(what) from None


def numbered(topic: str, numbers: range, *, keys: int = 1) -> list[Message]:
    """Messages with the values b"0", b"1", ..., spread over some keys."""
    return [Message(topic, f"acme/main/k{number % keys}", str(number).encode()) for number in numbers]
