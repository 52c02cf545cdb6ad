"""Invoices and credit notes: links to order lines, totals, and the way from draft to approved or voided."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from .fields import Record
from .orders import currency_round, settle_lines
from .rules import Payload, Rules, require_status
from .schema import INVOICE_LINE
from .store import Instance, Rejected, Unit

OPEN = ("new", "draft")
DEAD = frozenset({"voided", "abandoned", "rejected", "invalid"})
UNCOUNTED = DEAD | {"new", "draft"}
"""An order line's `invoiced` counts invoices from submission on."""
FREE_AFTER_SUBMIT = frozenset(
    {"paid", "payment-date", "payment-notes", "payments", "exported", "last-exported-at", "custom-fields",
     "internal-note", "supplier-note", "comments", "taggings", "lock-version-key", "updated-at"}
)  # fmt: skip
LINE_KIND = {"InvoiceQuantityLine": "OrderQuantityLine", "InvoiceAmountLine": "OrderAmountLine"}


def settle_invoice(unit: Unit, invoice: Record) -> None:
    new = unit.is_new(invoice)
    if new:
        unit.set(invoice, "status", "draft")
        unit.set(invoice, "channel", "api")
        if not invoice.many("invoice-lines"):
            unit.fail("invoice-lines", "can't be blank")
    unit.set(invoice, "document-type", "Credit Note" if invoice.flag("is-credit-note") else "Invoice")
    _default_currency(unit, invoice)
    lines = invoice.many("invoice-lines")
    for number, line in enumerate(lines, start=1):
        if line.values.get("line-num") is None:
            unit.set(line, "line-num", number)
        _link(unit, invoice, line)
        if line.one("currency") is None:
            unit.set(line, "currency", invoice.one("currency"))
    settle_lines(unit, lines, invoice.one("currency"))
    if unit.settings.accounting_required_at == "create":
        check_accounting(unit, invoice)
    if unit.settings.invoice_number_unique == "create":
        check_number(unit, invoice)
    if not unit.errors:
        _settle_totals(unit, invoice)
        _settle_due_dates(unit, invoice)
        if not new and unit.has_changed(invoice):
            _check_locked(unit, invoice)
            unit.set(invoice, "lock-version-key", (invoice.whole("lock-version-key") or 0) + 1)


def _default_currency(unit: Unit, invoice: Record) -> None:
    if invoice.one("currency") is None:
        found = unit.instance["currencies"].find("code", unit.settings.default_currency)
        unit.set(invoice, "currency", found[0] if found else None)


def _link(unit: Unit, invoice: Record, line: Record) -> None:
    """Tie the line to the order line it names; what the order line says fills what the payload left out."""
    order_line = _order_line(unit, line)
    if order_line is None:
        return
    _check_link(unit, invoice, line, order_line)
    unit.set(line, "order-line-id", order_line.id)
    unit.set(line, "po-number", order_line.text("order-header-number"))
    unit.set(line, "order-header-num", order_line.text("order-header-number"))
    unit.set(line, "order-line-num", order_line.text("line-num"))
    for name in ("uom", "account", "commodity", "item"):
        if line.values.get(name) is None and not (name == "account" and line.many("account-allocations")):
            unit.set(line, name, order_line.values.get(name))


def _order_line(unit: Unit, line: Record) -> Record | None:
    lines, wanted = unit.instance["purchase_order_lines"], line.whole("order-line-id")
    if wanted is None:
        return None
    found = lines.records.get(wanted)
    if found is None and unit.before(line, "order-line-id") != wanted:
        if unit.creating:
            unit.fail("order-line-id", "is not known")
        else:
            unit.set(line, "order-line-id", unit.before(line, "order-line-id"))
    return found


def _check_link(unit: Unit, invoice: Record, line: Record, order_line: Record) -> None:
    order = order_line.owner
    if order is None or unit.before(line, "order-line-id") == order_line.id:
        return
    if LINE_KIND[line.text("type")] != order_line.text("type"):
        unit.fail("order-line-id", f"is an {order_line.text('type')}, which a {line.text('type')} can't bill")
    if order.one("supplier") is not invoice.one("supplier"):
        unit.fail("order-line-id", "belongs to an order of another supplier")
    if invoice.flag("is-credit-note"):
        return
    allowed = unit.settings.invoiceable_order_statuses
    if order.text("status") not in allowed:
        unit.fail("order-line-id", f"belongs to an order that is {order.text('status')}")
    elif order_line.text("status") == "soft_closed_for_invoicing":
        unit.fail("order-line-id", "is closed for invoicing")


def linked_by_numbers(instance: Instance, payload: Payload) -> Payload:
    """The payload with `order-line-id` in lines that name their order line by `order-header-num`, `order-line-num`."""
    lines = payload.get("invoice-lines")
    if not isinstance(lines, list) or not instance.settings.link_by_order_numbers:
        return payload
    return {**payload, "invoice-lines": [_linked(instance, line) for line in lines]}


