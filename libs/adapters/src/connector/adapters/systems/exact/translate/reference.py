"""Exact's code tables -> Reference. The reader puts the kind beside the row."""

from collections.abc import Mapping

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
    reference_kind = ReferenceKind(kind)
    attributes: dict[str, str | None] = {
        ours: as_text(record[theirs])
        for theirs, ours in ATTRIBUTES.get(reference_kind, {}).items()
        if record.get(theirs) is not None
    }
    if reference_kind is ReferenceKind.VAT_CODE:
        rate = percent(record.get("Percentage"), source.resolved)
        attributes["rate"] = None if rate is None else f"{rate:f}"
    reference = Reference(
        kind=reference_kind,
        code=code,
        name=record.get("Description") or None,
        active=is_active(record, source),
        source_id=record.get("ID"),
        attributes=attributes,
    )
    return Translated(
        reference,
        company=str(record["Division"]) if record.get("Division") else None,
        native_number=code,
        native_version=record.get("Modified"),
        modified_at=instant(record.get("Modified")),
    )


def as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text[:10] if text.endswith("T00:00:00") else text


def is_active(record: Json, source: SourceDocument) -> bool:
    """Exact: blocked, or past its EndDate (which on a financial period is only its last day)."""
    if record.get("IsBlocked"):
        return False
    if source.native_id.startswith("period/"):
        return True
    end = day(record.get("EndDate"))
    return end is None or source.read_at.date() <= end
