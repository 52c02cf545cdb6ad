"""The contract of `SourceKeys` and `Jobs`, held by memory and PostgreSQL alike."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from connector.adapters.memory.source_keys import MemoryJobs, MemorySourceKeys, ReadState
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.jobs import PostgresJobs
from connector.adapters.postgres.notify import Listener
from connector.adapters.postgres.source_keys import PostgresSourceKeys
from connector.domain.identity import ConnectionId, Entity, Role, TrafficClass
from connector.domain.ports.epochs import EpochLost
from connector.domain.ports.jobs import Jobs
from connector.domain.ports.source import JobKind, Notice
from connector.domain.ports.source_keys import Claimed, Finished, SourceKeys, SweptRow

ORDER = Entity.PURCHASE_ORDER
SWEEP = JobKind("orders", timedelta(minutes=5))


@dataclass
class Stores:
    connection: ConnectionId
    keys: SourceKeys
    jobs: Jobs
    epoch: int
    over: int
    """An epoch that is lost already."""


def _fresh() -> ConnectionId:
    return ConnectionId("acme", f"exact-{uuid.uuid4().hex[:8]}")


def _memory() -> Stores:
    state = ReadState()

    def require(_: ConnectionId, __: Role, epoch: int) -> None:
        if epoch != 2:
            raise EpochLost("over")

    now = lambda: datetime.now(UTC)  # noqa: E731
    return Stores(_fresh(), MemorySourceKeys(state, now, asyncio.sleep, require), MemoryJobs(state, now, require), 2, 1)


@pytest.fixture(params=["memory", "postgres"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield _memory()
        return
    url = request.getfixturevalue("database_url")
    database = engine(url)
    listener = Listener(url)
    listening = asyncio.create_task(listener.run())
    epochs = PostgresEpochs(database)
    connection = _fresh()
    first = await epochs.take(connection, Role.READ, "a")
    second = await epochs.take(connection, Role.READ, "a")
    assert first is not None
    assert second is not None
    yield Stores(connection, PostgresSourceKeys(database, listener), PostgresJobs(database), second.epoch, first.epoch)
    listening.cancel()
    await database.dispose()


def finished(key: Claimed, read_at: datetime, digest: str = "d1", **changes: object) -> Finished:
    base = {"produced": True, "uses": ()} | changes
    return Finished(key.entity, key.native_id, key.generation, read_at, digest, **base)  # type: ignore[arg-type]


async def claim_swept(stores: Stores, *ids: str) -> list[Claimed]:
    notices = [Notice(ORDER, native_id) for native_id in ids]
    await stores.keys.notice(stores.connection, notices, TrafficClass.CATCH_UP, swept=True)
    return sorted(await stores.keys.claim(stores.connection, stores.epoch, 50), key=lambda key: key.native_id)


async def test_a_notice_is_debounced_and_a_sweep_is_not(stores: Stores) -> None:
    await stores.keys.notice(stores.connection, [Notice(ORDER, "po-1")], TrafficClass.LIVE)
    assert await stores.keys.claim(stores.connection, stores.epoch, 10) == []
    due_in = await stores.keys.next_due_in_s(stores.connection)
    assert due_in is not None
    assert 0.3 < due_in <= 1.0
    await stores.keys.notice(stores.connection, [Notice(ORDER, "po-2")], TrafficClass.CATCH_UP, swept=True)
    assert [key.native_id for key in await stores.keys.claim(stores.connection, stores.epoch, 10)] == ["po-2"]


async def test_read_at_only_rises(stores: Stores) -> None:
    stamps = [await stores.keys.stamp(stores.connection, stores.epoch) for _ in range(20)]
    assert stamps == sorted(set(stamps))


async def test_a_claimed_key_is_not_claimed_twice_under_one_epoch(stores: Stores) -> None:
    assert len(await claim_swept(stores, "po-1", "po-2")) == 2
    assert await stores.keys.claim(stores.connection, stores.epoch, 10) == []


async def test_a_generation_that_rises_during_the_read_keeps_the_key_due(stores: Stores) -> None:
    key, other = await claim_swept(stores, "po-1", "po-2")
    read_at = await stores.keys.stamp(stores.connection, stores.epoch)
    await stores.keys.notice(stores.connection, [Notice(ORDER, "po-1")], TrafficClass.CATCH_UP, swept=True)
    still_due = await stores.keys.finish(
        stores.connection, stores.epoch, [finished(key, read_at), finished(other, read_at)]
    )
    assert still_due == ["po-1"]
    again = await stores.keys.claim(stores.connection, stores.epoch, 10)
    assert [(k.native_id, k.acknowledged_digest, k.produced_at) for k in again] == [("po-1", "d1", read_at)]


async def test_live_keys_come_before_older_backfill(stores: Stores) -> None:
    await stores.keys.notice(stores.connection, [Notice(ORDER, "old")], TrafficClass.BACKFILL, swept=True)
    await stores.keys.notice(stores.connection, [Notice(Entity.INVOICE, "new")], TrafficClass.LIVE, swept=True)
    claimed = await stores.keys.claim(stores.connection, stores.epoch, 10)
    assert [(key.entity, key.native_id) for key in claimed] == [(Entity.INVOICE, "new")]


async def test_a_due_key_goes_on_with_the_trace_of_its_first_notice(stores: Stores) -> None:
    for trace in ("t1", "t2", None):
        notice = Notice(ORDER, "po-1", traceparent=trace)
        await stores.keys.notice(stores.connection, [notice], TrafficClass.CATCH_UP, swept=True)
    (key,) = await claim_swept(stores)
    assert key.traceparent == "t1"
    read_at = await stores.keys.stamp(stores.connection, stores.epoch)
    await stores.keys.finish(stores.connection, stores.epoch, [finished(key, read_at)])
    (key,) = await claim_swept(stores, "po-1")
    assert key.traceparent is None, "a sweep's find is no part of a trace that is over"


async def test_a_deletion_claimed_by_the_vendor_is_remembered_until_the_key_is_finished(stores: Stores) -> None:
    await stores.keys.notice(
        stores.connection, [Notice(ORDER, "po-1", deleted=True)], TrafficClass.CATCH_UP, swept=True
    )
    (key,) = await claim_swept(stores, "po-1")
    assert key.deleted_hint
    read_at = await stores.keys.stamp(stores.connection, stores.epoch)
    await stores.keys.finish(stores.connection, stores.epoch, [finished(key, read_at)])
    (key,) = await claim_swept(stores, "po-1")
    assert not key.deleted_hint


async def test_a_failed_key_waits_and_shows_as_unreadable_from_the_third_time(stores: Stores) -> None:
    (key,) = await claim_swept(stores, "po-1")
    for attempt in range(3):
        assert len(await stores.keys.unreadable(stores.connection)) == 0
        await stores.keys.fail(stores.connection, stores.epoch, [key], "HTTP 500: broken", 0.0)
        if attempt < 2:
            (key,) = await stores.keys.claim(stores.connection, stores.epoch, 10)
    (unreadable,) = await stores.keys.unreadable(stores.connection)
    assert (unreadable.native_id, unreadable.message, unreadable.attempts) == ("po-1", "HTTP 500: broken", 3)


async def test_a_released_key_is_due_again_without_blame(stores: Stores) -> None:
    keys = await claim_swept(stores, "po-1")
    await stores.keys.release(stores.connection, stores.epoch, keys, 0.0)
    (key,) = await stores.keys.claim(stores.connection, stores.epoch, 10)
    assert key.attempts == 0


async def test_swept_rows_are_admitted_only_if_new_and_not_being_read(stores: Stores) -> None:
    equal, older, _reading = await claim_swept(stores, "equal", "older", "reading")
    first = await stores.keys.stamp(stores.connection, stores.epoch)
    second = await stores.keys.stamp(stores.connection, stores.epoch)
    done = [finished(equal, first, "same"), finished(older, second, "late")]
    await stores.keys.finish(stores.connection, stores.epoch, done)
    rows = [
        SweptRow(ORDER, "equal", second, "same"),
        SweptRow(ORDER, "older", first, "early"),
        SweptRow(ORDER, "reading", second, "x"),
        SweptRow(ORDER, "unknown", second, "x"),
    ]
    admitted = await stores.keys.admit(stores.connection, stores.epoch, rows, TrafficClass.BACKFILL)
    assert [(key.native_id, key.traffic) for key in admitted] == [("unknown", TrafficClass.BACKFILL)]
    backlog = await stores.keys.backlog(stores.connection)
    assert sum(backlog.values()) == 1


async def test_a_changed_setting_makes_exactly_its_users_due(stores: Stores) -> None:
    user, other = await claim_swept(stores, "a", "b")
    read_at = await stores.keys.stamp(stores.connection, stores.epoch)
    done = [finished(user, read_at, uses=("vat/21", "vat/9")), finished(other, read_at, uses=("vat/0",))]
    await stores.keys.finish(stores.connection, stores.epoch, done)
    assert await stores.keys.users(stores.connection, ["vat/9"]) == 1
    assert await stores.keys.touch(stores.connection, ["vat/9"]) == 1
    (key,) = await stores.keys.claim(stores.connection, stores.epoch, 10)
    assert (key.native_id, key.traffic) == ("a", TrafficClass.BACKFILL)


async def test_what_sweeps_caught_is_counted(stores: Stores) -> None:
    keys = await claim_swept(stores, "a", "b")
    read_at = await stores.keys.stamp(stores.connection, stores.epoch)
    await stores.keys.finish(stores.connection, stores.epoch, [finished(key, read_at, caught=True) for key in keys])
    assert await stores.keys.caught(stores.connection) == 2


async def test_a_reader_without_its_epoch_can_change_nothing(stores: Stores) -> None:
    (key,) = await claim_swept(stores, "po-1")
    read_at = await stores.keys.stamp(stores.connection, stores.epoch)
    await stores.jobs.ensure(stores.connection, [SWEEP])
    for attempt in (
        stores.keys.stamp(stores.connection, stores.over),
        stores.keys.claim(stores.connection, stores.over, 1),
        stores.keys.admit(stores.connection, stores.over, [SweptRow(ORDER, "x", read_at, "d")], TrafficClass.CATCH_UP),
        stores.keys.finish(stores.connection, stores.over, [finished(key, read_at)]),
        stores.keys.fail(stores.connection, stores.over, [key], "late", 0.0),
        stores.jobs.claim(stores.connection, stores.over),
        stores.jobs.advance(stores.connection, stores.over, "orders", "9"),
    ):
        with pytest.raises(EpochLost):
            await attempt
    assert await stores.keys.next_due_in_s(stores.connection) is not None


async def test_a_job_runs_at_start_keeps_its_cursor_and_comes_back_after_its_interval(stores: Stores) -> None:
    often = JobKind("often", timedelta(milliseconds=50))
    await stores.jobs.ensure(stores.connection, [often, JobKind("later", timedelta(hours=1), at_start=False)])
    job = await stores.jobs.claim(stores.connection, stores.epoch)
    assert job is not None
    assert (job.kind, job.cursor) == ("often", None)
    await stores.jobs.advance(stores.connection, stores.epoch, "often", "42")
    await stores.jobs.finish(stores.connection, stores.epoch, "often")
    assert await stores.jobs.claim(stores.connection, stores.epoch) is None
    await asyncio.sleep(0.1)
    assert await stores.jobs.schedule() == 1
    again = await stores.jobs.claim(stores.connection, stores.epoch)
    assert again is not None
    assert again.cursor == "42"
    await stores.jobs.fail(stores.connection, stores.epoch, "often", "vendor away", 60.0)
    assert await stores.jobs.claim(stores.connection, stores.epoch) is None
    assert [(s.kind, s.error, s.attempts) for s in await stores.jobs.states(stores.connection)][1] == (
        "often",
        "vendor away",
        1,
    )


async def test_a_failed_job_is_tried_at_once_when_what_it_failed_at_is_put_right(stores: Stores) -> None:
    await stores.jobs.ensure(stores.connection, [SWEEP])
    assert await stores.jobs.claim(stores.connection, stores.epoch) is not None
    await stores.jobs.fail(stores.connection, stores.epoch, SWEEP.name, "nobody has logged in", 60.0)
    assert await stores.jobs.claim(stores.connection, stores.epoch) is None
    await stores.jobs.hurry(stores.connection)
    assert await stores.jobs.claim(stores.connection, stores.epoch) is not None


async def test_a_requested_job_is_due_now_and_a_stale_kind_disappears(stores: Stores) -> None:
    await stores.jobs.ensure(stores.connection, [JobKind("later", timedelta(hours=1), at_start=False), SWEEP])
    await stores.jobs.ensure(stores.connection, [JobKind("later", timedelta(hours=1), at_start=False)])
    assert await stores.jobs.claim(stores.connection, stores.epoch) is None
    assert await stores.jobs.request(stores.connection, "later", cursor="7")
    assert not await stores.jobs.request(stores.connection, "orders")
    job = await stores.jobs.claim(stores.connection, stores.epoch)
    assert job is not None
    assert (job.kind, job.cursor) == ("later", "7")


async def test_a_feed_numbered_anew_starts_its_jobs_from_the_beginning(stores: Stores) -> None:
    kinds = [JobKind("orders", timedelta(hours=1)), JobKind("entries", timedelta(hours=1))]
    await stores.jobs.ensure(stores.connection, kinds)
    for kind in ("orders", "entries"):
        assert await stores.jobs.claim(stores.connection, stores.epoch) is not None
        await stores.jobs.advance(stores.connection, stores.epoch, kind, "900")
    for kind in ("orders", "entries"):
        await stores.jobs.finish(stores.connection, stores.epoch, kind)
    await stores.jobs.restart(stores.connection, stores.epoch, ["orders"])
    job = await stores.jobs.claim(stores.connection, stores.epoch)
    assert job is not None
    assert (job.kind, job.cursor) == ("orders", None)
    assert await stores.jobs.claim(stores.connection, stores.epoch) is None


async def test_a_claimed_deletion_is_remembered_until_the_document_is_shown(stores: Stores) -> None:
    async def claim(*, deleted: bool) -> Claimed:
        notice = Notice(ORDER, "po-1", deleted=deleted)
        await stores.keys.notice(stores.connection, [notice], TrafficClass.CATCH_UP, swept=True)
        (key,) = await stores.keys.claim(stores.connection, stores.epoch, 10)
        return key

    async def finish(key: Claimed, *, absent: bool) -> None:
        read_at = await stores.keys.stamp(stores.connection, stores.epoch)
        await stores.keys.finish(stores.connection, stores.epoch, [finished(key, read_at, absent=absent)])

    await finish(await claim(deleted=True), absent=True)
    unproven = await claim(deleted=False)
    assert unproven.deleted_hint
    await finish(unproven, absent=False)
    assert not (await claim(deleted=False)).deleted_hint
