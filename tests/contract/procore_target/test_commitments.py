"""Orders in Procore, over HTTP: what they become, and what stops them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from connector.domain.documents.common import Coding
from connector.domain.documents.invoice import LinkStrength, OrderLink
from connector.domain.documents.purchase_order import OrderLifecycle
from connector.domain.identity import Entity
from connector.domain.ports.operations import Selection
from connector.domain.sync.dispatcher import Pace
from connector.domain.sync.states import Cause, State
from tests.contract.procore_target.procore import FLOW, Desk, Sandbox, coding, cost, desk_of, invoice, line, order
from tests.support import until

ORDERS, LINES = "purchase_order_contracts", "purchase_order_contract_line_items"
ORDER = Entity.PURCHASE_ORDER


async def test_an_order_becomes_an_approved_commitment_with_its_vendor_in_the_project(desk: Desk) -> None:
    await desk.settle(order("100"), "o1")
    made = desk.sandbox.one(ORDERS, number="100")
    assert (made["status"], made["grand_total"], made["origin_code"]) == ("Approved", "125.0", "100")
    assert made["origin_id"] == "acme/exact-nl/purchase-order/o1:P-100"
    assert desk.sandbox.lines(LINES, made["id"]) == {"100-1": "25.0", "100-2": "100.0"}
    vendor = desk.sandbox.one("vendors", origin_code="S1")["id"]
    assert made["vendor"]["id"] == vendor
    assert vendor in desk.sandbox.one("projects", project_number="P-100")["vendor_ids"]


async def test_an_order_over_two_projects_becomes_two_commitments_that_sum_to_it(desk: Desk) -> None:
    split = [Coding(share=Decimal(40), gl_account="4000", project="P-100"),
             Coding(share=Decimal(60), gl_account="4000", project="P-200")]  # fmt: skip
    await desk.settle(order("200", line("200-1", "1", "99.99", accounting=split), line("200-2")), "o2")
    first, second = desk.sandbox.one(ORDERS, number="200-P-100"), desk.sandbox.one(ORDERS, number="200-P-200")
    assert Decimal(first["grand_total"]) + Decimal(second["grand_total"]) == Decimal("124.99")
    assert first["status"] == "Approved"
    assert second["status"] == "Draft", "model C: only direct costs count"
    assert {made["origin_code"] for made in (first, second)} == {"200"}
    assert {made["title"] for made in (first, second)} == {"Order 200 (2 projects)"}


async def test_header_and_lines_are_a_draft_until_they_were_read_back(desk: Desk) -> None:
    syncs = f"/{ORDERS}/sync$"
    body = '{"errors":{"base":["The workflow says no"]}}'
    desk.sandbox.fault(
        method="PATCH", path=syncs, skip=1, when="before", action="respond", status=422, body=body,
        content_type="application/json",
    )  # fmt: skip
    assert await desk.settle(order("210"), "o21", State.BLOCKED) == ["rejected-by-target"]
    made = desk.sandbox.one(ORDERS, number="210")
    assert (made["status"], made["grand_total"]) == ("Draft", "125.0")
    calls = [(call["method"], call["path"].partition(ORDERS)[2]) for call in desk.sandbox.calls()]
    written = [call for call in calls if call[0] == "PATCH" and call[1]]
    lines = ("PATCH", f"/{made['id']}/line_items/sync")
    assert written == [("PATCH", "/sync"), lines, ("PATCH", "/sync")]
    last_two = calls.index(lines), len(calls) - 1 - calls[::-1].index(("PATCH", "/sync"))
    assert ("GET", "") in calls[slice(*last_two)], "read back before it is approved"


async def test_quantities_and_prices_of_a_commitment_by_units_follow_the_order(desk: Desk) -> None:
    by_units = {"cost_model": "B", "budget_view_excludes": "confirmed", "accounting_method": "unit"}
    desk.choose(projects={"P-100": by_units})
    await desk.settle(order("220", line("220-1", "10", "2.50"), line("220-2", "3", "0.3333")), "o22")
    made = desk.sandbox.one(ORDERS, number="220")
    assert made["accounting_method"] == "unit"
    assert {row["origin_id"].rpartition("#")[2]: (row["quantity"], row["unit_cost"], row["amount"], row["uom"])
            for row in desk.sandbox.store(LINES)} == {
        "220-1": ("10.0", "2.5", "25.0", "ea"), "220-2": ("3.0", "0.3333333333", "1.0", "ea"),
    }  # fmt: skip
    await desk.settle(order("220", line("220-1", "12", "2.75"), line("220-2", "3", "0.3333")), "o22")
    changed = next(row for row in desk.sandbox.store(LINES) if row["origin_id"].endswith("#220-1"))
    assert (changed["quantity"], changed["unit_cost"], changed["amount"]) == ("12.0", "2.75", "33.0")
    assert desk.sandbox.one(ORDERS, number="220")["status"] == "Approved"


async def test_changes_of_an_approved_order_reopen_it_and_removed_lines_go(desk: Desk) -> None:
    await desk.settle(order("300"), "o3")
    await desk.settle(order("300", line("300-1", "12")), "o3")
    made = desk.sandbox.one(ORDERS, number="300")
    assert desk.sandbox.lines(LINES, made["id"]) == {"300-1": "30.0"}
    assert (made["status"], made["grand_total"]) == ("Approved", "30.0")


async def test_a_frozen_order_is_left_to_people_where_the_flow_says_so(desk: Desk) -> None:
    desk.choose(on_frozen="block")
    await desk.settle(order("310"), "o31")
    assert await desk.settle(order("310", line("310-1", "12")), "o31", State.BLOCKED) == ["frozen-in-target"]
    assert desk.sandbox.one(ORDERS, number="310")["grand_total"] == "125.0"


async def test_a_commitment_that_people_left_as_a_draft_is_found_and_approved_again_once_released(
    sandbox: Sandbox,
) -> None:
    async with desk_of(sandbox, pace=Pace(recheck_s=0.3, sweep_s=0.2, seen_again_s=0.5)) as desk:
        await desk.settle(order("350"), "o35")
        made = sandbox.one(ORDERS, number="350")
        sandbox.act("edit_purchase_order", id=made["id"], status="Draft")
        row = await desk.until(State.BLOCKED, ORDER, "o35")
        assert [reason.code for reason in row.reasons] == ["changed-in-target"]
        await desk.operations.release(Selection(FLOW, frozenset({State.BLOCKED}), ORDER, ["o35"]), "ann")
        await desk.until(State.SYNCED, ORDER, "o35")
    assert sandbox.one(ORDERS, number="350")["status"] == "Approved"


async def test_a_cancelled_order_is_closed(desk: Desk) -> None:
    await desk.settle(order("400"), "o4")
    await desk.settle(order("400", lifecycle=OrderLifecycle.CANCELLED), "o4")
    assert desk.sandbox.one(ORDERS, number="400")["status"] == "Closed"


@pytest.fixture
async def billed(desk: Desk) -> int:
    """An order of 25 and 100, of which 60 of the second line is billed; its commitment's id."""
    desk.sandbox.act(
        "create_billing_period", project_id=desk.sandbox.project("P-100"), start_date="2026-03-01",
        end_date="2026-03-31", due_date="2026-03-31", status="open",
    )  # fmt: skip
    await desk.settle(order("410"), "o41")
    link = OrderLink(strength=LinkStrength.LINE, order_id="o41", order_number="410", line_id="410-2")
    await desk.settle(invoice("F-41", cost("1", "60.00", order_link=link)), "i41")
    return int(desk.sandbox.one(ORDERS, number="410")["id"])


