"""`Configuration` on PostgreSQL, and the changes people make to it: apply, pause, resume, release."""

import json
import secrets as random_names
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.adapters.configuration.tenant_file import Tenant
from connector.adapters.systems import flow_kinds, room
from connector.domain.identity import ConnectionId, Entity, FlowId
from connector.domain.ports.configuration import (
    Connection,
    Flow,
    FlowState,
    MappingEntry,
    OnBlock,
    OnMappingChange,
    Snapshot,
)

from .notify import Listener, notify

Then = Callable[[AsyncConnection], Awaitable[None]]

_KEY = "configuration"
_MAXIMUM_AGE_S = 5.0


class NotConfigured(LookupError):
    """No connection or flow of that name."""


class PostgresConfiguration:
    """See the port. The snapshot is read again only when the epoch has risen."""

    def __init__(self, engine: AsyncEngine, listener: Listener | None = None) -> None:
        self._engine = engine
        self._listener = listener
        self._snapshot: Snapshot | None = None

    async def current(self) -> Snapshot:
        async with self._engine.connect() as db:
            epoch = (await db.execute(text("select coalesce(max(epoch), 0) from configuration_change"))).scalar_one()
            if self._snapshot is None or self._snapshot.epoch != epoch:
                await db.rollback()
                await db.execute(text("set transaction isolation level repeatable read, read only"))
                self._snapshot = await _read(db)
            return self._snapshot

    async def changed(self, epoch: int, timeout_s: float) -> None:
        if self._snapshot is not None and self._snapshot.epoch > epoch:
            return
        if self._listener is None:
            raise RuntimeError("waiting for changes needs a listener")
        await self._listener.wait(_KEY, min(timeout_s, _MAXIMUM_AGE_S))

    async def endpoints(self) -> dict[str, ConnectionId]:
        """Webhook endpoint id -> connection."""
        async with self._engine.connect() as db:
            rows = await db.execute(text("select endpoint_id, tenant, connection from connection"))
            return {row.endpoint_id: ConnectionId(row.tenant, row.connection) for row in rows}

    async def apply(self, tenant: Tenant, by_whom: str, what: Any, then: Then | None = None) -> int:
        """Make a tenant's configuration this one; flows that are new begin in dry-run. Returns the epoch.

        What follows from it happens `then`, in the same transaction: a second apply would see no difference.
        """
        async with self._engine.begin() as db:
            epoch = await _change(db, tenant.name, by_whom, what)
            for name, entry in tenant.connections.items():
                settings = room(entry.system).Settings.model_validate(entry.settings).model_dump(mode="json")
                await db.execute(
                    text(
                        """
                        insert into connection (tenant, connection, system, settings, endpoint_id,
                                                call_deadline_s, processing_s)
                        values (:tenant, :connection, :system, cast(:settings as jsonb), :endpoint,
                                :deadline, :processing)
                        on conflict (tenant, connection) do update
                           set system = excluded.system, settings = excluded.settings,
                               call_deadline_s = excluded.call_deadline_s, processing_s = excluded.processing_s
                        """
                    ),
                    {
                        "tenant": tenant.name,
                        "connection": name,
                        "system": entry.system,
                        "settings": json.dumps(settings),
                        "endpoint": random_names.token_urlsafe(24),
                        "deadline": entry.call_deadline_s,
                        "processing": entry.processing_s,
                    },
                )
            for name in tenant.flows:
                await _apply_flow(db, tenant, name, epoch)
            await _remove_undeclared(db, tenant)
            if then is not None:
                await then(db)
            return epoch

    async def pause(self, tenant: str, name: str, reason: str, by_whom: str) -> str:
        """Pause a connection or a flow of that name; returns which it was. Raises NotConfigured."""
        return await self._set_paused(tenant, name, reason, by_whom)

    async def resume(self, tenant: str, name: str, by_whom: str) -> str:
        return await self._set_paused(tenant, name, None, by_whom)

    async def _set_paused(self, tenant: str, name: str, reason: str | None, by_whom: str) -> str:
        async with self._engine.begin() as db:
            for table in ("connection", "flow"):
                done = await db.execute(
                    text(f"update {table} set paused = :reason where tenant = :tenant and {table} = :name"),  # noqa: S608
                    {"tenant": tenant, "name": name, "reason": reason},
                )
                if done.rowcount:
                    act = "resume" if reason is None else "pause"
                    await _change(db, tenant, by_whom, {act: f"{table} {name}", "reason": reason})
                    return table
        raise NotConfigured(f"tenant {tenant} has no connection or flow {name!r}: see `connector status`")

    async def go_live(self, flow: FlowId, by_whom: str) -> bool:
        """End a flow's dry run; False if it was live already. Raises NotConfigured."""
        async with self._engine.begin() as db:
            state = (
                await db.execute(
                    text("select state from flow where tenant = :tenant and flow = :flow for update"),
                    {"tenant": flow.tenant, "flow": flow.flow},
                )
            ).scalar()
            if state is None:
                raise NotConfigured(f"tenant {flow.tenant} has no flow {flow.flow!r}: see `connector status`")
            if state == FlowState.LIVE:
                return False
            await db.execute(
                text("update flow set state = 'live' where tenant = :tenant and flow = :flow"),
                {"tenant": flow.tenant, "flow": flow.flow},
            )
            await _change(db, flow.tenant, by_whom, {"release": str(flow)})
            return True


