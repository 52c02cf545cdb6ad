"""Whose object is it? A number alone proves nothing: adoption needs our stamp, or our own open intent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.domain.digest import digest
from connector.domain.ports.dispatch import OpenCall
from connector.domain.ports.target import Found, Part
from connector.domain.reasons import Reason

NUMBER_TAKEN = "number-taken-in-target"
"""The code of every reason that says: another live object has this natural key."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far a vendor's `created_at` may lie before our intent although the object was made after it."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """The object is ours, and why."""

    found: Found
    proof: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """The target has no live object under this key."""


def judge(part: Part, hits: Sequence[Found], intents: Sequence[OpenCall]) -> Adopted | Nothing | Reason:
    """What a look-up's hits mean for this part; voided and abandoned ones don't count.

    `intents` are the part's own creating calls whose outcome nobody knows.
    """
    live = [found for found in hits if found.live]
    doubled = doubles(part, live)
    if doubled is not None:
        return doubled
    stamped = [found for found in live if found.stamp == part.stamp]
    if stamped:
        return Adopted(stamped[0], "stamp")
    made_by_us = [found for found in live if found.stamp is None and _made_by(intents, part, found)]
    if len(made_by_us) == 1 and len(live) == 1:
        return Adopted(made_by_us[0], "open intent")
    if live:
        return _taken(part, live[0])
    return Nothing()


def _made_by(intents: Sequence[OpenCall], part: Part, found: Found) -> bool:
    """Made by our user, after one of our intents, with equal content."""
    if not found.created_by_us or digest(dict(found.projection)) != digest(dict(part.wanted)):
        return False
    if found.created_at is None:
        return False
    created = datetime.fromisoformat(found.created_at)
    return created.tzinfo is not None and any(created >= intent.opened_at - CLOCK_SKEW for intent in intents)


def _taken(part: Part, found: Found) -> Reason:
    owner = f"of {found.stamp}" if found.stamp else "without our mark"
    return Reason(
        code=NUMBER_TAKEN,
        message=f"{part.natural_key} is {found.target_id} ({found.status}) there, {owner}; ours is {part.stamp}.",
        fix=f"If both are the same document: connector link {part.stamp} {found.target_id}. Else change one number.",
        field=part.name,
    )


def doubles(part: Part, hits: Sequence[Found]) -> Reason | None:
    """Why a person must look: more than one live object carries this document's mark."""
    ids = sorted(found.target_id for found in hits if found.live and found.stamp == part.stamp)
    if len(ids) < 2:
        return None
    return Reason(
        code="doubled",
        message=f"{part.natural_key} exists more than once with our mark: {', '.join(ids)}.",
        fix=f"Void all but one in the target, then: connector link {part.stamp} <the id that stays>.",
        field=part.name,
    )
