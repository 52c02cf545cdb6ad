"""`Operations` in memory."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from connector.domain.identity import ConnectionId, Entity, FlowId, RowRef
from connector.domain.ports.configuration import OnMappingChange
from connector.domain.ports.dispatch import StoredObject
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

from .tables import MemoryTables, Row

EXAMPLES = 5


class MemoryOperations:
    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def stuck(self, flow: FlowId) -> Sequence[StuckBy]:
        groups: defaultdict[tuple[State, str, str | None], list[tuple[Reason, RowRef]]] = defaultdict(list)
        for ref, row in sorted(self._tables.rows.items()):
            if ref.flow == flow and row.state in STUCK:
                for reason in row.reasons:
                    groups[row.state, reason.code, reason.missing].append((reason, ref))
        found = [
            StuckBy(flow, state, rows[0][0], len(rows), [ref for _, ref in rows[:EXAMPLES]])
            for (state, _, _), rows in groups.items()
        ]
        return sorted(found, key=lambda one: (-one.count, one.state, one.reason.code, one.reason.missing or ""))

    async def counts(self, tenant: str) -> Mapping[FlowId, Mapping[Entity, Mapping[State, int]]]:
        counts: dict[FlowId, dict[Entity, dict[State, int]]] = {}
        for ref, row in self._tables.rows.items():
            if ref.flow.tenant == tenant:
                states = counts.setdefault(ref.flow, {}).setdefault(ref.entity, {})
                states[row.state] = states.get(row.state, 0) + 1
        return counts

    async def oldest_due(self, tenant: str) -> Mapping[FlowId, datetime]:
        oldest: dict[FlowId, datetime] = {}
        for ref, row in self._tables.rows.items():
            if ref.flow.tenant == tenant and row.state is State.DUE and row.due and row.due <= self._tables.now():
                oldest[ref.flow] = min(row.due, oldest.get(ref.flow, row.due))
        return oldest

    async def find(self, tenant: str, text: str) -> Sequence[RowRef]:
        return sorted(
            ref
            for ref, row in self._tables.rows.items()
            if ref.flow.tenant == tenant
            and (text in (ref.native_id, row.desired.number) or text in self._target_ids(row))
        )

    def _target_ids(self, row: Row) -> set[str]:
        objects = self._tables.objects.get((row.desired.target, row.source_ref), {})
        return {stored.object.target_id for stored in objects.values()}

    async def row(self, row: RowRef) -> RowView | None:
        found = self._tables.rows.get(row)
        if found is None:
            return None
        return RowView(
            row=row,
            number=found.desired.number,
            state=found.state,
            state_since=found.state_since,
            reasons=found.reasons,
            attempts=found.attempts,
            due_at=found.due,
            read_at=found.desired.revision.read_at,
            translation_version=found.desired.revision.translation_version,
            difference=found.difference,
            objects=dict(self._tables.objects.get((found.desired.target, found.source_ref), {})),
            document=found.desired.payload,
        )

    async def story(self, row: RowRef) -> Sequence[StoryLine]:
        return list(self._tables.audit[row])

    async def count(self, selection: Selection) -> int:
        return sum(1 for _ in self._selected(selection))

    async def withheld(self, selection: Selection, limit: int) -> Sequence[Withheld]:
        held = [(ref, self._tables.rows[ref]) for ref in sorted(self._selected(selection))]
        found = [Withheld(ref, row.desired.number, row.difference) for ref, row in held if row.difference is not None]
        return found[:limit]

    def _selected(self, selection: Selection) -> Iterable[RowRef]:
        for ref, row in list(self._tables.rows.items()):
            if (
                ref.flow == selection.flow
                and row.state in selection.states
                and selection.entity in (None, ref.entity)
                and (selection.native_ids is None or ref.native_id in selection.native_ids)
                and (selection.code is None or any(r.code == selection.code for r in row.reasons))
                and (selection.missing is None or any(r.missing == selection.missing for r in row.reasons))
            ):
                yield ref

    async def release(self, selection: Selection, actor: str) -> int:
        released = [ref for ref in self._selected(selection) if self._tables.rows[ref].state in RELEASABLE]
        for ref in released:
            row = self._tables.rows[ref]
            row.released, row.attempts, row.wait_until = True, 0, None
            self._tables.make_due(ref)
            self._tables.note(ref, "released", {}, actor)
        return len(released)

    async def again(self, selection: Selection, cause: Cause, actor: str) -> int:
        chosen = list(self._selected(selection))
        for ref in chosen:
            row = self._tables.rows[ref]
            if row.state is not State.DUE:
                row.cause, row.attempts = cause, 0
                self._tables.make_due(ref)
            self._tables.note(ref, "again", {"cause": str(cause)}, actor)
        return len(chosen)

    async def hurry(self, connection: ConnectionId) -> None:
        for row in self._tables.rows.values():
            rests = row.state is State.DUE and any(reason.code in NO_CALL for reason in row.reasons)
            if row.desired.target == connection and rests:
                row.due = self._tables.now()
        self._tables.ring(connection)

    async def link(self, row: RowRef, part: str, resource: str, target_id: str, actor: str) -> None:
        found = self._tables.rows[row]
        target: ConnectionId = found.desired.target
        owner = self._tables.owners.get((target, resource, target_id))
        if owner is not None and owner != found.source_ref and row.entity not in (Entity.SUPPLIER, Entity.REFERENCE):
            raise ValueError(f"{target_id} is already linked to {owner.key}")
        objects = self._tables.objects[target, found.source_ref]
        generation = objects[part].object.generation + 1 if part in objects else 0
        linked = TargetObject(target_id, {}, generation, None, "linked")
        objects[part] = StoredObject(resource, "linked", linked)
        self._tables.owners[target, resource, target_id] = found.source_ref
        self._tables.note(row, "linked", {"part": part, "target_id": target_id}, actor)
        found.released, found.attempts = True, 0
        self._tables.make_due(row)
        self._tables.wake(row.flow.tenant, f"link:{found.source_ref.key}")

    async def users(self, flow: FlowId, keys: Collection[str], which: OnMappingChange) -> int:
        return sum(1 for _ in self._users(flow, keys, which))

    def _users(self, flow: FlowId, keys: Collection[str], which: OnMappingChange) -> Iterable[RowRef]:
        for ref, row in list(self._tables.rows.items()):
            used = ref.flow == flow and row.state is State.SYNCED and not row.inputs.keys().isdisjoint(keys)
            if used and row.means(which):
                yield ref

    async def touch(self, flow: FlowId, keys: Collection[str], which: OnMappingChange, actor: str) -> int:
        tables = self._tables
        waiting = {ref for key in keys for ref in tables.waits.get((flow.tenant, key), {}) if ref.flow == flow}
        stuck = {ref for ref in waiting if tables.rows[ref].state in (State.WAITING, State.BLOCKED)}
        used = set(self._users(flow, keys, which))
        for ref in used:
            tables.rows[ref].cause = Cause.APPLY
        for ref in stuck | used:
            tables.make_due(ref)
            tables.note(ref, "mapping-changed", {"keys": sorted(keys)}, actor)
        return len(stuck | used)
