"""Invoices in Procore under each cost model, over HTTP."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connector.domain.documents.common import Coding
from connector.domain.documents.invoice import InvoiceType, LinkStrength, OrderLink
from connector.domain.identity import Entity, TrafficClass
from connector.domain.sync.states import State
from tests.contract.coupa_target.coupa import supplier
from tests.contract.procore_target.procore import FLOW, Desk, coding, cost, ends, invoice, line, order, pause
from tests.support import until

COSTS, ORDERS, REQUISITIONS = "direct_costs", "purchase_order_contracts", "requisitions"
INVOICE = Entity.INVOICE
MODEL_B = {"P-100": {"cost_model": "B", "budget_view_excludes": "confirmed"}}


def bills(order_id: str, strength: LinkStrength = LinkStrength.HEADER, line_id: str | None = None) -> dict[str, Any]:
    return {"order_link": OrderLink(strength=strength, order_id=order_id, order_number=order_id, line_id=line_id)}


@pytest.fixture
def period(desk: Desk) -> None:
    desk.sandbox.act(
        "create_billing_period", project_id=desk.sandbox.project("P-100"), start_date="2026-03-01",
        end_date="2026-03-31", due_date="2026-03-31", status="open",
    )  # fmt: skip


async def test_an_invoice_without_order_becomes_an_approved_direct_cost_with_the_vat_nobody_gives_back(
    desk: Desk,
) -> None:
    await desk.settle(invoice("F-1", cost("1", "25.00", "5.25"), cost("2", "10.00", line_number=2)), "i1")
    made = desk.sandbox.one(COSTS, invoice_number="F-1")
    assert (made["direct_cost_type"], made["status"], made["grand_total"]) == ("invoice", "approved", "40.25")
    assert desk.sandbox.lines("direct_cost_line_items", made["id"]) == {"1": "30.25", "2": "10.0"}


async def test_an_invoice_on_an_order_becomes_a_requisition_in_the_period_of_its_date(desk: Desk, period: None) -> None:
    await desk.settle(order("100"), "o1")
    backed = bills("o1", LinkStrength.LINE, "100-2")
    await desk.settle(invoice("F-2", cost("1", "60.00", **backed)), "i2")
    made = desk.sandbox.one(REQUISITIONS, invoice_number="F-2")
    assert made["status"] == "approved"
    assert made["commitment_id"] == desk.sandbox.one(ORDERS, number="100")["id"]
    billed = {item["scheduled_value"]: item["work_completed_this_period"] for item in made["items"]}
    assert billed == {"25.0": "0.0", "100.0": "60.0"}
    assert not desk.sandbox.store(COSTS)


async def test_invoices_known_by_their_order_only_fill_its_lines_in_turn(desk: Desk, period: None) -> None:
    await desk.settle(order("110"), "o11")
    await desk.settle(invoice("F-3", cost("1", "40.00", **bills("o11"))), "i3")
    made = desk.sandbox.one(REQUISITIONS, invoice_number="F-3")
    billed = {item["scheduled_value"]: item["work_completed_this_period"] for item in made["items"]}
    assert billed == {"25.0": "25.0", "100.0": "15.0"}


async def test_a_later_invoice_known_by_its_order_only_goes_on_where_the_one_before_it_ended(
    desk: Desk, period: None
) -> None:
    await desk.settle(order("111"), "o111")
    await desk.settle(invoice("F-31", cost("1", "40.00", **bills("o111"))), "i31")
    await desk.settle(invoice("F-32", cost("1", "40.00", **bills("o111"))), "i32")
    made = desk.sandbox.one(REQUISITIONS, invoice_number="F-32")
    billed = {item["scheduled_value"]: item["work_completed_this_period"] for item in made["items"]}
    assert billed == {"25.0": "0.0", "100.0": "40.0"}


async def test_of_invoices_that_wait_together_the_earlier_one_bills_first_whichever_came_first(
    desk: Desk, period: None
) -> None:
    await desk.settle(order("112"), "o112")
    pause(desk)
    for number, day in (("F-late", 20), ("F-early", 5)):
        await desk.take(invoice(number, cost("1", "40.00", **bills("o112")), issue_date=date(2026, 3, day)), number)
    desk.choose()
    await asyncio.wait_for(ends(desk, INVOICE, ["F-late", "F-early"]), 30)
    made = {row["invoice_number"]: row["items"] for row in desk.sandbox.store(REQUISITIONS)}
    assert [item["work_completed_this_period"] for item in made["F-early"]] == ["25.0", "15.0"]
    assert [item["work_completed_this_period"] for item in made["F-late"]] == ["0.0", "40.0"]


async def test_more_than_the_order_is_refused_and_never_capped(desk: Desk, period: None) -> None:
    await desk.settle(order("120", line("120-1")), "o12")
    codes = await desk.settle(invoice("F-4", cost("1", "30.00", **bills("o12"))), "i4", State.BLOCKED)
    assert codes == ["over-sov"]
    assert not desk.sandbox.store(REQUISITIONS)


async def test_without_an_open_period_a_requisition_waits_for_one_or_makes_it(desk: Desk) -> None:
    await desk.settle(order("130"), "o13")
    waiting = invoice("F-5", cost("1", **bills("o13")))
    assert await desk.settle(waiting, "i5", State.WAITING) == ["no-open-period"]
    desk.choose(no_open_period="create")
    await desk.operations.again(_selected("i5"), _source(), "ann")
    await desk.until(State.SYNCED, INVOICE, "i5")
    made = desk.sandbox.one("billing_periods", start_date="2026-03-01", project_id=desk.sandbox.project("P-100"))
    assert desk.sandbox.one(REQUISITIONS, invoice_number="F-5")["period_id"] == made["id"]


async def test_invoices_that_need_the_same_new_period_at_once_share_it(desk: Desk) -> None:
    ids = [str(n) for n in range(136, 140)]
    for number in ids:
        await desk.settle(order(number), f"o{number}")
    pause(desk)
    for number in ids:
        await desk.take(invoice(f"F-{number}", cost("1", **bills(f"o{number}"))), f"i{number}")
    desk.choose(no_open_period="create")
    states = await asyncio.wait_for(ends(desk, INVOICE, [f"i{number}" for number in ids]), 30)
    assert set(states.values()) == {State.SYNCED}
    made = desk.sandbox.one("billing_periods", start_date="2026-03-01", project_id=desk.sandbox.project("P-100"))
    assert {row["period_id"] for row in desk.sandbox.store(REQUISITIONS)} == {made["id"]}
    told = [said for number in ids for said in made_for(desk, f"i{number}")]
    assert told == [f"billing period {made['id']} from 2026-03-01 to 2026-03-31"]


def made_for(desk: Desk, native_id: str) -> list[str]:
    """What an invoice's story says had to be made for it."""
    story = desk.tables.audit[desk.row(INVOICE, native_id).desired.row]
    return [said for told in story for said in told.detail.get("made", ())]


