"""Many documents in one request, judged one by one; and what Procore wants of whoever writes much."""

import asyncio
from dataclasses import replace

import pytest

from connector.adapters.systems.procore.naming import resource
from connector.domain.documents.invoice import LinkStrength, OrderLink
from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.target import NaturalKey
from connector.domain.sync.states import State
from tests.contract.procore_target.procore import (
    CONNECTION,
    Desk,
    Sandbox,
    cost,
    desk_of,
    ends,
    invoice,
    line,
    order,
    pause,
)

ORDERS, COSTS, REQUISITIONS = "purchase_order_contracts", "direct_costs", "requisitions"
ORDER, INVOICE = Entity.PURCHASE_ORDER, Entity.INVOICE
MODEL_C = {"P-100": {"cost_model": "C"}}


async def test_one_sync_carries_many_orders_and_200_is_not_taken_for_success(desk: Desk) -> None:
    pause(desk)
    ids = [f"o{n}" for n in range(24)]
    for native_id in ids:
        await desk.take(order(f"B{native_id}"), native_id)
    desk.sandbox.set(sync_item_fault_rate=0.3)
    desk.choose()
    states = await asyncio.wait_for(ends(desk, ORDER, ids), 30)
    desk.sandbox.set(sync_item_fault_rate=0.0)
    creating = desk.sandbox.calls(method="PATCH", path=f"/rest/v1.0/{ORDERS}/sync", status=200)
    assert len(creating) < len(ids) / 4, "they travel together"
    made = {row["origin_code"]: row["status"] for row in desk.sandbox.store(ORDERS)}
    assert set(states.values()) == {State.SYNCED, State.BLOCKED}, "the sandbox refused some items of its answers of 200"
    for native_id, state in states.items():
        assert (made.get(f"B{native_id}") == "Approved") == (state is State.SYNCED)
        reasons = [str(reason) for reason in desk.row(ORDER, native_id).reasons]
        assert state is State.SYNCED or any("could not be processed" in reason for reason in reasons)


async def test_hundreds_of_orders_are_looked_for_at_once(desk: Desk) -> None:
    """The header Link of such an answer repeats the address, keys and all."""
    await desk.settle(order("800"), "sought")
    place = resource(ORDERS, desk.sandbox.project("P-100"))
    names = ["sought", *(f"other-{n}" for n in range(300))]
    keys = [NaturalKey(place, (("origin_id", f"acme/exact-nl/purchase-order/{name}:P-100"),)) for name in names]
    before = len(desk.sandbox.calls())
    found = await desk.target.look_up(keys, TrafficClass.LIVE)
    assert [key for key, hits in found.items() if hits] == keys[:1]
    assert len(desk.sandbox.calls()) - before <= len(keys) / 40


async def test_invoices_on_many_orders_are_looked_for_at_once(desk: Desk) -> None:
    desk.choose(no_open_period="create")
    numbers = range(24)
    for n in numbers:
        await desk.take(order(f"70{n}"), f"o70{n}")
    await asyncio.wait_for(ends(desk, ORDER, [f"o70{n}" for n in numbers]), 30)
    pause(desk)
    for n in numbers:
        link = OrderLink(strength=LinkStrength.HEADER, order_id=f"o70{n}", order_number=f"70{n}")
        await desk.take(invoice(f"R-{n}", cost("1", order_link=link)), f"i70{n}")
    desk.sandbox.forget()
    desk.choose(no_open_period="create")
    states = await asyncio.wait_for(ends(desk, INVOICE, [f"i70{n}" for n in numbers]), 60)
    assert set(states.values()) == {State.SYNCED}
    looks = desk.sandbox.calls(method="GET", path=f"/rest/v1.1/{REQUISITIONS}")
    assert len([look for look in looks if "filters%5Bid" not in look["query"]]) <= len(numbers) / 4
    assert len(desk.sandbox.store(REQUISITIONS)) == len(numbers)


async def test_more_lines_than_one_sync_takes_go_in_several(sandbox: Sandbox) -> None:
    unhurried = replace(CONNECTION, call_deadline_s=30.0)
    async with desk_of(sandbox, within_s=60.0, connection=unhurried) as desk:
        await desk.settle(order("900", *(line(f"900-{n}", "1", "2.00") for n in range(1, 601))), "o9")
        made = sandbox.one(ORDERS, number="900")
        assert (made["status"], made["grand_total"]) == ("Approved", "1200.0")
        syncs = sandbox.calls(method="PATCH", path=f"/rest/v1.0/{ORDERS}/{made['id']}/line_items/sync")
        assert [call["status"] for call in syncs] == [200, 200]


async def test_direct_costs_are_written_one_at_a_time_and_a_409_is_tried_again(desk: Desk) -> None:
    pause(desk)
    ids = [f"i{n}" for n in range(12)]
    for native_id in ids:
        await desk.take(invoice(f"F-{native_id}", cost("1"), cost("2", line_number=2)), native_id)
    desk.sandbox.set(direct_cost_write_s=0.2)
    desk.choose(projects=MODEL_C)
    assert set((await asyncio.wait_for(ends(desk, INVOICE, ids), 30)).values()) == {State.SYNCED}
    assert not desk.sandbox.calls(status=409)

    busy = '{"message":"The direct cost is being written"}'
    desk.sandbox.fault(
        method="PATCH", path=f"/{COSTS}/line_items/sync$", when="before", action="respond", status=409, body=busy,
        content_type="application/json",
    )  # fmt: skip
    await desk.settle(invoice("F-busy"), "busy")
    assert len(desk.sandbox.calls(status=409)) == 1
    assert desk.sandbox.one(COSTS, invoice_number="F-busy")["status"] == "approved"


@pytest.mark.parametrize(
    "body",
    [
        '{"errors":{"title":["is wrong"]}}',
        '{"error":{"code":"X","message":"title is wrong","details":[]}}',
        '{"error":{"reason":"title is wrong"}}',
        '{"message":"title is wrong","error":""}',
        '{"errors":"title is wrong"}',
        '{"errors":[{"title":"is wrong"}]}',
    ],
)
async def test_a_refused_request_blocks_with_procores_words_in_whatever_shape_they_come(desk: Desk, body: str) -> None:
    desk.sandbox.fault(
        method="PATCH", path=f"/{ORDERS}/sync$", when="before", action="respond", status=422, body=body,
        content_type="application/json",
    )  # fmt: skip
    await desk.settle(order("950"), "o95", State.BLOCKED)
    (reason,) = desk.row(ORDER, "o95").reasons
    assert "title is wrong" in reason.message
    assert not desk.sandbox.store(ORDERS)
