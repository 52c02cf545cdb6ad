"""Two-way suppliers: one pair of linked entities, merged field by field. Echoes end here, by equality, only here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any


class Side(StrEnum):
    A = "a"
    B = "b"

    @property
    def other(self) -> "Side":
        return Side.B if self is Side.A else Side.A


class Owner(StrEnum):
    """Whose value counts where both sides changed a field since they last agreed."""

    A = "a"
    B = "b"
    LATEST = "latest"
    """The later first sighting; the A side where both were seen in the same instant."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A value as a side showed it, and when it was first seen with this value."""

    value: Any
    read_at: datetime


@dataclass(frozen=True, slots=True)
class PairField:
    """What each side shows, and the value both held when they last agreed (None: they never did)."""

    a: Seen | None = None
    b: Seen | None = None
    base: Seen | None = None

    def of(self, side: Side) -> Seen | None:
        return self.a if side is Side.A else self.b


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides' observations of one linked entity. `open_calls` are sides with a write of ours under way."""

    fields: Mapping[str, PairField] = field(default_factory=dict)
    observed: Mapping[Side, datetime] = field(default_factory=dict)
    open_calls: frozenset[Side] = frozenset()


def observe(pair: Pair, side: Side, values: Mapping[str, Any], read_at: datetime) -> Pair:
    """Take in what a read (or the read-back of a write) of one side showed; an older read changes nothing."""
    before = pair.observed.get(side)
    if before is not None and read_at <= before:
        return pair
    fields = dict(pair.fields)
    for name, value in values.items():
        fields[name] = _agreed(_see(fields.get(name, PairField()), side, Seen(value, read_at)))
    return replace(pair, fields=fields, observed={**pair.observed, side: read_at})


def _see(known: PairField, side: Side, seen: Seen) -> PairField:
    before = known.of(side)
    if before is not None and before.value == seen.value:
        return known
    return replace(known, a=seen) if side is Side.A else replace(known, b=seen)


def _agreed(known: PairField) -> PairField:
    """The base advances once both sides hold the value."""
    if known.a is None or known.b is None or known.a.value != known.b.value:
        return known
    return replace(known, base=max(known.a, known.b, key=lambda seen: seen.read_at))


def desired(pair: Pair, owners: Mapping[str, Owner]) -> Mapping[Side, Mapping[str, Any]]:
    """What is to be written to each side: empty where nothing differs, or while a call on that side is open.

    Fields without an owner are nobody's to copy. A field that only one side changed since both agreed goes to the
    other, whoever owns it; a value that the owner has not shown yet is taken from the side that has one.
    """
    wanted: dict[Side, dict[str, Any]] = {Side.A: {}, Side.B: {}}
    for name, owner in owners.items():
        known = pair.fields.get(name, PairField())
        winner = _winner(known, owner)
        if winner is None:
            continue
        value, shown = known.of(winner), known.of(winner.other)
        if value is not None and shown is not None and value.value != shown.value:
            wanted[winner.other][name] = value.value
    return {side: {} if side in pair.open_calls else values for side, values in wanted.items()}


def _winner(known: PairField, owner: Owner) -> Side | None:
    a, b = known.a, known.b
    if a is None or b is None:
        return None
    if known.base is not None:
        changed = [side for side in Side if (seen := known.of(side)) and seen.value != known.base.value]
        if len(changed) == 1:
            return changed[0]
    if owner is Owner.LATEST:
        return Side.B if b.read_at > a.read_at else Side.A
    return Side.A if owner is Owner.A else Side.B
