"""Purchase orders: totals, statuses, receipts, and the flat rows they leave in the sync feed."""

from decimal import Decimal
from typing import Any

from .coding import (
    ONE,
    ZERO,
    check_coding,
    check_supplier,
    complete_currency,
    complete_payment_condition,
    complete_vat,
    midnight,
    supplier_item,
    taxed,
)
from .entities import PURCHASE_ORDER_LINES, PURCHASE_ORDERS
from .errors import FunctionalError
from .feeds import ORDER_DELETED, SYNC_PURCHASE_ORDERS
from .records import Body, Handler, check_mandatory, check_references, lines_in, parsed
from .schema import Row
from .store import Actor, Division, rounded

OPEN, PARTIAL, COMPLETE, CANCELED = 10, 20, 30, 40
AWAITING, AUTOMATIC, APPROVED = 0, 1, 2
MANUAL, REST = 1, 11
_HEADER_DISCOUNTS = ("Discount", "AmountDiscount", "AmountDiscountExclVat")


def lines_of(division: Division, order: Row) -> list[Row]:
    rows = division.table(PURCHASE_ORDER_LINES).where("PurchaseOrderID", order["PurchaseOrderID"])
    return sorted(rows, key=lambda line: line["LineNumber"])


def create(division: Division, body: Body, actor: Actor) -> Row:
    order = parsed(PURCHASE_ORDERS, body)
    check_mandatory(PURCHASE_ORDERS, order)
    bodies = lines_in(PURCHASE_ORDERS, body)
    order["PurchaseOrderID"] = division.world.new_id()
    _complete(division, order)
    order.update(Source=REST if actor.through_api else MANUAL, DropShipment=False, Canceled=False)
    order["ApprovalStatus"] = AWAITING if division.world.settings.orders_await_approval else AUTOMATIC
    lines = [_new_line(division, order, line, n) for n, line in enumerate(bodies, start=1)]
    discount = {name: order[name] for name in _HEADER_DISCOUNTS if order.get(name) is not None}
    _store(division, order, lines, actor, discount)
    division.notify(PURCHASE_ORDERS, "Create", order["PurchaseOrderID"], actor)
    _notify_lines(division, order, len(lines), actor)
    return order


def update(division: Division, old: Row, body: Body, actor: Actor) -> Row:
    _refuse_canceled(old)
    mode = division.world.settings.header_put_lines
    if "PurchaseOrderLines" in body and mode == "refuse":
        raise FunctionalError("Not allowed: Purchase order lines")
    changes = parsed(PURCHASE_ORDERS, body)
    order = {**old, **changes}
    if changes.get("Currency", old["Currency"]) != old["Currency"] and "ExchangeRate" not in changes:
        order["ExchangeRate"] = None
    _complete(division, order)
    lines = [dict(line) for line in lines_of(division, old)]
    if "PurchaseOrderLines" in body and mode == "replace":
        replaced = lines
        bodies = lines_in(PURCHASE_ORDERS, body)
        lines = [_new_line(division, order, line, n) for n, line in enumerate(bodies, start=1)]
        _forget_lines(division, replaced, actor)
    discount = {name: changes[name] for name in _HEADER_DISCOUNTS if name in changes}
    _store(division, order, lines, actor, discount or {"Discount": order.get("Discount")})
    division.notify(PURCHASE_ORDERS, "Update", order["PurchaseOrderID"], actor)
    return order


def delete(division: Division, order: Row, actor: Actor) -> None:
    lines = lines_of(division, order)
    if any(line["ReceivedQuantity"] or line["InvoicedQuantity"] for line in lines):
        raise FunctionalError(f"Can't delete: Purchase order {order['OrderNumber']} - Used in: Goods receipts")
    for line in lines:
        division.table(PURCHASE_ORDER_LINES).remove(line["ID"])
    division.table(PURCHASE_ORDERS).remove(order["PurchaseOrderID"])
    feed = division.tables[SYNC_PURCHASE_ORDERS.path]
    feed.drop([order["PurchaseOrderID"], *(line["ID"] for line in lines)])
    division.note_deleted(order["PurchaseOrderID"], ORDER_DELETED, actor)
    _note_deleted_lines(division, lines, actor)
    division.notify(PURCHASE_ORDERS, "Delete", order["PurchaseOrderID"], actor)


