"""What one transaction of a dispatcher stores: intents before calls; outcomes, objects, verdicts and waits after."""
# ruff: noqa: S608 (the statements are put together from constants only)

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.domain.identity import RowRef
from connector.domain.ports.dispatch import Event, Intent, Judgement, Settlement, StoredObject
from connector.domain.ports.epochs import Hold
from connector.domain.ports.target import NaturalKey
from connector.domain.sync.states import State

from .columns import array_of, run
from .desired import made_due_by_mapping, row_columns
from .notify import notify
from .waiting import Key, lock_keys, wake

_ROWS = f"""{array_of("tenants")}, {array_of("flows")}, {array_of("entities")}, {array_of("ids")}"""
_ROW = "tenant, flow, entity, native_id"

_OPEN = text(
    f"""
    with calls as (
        insert into call (tenant, call_id, connection, epoch, method, resource, opened_at, not_after)
        select :tenant, c.call_id, :connection, :epoch, c.method, c.resource, clock_timestamp(),
               clock_timestamp() + make_interval(secs => c.deadline)
          from unnest({array_of("call_ids")}, {array_of("methods")}, {array_of("resources")},
                      {array_of("deadlines", "float")}) as c(call_id, method, resource, deadline))
    insert into call_item (tenant, call_id, flow, entity, native_id, part, step, creates, natural_key)
    select tenant, call_id, flow, entity, native_id, part, step, creates, cast(natural_key as jsonb)
      from unnest({_ROWS}, {array_of("item_calls")}, {array_of("parts")}, {array_of("steps")},
                  {array_of("creates", "boolean")}, {array_of("natural_keys")})
           as i({_ROW}, call_id, part, step, creates, natural_key)
    """
)

_CLOSE = text(
    f"""
    update call_item i
       set outcome = g.outcome, status = g.status, request_id = g.request_id, duration_ms = g.duration_ms,
           closed_at = clock_timestamp()
      from unnest({_ROWS}, {array_of("call_ids")}, {array_of("parts")}, {array_of("outcomes")},
                  {array_of("codes", "integer")}, {array_of("request_ids")}, {array_of("durations", "integer")})
           as g({_ROW}, call_id, part, outcome, status, request_id, duration_ms)
     where (i.tenant, i.call_id, i.flow, i.entity, i.native_id, i.part)
         = (g.tenant, g.call_id, g.flow, g.entity, g.native_id, g.part)
    """
)

_OTHERS_OBJECTS = text(
    f"""
    select g.flow, g.entity, g.native_id,
           o.tenant || '/' || o.source_connection || '/' || o.entity || '/' || o.native_id as owner
      from unnest({array_of("tenants")}, {array_of("flows")}, {array_of("entities")}, {array_of("ids")},
                  {array_of("sources")}, {array_of("resources")}, {array_of("target_ids")})
           as g(tenant, flow, entity, native_id, source, resource, target_id)
      join target_object o on o.tenant = g.tenant and o.target_connection = :connection
                          and o.resource = g.resource and o.target_id = g.target_id
     where o.entity not in ('supplier', 'reference')
       and (o.source_connection, o.entity, o.native_id) <> (g.source, g.entity, g.native_id)
    """
)

_STORE_OBJECTS = text(
    f"""
    with given as (
        select * from unnest(
            {array_of("sources")}, {array_of("entities")}, {array_of("ids")}, {array_of("parts")},
            {array_of("resources")}, {array_of("target_ids")}, {array_of("states")},
            {array_of("sub_ids")}, {array_of("generations", "integer")}, {array_of("written")},
            {array_of("reached")}, {array_of("frozen")}, {array_of("extras")}, {array_of("versions")})
            as g(source_connection, entity, native_id, part, resource, target_id, state, sub_ids, generation,
                 written_digest, step_reached, frozen, extra, version)
         order by 1, 2, 3, 4),
    before as (
        select source_connection, entity, native_id, part, o.version
          from target_object o join given g using (source_connection, entity, native_id, part)
         where o.tenant = :tenant and o.target_connection = :connection),
    stored as (
        insert into target_object (tenant, target_connection, source_connection, entity, native_id, part, resource,
                                   target_id, state, sub_ids, generation, written_digest, step_reached, frozen, extra,
                                   version)
        select :tenant, :connection, source_connection, entity, native_id, part, resource, target_id, state,
               cast(sub_ids as jsonb), generation, written_digest, step_reached, cast(frozen as jsonb),
               cast(extra as jsonb), version
          from given
        on conflict (tenant, target_connection, source_connection, entity, native_id, part) do update set
            resource = excluded.resource, target_id = excluded.target_id, state = excluded.state,
            sub_ids = excluded.sub_ids, generation = excluded.generation, written_digest = excluded.written_digest,
            step_reached = excluded.step_reached, frozen = excluded.frozen, extra = excluded.extra,
            version = excluded.version, updated_at = now())
    select g.source_connection, g.entity, g.native_id
      from given g left join before b using (source_connection, entity, native_id, part)
     where b.version is distinct from g.version
    """
)

