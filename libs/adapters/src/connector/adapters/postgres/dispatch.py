"""`Dispatch` on PostgreSQL: reading due rows, links, and the brake. What changes rows is in settling.py."""
# ruff: noqa: S608 (the statements are put together from constants only)

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.domain.documents.envelope import RecordStatus
from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId, Revision, Role, RowRef, TrafficClass
from connector.domain.ports.dispatch import (
    DueRow,
    Event,
    Intent,
    OpenCall,
    Settlement,
    Standing,
    StoredObject,
    Verdict,
    linked,
)
from connector.domain.ports.epochs import Hold
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import LinkedObject, NaturalKey, TargetObject
from connector.domain.reasons import Reason
from connector.domain.sync.states import Cause, State

from .columns import array_of, run
from .desired import CLASSES, row_columns
from .epochs import require_epoch
from .group_commit import GroupCommit
from .notify import Listener, notify
from .settling import open_calls, settle, tell

# Each (flow, class) is read along its own part of the index; then they take turns.
_CLAIM = text(
    """
    select d.*, p.payload, extract(epoch from d.wait_until - clock_timestamp()) as wait_in_s,
           extract(epoch from clock_timestamp() - d.received_at) as received_s
      from unnest(cast(:flows as text[])) f
     cross join generate_series(0, :last) c
     cross join lateral (
        select *, row_number() over (order by due) as turn from (
            select tenant, flow, entity, native_id, source_connection, target_connection, read_at, due,
                   translation_version, content_digest, resolved_digest, status, class, cause, state, attempts,
                   released, wait_until, received_at, traceparent
              from desired
             where tenant = :tenant and target_connection = :connection and flow = f and class = c
               and due <= clock_timestamp()
               and (flow, entity, native_id) not in (
                   select * from unnest(cast(:held_flows as text[]), cast(:held_entities as text[]),
                                        cast(:held_ids as text[])))
             order by due limit :limit) oldest) d
      join desired_payload p on (p.tenant, p.flow, p.entity, p.native_id)
                              = (d.tenant, d.flow, d.entity, d.native_id)
     order by d.turn, d.class, d.flow limit :limit
    """
)

# Row by row, by the key: with a hash join the planner reads the whole table for each claim until it is analyzed.
_OBJECTS = text(
    """
    select o.* from (select distinct * from unnest(cast(:sources as text[]), cast(:entities as text[]),
                                                   cast(:ids as text[]))) as g(source_connection, entity, native_id)
     cross join lateral (
        select * from target_object t
         where (t.tenant, t.target_connection, t.source_connection, t.entity, t.native_id)
             = (:tenant, :connection, g.source_connection, g.entity, g.native_id) offset 0) o
    """
)

_OPEN_CALLS = text(
    f"""
    select i.flow, i.entity, i.native_id, i.call_id, i.part, i.step, i.creates, i.natural_key, c.opened_at,
           extract(epoch from c.not_after - clock_timestamp()) as not_after_in_s
      from unnest({array_of("tenants")}, {array_of("flows")}, {array_of("entities")}, {array_of("ids")})
           as g(tenant, flow, entity, native_id)
      join call_item i using (tenant, flow, entity, native_id)
      join call c using (tenant, call_id)
     where i.outcome is null or i.outcome = 'unknown'
    """
)

_VERDICTS = text(
    """
    select f.source_connection, f.entity, f.native_id, f.round, f.verdict, f.reasons,
           f.opened_at is not null or f.ended is not null as has_left
      from feedback f
      join (select distinct * from unnest(cast(:sources as text[]), cast(:entities as text[]), cast(:ids as text[])))
           as g(source_connection, entity, native_id) using (source_connection, entity, native_id)
     where f.tenant = :tenant
    """
)

_LINKING = text(
    """
    select g.key, o.* from unnest(cast(:keys as text[])) as g(key)
      join rendering r on r.tenant = :tenant and r.keys @> array[g.key]
      join desired d using (tenant, flow, entity, native_id)
      join target_object o on (o.tenant, o.target_connection, o.source_connection, o.entity, o.native_id)
                            = (d.tenant, d.target_connection, d.source_connection, d.entity, d.native_id)
     where d.target_connection = :connection
    """
)

