"""accountingDocuments -> Invoice: the header as approved, one line a coding row.

Basware has no flag for credit notes: a negative gross or a listed type code makes one. Sums are stated as the header
has them; whether the coding reproduces them is judged where it is written, since a flow may allow a residual.
"""

from decimal import Decimal
from typing import Any

from connector.domain.documents.common import VatCategory
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.invoice import Basis, Invoice, InvoiceStatus, InvoiceType, LinkStrength, TaxStatus
from connector.domain.documents.translation import Translated
from connector.domain.reasons import Reason
from connector.domain.rules.invoice import invoice_findings

from .values import ZERO, Json, amount, coding, company_findings, currency_of, day, instant, number, of_company
from .values import supplier_of as supplier

OURS = frozenset(("WaitingForTransfer", "TransferInProgress", "Transferred", "TransferFailed", "Paid"))
OWED_BY_BUYER = frozenset((VatCategory.REVERSE_CHARGE, VatCategory.INTRA_COMMUNITY))


def translate_invoice(source: SourceDocument, record: Json) -> Translated:
    resolved = source.resolved
    company = record.get("companyCode") or None
    currency = currency_of(record, "currencyCode")
    credit, findings = is_credit(record, of_company(resolved, company, "credit_types"), currency)
    sign = -1 if credit else 1
    lines = [line_of(row, currency, sign, resolved, company) for row in rows_of(record)]
    self_assessed = sum((line["self_assessed_vat"] or ZERO for line in lines), ZERO)
    invoice = Invoice.model_validate(
        {
            "invoice_number": record.get("invoiceNumber") or None,
            "type_code": InvoiceType.CREDIT_NOTE if credit else InvoiceType.INVOICE,
            "effect": sign,
            "basis": Basis.BOOKING,
            "status": status_of(record),
            "issue_date": day(record.get("invoiceDate")),
            "due_date": day(record.get("dueDate")),
            "booking_date": day(record.get("voucherDate")),
            "period": period_of(record),
            "currency": currency,
            "accounting_currency": record.get("currencyCodeCompany") or None,
            "supplier": supplier(record, resolved),
            "payment_terms": terms_of(record),
            "payment_reference": record.get("referenceNumber") or None,
            **payee_of(record),
            "payment_block": record.get("paymentBlock"),
            "order_refs": [
                {"strength": LinkStrength.HEADER, "order_number": order} for order in record.get("orderNumbers", ())
            ],
            "preceding_invoice": {"native_id": record["parentInvoiceBumId"]}
            if record.get("parentInvoiceBumId")
            else None,
            "description": record.get("description") or None,
            "totals": totals_of(record, currency, sign, self_assessed),
            "tax_status": TaxStatus.STATED,
            "attachments": attachments_of(record, resolved),
            "lines": lines,
        }
    )
    findings = [
        *findings,
        *company_findings(source, company),
        *tax_findings(record, currency),
        *image_findings(resolved),
        *invoice_findings(invoice),
    ]
    return Translated(
        invoice,
        company=company,
        native_number=invoice.invoice_number,
        native_version=record.get("lastUpdated"),
        modified_at=instant(record.get("lastUpdated")),
        extras={"images": images_of(resolved)},
        findings=findings,
    )


def is_credit(record: Json, listed: list[str] | None, currency: str) -> tuple[bool, list[Reason]]:
    gross = amount(record.get("grossSum"), currency)
    by_type = record.get("invoiceTypeCode") in (listed or ())
    negative = gross is not None and gross < 0
    if by_type and gross is not None and gross > 0:
        reason = Reason(
            code="credit-sign",
            message=f"Type {record.get('invoiceTypeCode')} is a credit note, its gross sum is {gross:f}.",
            fix="Correct type or sums in Basware and transfer it again, or correct the connection's credit_types.",
            field="totals.gross",
        )
        return False, [reason]
    return negative or by_type, []


def status_of(record: Json) -> InvoiceStatus:
    """What accounts payable has taken back is cancelled; everything on its way to us counts alike, so that the states
    which our own answers cause are no new content."""
    return InvoiceStatus.OPEN if record.get("processingStatus") in OURS else InvoiceStatus.CANCELLED


def period_of(record: Json) -> dict[str, int] | None:
    """Basware leaves the form of accountingPeriod to the customer: year and month, in either order."""
    digits = "".join(char if char.isdigit() else " " for char in str(record.get("accountingPeriod") or "")).split()
    if len(digits) == 1 and len(digits[0]) == 6:
        digits = [digits[0][:4], digits[0][4:]]
    if len(digits) != 2:
        return None
    year, period = (digits[0], digits[1]) if len(digits[0]) == 4 else (digits[1], digits[0])
    return {"year": int(year), "period": int(period)} if len(year) == 4 else None


