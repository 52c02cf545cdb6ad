"""Invoice -> Coupa's invoice or credit note: rendering and reading."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from connector.domain.digest import digest
from connector.domain.documents.common import Coding
from connector.domain.documents.invoice import Invoice, InvoiceLine, InvoiceStatus, InvoiceType, LinkStrength, TaxStatus
from connector.domain.documents.money import round_amount
from connector.domain.identity import Entity, EntityRef
from connector.domain.ports.target import Found, Json, Measure, NaturalKey, Part, Rendered
from connector.domain.reasons import Reason
from connector.domain.sync.lookup import link_key

from . import purchase_orders
from .pricing import price_for
from .rendering import Rendering, freeze
from .settings import Settings
from .values import (
    ACCOUNT_FIELDS,
    MADE_BY,
    ZERO,
    accounts_shown,
    custom,
    day_as_shown,
    decimal,
    ids_of,
    inner,
    instant,
    number,
    plain,
    share_ids,
    shortened,
    text_id,
    total,
)

RESOURCE = "invoices"
PART = "invoice"
NUMBER_LIMIT = 40
DESCRIPTION_LIMIT = 1550
QUANTITY_LINE, AMOUNT_LINE = "InvoiceQuantityLine", "InvoiceAmountLine"
DEAD = frozenset(("voided", "abandoned"))
CHARGES = ("shipping-amount", "handling-amount", "misc-amount")

FIELDS: list[Any] = [
    "id", "invoice_number", "invoice_date", "status", "document_type", "original_invoice_number",
    "original_invoice_date", "line_level_taxation", "exported", "paid", "gross_total", "total_with_taxes",
    "discount_amount", "shipping_amount", "handling_amount", "misc_amount",
    {"supplier": ["id"]}, {"account_type": ["name"]}, {"currency": ["code"]}, {"payment_term": ["code"]},
    {"custom_fields": {}}, *MADE_BY,
    {"invoice_lines": [
        "id", "line_num", "type", "description", "price", "quantity", "total", "order_line_id",
        {"uom": ["code"]}, {"currency": ["code"]}, {"custom_fields": {}}, *ACCOUNT_FIELDS,
        {"tax_lines": ["id", "amount", "rate", {"tax_code": ["code"]}]},
    ]},
]  # fmt: skip


def natural_key(invoice_number: str, supplier: str, day: str, stamp: str, replacements: int) -> NaturalKey:
    """Coupa identifies an invoice by number and supplier; numbers may recur over the years. `replacements` is how many
    numbered successors of a voided one may be there too."""
    return NaturalKey(
        RESOURCE,
        (
            ("invoice-number", invoice_number),
            ("supplier", supplier),
            ("invoice-date", day),
            ("stamp", stamp),
            ("replacements", str(replacements)),
        ),
    )


def replacement(base: str, shown: str) -> int | None:
    """Which successor of the number this is: 0 itself, 1 for `-R1`; None where it is another number."""
    match = re.fullmatch(re.escape(base) + r"(?:-R(\d+))?", shown)
    return None if match is None else int(match[1] or 0)


def numbered(base: str, successor: int) -> str:
    return f"{base}-R{successor}" if successor else base


# rendering


def render(r: Rendering, invoice: Invoice) -> Rendered:
    """One part, or why the invoice is not sent."""
    excluded = _not_sent(r, invoice)
    if excluded is not None:
        return Rendered(excluded=excluded)
    if invoice.status in (InvoiceStatus.REJECTED, InvoiceStatus.CANCELLED):
        return Rendered(parts=r.gone())
    negative = _is_negative(r, invoice)
    supplier = r.supplier(invoice.supplier)
    header = {
        "invoice-number": _number(r, invoice),
        "invoice-date": _day(r, invoice),
        "supplier": supplier.target_id if supplier else None,
        "account-type": _chart(r),
        "currency": r.currency(invoice.currency),
        "payment-term": r.payment_term(invoice.payment_terms),
        "line-level-taxation": True,
        **_credit(invoice, negative),
        **_header_charges(invoice, negative),
    }
    lines = {str(num): line for num, line in enumerate(_lines(r, invoice, negative), 1)}
    _check_vat(r, invoice)
    wanted = {
        "header": header,
        "stamp": r.stamp,
        "lines": lines,
        "state": str(r.options.end_state),
        "exported": True,
    }
    known = r.known(PART)
    key = natural_key(
        header["invoice-number"],
        header["supplier"] or "",
        header["invoice-date"] or "",
        r.stamp,
        known.generation + 1 if known else 0,
    )
    frozen = {
        "lines": {line.line_id: freeze(_coding(r, line), _item(line)) for line in invoice.lines},
        "done_orders": _done_orders(r, invoice),
    }
    part = Part(PART, key, r.stamp, wanted, _measure(invoice, wanted, negative), frozen=frozen)
    return Rendered(parts=[part], findings=r.findings)


def _not_sent(r: Rendering, invoice: Invoice) -> Reason | None:
    if r.wanted.known:
        return None
    if invoice.status in (InvoiceStatus.REJECTED, InvoiceStatus.CANCELLED):
        message = f"The invoice was {invoice.status} before it was ever written."
        return Reason(code="gone-before-first-write", message=message, severity="warn")
    if invoice.type_code is InvoiceType.PREPAYMENT:
        return Reason(code="not-sent-type", message="Down payments are not sent to Coupa.", severity="warn")
    return None


def _is_negative(r: Rendering, invoice: Invoice) -> bool:
    """Whether a credit note is sent as an invoice of negative quantities, its original being unknown."""
    if invoice.type_code is not InvoiceType.CREDIT_NOTE or _original(invoice) is not None:
        return False
    if r.options.original_unknown == "block":
        r.find(
            "credit-original-unknown",
            "The credit note does not say number and date of the invoice it credits.",
            fix="Enter the original invoice at the source, or set the flow's original_unknown to negative-invoice.",
            field="preceding_invoice",
        )
    return r.options.original_unknown == "negative-invoice"


def _original(invoice: Invoice) -> dict[str, str] | None:
    preceding = invoice.preceding_invoice
    if preceding is None or preceding.number is None or preceding.issue_date is None:
        return None
    return {
        "original-invoice-number": preceding.number,
        "original-invoice-date": preceding.issue_date.isoformat(),
    }


def _credit(invoice: Invoice, negative: bool) -> dict[str, Any]:
    """Coupa: a credit note has positive figures and names its original."""
    credit = invoice.type_code is InvoiceType.CREDIT_NOTE and not negative
    return {"is-credit-note": credit, **((_original(invoice) or {}) if credit else {})}


def _number(r: Rendering, invoice: Invoice) -> str:
    if invoice.invoice_number is None:
        r.find(
            "invoice-number-missing",
            "The invoice has no number of the supplier's, by which Coupa tells invoices apart.",
            fix="Enter the supplier's invoice number (your reference) in the source system.",
            field="invoice_number",
        )
        return ""
    return r.key("{number}", invoice.invoice_number, NUMBER_LIMIT, "invoice-number")


def _day(r: Rendering, invoice: Invoice) -> str | None:
    if invoice.issue_date is None:
        r.find(
            "invoice-date-missing",
            "The invoice has no date.",
            fix="Enter the invoice date in the source system.",
            field="issue_date",
        )
        return None
    return invoice.issue_date.isoformat()


def _chart(r: Rendering) -> str:
    name = r.options.chart_of_accounts
    r.reference("account-type", name, "chart-unknown-in-target", "chart of accounts", "chart_of_accounts")
    return name


def _header_charges(invoice: Invoice, negative: bool) -> dict[str, str | None]:
    sign = -1 if negative else 1
    discount = sum((allowance.amount for allowance in invoice.allowances), ZERO) * sign
    charges = sum((charge.amount for charge in invoice.charges), ZERO) * sign
    return {"discount-amount": plain(discount), "misc-amount": plain(charges)}


def _item(line: InvoiceLine) -> str | None:
    return line.item.buyer_id if line.item else None


def _coding(r: Rendering, line: InvoiceLine) -> list[Coding]:
    return r.frozen_coding(PART, line.line_id, line.accounting, _item(line))


def _done_orders(r: Rendering, invoice: Invoice) -> dict[str, Json]:
    """Orders that the lines are matched with and that are done at the source: a late invoice reopens them, and closes
    them again. By id, with the amounts the source has invoiced by line."""
    refs = {order_ref(r, line) for line in invoice.lines}
    orders = [order for ref in refs if ref is not None and (order := r.lookup.link(ref)) is not None]
    return {order.target_id: order.frozen["done"] for order in orders if order.frozen.get("done") is not None}


def order_ref(r: Rendering, line: InvoiceLine) -> EntityRef | None:
    """The order a line is matched with: only a link of strength `line` with a quantity counts."""
    link = line.order_link
    if link.strength is not LinkStrength.LINE or line.quantity is None or not link.order_id or not link.line_id:
        return None
    return EntityRef(r.wanted.source, Entity.PURCHASE_ORDER, link.order_id)


def _lines(r: Rendering, invoice: Invoice, negative: bool) -> Iterator[Mapping[str, Any]]:
    for position, line in enumerate(invoice.lines, 1):
        field = f"lines[{line.line_number or position}]"
        if line.net_amount is None:
            r.find(
                "amount-unknown",
                f"Line {line.line_number or position} has no net amount.",
                fix="Enter the line's amount in the source system.",
                field=f"{field}.net_amount",
            )
            continue
        yield _line(r, invoice, line, line.net_amount, negative, field)


def _line(
    r: Rendering, invoice: Invoice, line: InvoiceLine, net: Decimal, negative: bool, field: str
) -> Mapping[str, Any]:
    coding = _coding(r, line)
    text = line.description or (line.item.name if line.item else None) or invoice.description or "Invoice line"
    backing = _backing(r, line, net, invoice.currency, field)
    fields = r.coding_fields(coding, field)
    if r.settings.order_number_field and "order-line-id" not in backing:
        fields[r.settings.order_number_field] = line.order_link.order_number
    return {
        "description": shortened(text, DESCRIPTION_LIMIT),
        "currency": invoice.currency,
        "accounts": r.accounts(coding, field),
        "custom": fields,
        "tax": _tax(r, invoice, line, -1 if negative else 1, field),
        **_amounts(backing, net, negative),
    }


def _amounts(backing: Mapping[str, Any], net: Decimal, negative: bool) -> dict[str, Any]:
    """An unbacked line is an amount; as a negative invoice a negative quantity, never both negative."""
    unbacked = {"type": AMOUNT_LINE, "price": plain(net), "quantity": None, "uom": None, "order-line-id": None}
    if not negative:
        return {**unbacked, **backing}
    if backing.get("quantity") is not None:
        return {**unbacked, **backing, "quantity": plain(-Decimal(backing["quantity"]))}
    return {
        **unbacked,
        **backing,
        "type": QUANTITY_LINE,
        "price": plain(abs(net)),
        "quantity": "-1" if net > 0 else "1",
    }


def _backing(r: Rendering, line: InvoiceLine, net: Decimal, currency: str, field: str) -> dict[str, Any]:
    """The order line an invoice line is matched with, and what the match needs of it."""
    ref, link = order_ref(r, line), line.order_link
    if ref is None or line.quantity is None or link.line_id is None:
        return {}
    order = r.lookup.link(ref)
    order_line = order.sub_ids.get(link.line_id) if order else None
    if order is None or order_line is None:
        if r.options.unsent_order == "wait":
            what = f"Order {link.order_number or link.order_id}"
            r.find(
                "order-unknown-in-target" if order is None else "order-line-unknown-in-target",
                f"{what} is not in Coupa." if order is None else f"{what} has no such line in Coupa.",
                missing=link_key(ref),
                fix=f"See why order {ref.key} is not synced, or set the flow's unsent_order to unbacked.",
                field=f"{field}.order_link",
            )
        return {}
    if order.state == purchase_orders.DRAFT:
        r.find(
            "order-not-issued-in-target",
            f"Order {link.order_number or link.order_id} is a draft in Coupa, which takes no invoices for it.",
            missing=link_key(ref),
            fix=f"It goes on once the order is issued: see what holds up order {ref.key}.",
            field=f"{field}.order_link",
        )
    if order.extra.get("types", {}).get(link.line_id) == purchase_orders.AMOUNT_LINE:
        return {"order-line-id": order_line}
    own = None if line.price is None else line.price / (line.price_base or 1)
    price = price_for(abs(net), abs(line.quantity), own, currency, r.settings.price_places)
    if round_amount(price * abs(line.quantity), currency) != abs(net):
        r.find(
            "line-net-not-reproducible",
            f"No price gives {plain(net)} for {plain(line.quantity)} {line.unit or 'units'}, "
            "and a line matched with an order line has quantity and price.",
            fix="Correct quantity or amount of the line in the source system.",
            field=f"{field}.net_amount",
        )
    unit = r.unit(line.unit, f"{field}.unit")
    quantity = abs(line.quantity) if net >= 0 else -abs(line.quantity)
    return {
        "type": QUANTITY_LINE,
        "price": plain(price),
        "quantity": plain(quantity),
        "uom": unit,
        "order-line-id": order_line,
    }


def _tax(r: Rendering, invoice: Invoice, line: InvoiceLine, sign: int, field: str) -> list[dict[str, str | None]]:
    """Net and tax lines: the VAT as booked, never recomputed; what the buyer assesses himself is not in it."""
    vat = line.vat
    if invoice.tax_status is TaxStatus.UNKNOWN or vat.amount is None or (vat.code is None and not vat.amount):
        return []
    code = r.tax_code(vat, f"{field}.vat")
    rate = None if vat.rate is None else plain(vat.rate)
    return [{"amount": plain(vat.amount * sign), "rate": rate, "tax-code": code.partition("@")[0] if code else None}]


def _check_vat(r: Rendering, invoice: Invoice) -> None:
    stated = invoice.totals.vat
    carried = sum((line.vat.amount or ZERO for line in invoice.lines), ZERO)
    if invoice.tax_status is TaxStatus.STATED and stated is not None and stated != carried:
        r.find(
            "vat-not-on-lines",
            f"The document's VAT is {plain(stated)}, its lines carry {plain(carried)}; Coupa takes VAT by line.",
            fix="Correct the VAT of the lines, or of the document, in the source system.",
            field="totals.vat",
        )


def _measure(invoice: Invoice, wanted: Mapping[str, Any], negative: bool) -> Measure:
    sign = -1 if negative else 1
    header = wanted["header"]
    nets = [line.net_amount for line in invoice.lines if line.net_amount is not None]
    net = sum(nets, ZERO) * sign - Decimal(header["discount-amount"]) + Decimal(header["misc-amount"])
    vat = sum((Decimal(tax["amount"] or 0) for line in wanted["lines"].values() for tax in line["tax"]), ZERO)
    return Measure(
        payable=net + vat,
        net=net,
        vat=vat,
        currency=invoice.currency,
        credit=header["is-credit-note"],
        lines=len(wanted["lines"]),
        references=_references(wanted),
    )


def _references(wanted: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What must be on the object before it is committed: parties, accounts, tax codes and order lines, by place."""
    named = [(name, wanted["header"].get(name)) for name in ("supplier", "account-type", "payment-term")]
    for num, line in wanted["lines"].items():
        named.append((f"coding of line {num}", digest([line["accounts"], line["tax"], line["order-line-id"]])))
    return tuple((name, str(value)) for name, value in named if value is not None)