async def test_an_invoices_story_tells_that_its_vendor_was_added_to_the_project(desk: Desk) -> None:
    await desk.settle(invoice("F-27"), "i27")
    vendor = desk.sandbox.one("vendors", origin_code="S1")["id"]
    assert made_for(desk, "i27") == [f"vendor {vendor} in the project"]


async def test_a_period_whose_making_had_no_answer_is_found_and_not_made_again(desk: Desk) -> None:
    await desk.settle(order("134"), "o134")
    desk.choose(no_open_period="create")
    desk.sandbox.fault(method="POST", path="/billing_periods$", when="after", action="drop", times=1)
    await desk.settle(invoice("F-54", cost("1", **bills("o134"))), "i54")
    made = desk.sandbox.one("billing_periods", start_date="2026-03-01", project_id=desk.sandbox.project("P-100"))
    assert desk.sandbox.one(REQUISITIONS, invoice_number="F-54")["period_id"] == made["id"]


async def test_the_next_open_period_takes_what_belongs_to_a_closed_one(desk: Desk) -> None:
    project = desk.sandbox.project("P-100")
    desk.choose(no_open_period="next-open")
    desk.sandbox.act(
        "create_billing_period", project_id=project, start_date="2026-04-01", end_date="2026-04-30",
        due_date="2026-04-30", status="open",
    )  # fmt: skip
    await desk.settle(order("135"), "o135")
    await desk.settle(invoice("F-55", cost("1", **bills("o135"))), "i55")
    april = desk.sandbox.one("billing_periods", start_date="2026-04-01", project_id=project)
    made = desk.sandbox.one(REQUISITIONS, invoice_number="F-55")
    assert (made["period_id"], made["billing_date"]) == (april["id"], "2026-03-01")


