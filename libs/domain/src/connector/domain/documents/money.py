"""Amounts: decimals with a currency's minor units; never float."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class _PlainDecimal:
    """In JSON a string without exponent, formatted by the serializer itself; `description` is the schema's."""

    def __init__(self, description: str) -> None:
        self._description = description

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.decimal_schema(
            allow_inf_nan=False, serialization=core_schema.format_ser_schema("f", when_used="json")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": self._description}


Amount = Annotated[Decimal, _PlainDecimal("an amount in the minor units of its currency")]
UnitPrice = Annotated[Decimal, _PlainDecimal("a price per price base quantity, unrounded, up to 10 places")]
Quantity = Annotated[Decimal, _PlainDecimal("a quantity in the unit beside it")]
Rate = Annotated[Decimal, _PlainDecimal("accounting units per one document unit")]
Percent = Annotated[Decimal, _PlainDecimal("per cent: 21 means 21 %")]

_NO_MINOR_UNITS = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"}
_NO_MINOR_UNITS |= {"XAF", "XOF", "XPF"}
_THREE_MINOR_UNITS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}


def minor_units(currency: str) -> int:
    """Digits after the point (ISO 4217): 0, 2 or 3."""
    if currency in _NO_MINOR_UNITS:
        return 0
    return 3 if currency in _THREE_MINOR_UNITS else 2


def round_amount(value: Decimal, currency: str) -> Decimal:
    """Commercial rounding to the currency's minor units."""
    return value.quantize(Decimal(1).scaleb(-minor_units(currency)), ROUND_HALF_UP)


def spread(total: Decimal, weights: "list[Decimal]", currency: str) -> "list[Decimal]":
    """Split an amount by weights so that the parts sum exactly to it (largest remainder, ties to the earlier part)."""
    unit = Decimal(1).scaleb(-minor_units(currency))
    whole = sum(weights, Decimal(0))
    if not weights or whole == 0:
        raise ValueError("an amount can only be spread over weights with a sum other than 0")
    exact = [total * weight / whole for weight in weights]
    floors = [(value / unit).to_integral_value(rounding="ROUND_FLOOR") * unit for value in exact]
    missing = int(((total - sum(floors, Decimal(0))) / unit).to_integral_value())
    by_remainder = sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))
    for index in by_remainder[:missing]:
        floors[index] += unit
    return floors


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency; two currencies never mix."""

    amount: Decimal
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added")
        return Money(self.amount + other.amount, self.currency)

    def rounded(self) -> "Money":
        return Money(round_amount(self.amount, self.currency), self.currency)


class Canonical(BaseModel):
    """Base of everything in a canonical document: closed, immutable, snake_case."""

    model_config = ConfigDict(extra="forbid", frozen=True)