# reading


def found(row: Json, settings: Settings) -> Found:
    lines = {str(line.get("line-num")): line for line in row.get("invoice-lines") or []}
    supplier = text_id(inner(row, "supplier", "id"))
    shown: dict[str, Any] = {
        "header": {
            "invoice-number": row.get("invoice-number"),
            "invoice-date": day_as_shown(row.get("invoice-date")),
            "supplier": supplier,
            "account-type": inner(row, "account-type", "name"),
            "currency": inner(row, "currency", "code"),
            "payment-term": inner(row, "payment-term", "code"),
            "line-level-taxation": row.get("line-level-taxation"),
            "is-credit-note": row.get("document-type") == "Credit Note",
            "original-invoice-number": row.get("original-invoice-number"),
            "original-invoice-date": day_as_shown(row.get("original-invoice-date")),
            "discount-amount": number(row.get("discount-amount")) or "0",
            "misc-amount": number(row.get("misc-amount")) or "0",
        },
        "stamp": custom(row, settings.stamp_field),
        "lines": {num: _line_shown(line) for num, line in lines.items()},
        "state": row.get("status"),
        "exported": row.get("exported"),
    }
    stamp = custom(row, settings.stamp_field)
    return Found(
        target_id=str(row["id"]),
        natural_key=natural_key(
            str(row.get("invoice-number")), supplier or "", shown["header"]["invoice-date"] or "", stamp or "", 0
        ),
        stamp=stamp,
        status=str(row.get("status")),
        live=row.get("status") not in DEAD,
        projection=shown,
        sub_ids={num: str(line["id"]) for num, line in lines.items()},
        measure=_measure_shown(row, shown),
        created_by_us=settings.login is not None and inner(row, "created-by", "login") == settings.login,
        created_at=instant(row.get("created-at")),
        extra={
            "number": row.get("invoice-number"),
            "children": {
                num: {"shares": share_ids(line), "tax": ids_of(line, "tax-lines")} for num, line in lines.items()
            },
            "paid": bool(row.get("paid")),
            "changed_by_us": settings.login is not None and inner(row, "updated-by", "login") == settings.login,
        },
    )