_NEEDED = text(
    """
    select g.source_connection, g.entity, g.native_id
      from unnest(cast(:sources as text[]), cast(:entities as text[]), cast(:ids as text[]), cast(:keys as text[]))
           as g(source_connection, entity, native_id, key)
     where exists (
        select from rendering r join desired d using (tenant, flow, entity, native_id)
         where r.tenant = :tenant and r.keys @> array[g.key] and d.target_connection = :connection
           and d.state not in ('synced', 'excluded', 'rejected'))
        or exists (
        select from desired d
         where d.tenant = :tenant and d.target_connection = :connection and d.due is not null
           and d.source_connection = g.source_connection and d.state = 'due'
           and d.entity not in ('supplier', 'reference')
           and not exists (select from rendering r
                            where (r.tenant, r.flow, r.entity, r.native_id)
                                = (d.tenant, d.flow, d.entity, d.native_id)))
    """
)

# From the documents asked for along the links that their rows wait for: rows that go in a circle end nowhere.
_COMING = text(
    """
    with recursive asked as (
        select * from unnest(cast(:sources as text[]), cast(:entities as text[]), cast(:ids as text[]))
            as g(source_connection, entity, native_id)),
    way as (
        select a.source_connection as asked_source, a.entity as asked_entity, a.native_id as asked_id,
               d.flow, d.entity, d.native_id, d.state, d.wait_until <= clock_timestamp() as is_over
          from asked a cross join unnest(cast(:flows as text[])) as f(flow)
          join desired d on (d.tenant, d.flow, d.entity, d.native_id) = (:tenant, f.flow, a.entity, a.native_id)
         where d.target_connection = :connection and d.source_connection = a.source_connection
           and d.state in ('due', 'waiting')
        union
        select way.asked_source, way.asked_entity, way.asked_id,
               d.flow, d.entity, d.native_id, d.state, d.wait_until <= clock_timestamp()
          from way
          join wait w on (w.tenant, w.flow, w.entity, w.native_id) = (:tenant, way.flow, way.entity, way.native_id)
          cross join unnest(cast(:flows as text[])) as f(flow)
          join desired d on (d.tenant, d.flow, d.entity, d.native_id)
             = (:tenant, f.flow, split_part(w.key, '/', 3),
                substr(w.key, length(split_part(w.key, '/', 1) || split_part(w.key, '/', 2)
                                     || split_part(w.key, '/', 3)) + 4))
         where way.state = 'waiting' and way.is_over and w.key like 'link:%'
           and d.target_connection = :connection and d.source_connection = split_part(w.key, '/', 2)
           and d.state in ('due', 'waiting'))
    select asked_source as source_connection, asked_entity as entity, asked_id as native_id
      from way where state = 'due' or is_over is not true
     union
    select o.source_connection, o.entity, o.native_id
      from asked join target_object o using (source_connection, entity, native_id)
     where o.tenant = :tenant and o.target_connection = :connection
    """
)

_NEXT_DUE = text(
    """
    select extract(epoch from min(d.due) - clock_timestamp())
      from unnest(cast(:flows as text[])) f
     cross join generate_series(0, 2) c
     cross join lateral (
        select due from desired
         where tenant = :tenant and target_connection = :connection and flow = f and class = c
           and due > clock_timestamp()
         order by due limit 1) d
    """
)

_REJUDGE = text(
    """
    update desired d set state = 'due', due = now(), state_since = now()
     where tenant = :tenant and flow = :flow and configuration < :configuration
       and (state = 'blocked' or (:live and state = 'held' and reasons @> '[{"code": "dry-run"}]'))
    """
)

_STANDING = text(
    """
    select tenant, flow, entity, native_id, source_connection from desired d
     where tenant = :tenant and target_connection = :connection and flow = any(cast(:flows as text[]))
       and state = 'synced' and synced_at <= clock_timestamp() - make_interval(secs => :unseen_s)
       and exists (select from target_object o
                    where (o.tenant, o.target_connection, o.source_connection, o.entity, o.native_id)
                        = (d.tenant, d.target_connection, d.source_connection, d.entity, d.native_id))
     order by synced_at limit :limit
    """
)
_SEEN = text(
    f"""
    update desired d set synced_at = now(), cause = case when g.changed then 'sweep' else d.cause end,
           attempts = case when g.changed then 0 else d.attempts end,
           state = case when g.changed then 'due' else d.state end, due = case when g.changed then now() else d.due end,
           state_since = case when g.changed then now() else d.state_since end
      from unnest({array_of("tenants")}, {array_of("flows")}, {array_of("entities")}, {array_of("ids")},
                  {array_of("changed", "boolean")}) as g(tenant, flow, entity, native_id, changed)
     where (d.tenant, d.flow, d.entity, d.native_id) = (g.tenant, g.flow, g.entity, g.native_id) and d.state = 'synced'
    returning d.tenant, d.flow, d.entity, d.native_id, g.changed
    """
)

