"""What people do at the vendor's own screens, by name: JSON in, JSON out.

Lower-case names steer an act (`division` code, `user` name, `id` of the record, `records` for many at once); names
with a capital are the record's fields as the API knows them. References may be given by code instead of ID. An `id` is
the record's ID, its code, or its order or entry number.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from connector.sandbox.core.sandbox import Act

from . import entries, invoices, orders
from .coding import ONE
from .desk import Desk, Payload
from .entities import (
    ACCOUNTS,
    ADDRESSES,
    BANK_ACCOUNTS,
    CONTACTS,
    DOCUMENT_ATTACHMENTS,
    DOCUMENTS,
    PURCHASE_ENTRIES,
    PURCHASE_ENTRY_LINES,
    PURCHASE_INVOICES,
    PURCHASE_ORDER_LINES,
    PURCHASE_ORDERS,
)
from .errors import FunctionalError
from .reference_entities import (
    COST_CENTERS,
    COST_UNITS,
    CURRENCIES,
    GL_ACCOUNTS,
    ITEM_GROUPS,
    ITEMS,
    JOURNALS,
    PAYMENT_CONDITIONS,
    PROJECTS,
    SUPPLIER_ITEM,
    UNITS,
    VAT_CODES,
    WAREHOUSES,
)
from .schema import Entity, Row
from .store import Division

_PLAIN = {
    "account": ACCOUNTS, "bank_account": BANK_ACCOUNTS, "contact": CONTACTS, "address": ADDRESSES, "item": ITEMS,
    "item_group": ITEM_GROUPS, "supplier_item": SUPPLIER_ITEM, "unit": UNITS, "gl_account": GL_ACCOUNTS,
    "cost_center": COST_CENTERS, "cost_unit": COST_UNITS, "project": PROJECTS, "vat_code": VAT_CODES,
    "payment_condition": PAYMENT_CONDITIONS, "journal": JOURNALS, "currency": CURRENCIES, "warehouse": WAREHOUSES,
    "document": DOCUMENTS, "document_attachment": DOCUMENT_ATTACHMENTS, "purchase_order": PURCHASE_ORDERS,
    "purchase_order_line": PURCHASE_ORDER_LINES, "purchase_entry": PURCHASE_ENTRIES,
    "purchase_entry_line": PURCHASE_ENTRY_LINES, "purchase_invoice": PURCHASE_INVOICES,
}  # fmt: skip
"""Records with create_, edit_ and delete_ acts."""

Doing = Callable[[Payload], Any]


def bookkeeping(desk: Desk) -> dict[str, Act]:
    """The acts on the company's records."""
    acts: dict[str, Act] = {}
    for name, entity in _PLAIN.items():
        acts[f"create_{name}"] = _each(_bound(desk.create, entity))
        acts[f"edit_{name}"] = _each(_bound(desk.edit, entity))
        acts[f"delete_{name}"] = _each(_bound(desk.delete, entity))
    acts["create_supplier"] = _each(lambda payload: desk.create(ACCOUNTS, {"IsSupplier": True, **payload}))
    acts["edit_supplier"], acts["delete_supplier"] = acts["edit_account"], acts["delete_account"]
    acts["rename_supplier"] = _each(lambda payload: desk.edit(ACCOUNTS, payload))
    for name, doing in {
        "approve_purchase_order": _approval(desk, orders.APPROVED),
        "unapprove_purchase_order": _approval(desk, orders.AWAITING),
        "cancel_purchase_order": _order_act(desk, orders.cancel),
        "receive_purchase_order": _movement(desk, "ReceivedQuantity"),
        "invoice_purchase_order": _movement(desk, "InvoicedQuantity"),
        "process_purchase_entry": _status(desk, entries.PROCESSED),
        "reject_purchase_entry": _status(desk, entries.REJECTED),
        "reopen_purchase_entry": _status(desk, entries.OPEN),
        "credit_purchase_entry": lambda payload: _credit(desk, payload),
        "process_purchase_invoice": lambda payload: _process(desk, payload),
    }.items():
        acts[name] = _each(doing)
    return acts


def _bound(doing: Callable[[Entity, Payload], Row], entity: Entity) -> Doing:
    return lambda payload: doing(entity, payload)


