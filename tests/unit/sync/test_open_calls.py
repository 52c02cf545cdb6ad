"""What becomes of calls whose answer is lost, late or overtaken."""

import asyncio

import pytest

from connector.adapters.memory.target import ORDERS, OUR_USER, Fault
from connector.domain.identity import Entity
from connector.domain.sync.states import State
from tests.virtual import run_virtually, virtually
from tests.write import order, record, supplier, writer


@virtually
async def test_a_lost_answer_after_create_is_looked_up_and_adopted_not_repeated() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.LOST_AFTER)
        await w.take(record(order()))
        await asyncio.sleep(140)
        assert w.vendor.writes == [("create", "PO-1")], "the call may still be carried out: nobody may look before that"
        await asyncio.sleep(20)
        assert w.vendor.writes == [("create", "PO-1"), ("submit", "PO-1")]
        assert w.state() == State.SYNCED
        assert "adopted" in w.story()


@virtually
async def test_a_call_that_never_arrived_is_repeated_after_a_look() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.LOST_BEFORE)
        await w.take(record(order()))
        await asyncio.sleep(200)
        assert [step for step, _ in w.vendor.writes] == ["create", "submit"]
        assert w.state() == State.SYNCED


@virtually
async def test_a_newer_version_never_clears_an_open_call() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.LOST_AFTER)
        await w.take(record(order("PO-1", "10.00"), read=1))
        await asyncio.sleep(1)
        await w.take(record(order("PO-1", "20.00"), read=2))
        await asyncio.sleep(100)
        assert len(w.vendor.writes) == 1
        await asyncio.sleep(100)
        assert [step for step, _ in w.vendor.writes] == ["create", "update", "submit"]
        assert len(w.vendor.live(ORDERS, "PO-1")) == 1


@virtually
async def test_an_object_of_our_user_without_our_mark_is_adopted_only_with_an_open_intent_and_equal_content() -> None:
    async with writer() as w:
        w.vendor.make(ORDERS, "PO-1", made_by=OUR_USER)
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert w.codes() == ["number-taken-in-target"]


@virtually
async def test_who_is_overtaken_between_look_up_and_create_looks_again() -> None:
    async with writer() as w:
        w.vendor.faults.extend([Fault.TAKEN, None, Fault.TAKEN])
        await w.take(record(supplier(), "s"))
        await asyncio.sleep(60)
        assert w.state("s", Entity.SUPPLIER) == State.SYNCED, "linked by the flow's rules"
        assert w.vendor.writes == [("stamp", "S1")]
        await w.take(record(order()))
        await asyncio.sleep(60)
        assert (w.state(), w.codes()) == (State.BLOCKED, ["number-taken-in-target"])
        assert "without our mark" in w.row().reasons[0].message


@pytest.mark.parametrize("fault", [None, *Fault])
def test_whatever_happens_to_one_write_nothing_is_doubled_and_everything_is_explained(fault: Fault | None) -> None:
    async def scenario() -> None:
        async with writer() as w:
            w.vendor.faults.extend([fault] if fault else [])
            await w.take(record(order()))
            await asyncio.sleep(600)
            assert len(w.vendor.live(ORDERS, "PO-1")) <= 1
            assert w.state() == State.SYNCED or w.row().reasons

    run_virtually(scenario())


@virtually
async def test_what_an_unanswered_create_made_is_cancelled_when_the_document_is_deleted_meanwhile() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.LOST_AFTER)
        await w.take(record(order()))
        await asyncio.sleep(60)
        await w.take(record(None, read=2, entity=Entity.PURCHASE_ORDER))
        await asyncio.sleep(140)
        assert w.vendor.writes == [("create", "PO-1"), ("cancel", "PO-1")]
        assert w.state() == State.SYNCED


@virtually
async def test_what_an_unanswered_create_made_is_renumbered_when_the_document_has_another_number_by_then() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.LOST_AFTER)
        await w.take(record(order("PO-1")))
        await asyncio.sleep(60)
        await w.take(record(order("PO-2"), read=2))
        await asyncio.sleep(140)
        assert [step for step, _ in w.vendor.writes] == ["create", "update", "submit"]
        (made,) = w.vendor.records
        assert made.content["number"] == "PO-2"


@virtually
async def test_an_unanswered_create_that_made_nothing_leaves_nothing_to_do_for_a_deleted_document() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.LOST_BEFORE)
        await w.take(record(order()))
        await asyncio.sleep(60)
        await w.take(record(None, read=2, entity=Entity.PURCHASE_ORDER))
        await asyncio.sleep(140)
        assert w.vendor.writes == []
        assert w.state() in (State.SYNCED, State.EXCLUDED)
