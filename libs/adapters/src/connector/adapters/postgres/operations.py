"""`Operations` on PostgreSQL."""
# ruff: noqa: S608 (the statements are put together from constants only)

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.domain.identity import ConnectionId, Entity, FlowId, RowRef
from connector.domain.ports.configuration import OnMappingChange
from connector.domain.ports.dispatch import Event, StoredObject
from connector.domain.ports.operations import (
    NO_CALL,
    RELEASABLE,
    STUCK,
    RowView,
    Selection,
    StoryLine,
    StuckBy,
    Withheld,
)
from connector.domain.ports.target import TargetObject
from connector.domain.reasons import Reason
from connector.domain.sync.states import Cause, State

from .desired import made_due_by_mapping
from .dispatch import stored_object
from .notify import notify
from .settling import tell
from .waiting import lock_keys, wake

EXAMPLES = 5

_STUCK = text(
    """
    select state, r.reason ->> 'code' as code, count(*) as count, (array_agg(r.reason))[1] as reason,
           (array_agg(entity || '/' || native_id order by entity, native_id))[1:5] as examples
      from desired cross join lateral jsonb_array_elements(reasons) as r(reason)
     where tenant = :tenant and flow = :flow and state = any(cast(:states as text[]))
       and state in ('waiting', 'blocked', 'held', 'failed', 'rejected', 'excluded')
     group by state, r.reason ->> 'code', r.reason ->> 'missing'
     order by count(*) desc, state, code, r.reason ->> 'missing' nulls first
    """
)

_SELECTED = """
    tenant = :tenant and flow = :flow and state = any(cast(:states as text[]))
    and (cast(:entity as text) is null or entity = :entity)
    and (cast(:ids as text[]) is null or native_id = any(cast(:ids as text[])))
    and (cast(:code as text) is null or reasons @> jsonb_build_array(jsonb_build_object('code', cast(:code as text))))
    and (cast(:missing as text) is null
         or reasons @> jsonb_build_array(jsonb_build_object('missing', cast(:missing as text))))
"""
_COUNT = text(f"select count(*) from desired where {_SELECTED}")
_WITHHELD = text(
    f"""
    select entity, native_id, number, difference from desired where {_SELECTED} and difference is not null
     order by entity, native_id limit :limit
    """
)
_RELEASE = text(
    f"""
    update desired set released = true, attempts = 0, wait_until = null, state = 'due', due = now(), state_since = now()
     where {_SELECTED} returning *
    """
)
_AGAIN = text(
    f"""
    update desired set cause = case when state = 'due' then cause else :cause end, attempts = 0, state = 'due',
           due = now(), state_since = now()
     where {_SELECTED} returning *
    """
)
_HURRY = text(
    """
    update desired set due = now()
     where tenant = :tenant and target_connection = :target and state = 'due' and due > now()
       and exists (select from jsonb_array_elements(reasons) as r where r ->> 'code' = any(cast(:codes as text[])))
    """
)

_FIND = text(
    """
    select flow, entity, native_id from desired where tenant = :tenant and (native_id = :text or number = :text)
     union
    select d.flow, d.entity, d.native_id
      from target_object o join desired d using (tenant, source_connection, target_connection, entity, native_id)
     where o.tenant = :tenant and o.target_id = :text
     order by 1, 2, 3
    """
)

_ROW = text(
    """
    select d.*, p.payload from desired d join desired_payload p using (tenant, flow, entity, native_id)
     where (d.tenant, d.flow, d.entity, d.native_id) = (:tenant, :flow, :entity, :id)
    """
)

_OBJECTS = text(
    """
    select * from target_object
     where (tenant, target_connection, source_connection, entity, native_id)
         = (:tenant, :target, :source, :entity, :id)
    """
)

_STORY = text(
    """
    select at, event, actor, detail from audit
     where (tenant, flow, entity, native_id) = (:tenant, :flow, :entity, :id) order by at, id
    """
)

_OWNER = text(
    """
    select tenant || '/' || source_connection || '/' || entity || '/' || native_id as owner from target_object
     where tenant = :tenant and target_connection = :target and resource = :resource and target_id = :target_id
       and entity not in ('supplier', 'reference')
       and (source_connection, entity, native_id) <> (:source, :entity, :id)
    """
)

