"""What stops a document, and what lets it go on."""

import asyncio
from typing import Any

from connector.adapters.memory.target import ORDERS, Fault
from connector.domain.identity import Entity
from connector.domain.ports.configuration import MappingEntry
from connector.domain.sync.states import State
from tests.virtual import virtually
from tests.write import FLOW, invoice, order, record, ref, row_of, writer


@virtually
async def test_somebody_elses_object_under_the_same_number_blocks_until_a_person_links_it() -> None:
    async with writer() as w:
        theirs = w.vendor.make(ORDERS, "PO-1", content={"number": "PO-1"})
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert (w.state(), w.codes()) == (State.BLOCKED, ["number-taken-in-target"])
        assert w.vendor.writes == []
        await w.operations.link(row_of(), "order", ORDERS, theirs.id, actor="ann")
        await asyncio.sleep(1)
        assert w.state() == State.SYNCED
        assert [step for step, _ in w.vendor.writes] == ["update", "submit"]
        assert theirs.stamp == ref().key


@virtually
async def test_an_invoice_waits_for_its_order_and_goes_as_soon_as_it_is_there() -> None:
    async with writer() as w:
        await w.take(record(invoice("INV-1", order_id="1"), "77"))
        await asyncio.sleep(30)
        assert w.state("77", Entity.INVOICE) == State.WAITING
        await w.take(record(order(), "1"))
        await asyncio.sleep(0.5)
        assert w.state("77", Entity.INVOICE) == State.SYNCED
        assert [number for step, number in w.vendor.writes if step == "create"] == ["PO-1", "INV-1"]


@virtually
async def test_waiting_has_a_deadline_and_then_people_are_told() -> None:
    async with writer(wait_s=60.0) as w:
        await w.take(record(invoice("INV-1", order_id="1"), "77"))
        await asyncio.sleep(30)
        assert w.state("77", Entity.INVOICE) == State.WAITING
        await asyncio.sleep(40)
        assert (w.state("77", Entity.INVOICE), w.codes("77", Entity.INVOICE)) == (State.BLOCKED, ["order-not-there"])
        await w.take(record(order(), "1"))
        await asyncio.sleep(1)
        assert w.state("77", Entity.INVOICE) == State.SYNCED


@virtually
async def test_a_missing_mapping_blocks_at_once_and_its_entry_releases_exactly_those_who_miss_it() -> None:
    async with writer(options={"map_accounts": True}) as w:
        w.vendor.references["account", "6000"] = {"code": "6000"}
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert (w.state(), w.codes()) == (State.BLOCKED, ["gl-not-mapped"])
        (cause,) = await w.operations.stuck(FLOW)
        assert (cause.count, cause.reason.missing) == (1, "mapping:gl/4000")
        w.configuration.apply(mappings={(FLOW, "gl"): {"4000": MappingEntry("6000", "v1")}})
        await asyncio.sleep(1)
        assert w.state() == State.SYNCED


@virtually
async def test_a_reference_made_in_the_target_by_people_releases_its_rows() -> None:
    async with writer(options={"map_accounts": True}) as w:
        w.configuration.apply(mappings={(FLOW, "gl"): {"4000": MappingEntry("6000", "v1")}})
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert (w.state(), w.codes()) == (State.WAITING, ["account-not-in-target"])
        w.vendor.references["account", "6000"] = {"code": "6000"}
        await asyncio.sleep(61)
        assert w.state() == State.SYNCED


@virtually
async def test_a_refusal_blocks_with_the_vendors_words() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.REFUSED)
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert (w.state(), w.row().reasons[0].message) == (State.BLOCKED, "Description is too long.")


@virtually
async def test_a_number_held_by_another_document_of_ours_is_taken_over_once_that_one_is_cancelled() -> None:
    async with writer() as w:
        await w.take(record(order("PO-1"), "old"))
        await asyncio.sleep(1)
        await w.take(record(order("PO-1", "5.00"), "new", read=2))
        await asyncio.sleep(30)
        assert (w.state("new"), w.codes("new")) == (State.BLOCKED, ["number-taken-in-target"])
        await w.take(record(None, "old", read=3, entity=Entity.PURCHASE_ORDER))
        await asyncio.sleep(5)
        assert (w.state("old"), w.state("new")) == (State.SYNCED, State.SYNCED)
        (live,) = w.vendor.live(ORDERS, "PO-1")
        assert live.stamp == ref("new").key


@virtually
async def test_a_target_that_is_away_when_references_are_looked_for_costs_nobody_the_hold() -> None:
    async with writer(options={"map_accounts": True}) as w:
        w.configuration.apply(mappings={(FLOW, "gl"): {"4000": MappingEntry("6000", "1")}})
        await w.take(record(order()))
        await asyncio.sleep(30)
        assert w.codes() == ["account-not-in-target"]
        w.vendor.reads_fail = 1
        await asyncio.sleep(61)
        assert w.vendor.reads_fail == 0
        assert [hold.epoch for hold in w.tables.epochs.values()] == [1]


@virtually
async def test_what_was_blocked_under_a_configuration_that_is_no_more_is_judged_again() -> None:
    async with writer(options={"map_accounts": True}) as w:
        w.vendor.references[("account", "6000")] = {}
        settle = w.dispatch.settle

        async def late(hold: Any, settlements: Any) -> Any:
            w.dispatch.settle = settle  # type: ignore[method-assign]
            await asyncio.sleep(3)
            return await settle(hold, settlements)

        w.dispatch.settle = late  # type: ignore[method-assign]
        await w.take(record(order()))
        await asyncio.sleep(1)
        w.configuration.apply(mappings={(FLOW, "gl"): {"4000": MappingEntry("6000", "1")}})
        await asyncio.sleep(20)
        assert w.state() == State.SYNCED


@virtually
async def test_what_the_target_refuses_is_tried_again_once_the_order_it_bills_is_another() -> None:
    """An invoice may overtake the change of its order, and be refused for what the order was."""
    async with writer() as w:
        await w.take(record(order("PO-1"), "1"), record(order("PO-2"), "2"))
        await asyncio.sleep(1)
        w.vendor.faults.append(Fault.REFUSED)
        await w.take(record(invoice("INV-1", order_id="1"), "77"))
        await asyncio.sleep(30)
        assert w.state("77", Entity.INVOICE) == State.BLOCKED
        await w.take(record(order("PO-2", "50.00", "60.00"), "2", read=2))
        await asyncio.sleep(30)
        assert (w.state("2"), w.state("77", Entity.INVOICE)) == (State.SYNCED, State.BLOCKED)
        await w.take(record(order("PO-1", "50.00", "60.00"), "1", read=2))
        await asyncio.sleep(30)
        assert (w.state("1"), w.state("77", Entity.INVOICE)) == (State.SYNCED, State.SYNCED)
