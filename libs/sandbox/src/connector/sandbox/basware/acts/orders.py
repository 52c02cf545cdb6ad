"""Purchasing: orders are placed, changed, received, cancelled and closed; each of it exports the order again."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.sandbox.basware import orders
from connector.sandbox.basware.fields import GOODS_RECEIPT, ORDER, ORDER_LINE
from connector.sandbox.basware.masterdata import COMPANIES, VENDORS
from connector.sandbox.basware.schema import plain
from connector.sandbox.basware.store import Record
from connector.sandbox.basware.tenant import Tenant
from connector.sandbox.basware.wire import moment
from connector.sandbox.basware.world import World
from connector.sandbox.core.sandbox import Act

from .form import act, exact, required, total, values

_CENT = Decimal("0.01")
_UNCOUNTED = ("Canceled", "Deleted")
_SUMS = {"netSum": "netSum", "taxSum": "taxTotal", "grossSum": "grossSum"}
_FIXED = {"externalCode", "processingStatus", "orderExportTimestamp", "lastUpdated"}


def acts(world: World) -> dict[str, Act]:
    """Each takes one record, or several under `orders`."""
    return {
        "create_order": act(world, _create, "orders"),
        "change_order": act(world, _change, "orders"),
        "cancel_order": act(world, _cancel, "orders"),
        "close_order": act(world, _close, "orders"),
        "reopen_order": act(world, _reopen, "orders"),
        "receive_goods": act(world, _receive, "orders"),
        "reexport_order": act(world, _reexport, "orders"),
    }


def _create(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """An order, exported at once; what is left out of `orderNumber`, sums, persons and addresses is filled in."""
    now = world.clock.now().isoformat()
    number = str(required(given, "orderNumber"))
    person = {"userName": "buyer", "loginAccount": "buyer", "emailAddress": "buyer@example.com"}
    address = given.get("deliveryAddress") or {"name": "Main warehouse", "countryCode": "NL"}
    given = {
        "externalCode": world.seeded.uuid(),
        "processingStatus": "WaitingForExport",
        "orderStatus": "Ordered",
        "orderType": "Standard",
        "requisitionNumber": f"REQ-{number}",
        "requisitionCreationTime": now,
        "orderCreationTime": now,
        "orderExportTimestamp": now,
        "documentSource": "P2P",
        "sendingMethod": "Email",
        "releaseOrdersRequired": False,
        "hidePricesFromSupplier": False,
        "creator": person,
        "owner": person,
        "deliveryAddress": address,
        **given,
    }
    lines = [_line(world, index, line, address) for index, line in enumerate(given.get("orderLines", []), 1)]
    fields = values(ORDER, {**given, "orderLines": lines})
    if fields["externalCode"] in tenant.orders.records:
        raise ValueError(f"externalCode {fields['externalCode']} exists")
    del fields["orderExportTimestamp"]
    _complete(tenant, fields)
    order = Record(fields["externalCode"], fields, visible_at=world.clock.time() + world.settings.store_lag_s)
    orders.export(world, tenant, order)
    return dumped(tenant, order)


def _line(world: World, number: int, given: Mapping[str, Any], address: Mapping[str, Any]) -> dict[str, Any]:
    """A line with its sums (quantity x net price, tax by percent) and its coding rows numbered; 100 % if only one."""
    quantity, price = exact(given.get("quantity", 1)), exact(given.get("netPrice"))
    factor = 1 + exact(given.get("taxPercent")) / 100
    net = exact(given["netSum"]) if "netSum" in given else (quantity * price).quantize(_CENT)
    tax = exact(given["taxTotal"]) if "taxTotal" in given else (net * (factor - 1)).quantize(_CENT)
    rows = [
        {"externalCode": world.seeded.uuid(), "rowIndex": index, "splitPercent": 100, **row}
        for index, row in enumerate(given.get("codingRows", []), 1)
    ]
    return {
        "externalCode": world.seeded.uuid(),
        "orderLineNumber": number,
        "lineStatus": "Ordered",
        "lineType": "FreeText",
        "priceType": "Net",
        "quantity": quantity,
        "netPrice": price,
        "grossPrice": price * factor,
        "netSum": net,
        "taxTotal": tax,
        "grossSum": net + tax,
        "receivingRequired": True,
        "deliveryAddress": address,
        **given,
        "codingRows": rows,
    }


def _complete(tenant: Tenant, fields: dict[str, Any]) -> None:
    counted = [line for line in fields.get("orderLines", ()) if line.get("lineStatus") not in _UNCOUNTED]
    for header, line in _SUMS.items():
        fields.setdefault(header, total(counted, line))
    company = COMPANIES.of(tenant).records.get(fields.get("companyCode", ""))
    if company is not None:
        fields.setdefault("companyName", company.fields["name"])
    vendor = VENDORS.of(tenant).records.get(tenant.vendor_keys.get(fields.get("supplierCode", ""), ""))
    if vendor is not None:
        fields.setdefault("supplierName", vendor.fields["name"])


def _found(tenant: Tenant, given: dict[str, Any]) -> Record:
    order = tenant.orders.records.get(required(given, "externalCode"))
    if order is None:
        raise ValueError(f"no such order: {given['externalCode']}")
    return order


def _change(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """Header fields, and lines by `orderLineNumber`: known ones are changed, others added; sums follow."""
    order = _found(tenant, given)
    changes = {name: value for name, value in given.items() if name not in ("externalCode", "orderLines")}
    typed = values(ORDER, changes, partial=True)
    if fixed := _FIXED & set(typed):
        raise ValueError(f"not for a person to change: {', '.join(sorted(fixed))}")
    lines = _merged_lines(world, order, given.get("orderLines", []))
    for name in _SUMS:
        order.fields.pop(name, None)
    order.fields |= typed | {"orderLines": lines}
    _complete(tenant, order.fields)
    orders.export(world, tenant, order)
    return dumped(tenant, order)


def _merged_lines(world: World, order: Record, changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = {line["orderLineNumber"]: line for line in order.fields.get("orderLines", ())}
    for change in changes:
        number = int(required(change, "orderLineNumber"))
        kept = {
            name: value
            for name, value in lines.get(number, {}).items()
            if name not in ("netSum", "taxTotal", "grossSum", "grossPrice")
        }
        merged = _line(world, number, {**plain(kept), **change}, order.fields["deliveryAddress"])
        lines[number] = values(ORDER_LINE, merged)
    return [lines[number] for number in sorted(lines)]


def _set_status(world: World, tenant: Tenant, order: Record, status: str, line_status: str) -> dict[str, Any]:
    order.fields["orderStatus"] = status
    for line in order.fields.get("orderLines", ()):
        if line.get("lineStatus") != "Deleted":
            line["lineStatus"] = line_status
    orders.export(world, tenant, order)
    return dumped(tenant, order)


def _cancel(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    order = _found(tenant, given)
    order.fields["cancellationNote"] = given.get("cancellationNote", "")
    return _set_status(world, tenant, order, "Canceled", "Canceled")


def _close(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    return _set_status(world, tenant, _found(tenant, given), "Closed", "Closed")


def _reopen(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    return _set_status(world, tenant, _found(tenant, given), "Ordered", "Ordered")


def _receive(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """Goods for `orderLineNumber`: `receivedQuantity` more; the line's and the order's status follow."""
    order = _found(tenant, given)
    number = int(required(given, "orderLineNumber"))
    line = next((line for line in order.fields["orderLines"] if line["orderLineNumber"] == number), None)
    if line is None:
        raise ValueError(f"order {order.key} has no line {number}")
    quantity = exact(required(given, "receivedQuantity"))
    now = world.clock.now().isoformat()
    net = (quantity * line["netPrice"]).quantize(_CENT)
    receipt = {
        "externalCode": world.seeded.uuid(),
        "goodsReceiptNumber": f"GR-{order.fields['orderNumber']}-{number}-{len(line.get('goodsReceipts', ())) + 1}",
        "goodsReceiptDocumentCreationTime": now,
        "receivingDate": now,
        "receivedQuantity": quantity,
        "receivedNetSum": net,
        "receivedGrossSum": net,
        "notifyFault": False,
    }
    line.setdefault("goodsReceipts", []).append(values(GOODS_RECEIPT, receipt))
    line["receivedQuantity"] = line.get("receivedQuantity", Decimal(0)) + quantity
    line["receivedNetSum"] = line.get("receivedNetSum", Decimal(0)) + net
    line["lineStatus"] = "Received" if line["receivedQuantity"] >= line["quantity"] else "PartiallyReceived"
    complete = all(each.get("lineStatus") in ("Received", *_UNCOUNTED, "Closed") for each in order.fields["orderLines"])
    order.fields["orderStatus"] = "Received" if complete else "PartiallyReceived"
    if world.settings.reexport_on_receipt:
        orders.export(world, tenant, order)
    else:
        orders.save(world, tenant, order)
    return dumped(tenant, order)


def _reexport(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    order = _found(tenant, given)
    orders.export(world, tenant, order)
    return dumped(tenant, order)


def dumped(tenant: Tenant, order: Record) -> dict[str, Any]:
    shown = {**order.fields, "lastUpdated": moment(order.last_updated_ms), "bwcid": tenant.bwcid, "deleted": order.gone}
    return dict(plain(shown))