async def test_a_cancelled_order_that_is_partly_billed_goes_down_to_what_is_billed(desk: Desk, billed: int) -> None:
    await desk.settle(order("410", lifecycle=OrderLifecycle.CANCELLED), "o41")
    made = desk.sandbox.one(ORDERS, number="410")
    assert desk.sandbox.lines(LINES, billed) == {"410-2": "60.0"}
    assert (made["status"], made["grand_total"]) == ("Approved", "60.0")


@pytest.mark.parametrize("lines", [(line("410-1"), line("410-2", "2", "25.00")), (line("410-1"),)])
async def test_a_line_is_never_removed_nor_set_below_what_is_billed_on_it(
    desk: Desk, billed: int, lines: tuple[Any, ...]
) -> None:
    assert await desk.settle(order("410", *lines), "o41", State.BLOCKED) == ["below-billed"]
    assert desk.sandbox.lines(LINES, billed) == {"410-1": "25.0", "410-2": "100.0"}
    assert desk.sandbox.one(ORDERS, number="410")["status"] == "Approved"


MODEL_B = {"P-100": {"cost_model": "B", "budget_view_excludes": "confirmed"}}


@pytest.fixture
async def billed_by_costs(desk: Desk) -> int:
    """An order of 25 and 100 in a project of model B, billed with 60 on the second line and 30 on either."""
    desk.choose(projects=MODEL_B)
    desk.sandbox.set(subcontractor_invoice_enabled=True)
    await desk.settle(order("420"), "o42")
    named = OrderLink(strength=LinkStrength.LINE, order_id="o42", order_number="420", line_id="420-2")
    await desk.settle(invoice("F-42", cost("1", "60.00", order_link=named)), "i42")
    either = OrderLink(strength=LinkStrength.HEADER, order_id="o42", order_number="420")
    await desk.settle(invoice("F-43", cost("1", "30.00", order_link=either)), "i43")
    return int(desk.sandbox.one(ORDERS, number="420")["id"])


