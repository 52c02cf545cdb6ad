"""Documents as they come to stand in Coupa, and what is asked of it for that."""

from datetime import date
from typing import Any

from connector.domain.documents.common import Coding
from connector.domain.documents.invoice import InvoiceType, PrecedingInvoice
from connector.domain.documents.purchase_order import OrderLifecycle
from connector.domain.documents.reference import Reference, ReferenceKind
from connector.domain.documents.supplier import SupplierStatus
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


async def test_a_supplier_is_made_inactive_only_once_its_documents_are_written(desk: Desk) -> None:
    await desk.settle(supplier("IA1"), "ia1")
    backed = invoice_line("1", "25.00", "5.25", quantity=10, **backed_by("ia-o1", "IA-PO-1-1"))
    await desk.settle(invoice("IA-INV-1", backed, supplier_id="ia1"), "ia-i1", State.WAITING)
    closed = supplier("IA1", status=SupplierStatus(active=False))
    assert await desk.settle(closed, "ia1", State.WAITING) == ["needed-by-others"]
    assert desk.sandbox.one("suppliers", number="IA1")["status"] == "active"
    await desk.settle(order("IA-PO-1", supplier_id="ia1"), "ia-o1")
    await desk.until(State.SYNCED, Entity.INVOICE, "ia-i1")
    desk.tables.make_due(desk.row(Entity.SUPPLIER, "ia1").desired.row)  # as it would be after its pause
    await desk.until(State.SYNCED, Entity.SUPPLIER, "ia1")
    assert desk.sandbox.one("suppliers", number="IA1")["status"] == "inactive"


async def test_a_changed_order_is_updated_a_removed_line_removed_and_a_line_added(desk: Desk) -> None:
    await desk.settle(supplier("C1"), "c1")
    await desk.settle(order("C-PO-1", supplier_id="c1"), "c1")
    changed = order("C-PO-1", order_line("C-PO-1-1", "12"), order_line("C-PO-1-3", "1", "7.00"), supplier_id="c1")
    await desk.settle(changed, "c1")
    made = desk.sandbox.one("purchase_orders", **{"po-number": "C-PO-1"})
    shown = desk.sandbox.request("GET", f"purchase_orders/{made['id']}")["order-lines"]
    assert [(line["line-num"], line["quantity"]) for line in shown] == [("1", "12.0"), ("3", "1.0")]
    assert (made["version"], made["exported"], made["status"]) == (2, True, "issued")


async def test_the_last_invoice_of_an_order_that_is_done_closes_it_and_a_late_one_opens_it_for_itself(
    desk: Desk,
) -> None:
    await desk.settle(supplier("L1"), "l1")
    line = order_line("L-PO-1-1", invoiced_quantity=10)
    await desk.settle(order("L-PO-1", line, supplier_id="l1"), "l-o1")
    done = order("L-PO-1", line, supplier_id="l1", lifecycle=OrderLifecycle.CLOSED)
    await desk.settle(done, "l-o1")
    assert desk.sandbox.one("purchase_orders", **{"po-number": "L-PO-1"})["status"] == "issued"
    backed = invoice_line("1", "25.00", "5.25", quantity=10, **backed_by("l-o1", "L-PO-1-1"))
    await desk.settle(invoice("L-INV-1", backed, supplier_id="l1"), "l-i1")
    assert desk.sandbox.one("purchase_orders", **{"po-number": "L-PO-1"})["status"] == "soft_closed"
    late = invoice_line("1", "2.50", "0.53", quantity=1, **backed_by("l-o1", "L-PO-1-1"))
    await desk.settle(invoice("L-INV-2", late, supplier_id="l1"), "l-i2")
    assert desk.sandbox.one("invoices", **{"invoice-number": "L-INV-2"})["status"] == "pending_approval"
    assert desk.sandbox.one("purchase_orders", **{"po-number": "L-PO-1"})["status"] == "soft_closed"


async def test_a_submitted_invoice_that_changes_is_voided_and_made_anew_under_its_next_number(desk: Desk) -> None:
    desk.sandbox.set(invoice_status_after_submit="approved")
    await desk.settle(supplier("R1"), "r1")
    await desk.settle(invoice("R-INV-1", supplier_id="r1"), "r1")
    await desk.settle(invoice("R-INV-1", invoice_line("1", "80.00", "16.80"), supplier_id="r1"), "r1")
    assert desk.sandbox.one("invoices", **{"invoice-number": "R-INV-1"})["status"] == "voided"
    made = desk.sandbox.one("invoices", **{"invoice-number": "R-INV-1-R1"})
    assert (made["status"], made["gross-total"]) == ("approved", "96.80")
    desk.sandbox.set(invoice_status_after_submit="by_matching")


