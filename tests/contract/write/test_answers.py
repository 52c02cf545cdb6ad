"""The contract of `Answers` and `Transfers`, held by memory and PostgreSQL alike."""

import asyncio

import pytest

from connector.domain.identity import Entity, EntityRef, Role
from connector.domain.ports.answers import DueAnswer, Told
from connector.domain.ports.dispatch import Feedback
from connector.domain.ports.epochs import EpochLost, Hold
from connector.domain.ports.references import ReferenceEntry, ReferenceKey
from connector.domain.ports.target import NotSent
from connector.domain.reasons import Reason
from connector.domain.sync.states import State
from tests.write import FLOW, SOURCE, TARGET

from .conftest import Stores
from .test_stores import claim, desired, hold_of, judge

REASON = Reason(code="gl-account-unknown-in-target", message="Exact has no GL account 9999.")


async def told(stores: Stores, round: int = 0, verdict: State = State.REJECTED, changes: int = 0) -> Hold:
    """A verdict on a document, and the right to tell it."""
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("1", read=1 + changes, content=f"c{changes}")])
    (due,) = await claim(stores, hold)
    feedback = Feedback(SOURCE, round, verdict, [REASON], {"entry": {"id": "T1", "number": "7"}})
    await judge(stores, hold, due, verdict, reasons=[REASON], feedback=feedback)
    answering = await stores.epochs.take(SOURCE, Role.ANSWER, "test")
    assert answering is not None
    return answering


async def due(stores: Stores, hold: Hold) -> list[DueAnswer]:
    return list(await stores.answers.claim(hold, 10, ()))


async def test_a_verdict_is_due_at_once_and_gone_once_it_ended(stores: Stores) -> None:
    hold = await told(stores)
    (answer,) = await due(stores, hold)
    assert (answer.ref.native_id, answer.round, answer.flow, answer.verdict) == ("1", 0, FLOW, State.REJECTED)
    assert (answer.reasons, answer.target["entry"]["number"]) == ([REASON], "7")
    await stores.answers.settle(hold, answer, Told(ended="answered"))
    assert await due(stores, hold) == []
    assert await stores.answers.next_due_in_s(hold) is None


async def test_a_round_has_one_verdict_the_first(stores: Stores) -> None:
    await told(stores)
    await told(stores, verdict=State.SYNCED, changes=1)
    hold = await told(stores, round=1, verdict=State.SYNCED, changes=2)
    answers = {answer.round: answer.verdict for answer in await due(stores, hold)}
    assert answers == {0: State.REJECTED, 1: State.SYNCED}


async def test_a_verdict_that_has_not_left_gives_way_to_a_newer_one_and_no_refusal_does(stores: Stores) -> None:
    await told(stores, verdict=State.SYNCED)
    await told(stores, verdict=State.REJECTED, changes=1)
    hold = await told(stores, verdict=State.SYNCED, changes=2)
    assert [answer.verdict for answer in await due(stores, hold)] == [State.REJECTED]


async def test_an_answer_leaves_only_while_its_verdict_stands_and_is_final_from_then_on(stores: Stores) -> None:
    hold = await told(stores, verdict=State.SYNCED)
    (answer,) = await due(stores, hold)
    await stores.rows.upsert([desired("1", read=5, content="newer")])
    with pytest.raises(NotSent):
        await stores.answers.open_call(hold, answer, 30.0)
    writing = await hold_of(stores)
    (row,) = await claim(stores, writing)
    assert row.verdicts[0].verdict is State.SYNCED
    assert not row.verdicts[0].left
    booked = Feedback(SOURCE, 0, State.SYNCED, [], {"entry": {"id": "T2", "number": "8"}})
    await judge(stores, writing, row, State.SYNCED, feedback=booked)
    with pytest.raises(NotSent):
        await stores.answers.open_call(hold, answer, 30.0)
    (answer,) = await due(stores, hold)
    assert answer.target["entry"]["number"] == "8"
    await stores.answers.open_call(hold, answer, 30.0)
    await stores.rows.upsert([desired("1", read=6, content="newest")])
    (row,) = await claim(stores, writing)
    assert row.verdicts[0].left
    await judge(stores, writing, row, State.REJECTED, feedback=Feedback(SOURCE, 0, State.REJECTED, [REASON], {}))
    await stores.answers.settle(hold, answer, Told(0.0))
    (again,) = await due(stores, hold)
    assert (again.verdict, again.target) == (State.SYNCED, answer.target)
    await stores.answers.open_call(hold, again, 30.0)