def create_line(division: Division, body: Body, actor: Actor) -> Row:
    """A line added to an existing order: at the screen, or through the API where the switch allows it."""
    if actor.through_api and division.world.settings.order_line_post == "refuse":
        raise FunctionalError("Not allowed: Purchase order line without purchase order")
    order = _order_of(division, parsed(PURCHASE_ORDER_LINES, body))
    lines = [dict(line) for line in lines_of(division, order)]
    line = _new_line(division, order, body, 1 + max(row["LineNumber"] for row in lines))
    _change_lines(division, order, [*lines, line], actor, 1)
    return division.table(PURCHASE_ORDER_LINES).rows[line["ID"]]


def update_line(division: Division, old: Row, body: Body, actor: Actor) -> Row:
    order = _order_of(division, old)
    changes = parsed(PURCHASE_ORDER_LINES, body)
    changes.pop("PurchaseOrderID", None)
    line = {**old, **changes}
    check_mandatory(PURCHASE_ORDER_LINES, line)
    if "VATCode" in changes and "VATPercentage" not in changes:
        line["VATPercentage"] = None
    if "NetPrice" not in changes and {"UnitPrice", "Discount"} & set(changes):
        line["NetPrice"] = None
    elif "NetPrice" in changes and "UnitPrice" not in changes:
        line["UnitPrice"] = None
    _complete_line(division, order, line)
    moved = max(line["ReceivedQuantity"], line["InvoicedQuantity"])
    if moved and line["Quantity"] < moved:
        raise FunctionalError("Not allowed: Quantity")
    lines = [line if row["ID"] == line["ID"] else dict(row) for row in lines_of(division, order)]
    _change_lines(division, order, lines, actor, 1)
    return line


def delete_line(division: Division, line: Row, actor: Actor) -> None:
    order = _order_of(division, line)
    rest = [dict(row) for row in lines_of(division, order) if row["ID"] != line["ID"]]
    if not rest:
        raise FunctionalError("Not allowed: Delete the last line of a purchase order")
    if line["ReceivedQuantity"] or line["InvoicedQuantity"]:
        raise FunctionalError(f"Can't delete: Purchase order line {line['LineNumber']} - Used in: Goods receipts")
    _forget_lines(division, [line], actor)
    _change_lines(division, order, rest, actor, 1)


def set_approval(division: Division, order: Row, status: int, actor: Actor) -> Row:
    _refuse_canceled(order)
    approved = status == APPROVED
    now = division.world.local_now()
    row = {
        **order, "ApprovalStatus": status, "Approved": now if approved else None,
        "Approver": actor.user.id if approved else None, "ApproverFullName": actor.user.full_name if approved else None,
    }  # fmt: skip
    return _touch(division, row, actor)


def cancel(division: Division, order: Row, actor: Actor) -> Row:
    """What is not yet received will not come; an order without any receipt or invoice is canceled altogether."""
    _refuse_canceled(order)
    return _touch(division, {**order, "Canceled": True}, actor)


def move(division: Division, order: Row, quantities: dict[str, Decimal], field: str, actor: Actor) -> Row:
    """Add to ReceivedQuantity or InvoicedQuantity of lines, by line ID, in item units."""
    lines = [dict(line) for line in lines_of(division, order)]
    for line in lines:
        line[field] += quantities.get(line["ID"], ZERO)
        if line[field] < 0:
            raise FunctionalError("Not allowed: Quantity")
    _change_lines(division, order, lines, actor, len(quantities))
    return division.table(PURCHASE_ORDERS).rows[order["PurchaseOrderID"]]


def _touch(division: Division, order: Row, actor: Actor) -> Row:
    lines = [dict(line) for line in lines_of(division, order)]
    _store(division, order, lines, actor, {"Discount": order.get("Discount")})
    division.notify(PURCHASE_ORDERS, "Update", order["PurchaseOrderID"], actor)
    return order


def _change_lines(division: Division, order: Row, lines: list[Row], actor: Actor, changed: int) -> None:
    order = dict(order)
    _store(division, order, lines, actor, {"Discount": order.get("Discount")})
    division.notify(PURCHASE_ORDERS, "Update", order["PurchaseOrderID"], actor)
    _notify_lines(division, order, changed, actor)


def _notify_lines(division: Division, order: Row, count: int, actor: Actor) -> None:
    if division.world.settings.webhook_per_line:
        division.notify(PURCHASE_ORDERS, "Update", order["PurchaseOrderID"], actor, times=count)


