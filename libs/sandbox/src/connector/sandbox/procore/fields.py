"""Reading the attributes of a request: a parser returns the value kept, or raises ValueError with the vendor's text."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import ApiError, FieldErrors, Invalid

Parser = Callable[[Any], Any]
Spec = Mapping[str, Parser]
"""Writable attribute -> parser."""

CENT = Decimal("0.01")
CUSTOM_FIELDS = "custom_field_"
"""A spec with this entry takes every attribute that starts with it."""


def text(limit: int | None = None) -> Parser:
    def parse(value: Any) -> str:
        result = str(value)
        if limit is not None and len(result) > limit:
            raise ValueError(f"is too long (maximum is {limit} characters)")
        return result

    return parse


def day(value: Any) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise ValueError("is not a valid date") from None


def flag(value: Any) -> bool:
    if value in (True, "true", "1", 1):
        return True
    if value in (False, "false", "0", 0):
        return False
    raise ValueError("is not a boolean")


def number(value: Any) -> Decimal:
    """A decimal from a JSON number or a decimal string: commitments document strings, direct costs numbers."""
    if isinstance(value, bool):
        raise ValueError("is not a number")
    try:
        result = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("is not a number") from None
    if not result.is_finite():
        raise ValueError("is not a number")
    return result


def percent(value: Any) -> Decimal:
    result = number(value)
    if not 0 <= result <= 100:
        raise ValueError("must be between 0 and 100")
    return result


def integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, Decimal) and value != int(value)):
        raise ValueError("is not an integer")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError("is not an integer") from None


def choice(*allowed: str) -> Parser:
    """One of a closed list; case and spaces count."""

    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError("is not included in the list")
        return str(value)

    return parse


def opaque(value: Any) -> Any:
    return value


def parse(spec: Spec, attributes: Mapping[str, Any], *, reject_unknown: bool = False) -> dict[str, Any]:
    """The known attributes of a request, parsed; unknown ones are dropped. A null stays None (it clears a value)."""
    values: dict[str, Any] = {}
    errors: FieldErrors = {}
    for name, value in attributes.items():
        parser = spec.get(CUSTOM_FIELDS if name.startswith(CUSTOM_FIELDS) else name)
        if parser is None:
            if reject_unknown:
                raise ApiError(406, f"unknown field: {name}", {name: ["is not a known field"]})
            continue
        try:
            values[name] = None if value is None else parser(value)
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise Invalid.of(errors)
    return values


def money(value: Decimal | None) -> str | None:
    """A decimal string with at least one place, as the vendor writes amounts and quantities: "1000.0"."""
    if value is None:
        return None
    if not value:
        return "0.0"
    plain = format(value.normalize(), "f")
    return plain if "." in plain else plain + ".0"
