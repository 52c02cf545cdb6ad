"""Runs one schedule from its first second until everything has settled, and judges what is left."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.adapters.memory import dispatch, tables
from connector.domain.sync import failures, retry, states
from connector.domain.sync.states import State

from .acting import Acting
from .checking import Finding, check
from .loop import Stalled, run
from .schedule import TROUBLE_ENDS_S, Schedule
from .world import SOURCE, World

SETTLED_WITHIN_S = 450.0
OFTEN = timedelta(minutes=1)
"""Jobs that run as often as this are part of coming to rest."""
MOVING = frozenset({State.DUE, State.WAITING, State.HELD})


@dataclass(slots=True)
class Result:
    schedule: Schedule
    findings: list[Finding]
    covered: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    story: str = ""
    """A digest of all that happened: equal for equal seeds."""


def play(schedule: Schedule) -> Result:
    moves: Counter[str] = Counter()
    with counting_moves(moves), _attempts(schedule.attempts):
        world, findings = run(_play(schedule))
    return Result(schedule, findings, world.covered, moves, _story(world))


async def _play(schedule: Schedule) -> tuple[World, list[Finding]]:
    world = World(schedule)
    settled = await at_rest(world, Acting(world))
    findings = check(world)
    if not settled and not findings:
        findings = [Finding("lost", f"never at rest: {_restless(world)}")]
    await world.close()
    return world, findings


async def at_rest(world: World, acting: Acting) -> bool:
    """Play a world's schedule, end all trouble, and let everything come to rest; whether it did."""
    world.start_all()
    schedule, loop = world.schedule, asyncio.get_running_loop()
    for act in schedule.acts:
        await asyncio.sleep(act.at_s - loop.time())
        acting.act(act)
    await asyncio.sleep(max(schedule.acts[-1].at_s, TROUBLE_ENDS_S) - loop.time() if schedule.acts else 0)
    await acting.finished()
    await acting.end_all_trouble()
    _be_patient()
    await _settle(world)
    await acting.put_right()
    return await _settle(world)


async def _settle(world: World) -> bool:
    """Whether everything came to rest in time: nothing under way, nothing due, every sweep done once more."""
    loop = asyncio.get_running_loop()
    begun = world.now()
    deadline_s = loop.time() + SETTLED_WITHIN_S
    while loop.time() < deadline_s:
        await asyncio.sleep(2.0)
        if not _restless(world, since=begun):
            return True
    return False


def _restless(world: World, since: datetime | None = None) -> list[str]:
    jobs = world.read_state.jobs.get(SOURCE, {})
    keys = world.read_state.keys.get(SOURCE, {})
    found = []
    if any(key.due is not None for key in keys.values()):
        found.append("keys are due")
    often = [job for job in jobs.values() if job.kind.every <= OFTEN]
    if any(job.due or job.finished_at is None or (since and job.finished_at <= since) for job in often):
        found.append("sweeps are due")
    if any(row.state in MOVING for row in world.tables.rows.values()):
        found.append("rows are due")
    if world.unanswered:
        found.append("answers are due")
    if since and world.unseen(since):
        found.append("objects are to be looked at again")
    if since and world.stale_references():
        found.append("reference data is not what the target has")
    if world.under_way:
        found.append("calls or notices are under way")
    if not found and world.lag:
        found.append("the log is not read to its end")
    return found


def _story(world: World) -> str:
    written = [(r.id, r.stamp, r.status, str(world.shop.history[r.id])) for r in world.shop.vendor.records]
    rows = [(str(ref), row.state, str(row.desired.revision.read_at)) for ref, row in sorted(world.tables.rows.items())]
    return f"{written} {rows}"


@contextmanager
def counting_moves(moves: Counter[str]) -> Iterator[None]:
    """Count every move of a row's state."""
    real = states.move

    def counted(before: State, after: State) -> State:
        moved = real(before, after)
        moves[f"{before} -> {after}"] += 1
        return moved

    modules = (states, tables, dispatch)
    for module in modules:
        vars(module)["move"] = counted
    try:
        yield
    finally:
        for module in modules:
            vars(module)["move"] = real


@contextmanager
def _attempts(at_most: int) -> Iterator[None]:
    vars(failures)["ATTEMPTS_AT_MOST"] = at_most
    try:
        yield
    finally:
        _be_patient()


def _be_patient() -> None:
    vars(failures)["ATTEMPTS_AT_MOST"] = retry.ATTEMPTS_AT_MOST


__all__ = ["Result", "Stalled", "play"]