async def test_an_invoice_that_is_being_approved_waits_until_it_may_be_voided(desk: Desk) -> None:
    await desk.settle(supplier("P1"), "p1")
    await desk.settle(invoice("P-INV-1", supplier_id="p1"), "p1")
    changed = invoice("P-INV-1", invoice_line("1", "80.00", "16.80"), supplier_id="p1")
    assert await desk.settle(changed, "p1", State.WAITING) == ["frozen-in-target"]


async def test_an_invoice_that_people_voided_stays_void(desk: Desk) -> None:
    desk.choose(invoice_end_state="draft")
    await desk.settle(supplier("V1"), "v1")
    await desk.settle(invoice("V-INV-1", supplier_id="v1"), "v1")
    made = desk.sandbox.one("invoices", **{"invoice-number": "V-INV-1"})
    desk.sandbox.act("void_invoice", id=made["id"])
    changed = invoice("V-INV-1", invoice_line("1", "80.00", "16.80"), supplier_id="v1")
    assert await desk.settle(changed, "v1", State.BLOCKED) == ["refused-in-target"]


async def test_without_a_confirmed_settlement_invoices_stay_drafts(desk: Desk) -> None:
    desk.choose(settlement=None)
    await desk.settle(supplier("D1"), "d1")
    await desk.settle(invoice("D-INV-1", supplier_id="d1"), "d1")
    made = desk.sandbox.one("invoices", **{"invoice-number": "D-INV-1"})
    assert (made["status"], made["exported"]) == ("draft", True)


async def test_a_cancelled_order_is_cancelled_and_one_with_invoices_is_closed(desk: Desk) -> None:
    await desk.settle(supplier("X1"), "x1")
    for number in ("X-PO-1", "X-PO-2"):
        await desk.settle(order(number, supplier_id="x1"), number)
    backed = invoice_line("1", "25.00", "5.25", quantity=10, **backed_by("X-PO-2", "X-PO-2-1"))
    await desk.settle(invoice("X-INV-1", backed, supplier_id="x1"), "x-i1")
    for number in ("X-PO-1", "X-PO-2"):
        await desk.settle(order(number, supplier_id="x1", lifecycle=OrderLifecycle.CANCELLED), number)
    statuses = [desk.sandbox.one("purchase_orders", **{"po-number": n})["status"] for n in ("X-PO-1", "X-PO-2")]
    assert statuses == ["cancelled", "soft_closed"]


async def test_a_removed_line_that_is_invoiced_goes_down_to_what_is_invoiced(desk: Desk) -> None:
    await desk.settle(supplier("Q1"), "q1")
    await desk.settle(order("Q-PO-1", supplier_id="q1"), "q-o1")
    backed = invoice_line("1", "10.00", "2.10", quantity=4, **backed_by("q-o1", "Q-PO-1-1"))
    await desk.settle(invoice("Q-INV-1", backed, supplier_id="q1"), "q-i1")
    await desk.settle(order("Q-PO-1", order_line("Q-PO-1-2", "4", "25.00"), supplier_id="q1"), "q-o1")
    made = desk.sandbox.one("purchase_orders", **{"po-number": "Q-PO-1"})
    shown = desk.sandbox.request("GET", f"purchase_orders/{made['id']}")["order-lines"]
    assert [(line["line-num"], line["quantity"]) for line in shown] == [("1", "4.0"), ("2", "4.0")]