# A row whose content changed since it was claimed stays due, whatever was judged of its older content.
_JUDGE = text(
    f"""
    with given as materialized (
        select * from unnest({_ROWS}, {array_of("contents")}, {array_of("resolved")}, {array_of("statuses")},
                             {array_of("states")}, {array_of("due_in", "float")}, {array_of("wait_in", "float")},
                             {array_of("attempts", "integer")}, {array_of("reasons")}, {array_of("differences")},
                             {array_of("configurations", "bigint")})
            as g({_ROW}, content_digest, resolved_digest, status, state, due_in, wait_in, attempts, reasons,
                 difference, configuration)
         order by 1, 2, 3, 4)
    update desired d set
        state = g.state,
        due = clock_timestamp() + make_interval(secs => g.due_in),
        wait_until = clock_timestamp() + make_interval(secs => g.wait_in),
        state_since = case when d.state = g.state then d.state_since else now() end,
        attempts = g.attempts,
        reasons = cast(g.reasons as jsonb),
        difference = cast(g.difference as jsonb),
        configuration = g.configuration,
        synced_at = case when g.state = 'synced' then now() else d.synced_at end,
        released = d.released and g.state <> 'synced',
        cause = case when g.state = 'synced' then 'source' else d.cause end
      from given g
     where (d.tenant, d.flow, d.entity, d.native_id) = (g.tenant, g.flow, g.entity, g.native_id)
       and (d.content_digest, d.status) = (g.content_digest, g.status)
       and (d.resolved_digest = g.resolved_digest or g.state not in ('blocked', 'waiting'))
       and d.state in ('due', 'waiting')
    returning d.flow, d.entity, d.native_id
    """
)

# Against `apply`, which makes synced rows due: whoever comes second sees what the first has done.
_BESIDE_APPLY = text("lock table configuration_change in row share mode")

_NEWEST = text("select coalesce(max(epoch), 0) from configuration_change")
_OF_AN_OLDER_MAPPING = text(
    f"""
    update desired d set state = 'due', due = now(), state_since = now(), cause = 'apply'
      from (select * from unnest({_ROWS}) as g({_ROW})) g
      join rendering r using ({_ROW})
      join flow f on (f.tenant, f.flow) = (g.tenant, g.flow)
      join desired_payload p on (p.tenant, p.flow, p.entity, p.native_id) = (g.tenant, g.flow, g.entity, g.native_id)
     where (d.tenant, d.flow, d.entity, d.native_id) = (g.tenant, g.flow, g.entity, g.native_id)
       and d.state = 'synced'
       and exists (
        select from jsonb_each_text(r.inputs) as i(key, version)
         cross join lateral (select split_part(i.key, '/', 1)) as at(named)
          left join mapping_entry m
            on (m.tenant, m.flow, m.table_name, m.key)
             = (g.tenant, g.flow, substr(at.named, length('mapping:') + 1), substr(i.key, length(at.named) + 2))
         where i.key like 'mapping:%' and cast(m.epoch as text) is distinct from i.version)
       and {made_due_by_mapping("f.on_mapping_change")}
    """
)

_STOP_WAITING = text(
    f"""
    delete from wait w using unnest({_ROWS}) as g({_ROW})
     where (w.tenant, w.flow, w.entity, w.native_id) = (g.tenant, g.flow, g.entity, g.native_id)
    """
)

