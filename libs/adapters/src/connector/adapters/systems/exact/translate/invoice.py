"""PurchaseEntries with PurchaseEntryLines, and the logistic PurchaseInvoice where there is one -> Invoice.

An entry and its purchase invoice are one invoice, keyed by EntryID. The entry gives header and totals; lines come from
the purchase invoice (items, quantities, order lines) where it has the entry's net, else from the entry (amounts and
accounting).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.invoice import Basis, Invoice, InvoiceStatus, InvoiceType, LinkStrength
from connector.domain.documents.translation import Translated
from connector.domain.reasons import Reason
from connector.domain.rules.invoice import invoice_findings

from .invoice_lines import Figures, entry_lines, figures_of_entry, figures_of_purchase_invoice, invoice_lines
from .terms import payment_terms
from .values import (
    ZERO,
    Json,
    amount,
    company_value,
    currency_of,
    day,
    exchange_rate,
    instant,
    joined,
    minor_unit,
    supplier_of,
)

CREDIT_NOTE = 31
"""Exact: Type 30 is a purchase entry, 31 a credit note."""
STATUSES = {5: InvoiceStatus.REJECTED, 20: InvoiceStatus.OPEN, 50: InvoiceStatus.BOOKED}
NO_LINK: dict[str, Any] = {"strength": LinkStrength.NONE}


@dataclass(frozen=True, slots=True)
class Sign:
    """How Exact's signed amounts become positive totals with an effect."""

    credit: bool
    factor: int
    conflict: Reason | None = None


def translate_invoice(source: SourceDocument, record: Json) -> Translated:
    resolved = source.resolved
    currency = currency_of(record)
    supplier = supplier_of(record)
    unit = minor_unit(currency)
    booked_gross = amount(record.get("AmountFC"), unit)
    sign = sign_of(record["Type"], booked_gross, resolved)
    gross = None if booked_gross is None else booked_gross * sign.factor
    findings = [sign.conflict] if sign.conflict else []
    header_link = order_link(record, supplier, currency, resolved)
    entry = figures_of_entry(record["PurchaseEntryLines"], gross, sign.factor, unit, resolved)
    logistic = logistic_figures(record, entry, unit, resolved, findings)
    lines = (
        entry_lines(record["PurchaseEntryLines"], entry, header_link, unit, resolved)
        if logistic is None
        else invoice_lines(record["PurchaseInvoice"], logistic, supplier, header_link, unit, resolved, findings)
    )
    discount = ZERO if logistic is None else logistic.discount
    vat = document_vat(record, entry, sign.factor, unit)
    withholding = withholding_of(record, currency, sign.factor, unit, resolved)
    invoice = Invoice.model_validate(
        {
            "invoice_number": record.get("YourRef") or None,
            "booking_number": _number(record.get("EntryNumber")),
            "type_code": InvoiceType.CREDIT_NOTE if sign.credit else InvoiceType.INVOICE,
            "effect": -1 if sign.credit else 1,
            "basis": Basis.BOOKING if logistic is None else Basis.DOCUMENT,
            "status": status_of(record, resolved),
            "issue_date": day(record.get("EntryDate")),
            "due_date": day(record.get("DueDate")),
            "period": period_of(record),
            "currency": currency,
            "accounting_currency": company_value(resolved, "currency"),
            "exchange_rate": exchange_rate(
                record.get("Rate"), booked_gross, amount(record.get("AmountDC"), accounting_unit(currency, resolved))
            ),
            "supplier": {
                "id": supplier,
                "number": joined(resolved, "account", supplier).get("Code"),
                "name": record.get("SupplierName"),
            },
            "payment_terms": payment_terms(record, "PaymentCondition", resolved),
            "payment_reference": record.get("PaymentReference") or None,
            "order_refs": order_refs(header_link, lines),
            "description": record.get("Description") or None,
            "allowances": [{"reason": "discount", "amount": discount}] if discount else [],
            "charges": [],
            "totals": {
                **(entry if logistic is None else logistic).totals(),
                "vat": vat,
                "gross": gross,
                "withholding": withholding,
                "payable": gross if gross is None or withholding is None else gross - withholding,
                "self_assessed_vat": entry.self_assessed or None,
                **accounting_totals(record, entry, sign.factor, accounting_unit(currency, resolved)),
            },
            "vat_breakdown": entry.breakdown(),
            "attachments": attachments_of(record),
            "lines": lines,
        }
    )
    if not record.get("Reversal"):
        findings.extend(invoice_findings(invoice))
    return Translated(
        invoice,
        company=_number(record.get("Division")),
        native_number=invoice.booking_number,
        native_version=record.get("Modified"),
        modified_at=instant(record.get("Modified")),
        extras={
            "status": record["Status"],
            "journal": record.get("Journal"),
            "reversal": bool(record.get("Reversal")),
            "external_link": record.get("ExternalLinkReference") or None,
        },
        findings=findings,
    )


def _number(value: object) -> str | None:
    return None if value is None else str(value)