_LINK = text(
    """
    insert into target_object as o (tenant, target_connection, source_connection, entity, native_id, part, resource,
                                    target_id, state, sub_ids, generation, step_reached, frozen, extra, version)
    values (:tenant, :target, :source, :entity, :id, :part, :resource, :target_id, 'linked', '{}', 0, 'linked', '{}',
            '{}', :version)
    on conflict (tenant, target_connection, source_connection, entity, native_id, part) do update set
        resource = excluded.resource, target_id = excluded.target_id, state = 'linked', sub_ids = '{}',
        generation = o.generation + 1, written_digest = null, step_reached = 'linked', extra = '{}',
        version = excluded.version, updated_at = now()
    """
)

_USERS = f"""
    select r.flow, r.entity, r.native_id from rendering r join desired_payload p using (tenant, flow, entity, native_id)
     where r.tenant = :tenant and r.flow = :flow and r.keys && cast(:keys as text[])
       and {made_due_by_mapping(":which")}
"""
_COUNT_USERS = text(
    f"""
    select count(*) from desired d join ({_USERS}) u using (flow, entity, native_id)
     where d.tenant = :tenant and d.state = 'synced'
    """
)
_TOUCH = text(
    f"""
    with stuck as (
        select w.flow, w.entity, w.native_id from wait w
         where w.tenant = :tenant and w.flow = :flow and w.key = any(cast(:keys as text[]))),
    used as ({_USERS})
    update desired d
       set cause = case when d.state = 'synced' then 'apply' else d.cause end,
           state = 'due', due = now(), state_since = now()
     where d.tenant = :tenant and d.flow = :flow
       and ((d.state in ('waiting', 'blocked') and (d.flow, d.entity, d.native_id) in (select * from stuck))
            or (d.state = 'synced' and (d.flow, d.entity, d.native_id) in (select * from used)))
    returning *
    """
)


class PostgresOperations:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def stuck(self, flow: FlowId) -> Sequence[StuckBy]:
        given = {"tenant": flow.tenant, "flow": flow.flow, "states": sorted(STUCK)}
        async with self._engine.begin() as db:
            return [
                StuckBy(
                    flow,
                    State(row.state),
                    Reason.model_validate(row.reason),
                    row._mapping["count"],
                    [_example(flow, one) for one in row.examples],
                )
                for row in await db.execute(_STUCK, given)
            ]

    async def counts(self, tenant: str) -> Mapping[FlowId, Mapping[Entity, Mapping[State, int]]]:
        counts: defaultdict[FlowId, defaultdict[Entity, dict[State, int]]] = defaultdict(lambda: defaultdict(dict))
        statement = text("select flow, entity, state, count(*) from desired where tenant = :tenant group by 1, 2, 3")
        async with self._engine.begin() as db:
            for flow, entity, state, count in await db.execute(statement, {"tenant": tenant}):
                counts[FlowId(tenant, flow)][Entity(entity)][State(state)] = count
        return counts

    async def oldest_due(self, tenant: str) -> Mapping[FlowId, datetime]:
        statement = text(
            "select flow, min(due) from desired where tenant = :tenant and state = 'due' and due <= now() group by flow"
        )
        async with self._engine.begin() as db:
            return {FlowId(tenant, flow): due for flow, due in await db.execute(statement, {"tenant": tenant})}

    async def find(self, tenant: str, text: str) -> Sequence[RowRef]:
        async with self._engine.begin() as db:
            found = await db.execute(_FIND, {"tenant": tenant, "text": text})
            return [RowRef(FlowId(tenant, row.flow), Entity(row.entity), row.native_id) for row in found]

    async def row(self, row: RowRef) -> RowView | None:
        async with self._engine.begin() as db:
            found = (await db.execute(_ROW, _at(row))).first()
            if found is None:
                return None
            at = _at(row) | {"target": found.target_connection, "source": found.source_connection}
            objects = {one.part: stored_object(one) for one in await db.execute(_OBJECTS, at)}
        return RowView(
            row=row,
            number=found.number,
            state=State(found.state),
            state_since=found.state_since,
            reasons=[Reason.model_validate(reason) for reason in found.reasons],
            attempts=found.attempts,
            due_at=found.due,
            read_at=found.read_at,
            translation_version=found.translation_version,
            difference=found.difference,
            objects=objects,
            document=found.payload,
        )

    async def story(self, row: RowRef) -> Sequence[StoryLine]:
        async with self._engine.begin() as db:
            return [StoryLine(*line) for line in await db.execute(_STORY, _at(row))]

    async def count(self, selection: Selection) -> int:
        async with self._engine.begin() as db:
            return int((await db.execute(_COUNT, _selected(selection))).scalar_one())

    async def withheld(self, selection: Selection, limit: int) -> Sequence[Withheld]:
        async with self._engine.begin() as db:
            return [
                Withheld(RowRef(selection.flow, Entity(row.entity), row.native_id), row.number, row.difference)
                for row in await db.execute(_WITHHELD, _selected(selection) | {"limit": limit})
            ]

    async def release(self, selection: Selection, actor: str) -> int:
        given = _selected(selection) | {"states": sorted(selection.states & RELEASABLE)}
        async with self._engine.begin() as db:
            return await _made_due(db, (await db.execute(_RELEASE, given)).all(), Event("released"), actor)

    async def again(self, selection: Selection, cause: Cause, actor: str) -> int:
        async with self._engine.begin() as db:
            rows = (await db.execute(_AGAIN, _selected(selection) | {"cause": str(cause)})).all()
            return await _made_due(db, rows, Event("again", {"cause": str(cause)}), actor)

    async def hurry(self, connection: ConnectionId) -> None:
        given = {"tenant": connection.tenant, "target": connection.connection, "codes": sorted(NO_CALL)}
        async with self._engine.begin() as db:
            await db.execute(_HURRY, given)
            await notify(db, f"write/{connection}")

    async def link(self, row: RowRef, part: str, resource: str, target_id: str, actor: str) -> None:
        linked = StoredObject(resource, "linked", TargetObject(target_id, {}, 0, None, "linked"))
        async with self._engine.begin() as db:
            found = (await db.execute(_ROW, _at(row))).one()
            key = (row.flow.tenant, f"link:{row.flow.tenant}/{found.source_connection}/{row.entity}/{row.native_id}")
            await lock_keys(db, [key])
            given = _at(row) | {
                "target": found.target_connection,
                "source": found.source_connection,
                "part": part,
                "resource": resource,
                "target_id": target_id,
                "version": linked.version,
            }
            owner = (await db.execute(_OWNER, given)).scalar()
            if owner is not None and row.entity not in (Entity.SUPPLIER, Entity.REFERENCE):
                raise ValueError(f"{target_id} is already linked to {owner}")
            await db.execute(_LINK, given)
            one = {"states": [str(state) for state in State], "entity": str(row.entity), "ids": [row.native_id]}
            rows = (await db.execute(_RELEASE, _at(row) | one | {"code": None, "missing": None})).all()
            await _made_due(db, rows, Event("linked", {"part": part, "target_id": target_id}), actor)
            await wake(db, [key])

    async def users(self, flow: FlowId, keys: Collection[str], which: OnMappingChange) -> int:
        async with self._engine.begin() as db:
            return int((await db.execute(_COUNT_USERS, _using(flow, keys, which))).scalar_one())

    async def touch(self, flow: FlowId, keys: Collection[str], which: OnMappingChange, actor: str) -> int:
        async with self._engine.begin() as db:
            return await touch_users(db, flow, keys, which, actor)