_WAIT = text(
    f"""
    insert into wait ({_ROW}, key, version)
    select {_ROW}, key, version
      from unnest({_ROWS}, {array_of("keys")}, {array_of("versions")}) as g({_ROW}, key, version)
    on conflict do nothing
    """
)

_CAME_MEANWHILE = text(
    f"""
    select distinct g.key
      from unnest({array_of("keys")}, {array_of("versions")}) as g(key, version)
      left join lateral (
        select version from target_object o
         where g.key like 'link:%' and o.tenant = :tenant and o.target_connection = :connection
           and (o.source_connection, o.entity, o.native_id)
             = (split_part(g.key, '/', 2), split_part(g.key, '/', 3),
                substr(g.key, length(split_part(g.key, '/', 1) || split_part(g.key, '/', 2)
                                     || split_part(g.key, '/', 3)) + 4))
         order by part limit 1) l on true
      left join lateral (
        select version from reference r
         where g.key like 'reference:%' and r.tenant = :tenant and r.body is not null
           and (r.connection, r.kind, r.code)
             = (split_part(g.key, '/', 2), split_part(g.key, '/', 3),
                substr(g.key, length(split_part(g.key, '/', 1) || split_part(g.key, '/', 2)
                                     || split_part(g.key, '/', 3)) + 4))) r on true
     where g.key not like 'mapping:%' and coalesce(l.version, r.version) is distinct from g.version
    """
)

_INPUTS = text(
    f"""
    insert into rendering as r ({_ROW}, inputs, keys)
    select {_ROW}, cast(inputs as jsonb), array(select jsonb_object_keys(cast(inputs as jsonb)))
      from unnest({_ROWS}, {array_of("inputs")}) as g({_ROW}, inputs)
    on conflict ({_ROW}) do update set inputs = excluded.inputs, keys = excluded.keys
     where r.inputs <> excluded.inputs
    """
)

_FEEDBACK = text(
    f"""
    insert into feedback as f (tenant, source_connection, entity, native_id, round, flow, verdict, reasons, target)
    select g.tenant, source, entity, native_id, round, flow, verdict, cast(reasons as jsonb), cast(target as jsonb)
      from unnest({array_of("tenants")}, {array_of("flows")}, {array_of("entities")}, {array_of("ids")},
                  {array_of("sources")}, {array_of("rounds", "integer")}, {array_of("verdicts")},
                  {array_of("reasons")}, {array_of("targets")})
           as g(tenant, flow, entity, native_id, source, round, verdict, reasons, target)
    on conflict (tenant, source_connection, entity, native_id, round) do update
       set flow = excluded.flow, verdict = excluded.verdict, reasons = excluded.reasons, target = excluded.target,
           due = excluded.due
     where f.verdict <> 'rejected' and f.opened_at is null and f.ended is null
    """
)

_TELL = text(
    f"""
    insert into audit ({_ROW}, event, actor, detail)
    select {_ROW}, event, :actor, cast(detail as jsonb)
      from unnest({_ROWS}, {array_of("events")}, {array_of("details")}) as g({_ROW}, event, detail)
    """
)


async def open_calls(db: AsyncConnection, hold: Hold, intents: Sequence[Intent]) -> None:
    items = [(intent.call_id, item) for intent in intents for item in intent.items]
    await run(
        db,
        _OPEN,
        row_columns([item.row for _, item in items])
        | {
            "tenant": hold.connection.tenant,
            "connection": hold.connection.connection,
            "epoch": hold.epoch,
            "call_ids": [intent.call_id for intent in intents],
            "methods": [intent.method for intent in intents],
            "resources": [intent.resource for intent in intents],
            "deadlines": [intent.deadline_s for intent in intents],
            "item_calls": [call_id for call_id, _ in items],
            "parts": [item.part for _, item in items],
            "steps": [item.step for _, item in items],
            "creates": [item.creates for _, item in items],
            "natural_keys": [_key_text(item.natural_key) for _, item in items],
        },
    )


def _key_text(key: NaturalKey | None) -> str | None:
    return None if key is None else json.dumps({"resource": key.resource, "fields": key.fields})


