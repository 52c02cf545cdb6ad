"""Documents as they come to stand in Coupa, and what is asked of it for that."""

from connector.domain.identity import Entity
from connector.domain.sync.states import State
from tests.contract.coupa_target.coupa import Desk, backed_by, invoice, invoice_line, order, order_line, supplier


async def test_supplier_order_and_invoice_come_to_stand_in_coupa_marked_and_exported(desk: Desk) -> None:
    assert await desk.settle(supplier("A1"), "a1") == []
    assert await desk.settle(order("A-PO-1", supplier_id="a1"), "o1") == []
    made = desk.sandbox.one("purchase_orders", **{"po-number": "A-PO-1"})
    assert (made["status"], made["exported"], made["transmission-method-override"]) == (
        "issued",
        True,
        "do_not_transmit",
    )
    assert made["custom-fields"]["erp-source-id"] == "acme/exact-nl/purchase-order/o1"
    desk.sandbox.forget()
    backed = invoice_line("1", "25.00", "5.25", quantity=10, **backed_by("o1", "A-PO-1-1"))
    assert await desk.settle(invoice("A-INV-1", backed, invoice_line("2"), supplier_id="a1"), "i1") == []
    made = desk.sandbox.one("invoices", **{"invoice-number": "A-INV-1"})
    assert (made["status"], made["exported"], made["gross-total"]) == ("pending_approval", True, "151.25")
    assert [line["po-number"] for line in made["invoice-lines"]] == ["A-PO-1", None]
    reads = {"/api/account_types", "/api/currencies", "/api/lookup_values", "/api/uoms"}
    calls = [f"{call['method']} {call['path']}" for call in desk.sandbox.calls() if call["path"] not in reads]
    assert len(calls) == 4


async def test_documents_wait_for_their_supplier(desk: Desk) -> None:
    await desk.settle(order("W-PO-1", supplier_id="w1"), "w1", State.WAITING)
    await desk.settle(supplier("W1"), "w1")
    await desk.until(State.SYNCED, Entity.PURCHASE_ORDER, "w1")


async def test_a_changed_order_is_updated_a_removed_line_removed_and_a_line_added(desk: Desk) -> None:
    await desk.settle(supplier("C1"), "c1")
    await desk.settle(order("C-PO-1", supplier_id="c1"), "c1")
    changed = order("C-PO-1", order_line("C-PO-1-1", "12"), order_line("C-PO-1-3", "1", "7.00"), supplier_id="c1")
    await desk.settle(changed, "c1")
    made = desk.sandbox.one("purchase_orders", **{"po-number": "C-PO-1"})
    shown = desk.sandbox.request("GET", f"purchase_orders/{made['id']}")["order-lines"]
    assert [(line["line-num"], line["quantity"]) for line in shown] == [("1", "12.0"), ("3", "1.0")]
    assert (made["version"], made["exported"], made["status"]) == (2, True, "issued")
