"""`SourceKeys` on PostgreSQL: one statement a method wherever it can be, arrays instead of row-by-row calls."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.domain.identity import ConnectionId, Entity, Role, TrafficClass
from connector.domain.ports.source import Notice
from connector.domain.ports.source_keys import (
    DEBOUNCE_AT_MOST_S,
    DEBOUNCE_S,
    Claimed,
    Finished,
    SweptRow,
    UnreadableKey,
)

from .epochs import require_epoch
from .notify import Listener, notify

CLASSES = (TrafficClass.LIVE, TrafficClass.CATCH_UP, TrafficClass.BACKFILL)
UNREADABLE_AFTER = 3

_NOTICE = text(
    """
    insert into source_key as k (tenant, connection, entity, native_id, class, noticed_generation, deleted_hint,
                                 due, first_due, traceparent)
    select :tenant, :connection, n.entity, n.native_id, :class, case when :swept then 0 else 1 end, n.deleted,
           now() + make_interval(secs => :debounce), now(), n.traceparent
      from (select entity, native_id, bool_or(deleted) as deleted, min(traceparent) as traceparent
              from unnest(cast(:entities as text[]), cast(:ids as text[]), cast(:deleted as boolean[]),
                          cast(:traceparents as text[])) as u(entity, native_id, deleted, traceparent)
             group by entity, native_id order by entity, native_id) n
    on conflict (tenant, connection, entity, native_id) do update set
        generation = k.generation + 1,
        noticed_generation = case when :swept then k.noticed_generation else k.generation + 1 end,
        deleted_hint = k.deleted_hint or excluded.deleted_hint,
        class = case when k.due is null then excluded.class else least(k.class, excluded.class) end,
        first_due = coalesce(k.first_due, now()),
        traceparent = coalesce(case when k.due is not null then k.traceparent end, excluded.traceparent),
        due = greatest(
            least(now() + make_interval(secs => :debounce),
                  coalesce(k.first_due, now()) + make_interval(secs => :debounce_at_most)),
            case when k.attempts > 0 then k.due end)
    """
)

_STAMP = text(
    """
    insert into source_stamp as s (tenant, connection, read_at) values (:tenant, :connection, clock_timestamp())
    on conflict (tenant, connection) do update
       set read_at = greatest(clock_timestamp(), s.read_at + interval '1 microsecond')
    returning read_at
    """
)

_CLAIM = text(
    """
    with head as (
        select entity, class from source_key
         where tenant = :tenant and connection = :connection and due <= clock_timestamp()
           and claimed_epoch is distinct from :epoch
         order by class, due limit 1),
    picked as (
        select k.entity, k.native_id from source_key k, head
         where k.tenant = :tenant and k.connection = :connection and k.entity = head.entity
           and k.due <= clock_timestamp() and k.claimed_epoch is distinct from :epoch
         order by k.class, k.due limit :limit)
    update source_key k
       set claimed_epoch = :epoch, claimed_generation = k.generation
      from picked p
     where k.tenant = :tenant and k.connection = :connection and k.entity = p.entity and k.native_id = p.native_id
    returning k.entity, k.native_id, k.generation, k.deleted_hint, k.class as traffic, k.attempts,
              k.acknowledged_digest, k.produced_at, k.noticed_generation = k.generation as noticed, k.traceparent
    """
)

_ADMIT_KNOWN = text(
    """
    select r.entity, r.native_id, k.acknowledged_digest, k.produced_at,
           (k.claimed_epoch is not distinct from :epoch) as reading
      from unnest(cast(:entities as text[]), cast(:ids as text[])) as r(entity, native_id)
      join source_key k on k.tenant = :tenant and k.connection = :connection and k.entity = r.entity
                       and k.native_id = r.native_id
       for update of k
    """
)

_ADMIT = text(
    """
    insert into source_key as k (tenant, connection, entity, native_id, class, claimed_generation, claimed_epoch)
    select :tenant, :connection, r.entity, r.native_id, :class, 1, :epoch
      from (select * from unnest(cast(:entities as text[]), cast(:ids as text[])) as u(entity, native_id)
             order by 1, 2) r
    on conflict (tenant, connection, entity, native_id) do update
       set claimed_epoch = :epoch, claimed_generation = k.generation,
           class = case when k.due is null then excluded.class else k.class end
    returning k.entity, k.native_id, k.generation, k.deleted_hint, k.class as traffic, k.attempts,
              k.acknowledged_digest, k.produced_at, k.noticed_generation = k.generation as noticed,
              case when k.due is not null then k.traceparent end as traceparent
    """
)

_FINISH = text(
    """
    update source_key k
       set acknowledged_digest = f.digest,
           produced_at = case when f.produced then f.read_at else k.produced_at end,
           uses = coalesce(string_to_array(nullif(f.uses, ''), ','), '{}'),
           missing = f.missing,
           claimed_epoch = null, attempts = 0, error = null, failed_since = null,
           deleted_hint = k.deleted_hint and (f.absent or k.generation <> f.generation),
           due = case when k.generation = f.generation then null else k.due end,
           first_due = case when k.generation = f.generation then null else k.first_due end
      from unnest(cast(:entities as text[]), cast(:ids as text[]), cast(:generations as bigint[]),
                  cast(:digests as text[]), cast(:read_ats as timestamptz[]), cast(:produced as boolean[]),
                  cast(:uses as text[]), cast(:missing as boolean[]), cast(:absent as boolean[]))
           as f(entity, native_id, generation, digest, read_at, produced, uses, missing, absent)
     where k.tenant = :tenant and k.connection = :connection and k.entity = f.entity and k.native_id = f.native_id
       and k.claimed_epoch = :epoch
    returning k.native_id, k.due is not null as still_due
    """
)

_FAIL = text(
    """
    update source_key k
       set claimed_epoch = null, attempts = k.attempts + 1, error = :message,
           failed_since = coalesce(k.failed_since, now()),
           due = clock_timestamp() + make_interval(secs => :retry_in), first_due = coalesce(k.first_due, now())
      from unnest(cast(:entities as text[]), cast(:ids as text[])) as f(entity, native_id)
     where k.tenant = :tenant and k.connection = :connection and k.entity = f.entity and k.native_id = f.native_id
       and k.claimed_epoch = :epoch
    """
)

_TOUCH = text(
    """
    update source_key
       set generation = generation + 1, due = coalesce(due, now()), first_due = coalesce(first_due, now()),
           class = case when due is null then :backfill else class end
     where tenant = :tenant and connection = :connection and uses && cast(:uses as text[])
    """
)

_RELEASE = text(
    """
    update source_key k
       set claimed_epoch = null, due = greatest(k.due, clock_timestamp() + make_interval(secs => :retry_in))
      from unnest(cast(:entities as text[]), cast(:ids as text[])) as f(entity, native_id)
     where k.tenant = :tenant and k.connection = :connection and k.entity = f.entity and k.native_id = f.native_id
       and k.claimed_epoch = :epoch
    """
)


class PostgresSourceKeys:
    """See the port. `listener` wakes readers of this process when another process made something due."""

    def __init__(self, engine: AsyncEngine, listener: Listener) -> None:
        self._engine = engine
        self._listener = listener

    async def notice(
        self, connection: ConnectionId, notices: Sequence[Notice], traffic: TrafficClass, *, swept: bool = False
    ) -> None:
        if not notices:
            return
        async with self._engine.begin() as db:
            await _notice(db, connection, notices, traffic, swept=swept)
            await notify(db, _channel_key(connection))

    async def stamp(self, connection: ConnectionId, epoch: int) -> datetime:
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            read_at: datetime = (await db.execute(_STAMP, _at(connection))).scalar_one()
            return read_at

    async def claim(self, connection: ConnectionId, epoch: int, limit: int) -> Sequence[Claimed]:
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            rows = await db.execute(_CLAIM, _at(connection) | {"epoch": epoch, "limit": limit})
            return [_claimed(row) for row in rows]

    async def admit(
        self, connection: ConnectionId, epoch: int, rows: Sequence[SweptRow], traffic: TrafficClass
    ) -> Sequence[Claimed]:
        if not rows:
            return []
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            known = await db.execute(_ADMIT_KNOWN, _at(connection) | _refs(rows) | {"epoch": epoch})
            state = {(row.entity, row.native_id): row for row in known}
            wanted: list[SweptRow] = []
            reread: list[Notice] = []
            for row in rows:
                before = state.get((str(row.entity), row.native_id))
                if before is not None and before.reading:
                    reread.append(Notice(row.entity, row.native_id))
                elif before is None or (
                    before.acknowledged_digest != row.digest
                    and (before.produced_at is None or before.produced_at < row.read_at)
                ):
                    wanted.append(row)
            if reread:
                await _notice(db, connection, reread, TrafficClass.CATCH_UP, swept=True)
            if not wanted:
                return []
            admitted = await db.execute(
                _ADMIT,
                _at(connection) | _refs(wanted) | {"epoch": epoch, "class": CLASSES.index(traffic)},
            )
            return [_claimed(row) for row in admitted]

    async def finish(self, connection: ConnectionId, epoch: int, done: Sequence[Finished]) -> Sequence[str]:
        if not done:
            return []
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            rows = await db.execute(
                _FINISH,
                _at(connection)
                | _refs(done)
                | {
                    "epoch": epoch,
                    "generations": [d.generation for d in done],
                    "digests": [d.digest for d in done],
                    "read_ats": [d.read_at for d in done],
                    "produced": [d.produced for d in done],
                    "uses": [",".join(d.uses) for d in done],
                    "missing": [d.missing for d in done],
                    "absent": [d.absent for d in done],
                },
            )
            still_due = [row.native_id for row in rows if row.still_due]
            if caught := sum(d.caught for d in done):
                await db.execute(
                    text(
                        "update source_stamp set caught = caught + :caught"
                        " where tenant = :tenant and connection = :connection"
                    ),
                    _at(connection) | {"caught": caught},
                )
            return still_due

    async def fail(
        self, connection: ConnectionId, epoch: int, keys: Sequence[Claimed], message: str, retry_in_s: float
    ) -> None:
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            given = _at(connection) | _refs(keys)
            await db.execute(_FAIL, given | {"epoch": epoch, "message": message[:2000], "retry_in": retry_in_s})

    async def release(self, connection: ConnectionId, epoch: int, keys: Sequence[Claimed], retry_in_s: float) -> None:
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            await db.execute(_RELEASE, _at(connection) | _refs(keys) | {"epoch": epoch, "retry_in": retry_in_s})

    async def users(self, connection: ConnectionId, uses: Sequence[str]) -> int:
        async with self._engine.connect() as db:
            found = await db.execute(
                text(
                    "select count(*) from source_key where tenant = :tenant and connection = :connection"
                    " and uses && cast(:uses as text[])"
                ),
                _at(connection) | {"uses": list(uses)},
            )
            return int(found.scalar_one())

    async def touch(self, connection: ConnectionId, uses: Sequence[str]) -> int:
        async with self._engine.begin() as db:
            return await touch_keys(db, connection, uses)

    async def next_due_in_s(self, connection: ConnectionId) -> float | None:
        async with self._engine.begin() as db:
            seconds = await db.execute(
                text(
                    """
                    select extract(epoch from least(
                        (select min(due) from source_key s left join epoch e on e.tenant = s.tenant
                            and e.connection = s.connection and e.role = 'read'
                          where s.tenant = :tenant and s.connection = :connection and due is not null
                            and claimed_epoch is distinct from e.epoch),
                        (select min(due) from job j left join epoch e on e.tenant = j.tenant
                            and e.connection = j.connection and e.role = 'read'
                          where j.tenant = :tenant and j.connection = :connection and due is not null
                            and claimed_epoch is distinct from e.epoch)) - clock_timestamp())
                    """
                ),
                _at(connection),
            )
            value = seconds.scalar()
            return None if value is None else float(value)

    async def changed(self, connection: ConnectionId, timeout_s: float) -> None:
        await self._listener.wait(_channel_key(connection), timeout_s)

    async def caught(self, connection: ConnectionId) -> int:
        async with self._engine.begin() as db:
            found = await db.execute(
                text("select caught from source_stamp where tenant = :tenant and connection = :connection"),
                _at(connection),
            )
            return found.scalar() or 0

    async def unreadable(self, connection: ConnectionId) -> Sequence[UnreadableKey]:
        async with self._engine.begin() as db:
            rows = await db.execute(
                text(
                    "select entity, native_id, error, attempts, failed_since from source_key where tenant = :tenant"
                    " and connection = :connection and attempts >= :attempts order by failed_since"
                ),
                _at(connection) | {"attempts": UNREADABLE_AFTER},
            )
            return [
                UnreadableKey(Entity(r.entity), r.native_id, r.error or "", r.attempts, r.failed_since) for r in rows
            ]

    async def backlog(self, connection: ConnectionId) -> Mapping[TrafficClass, int]:
        async with self._engine.begin() as db:
            rows = await db.execute(
                text(
                    "select class, count(*) from source_key where tenant = :tenant and connection = :connection"
                    " and due is not null group by class"
                ),
                _at(connection),
            )
            return {CLASSES[traffic]: count for traffic, count in rows}


async def _notice(
    db: AsyncConnection, connection: ConnectionId, notices: Sequence[Notice], traffic: TrafficClass, *, swept: bool
) -> None:
    await db.execute(
        _NOTICE,
        _at(connection)
        | {
            "entities": [str(n.entity) for n in notices],
            "ids": [n.native_id for n in notices],
            "deleted": [n.deleted for n in notices],
            "traceparents": [n.traceparent for n in notices],
            "class": CLASSES.index(traffic),
            "swept": swept,
            "debounce": 0.0 if swept else DEBOUNCE_S,
            "debounce_at_most": DEBOUNCE_AT_MOST_S,
        },
    )


def _channel_key(connection: ConnectionId) -> str:
    return f"read/{connection}"


def _at(connection: ConnectionId) -> dict[str, object]:
    return {"tenant": connection.tenant, "connection": connection.connection}


def _refs(rows: Sequence[SweptRow] | Sequence[Finished] | Sequence[Claimed]) -> dict[str, object]:
    return {"entities": [str(r.entity) for r in rows], "ids": [r.native_id for r in rows]}


def _claimed(row: Row[Any]) -> Claimed:
    return Claimed(
        Entity(row.entity),
        row.native_id,
        row.generation,
        row.deleted_hint,
        CLASSES[row.traffic],
        row.attempts,
        row.acknowledged_digest,
        row.produced_at,
        bool(row.noticed),
        row.traceparent,
    )


async def touch_keys(db: AsyncConnection, connection: ConnectionId, uses: Sequence[str]) -> int:
    """`SourceKeys.touch`, within the transaction that changes the settings."""
    given = _at(connection) | {"uses": list(uses), "backfill": CLASSES.index(TrafficClass.BACKFILL)}
    touched = await db.execute(_TOUCH, given)
    await notify(db, _channel_key(connection))
    return touched.rowcount