async def test_a_cost_unit_may_decide_the_project_instead(desk: Desk) -> None:
    desk.choose({"4100/*/CU-*": "P-200:01-100.L"}, third_code="cost-unit")
    placed = [Coding(gl_account="4100", cost_center="200", cost_unit="CU-7")]
    await desk.settle(invoice("F-57", cost("1", accounting=placed)), "i57")
    made = desk.sandbox.one(COSTS, invoice_number="F-57")
    assert made["project_id"] == desk.sandbox.project("P-200")
    assert made["line_items"][0]["wbs_code"]["flat_code"] == "01-100.L"


async def test_an_unlinked_invoice_of_a_vendor_with_an_open_commitment_is_decided_by_a_person(desk: Desk) -> None:
    await desk.settle(order("140"), "o14")
    assert await desk.settle(invoice("F-6"), "i6", State.BLOCKED) == ["may-bill-commitment"]
    assert not desk.sandbox.store(COSTS)
    row = desk.row(INVOICE, "i6").desired.row
    await desk.operations.link(row, "bills-P-100", "decision/i6", "none", "ann")
    await desk.until(State.SYNCED, INVOICE, "i6")
    assert desk.sandbox.one(COSTS, invoice_number="F-6")["direct_cost_type"] == "invoice"


async def test_a_person_may_decide_which_commitment_an_invoice_without_order_bills(desk: Desk, period: None) -> None:
    await desk.settle(order("145"), "o145")
    assert await desk.settle(invoice("F-65", cost("1", "9.00")), "i65", State.BLOCKED) == ["may-bill-commitment"]
    commitment = desk.sandbox.one(ORDERS, number="145")["id"]
    (reason,) = desk.row(INVOICE, "i65").reasons
    said = "connector link i65 COMMITMENT --flow exact-procore --part bills-P-100 --resource decisions/i65"
    assert said in (reason.fix or "")
    row = desk.row(INVOICE, "i65").desired.row
    await desk.operations.link(row, "bills-P-100", "decisions/i65", str(commitment), "ann")
    await desk.until(State.SYNCED, INVOICE, "i65")
    assert desk.sandbox.one(REQUISITIONS, invoice_number="F-65")["commitment_id"] == commitment
    shown = await desk.target.read("decisions/i65", [str(commitment)], TrafficClass.BACKFILL)
    assert shown[str(commitment)].status == "linked", "nobody takes a decision for an object that went missing"


async def test_a_credit_note_on_an_order_takes_back_what_was_billed(desk: Desk, period: None) -> None:
    desk.choose(credit_mode="negative")
    await desk.settle(order("147"), "o147")
    backed = bills("o147", LinkStrength.LINE, "147-2")
    await desk.settle(invoice("F-67", cost("1", "60.00", **backed)), "i67")
    note = invoice("F-68", cost("1", "20.00", **backed), type_code=InvoiceType.CREDIT_NOTE, effect=-1)
    await desk.settle(note, "i68")
    made = desk.sandbox.one(REQUISITIONS, invoice_number="F-68")
    assert (made["status"], made["items"][1]["work_completed_this_period"]) == ("approved", "-20.0")