def _each(doing: Doing) -> Act:
    """One record, or each of `records` with the rest of the payload as common fields."""

    async def act(payload: Payload) -> Any:
        common = {name: value for name, value in payload.items() if name != "records"}
        if "records" not in payload:
            return doing(common)
        return [doing({**common, **record}) for record in payload["records"]]

    return act


def _order_act(desk: Desk, doing: Callable[..., Row]) -> Doing:
    def act(payload: Payload) -> Row:
        division = desk.division(payload)
        order = desk.find(division, PURCHASE_ORDERS, payload)
        return desk.shown(division, PURCHASE_ORDERS, doing(division, order, desk.actor(payload)))

    return act


def _approval(desk: Desk, status: int) -> Doing:
    return _order_act(desk, lambda division, order, actor: orders.set_approval(division, order, status, actor))


def _movement(desk: Desk, field: str) -> Doing:
    """Receive or invoice `lines` (LineNumber or ID, and `quantity` in purchase units); without it, all that is left."""

    def act(payload: Payload) -> Row:
        division = desk.division(payload)
        order = desk.find(division, PURCHASE_ORDERS, payload)
        quantities = _quantities(orders.lines_of(division, order), payload.get("lines"), field)
        moved = orders.move(division, order, quantities, field, desk.actor(payload))
        return desk.shown(division, PURCHASE_ORDERS, moved)

    return act


def _quantities(lines: list[Row], asked: Iterable[Payload] | None, field: str) -> dict[str, Decimal]:
    """Item units by line ID."""
    if asked is None:
        return {line["ID"]: line["Quantity"] - line[field] for line in lines if line["Quantity"] > line[field]}
    found = {}
    for one in asked:
        line = next((x for x in lines if one.get("ID") == x["ID"] or one.get("LineNumber") == x["LineNumber"]), None)
        if line is None:
            raise FunctionalError(f"Unknown: Purchase order line {one}")
        in_purchase_units = line["QuantityInPurchaseUnits"]
        factor = line["Quantity"] / in_purchase_units if in_purchase_units else ONE
        found[line["ID"]] = Decimal(str(one["quantity"])) * factor
    return found


def _status(desk: Desk, status: int) -> Doing:
    def act(payload: Payload) -> Row:
        division = desk.division(payload)
        entry = desk.find(division, PURCHASE_ENTRIES, payload)
        return desk.shown(division, PURCHASE_ENTRIES, entries.set_status(division, entry, status, desk.actor(payload)))

    return act


_CREDITED = ("Journal", "Supplier", "Currency", "PaymentCondition", "OrderNumber", "Description")
_CREDITED_LINE = ("GLAccount", "Description", "CostCenter", "CostUnit", "VATCode", "Project")


def _credit(desk: Desk, payload: Payload) -> Row:
    """A credit note that takes back an entry: the same lines with the sign turned; fields given here win."""
    division = desk.division(payload)
    entry = desk.find(division, PURCHASE_ENTRIES, payload)
    lines = [
        {**{name: line[name] for name in _CREDITED_LINE if line.get(name) is not None}, "AmountFC": -line["AmountFC"],
         "VATAmountFC": -line["VATAmountFC"]}
        for line in entries.lines_of(division, entry)
    ]  # fmt: skip
    body: Payload = {name: entry[name] for name in _CREDITED if entry.get(name) is not None}
    body |= {"YourRef": f"CN-{entry.get('YourRef') or entry['EntryNumber']}", "PurchaseEntryLines": lines}
    if entry["Currency"] != division.currency:
        body["Rate"] = entry["Rate"]
    body |= desk.body(division, PURCHASE_ENTRIES, payload)
    return desk.shown(division, PURCHASE_ENTRIES, entries.create(division, body, desk.actor(payload)))


def _process(desk: Desk, payload: Payload) -> Row:
    division: Division = desk.division(payload)
    invoice = desk.find(division, PURCHASE_INVOICES, payload)
    processed = invoices.process(division, invoice, desk.actor(payload))
    shown = desk.shown(division, PURCHASE_INVOICES, processed)
    alike = division.table(PURCHASE_ENTRIES).where("EntryNumber", processed["EntryNumber"])
    entry = next(row for row in alike if row["Journal"] == processed["Journal"])
    return {**shown, "PurchaseEntry": desk.shown(division, PURCHASE_ENTRIES, entry)}
