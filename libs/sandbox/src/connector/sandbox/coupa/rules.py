"""What a resource's own rules add to the generic create and update."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .fields import Record
from .store import Rejected, Unit

Payload = Mapping[str, Any]
Action = Callable[[Unit, Record, Payload], None]


def nothing(unit: Unit, record: Record) -> None:
    """No rule of its own."""


@dataclass(frozen=True)
class Rules:
    """`settle` checks and computes once the payload is in; `actions` are the PUT /{id}/{action} of the resource."""

    settle: Callable[[Unit, Record], None] = nothing
    actions: Mapping[str, Action] = field(default_factory=dict)


def require_status(record: Record, allowed: tuple[str, ...] | list[str], verb: str) -> None:
    """Raise `Rejected` unless the record's status allows the action."""
    status = record.text("status")
    if status not in allowed:
        raise Rejected({"status": [f"{status} can't be {verb}; it must be one of {', '.join(allowed)}"]})
