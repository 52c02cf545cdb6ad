"""What is wrong in the documents or was changed in Procore meanwhile: refused in words, and never half written."""

from decimal import Decimal
from typing import Any

import pytest

from connector.domain.documents.common import Coding
from connector.domain.identity import Entity
from connector.domain.ports.operations import Selection
from connector.domain.sync.states import State
from tests.contract.coupa_target.coupa import supplier
from tests.contract.procore_target.procore import FLOW, Desk, coding, cost, invoice, line, order

ORDERS, COSTS = "purchase_order_contracts", "direct_costs"
ORDER, INVOICE = Entity.PURCHASE_ORDER, Entity.INVOICE
REFUSED = {"when": "before", "action": "respond", "content_type": "application/json"}


async def released(desk: Desk, entity: Entity, native_id: str) -> None:
    """`connector release`, and synced."""
    await desk.operations.release(Selection(FLOW, frozenset({State.BLOCKED}), entity, [native_id]), "ann")
    await desk.until(State.SYNCED, entity, native_id)


async def test_a_cost_code_deleted_after_its_codes_were_in_use_stops_new_documents(desk: Desk) -> None:
    await desk.settle(order("100"), "o1")
    desk.sandbox.act("delete_cost_code", project_id=desk.sandbox.project("P-100"), cost_code="01-100")
    assert await desk.settle(order("101"), "o2", State.BLOCKED) == ["wbs-code-inactive"]
    desk.choose(projects={"P-100": {"cost_model": "C"}})
    assert await desk.settle(invoice("F-1"), "i1", State.BLOCKED) == ["wbs-code-inactive"]
    assert not desk.sandbox.store(ORDERS, number="101")
    assert not desk.sandbox.store(COSTS)


async def test_a_project_closed_after_its_first_documents_takes_no_more_until_it_is_reopened(desk: Desk) -> None:
    await desk.settle(order("110"), "o11")
    desk.sandbox.act("close_project", project_id=desk.sandbox.project("P-100"))
    assert await desk.settle(order("111"), "o12", State.BLOCKED) == ["project-closed"]
    assert not desk.sandbox.store(ORDERS, number="111")
    desk.sandbox.act("reopen_project", project_id=desk.sandbox.project("P-100"))
    await released(desk, ORDER, "o12")
    assert desk.sandbox.one(ORDERS, number="111")["status"] == "Approved"


async def test_a_vendor_that_cannot_be_added_to_the_project_stops_its_documents(desk: Desk) -> None:
    refused = '{"errors":{"base":["You may not add vendors"]}}'
    desk.sandbox.fault(method="POST", path="/actions/add$", times=None, status=403, body=refused, **REFUSED)
    assert await desk.settle(order("120"), "o12", State.BLOCKED) == ["vendor-not-in-project"]
    assert not desk.sandbox.store(ORDERS)


async def test_a_vendor_that_people_took_out_of_the_project_is_added_again_when_released(desk: Desk) -> None:
    await desk.settle(order("130"), "o13")
    vendor = desk.sandbox.one("vendors", origin_code="S1")["id"]
    desk.sandbox.act("remove_vendor_from_project", vendor_id=vendor, project_id=desk.sandbox.project("P-100"))
    assert await desk.settle(order("131"), "o131", State.BLOCKED) == ["vendor-not-in-project"]
    await released(desk, ORDER, "o131")
    assert desk.sandbox.one(ORDERS, number="131")["vendor"]["id"] == vendor


async def test_a_vendor_of_another_integration_is_not_taken_over(desk: Desk) -> None:
    desk.sandbox.act("create_vendor", name="Paint and Co", origin_id="ERP-9", zip="3011 AA", country_code="NL")
    codes = await desk.settle(supplier("S9", "Paint and Co"), "s9", State.BLOCKED)
    assert codes == ["vendor-not-proven"]
    assert desk.sandbox.one("vendors", name="Paint and Co")["origin_id"] == "ERP-9"


async def test_an_origin_id_that_procore_gives_to_nobody_else_is_told_as_owned(desk: Desk) -> None:
    taken = '{"entities":[],"errors":[{"origin_id":"acme/exact-nl/purchase-order/o14:P-100",' \
            '"errors":{"origin_id":["has already been taken"]}}]}'  # fmt: skip
    desk.sandbox.fault(method="PATCH", path=f"/{ORDERS}/sync$", status=200, body=taken, **REFUSED)
    assert await desk.settle(order("140"), "o14", State.BLOCKED) == ["origin-owned-by-other"]


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (coding("4999"), "gl-account-unknown-at-source"),
        (coding("4000", cost_center="999"), "cost-center-unknown-at-source"),
    ],
)
async def test_an_invoice_on_a_code_that_exact_does_not_have_is_not_written(
    desk: Desk, codes: list[Coding], told: str
) -> None:
    desk.choose({"4999/*/*": "P-100:01-100.M"})
    assert await desk.settle(invoice("F-5", cost("1", accounting=codes)), "i5", State.WAITING) == [told]
    assert not desk.sandbox.store(COSTS)


async def test_an_invoice_in_another_currency_than_its_project_is_not_written(desk: Desk) -> None:
    assert await desk.settle(invoice("F-2", currency="USD"), "i2", State.BLOCKED) == ["currency-differs"]
    assert not desk.sandbox.store(COSTS)


async def test_lines_of_nothing_are_kept_and_documents_of_nothing_are_told(desk: Desk) -> None:
    await desk.settle(order("150", line("150-1"), line("150-2", "5", "0.00")), "o15")
    made = desk.sandbox.one(ORDERS, number="150")
    assert desk.sandbox.lines("purchase_order_contract_line_items", made["id"]) == {"150-1": "25.0", "150-2": "0.0"}
    empty: Any = order("151").model_copy(update={"lines": []})
    assert "order-without-lines" in await desk.settle(empty, "o151", State.BLOCKED)
    desk.choose(projects={"P-100": {"cost_model": "C"}})
    await desk.settle(invoice("F-3", cost("1", "10.00"), cost("2", "0.00", line_number=2)), "i3")
    assert desk.sandbox.lines("direct_cost_line_items", desk.sandbox.one(COSTS)["id"]) == {"1": "10.0", "2": "0.0"}


async def test_lines_of_both_signs_sum_to_the_invoice(desk: Desk) -> None:
    desk.choose(projects={"P-100": {"cost_model": "C"}})
    mixed = invoice("F-4", cost("1", "10.00"), cost("2", "-2.50", line_number=2))
    assert await desk.settle(mixed, "i4", State.BLOCKED) == ["credit-not-allowed"]
    desk.choose(projects={"P-100": {"cost_model": "C"}}, credit_mode="negative")
    await desk.until(State.SYNCED, INVOICE, "i4")
    assert Decimal(desk.sandbox.one(COSTS)["grand_total"]) == Decimal("7.50")


@pytest.mark.parametrize("model", ["A", "B", "C"])
async def test_an_order_that_is_gone_at_the_source_leaves_no_committed_cost(desk: Desk, model: str) -> None:
    confirmed = {"budget_view_excludes": "confirmed"} if model == "B" else {}
    desk.choose(projects={"P-100": {"cost_model": model, **confirmed}})
    await desk.settle(order("160"), "o16")
    await desk.settle(None, "o16", entity=ORDER)
    assert desk.sandbox.one(ORDERS, number="160")["status"] == "Closed"