def sign_of(entry_type: int, gross: Decimal | None, resolved: Json) -> Sign:
    """A credit note by its type or by a negative total. A flag that contradicts the sign is nobody's guess."""
    flagged = entry_type == CREDIT_NOTE
    flagged_negative = company_value(resolved, "credit_amounts") != "positive"
    if not gross:
        return Sign(flagged, -1 if flagged and flagged_negative else 1)
    conflict = None
    if flagged and (gross < 0) != flagged_negative:
        conflict = Reason(
            code="credit-sign",
            message=f"Exact calls it a credit note (Type 31), but its total is {gross:f}.",
            fix="Correct the entry in Exact, or set the connection's company.credit_amounts to how Exact signs them.",
            field="type_code",
        )
    return Sign(flagged or gross < 0, -1 if gross < 0 else 1, conflict)


def status_of(record: Json, resolved: Json) -> InvoiceStatus:
    """A reversal is no invoice of its own: it and the entry that it cancels are cancelled."""
    if record.get("Reversal") or joined(resolved, "reversal", record["EntryID"]):
        return InvoiceStatus.CANCELLED
    return STATUSES[record["Status"]]


def order_link(record: Json, supplier: str, currency: str, resolved: Json) -> dict[str, Any]:
    """`header` where the entry's OrderNumber is that of exactly one order of this supplier and currency."""
    number = record.get("OrderNumber")
    if not number:
        return NO_LINK
    hits = [
        hit
        for hit in joined(resolved, "order", number).get("hits", ())
        if hit["Supplier"] == supplier and hit["Currency"] == currency
    ]
    if len(hits) != 1:
        return {"strength": LinkStrength.NONE, "order_number": str(number)}
    return {"strength": LinkStrength.HEADER, "order_id": hits[0]["PurchaseOrderID"], "order_number": str(number)}


def order_refs(header: dict[str, Any], lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each order once: those the lines belong to, else the header's."""
    by_order = {
        line["order_link"]["order_id"]: {**line["order_link"], "line_id": None}
        for line in lines
        if line["order_link"]["strength"] is LinkStrength.LINE
    }
    if by_order:
        return list(by_order.values())
    return [header] if header.get("order_number") else []


def logistic_figures(
    record: Json, entry: Figures, unit: Decimal, resolved: Json, findings: list[Reason]
) -> Figures | None:
    """The purchase invoice's lines, if there is one and it has the entry's net."""
    invoice = record.get("PurchaseInvoice")
    if invoice is None:
        return None
    logistic = figures_of_purchase_invoice(invoice, unit, resolved)
    if logistic.net is not None and logistic.net == entry.net:
        return logistic
    findings.append(
        Reason(
            code="purchase-invoice-differs",
            message=f"The purchase invoice has {logistic.net} net, its entry {entry.net}: the entry's lines are taken.",
            fix="Correct the purchase invoice or its entry in Exact.",
            field="lines",
            severity="warn",
        )
    )
    return None


def document_vat(record: Json, entry: Figures, factor: int, unit: Decimal) -> Decimal | None:
    """What the supplier is owed. Exact's header total may hold the self-assessed VAT too: that part is not owed."""
    stated = amount(record.get("VATAmountFC"), unit)
    if stated is None:
        return entry.owed
    stated *= factor
    if entry.owed is not None and stated == entry.owed + entry.self_assessed:
        return entry.owed
    return stated


def withholding_of(record: Json, currency: str, factor: int, unit: Decimal, resolved: Json) -> Decimal | None:
    """Spain: withheld per line, stated in the division's currency; unknown on a document in another one."""
    held = [row["WithholdingAmountDC"] for row in record["PurchaseEntryLines"] if row.get("WithholdingAmountDC")]
    if not held or company_value(resolved, "currency") != currency:
        return None
    return sum((amount(value, unit) or ZERO for value in held), ZERO) * factor


def accounting_unit(currency: str, resolved: Json) -> Decimal:
    return minor_unit(company_value(resolved, "currency") or currency)


def accounting_totals(record: Json, entry: Figures, factor: int, unit: Decimal) -> dict[str, Decimal | None]:
    """As booked. Where Exact's VAT total holds self-assessed VAT, it is not the supplier's: net and VAT are unknown."""
    gross, vat = amount(record.get("AmountDC"), unit), amount(record.get("VATAmountDC"), unit)
    if gross is None:
        return {}
    if vat is None or (entry.self_assessed and vat):
        return {"accounting_gross": gross * factor}
    return {
        "accounting_gross": gross * factor,
        "accounting_vat": vat * factor,
        "accounting_net": (gross - vat) * factor,
    }


def period_of(record: Json) -> dict[str, int] | None:
    year, period = record.get("ReportingYear"), record.get("ReportingPeriod")
    return {"year": year, "period": period} if year and period else None


def attachments_of(record: Json) -> list[dict[str, Any]]:
    document = record.get("Document")
    return [{"id": document, "name": record.get("DocumentSubject") or None}] if document else []