_UNJUDGED = text(
    "select exists (select from desired where tenant = :tenant and target_connection = :connection and flow = :flow"
    " and due is not null and state = 'due' and cause <> 'source')"
)

_HELD = "tenant = :tenant and flow = :flow and state = 'held' and reasons @> '[{\"code\": \"mass-change\"}]'"
_COUNT_HELD = text(f"select count(*) from desired where {_HELD}")
_COUNT_SYNCED = text("select count(*) from desired where tenant = :tenant and flow = :flow and synced_at is not null")
_LET_GO = text(f"update desired set released = true, state = 'due', due = now(), state_since = now() where {_HELD}")


class PostgresDispatch:
    """`settle` and `open_call` of concurrent rows share transactions."""

    def __init__(self, engine: AsyncEngine, listener: Listener) -> None:
        self._engine = engine
        self._listener = listener
        self._settling: dict[ConnectionId, tuple[Hold, GroupCommit[Sequence[Settlement], Mapping[RowRef, str]]]] = {}
        self._opening: dict[ConnectionId, tuple[Hold, GroupCommit[Intent, None]]] = {}

    async def claim(
        self,
        hold: Hold,
        flows: Collection[FlowId],
        limit: int,
        exclude: Collection[RowRef],
        last: TrafficClass = TrafficClass.BACKFILL,
    ) -> Sequence[DueRow]:
        async with self._engine.begin() as db:
            await require_epoch(db, hold.connection, Role.WRITE, hold.epoch)
            held = list(exclude)
            given = _at(hold.connection) | {
                "flows": [flow.flow for flow in flows],
                "limit": limit,
                "last": CLASSES.index(last),
                "held_flows": [row.flow.flow for row in held],
                "held_entities": [str(row.entity) for row in held],
                "held_ids": [row.native_id for row in held],
            }
            rows = (await db.execute(_CLAIM, given)).all()
            if not rows:
                return []
            refs = [EntityRef(_connection(row), Entity(row.entity), row.native_id) for row in rows]
            objects = await _objects(db, hold.connection, refs)
            calls = await _open_calls(db, [_row_ref(row) for row in rows])
            verdicts = await _verdicts(db, hold.connection, refs)
            return [
                _due_row(row, objects.get(ref, {}), calls.get(_row_ref(row), []), verdicts.get(ref, {}))
                for row, ref in zip(rows, refs, strict=True)
            ]

    async def next_due_in_s(self, hold: Hold, flows: Collection[FlowId]) -> float | None:
        async with self._engine.begin() as db:
            given = _at(hold.connection) | {"flows": [flow.flow for flow in flows]}
            seconds = (await db.execute(_NEXT_DUE, given)).scalar()
            return None if seconds is None else float(seconds)

    async def changed(self, target: ConnectionId, timeout_s: float) -> None:
        await self._listener.wait(f"write/{target}", timeout_s)

    async def open_call(self, hold: Hold, intent: Intent) -> None:
        held, group = self._opening.get(hold.connection, (None, None))
        if group is None or held != hold:
            group = GroupCommit(self._opener(hold))
            self._opening[hold.connection] = (hold, group)
        await group(intent)

    def _opener(self, hold: Hold) -> Callable[[Sequence[Intent]], Awaitable[Sequence[None]]]:
        async def apply(intents: Sequence[Intent]) -> Sequence[None]:
            async with self._engine.begin() as db:
                await require_epoch(db, hold.connection, Role.WRITE, hold.epoch)
                await open_calls(db, hold, intents)
            return [None] * len(intents)

        return apply

    async def settle(self, hold: Hold, settlements: Sequence[Settlement]) -> Mapping[RowRef, str]:
        held, group = self._settling.get(hold.connection, (None, None))
        if group is None or held != hold:
            group = GroupCommit(self._settler(hold))
            self._settling[hold.connection] = (hold, group)
        return await group(settlements)

    def _settler(
        self, hold: Hold
    ) -> Callable[[Sequence[Sequence[Settlement]]], Awaitable[Sequence[Mapping[RowRef, str]]]]:
        async def apply(batches: Sequence[Sequence[Settlement]]) -> Sequence[Mapping[RowRef, str]]:
            async with self._engine.begin() as db:
                await require_epoch(db, hold.connection, Role.WRITE, hold.epoch)
                refused = await settle(db, hold, [settlement for batch in batches for settlement in batch])
            return [{s.due.row: refused[s.due.row] for s in batch if s.due.row in refused} for batch in batches]

        return apply

    async def links(
        self, target: ConnectionId, refs: Collection[EntityRef]
    ) -> Mapping[EntityRef, tuple[str, LinkedObject]]:
        async with self._engine.begin() as db:
            found = await _objects(db, target, refs)
        return {ref: linked(parts) for ref, parts in found.items()}

    async def linking(self, target: ConnectionId, keys: Collection[str]) -> Mapping[str, Sequence[LinkedObject]]:
        found: defaultdict[tuple[str, EntityRef], dict[str, StoredObject]] = defaultdict(dict)
        async with self._engine.begin() as db:
            for row in await db.execute(_LINKING, _at(target) | {"keys": list(keys)}):
                ref = EntityRef(_connection(row), Entity(row.entity), row.native_id)
                found[row.key, ref][row.part] = stored_object(row)
        linking: defaultdict[str, list[LinkedObject]] = defaultdict(list)
        for (key, _), parts in found.items():
            linking[key].append(linked(parts)[1])
        return linking

    async def needed(self, hold: Hold, refs: Collection[EntityRef]) -> Collection[EntityRef]:
        given = _at(hold.connection) | {
            "sources": [ref.connection.connection for ref in refs],
            "entities": [str(ref.entity) for ref in refs],
            "ids": [ref.native_id for ref in refs],
            "keys": [f"link:{ref.key}" for ref in refs],
        }
        async with self._engine.begin() as db:
            rows = await db.execute(_NEEDED, given)
            tenant = hold.connection.tenant
            return {
                EntityRef(_connection_id(tenant, row.source_connection), Entity(row.entity), row.native_id)
                for row in rows
            }

    async def coming(
        self, target: ConnectionId, flows: Collection[FlowId], refs: Collection[EntityRef]
    ) -> Collection[EntityRef]:
        given = _at(target) | _ref_columns(refs) | {"flows": [flow.flow for flow in flows]}
        async with self._engine.begin() as db:
            rows = await db.execute(_COMING, given)
            return {
                EntityRef(_connection_id(target.tenant, r.source_connection), Entity(r.entity), r.native_id)
                for r in rows
            }

    async def waited_references(self, hold: Hold) -> Sequence[ReferenceKey]:
        prefix = f"reference:{hold.connection}/"
        async with self._engine.begin() as db:
            keys = await db.execute(
                text("select distinct key from wait where tenant = :tenant and starts_with(key, :prefix)"),
                {"tenant": hold.connection.tenant, "prefix": prefix},
            )
            parts = [key.removeprefix(prefix).partition("/") for (key,) in keys]
            return sorted(ReferenceKey(hold.connection, kind, code) for kind, _, code in parts)

    async def standing(self, hold: Hold, flows: Collection[FlowId], limit: int, unseen_s: float) -> Sequence[Standing]:
        async with self._engine.begin() as db:
            await require_epoch(db, hold.connection, Role.WRITE, hold.epoch)
            given = {"flows": [flow.flow for flow in flows], "limit": limit, "unseen_s": unseen_s}
            rows = (await db.execute(_STANDING, _at(hold.connection) | given)).all()
            refs = {_row_ref(row): EntityRef(_connection(row), Entity(row.entity), row.native_id) for row in rows}
            objects = await _objects(db, hold.connection, list(refs.values())) if refs else {}
        return [Standing(row, objects[ref]) for row, ref in refs.items()]

    async def seen(self, hold: Hold, rows: Collection[RowRef], changed: Collection[RowRef]) -> None:
        ordered, differing = sorted(rows), set(changed)
        async with self._engine.begin() as db:
            await require_epoch(db, hold.connection, Role.WRITE, hold.epoch)
            given = row_columns(ordered) | {"changed": [row in differing for row in ordered]}
            again = [_row_ref(row) for row in await run(db, _SEEN, given) if row.changed]
            await tell(db, [(row, Event("changed-in-target")) for row in again])

    async def report(self, row: RowRef, event: Event) -> None:
        async with self._engine.begin() as db:
            await tell(db, [(row, event)])

    async def rejudge(self, hold: Hold, flow: FlowId, configuration: int, *, live: bool) -> int:
        async with self._engine.begin() as db:
            await require_epoch(db, hold.connection, Role.WRITE, hold.epoch)
            given = {"tenant": flow.tenant, "flow": flow.flow, "configuration": configuration, "live": live}
            return (await db.execute(_REJUDGE, given)).rowcount

    async def brake(self, hold: Hold, flow: FlowId, allowed_count: int, allowed_share: float) -> int | None:
        given = _at(hold.connection) | {"flow": flow.flow}
        async with self._engine.begin() as db:
            await require_epoch(db, hold.connection, Role.WRITE, hold.epoch)
            held = (await db.execute(_COUNT_HELD, given)).scalar_one()
            if held == 0:
                return 0
            if (await db.execute(_UNJUDGED, given)).scalar_one():
                return None
            synced = (await db.execute(_COUNT_SYNCED, given)).scalar_one()
            if held > max(allowed_count, allowed_share * synced):
                return 0
            await db.execute(_LET_GO, given)
            await notify(db, f"write/{hold.connection}")
            return int(held)


