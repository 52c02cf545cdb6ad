"""`DesiredRows` on PostgreSQL: one statement a batch."""
# ruff: noqa: S608 (the statements are put together from constants only)

import json
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import RowRef, TrafficClass
from connector.domain.ports.desired import Desired, Upserted
from connector.domain.ports.operations import ENDED

from .columns import array_of, run
from .notify import notify

CLASSES = (TrafficClass.LIVE, TrafficClass.CATCH_UP, TrafficClass.BACKFILL)

_ENDED = ", ".join(f"'{status}'" for status in sorted(ENDED))
_STATUS = (
    "coalesce(cast(p.payload as jsonb) #>> '{document,lifecycle}', cast(p.payload as jsonb) #>> '{document,status}')"
)


def made_due_by_mapping(which: str) -> str:
    """SQL: whether `which`, an `OnMappingChange`, means the row whose payload is `p`."""
    return f"({which} = 'all' or ({which} = 'open' and ({_STATUS} in ({_ENDED})) is not true))"


# A CTE's rows are sorted, so that two intakes lock them in the same order.
_UPSERT = text(
    f"""
    with given as materialized (
        select * from unnest(
            {array_of("tenants")}, {array_of("flows")}, {array_of("entities")}, {array_of("ids")},
            {array_of("sources")}, {array_of("targets")}, {array_of("numbers")},
            {array_of("read_ats", "timestamptz")}, {array_of("versions", "integer")}, {array_of("contents")},
            {array_of("resolved")}, {array_of("statuses")}, {array_of("classes", "smallint")},
            {array_of("payloads")}, {array_of("details")}, {array_of("traceparents")}, {array_of("reads")})
            as g(tenant, flow, entity, native_id, source_connection, target_connection, number, read_at,
                 translation_version, content_digest, resolved_digest, status, class, payload, detail, traceparent,
                 read_digest)
         order by tenant, flow, entity, native_id),
    newer as (
        insert into desired as d (tenant, flow, entity, native_id, source_connection, target_connection, number,
                                  read_at, translation_version, content_digest, resolved_digest, status, class,
                                  cause, state, due, first_due, traceparent, read_digest)
        select tenant, flow, entity, native_id, source_connection, target_connection, number, read_at,
               translation_version, content_digest, resolved_digest, status, class, 'source', 'due', now(), now(),
               traceparent, read_digest
          from given
        on conflict (tenant, flow, entity, native_id) do update set
            source_connection = excluded.source_connection,
            target_connection = excluded.target_connection,
            number = excluded.number,
            read_at = excluded.read_at,
            translation_version = excluded.translation_version,
            content_digest = excluded.content_digest,
            resolved_digest = excluded.resolved_digest,
            status = excluded.status,
            traceparent = excluded.traceparent,
            read_digest = excluded.read_digest,
            class = case when d.state = 'due' then least(d.class, excluded.class) else excluded.class end,
            received_at = now(),
            cause = case
                when (d.content_digest, d.status) = (excluded.content_digest, excluded.status) then d.cause
                when excluded.read_at > d.read_at and (d.read_digest = excluded.read_digest) is not true then 'source'
                when d.state = 'due' then d.cause
                when excluded.read_at > d.read_at then 'apply'
                else 'translation' end,
            attempts = case when (d.content_digest, d.status) = (excluded.content_digest, excluded.status)
                then d.attempts else 0 end,
            released = d.released and (d.content_digest, d.status) = (excluded.content_digest, excluded.status),
            (state, due, state_since, wait_until) = (
                select case when made_due then 'due' else d.state end,
                       case when made_due then now() else d.due end,
                       case when made_due then now() else d.state_since end,
                       case when made_due then null else d.wait_until end
                  from (select (d.content_digest, d.status) <> (excluded.content_digest, excluded.status)
                            or (d.resolved_digest <> excluded.resolved_digest and d.state in ('blocked', 'waiting'))
                            as made_due) m)
         where (excluded.read_at, excluded.translation_version) > (d.read_at, d.translation_version)
        returning d.tenant, d.flow, d.entity, d.native_id, d.target_connection, d.due = now() as due),
    payloads as (
        insert into desired_payload as p (tenant, flow, entity, native_id, payload)
        select g.tenant, g.flow, g.entity, g.native_id, g.payload
          from given g join newer n using (tenant, flow, entity, native_id)
        on conflict (tenant, flow, entity, native_id) do update set payload = excluded.payload),
    story as (
        insert into audit (tenant, flow, entity, native_id, event, actor, detail)
        select g.tenant, g.flow, g.entity, g.native_id, 'received', 'connector', cast(g.detail as jsonb)
          from given g join newer n using (tenant, flow, entity, native_id))
    select tenant, target_connection, count(*) as newer, count(*) filter (where due) as due
      from newer group by tenant, target_connection
    """
)

