"""Accounts -> Supplier. Bank accounts are not read."""

from typing import Any

from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.supplier import AccountRole, Supplier
from connector.domain.documents.translation import Translated

from .terms import payment_terms
from .values import Json, day, instant, joined


def translate_supplier(source: SourceDocument, record: Json) -> Translated:
    resolved = source.resolved
    supplier = Supplier.model_validate(
        {
            "number": record.get("Code"),
            "name": record["Name"],
            "alias": record.get("SearchCode") or None,
            "vat_id": record.get("VATNumber") or None,
            "registration": record.get("ChamberOfCommerce") or None,
            "endpoint": record.get("PeppolIdentifier") or record.get("GlnNumber") or None,
            "roles": roles_of(record),
            "companies": [str(record["Division"])] if record.get("Division") else [],
            "status": {"active": is_active(record, source), "ordering_blocked": record.get("Blocked")},
            "currency": record.get("PurchaseCurrency") or None,
            "payment_terms": payment_terms(record, "PaymentConditionPurchase", resolved),
            "vat_code": record.get("PurchaseVATCode") or None,
            "default_gl_account": joined(resolved, "gl-account", record.get("GLAccountPurchase")).get("Code"),
            "language": record.get("Language") or None,
            "website": record.get("Website") or None,
            "email": record.get("Email") or None,
            "phone": record.get("Phone") or None,
            "addresses": addresses_of(record),
        }
    )
    return Translated(
        supplier,
        company=str(record["Division"]) if record.get("Division") else None,
        native_number=supplier.number,
        native_version=record.get("Modified"),
        modified_at=instant(record.get("Modified")),
    )


def roles_of(record: Json) -> list[AccountRole]:
    """Exact: IsSupplier, and Status C for customers; one account may be both."""
    roles = [AccountRole.SUPPLIER] if record.get("IsSupplier") else []
    return [*roles, AccountRole.CUSTOMER] if record.get("Status") == "C" else roles


def is_active(record: Json, source: SourceDocument) -> bool:
    """Exact: inactive when blocked, or when today is outside StartDate to EndDate; today is the day it was read."""
    if record.get("Blocked"):
        return False
    today = source.read_at.date()
    start, end = day(record.get("StartDate")), day(record.get("EndDate"))
    return (start is None or start <= today) and (end is None or today <= end)


def addresses_of(record: Json) -> list[dict[str, Any]]:
    lines = [line for name in ("AddressLine1", "AddressLine2", "AddressLine3") if (line := record.get(name))]
    if not lines and not record.get("City") and not record.get("Country"):
        return []
    return [
        {
            "lines": lines,
            "city": record.get("City") or None,
            "postal_code": record.get("Postcode") or None,
            "region": record.get("State") or None,
            "country": record.get("Country") or None,
            "kind": "visit",
        }
    ]