async def _change(db: AsyncConnection, tenant: str, by_whom: str, what: Any) -> int:
    """Raise the epoch. The lock makes epochs appear in their order."""
    await db.execute(text("lock table configuration_change in exclusive mode"))
    inserted = await db.execute(
        text(
            "insert into configuration_change (tenant, by_whom, what)"
            " values (:tenant, :by, cast(:what as jsonb)) returning epoch"
        ),
        {"tenant": tenant, "by": by_whom, "what": json.dumps(what, default=str)},
    )
    await notify(db, _KEY)
    return int(inserted.scalar_one())


async def _apply_flow(db: AsyncConnection, tenant: Tenant, name: str, epoch: int) -> None:
    entry, kind = tenant.flows[name], tenant.kind(name)
    at = {"tenant": tenant.name, "flow": name}
    await db.execute(
        text(
            """
            insert into flow (tenant, flow, kind, source_connection, target_connection, entities, reference_kinds,
                              state, start_date, options, on_mapping_change, on_block, wait_s)
            values (:tenant, :flow, :kind, :source, :target, :entities, :references, 'dry-run', :start_date,
                    cast(:options as jsonb), :on_mapping_change, :on_block, :wait_s)
            on conflict (tenant, flow) do update
               set kind = excluded.kind, source_connection = excluded.source_connection,
                   target_connection = excluded.target_connection, entities = excluded.entities,
                   reference_kinds = excluded.reference_kinds, start_date = excluded.start_date,
                   options = excluded.options, on_mapping_change = excluded.on_mapping_change,
                   on_block = excluded.on_block, wait_s = excluded.wait_s
            """
        ),
        at
        | {
            "kind": entry.kind,
            "source": entry.source,
            "target": entry.target,
            "entities": sorted(entry.entities or kind.entities),
            "references": sorted(entry.references),
            "start_date": entry.start_date,
            "options": json.dumps(kind.options.model_validate(entry.options).model_dump(mode="json")),
            "on_mapping_change": str(entry.on_mapping_change),
            "on_block": str(entry.on_block),
            "wait_s": entry.wait_s,
        },
    )
    rows = [
        (table, key, value) for (flow, table), t in tenant.tables.items() if flow == name for key, value in t.items()
    ]
    columns = {"tables": [r[0] for r in rows], "keys": [r[1] for r in rows], "values": [r[2] for r in rows]}
    await db.execute(
        text(
            """
            delete from mapping_entry where tenant = :tenant and flow = :flow and (table_name, key) not in
                (select * from unnest(cast(:tables as text[]), cast(:keys as text[])))
            """
        ),
        at | {"tables": columns["tables"], "keys": columns["keys"]},
    )
    await db.execute(
        text(
            """
            insert into mapping_entry as m (tenant, flow, table_name, key, value, epoch)
            select :tenant, :flow, r.table_name, r.key, r.value, :epoch
              from unnest(cast(:tables as text[]), cast(:keys as text[]), cast(:values as text[]))
                   as r(table_name, key, value)
            on conflict (tenant, flow, table_name, key) do update
               set value = excluded.value, epoch = excluded.epoch where m.value <> excluded.value
            """
        ),
        at | columns | {"epoch": epoch},
    )


async def _remove_undeclared(db: AsyncConnection, tenant: Tenant) -> None:
    for table, declared in (("flow", tenant.flows), ("connection", tenant.connections)):
        await db.execute(
            text(f"delete from {table} where tenant = :tenant and {table} <> all(:declared)"),  # noqa: S608
            {"tenant": tenant.name, "declared": list(declared)},
        )


async def _read(db: AsyncConnection) -> Snapshot:
    epoch = (await db.execute(text("select coalesce(max(epoch), 0) from configuration_change"))).scalar_one()
    connections = {}
    for row in await db.execute(text("select * from connection")):
        connection = ConnectionId(row.tenant, row.connection)
        settings = room(row.system).Settings.model_validate(row.settings)
        connections[connection] = Connection(
            connection, row.system, settings, row.paused, row.call_deadline_s, row.processing_s
        )
    flows = {flow.id: flow for flow in [_flow(row) for row in await db.execute(text("select * from flow"))]}
    mappings: defaultdict[tuple[FlowId, str], dict[str, MappingEntry]] = defaultdict(dict)
    for row in await db.execute(text("select * from mapping_entry")):
        mappings[FlowId(row.tenant, row.flow), row.table_name][row.key] = MappingEntry(row.value, str(row.epoch))
    return Snapshot(int(epoch), connections, flows, mappings)


def _flow(row: Any) -> Flow:
    kind = flow_kinds()[row.kind]
    return Flow(
        id=FlowId(row.tenant, row.flow),
        kind=row.kind,
        source=ConnectionId(row.tenant, row.source_connection),
        target=ConnectionId(row.tenant, row.target_connection),
        entities=frozenset(Entity(entity) for entity in row.entities),
        references=frozenset(row.reference_kinds),
        state=FlowState.PAUSED if row.paused is not None else FlowState(row.state),
        start_date=row.start_date,
        options=kind.options.model_validate(row.options),
        on_mapping_change=OnMappingChange(row.on_mapping_change),
        on_block=OnBlock(row.on_block),
        wait_s=row.wait_s,
        feedback=kind.feedback,
    )
