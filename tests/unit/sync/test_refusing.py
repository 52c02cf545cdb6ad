"""Telling a source that a document cannot be written: nothing is written in that round, and what exists is named."""

import asyncio
from typing import Any

from connector.adapters.memory.target import ORDERS, Fault
from connector.domain.ports.configuration import MappingEntry, OnBlock
from connector.domain.sync.states import State
from tests.virtual import run_virtually
from tests.write import FLOW, Writer, order, record, ref, writer

REFUSING: dict[str, Any] = {"on_block": OnBlock.REJECT, "feedback": True, "options": {"map_accounts": True}}


def map_account(w: Writer, *, mapped: bool) -> None:
    table = {"4000": MappingEntry("T4000", "1")} if mapped else {}
    w.configuration.apply(mappings={(FLOW, "gl"): table})
    w.vendor.references = {("account", "T4000"): {"code": "T4000"}}


def test_what_an_unanswered_create_made_is_named_in_the_refusal_of_a_later_version() -> None:
    async def scenario() -> None:
        async with writer(**REFUSING) as w:
            map_account(w, mapped=True)
            w.vendor.faults.append(Fault.LOST_AFTER)
            await w.take(record(order("PO-1", "60.00"), extras={"round": 0}))
            await asyncio.sleep(1)
            map_account(w, mapped=False)
            await w.take(record(order("PO-1", "61.00"), read=2, extras={"round": 0}))
            await asyncio.sleep(400)
            (made,) = w.vendor.live(ORDERS, "PO-1")
            told = w.tables.feedback[ref(), 0]
            assert w.state() == State.REJECTED
            assert (told.verdict, told.target["order"]["id"]) == (State.REJECTED, made.id)

    run_virtually(scenario())


def test_nothing_is_written_in_a_round_that_was_refused_and_the_next_round_is_judged_anew() -> None:
    async def scenario() -> None:
        async with writer(**REFUSING) as w:
            map_account(w, mapped=False)
            await w.take(record(order("PO-1", "60.00"), extras={"round": 0}))
            await asyncio.sleep(1)
            assert w.state() == State.REJECTED
            map_account(w, mapped=True)
            await w.take(record(order("PO-1", "61.00"), read=2, extras={"round": 0}))
            await asyncio.sleep(60)
            assert (w.state(), w.vendor.writes) == (State.REJECTED, [])
            await w.take(record(order("PO-1", "62.00"), read=3, extras={"round": 1}))
            await asyncio.sleep(60)
            verdicts = [w.tables.feedback[ref(), number].verdict for number in (0, 1)]
            assert (w.state(), verdicts) == (State.SYNCED, [State.REJECTED, State.SYNCED])

    run_virtually(scenario())


def test_a_change_after_the_answer_left_takes_a_new_round() -> None:
    async def scenario() -> None:
        async with writer(**REFUSING) as w:
            map_account(w, mapped=True)
            await w.take(record(order("PO-1", "60.00"), extras={"round": 0}))
            await asyncio.sleep(1)
            w.tables.answer((ref(), 0)).opened = True
            await w.take(record(order("PO-1", "61.00"), read=2, extras={"round": 0}))
            await asyncio.sleep(60)
            assert (w.state(), w.codes()) == (State.BLOCKED, ["changed-after-answer"])
            await w.take(record(order("PO-1", "62.00"), read=3, extras={"round": 1}))
            await asyncio.sleep(60)
            assert (w.state(), w.vendor.live(ORDERS, "PO-1")[0].content["lines"]["l1"][0]) == (State.SYNCED, "62.00")

    run_virtually(scenario())
