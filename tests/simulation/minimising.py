"""Makes a failing schedule small: what is left is what the failure needs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from .schedule import Act, Schedule


def minimise(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """Leave out acts, many at a time and then one by one, as long as it still fails."""
    acts = list(schedule.acts)
    size = max(1, len(acts) // 2)
    while True:
        smaller = _without_some(acts, size, lambda kept: fails(replace(schedule, acts=tuple(kept))))
        if smaller is not None:
            acts = smaller
        elif size == 1:
            return replace(schedule, acts=tuple(acts))
        else:
            size //= 2


def _without_some(acts: Sequence[Act], size: int, fails: Callable[[Sequence[Act]], bool]) -> list[Act] | None:
    for at in range(0, len(acts), size):
        kept = [*acts[:at], *acts[at + size :]]
        if kept and fails(kept):
            return kept
    return None
