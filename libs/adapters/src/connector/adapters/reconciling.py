"""Reconciliation of a flow: the source's documents as they are desired, against what its target shows."""

from sqlalchemy import text

from connector.adapters.runtime import Runtime
from connector.adapters.systems import RoomParts, flow_kinds, room
from connector.domain.documents.envelope import RECORDS
from connector.domain.identity import Entity
from connector.domain.ports.configuration import Flow
from connector.domain.reconciliation.projects import Coded, Reconciliation

_DOCUMENTS = text(
    """
    select d.entity, d.state, p.payload,
           (select coalesce(jsonb_agg(o.frozen), '[]') from target_object o
             where (o.tenant, o.target_connection, o.source_connection, o.entity, o.native_id)
                 = (d.tenant, d.target_connection, d.source_connection, d.entity, d.native_id)) as frozen
      from desired d join desired_payload p using (tenant, flow, entity, native_id)
     where d.tenant = :tenant and d.flow = :flow and d.entity in ('purchase-order', 'invoice')
    """
)


class NothingToReconcile(ValueError):
    """The flow's target keeps no books of projects."""


async def reconcile(run: Runtime, flow: Flow) -> Reconciliation:
    """Raises NothingToReconcile, GateError or VendorError."""
    target = room(flow_kinds()[flow.kind].target)
    if not hasattr(target, "reconcile"):
        raise NothingToReconcile(f"flow {flow.id} (of kind {flow.kind}) has no project books to reconcile")
    connection = (await run.configuration.current()).connections[flow.target]
    parts = RoomParts(connection=flow.target, settings=connection.settings, gate=run.gate, http=run.http)
    found: Reconciliation = await target.reconcile(parts, flow.options, await _documents(run, flow))
    return found


async def _documents(run: Runtime, flow: Flow) -> list[Coded]:
    async with run.engine.connect() as db:
        rows = await db.execute(_DOCUMENTS, {"tenant": flow.id.tenant, "flow": flow.id.flow})
        return [
            Coded(
                RECORDS[Entity(row.entity)].model_validate_json(row.payload),
                {origin: coding for frozen in row.frozen for origin, coding in frozen.items()},
                row.state,
            )
            for row in rows
        ]