def _line_shown(line: Json) -> dict[str, Any]:
    return {
        "description": line.get("description"),
        "currency": inner(line, "currency", "code"),
        "accounts": accounts_shown(line),
        "custom": {**line, **(line.get("custom-fields") or {})},
        "tax": [_tax_shown(tax) for tax in line.get("tax-lines") or []],
        "type": line.get("type"),
        "price": number(line.get("price")),
        "quantity": number(line.get("quantity")),
        "uom": inner(line, "uom", "code"),
        "order-line-id": text_id(line.get("order-line-id")),
    }


def _tax_shown(tax: Json) -> dict[str, str | None]:
    return {
        "amount": number(tax.get("amount")),
        "rate": number(tax.get("rate")),
        "tax-code": inner(tax, "tax-code", "code"),
    }


def _measure_shown(row: Json, shown: Mapping[str, Any]) -> Measure:
    """Coupa's own arithmetic. Credit notes read as positive, whichever sign this instance shows."""
    lines = row.get("invoice-lines") or []
    net = total(line.get("total") for line in lines)
    vat = total(tax.get("amount") for line in lines for tax in line.get("tax-lines") or [])
    if net is not None:
        net += sum((decimal(row.get(name)) or ZERO for name in CHARGES), ZERO) - (
            decimal(row.get("discount-amount")) or ZERO
        )
    payable = decimal(row.get("total-with-taxes"))
    credit = shown["header"]["is-credit-note"]
    if credit and net is not None and net < 0:
        net, vat = -net, None if vat is None else -vat
    if credit and payable is not None:
        payable = abs(payable)
    return Measure(
        payable=payable,
        net=net,
        vat=vat,
        currency=shown["header"]["currency"],
        credit=credit,
        lines=len(lines),
        references=_references(shown),
    )
