"""The write protocol, told by what a person would see happen to documents."""

import asyncio
from datetime import date

from connector.adapters.memory.target import INVOICES, SUPPLIERS, Fault
from connector.domain.documents.purchase_order import OrderLifecycle
from connector.domain.identity import Entity
from connector.domain.ports.operations import RELEASABLE, Selection
from connector.domain.sync.states import State
from tests.virtual import virtually
from tests.write import FLOW, invoice, order, record, ref, supplier, writer


@virtually
async def test_a_new_order_is_created_once_read_back_and_submitted() -> None:
    async with writer() as w:
        await w.take(record(order("PO-1", "60.00", "40.00")))
        await asyncio.sleep(1)
        assert w.vendor.writes == [("create", "PO-1"), ("submit", "PO-1")]
        assert w.state() == State.SYNCED
        assert w.story() == ["received", "call", "call", "synced"]
        (made,) = w.vendor.records
        assert made.stamp == ref().key


@virtually
async def test_an_equal_version_read_again_writes_nothing_and_an_older_one_changes_nothing() -> None:
    async with writer() as w:
        await w.take(record(order(), read=5))
        await asyncio.sleep(1)
        requests = w.vendor.requests
        await w.take(record(order(), read=9))
        taken = await w.take(record(order("PO-1", "7.00"), read=4))
        await asyncio.sleep(60)
        assert (taken.newer, taken.due) == (0, 0)
        assert w.vendor.requests == requests
        assert w.row().desired.revision.read_at.second == 9


@virtually
async def test_figures_that_differ_on_read_back_are_never_committed() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.WRONG_FIGURES)
        await w.take(record(order("PO-1", "100.00")))
        await asyncio.sleep(1)
        assert (w.state(), w.codes()) == (State.BLOCKED, ["target-differs"])
        assert "expected 100.00, actual 101.00" in w.row().reasons[0].message
        assert w.vendor.records[0].status == "draft"


@virtually
async def test_documents_before_the_start_date_and_unapproved_ones_are_excluded_with_their_reason() -> None:
    async with writer(start_date=date(2026, 2, 1)) as w:
        await w.take(
            record(order("PO-1", issue_date=date(2026, 1, 31)), "1"),
            record(order("PO-2", lifecycle=OrderLifecycle.AWAITING), "2"),
            record(None, "3", entity=Entity.PURCHASE_ORDER),
        )
        await asyncio.sleep(1)
        assert [w.codes(n) for n in "123"] == [["before-start"], ["unapproved"], ["gone-before-first-write"]]
        assert w.vendor.writes == []


@virtually
async def test_a_deleted_document_is_cancelled_in_the_target() -> None:
    async with writer() as w:
        await w.take(record(order()))
        await asyncio.sleep(1)
        await w.take(record(None, read=2, entity=Entity.PURCHASE_ORDER))
        await asyncio.sleep(1)
        assert w.vendor.records[0].status == "cancelled"
        assert w.state() == State.SYNCED


@virtually
async def test_an_outage_is_retried_with_growing_pauses_and_ends_as_failed() -> None:
    async with writer() as w:
        w.vendor.faults.extend([Fault.UNAVAILABLE] * 30)
        await w.take(record(order()))
        await asyncio.sleep(4 * 3600)
        assert w.state() == State.FAILED
        assert w.row().attempts == 12
        w.vendor.faults.clear()
        assert await w.operations.release(Selection(FLOW, RELEASABLE), "ann") == 1
        await asyncio.sleep(1)
        assert w.state() == State.SYNCED


@virtually
async def test_a_spent_quota_costs_no_attempt() -> None:
    async with writer() as w:
        w.vendor.faults.extend([Fault.RATE_LIMITED] * 30)
        await w.take(record(order()))
        await asyncio.sleep(60)
        assert w.state() == State.SYNCED


@virtually
async def test_a_supplier_that_exists_in_the_target_is_linked_by_the_flows_rules_and_stamped() -> None:
    async with writer() as w:
        theirs = w.vendor.make(SUPPLIERS, "S1", content={"number": "S1", "name": "Smith Ltd"})
        await w.take(record(supplier(), "s"))
        await asyncio.sleep(1)
        assert w.state("s", Entity.SUPPLIER) == State.SYNCED
        assert w.vendor.writes == [("stamp", "S1")]
        assert theirs.stamp == ref("s", Entity.SUPPLIER).key


@virtually
async def test_steps_of_many_rows_travel_in_one_request_and_each_has_its_own_outcome() -> None:
    async with writer(batch=10) as w:
        await w.take(*(record(order(f"PO-{n}"), str(n)) for n in range(20)))
        await asyncio.sleep(1)
        assert {w.state(str(n)) for n in range(20)} == {State.SYNCED}
        assert w.vendor.requests == 1 + 2 + 2


@virtually
async def test_rows_of_one_order_take_turns() -> None:
    async with writer() as w:
        await w.take(record(order(), "1"))
        await asyncio.sleep(1)
        w.vendor.latency_s = 1
        await w.take(*(record(invoice(f"INV-{n}", order_id="1"), str(n)) for n in range(5)))
        await asyncio.sleep(4)
        assert len([number for step, number in w.vendor.writes if step == "create"]) == 2, "one order, one invoice"
        await asyncio.sleep(30)
        assert all(w.state(str(n), Entity.INVOICE) == State.SYNCED for n in range(5))
        assert len(w.vendor.live(INVOICES, "INV-0")) == 1


@virtually
async def test_a_live_document_does_not_wait_for_a_backfill_in_flight() -> None:
    async with writer() as w:
        w.vendor.latency_s = 30
        await w.take(*(record(order(f"B-{n}"), f"b{n}", cause="backfill") for n in range(400)))
        await asyncio.sleep(40)
        await w.take(record(order("LIVE"), "live"))
        await asyncio.sleep(46)
        assert ("create", "LIVE") in w.vendor.writes
        assert len(w.vendor.writes) < 400


@virtually
async def test_what_people_cancelled_in_the_target_is_found_within_a_day_and_the_rest_stays_untouched() -> None:
    async with writer() as w:
        await w.take(record(order("PO-1"), "1"), record(order("PO-2"), "2"))
        await asyncio.sleep(1)
        w.vendor.records[0].status = "cancelled"
        await asyncio.sleep(23 * 3600)
        assert w.state("1") == State.SYNCED
        await asyncio.sleep(2 * 3600)
        assert (w.state("1"), w.codes("1")) == (State.BLOCKED, ["refused-in-target"])
        assert w.story("1")[-2:] == ["changed-in-target", "blocked"]
        assert w.story("2")[-1] == "synced"
        assert len(w.vendor.writes) == 4


@virtually
async def test_what_people_reopened_or_deleted_in_the_target_is_not_taken_back_unasked() -> None:
    async with writer() as w:
        await w.take(record(order("PO-1"), "1"), record(order("PO-2"), "2"))
        await asyncio.sleep(1)
        w.vendor.records[0].status = "draft"
        w.vendor.delete(w.vendor.records[1])
        await asyncio.sleep(25 * 3600)
        assert (w.codes("1"), w.codes("2")) == (["changed-in-target"], ["refused-in-target"])
        assert len(w.vendor.writes) == 4
        await w.operations.release(Selection(FLOW, RELEASABLE, native_ids=["1"]), "ann")
        await asyncio.sleep(1)
        assert (w.state("1"), w.vendor.writes[4:]) == (State.SYNCED, [("submit", "PO-1")])
