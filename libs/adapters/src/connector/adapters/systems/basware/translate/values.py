"""Basware's values as ours: amounts, dates, coding, and the joined values a record carries."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connector.domain.documents.currencies import CURRENCIES
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.money import minor_units
from connector.domain.documents.translation import Translate, Translated, Untranslatable
from connector.domain.reasons import Reason

Json = Mapping[str, Any]

ZERO = Decimal(0)
HUNDRED = Decimal(100)
DIMENSIONS = (
    "projectSubCode", "profitCenterCode", "businessUnitCode", "businessAreaCode", "internalOrderCode", "workOrderCode",
    "projectCode", *(f"dimCode{number}" for number in range(1, 11)),
)  # fmt: skip


def amount(value: str | int | None, currency: str) -> Decimal | None:
    """An amount in minor units; Basware's are doubles, whose noise lies far below them."""
    if value is None:
        return None
    return Decimal(value).quantize(Decimal(1).scaleb(-minor_units(currency)), ROUND_HALF_UP)


def number(value: str | int | None) -> Decimal | None:
    """Without trailing zeros: 2.50 and 2.5 become the same document."""
    return None if value is None else Decimal(value).normalize()


def day(value: str | None) -> date | None:
    """A business date: the date part as it is written, never shifted."""
    return None if value is None else date.fromisoformat(value[:10])


def instant(value: str | None) -> datetime | None:
    """Basware: instants without a zone are in UTC."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def currency_of(record: Json, field: str) -> str:
    """The document's currency; raises Untranslatable for one that is none."""
    currency = record.get(field)
    if currency not in CURRENCIES:
        raise Untranslatable(
            [
                Reason(
                    code="unknown-currency",
                    message=f"Currency {currency!r} is no ISO 4217 currency in use.",
                    fix="Correct the currency of the document in Basware and transfer it again.",
                    field="currency",
                )
            ]
        )
    return str(currency)


def supplier_of(record: Json, resolved: Json) -> dict[str, Any]:
    """Basware: documents name a supplier by code, within the system that feeds it; its record has an id of its own."""
    code = record.get("supplierCode")
    number = f"{record.get('supplierSourceSystemId') or ''}/{code or ''}"
    known = (resolved.get("supplier") or {}).get(number) or {}
    return {"id": known.get("id"), "number": code, "name": record.get("supplierName")}


def company_findings(source: SourceDocument, company: str | None) -> list[Reason]:
    """A company code that the connection does not name: whose books would it go to?"""
    stamped = source.resolved.get("company") or {}
    if company and stamped.get(company, ...) is not None:
        return []
    return [
        Reason(
            code="company-unknown",
            message=f"Company code {company!r} is not among the connection's companies.",
            fix=f"Add it under `company:` of connection {source.connection}, and to the flow that carries it.",
            field="company",
        )
    ]


def of_company(resolved: Json, company: str | None, what: str) -> Any:
    """A setting of the document's company as stamped on the record; None where it is not configured."""
    return (resolved.get("company") or {}).get(f"{company}/{what}")


def coding(row: Json, resolved: Json, share: Decimal = HUNDRED) -> dict[str, Any]:
    """The accounting of one row; which fields hold cost unit and project is the connection's to say."""
    stamped = resolved.get("company") or {}
    cost_unit, project = stamped.get("cost_unit"), stamped.get("project")
    return {
        "share": share,
        "gl_account": row.get("accountCode") or None,
        "cost_center": row.get("costCenterCode") or None,
        "cost_unit": row.get(cost_unit) if cost_unit else None,
        "project": row.get(project) if project else None,
        "dimensions": {n: str(row[n]) for n in DIMENSIONS if row.get(n) and n not in (cost_unit, project)},
    }


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
                message=f"Basware's record has not the shape of a {source.entity}: {type(error).__name__}: {error}",
                fix="Compare the record in documents.basware with Basware's own; report it if Basware's is sound.",
            )
            raise Untranslatable([reason]) from error

    return translated
