"""The Exact room as a source, over HTTP against the sandbox: documents by key."""

import pytest

from connector.domain.documents.invoice import Invoice, LinkStrength
from connector.domain.identity import Entity
from connector.domain.ports.source import Absence, Read
from connector.domain.vendor_error import VendorUnavailable

from .sandboxes import Room

ONE_LINE = {"Item": "PURCHASE", "QuantityInPurchaseUnits": 1, "NetPrice": 10}


async def test_forty_orders_with_their_lines_take_one_call_and_joins_are_read_once(room: Room) -> None:
    source = room.source()
    orders = [room.order(ONE_LINE, YourRef=f"many-{n}")["PurchaseOrderID"] for n in range(80)]
    room.sandbox.forget_calls()
    first = await room.read(source, Entity.PURCHASE_ORDER, *orders[:40])
    first_calls = room.paths()
    room.sandbox.forget_calls()
    second = await room.read(source, Entity.PURCHASE_ORDER, *orders[40:])
    assert {read.native_id for read in [*first, *second]} == set(orders)
    assert first_calls.count("purchaseorder/PurchaseOrders") == 1
    assert room.paths() == ["purchaseorder/PurchaseOrders"]


async def test_amounts_are_the_text_of_the_wire_and_codes_are_stripped(room: Room) -> None:
    order = room.order({**ONE_LINE, "QuantityInPurchaseUnits": 3, "NetPrice": 1.2345})
    (read,) = await room.read(room.source(), Entity.PURCHASE_ORDER, order["PurchaseOrderID"])
    assert isinstance(read, Read)
    assert read.record is not None
    (line,) = read.record["PurchaseOrderLines"]
    assert (line["NetPrice"], line["AmountFC"], line["VATCode"], line["Unit"]) == ("1.2345", "3.7", "2", "stuk")
    assert read.record["SupplierCode"] == "1"
    assert read.record["OrderDate"].endswith("T00:00:00")


async def test_an_order_longer_than_an_expanded_page_has_all_its_lines(room: Room) -> None:
    long = room.order(*[ONE_LINE] * 75)
    record = await room.canonical(room.source(), Entity.PURCHASE_ORDER, long["PurchaseOrderID"])
    assert record.document is not None
    assert [line.line_number for line in record.document.lines] == list(range(1, 76))  # type: ignore[union-attr]
    assert record.findings == []


async def test_lines_are_read_by_their_own_query_where_expanding_is_off(room: Room) -> None:
    order = room.order(ONE_LINE, ONE_LINE)
    expanded = await room.canonical(room.source(), Entity.PURCHASE_ORDER, order["PurchaseOrderID"])
    queried = await room.canonical(room.source(expand_lines=False), Entity.PURCHASE_ORDER, order["PurchaseOrderID"])
    assert queried.document == expanded.document
    assert room.paths().count("purchaseorder/PurchaseOrderLines") == 1


async def test_a_purchase_unit_other_than_the_items_converts_received_quantities(room: Room) -> None:
    order = room.order({"Item": "PAPER", "QuantityInPurchaseUnits": 4, "NetPrice": 24})
    room.sandbox.act("receive_purchase_order", id=order["PurchaseOrderID"])
    record = await room.canonical(room.source(), Entity.PURCHASE_ORDER, order["PurchaseOrderID"])
    assert record.document is not None
    (line,) = record.document.lines  # type: ignore[union-attr]
    assert (line.unit, line.quantity, line.received_quantity) == ("doos", 4, 4)  # type: ignore[union-attr]


async def test_an_entry_is_linked_to_the_one_order_it_names(room: Room) -> None:
    order = room.order(ONE_LINE)
    entry = room.entry(
        {"GLAccount": "4000", "AmountFC": 10, "VATCode": "2", "CostCenter": "CC1"}, OrderNumber=order["OrderNumber"]
    )
    foreign = room.entry(
        {"GLAccount": "4000", "AmountFC": 10, "VATCode": "2", "CostCenter": "CC1"}, OrderNumber=999_999
    )
    linked = await room.canonical(room.source(), Entity.INVOICE, entry["EntryID"])
    unlinked = await room.canonical(room.source(), Entity.INVOICE, foreign["EntryID"])
    assert isinstance(linked.document, Invoice)
    assert isinstance(unlinked.document, Invoice)
    assert linked.document.order_refs[0].strength is LinkStrength.HEADER
    assert linked.document.order_refs[0].order_id == order["PurchaseOrderID"]
    assert unlinked.document.order_refs[0].strength is LinkStrength.NONE


