"""What is judged without being written: dry runs, the brake, replays."""

import asyncio

from connector.domain.ports.configuration import FlowState, MappingEntry
from connector.domain.ports.operations import RELEASABLE, Selection
from connector.domain.sync.states import Cause, State
from tests.virtual import virtually
from tests.write import FLOW, order, record, writer


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
async def test_a_replay_on_purpose_writes_only_what_differs() -> None:
    async with writer() as w:
        await w.take(record(order("PO-1"), "1"), record(order("PO-2"), "2"))
        await asyncio.sleep(1)
        w.vendor.records[0].content["currency"] = "USD"
        await w.operations.again(Selection(FLOW, frozenset({State.SYNCED})), Cause.REPLAY, "ann")
        await asyncio.sleep(10)
        assert {w.state("1"), w.state("2")} == {State.SYNCED}
        assert w.vendor.writes[4:] == [("update", "PO-1")]
