"""The states of a desired row, and the moves between them. Any other move is a defect and raises."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    DUE = "due"
    """The target has to be looked at, now or when a retry is due."""
    WAITING = "waiting"
    """Something it needs is expected to come by itself; has a deadline."""
    BLOCKED = "blocked"
    """A person has to put something right; the reasons say what and where."""
    HELD = "held"
    """Ready to be written, kept back on purpose: a dry run, or the brake on mass changes."""
    FAILED = "failed"
    """Retries are used up."""
    SYNCED = "synced"
    REJECTED = "rejected"
    """Refused, and the source is told so; only a newer version reopens it."""
    EXCLUDED = "excluded"
    """Not to be written, with its reason: unapproved, before-start, not-sent-type, gone-before-first-write."""


class Cause(StrEnum):
    """Why a row became due; the brake counts every cause but the first."""

    SOURCE = "source"
    TRANSLATION = "translation"
    APPLY = "apply"
    REPLAY = "replay"
    SWEEP = "sweep"
    """Its object in the target does not stand as it was left."""


JUDGED = frozenset({State.DUE, State.WAITING})
"""The states a dispatcher may judge from; all others first become due."""

MOVES: Mapping[State, frozenset[State]] = {
    state: frozenset(State) if state in JUDGED else frozenset({State.DUE}) for state in State
}


class IllegalMove(Exception):
    def __init__(self, before: State, after: State) -> None:
        super().__init__(f"a row that is {before} cannot become {after}")


def move(before: State, after: State) -> State:
    """The state after; raises IllegalMove."""
    if after not in MOVES[before]:
        raise IllegalMove(before, after)
    return after


def after_newer(before: State, *, content_changed: bool, resolved_changed: bool) -> State:
    """What a newer revision makes of a row: due if its content differs, or if what held it up may have changed."""
    stuck = before in (State.BLOCKED, State.WAITING)
    if content_changed or (resolved_changed and stuck):
        return move(before, State.DUE)
    return before
