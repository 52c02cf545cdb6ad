"""The figures both sides must agree on before a write is committed."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from connector.domain.ports.target import Measure, Part
from connector.domain.reasons import Reason


def differences(expected: Measure, actual: Measure) -> Iterator[tuple[str, Any, Any]]:
    """(field, expected, actual) where both sides are known and unequal; unknown is null, not 0."""
    for field in fields(Measure):
        if field.name == "references":
            continue
        wanted, shown = getattr(expected, field.name), getattr(actual, field.name)
        if wanted is not None and shown is not None and wanted != shown:
            yield field.name, wanted, shown
    shown_references = dict(actual.references)
    for name, wanted in expected.references:
        if name in shown_references and shown_references[name] != wanted:
            yield name, wanted, shown_references[name]


def target_differs(part: Part, actual: Measure) -> Reason | None:
    """Why the object as the target shows it must not be committed, or None."""
    found = list(differences(part.measure, actual))
    if not found:
        return None
    parts = "; ".join(f"{name} expected {wanted}, actual {shown}" for name, wanted, shown in found)
    return Reason(
        code="target-differs",
        message=f"The target shows other figures than were sent: {parts}.",
        fix="Compare both documents; put the target's settings or the mapping right, then: connector release.",
        field=part.name,
    )