async def settle(db: AsyncConnection, hold: Hold, settlements: Sequence[Settlement]) -> Mapping[RowRef, str]:
    """Store it all; rows with another document's object are left out and returned with its key."""
    tenant = hold.connection.tenant
    await db.execute(_BESIDE_APPLY)
    waits = [(s.due.row, wait) for s in settlements if s.judgement is not None for wait in s.judgement.waits]
    links = [(tenant, f"link:{s.due.ref.key}") for s in settlements if s.objects]
    await lock_keys(db, [*((tenant, wait.key) for _, wait in waits), *links])
    refused = await _others_objects(db, hold, settlements)
    kept = [s for s in settlements if s.due.row not in refused]
    await _close(db, kept)
    woken = await _store_objects(db, hold, kept)
    await _store_inputs(db, kept)
    await _judge(db, hold, [(s, s.judgement) for s in kept if s.judgement is not None], woken)
    await tell(db, [(s.due.row, event) for s in kept for event in s.events])
    return refused


async def _others_objects(db: AsyncConnection, hold: Hold, settlements: Sequence[Settlement]) -> dict[RowRef, str]:
    objects = [
        (s, stored)
        for s in settlements
        if s.due.row.entity not in ("supplier", "reference")
        for stored in s.objects.values()
    ]
    if not objects:
        return {}
    given = row_columns([s.due.row for s, _ in objects]) | {
        "connection": hold.connection.connection,
        "sources": [s.due.source.connection for s, _ in objects],
        "resources": [stored.resource for _, stored in objects],
        "target_ids": [stored.object.target_id for _, stored in objects],
    }
    rows = {(s.due.row.flow.flow, str(s.due.row.entity), s.due.row.native_id): s.due.row for s, _ in objects}
    found = await run(db, _OTHERS_OBJECTS, given)
    return {rows[row.flow, row.entity, row.native_id]: row.owner for row in found}


async def _close(db: AsyncConnection, settlements: Sequence[Settlement]) -> None:
    closed = [(s.due.row, one) for s in settlements for one in s.closed]
    if closed:
        await run(
            db,
            _CLOSE,
            row_columns([row for row, _ in closed])
            | {
                "call_ids": [one.call_id for _, one in closed],
                "parts": [one.part for _, one in closed],
                "outcomes": [str(one.outcome) for _, one in closed],
                "codes": [one.status for _, one in closed],
                "request_ids": [one.request_id for _, one in closed],
                "durations": [one.duration_ms for _, one in closed],
            },
        )


async def _store_objects(db: AsyncConnection, hold: Hold, settlements: Sequence[Settlement]) -> list[Key]:
    """The keys of links that changed: whoever waits for them is to be woken."""
    objects = [(s, part, stored) for s in settlements for part, stored in s.objects.items()]
    if not objects:
        return []
    given = _object_columns(objects) | {"tenant": hold.connection.tenant, "connection": hold.connection.connection}
    tenant = hold.connection.tenant
    return [
        (tenant, f"link:{tenant}/{row.source_connection}/{row.entity}/{row.native_id}")
        for row in await run(db, _STORE_OBJECTS, given)
    ]


def _object_columns(objects: Sequence[tuple[Settlement, str, StoredObject]]) -> dict[str, Any]:
    return {
        "sources": [s.due.source.connection for s, _, _ in objects],
        "entities": [str(s.due.row.entity) for s, _, _ in objects],
        "ids": [s.due.row.native_id for s, _, _ in objects],
        "parts": [part for _, part, _ in objects],
        "resources": [stored.resource for _, _, stored in objects],
        "target_ids": [stored.object.target_id for _, _, stored in objects],
        "states": [stored.state for _, _, stored in objects],
        "sub_ids": [_json(stored.object.sub_ids) for _, _, stored in objects],
        "generations": [stored.object.generation for _, _, stored in objects],
        "written": [stored.object.written_digest for _, _, stored in objects],
        "reached": [stored.object.step_reached for _, _, stored in objects],
        "frozen": [_json(stored.object.frozen) for _, _, stored in objects],
        "extras": [_json(stored.object.extra) for _, _, stored in objects],
        "versions": [stored.version for _, _, stored in objects],
    }


async def _store_inputs(db: AsyncConnection, settlements: Sequence[Settlement]) -> None:
    rendered = [(s.due.row, s.inputs) for s in settlements if s.inputs is not None]
    if rendered:
        inputs = [_json({one.key: one.version for one in used}) for _, used in rendered]
        await run(db, _INPUTS, row_columns([row for row, _ in rendered]) | {"inputs": inputs})