async def test_what_is_under_way_keeps_its_deadline_until_its_fate_is_known(stores: Stores) -> None:
    hold = await told(stores)
    (answer,) = await due(stores, hold)
    await stores.answers.open_call(hold, answer, 30.0)
    (under_way,) = await due(stores, hold)
    assert under_way.not_after_in_s == pytest.approx(30, abs=2)
    await stores.answers.settle(hold, under_way, Told(0.0, attempts=1, still_out=True))
    (still,) = await due(stores, hold)
    assert (still.attempts, still.not_after_in_s is not None) == (1, True)
    await stores.answers.settle(hold, still, Told(0.0, refused=1, request_id="r1"))
    (known,) = await due(stores, hold)
    assert (known.refused, known.request_id, known.not_after_in_s) == (1, "r1", None)


async def test_one_that_is_due_later_says_when(stores: Stores) -> None:
    hold = await told(stores)
    (answer,) = await due(stores, hold)
    await stores.answers.settle(hold, answer, Told(60.0))
    assert await due(stores, hold) == []
    assert await stores.answers.next_due_in_s(hold) == pytest.approx(60, abs=2)


async def test_a_new_verdict_wakes_who_waits(stores: Stores) -> None:
    waiting = asyncio.create_task(stores.answers.changed(SOURCE, 20.0))
    await asyncio.sleep(0.3)
    await told(stores)
    await asyncio.wait_for(waiting, 5)


async def test_nothing_is_changed_without_the_epoch(stores: Stores) -> None:
    hold = await told(stores)
    (answer,) = await due(stores, hold)
    await stores.epochs.release(hold)
    for change in (
        stores.answers.claim(hold, 1, ()),
        stores.answers.open_call(hold, answer, 1.0),
        stores.answers.settle(hold, answer, Told(ended="answered")),
    ):
        with pytest.raises(EpochLost):
            await change


async def test_a_round_is_opened_upwards_only_and_is_stuck_until_it_is_answered(stores: Stores) -> None:
    transfers = stores.transfers
    await transfers.open(SOURCE, {"1": 0})
    await transfers.acknowledging(SOURCE, ["1"])
    begun = (await transfers.read(SOURCE, ["1"]))["1"]
    await transfers.acknowledging(SOURCE, ["1"])
    assert (await transfers.read(SOURCE, ["1"]))["1"] == begun, (
        "who tries again and again is stuck since the first time"
    )
    assert list(await transfers.unanswered(SOURCE, 0.0)) == ["1"]
    await transfers.open(SOURCE, {"1": 2, "2": 0})
    await transfers.open(SOURCE, {"1": 1})
    known = await transfers.read(SOURCE, ["1", "2", "3"])
    assert {key: (one.round, one.acknowledged_at) for key, one in known.items()} == {"1": (2, None), "2": (0, None)}
    assert list(await transfers.unanswered(SOURCE, 0.0)) == []


async def test_an_answered_round_is_not_stuck(stores: Stores) -> None:
    feedback = Feedback(SOURCE, 0, State.SYNCED, [], {})
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("9", entity=Entity.INVOICE)])
    (row,) = await claim(stores, hold)
    await judge(stores, hold, row, State.SYNCED, feedback=feedback)
    await stores.transfers.open(SOURCE, {"9": 0})
    await stores.transfers.acknowledging(SOURCE, ["9"])
    answering = await stores.epochs.take(SOURCE, Role.ANSWER, "test")
    assert answering is not None
    (answer,) = await due(stores, answering)
    assert answer.ref == EntityRef(SOURCE, Entity.INVOICE, "9")
    assert list(await stores.transfers.unanswered(SOURCE, 0.0)) == ["9"]
    await stores.answers.settle(answering, answer, Told(ended="answered"))
    assert list(await stores.transfers.unanswered(SOURCE, 0.0)) == []


async def test_a_number_leads_to_the_party_that_has_it_now(stores: Stores) -> None:
    await stores.transfers.name(SOURCE, {"/V1": "a", "ERP/V1": "a"})
    await stores.transfers.name(SOURCE, {"/V1": "b"})
    assert await stores.transfers.named(SOURCE, ["/V1", "ERP/V1", "/V2"]) == {"/V1": "b", "ERP/V1": "a"}


async def test_reference_data_grows_old_until_it_is_read_again(stores: Stores) -> None:
    key, other = ReferenceKey(TARGET, "gl-account", "4000"), ReferenceKey(TARGET, "term", "30")
    read_at = await stores.references.now()
    await stores.references.upsert([ReferenceEntry(one, read_at, "v1", {"active": True}) for one in (key, other)])
    assert list(await stores.references.older(TARGET, {"gl-account"}, 60.0)) == []
    await asyncio.sleep(0.05)
    assert list(await stores.references.older(TARGET, {"gl-account"}, 0.04)) == [key]
    await stores.references.upsert([ReferenceEntry(key, await stores.references.now(), "v1", {"active": True})])
    assert list(await stores.references.older(TARGET, {"gl-account"}, 0.04)) == []