async def test_a_logistic_invoice_gives_its_entry_items_quantities_and_order_lines(room: Room) -> None:
    order = room.order({"Item": "PAPER", "QuantityInPurchaseUnits": 2, "NetPrice": 10})
    invoice = room.sandbox.act(
        "create_purchase_invoice",
        Supplier=room.supplier,
        Journal="70",
        Type=8033,
        YourRef="LOG-1",
        PurchaseInvoiceLines=[{"PurchaseOrderLine": order["PurchaseOrderLines"][0]["ID"]}],
    )
    room.sandbox.act("process_purchase_invoice", id=invoice["ID"])
    entry = room.sandbox.one("purchaseentry/PurchaseEntries", YourRef="LOG-1")
    record = await room.canonical(room.source(purchase_invoices=True), Entity.INVOICE, entry["EntryID"])
    assert isinstance(record.document, Invoice)
    (line,) = record.document.lines
    assert line.order_link.strength is LinkStrength.LINE
    assert (str(line.quantity), str(line.net_amount)) == ("2", "20.00")
    assert line.order_link.order_number == str(order["OrderNumber"])
    assert record.findings == []


async def test_a_deletion_needs_a_claim_and_an_empty_read_and_a_readable_endpoint(room: Room) -> None:
    kept, gone = room.order(ONE_LINE), room.order(ONE_LINE)
    room.sandbox.act("delete_purchase_order", id=gone["PurchaseOrderID"])
    source = room.source()
    claimed = await room.read(source, Entity.PURCHASE_ORDER, gone["PurchaseOrderID"], deleted=True)
    unclaimed = await room.read(source, Entity.PURCHASE_ORDER, gone["PurchaseOrderID"])
    present = await room.read(source, Entity.PURCHASE_ORDER, kept["PurchaseOrderID"], deleted=True)
    assert [read.absence for read in claimed] == [Absence.PROVEN_DELETED]  # type: ignore[union-attr]
    assert [read.absence for read in unclaimed] == [Absence.UNEXPLAINED]  # type: ignore[union-attr]
    assert [read.absence for read in present] == [None]  # type: ignore[union-attr]


async def test_a_lost_right_is_never_taken_for_a_deletion(room: Room) -> None:
    order = room.order(ONE_LINE)
    user = room.sandbox.credentials["users"][0]["user_id"]
    right = {"user_id": user, "endpoint": "purchaseorder/PurchaseOrders", "action": "GET"}
    room.sandbox.act("set_right", **right, allowed=False)
    try:
        reads = await room.read(room.source(), Entity.PURCHASE_ORDER, order["PurchaseOrderID"], deleted=True)
    finally:
        room.sandbox.act("set_right", **right, allowed=True)
    assert [read.absence for read in reads] == [Absence.UNEXPLAINED]  # type: ignore[union-attr]


async def test_html_truncated_json_and_a_wrong_type_are_an_outage_not_a_document(room: Room) -> None:
    order = room.order(ONE_LINE)
    answers = ["<html>busy</html>", '{"d":{"results":[{"PurchaseOrderID":', '{"d":{"results":[7]}}', '{"d":"no"}']
    for body in answers:
        room.sandbox.fault(action="respond", path="/PurchaseOrders", status=200, body=body, times=1)
        with pytest.raises(VendorUnavailable):
            await room.read(room.source(), Entity.PURCHASE_ORDER, order["PurchaseOrderID"])


async def test_a_refused_query_is_not_asked_again_key_by_key(room: Room) -> None:
    orders = [room.order(ONE_LINE)["PurchaseOrderID"] for _ in range(2)]
    room.sandbox.fault(action="respond", path="/PurchaseOrders", status=400, body="{}", times=1)
    with pytest.raises(VendorUnavailable) as caught:
        await room.read(room.source(), Entity.PURCHASE_ORDER, *orders)
    assert caught.value.retry_after_s == 3600
