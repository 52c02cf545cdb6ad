"""What every implementation of the writers' stores does; the same tests run in memory and on PostgreSQL."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from connector.domain.documents.envelope import RecordStatus
from connector.domain.identity import Entity, EntityRef, Revision, Role, TrafficClass
from connector.domain.ports.configuration import OnMappingChange
from connector.domain.ports.desired import Desired, Origin
from connector.domain.ports.dispatch import (
    Closed,
    DueRow,
    Event,
    Feedback,
    Intent,
    IntentItem,
    Judgement,
    Settlement,
    StoredObject,
)
from connector.domain.ports.epochs import EpochLost, Hold
from connector.domain.ports.operations import RELEASABLE, Selection, Withheld
from connector.domain.ports.references import ReferenceEntry, ReferenceKey
from connector.domain.ports.target import Dependency, Json, NaturalKey, Target, TargetObject
from connector.domain.reasons import Reason
from connector.domain.sync.rendering import read_target_references
from connector.domain.sync.states import Cause, State
from tests.write import FLOW, SOURCE, TARGET, at, ref, row_of

from .conftest import Stores

KEY = NaturalKey("orders", (("number", "PO-1"),))


def desired(native_id: str = "1", read: int = 1, content: str = "c1", **given: Any) -> Desired:
    entity = given.pop("entity", Entity.PURCHASE_ORDER)
    plain = Desired(
        row=row_of(native_id, entity),
        source=SOURCE,
        target=TARGET,
        number=f"N-{native_id}",
        revision=Revision(at(read), given.pop("translation", 1)),
        content_digest=content,
        resolved_digest="r1",
        status=RecordStatus.OK,
        traffic=TrafficClass.LIVE,
        payload='{"any": "json"}',
        origin=Origin("canonical.purchase-order.v1", 3, 42),
    )
    return replace(plain, **given)


async def hold_of(stores: Stores, holder: str = "a") -> Hold:
    hold = await stores.epochs.take(TARGET, Role.WRITE, holder)
    assert hold is not None
    return hold


async def claim(stores: Stores, hold: Hold, limit: int = 100) -> Sequence[DueRow]:
    return await stores.dispatch.claim(hold, [FLOW], limit, [])


async def judge(stores: Stores, hold: Hold, due: DueRow, state: State, **given: Any) -> None:
    settlement = {name: given.pop(name) for name in ("objects", "inputs", "closed", "events") if name in given}
    await stores.dispatch.settle(hold, [Settlement(due, judgement=Judgement(state, **given), **settlement)])


def stored(target_id: str = "T1", **given: Any) -> StoredObject:
    return StoredObject("orders", "draft", TargetObject(target_id, {"l1": "9"}, 0, "w1", None, {}, {}, **given))


async def state_of(stores: Stores, native_id: str = "1", entity: Entity = Entity.PURCHASE_ORDER) -> State:
    view = await stores.operations.row(row_of(native_id, entity))
    assert view is not None
    return view.state


async def test_a_due_row_goes_on_with_the_trace_of_its_newest_revision(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(read=1, traceparent="t1")])
    await stores.rows.upsert([desired(read=2, content="c2", traceparent="t2")])
    (due,) = await claim(stores, hold)
    assert due.trace == "t2"
    await judge(stores, hold, due, State.SYNCED)
    await stores.rows.upsert([desired(read=2, translation=2, content="c3", traceparent="t3")])
    (due,) = await claim(stores, hold)
    assert due.trace is None, "it is written for a changed translation, not for what the trace began with"


async def test_a_document_is_needed_while_others_that_link_to_it_are_still_to_be_written(stores: Stores) -> None:
    hold = await hold_of(stores)
    party, other = ref("s1", Entity.SUPPLIER), ref("s2", Entity.SUPPLIER)
    await stores.rows.upsert([desired("1")])
    assert set(await stores.dispatch.needed(hold, [party, other])) == {party, other}, "nobody knows yet whose it is"
    (due,) = await claim(stores, hold)
    linking = [Dependency(f"link:{party.key}", "v1")]
    for version, state in enumerate((State.BLOCKED, State.SYNCED), 2):
        await judge(stores, hold, due, state, inputs=linking)
        needed = set(await stores.dispatch.needed(hold, [party, other]))
        assert needed == ({party} if state is State.BLOCKED else set())
        await stores.rows.upsert([desired("1", read=version, content=f"c{version}")])
        (due,) = await claim(stores, hold)
    assert set(await stores.dispatch.needed(hold, [party, other])) == {party}, "it is due again"


async def test_who_rests_because_no_call_could_be_made_is_due_after_a_login_and_nobody_else(stores: Stores) -> None:
    hold = await hold_of(stores)
    rest = {"closed-gate": "gate-closed", "login": "re-authorise", "refused": "transient"}
    await stores.rows.upsert([desired(native_id) for native_id in rest])
    for due in await claim(stores, hold):
        reason = Reason(code=rest[due.row.native_id], message="why")
        await judge(stores, hold, due, State.DUE, due_in_s=60.0, reasons=[reason])
    assert not await claim(stores, hold)
    await stores.operations.hurry(SOURCE)
    assert not await claim(stores, hold), "that was another connection's"
    await stores.operations.hurry(TARGET)
    assert {due.row.native_id for due in await claim(stores, hold)} == {"closed-gate", "login"}


async def test_one_holder_at_a_time_and_each_new_one_raises_the_epoch(stores: Stores) -> None:
    first = await stores.epochs.take(TARGET, Role.WRITE, "a", ttl_s=0.2)
    assert first is not None
    assert await stores.epochs.take(TARGET, Role.WRITE, "b") is None
    await asyncio.sleep(0.25)
    second = await hold_of(stores, "b")
    assert second.epoch > first.epoch
    with pytest.raises(EpochLost):
        await stores.epochs.renew(first)
    await stores.epochs.release(first)
    await stores.epochs.renew(second)
    await stores.epochs.release(second)
    assert await stores.epochs.take(TARGET, Role.WRITE, "c") is not None


async def test_a_process_that_has_just_begun_takes_over_from_the_one_before_it_at_its_place(stores: Stores) -> None:
    first = await hold_of(stores, "writer-1/first")
    for other in ("writer-11/other", "writer-/other", "other", "writer-1", ""):
        assert await stores.epochs.take(TARGET, Role.WRITE, other, anew=True) is None
    assert await stores.epochs.take(TARGET, Role.WRITE, "writer-1/second") is None, "it has not just begun"
    second = await stores.epochs.take(TARGET, Role.WRITE, "writer-1/second", anew=True)
    assert second is not None
    assert second.epoch > first.epoch
    with pytest.raises(EpochLost):
        await stores.epochs.renew(first)


async def test_a_lost_epoch_changes_nothing(stores: Stores) -> None:
    old = await hold_of(stores)
    await stores.rows.upsert([desired()])
    (due,) = await claim(stores, old)
    new = await hold_of(stores)
    intent = Intent("call", "POST", "orders", 30, [IntentItem(due.row, "order", "create", True)])
    for change in (
        stores.dispatch.claim(old, [FLOW], 1, []),
        stores.dispatch.open_call(old, intent),
        stores.dispatch.settle(old, [Settlement(due, judgement=Judgement(State.SYNCED))]),
        stores.dispatch.brake(old, FLOW, 1, 0.1),
        stores.dispatch.rejudge(old, FLOW, 9, live=True),
    ):
        with pytest.raises(EpochLost):
            await change
    (still,) = await claim(stores, new)
    assert (still.state, list(still.open_calls)) == (State.DUE, [])


async def test_only_a_newer_revision_is_stored_and_only_other_content_makes_it_due(stores: Stores) -> None:
    hold = await hold_of(stores)
    assert (await stores.rows.upsert([desired(read=5)])).due == 1
    (due,) = await claim(stores, hold)
    await judge(stores, hold, due, State.SYNCED)
    assert (await stores.rows.upsert([desired(read=4, content="older")])).newer == 0
    equal = await stores.rows.upsert([desired(read=6)])
    assert (equal.newer, equal.due) == (1, 0)
    assert await claim(stores, hold) == []
    other = await stores.rows.upsert([desired(read=7, content="c2")])
    assert (other.newer, other.due) == (1, 1)
    (due,) = await claim(stores, hold)
    assert (due.cause, due.revision.read_at) == (Cause.SOURCE, at(7))


async def test_an_equal_read_at_a_higher_translation_version_is_no_change_at_the_source(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired()])
    (due,) = await claim(stores, hold)
    await judge(stores, hold, due, State.SYNCED)
    await stores.rows.upsert([desired(translation=2, content="c2")])
    (due,) = await claim(stores, hold)
    assert due.cause is Cause.TRANSLATION


async def test_changed_joined_values_alone_wake_a_blocked_row_and_leave_a_synced_one(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("1"), desired("2")])
    for due in await claim(stores, hold):
        await judge(stores, hold, due, State.BLOCKED if due.row.native_id == "1" else State.SYNCED)
    await stores.rows.upsert([desired(n, read=2, resolved_digest="r2") for n in "12"])
    assert [await state_of(stores, n) for n in "12"] == [State.DUE, State.SYNCED]


async def test_a_version_that_comes_during_a_verdict_stays_due(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired()])
    (due,) = await claim(stores, hold)
    await stores.rows.upsert([desired(read=2, content="c2")])
    await judge(stores, hold, due, State.SYNCED)
    (again,) = await claim(stores, hold)
    assert again.content_digest == "c2"


async def test_an_open_call_is_seen_by_whoever_claims_the_row_until_it_is_resolved(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired()])
    (due,) = await claim(stores, hold)
    await stores.dispatch.open_call(
        hold, Intent("call-1", "POST", "orders", 30, [IntentItem(due.row, "order", "create", True, KEY)])
    )
    hold = await hold_of(stores, "a")
    (due,) = await claim(stores, hold)
    (call,) = due.open_calls
    assert (call.part, call.step, call.creates, call.natural_key) == ("order", "create", True, KEY)
    assert 25 < call.not_after_in_s <= 30
    await stores.dispatch.settle(hold, [Settlement(due, closed=[Closed("call-1", "order", "unknown")])])
    (due,) = await claim(stores, hold)
    assert len(due.open_calls) == 1, "an unknown outcome is still open"
    await stores.dispatch.settle(hold, [Settlement(due, closed=[Closed("call-1", "order", "found")])])
    (due,) = await claim(stores, hold)
    assert list(due.open_calls) == []


async def test_links_are_kept_and_wake_who_waits_for_them(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("1"), desired("2", entity=Entity.INVOICE)])
    order, invoice = sorted(await claim(stores, hold), key=lambda due: due.row.native_id)
    missing = Dependency(f"link:{ref().key}", None)
    reason = Reason(code="order-not-there", message="", missing=missing.key)
    await judge(stores, hold, invoice, State.WAITING, due_in_s=60, wait_in_s=60, waits=[missing], reasons=[reason])
    assert await state_of(stores, "2", Entity.INVOICE) is State.WAITING
    await judge(stores, hold, order, State.SYNCED, objects={"order": stored()})
    assert await state_of(stores, "2", Entity.INVOICE) is State.DUE
    links = await stores.dispatch.links(TARGET, [ref(), ref("none")])
    version, linked = links[ref()]
    assert (linked.target_id, linked.sub_ids, version) == ("T1", {"l1": "9"}, stored().version)
    assert ref("none") not in links


async def test_the_objects_of_documents_that_used_a_key_are_known_until_they_use_it_no_more(stores: Stores) -> None:
    hold = await hold_of(stores)
    key = f"link:{ref().key}"
    await stores.rows.upsert([desired(one, entity=Entity.INVOICE) for one in ("2", "3", "4")])
    billing, another, unwritten = sorted(await claim(stores, hold), key=lambda due: due.row.native_id)
    uses = [Dependency(key, "v1")]
    await judge(stores, hold, billing, State.SYNCED, inputs=uses, objects={"a": stored("T2"), "b": stored("T3")})
    await judge(stores, hold, another, State.SYNCED, inputs=[], objects={"a": stored("T4")})
    await judge(stores, hold, unwritten, State.BLOCKED, inputs=uses)
    (one,) = (await stores.dispatch.linking(TARGET, [key, "link:none"]))[key]
    assert {name: part.target_id for name, part in one.parts.items()} == {"a": "T2", "b": "T3"}
    await stores.rows.upsert([desired("2", entity=Entity.INVOICE, read=2, content="c2")])
    (again,) = await claim(stores, hold)
    await judge(stores, hold, again, State.SYNCED, inputs=[])
    assert key not in await stores.dispatch.linking(TARGET, [key])


async def test_a_row_cannot_fall_asleep_over_something_that_came_meanwhile(stores: Stores) -> None:
    hold = await hold_of(stores)
    key = ReferenceKey(TARGET, "account", "60/00")
    await stores.rows.upsert([desired("1"), desired("2")])
    first, second = sorted(await claim(stores, hold), key=lambda due: due.row.native_id)
    await stores.references.upsert([ReferenceEntry(key, at(1), "v1", {"code": "60/00"})])
    await judge(stores, hold, first, State.BLOCKED, waits=[Dependency(str(key), None)])
    assert await state_of(stores, "1") is State.DUE
    await judge(stores, hold, second, State.BLOCKED, waits=[Dependency(str(key), "v1")])
    assert await state_of(stores, "2") is State.BLOCKED, "it saw just this version"
    assert await stores.dispatch.waited_references(hold) == [key]
    assert await stores.references.upsert([ReferenceEntry(key, at(2), "v2", {"code": "60/00", "active": False})]) == 1
    assert await state_of(stores, "2") is State.DUE


async def test_an_older_or_equal_reference_changes_nothing(stores: Stores) -> None:
    key = ReferenceKey(SOURCE, "gl-account", "4000")
    await stores.references.upsert([ReferenceEntry(key, at(5), "v5", {"name": "new"})])
    assert await stores.references.upsert([ReferenceEntry(key, at(4), "v4", {"name": "old"})]) == 0
    assert await stores.references.upsert([ReferenceEntry(key, at(6), "v5", {"name": "new"})]) == 0
    assert (await stores.references.read([key]))[key].as_of == at(6)


@dataclass
class Periods:
    """A target of which only its accounting periods are asked; `stopped` holds a reader between answer and store."""

    state: str
    stopped: asyncio.Event | None = None

    async def reference(self, kind: str, codes: Collection[str], traffic: TrafficClass) -> Mapping[str, Json]:
        shown = {code: {"state": self.state} for code in codes}
        if self.stopped is not None:
            await self.stopped.wait()
        return shown


async def test_a_reader_that_was_stopped_replaces_nothing_that_was_read_since(stores: Stores) -> None:
    """A replica that had lost its epoch stored the period it had once seen open as the newest."""

    async def read(periods: Periods) -> None:
        target = cast(Target, periods)
        await read_target_references(TARGET, target, {"period": ["2026-3"]}, TrafficClass.LIVE, stores.references)

    wakes = asyncio.Event()
    stopped = asyncio.create_task(read(Periods("open", wakes)))
    await asyncio.sleep(0.2)
    await read(Periods("closed"))
    wakes.set()
    await stopped
    key = ReferenceKey(TARGET, "period", "2026-3")
    assert (await stores.references.read([key]))[key].body == {"state": "closed"}


async def test_another_documents_object_is_refused_and_the_rest_of_the_batch_is_stored(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("1"), desired("2"), desired("3")])
    one, two, three = sorted(await claim(stores, hold), key=lambda due: due.row.native_id)
    await judge(stores, hold, one, State.SYNCED, objects={"order": stored("T1")})
    refused = await stores.dispatch.settle(
        hold,
        [
            Settlement(two, objects={"order": stored("T1")}, judgement=Judgement(State.SYNCED)),
            Settlement(three, objects={"order": stored("T3")}, judgement=Judgement(State.SYNCED)),
        ],
    )
    assert refused == {two.row: ref("1").key}
    assert [await state_of(stores, n) for n in "123"] == [State.SYNCED, State.DUE, State.SYNCED]
    with pytest.raises(ValueError, match="already linked"):
        await stores.operations.link(two.row, "order", "orders", "T1", "ann")


async def test_two_suppliers_of_the_source_may_be_one_in_the_target(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(n, entity=Entity.SUPPLIER) for n in "12"])
    for due in await claim(stores, hold):
        refused = await stores.dispatch.settle(
            hold, [Settlement(due, objects={"supplier": stored("T1")}, judgement=Judgement(State.SYNCED))]
        )
        assert refused == {}


async def test_flows_and_classes_of_traffic_take_turns(stores: Stores) -> None:
    hold = await hold_of(stores)
    other = replace(FLOW, flow="other")
    many = [desired(f"b{n}", traffic=TrafficClass.BACKFILL) for n in range(50)]
    live = [desired("live")]
    others = [replace(d, row=replace(d.row, flow=other)) for d in (desired("o1"), desired("o2"))]
    await stores.rows.upsert([*many, *live, *others])
    claimed = await stores.dispatch.claim(hold, [FLOW, other], 4, [])
    assert {due.row.native_id for due in claimed} >= {"live", "o1", "o2"}
    only_live = await stores.dispatch.claim(hold, [FLOW, other], 40, [], TrafficClass.LIVE)
    assert {due.row.native_id for due in only_live} == {"live", "o1", "o2"}
    following = await stores.dispatch.claim(hold, [FLOW, other], 4, [due.row for due in claimed])
    assert not {due.row for due in claimed} & {due.row for due in following}


async def test_a_retry_is_not_claimed_before_its_time(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired()])
    (due,) = await claim(stores, hold)
    await judge(stores, hold, due, State.DUE, due_in_s=0.3, attempts=1)
    assert await claim(stores, hold) == []
    in_s = await stores.dispatch.next_due_in_s(hold, [FLOW])
    assert in_s is not None
    assert 0 < in_s <= 0.3
    await asyncio.sleep(0.35)
    (due,) = await claim(stores, hold)
    assert due.attempts == 1


async def test_intake_and_release_wake_the_dispatcher_of_the_target(stores: Stores) -> None:
    hold = await hold_of(stores)
    await asyncio.sleep(0.2)
    await stores.dispatch.changed(TARGET, 0.01)
    for wake in (
        lambda: stores.rows.upsert([desired()]),
        lambda: stores.operations.release(Selection(FLOW, RELEASABLE), "ann"),
    ):
        started = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(stores.dispatch.changed(TARGET, 5))
        await asyncio.sleep(0.02)
        await wake()
        await waiting
        assert asyncio.get_running_loop().time() - started < 1
        (due,) = await claim(stores, hold)
        await judge(stores, hold, due, State.FAILED)


async def test_stuck_rows_are_told_by_cause_and_released_by_it(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(n) for n in "123"])
    unmapped = Reason(code="gl-not-mapped", message="no", missing="mapping:gl/4000", fix="add it")
    refused = Reason(code="rejected-by-target", message="too long")
    for due in await claim(stores, hold):
        await judge(stores, hold, due, State.BLOCKED, reasons=[refused if due.row.native_id == "3" else unmapped])
    first, second = await stores.operations.stuck(FLOW)
    assert (first.count, first.reason, list(first.examples)) == (2, unmapped, [row_of("1"), row_of("2")])
    assert (second.count, second.reason.code) == (1, "rejected-by-target")
    selection = Selection(FLOW, RELEASABLE, missing="mapping:gl/4000")
    assert await stores.operations.count(selection) == 2
    assert await stores.operations.release(selection, "ann") == 2
    assert [due.released for due in await claim(stores, hold)] == [True, True]
    story = await stores.operations.story(row_of("1"))
    assert [(line.event, line.actor) for line in story] == [("received", "connector"), ("released", "ann")]
    assert story[0].detail["offset"] == 42


async def test_what_is_held_back_is_shown_with_its_difference(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(n) for n in "123"])
    change = {"verb": "update", "wanted": {"total": "2"}, "found": {"total": "1"}}
    for due in await claim(stores, hold):
        reasons = [Reason(code="dry-run" if due.row.native_id == "1" else "mass-change", message="")]
        difference = None if due.row.native_id == "3" else change
        await judge(stores, hold, due, State.HELD, reasons=reasons, difference=difference)
    every = Selection(FLOW, RELEASABLE)
    assert await stores.operations.withheld(every, 10) == [
        Withheld(row_of("1"), "N-1", change),
        Withheld(row_of("2"), "N-2", change),
    ]
    assert [one.row for one in await stores.operations.withheld(every, 1)] == [row_of("1")]
    braked = Selection(FLOW, RELEASABLE, code="mass-change")
    assert [one.row for one in await stores.operations.withheld(braked, 10)] == [row_of("2")]


async def test_a_changed_mapping_touches_exactly_the_rows_that_used_it(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(n) for n in "1234"])
    entry, other = Dependency("mapping:gl/4000", "v1"), Dependency("mapping:gl/5000", "v1")
    missing = Dependency("mapping:gl/4000", None)
    for due in await claim(stores, hold):
        match due.row.native_id:
            case "1":
                await judge(stores, hold, due, State.SYNCED, inputs=[entry])
            case "2":
                await judge(stores, hold, due, State.SYNCED, inputs=[other])
            case "3":
                await judge(stores, hold, due, State.BLOCKED, inputs=[missing], waits=[missing])
            case "4":
                await judge(stores, hold, due, State.BLOCKED, inputs=[other])
    assert await stores.operations.users(FLOW, [entry.key], OnMappingChange.ALL) == 1
    assert await stores.operations.touch(FLOW, [entry.key], OnMappingChange.NONE, "ann") == 1
    assert [await state_of(stores, n) for n in "134"] == [State.SYNCED, State.DUE, State.BLOCKED]
    assert await stores.operations.touch(FLOW, [entry.key], OnMappingChange.ALL, "ann") == 1
    (due,) = [due for due in await claim(stores, hold) if due.row.native_id == "1"]
    assert due.cause is Cause.APPLY


async def test_what_only_our_settings_changed_counts_for_the_brake(stores: Stores) -> None:
    hold = await hold_of(stores)

    async def became(native_id: str, said: str | None, **given: Any) -> Cause:
        await stores.rows.upsert([desired(native_id, read_digest="said")])
        (due,) = [due for due in await claim(stores, hold) if due.row.native_id == native_id]
        await judge(stores, hold, due, State.SYNCED)
        await stores.rows.upsert([desired(native_id, read=2, content="c2", read_digest=said, **given)])
        return {due.row.native_id: due.cause for due in await claim(stores, hold)}[native_id]

    assert await became("1", "said") is Cause.APPLY
    assert await became("2", "said otherwise") is Cause.SOURCE
    assert await became("3", None) is Cause.SOURCE, "nobody knows"
    await stores.rows.upsert([desired("1", read=3, content="c3", read_digest="said otherwise")])
    assert {due.row.native_id: due.cause for due in await claim(stores, hold)}["1"] is Cause.SOURCE


async def test_a_row_in_hand_while_its_mapping_changed_is_due_again(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(n) for n in "123"])
    rows = {due.row.native_id: due for due in await claim(stores, hold)}

    async def settled(native_id: str, epoch: int) -> State:
        used = [Dependency("mapping:gl/4000", str(epoch))]
        await judge(stores, hold, rows[native_id], State.SYNCED, inputs=used, configuration=epoch)
        return await state_of(stores, native_id)

    rendered_under = await stores.apply(OnMappingChange.ALL)
    assert await settled("1", rendered_under) is State.SYNCED
    await stores.apply(OnMappingChange.ALL)
    assert await settled("2", rendered_under) is State.DUE
    assert {due.row.native_id: due.cause for due in await claim(stores, hold)}["2"] is Cause.APPLY
    await stores.apply(OnMappingChange.NONE)
    assert await settled("3", rendered_under) is State.SYNCED, "the flow leaves what is written as it is"


@pytest.mark.parametrize(
    ("document", "is_open"),
    [
        ({"lifecycle": "open"}, True),
        ({"lifecycle": "closed"}, False),
        ({"status": "open"}, True),
        ({"status": "booked"}, False),
        ({"status": {"active": False}}, True),
    ],
)
async def test_open_means_documents_that_go_on_at_their_source(
    stores: Stores, document: dict[str, Any], is_open: bool
) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("1", payload=json.dumps({"document": document}))])
    (due,) = await claim(stores, hold)
    entry = Dependency("mapping:gl/4000", "v1")
    await judge(stores, hold, due, State.SYNCED, inputs=[entry])
    assert await stores.operations.users(FLOW, [entry.key], OnMappingChange.ALL) == 1
    assert await stores.operations.users(FLOW, [entry.key], OnMappingChange.OPEN) == is_open
    assert await stores.operations.touch(FLOW, [entry.key], OnMappingChange.OPEN, "ann") == is_open


async def test_an_applied_configuration_has_older_verdicts_judged_again(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(n) for n in "123"])
    dry = Reason(code="dry-run", message="")
    one, two, three = sorted(await claim(stores, hold), key=lambda due: due.row.native_id)
    await judge(stores, hold, one, State.BLOCKED, configuration=3)
    await judge(stores, hold, two, State.BLOCKED, configuration=4)
    await judge(stores, hold, three, State.HELD, configuration=3, reasons=[dry])
    assert await stores.dispatch.rejudge(hold, FLOW, 4, live=False) == 1
    assert await stores.dispatch.rejudge(hold, FLOW, 5, live=True) == 2


async def test_what_stands_in_the_target_is_looked_at_again_and_what_changed_there_is_due(stores: Stores) -> None:
    await stores.rows.upsert([desired("1"), desired("2"), desired("3")])
    hold = await hold_of(stores)
    for due in await claim(stores, hold):
        objects = {} if due.row.native_id == "3" else {"order": stored(f"T{due.row.native_id}")}
        await judge(stores, hold, due, State.SYNCED, objects=objects)
    assert await stores.dispatch.standing(hold, [FLOW], 10, 3600) == []
    standing = await stores.dispatch.standing(hold, [FLOW], 10, 0)
    assert {one.row: one.objects["order"].object.target_id for one in standing} == {
        row_of("1"): "T1",
        row_of("2"): "T2",
    }
    await stores.dispatch.seen(hold, [row_of("1"), row_of("2")], [row_of("1")])
    assert (await state_of(stores, "1"), await state_of(stores, "2")) == (State.DUE, State.SYNCED)
    (due,) = await claim(stores, hold)
    assert (due.row, due.cause) == (row_of("1"), Cause.SWEEP)
    assert "changed-in-target" in [line.event for line in await stores.operations.story(row_of("1"))]


async def test_the_brake_counts_when_all_are_judged_and_lets_few_go(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(str(n)) for n in range(6)])
    for due in await claim(stores, hold):
        await judge(stores, hold, due, State.SYNCED)
    await stores.operations.again(Selection(FLOW, frozenset({State.SYNCED})), Cause.REPLAY, "ann")
    mass = Reason(code="mass-change", message="")
    *most, last = await claim(stores, hold)
    for due in most:
        await judge(stores, hold, due, State.HELD, reasons=[mass])
    assert await stores.dispatch.brake(hold, FLOW, 10, 0.0) is None, "one is still to be judged"
    await judge(stores, hold, last, State.HELD, reasons=[mass])
    assert await stores.dispatch.brake(hold, FLOW, 5, 0.0) == 0
    assert await stores.dispatch.brake(hold, FLOW, 1, 1.0) == 6
    assert [due.released for due in await claim(stores, hold)] == [True] * 6


async def test_a_record_is_found_by_its_id_its_number_and_the_targets_id(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("1")])
    (due,) = await claim(stores, hold)
    feedback = Feedback(SOURCE, 1, State.SYNCED, [], {"order": "T1"})
    events = [Event("call", {"step": "create"})]
    await judge(stores, hold, due, State.SYNCED, objects={"order": stored()}, events=events, feedback=feedback)
    for asked in ("1", "N-1", "T1"):
        assert await stores.operations.find("acme", asked) == [row_of("1")]
    assert await stores.operations.find("other", "1") == []
    view = await stores.operations.row(row_of("1"))
    assert view is not None
    assert view.objects["order"] == stored()
    counts = await stores.operations.counts("acme")
    assert counts[FLOW][Entity.PURCHASE_ORDER][State.SYNCED] == 1
    assert [line.event for line in await stores.operations.story(row_of("1"))] == ["received", "call"]


async def test_the_oldest_due_row_of_a_flow_is_known_while_there_is_one(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("1")])
    assert list(await stores.operations.oldest_due("acme")) == [FLOW]
    (due,) = await claim(stores, hold)
    await judge(stores, hold, due, State.SYNCED)
    assert await stores.operations.oldest_due("acme") == {}


async def test_an_erased_row_is_gone_and_its_link_stays(stores: Stores) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired("1")])
    (due,) = await claim(stores, hold)
    await judge(stores, hold, due, State.SYNCED, objects={"order": stored()})
    assert await stores.rows.forget([row_of("1"), row_of("none")]) == 1
    assert await stores.operations.row(row_of("1")) is None
    assert EntityRef(SOURCE, Entity.PURCHASE_ORDER, "1") in await stores.dispatch.links(TARGET, [ref("1")])