async def _objects(
    db: AsyncConnection, target: ConnectionId, refs: Collection[EntityRef]
) -> Mapping[EntityRef, dict[str, StoredObject]]:
    found: defaultdict[EntityRef, dict[str, StoredObject]] = defaultdict(dict)
    for row in await db.execute(_OBJECTS, _at(target) | _ref_columns(refs)):
        ref = EntityRef(_connection(row), Entity(row.entity), row.native_id)
        found[ref][row.part] = stored_object(row)
    return found


async def _verdicts(
    db: AsyncConnection, target: ConnectionId, refs: Collection[EntityRef]
) -> Mapping[EntityRef, dict[int, Verdict]]:
    found: defaultdict[EntityRef, dict[int, Verdict]] = defaultdict(dict)
    for row in await db.execute(_VERDICTS, {"tenant": target.tenant} | _ref_columns(refs)):
        ref = EntityRef(_connection_id(target.tenant, row.source_connection), Entity(row.entity), row.native_id)
        reasons = [Reason.model_validate(reason) for reason in row.reasons]
        found[ref][row.round] = Verdict(State(row.verdict), reasons, row.has_left)
    return found


def _ref_columns(refs: Collection[EntityRef]) -> dict[str, object]:
    return {
        "sources": [ref.connection.connection for ref in refs],
        "entities": [str(ref.entity) for ref in refs],
        "ids": [ref.native_id for ref in refs],
    }