async def test_in_model_b_an_invoice_on_an_order_is_a_subcontractor_invoice(desk: Desk) -> None:
    desk.choose(projects=MODEL_B)
    desk.sandbox.set(subcontractor_invoice_enabled=True)
    await desk.settle(order("150"), "o15")
    await desk.settle(invoice("F-7", cost("1", **bills("o15"))), "i7")
    assert desk.sandbox.one(COSTS, invoice_number="F-7")["direct_cost_type"] == "subcontractor_invoice"


async def test_an_invoice_over_two_projects_fans_out_and_its_parts_sum_to_it(desk: Desk) -> None:
    lines = cost("1", "10.00"), cost("2", "7.01", line_number=2, accounting=coding("4000", "P-200"))
    await desk.settle(invoice("F-8", *lines), "i8")
    made = desk.sandbox.store(COSTS, invoice_number="F-8")
    assert sorted(Decimal(row["grand_total"]) for row in made) == [Decimal("7.01"), Decimal("10.00")]


async def test_a_vendors_invoice_number_is_taken_only_once(desk: Desk) -> None:
    await desk.settle(invoice("F-9"), "i9")
    assert await desk.settle(invoice("F-9"), "i91", State.BLOCKED) == ["number-taken-in-target"]
    assert len(desk.sandbox.store(COSTS)) == 1


async def test_a_vendors_invoice_number_is_billed_on_one_commitment_only(desk: Desk, period: None) -> None:
    await desk.settle(supplier("S2", "Paint and Co"), "s2")
    for number, vendor in (("170", "s1"), ("171", "s1"), ("172", "s2")):
        await desk.settle(order(number, supplier_id=vendor), f"o{number}")
    await desk.settle(invoice("F-14", cost("1", **bills("o170"))), "i14")
    desk.sandbox.forget()
    again = invoice("F-14", cost("1", **bills("o171")))
    assert await desk.settle(again, "i141", State.BLOCKED) == ["number-taken-in-target"]
    (reason,) = desk.row(INVOICE, "i141").reasons
    made = desk.sandbox.one(REQUISITIONS, invoice_number="F-14")
    assert str(made["id"]) in reason.message
    assert {call["method"] for call in desk.sandbox.calls()} == {"GET"}, "nothing was written"
    await desk.settle(invoice("F-14", cost("1", **bills("o172")), supplier_id="s2"), "i142")


async def test_of_two_equal_numbers_that_come_at_once_one_is_billed(desk: Desk, period: None) -> None:
    vendors = range(4)
    for n in vendors:
        await desk.settle(supplier(f"D{n}", f"Double {n}"), f"d{n}")
        for number in (f"18{n}", f"19{n}"):
            await desk.settle(order(number, supplier_id=f"d{n}"), f"o{number}")
    pause(desk)
    for n in vendors:
        for number in (f"18{n}", f"19{n}"):
            billed = invoice("F-15", cost("1", **bills(f"o{number}")), supplier_id=f"d{n}")
            await desk.take(billed, f"i{number}")
    desk.choose()
    for n in vendors:
        states = await asyncio.wait_for(ends(desk, INVOICE, [f"i18{n}", f"i19{n}"]), 30)
        assert sorted(states.values()) == [State.BLOCKED, State.SYNCED]
    assert len(desk.sandbox.store(REQUISITIONS)) == len(vendors)
    assert len(desk.sandbox.calls(method="POST", path=f"/rest/v1.1/{REQUISITIONS}")) == len(vendors)