async def _judge(
    db: AsyncConnection, hold: Hold, judged: Sequence[tuple[Settlement, Judgement]], woken: Sequence[Key]
) -> None:
    if judged:
        rows = [s.due.row for s, _ in judged]
        taken = {(row.flow, row.entity, row.native_id) for row in await run(db, _JUDGE, _judgement_columns(judged))}
        await run(db, _STOP_WAITING, row_columns(rows))
        kept = [(s, j) for s, j in judged if (s.due.row.flow.flow, str(s.due.row.entity), s.due.row.native_id) in taken]
        woken = [*woken, *await _wait(db, hold, kept)]
        await _give_feedback(db, kept)
        await _judge_mapped_again(db, kept)
    await wake(db, woken)


async def _wait(db: AsyncConnection, hold: Hold, judged: Sequence[tuple[Settlement, Judgement]]) -> list[Key]:
    """Store what rows wait for; returned is what came between their look and these locks."""
    waits = [(s.due.row, wait) for s, judgement in judged for wait in judgement.waits]
    if not waits:
        return []
    keys = {"keys": [wait.key for _, wait in waits], "versions": [wait.version for _, wait in waits]}
    await run(db, _WAIT, row_columns([row for row, _ in waits]) | keys)
    at = {"tenant": hold.connection.tenant, "connection": hold.connection.connection}
    return [(hold.connection.tenant, row.key) for row in await run(db, _CAME_MEANWHILE, keys | at)]


async def _give_feedback(db: AsyncConnection, judged: Sequence[tuple[Settlement, Judgement]]) -> None:
    told = [(s, judgement.feedback) for s, judgement in judged if judgement.feedback is not None]
    if told:
        await run(
            db,
            _FEEDBACK,
            row_columns([s.due.row for s, _ in told])
            | {
                "sources": [one.source.connection for _, one in told],
                "rounds": [one.round for _, one in told],
                "verdicts": [str(one.verdict) for _, one in told],
                "reasons": [_reasons(one.reasons) for _, one in told],
                "targets": [_json(one.target) for _, one in told],
            },
        )
        for source in {one.source for _, one in told}:
            await notify(db, f"answer/{source}")


async def _judge_mapped_again(db: AsyncConnection, judged: Sequence[tuple[Settlement, Judgement]]) -> None:
    """Rows that were in hand while a mapping entry they used was changed: `apply` found nothing synced of them."""
    synced = [(s.due.row, judgement.configuration) for s, judgement in judged if judgement.state is State.SYNCED]
    if not synced:
        return
    newest = (await db.execute(_NEWEST)).scalar_one()
    if older := [row for row, configuration in synced if configuration < newest]:
        await run(db, _OF_AN_OLDER_MAPPING, row_columns(older))


def _judgement_columns(judged: Sequence[tuple[Settlement, Judgement]]) -> dict[str, Any]:
    return row_columns([s.due.row for s, _ in judged]) | {
        "contents": [s.due.content_digest for s, _ in judged],
        "resolved": [s.due.resolved_digest for s, _ in judged],
        "statuses": [str(s.due.status) for s, _ in judged],
        "states": [str(judgement.state) for _, judgement in judged],
        "due_in": [judgement.due_in_s for _, judgement in judged],
        "wait_in": [judgement.wait_in_s for _, judgement in judged],
        "attempts": [judgement.attempts for _, judgement in judged],
        "reasons": [_reasons(judgement.reasons) for _, judgement in judged],
        "differences": [None if j.difference is None else _json(j.difference) for _, j in judged],
        "configurations": [judgement.configuration for _, judgement in judged],
    }


async def tell(db: AsyncConnection, events: Sequence[tuple[RowRef, Event]], actor: str = "connector") -> None:
    """Add to the rows' stories."""
    if events:
        await run(
            db,
            _TELL,
            row_columns([row for row, _ in events])
            | {
                "actor": actor,
                "events": [event.name for _, event in events],
                "details": [_json(event.detail) for _, event in events],
            },
        )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), default=str)


def _reasons(reasons: Sequence[Any]) -> str:
    return json.dumps([reason.model_dump(exclude_none=True) for reason in reasons])