def _order_of(division: Division, line: Row) -> Row:
    order = division.table(PURCHASE_ORDERS).rows.get(line.get("PurchaseOrderID"))
    if order is None:
        raise FunctionalError("Invalid reference: Purchase order")
    _refuse_canceled(order)
    return order


def _refuse_canceled(order: Row) -> None:
    if order["OrderStatus"] == CANCELED:
        raise FunctionalError("Not allowed: Purchase order is canceled")


def _complete(division: Division, order: Row) -> None:
    """Defaults and checks of the header."""
    supplier = check_supplier(division, order)
    check_references(division, PURCHASE_ORDERS, order)
    complete_currency(division, order, supplier, "ExchangeRate")
    complete_payment_condition(division, order, supplier)
    order["OrderDate"] = midnight(order.get("OrderDate") or division.world.local_now())
    if order.get("OrderNumber") is None:
        division.numbers["order"] += 1
        order["OrderNumber"] = division.numbers["order"]
    else:
        division.numbers["order"] = max(division.numbers["order"], order["OrderNumber"])
    for other in division.table(PURCHASE_ORDERS).where("OrderNumber", order["OrderNumber"]):
        if other["PurchaseOrderID"] != order["PurchaseOrderID"]:
            raise FunctionalError("Already exists: Order number")


def _new_line(division: Division, order: Row, body: Any, number: int) -> Row:
    line = parsed(PURCHASE_ORDER_LINES, body)
    check_mandatory(PURCHASE_ORDER_LINES, line)
    line.update(
        ID=division.world.new_id(), PurchaseOrderID=order["PurchaseOrderID"], LineNumber=number,
        ReceivedQuantity=ZERO, InvoicedQuantity=ZERO,
    )  # fmt: skip
    _complete_line(division, order, line)
    return line


def _complete_line(division: Division, order: Row, line: Row) -> None:
    """Defaults and checks of a line: purchasing terms, price, VAT, coding."""
    item = division.tables["logistics/Items"].rows.get(line["Item"])
    if item is None:
        raise FunctionalError("Invalid reference: Item")
    if item.get("IsPurchaseItem") is False:
        raise FunctionalError("Invalid: Item (type)")
    terms = supplier_item(division, line["Item"], order["Supplier"]) or {}
    line["Quantity"] = line["QuantityInPurchaseUnits"] * (terms.get("PurchaseUnitFactor") or ONE)
    line["SupplierItemCode"] = terms.get("SupplierItemCode")
    discount = line.get("Discount") or ZERO
    if not -1 < discount < 1:
        raise FunctionalError("Invalid: Discount")
    line["Discount"] = discount
    if line.get("NetPrice") is None:
        if line.get("UnitPrice") is None:
            line["UnitPrice"] = terms.get("PurchasePrice") or ZERO
        line["NetPrice"] = line["UnitPrice"] * (ONE - discount)
    elif line.get("UnitPrice") is None:
        line["UnitPrice"] = line["NetPrice"] / (ONE - discount)
    line["Description"] = line.get("Description") or item.get("Description")
    line["ReceiptDate"] = line.get("ReceiptDate") or order.get("ReceiptDate")
    supplier = division.tables["crm/Accounts"].rows[order["Supplier"]]
    # The line does not exist for the reference check until its order is stored.
    complete_vat(division, line, terms.get("PurchaseVATCode") or supplier.get("PurchaseVATCode"))
    reference = {name: value for name, value in line.items() if name != "PurchaseOrderID"}
    check_coding(division, PURCHASE_ORDER_LINES, reference, order["OrderDate"])


def _store(division: Division, order: Row, lines: list[Row], actor: Actor, discount: dict[str, Any]) -> None:
    _reckon(division, order, lines, discount)
    _set_statuses(order, lines)
    order["PurchaseOrderLineCount"] = len(lines)
    division.save(PURCHASE_ORDERS, order, actor)
    known = division.table(PURCHASE_ORDER_LINES).rows
    for line in lines:
        if _changed(known.get(line["ID"]), line):
            division.save(PURCHASE_ORDER_LINES, line, actor)
    _publish(division, order, lines)


def _changed(old: Row | None, line: Row) -> bool:
    return old is None or any(old.get(name) != value for name, value in line.items())


