"""Work that follows the configuration: one task a connection, begun, renewed and ended with it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from connector.domain.ports.configuration import Configuration, Snapshot

K = TypeVar("K")
V = TypeVar("V")

LOOK_AGAIN_S = 5.0
_LONGEST_PAUSE_S = 30.0

log = structlog.get_logger(__name__)


async def follow(
    configuration: Configuration,
    wanted: Callable[[Snapshot], Mapping[K, V]],
    work: Callable[[K, V], Awaitable[None]],
) -> None:
    """Run `work(key, value)` for everything wanted, until cancelled.

    A key that is wanted no more is cancelled and awaited; one with another value is begun anew with it. Work that
    raises is begun again after a pause. Waits for all of it to end when cancelled.
    """
    running: dict[K, tuple[V, asyncio.Task[None]]] = {}
    try:
        while True:
            epoch = await _adjust(configuration, wanted, work, running)
            await configuration.changed(epoch, LOOK_AGAIN_S)
    finally:
        await _end([task for _, task in running.values()])


async def _adjust(
    configuration: Configuration,
    wanted: Callable[[Snapshot], Mapping[K, V]],
    work: Callable[[K, V], Awaitable[None]],
    running: dict[K, tuple[V, asyncio.Task[None]]],
) -> int:
    try:
        snapshot = await configuration.current()
    except Exception as error:
        log.warning("configuration cannot be read: work goes on as it was", error=str(error))
        await asyncio.sleep(1.0)
        return -1
    now = wanted(snapshot)
    over = [key for key, (value, _) in running.items() if key not in now or now[key] != value]
    await _end([running.pop(key)[1] for key in over])
    for key, value in now.items():
        if key not in running:
            running[key] = (value, asyncio.create_task(_kept_going(work, key, value), name=str(key)))
    return snapshot.epoch


async def _kept_going(work: Callable[[K, V], Awaitable[None]], key: K, value: V) -> None:
    pause_s = 1.0
    while True:
        try:
            await work(key, value)
        except Exception:
            log.exception("work failed and begins again", key=str(key), pause_s=pause_s)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
        pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
