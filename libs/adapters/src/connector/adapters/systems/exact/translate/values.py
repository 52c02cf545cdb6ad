"""Exact's values as ours: amounts, dates, rates, and the joined values a record carries."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connector.domain.documents.currencies import CURRENCIES
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.money import minor_units
from connector.domain.documents.translation import Translate, Translated, Untranslatable
from connector.domain.reasons import Reason

Json = Mapping[str, Any]

ZERO = Decimal(0)
HUNDRED = Decimal(100)
_WALL_CLOCK = ZoneInfo("Europe/Amsterdam")
_NOTHING: Json = {}
_UNITS = {currency: Decimal(1).scaleb(-minor_units(currency)) for currency in CURRENCIES}


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01 for EUR, 1 for JPY."""
    return _UNITS[currency]


def amount(value: str | int | None, unit: Decimal) -> Decimal | None:
    """An amount in minor units; Exact's are doubles, whose noise lies far below them."""
    return None if value is None else Decimal(value).quantize(unit, ROUND_HALF_UP)


def decimal(value: str | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def plain_decimal(value: Decimal) -> Decimal:
    """Without trailing zeros: 2.50 and 2.5 become the same document. Written out, it has no exponent."""
    return value.normalize()


def total(values: Iterable[Decimal | None]) -> Decimal | None:
    """The sum; unknown where one of the values is."""
    result = ZERO
    for value in values:
        if value is None:
            return None
        result += value
    return result


def quantity(value: str | int | None) -> Decimal | None:
    return None if value is None else plain_decimal(Decimal(value))


def day(value: str | None) -> date | None:
    """The date part of Exact's wall clock, never shifted through UTC: dates carry midnight there."""
    return None if value is None else date.fromisoformat(value[:10])


def instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=_WALL_CLOCK).astimezone(UTC)


def exchange_rate(rate: str | int | None, foreign: Decimal | None, accounting: Decimal | None) -> Decimal | None:
    """Accounting units per document unit. Exact: AmountDC = AmountFC x rate; where the amounts say that it is the other
    way round, the inverse."""
    if rate is None:
        return None
    value = Decimal(rate)
    if value == 0:
        return None
    if value != 1 and foreign and accounting:
        booked = abs(accounting)
        inverse = 1 / value
        if abs(abs(foreign) * inverse - booked) < abs(abs(foreign) * value - booked):
            return plain_decimal(round(inverse, 10))
    return plain_decimal(value)


def joined(resolved: Json, kind: str, key: str | int | None) -> Json:
    """A joined reference value, empty where there is none."""
    if key is None:
        return _NOTHING
    values: Json = resolved.get(kind, _NOTHING)
    found: Json | None = values.get(str(key))
    return found if found is not None else _NOTHING


def company_value(resolved: Json, key: str) -> Any:
    """A setting of the company as stamped on the record (`currency`, `vat/4`, `accounts/ITEM`); None where not set."""
    return resolved.get("company", _NOTHING).get(key)


def percent(value: str | int | None, resolved: Json) -> Decimal | None:
    """A percentage as per cent, whichever way this division writes them."""
    if value is None:
        return None
    number = Decimal(value)
    return plain_decimal(number * 100 if company_value(resolved, "percentages") != "percent" else number)


def currency_of(record: Json) -> str:
    """The document's currency; raises Untranslatable for one that is none."""
    currency = record.get("Currency")
    if currency not in CURRENCIES:
        raise Untranslatable(
            [
                Reason(
                    code="unknown-currency",
                    message=f"Currency {currency!r} is no ISO 4217 currency in use.",
                    fix="Correct the currency of the document in Exact.",
                    field="currency",
                )
            ]
        )
    return str(currency)


def supplier_of(record: Json) -> str:
    """The supplier's id; raises Untranslatable for a document without."""
    supplier = record.get("Supplier")
    if not supplier:
        raise Untranslatable(
            [
                Reason(
                    code="missing-supplier",
                    message="The document names no supplier.",
                    fix="Enter the supplier on the document in Exact.",
                    field="supplier",
                )
            ]
        )
    return str(supplier)


def guarded(translate: Callable[[SourceDocument, Json], Translated]) -> Translate:
    """A translator that refuses a record of another shape by name, instead of failing on it."""

    def translated(source: SourceDocument) -> Translated:
        if source.record is None:
            raise Untranslatable([Reason(code="empty-record", message="The document has no record.")])
        try:
            return translate(source, source.record)
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            reason = Reason(
                code="malformed-record",
                message=f"Exact's record does not have the shape of a {source.entity}: {type(error).__name__}: {error}",
                fix="Compare the record in documents.exact with Exact's own; report it if Exact's is sound.",
            )
            raise Untranslatable([reason]) from error

    return translated
