"""Who is cancelled while what it waits for comes is cancelled all the same, and not left waiting for the next."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from connector.adapters.memory.gate import MemoryBell
from connector.adapters.postgres.notify import Listener
from connector.adapters.signals import AsyncioSignal

Waiting = tuple[Callable[[], Awaitable[object]], Callable[[], object]]
"""How to wait for it, and what makes it come."""


def _signal() -> Waiting:
    signal = AsyncioSignal()

    async def wait() -> None:
        await signal.wait(60.0)
        signal.clear()

    return wait, signal.set


def _memory() -> Waiting:
    bell = MemoryBell()
    return lambda: bell.wait("key", 60.0), lambda: bell.ring("key")


def _postgres() -> Waiting:
    bell = Listener("postgresql://unused")
    return lambda: bell.wait("key", 60.0), lambda: bell._events["key"].set()


@pytest.mark.parametrize("kind", [_signal, _memory, _postgres])
async def test_a_wait_that_is_cancelled_as_it_ends_is_cancelled(kind: Callable[[], Waiting]) -> None:
    wait, come = kind()

    async def for_ever() -> None:
        while True:
            await wait()

    task = asyncio.create_task(for_ever())
    await asyncio.sleep(0)
    come()
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=1.0)
    assert done, "it waits on"
    assert task.cancelled()
