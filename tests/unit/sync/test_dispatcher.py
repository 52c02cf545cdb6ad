"""The write protocol, told by what a person would see happen to documents."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import date
from typing import Any

import pytest

from connector.adapters.memory.target import INVOICES, ORDERS, OUR_USER, SUPPLIERS, Fault
from connector.domain.documents.purchase_order import OrderLifecycle
from connector.domain.identity import Entity, Role
from connector.domain.ports.configuration import FlowState, MappingEntry
from connector.domain.ports.operations import RELEASABLE, Selection
from connector.domain.sync.states import Cause, State
from tests.virtual import run_virtually
from tests.write import FLOW, TARGET, invoice, order, record, ref, row_of, supplier, writer


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        run_virtually(test())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


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
async def test_an_object_of_our_user_without_our_mark_is_adopted_only_with_an_open_intent_and_equal_content() -> None:
    async with writer() as w:
        w.vendor.make(ORDERS, "PO-1", made_by=OUR_USER)
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert w.codes() == ["number-taken-in-target"]


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
async def test_a_dry_run_keeps_the_difference_and_its_end_writes_it() -> None:
    async with writer(state=FlowState.DRY_RUN) as w:
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert (w.state(), w.vendor.writes) == (State.HELD, [])
        assert (w.row().difference or {})["verb"] == "create"
        w.configure(state=FlowState.LIVE)
        await asyncio.sleep(1)
        assert w.state() == State.SYNCED


@virtually
async def test_in_a_dry_run_nothing_waits_for_what_is_not_written_and_its_end_begins_the_wait() -> None:
    async with writer(options={"map_accounts": True}, state=FlowState.DRY_RUN) as w:
        gl = {(FLOW, "gl"): {"4000": MappingEntry("6000", "v1")}}
        w.configuration.apply(mappings=gl)
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert (w.state(), w.codes()) == (State.BLOCKED, ["account-not-in-target"])
        w.configure(options={"map_accounts": True}, state=FlowState.LIVE)
        w.configuration.apply(mappings=gl)
        await asyncio.sleep(1)
        assert w.state() == State.WAITING
        w.vendor.references["account", "6000"] = {"code": "6000"}
        await asyncio.sleep(61)
        assert w.state() == State.SYNCED


@virtually
async def test_a_translation_that_would_rewrite_many_synced_documents_is_held_and_few_are_let_go() -> None:
    async with writer() as w:
        await w.take(*(record(order(f"PO-{n}"), str(n)) for n in range(80)))
        await asyncio.sleep(5)
        await w.take(*(record(order(f"PO-{n}", "99.00"), str(n), translation=2) for n in range(51)))
        await asyncio.sleep(30)
        assert {w.state(str(n)) for n in range(51)} == {State.HELD}
        held = Selection(FLOW, RELEASABLE, code="mass-change")
        assert await w.operations.release(held, "ann") == 51
        await asyncio.sleep(5)
        assert {w.state(str(n)) for n in range(80)} == {State.SYNCED}
        await w.take(*(record(order(f"PO-{n}", "98.00"), str(n), translation=3) for n in range(50)))
        await asyncio.sleep(5)
        assert {w.state(str(n)) for n in range(50)} == {State.SYNCED}


@virtually
async def test_a_change_at_the_source_is_never_held_by_the_brake() -> None:
    async with writer() as w:
        await w.take(*(record(order(f"PO-{n}"), str(n)) for n in range(60)))
        await asyncio.sleep(5)
        await w.take(*(record(order(f"PO-{n}", "99.00"), str(n), read=2) for n in range(60)))
        await asyncio.sleep(5)
        assert {w.state(str(n)) for n in range(60)} == {State.SYNCED}


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
async def test_a_refusal_blocks_with_the_vendors_words() -> None:
    async with writer() as w:
        w.vendor.faults.append(Fault.REFUSED)
        await w.take(record(order()))
        await asyncio.sleep(1)
        assert (w.state(), w.row().reasons[0].message) == (State.BLOCKED, "Description is too long.")


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


@virtually
async def test_steps_of_many_rows_travel_in_one_request_and_each_has_its_own_outcome() -> None:
    async with writer(batch=10) as w:
        await w.take(*(record(order(f"PO-{n}"), str(n)) for n in range(20)))
        await asyncio.sleep(1)
        assert {w.state(str(n)) for n in range(20)} == {State.SYNCED}
        assert w.vendor.requests == 1 + 2 + 2


@virtually
async def test_a_paused_and_revived_replica_changes_nothing_of_ours() -> None:
    async with writer(dispatching=False) as w:
        w.vendor.latency_s = 20
        await w.take(record(order()))
        paused = w.dispatcher("paused")
        running = asyncio.create_task(paused.run())
        await asyncio.sleep(25)
        for holder in w.tables.epochs.values():
            holder.expires_at = w.clock.now()
        await asyncio.sleep(0.001)
        revived = w.dispatcher("revived")
        taken_over = asyncio.create_task(revived.run())
        await asyncio.sleep(400)
        assert w.state() == State.SYNCED
        assert len(w.vendor.live(ORDERS, "PO-1")) == 1
        assert [step for step, _ in w.vendor.writes] == ["create", "submit"]
        for dispatcher in (paused, revived):
            dispatcher.stop()
        await asyncio.gather(running, taken_over)


@virtually
async def test_a_successor_at_the_same_place_begins_at_once_and_keeps_the_epoch() -> None:
    async with writer(dispatching=False) as w:
        first, second = w.dispatcher("writer-0/first"), w.dispatcher("writer-0/second")
        running = [asyncio.create_task(first.run())]
        await asyncio.sleep(1)
        running.append(asyncio.create_task(second.run()))
        await asyncio.sleep(1)
        assert second.holds
        await asyncio.sleep(120)
        assert (first.holds, second.holds) == (False, True)
        assert w.tables.epochs[TARGET, Role.WRITE].epoch == 2
        for dispatcher in (first, second):
            dispatcher.stop()
        await asyncio.gather(*running)


@virtually
async def test_a_call_is_not_sent_once_half_of_its_time_has_passed() -> None:
    async with writer() as w:
        commit = w.dispatch.open_call

        async def slow(hold: Any, intent: Any) -> None:
            await commit(hold, intent)
            await asyncio.sleep(16)

        w.dispatch.open_call = slow  # type: ignore[method-assign]
        await w.take(record(order()))
        await asyncio.sleep(17)
        assert w.vendor.writes == []
        w.dispatch.open_call = commit  # type: ignore[method-assign]
        await asyncio.sleep(20)
        assert w.state() == State.SYNCED


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
async def test_a_replay_on_purpose_writes_only_what_differs() -> None:
    async with writer() as w:
        await w.take(record(order("PO-1"), "1"), record(order("PO-2"), "2"))
        await asyncio.sleep(1)
        w.vendor.records[0].content["currency"] = "USD"
        await w.operations.again(Selection(FLOW, frozenset({State.SYNCED})), Cause.REPLAY, "ann")
        await asyncio.sleep(10)
        assert {w.state("1"), w.state("2")} == {State.SYNCED}
        assert w.vendor.writes[4:] == [("update", "PO-1")]


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
async def test_who_woke_without_the_epoch_tells_of_a_double_even_if_the_target_is_away_at_first() -> None:
    async with writer() as w:
        w.vendor.latency_s = 1
        await w.take(record(order()))
        while not w.vendor.writes:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        hold = w.tables.epochs[TARGET, Role.WRITE]
        hold.epoch, hold.holder = hold.epoch + 1, "successor"
        w.vendor.make(ORDERS, "PO-1", OUR_USER, stamp=ref().key)
        w.vendor.reads_fail = 2
        await asyncio.sleep(12)
        assert "doubled" in w.story()


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