def _reckon(division: Division, order: Row, lines: list[Row], discount: dict[str, Any]) -> None:
    """Amounts of lines and header. A discount on the header lowers net and VAT alike."""
    smallest, home = division.decimals(order["Currency"]), division.decimals(division.currency)
    net = vat = ZERO
    for line in lines:
        code = division.by_code("vat/VATCodes", line.get("VATCode"))
        parts = taxed(line["QuantityInPurchaseUnits"] * line["NetPrice"], code, smallest)
        line["AmountFC"] = rounded(line["QuantityInPurchaseUnits"] * line["NetPrice"], smallest)
        line["AmountDC"] = rounded(line["AmountFC"] * order["ExchangeRate"], home)
        line["VATAmount"] = parts.vat
        net, vat = net + parts.net, vat + parts.vat
    share = _discount_share(discount, net, net + vat)
    order["Discount"] = share
    order["AmountDiscountExclVat"] = rounded(net * share, smallest)
    order["VATAmount"] = rounded(vat * (ONE - share), smallest)
    order["AmountFCExclVat"] = net - order["AmountDiscountExclVat"]
    order["AmountFC"] = order["AmountFCExclVat"] + order["VATAmount"]
    order["AmountDiscount"] = net + vat - order["AmountFC"]
    order["AmountDC"] = rounded(order["AmountFC"] * order["ExchangeRate"], home)


def _discount_share(discount: dict[str, Any], net: Decimal, gross: Decimal) -> Decimal:
    if discount.get("Discount") is not None:
        return Decimal(discount["Discount"])
    if discount.get("AmountDiscountExclVat") and net:
        return Decimal(discount["AmountDiscountExclVat"]) / net
    if discount.get("AmountDiscount") and gross:
        return Decimal(discount["AmountDiscount"]) / gross
    return ZERO


def _set_statuses(order: Row, lines: list[Row]) -> None:
    for field, moved in (("ReceiptStatus", "ReceivedQuantity"), ("InvoiceStatus", "InvoicedQuantity")):
        expected = [line for line in lines if line["Quantity"] > 0]
        if expected and all(line[moved] >= line["Quantity"] for line in expected):
            order[field] = COMPLETE
        elif any(line[moved] for line in lines):
            order[field] = PARTIAL
        else:
            order[field] = CANCELED if order["Canceled"] else OPEN
    statuses = {order["ReceiptStatus"], order["InvoiceStatus"]}
    if order["Canceled"]:
        order["OrderStatus"] = CANCELED
    elif statuses == {COMPLETE}:
        order["OrderStatus"] = COMPLETE
    else:
        order["OrderStatus"] = OPEN if statuses == {OPEN} else PARTIAL


def _forget_lines(division: Division, lines: list[Row], actor: Actor) -> None:
    for line in lines:
        division.table(PURCHASE_ORDER_LINES).remove(line["ID"])
    division.tables[SYNC_PURCHASE_ORDERS.path].drop([line["ID"] for line in lines])
    _note_deleted_lines(division, lines, actor)


def _note_deleted_lines(division: Division, lines: list[Row], actor: Actor) -> None:
    if division.world.settings.deleted_feed_lists_order_lines:
        for line in lines:
            division.note_deleted(line["ID"], ORDER_DELETED, actor)


def _publish(division: Division, order: Row, lines: list[Row]) -> None:
    """The order as flat rows: header with LineNumber 0, then each line; every change gives all of them new versions."""
    feed, now = division.tables[SYNC_PURCHASE_ORDERS.path], division.world.local_now()
    base = {
        name: division.value(PURCHASE_ORDERS, order, name)
        for name in PURCHASE_ORDERS.fields
    }  # fmt: skip
    feed.put({**base, "ID": order["PurchaseOrderID"], "LineNumber": 0}, now)
    for line in lines:
        shown = {name: division.value(PURCHASE_ORDER_LINES, line, name) for name in PURCHASE_ORDER_LINES.fields}
        center = division.by_code("hrm/Costcenters", line.get("CostCenter")) or {}
        unit = division.by_code("hrm/Costunits", line.get("CostUnit")) or {}
        coding = {"CostCenter": center.get("ID"), "CostCenterCode": center.get("Code"),
                  "CostUnit": unit.get("ID"), "CostUnitCode": unit.get("Code")}  # fmt: skip
        feed.put({**base, **shown, **coding}, now)


ORDER_HANDLER = Handler(create, update, delete)
ORDER_LINE_HANDLER = Handler(create_line, update_line, delete_line)
