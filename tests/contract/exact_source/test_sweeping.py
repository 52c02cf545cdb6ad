"""The Exact room as a source, over HTTP against the sandbox: what scheduled sweeps find."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from connector.domain.identity import Entity
from connector.domain.ports.source import Absence, Notice, Read
from connector.domain.vendor_error import ReauthorisationNeeded

from .sandboxes import Room

ONE_LINE = {"Item": "PURCHASE", "QuantityInPurchaseUnits": 1, "NetPrice": 10}
BOOKED = {"GLAccount": "4000", "AmountFC": 10, "VATCode": "2", "CostCenter": "CC1"}


@pytest.mark.parametrize("sync_feeds", [True, False])
async def test_an_order_that_no_notice_told_of_is_swept_once(room: Room, sync_feeds: bool) -> None:
    source = room.source(sync_feeds=sync_feeds)
    _, cursor = await room.sweep(source, "purchase-orders")
    order = room.order(ONE_LINE)
    keys, cursor = await room.sweep(source, "purchase-orders", cursor)
    again, _ = await room.sweep(source, "purchase-orders", cursor)
    assert keys == [Notice(Entity.PURCHASE_ORDER, order["PurchaseOrderID"])]
    assert again == []


async def test_a_changed_entry_is_swept_by_its_booked_lines_and_not_twice(room: Room) -> None:
    source = room.source()
    _, cursor = await room.sweep(source, "purchase-entries")
    entry = room.entry(BOOKED)
    keys, cursor = await room.sweep(source, "purchase-entries", cursor)
    again, _ = await room.sweep(source, "purchase-entries", cursor)
    assert keys == [Notice(Entity.INVOICE, entry["EntryID"])]
    assert again == []


async def test_a_deleted_entry_is_proved_by_way_of_its_lines(room: Room) -> None:
    source = room.source()
    entry = room.entry(BOOKED)
    await room.sweep(source, "purchase-entries")
    _, cursor = await room.sweep(source, "deleted")
    room.sandbox.act("delete_purchase_entry", id=entry["EntryID"])
    keys, _ = await room.sweep(source, "deleted", cursor)
    assert keys == [Notice(Entity.INVOICE, entry["EntryID"], deleted=True)]
    (read,) = await room.read(source, Entity.INVOICE, entry["EntryID"], deleted=True)
    assert isinstance(read, Read)
    assert read.absence is Absence.PROVEN_DELETED


async def test_a_deleted_order_is_claimed_by_the_feed(room: Room) -> None:
    source = room.source()
    order = room.order(ONE_LINE)
    _, cursor = await room.sweep(source, "deleted")
    room.sandbox.act("delete_purchase_order", id=order["PurchaseOrderID"])
    keys, _ = await room.sweep(source, "deleted", cursor)
    assert Notice(Entity.PURCHASE_ORDER, order["PurchaseOrderID"], deleted=True) in keys


async def test_suppliers_come_whole_with_their_feed_and_equal_to_a_read_by_key(room: Room) -> None:
    source = room.source()
    room.sandbox.forget_calls()
    pages = [page async for page in source.sweep("accounts", None, room.stamp)]
    swept = {read.native_id: read for page in pages for read in page.rows[Entity.SUPPLIER]}
    assert "crm/Accounts" not in room.paths()
    (read,) = await room.read(source, Entity.SUPPLIER, room.supplier)
    assert isinstance(read, Read)
    assert swept[room.supplier].record == read.record
    assert swept[room.supplier].resolved == read.resolved


async def test_an_entry_cancelled_by_a_reversal_is_due_and_cancelled(room: Room) -> None:
    source = room.source()
    entry = room.entry(BOOKED, YourRef="REV-1")
    _, cursor = await room.sweep(source, "purchase-entries")
    reversal = room.entry({**BOOKED, "AmountFC": -10}, YourRef="REV-1", Reversal=True)
    keys, _ = await room.sweep(source, "purchase-entries", cursor)
    assert {key.native_id for key in keys} == {entry["EntryID"], reversal["EntryID"]}
    for key in keys:
        record = await room.canonical(source, Entity.INVOICE, key.native_id)
        assert record.document is not None
        assert record.document.status == "cancelled"  # type: ignore[union-attr]


async def test_code_tables_become_references_by_kind_and_code(room: Room) -> None:
    source = room.source()
    pages = [page async for page in source.sweep("reference-data", None, room.stamp)]
    found = {read.native_id for page in pages for read in page.rows[Entity.REFERENCE]}
    assert {"gl-account/4000", "cost-center/CC1", "cost-unit/CU1", "vat-code/2", "payment-term/30"} <= found
    assert {"item/PURCHASE", "project/P-001", "journal/70"} <= found
    vat = await room.canonical(source, Entity.REFERENCE, "vat-code/2")
    assert vat.document is not None
    assert vat.document.attributes["rate"] == "21"  # type: ignore[union-attr]


async def test_a_moved_division_voids_the_cursors_of_its_feeds(room: Room) -> None:
    source = room.source()
    (first,) = [page async for page in source.sweep("division-check", None, room.stamp)]
    room.sandbox.act("move_division", Division=room.sandbox.division)
    (second,) = [page async for page in source.sweep("division-check", first.cursor, room.stamp)]
    assert first.restart == ()
    assert "purchase-orders" in second.restart


async def test_a_user_without_a_right_stops_the_division_check_by_name(room: Room) -> None:
    user = room.sandbox.credentials["users"][0]["user_id"]
    right = {"user_id": user, "endpoint": "crm/Accounts", "action": "GET"}
    room.sandbox.act("set_right", **right, allowed=False)
    try:
        with pytest.raises(ReauthorisationNeeded, match="crm/Accounts"):
            [page async for page in room.source().sweep("division-check", None, room.stamp)]
    finally:
        room.sandbox.act("set_right", **right, allowed=True)


@pytest.fixture
def callback_url() -> Iterator[str]:
    """A receiver that answers 200 to everything."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/webhooks/abc"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_subscriptions_are_made_kept_and_replaced(room: Room, callback_url: str) -> None:
    for address in (callback_url, callback_url, callback_url + "-moved"):
        source = room.source(webhook_address=address)
        [page async for page in source.sweep("subscriptions", None, room.stamp)]
        rows = room.listed("webhooks/WebhookSubscriptions", "ID,Topic,CallbackURL")
        assert {row["Topic"] for row in rows} == {"PurchaseOrders", "PurchaseEntries", "Accounts"}
        assert {row["CallbackURL"] for row in rows} == {address}
