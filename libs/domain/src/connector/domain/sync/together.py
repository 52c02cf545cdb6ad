"""Several things at the same time, and on only when all have ended."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from connector.domain.ports.clock import Signal, Spawner


async def together(jobs: Sequence[Coroutine[Any, Any, None]], spawner: Spawner, signal: Callable[[], Signal]) -> None:
    """Run all jobs to their ends, then raise the first error there was."""
    if len(jobs) == 1:
        await jobs[0]
        return
    errors: list[Exception] = []
    ended = signal()
    left = len(jobs)

    async def run(job: Coroutine[Any, Any, None]) -> None:
        nonlocal left
        try:
            await job
        except Exception as error:
            errors.append(error)
        finally:
            left -= 1
            if not left:
                ended.set()

    for job in jobs:
        spawner.create_task(run(job))
    if jobs:
        await ended.wait()
    if errors:
        raise errors[0]