async def test_in_model_b_a_cancelled_order_goes_down_to_what_direct_costs_bill(
    desk: Desk, billed_by_costs: int
) -> None:
    await desk.settle(order("420", lifecycle=OrderLifecycle.CANCELLED), "o42")
    made = desk.sandbox.one(ORDERS, number="420")
    assert desk.sandbox.lines(LINES, billed_by_costs) == {"420-1": "25.0", "420-2": "65.0"}
    assert (made["status"], made["grand_total"]) == ("Approved", "90.0")


async def test_in_model_b_a_cancelled_order_whose_costs_were_taken_back_is_closed(
    desk: Desk, billed_by_costs: int
) -> None:
    for native_id in ("i42", "i43"):
        await desk.settle(None, native_id, entity=Entity.INVOICE)
    await desk.settle(order("420", lifecycle=OrderLifecycle.CANCELLED), "o42")
    assert desk.sandbox.one(ORDERS, number="420")["status"] == "Closed"


@pytest.mark.parametrize("lines", [(line("420-1"), line("420-2", "2", "25.00")), (line("420-1"),)])
async def test_in_model_b_a_line_is_never_removed_nor_set_below_what_direct_costs_bill(
    desk: Desk, billed_by_costs: int, lines: tuple[Any, ...]
) -> None:
    assert await desk.settle(order("420", *lines), "o42", State.BLOCKED) == ["below-billed"]
    assert desk.sandbox.lines(LINES, billed_by_costs) == {"420-1": "25.0", "420-2": "100.0"}


async def test_in_model_b_what_is_on_either_line_goes_where_the_changed_order_has_room(
    desk: Desk, billed_by_costs: int
) -> None:
    await desk.settle(order("420", line("420-1", "16"), line("420-2", "4", "15.25")), "o42")
    assert desk.sandbox.lines(LINES, billed_by_costs) == {"420-1": "40.0", "420-2": "61.0"}


async def test_a_missing_mapping_blocks_only_what_needs_it_and_the_corrected_table_releases_just_that(
    desk: Desk,
) -> None:
    await desk.take(order("500", line("500-1", accounting=coding("8000"))), "o5")
    await desk.settle(order("501"), "o51")
    row = await desk.until(State.BLOCKED, ORDER, "o5")
    (reason,) = row.reasons
    assert (reason.code, reason.missing) == ("cost-not-mapped", "mapping:costs/8000/200/P-100")
    assert not desk.sandbox.store(ORDERS, number="500")
    desk.choose({"8000/*/P-100": "P-100:01-100.O"})
    await desk.until(State.SYNCED, ORDER, "o5")
    assert desk.sandbox.one(ORDERS, number="500")["status"] == "Approved"


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        (coding("7000"), "wbs-code-unknown-in-target"),
        (coding("4000", "P-300"), "project-closed"),
        (coding("4000", "P-999"), "project-unknown-in-target"),
        (coding("4999"), "gl-account-unknown-at-source"),
        (coding("4000", cost_center="999"), "cost-center-unknown-at-source"),
    ],
)
async def test_an_unknown_code_stops_an_order_before_any_write(desk: Desk, codes: list[Coding], code: str) -> None:
    desk.choose({"4999/*/*": "P-100:01-100.M"}, projects={"*": {"cost_model": "A"}})
    await desk.take(order("600", line("600-1", accounting=codes)), "o6")
    row = desk.row(ORDER, "o6")
    while not row.reasons:
        await desk.settle(order("601"), "o61")
    assert code in [reason.code for reason in row.reasons]
    assert not desk.sandbox.store(ORDERS, number="600")


async def test_a_code_made_inactive_after_mapping_stops_an_order_before_any_write(desk: Desk) -> None:
    await desk.settle(order("700"), "o7")
    project = desk.sandbox.project("P-100")
    desk.sandbox.act("deactivate_wbs_code", project_id=project, flat_code="01-100.M")
    assert await desk.settle(order("701"), "o71", State.BLOCKED) == ["wbs-code-inactive"]
    assert not desk.sandbox.store(ORDERS, number="701")