_FORGET = text(
    f"""
    with given as (select * from unnest({array_of("tenants")}, {array_of("flows")}, {array_of("entities")},
                                        {array_of("ids")}) as g(tenant, flow, entity, native_id)),
    payloads as (delete from desired_payload p using given g
                  where (p.tenant, p.flow, p.entity, p.native_id) = (g.tenant, g.flow, g.entity, g.native_id)),
    waits as (delete from wait w using given g
               where (w.tenant, w.flow, w.entity, w.native_id) = (g.tenant, g.flow, g.entity, g.native_id)),
    renderings as (delete from rendering r using given g
                    where (r.tenant, r.flow, r.entity, r.native_id) = (g.tenant, g.flow, g.entity, g.native_id))
    delete from desired d using given g
     where (d.tenant, d.flow, d.entity, d.native_id) = (g.tenant, g.flow, g.entity, g.native_id)
    """
)


class PostgresDesiredRows:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def upsert(self, wanted: Sequence[Desired]) -> Upserted:
        if not wanted:
            return Upserted(0, 0)
        async with self._engine.begin() as db:
            per_target = (await run(db, _UPSERT, _columns(wanted))).all()
            for row in per_target:
                if row.due:
                    await notify(db, f"write/{row.tenant}/{row.target_connection}")
        return Upserted(sum(row.newer for row in per_target), sum(row.due for row in per_target))

    async def forget(self, rows: Sequence[RowRef]) -> int:
        async with self._engine.begin() as db:
            return (await run(db, _FORGET, row_columns(rows))).rowcount


def row_columns(rows: Sequence[RowRef]) -> dict[str, object]:
    """Rows as the four arrays that lead every statement."""
    return {
        "tenants": [row.flow.tenant for row in rows],
        "flows": [row.flow.flow for row in rows],
        "entities": [str(row.entity) for row in rows],
        "ids": [row.native_id for row in rows],
    }


def _columns(wanted: Sequence[Desired]) -> dict[str, object]:
    return row_columns([desired.row for desired in wanted]) | {
        "sources": [desired.source.connection for desired in wanted],
        "targets": [desired.target.connection for desired in wanted],
        "numbers": [desired.number for desired in wanted],
        "read_ats": [desired.revision.read_at for desired in wanted],
        "versions": [desired.revision.translation_version for desired in wanted],
        "contents": [desired.content_digest for desired in wanted],
        "resolved": [desired.resolved_digest for desired in wanted],
        "statuses": [str(desired.status) for desired in wanted],
        "classes": [CLASSES.index(desired.traffic) for desired in wanted],
        "payloads": [desired.payload for desired in wanted],
        "details": [_detail(desired) for desired in wanted],
        "traceparents": [desired.traceparent for desired in wanted],
        "reads": [desired.read_digest for desired in wanted],
    }


def _detail(desired: Desired) -> str:
    origin = desired.origin
    return json.dumps(
        {
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
            "read_at": desired.revision.read_at.isoformat(),
            "content_digest": desired.content_digest,
            "status": desired.status,
        }
    )
