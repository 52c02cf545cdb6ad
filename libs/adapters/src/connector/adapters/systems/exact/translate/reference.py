"""Exact's code tables -> Reference. The reader puts the kind beside the row."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.reference import Reference, ReferenceKind
from connector.domain.documents.translation import Translated

from .values import Json, day, instant, percent

ATTRIBUTES: Mapping[ReferenceKind, Mapping[str, str]] = {
    ReferenceKind.GL_ACCOUNT: {
        "Type": "type",
        "BalanceSide": "balance_side",
        "UseCostcenter": "use_cost_center",
        "UseCostunit": "use_cost_unit",
        "VATCode": "vat_code",
    },
    ReferenceKind.VAT_CODE: {"Type": "type", "VATTransactionType": "transaction_type", "Charged": "charged"},
    ReferenceKind.PAYMENT_TERM: {
        "PaymentDays": "days",
        "PaymentEndOfMonths": "end_of_months",
        "PaymentMethod": "method",
    },
    ReferenceKind.ITEM: {"Unit": "unit", "IsStockItem": "is_stock_item", "GLCostsCode": "gl_account"},
    ReferenceKind.JOURNAL: {
        "Type": "type",
        "Currency": "currency",
        "AllowVariableCurrency": "allow_variable_currency",
    },
    ReferenceKind.PERIOD: {"FinYear": "year", "FinPeriod": "period", "StartDate": "start", "EndDate": "end"},
    ReferenceKind.COMPANY: {
        "Currency": "currency",
        "Country": "country",
        "VATNumber": "vat_id",
        "BlockingStatus": "blocking_status",
        "DivisionMoveDate": "move_date",
    },
}
"""Exact's field -> our attribute. Cost centers, cost units and projects have none."""


def translate_reference(source: SourceDocument, record: Json) -> Translated:
    kind, _, code = source.native_id.partition("/")
    rate = percent(record.get("Percentage"), source.resolved)
    reference = reference_of(ReferenceKind(kind), code, record, rate, source.read_at.date())
    return Translated(
        reference,
        company=str(record["Division"]) if record.get("Division") else None,
        native_number=code,
        native_version=record.get("Modified"),
        modified_at=instant(record.get("Modified")),
    )


def reference_of(kind: ReferenceKind, code: str, record: Json, rate: Decimal | None, today: date) -> Reference:
    """One row of a code table, as Exact stood on that day; `rate` is a VAT code's, in per cent."""
    attributes: dict[str, str | None] = {
        ours: as_text(record[theirs])
        for theirs, ours in ATTRIBUTES.get(kind, {}).items()
        if record.get(theirs) is not None
    }
    if kind is ReferenceKind.VAT_CODE:
        attributes["rate"] = None if rate is None else f"{rate:f}"
    return Reference(
        kind=kind,
        code=code,
        name=record.get("Description") or None,
        active=is_active(kind, record, today),
        source_id=record.get("ID"),
        attributes=attributes,
    )


def as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text[:10] if text.endswith("T00:00:00") else text


def is_active(kind: ReferenceKind, record: Json, today: date) -> bool:
    """Exact: blocked, or past its EndDate (which on a financial period is only its last day)."""
    if record.get("IsBlocked"):
        return False
    if kind is ReferenceKind.PERIOD:
        return True
    end = day(record.get("EndDate"))
    return end is None or today <= end