def refuse_code(desk: Desk, **item: Any) -> None:
    """The next lines are refused, in Procore's words about a code that is inactive."""
    refused = {"entities": [], "errors": [{**item, "errors": {"wbs_code": ["is inactive"]}}]}
    desk.sandbox.fault(
        method="PATCH", path="/line_items/sync$", when="before", action="respond", status=200,
        body=json.dumps(refused), content_type="application/json", times=1,
    )  # fmt: skip


async def test_a_line_that_a_bad_code_kept_from_being_written_follows_the_corrected_table(desk: Desk) -> None:
    refuse_code(desk, origin_id="acme/exact-nl/purchase-order/o72#720-1")
    assert await desk.settle(order("720", line("720-1")), "o72", State.BLOCKED) == ["wbs-code-refused"]
    desk.choose({"4000/*/*": "{code}:01-100.L"})
    await desk.until(State.SYNCED, ORDER, "o72")
    assert codes_of(desk, "720") == {"720-1": "01-100.L"}


async def test_a_written_line_keeps_its_code_whatever_the_table_says_later(desk: Desk) -> None:
    await desk.settle(order("730", line("730-1")), "o73")
    desk.choose({"4000/*/*": "{code}:01-100.L"})
    await desk.settle(order("730", line("730-1", "12")), "o73")
    assert codes_of(desk, "730") == {"730-1": "01-100.M"}


async def test_a_written_line_whose_code_is_inactive_by_now_follows_the_corrected_table(desk: Desk) -> None:
    await desk.settle(order("740", line("740-1")), "o74")
    desk.sandbox.act("deactivate_wbs_code", project_id=desk.sandbox.project("P-100"), flat_code="01-100.M")
    (written,) = desk.sandbox.store(LINES)
    refuse_code(desk, id=written["id"])
    await desk.take(order("740", line("740-1", "12")), "o74")
    row = desk.row(ORDER, "o74")
    await until(lambda: [reason.code for reason in row.reasons] == ["wbs-code-inactive"])
    desk.choose({"4000/*/*": "{code}:01-100.L"})
    waiting = Selection(FLOW, frozenset({State.WAITING, State.BLOCKED}), ORDER, ["o74"])
    await desk.operations.again(waiting, Cause.SOURCE, "ann")
    await desk.until(State.SYNCED, ORDER, "o74")
    assert codes_of(desk, "740") == {"740-1": "01-100.L"}


def codes_of(desk: Desk, number: str) -> dict[str, str]:
    """By the source's line: the WBS code it was written with."""
    made = desk.sandbox.one(ORDERS, number=number)
    assert made["status"] == "Approved"
    rows = [row for row in desk.sandbox.store(LINES) if row["holder"]["id"] == made["id"]]
    return {row["origin_id"].rpartition("#")[2]: row["wbs_code"]["flat_code"] for row in rows}


async def test_a_project_of_another_integration_is_left_alone(desk: Desk) -> None:
    vendor = desk.sandbox.store("vendors")[0]["id"]
    project = desk.sandbox.project("P-100")
    desk.sandbox.act("create_foreign_commitment", project_id=project, origin_id="ERP-77", number="X", vendor_id=vendor)
    await desk.take(order("800"), "o8")
    row = await desk.until(State.WAITING, ORDER, "o8")
    assert [reason.code for reason in row.reasons] == ["origin-owned-by-other"]
    assert not desk.sandbox.store(ORDERS, number="800")


async def test_money_of_another_currency_or_sign_is_not_written(desk: Desk) -> None:
    assert await desk.settle(order("900", currency="USD"), "o9", State.BLOCKED) == ["currency-differs"]
    negative = order("901", line("901-1", "1", "-5.00"), line("901-2"))
    assert await desk.settle(negative, "o91", State.BLOCKED) == ["negative-line"]
    desk.choose(credit_mode="negative")
    await desk.until(State.SYNCED, ORDER, "o91")
    assert desk.sandbox.one(ORDERS, number="901")["grand_total"] == "20.0"


async def test_lines_that_people_added_are_neither_removed_nor_approved_unseen(desk: Desk) -> None:
    await desk.settle(order("950"), "o95")
    made = desk.sandbox.one(ORDERS, number="950")
    desk.sandbox.act("edit_purchase_order", id=made["id"], status="Draft")
    code = desk.sandbox.one("wbs_codes", flat_code="01-100.M", project_id=desk.sandbox.project("P-100"))
    desk.sandbox.act("add_purchase_order_line", id=made["id"], wbs_code_id=code["id"], amount="7.00")
    codes = await desk.settle(order("950", line("950-1", "12"), line("950-2", "4", "25.00")), "o95", State.BLOCKED)
    assert codes == ["target-differs"]
    assert desk.sandbox.one(ORDERS, number="950")["status"] == "Draft"