def _linked(instance: Instance, raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    line = {key.replace("_", "-"): value for key, value in raw.items()}
    order, number = line.get("order-header-num") or line.get("po-number"), line.get("order-line-num")
    if line.get("order-line-id") or not order or not number:
        return raw
    found = instance["purchase_order_lines"].find("order-header-number", str(order))
    match = next((one.id for one in found if one.text("line-num") == str(number)), None)
    return {**raw, "order-line-id": match} if match else raw


def check_accounting(unit: Unit, invoice: Record) -> None:
    for line in invoice.many("invoice-lines"):
        backed = line.whole("order-line-id") is not None
        if not backed and line.one("account") is None and not line.many("account-allocations"):
            unit.fail("account", "can't be blank on a line that is not backed by an order")


def check_number(unit: Unit, invoice: Record) -> None:
    """A number may recur for another supplier, and where the earlier one was voided or abandoned."""
    for other in unit.instance["invoices"].find("invoice-number", invoice.text("invoice-number")):
        same_supplier = other.one("supplier") is invoice.one("supplier")
        if other is not invoice and same_supplier and other.text("status") not in DEAD:
            unit.fail("invoice-number", "has already been taken")


def _settle_totals(unit: Unit, invoice: Record) -> None:
    currency = invoice.one("currency")
    lines = invoice.many("invoice-lines")
    for line in lines:
        unit.set(line, "accounting-total", line.amount("total"))
        unit.set(line, "status", invoice.text("status"))
    net = sum((line.amount("total") for line in lines), Decimal(0))
    net += sum((charge.amount("total") for charge in invoice.many("invoice-charges")), Decimal(0))
    net += sum((invoice.amount(f"{name}-amount") for name in ("shipping", "handling", "misc")), Decimal(0))
    net -= invoice.amount("discount-amount")
    tax = (
        sum((_line_tax(unit, line) for line in lines), Decimal(0))
        if _taxed_by_line(invoice)
        else _header_tax(invoice, net)
    )
    sign = -1 if invoice.flag("is-credit-note") and unit.settings.credit_note_totals_negative else 1
    with_tax = sign * currency_round(net + tax, currency)
    without = sign * currency_round(net, currency)
    unit.set(invoice, "total-with-taxes", with_tax)
    unit.set(invoice, "gross-total", with_tax if unit.settings.gross_total_includes_tax else without)


def _taxed_by_line(invoice: Record) -> bool:
    return invoice.flag("line-level-taxation")


def _line_tax(unit: Unit, line: Record) -> Decimal:
    """The tax lines' amounts; one with a rate alone is computed on the line."""
    currency, tax_lines = line.one("currency"), line.many("tax-lines")
    for tax_line in tax_lines:
        if tax_line.values.get("amount") is None:
            computed = line.amount("total") * tax_line.amount("rate") / 100
            unit.set(tax_line, "amount", currency_round(computed, currency))
    if tax_lines:
        return sum((tax_line.amount("amount") for tax_line in tax_lines), Decimal(0))
    if line.values.get("tax-amount") is not None:
        return line.amount("tax-amount")
    return currency_round(line.amount("total") * line.amount("tax-rate") / 100, currency)


def _header_tax(invoice: Record, net: Decimal) -> Decimal:
    if invoice.values.get("tax-amount") is not None:
        return invoice.amount("tax-amount")
    return currency_round(net * invoice.amount("tax-rate") / 100, invoice.one("currency"))


def _settle_due_dates(unit: Unit, invoice: Record) -> None:
    term, day = invoice.one("payment-term"), invoice.values.get("invoice-date")
    for target, source in (
        ("net-due-date", "days-for-net-payment"),
        ("discount-due-date", "days-for-discount-payment"),
    ):
        days = term.whole(source) if term else None
        unit.set(invoice, target, day + timedelta(days=days) if isinstance(day, date) and days is not None else None)


def _check_locked(unit: Unit, invoice: Record) -> None:
    """Once submitted only payment, export, notes and custom fields may still change."""
    status = unit.before(invoice, "status")
    if unit.person or status in OPEN or not unit.settings.lock_submitted_invoices:
        return
    for name, value in invoice.values.items():
        if name not in FREE_AFTER_SUBMIT and unit.before(invoice, name) != value:
            unit.fail(name, f"can't be changed on an invoice that is {status}")
    if any(part.kind is INVOICE_LINE or (part.owner and part.owner.kind is INVOICE_LINE) for part in unit.written()):
        unit.fail("invoice-lines", f"can't be changed on an invoice that is {status}")


def recount(instance: Instance, invoice: Record) -> None:
    """Bring `invoiced` of every order line the invoice touches, or touched, up to date. Credit notes reduce it."""
    for line in invoice.values.get("invoice-lines") or ():
        order_line = instance["purchase_order_lines"].records.get(line.values.get("order-line-id") or 0)
        if order_line is None:
            continue
        billed = Decimal(0)
        for bill in instance["invoice_lines"].find("order-line-id", order_line.id):
            header = bill.owner
            if header is not None and not bill.deleted and header.text("status") not in UNCOUNTED:
                billed += -bill.amount("total") if header.flag("is-credit-note") else bill.amount("total")
        order_line.values["invoiced"] = billed


def _move(unit: Unit, invoice: Record, status: str) -> None:
    unit.set(invoice, "status", status)
    unit.set(invoice, "canceled", status == "voided")
    unit.set(invoice, "lock-version-key", (invoice.whole("lock-version-key") or 0) + 1)
    for line in invoice.many("invoice-lines"):
        unit.set(line, "status", status)


def _status_after_submit(unit: Unit, invoice: Record) -> str:
    """A three-way match waits for its receipt; everything else for its approval."""
    if unit.settings.invoice_status_after_submit != "by_matching":
        return unit.settings.invoice_status_after_submit
    lines = unit.instance["purchase_order_lines"].records
    for line in invoice.many("invoice-lines"):
        order_line = lines.get(line.values.get("order-line-id") or 0)
        if order_line is None or not order_line.text("match-type").startswith("3-way"):
            continue
        if order_line.amount("received") < order_line.amount("quantity"):
            return "pending_receipt"
    return "pending_approval"


def submit(unit: Unit, invoice: Record, _: Payload) -> None:
    require_status(invoice, OPEN, "submitted")
    if unit.settings.accounting_required_at in ("create", "submit"):
        check_accounting(unit, invoice)
    if unit.settings.invoice_number_unique in ("create", "submit"):
        check_number(unit, invoice)
    if not unit.errors:
        _move(unit, invoice, _status_after_submit(unit, invoice))


def void(unit: Unit, invoice: Record, _: Payload) -> None:
    require_status(invoice, unit.settings.voidable_statuses, "voided")
    if unit.settings.void_refused_when_paid and (invoice.flag("paid") or invoice.many("payments")):
        raise Rejected({"base": ["a paid invoice can't be voided"]})
    _move(unit, invoice, "voided")


def abandon(unit: Unit, invoice: Record, _: Payload) -> None:
    require_status(invoice, unit.settings.abandonable_statuses, "abandoned")
    _move(unit, invoice, "abandoned")


def dispute(unit: Unit, invoice: Record, payload: Payload) -> None:
    require_status(
        invoice, ("pending_approval", "pending_receipt", "pending_action", "ap_hold", "on_hold", "approved"), "disputed"
    )
    unit.set(invoice, "dispute-reason", payload.get("dispute-reason"))
    if payload.get("comment"):
        unit.set(invoice, "comments", payload["comment"])
    _move(unit, invoice, "disputed")


def withdraw_dispute(unit: Unit, invoice: Record, _: Payload) -> None:
    require_status(invoice, ("disputed",), "withdrawn from dispute")
    _move(unit, invoice, "pending_approval")


def approve(unit: Unit, invoice: Record, _: Payload) -> None:
    require_status(invoice, ("pending_approval", "pending_receipt", "pending_action"), "approved")
    _move(unit, invoice, "approved")


def bypass_approvals(unit: Unit, invoice: Record, _: Payload) -> None:
    require_status(invoice, ("pending_approval",), "approved")
    _move(unit, invoice, "approved")


def stay_in_approval(unit: Unit, invoice: Record, _: Payload) -> None:
    require_status(invoice, ("pending_approval", "pending_receipt"), "put through its approvals again")
    unit.set(invoice, "lock-version-key", (invoice.whole("lock-version-key") or 0) + 1)


def reject(unit: Unit, invoice: Record, payload: Payload) -> None:
    """An approver says no."""
    require_status(invoice, ("pending_approval", "pending_action"), "rejected")
    if payload.get("comment"):
        unit.set(invoice, "comments", payload["comment"])
    _move(unit, invoice, "rejected")


def hold(unit: Unit, invoice: Record, payload: Payload) -> None:
    """Accounts payable puts the invoice aside; `status` says which hold."""
    require_status(invoice, ("pending_approval", "pending_receipt", "approved"), "held")
    _move(unit, invoice, str(payload.get("status") or "ap_hold"))


def receipt_arrived(unit: Unit, invoice: Record, _: Payload) -> None:
    """The goods an invoice waited for are all there."""
    if _status_after_submit(unit, invoice) == "pending_approval":
        _move(unit, invoice, "pending_approval")


INVOICE_RULES = Rules(
    settle_invoice,
    {
        "submit": submit,
        "void": void,
        "abandon": abandon,
        "dispute": dispute,
        "withdraw_dispute": withdraw_dispute,
        "bypass_approvals": bypass_approvals,
        "bypass_current_approval": bypass_approvals,
        "restart_approvals": stay_in_approval,
        "revalidate_tolerances": stay_in_approval,
    },
)