async def test_a_bills_corrected_number_and_date_reach_its_requisition_and_the_period_follows_the_date(
    desk: Desk, period: None
) -> None:
    project = desk.sandbox.project("P-100")
    desk.choose(no_open_period="create")
    await desk.settle(order("173"), "o173")
    await desk.settle(invoice("F-23", cost("1", **bills("o173"))), "i23")
    await desk.settle(invoice("F-24", cost("1", **bills("o173")), issue_date=date(2026, 4, 7)), "i23")
    made = desk.sandbox.one(REQUISITIONS)
    april = desk.sandbox.one("billing_periods", start_date="2026-04-01", project_id=project)
    assert (made["invoice_number"], made["billing_date"], made["period_id"]) == ("F-24", "2026-04-07", april["id"])
    assert (made["requisition_start"], made["status"]) == ("2026-04-01", "approved")


async def test_a_bill_stays_in_its_period_while_its_date_stays(desk: Desk) -> None:
    desk.choose(no_open_period="next-open")
    april = desk.sandbox.act(
        "create_billing_period", project_id=desk.sandbox.project("P-100"), start_date="2026-04-01",
        end_date="2026-04-30", due_date="2026-04-30", status="open",
    )  # fmt: skip
    await desk.settle(order("174"), "o174")
    await desk.settle(invoice("F-25", cost("1", **bills("o174"))), "i25")
    desk.choose(no_open_period="create")
    await desk.settle(invoice("F-26", cost("1", **bills("o174"))), "i25")
    made = desk.sandbox.one(REQUISITIONS)
    assert (made["invoice_number"], made["period_id"]) == ("F-26", april["id"])


async def test_a_bill_is_not_given_a_number_that_another_one_has(desk: Desk, period: None) -> None:
    for number in ("175", "176"):
        await desk.settle(order(number), f"o{number}")
        await desk.settle(invoice(f"F-{number}", cost("1", **bills(f"o{number}"))), f"i{number}")
    again = invoice("F-175", cost("1", **bills("o176")))
    assert await desk.settle(again, "i176", State.BLOCKED) == ["number-taken-in-target"]
    assert {made["invoice_number"] for made in desk.sandbox.store(REQUISITIONS)} == {"F-175", "F-176"}


async def test_a_credit_note_is_blocked_until_negative_amounts_are_known_to_hold(desk: Desk) -> None:
    note = invoice("F-10", cost("1", "20.00"), type_code=InvoiceType.CREDIT_NOTE, effect=-1)
    assert await desk.settle(note, "i10", State.BLOCKED) == ["credit-not-allowed"]
    desk.choose(credit_mode="negative")
    await desk.until(State.SYNCED, INVOICE, "i10")
    assert desk.sandbox.one(COSTS, invoice_number="F-10")["grand_total"] == "-20.0"


async def test_one_invoice_does_not_bill_two_commitments(desk: Desk, period: None) -> None:
    await desk.settle(order("160"), "o16")
    await desk.settle(order("161"), "o161")
    both = invoice("F-11", cost("1", **bills("o16")), cost("2", line_number=2, **bills("o161")))
    assert await desk.settle(both, "i11", State.BLOCKED) == ["bills-several-commitments"]


async def test_a_changed_and_then_deleted_booking_changes_and_leaves_the_books(desk: Desk) -> None:
    await desk.settle(invoice("F-12", cost("1"), cost("2", line_number=2)), "i12")
    await desk.settle(invoice("F-12", cost("1", "9.00")), "i12")
    made = desk.sandbox.one(COSTS, invoice_number="F-12")
    assert (made["status"], made["grand_total"]) == ("approved", "9.0")
    await desk.settle(None, "i12", entity=INVOICE)
    assert not desk.sandbox.store(COSTS)


@pytest.mark.parametrize("lost", [False, True])
async def test_an_invoice_that_turns_out_to_bill_another_order_moves_to_its_commitment(
    desk: Desk, period: None, lost: bool
) -> None:
    await desk.settle(order("190"), "o190")
    await desk.settle(order("191"), "o191")
    await desk.settle(invoice("F-17", cost("1", **bills("o190"))), "i17")
    if lost:
        desk.sandbox.fault(method="DELETE", path=f"/{REQUISITIONS}/", when="after", action="drop", times=1)
        desk.sandbox.fault(method="POST", path=f"/{REQUISITIONS}$", when="after", action="drop", times=1)
    await desk.settle(invoice("F-17", cost("1", **bills("o191"))), "i17")
    made = desk.sandbox.one(REQUISITIONS)
    assert made["commitment_id"] == desk.sandbox.one(ORDERS, number="191")["id"]
    assert (made["invoice_number"], made["status"]) == ("F-17", "approved")