async def touch_users(
    db: AsyncConnection, flow: FlowId, keys: Collection[str], which: OnMappingChange, actor: str
) -> int:
    """`Operations.touch`, within the transaction that changes the entries."""
    await lock_keys(db, [(flow.tenant, key) for key in keys])
    rows = (await db.execute(_TOUCH, _using(flow, keys, which))).all()
    return await _made_due(db, rows, Event("mapping-changed", {"keys": sorted(keys)}), actor)


def _using(flow: FlowId, keys: Collection[str], which: OnMappingChange) -> dict[str, Any]:
    return {
        "tenant": flow.tenant,
        "flow": flow.flow,
        "keys": list(keys),
        "which": str(which),
    }


async def _made_due(db: AsyncConnection, rows: Sequence[Any], event: Event, actor: str) -> int:
    refs = [RowRef(FlowId(row.tenant, row.flow), Entity(row.entity), row.native_id) for row in rows]
    await tell(db, [(ref, event) for ref in refs], actor)
    for tenant, target in sorted({(row.tenant, row.target_connection) for row in rows}):
        await notify(db, f"write/{tenant}/{target}")
    return len(rows)


def _example(flow: FlowId, text: str) -> RowRef:
    entity, _, native_id = text.partition("/")
    return RowRef(flow, Entity(entity), native_id)


def _selected(selection: Selection) -> dict[str, Any]:
    return {
        "tenant": selection.flow.tenant,
        "flow": selection.flow.flow,
        "states": sorted(selection.states),
        "entity": None if selection.entity is None else str(selection.entity),
        "ids": None if selection.native_ids is None else list(selection.native_ids),
        "code": selection.code,
        "missing": selection.missing,
    }


def _at(row: RowRef) -> dict[str, Any]:
    return {"tenant": row.flow.tenant, "flow": row.flow.flow, "entity": str(row.entity), "id": row.native_id}