async def _open_calls(db: AsyncConnection, rows: Sequence[RowRef]) -> Mapping[RowRef, list[OpenCall]]:
    found: defaultdict[RowRef, list[OpenCall]] = defaultdict(list)
    tenants = {row.flow.tenant for row in rows}
    assert len(tenants) == 1, "one target connection is one tenant's"
    tenant = tenants.pop()
    for row in await run(db, _OPEN_CALLS, row_columns(rows)):
        ref = RowRef(FlowId(tenant, row.flow), Entity(row.entity), row.native_id)
        found[ref].append(
            OpenCall(
                call_id=row.call_id,
                part=row.part,
                step=row.step,
                creates=row.creates,
                opened_at=row.opened_at,
                not_after_in_s=float(row.not_after_in_s),
                natural_key=_natural_key(row.natural_key),
            )
        )
    return found


def _natural_key(stored: Any) -> NaturalKey | None:
    if stored is None:
        return None
    return NaturalKey(stored["resource"], tuple((name, value) for name, value in stored["fields"]))


def stored_object(row: Any) -> StoredObject:
    return StoredObject(
        resource=row.resource,
        state=row.state,
        object=TargetObject(
            target_id=row.target_id,
            sub_ids=row.sub_ids,
            generation=row.generation,
            written_digest=row.written_digest,
            step_reached=row.step_reached,
            frozen=row.frozen,
            extra=row.extra,
        ),
    )


def _due_row(
    row: Any, objects: Mapping[str, StoredObject], calls: Sequence[OpenCall], verdicts: Mapping[int, Verdict]
) -> DueRow:
    return DueRow(
        row=_row_ref(row),
        source=_connection(row),
        target=_connection_id(row.tenant, row.target_connection),
        revision=Revision(row.read_at, row.translation_version),
        content_digest=row.content_digest,
        resolved_digest=row.resolved_digest,
        status=RecordStatus(row.status),
        traffic=CLASSES[row._mapping["class"]],
        cause=Cause(row.cause),
        state=State(row.state),
        attempts=row.attempts,
        released=row.released,
        wait_in_s=None if row.wait_in_s is None else float(row.wait_in_s),
        received_s=float(row.received_s),
        payload=row.payload,
        objects=objects,
        open_calls=calls,
        verdicts=verdicts,
        traceparent=row.traceparent,
    )


def _row_ref(row: Any) -> RowRef:
    return RowRef(_flow_id(row.tenant, row.flow), Entity(row.entity), row.native_id)


def _connection(row: Any) -> ConnectionId:
    return _connection_id(row.tenant, row.source_connection)


# A few names come over and over; checking each again costs more than the rest of a row.
_flow_id = lru_cache(FlowId)
_connection_id = lru_cache(ConnectionId)


def _at(connection: ConnectionId) -> dict[str, object]:
    return {"tenant": connection.tenant, "connection": connection.connection}
