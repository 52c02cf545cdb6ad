"""Values as Procore takes and shows them, in one notation on both sides so that they can be compared."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Json = Mapping[str, Any]

ZERO = Decimal(0)
TEXT_LIMIT = 255
"""Procore: number and title hold 255 characters."""


def plain(value: Decimal) -> str:
    """A decimal as text, without exponent or trailing zeros."""
    return format(value.normalize(), "f") if value else "0"


def number(value: Any) -> str | None:
    """Procore shows decimals as text ("10.0")."""
    return None if value is None or value == "" else plain(Decimal(str(value)))


def decimal(value: Any) -> Decimal:
    """An amount as Procore shows it; it shows none for 0."""
    return ZERO if value is None or value == "" else Decimal(str(value))


def shortened(text: str | None, limit: int = TEXT_LIMIT) -> str | None:
    """Free text cut to what Procore holds, its end marked; keys are never cut."""
    text = " ".join((text or "").split())
    return (text if len(text) <= limit else text[: limit - 1].rstrip() + "…") or None


def inner(row: Json, *names: str) -> Any:
    """A value inside objects; None where one of them is absent."""
    value: Any = row
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def changed(wanted: Json, shown: Json) -> dict[str, Any]:
    """What of `wanted` the target shows otherwise."""
    return {name: value for name, value in wanted.items() if shown.get(name) != value}