async def test_a_credit_note_names_its_original_and_without_one_is_blocked_or_a_negative_invoice(desk: Desk) -> None:
    await desk.settle(supplier("N1"), "n1")
    credit: dict[str, Any] = {"type_code": InvoiceType.CREDIT_NOTE, "effect": -1, "supplier_id": "n1"}
    original = PrecedingInvoice(number="N-INV-0", issue_date=date(2026, 2, 1))
    await desk.settle(invoice("N-CR-1", **credit, preceding_invoice=original), "n1")
    made = desk.sandbox.one("invoices", **{"invoice-number": "N-CR-1"})
    assert (made["document-type"], made["original-invoice-number"], made["invoice-lines"][0]["price"]) == (
        "Credit Note", "N-INV-0", "100.00",
    )  # fmt: skip
    assert await desk.settle(invoice("N-CR-2", **credit), "n2", State.BLOCKED) == ["credit-original-unknown"]
    desk.choose(original_unknown="negative-invoice")
    await desk.until(State.SYNCED, Entity.INVOICE, "n2")
    made = desk.sandbox.one("invoices", **{"invoice-number": "N-CR-2"})
    line = made["invoice-lines"][0]
    assert (made["document-type"], line["quantity"], line["price"], made["gross-total"]) == (
        "Invoice", "-1.0", "100.00", "-121.00",
    )  # fmt: skip


async def test_a_new_code_is_written_before_the_order_that_uses_it_hyphens_and_all(desk: Desk) -> None:
    await desk.settle(supplier("H1"), "h1")
    coding = [Coding(gl_account="4000", cost_center="NL-77")]
    await desk.take(order("H-PO-1", order_line("H-PO-1-1", accounting=coding), supplier_id="h1"), "h1")
    row = await desk.until(State.WAITING, Entity.PURCHASE_ORDER, "h1")
    assert [reason.code for reason in row.reasons] == ["cost-center-unknown-in-target"]
    assert row.reasons[0].missing == "reference:acme/coupa/lookup-value:Cost Center/NL-77"
    await desk.settle(Reference(kind=ReferenceKind.COST_CENTER, code="NL-77", name="North"), "cost-center/NL-77")
    await desk.until(State.SYNCED, Entity.PURCHASE_ORDER, "h1")
    made = desk.sandbox.one("purchase_orders", **{"po-number": "H-PO-1"})
    shown = desk.sandbox.request("GET", f"purchase_orders/{made['id']}")["order-lines"][0]["account"]
    assert (shown["segment-1"], shown["segment-2"]) == ("NL-77", "4000")


async def test_a_value_that_another_flow_wrote_is_used_where_both_share_it_and_else_blocked(desk: Desk) -> None:
    mark = {"erp-source-id": "acme/exact-be/reference/cost-center/SH-1"}
    lookup = {"name": "Cost Center"}
    theirs = {"name": "SH-1 Theirs", "external-ref-num": "SH-1", "lookup": lookup, "custom-fields": mark}
    desk.sandbox.request("POST", "lookup_values", theirs)
    ours = Reference(kind=ReferenceKind.COST_CENTER, code="SH-1", name="Ours")
    assert await desk.settle(ours, "cost-center/SH-1", State.BLOCKED) == ["value-linked-elsewhere"]
    desk.choose(shared=["lookup-values"])
    await desk.until(State.SYNCED, Entity.REFERENCE, "cost-center/SH-1")
    kept = desk.sandbox.one("lookup_values", **{"external-ref-num": "SH-1"})
    assert (kept["name"], kept["custom-fields"]) == ("SH-1 Theirs", mark)


async def test_a_supplier_that_coupa_has_is_linked_only_by_the_flows_rules(desk: Desk) -> None:
    address = {"street1": "Kade 1", "city": "Rotterdam", "postal-code": "3011 AA", "country": {"code": "NL"}}
    for number, name, tax_id in (("M1", "Moor", "NLM1"), ("M2", "Mast", "NLX"), (None, "Maas BV", None)):
        body = {"number": number, "name": name, "tax-id": tax_id, "invoice-matching-level": "2-way", "status": "active"}
        desk.sandbox.request("POST", "suppliers", {**body, "primary-address": address})
    desk.choose(code_authority=True)
    assert await desk.settle(supplier("M1", "Moor"), "m1") == []
    assert await desk.settle(supplier("M2", "Mast"), "m2", State.BLOCKED) == ["supplier-not-linked"]
    assert await desk.settle(supplier("M3", "Maas B.V."), "m3b") == [], "another name is another supplier"
    assert await desk.settle(supplier("M4", "Maas BV"), "m4") == []
    assert desk.sandbox.one("suppliers", name="Maas BV")["number"] == "M4"
    desk.choose(code_authority=False, create_suppliers=False)
    assert await desk.settle(supplier("M9"), "m9", State.BLOCKED) == ["supplier-unknown-in-target"]