def terms_of(record: Json) -> dict[str, Any] | None:
    code = record.get("paymentTermCode")
    return {"code": code, "description": record.get("paymentTermName")} if code else None


def payee_of(record: Json) -> dict[str, Any]:
    """The account to pay, which the reader has put its fingerprint in the place of."""
    account = record.get("supplierBankIBAN") or record.get("supplierBankBBAN") or {}
    return {"payee_account": account.get("hash"), "payee_account_last4": account.get("last4")}


def totals_of(record: Json, currency: str, sign: int, self_assessed: Decimal) -> dict[str, Any]:
    """The header's own sums. What the buyer owes to the tax office is not owed to the supplier."""
    net, stated = amount(record.get("netSum"), currency), amount(record.get("grossSum"), currency)
    gross = None if stated is None else stated * sign - self_assessed
    net = None if net is None else net * sign
    vat = None if gross is None or net is None else gross - net
    return {
        "net": net,
        "vat": vat,
        "gross": gross,
        "payable": gross,
        "self_assessed_vat": self_assessed,
        "accounting_net": _signed(amount(record.get("netSumCompany"), currency), sign),
        "accounting_gross": _signed(amount(record.get("grossSumCompany"), currency), sign),
    }


def _signed(value: Decimal | None, sign: int) -> Decimal | None:
    return None if value is None else value * sign


def rows_of(record: Json) -> list[Json]:
    """Coding rows in their order. Basware: rowIndex is unique and may have gaps."""
    return sorted(record.get("codingRows", ()), key=lambda row: (int(row.get("rowIndex") or 0), row["externalCode"]))


def line_of(row: Json, currency: str, sign: int, resolved: Json, company: str | None) -> dict[str, Any]:
    code = row.get("taxCode") or None
    treatment = (of_company(resolved, company, "tax") or {}).get(code) or {}
    category = VatCategory(treatment["category"]) if treatment else None
    net = _signed(amount(row.get("netTotal"), currency), sign)
    tax = _signed(amount(row.get("taxSum"), currency), sign) or ZERO
    charged = category in OWED_BY_BUYER
    matched = row.get("matchedQuantity")
    return {
        "line_id": row["externalCode"],
        "line_number": row.get("rowIndex"),
        "description": row.get("orderLineDescription") or row.get("text1") or row.get("lastComment") or None,
        "quantity": number(matched),
        "unit": row.get("orderLineUOM") if matched else None,
        "net_amount": net,
        "vat": {
            "code": code,
            "category": category,
            "rate": number(row.get("taxPercent")),
            "amount": ZERO if charged else tax,
        },
        "self_assessed_vat": tax if charged else None,
        "cost_amount": net,
        "accounting": [coding(row, resolved)],
        "order_link": link_of(row),
    }


def link_of(row: Json) -> dict[str, Any]:
    order, line = row.get("orderNumber"), row.get("orderLineNumber")
    if not order:
        return {"strength": LinkStrength.NONE}
    strength = LinkStrength.LINE if line else LinkStrength.HEADER
    return {"strength": strength, "order_number": order, "line_id": line or None}


def tax_findings(record: Json, currency: str) -> list[Reason]:
    """A second tax on a row has no place in a booking that knows one tax code a line."""
    fix = "Correct the coding in Basware and transfer it again."
    second = [row for row in rows_of(record) if amount(row.get("taxSum2"), currency)]
    return [
        Reason(code="second-tax", message=f"Row {row.get('rowIndex')} has a second tax.", fix=fix, field="lines.vat")
        for row in second
    ]


def image_findings(resolved: Json) -> list[Reason]:
    fix = "Replace the image in Basware by one of at most 10 MB, or set images: none on the flow; then transfer again."
    return [
        Reason(
            code=f"image-{image['problem']}", message=f"The image {code} of the invoice is {image['problem']}.",
            fix=fix, field="attachments", severity="warn",
        )
        for code, image in sorted((resolved.get("image") or {}).items())
        if image.get("problem")
    ]  # fmt: skip


def images_of(resolved: Json) -> dict[str, Any]:
    """Where the images rest, by attachment; what could not be read says why."""
    keep = ("blob", "size", "problem")
    images = resolved.get("image") or {}
    return {code: {name: image[name] for name in keep if name in image} for code, image in sorted(images.items())}


def attachments_of(record: Json, resolved: Json) -> list[dict[str, Any]]:
    """Only those that were read: others may be listed at any time, and are no part of what is booked."""
    read = resolved.get("image") or {}
    return [
        {"id": item["externalCode"], "name": item.get("filename")}
        for item in record.get("attachments", ())
        if item["externalCode"] in read
    ]