@pytest.mark.parametrize("lost", [False, True])
async def test_a_cost_that_turns_out_to_bill_an_order_becomes_a_requisition(
    desk: Desk, period: None, lost: bool
) -> None:
    await desk.settle(invoice("F-18"), "i18")
    await desk.settle(order("192"), "o192")
    if lost:
        desk.sandbox.fault(method="DELETE", path=f"/{COSTS}/", when="after", action="drop", times=1)
        desk.sandbox.fault(method="POST", path=f"/{REQUISITIONS}$", when="after", action="drop", times=1)
    await desk.settle(invoice("F-18", cost("1", **bills("o192"))), "i18")
    assert desk.sandbox.one(REQUISITIONS, invoice_number="F-18")["status"] == "approved"
    assert not desk.sandbox.store(COSTS)


async def test_a_bill_that_turns_out_to_have_no_order_stays_until_a_person_says_that_it_is_a_cost_of_its_own(
    desk: Desk, period: None
) -> None:
    await desk.settle(order("193"), "o193")
    await desk.settle(invoice("F-19", cost("1", **bills("o193"))), "i19")
    assert await desk.settle(invoice("F-19"), "i19", State.BLOCKED) == ["may-bill-commitment"]
    assert desk.sandbox.one(REQUISITIONS)["invoice_number"] == "F-19"
    await desk.operations.link(desk.row(INVOICE, "i19").desired.row, "bills-P-100", "decisions/i19", "none", "ann")
    await desk.until(State.SYNCED, INVOICE, "i19")
    assert desk.sandbox.one(COSTS, invoice_number="F-19")["status"] == "approved"
    assert not desk.sandbox.store(REQUISITIONS)


async def test_a_requisition_that_a_lost_answer_made_in_place_of_a_cost_is_taken_back_with_the_booking(
    desk: Desk, period: None
) -> None:
    await desk.settle(invoice("F-20"), "i20")
    await desk.settle(order("194"), "o194")
    desk.sandbox.fault(method="POST", path=f"/{REQUISITIONS}$", when="after", action="drop", times=1)
    await desk.take(invoice("F-20", cost("1", **bills("o194"))), "i20")
    await until(lambda: bool(desk.sandbox.store(REQUISITIONS)))
    await desk.settle(None, "i20", entity=INVOICE)
    assert not desk.sandbox.store(REQUISITIONS)
    assert not desk.sandbox.store(COSTS)


async def test_a_booking_that_is_withdrawn_and_comes_back_is_written_again(desk: Desk) -> None:
    await desk.settle(invoice("F-21"), "i21")
    await desk.settle(None, "i21", entity=INVOICE)
    await desk.settle(invoice("F-21", cost("1", "9.00")), "i21")
    assert desk.sandbox.one(COSTS, invoice_number="F-21")["grand_total"] == "9.0"


async def test_what_a_lost_answer_made_is_taken_back_with_the_booking(desk: Desk) -> None:
    desk.sandbox.fault(method="PATCH", path=f"/{COSTS}/sync$", when="after", action="drop", times=1)
    await desk.take(invoice("F-16"), "i16")
    await until(lambda: bool(desk.sandbox.store(COSTS)))
    await desk.settle(None, "i16", entity=INVOICE)
    assert not desk.sandbox.store(COSTS)


def _selected(native_id: str) -> Any:
    from connector.domain.ports.operations import Selection

    return Selection(FLOW, frozenset({State.WAITING, State.BLOCKED}), INVOICE, [native_id])


def _source() -> Any:
    from connector.domain.sync.states import Cause

    return Cause.SOURCE
