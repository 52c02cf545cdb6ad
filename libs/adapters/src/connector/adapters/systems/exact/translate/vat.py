"""What a VAT code of the company does to an amount."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from connector.domain.documents.common import VatCategory

from .values import HUNDRED, ZERO, Json, company_value, joined, percent

_NOT_OWED = frozenset(
    (VatCategory.REVERSE_CHARGE, VatCategory.INTRA_COMMUNITY, VatCategory.EXPORT, VatCategory.OUTSIDE_SCOPE)
)


class VatCode(NamedTuple):
    """One code as a document uses it. `category` is None where neither the company's table nor Exact tells it."""

    code: str | None
    category: VatCategory | None
    rate: Decimal | None
    included: bool
    owed: bool
    """Whether the supplier is owed this VAT; else the buyer assesses it himself."""
    non_deductible: Decimal
    """Per cent."""
    assessed_rate: Decimal | None = None
    """Under reverse charge: the rate at which the buyer owes the VAT."""


VatCodes = dict[str | None, VatCode]

_NO_CODE = VatCode(None, None, None, included=False, owed=True, non_deductible=ZERO)


def vat_codes(rows: Iterable[Json], resolved: Json) -> VatCodes:
    """The codes that lines use, each worked out once a document."""
    return {code: _vat_code(code, resolved) for code in {row.get("VATCode") for row in rows}}


def _vat_code(code: str | None, resolved: Json) -> VatCode:
    """The company's table before Exact's own VAT code (Type I includes the VAT, Charged is reverse charge)."""
    if not code:
        return _NO_CODE
    own: dict[str, Any] = company_value(resolved, f"vat/{code}") or {}
    exact = joined(resolved, "vat-code", code)
    charged = own["charged"] if own.get("charged") is not None else bool(exact.get("Charged"))
    included = own["included"] if own.get("included") is not None else exact.get("Type") == "I"
    rate = percent(exact.get("Percentage"), resolved)
    category = _category(own.get("category"), charged, rate)
    return VatCode(
        code,
        category,
        ZERO if category in _NOT_OWED else rate,
        included,
        owed=not charged and category not in _NOT_OWED,
        non_deductible=Decimal(own.get("non_deductible") or 0),
        assessed_rate=rate if charged else None,
    )


def _category(stated: str | None, charged: bool, rate: Decimal | None) -> VatCategory | None:
    """Only what is certain: a rate above 0 that the supplier charges is the standard category."""
    if stated is not None:
        return VatCategory(stated)
    return VatCategory.STANDARD if rate and not charged else None


def part_of(vat: Decimal, percentage: Decimal, unit: Decimal) -> Decimal:
    return (vat * percentage / HUNDRED).quantize(unit, ROUND_HALF_UP) if percentage else ZERO
