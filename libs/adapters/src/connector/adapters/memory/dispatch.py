"""`Dispatch` in memory."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest

from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId, RowRef, TrafficClass
from connector.domain.ports.dispatch import (
    Closed,
    DueRow,
    Event,
    Intent,
    Judgement,
    OpenCall,
    Settlement,
    Standing,
    StoredObject,
    Verdict,
    linked,
)
from connector.domain.ports.epochs import Hold
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import LinkedObject
from connector.domain.sync.states import Cause, State, move

from .tables import CallItem, MemoryTables, Row

_CLASSES = (TrafficClass.LIVE, TrafficClass.CATCH_UP, TrafficClass.BACKFILL)
_LINKED_TO = (Entity.SUPPLIER, Entity.REFERENCE)
"""These link to no document."""


class MemoryDispatch:
    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def claim(
        self,
        hold: Hold,
        flows: Collection[FlowId],
        limit: int,
        exclude: Collection[RowRef],
        last: TrafficClass = TrafficClass.BACKFILL,
    ) -> Sequence[DueRow]:
        self._tables.require(hold)
        now = self._tables.now()
        groups: defaultdict[tuple[int, FlowId], list[tuple[datetime, RowRef]]] = defaultdict(list)
        for ref, row in self._tables.rows.items():
            wanted = row.desired.target == hold.connection and ref.flow in flows and ref not in exclude
            rank = _CLASSES.index(row.desired.traffic)
            if wanted and row.due is not None and row.due <= now and rank <= _CLASSES.index(last):
                groups[rank, ref.flow].append((row.due, ref))
        in_turn = zip_longest(*(sorted(group) for _, group in sorted(groups.items())))
        picked = [entry[1] for turn in in_turn for entry in turn if entry is not None]
        return [self._due_row(self._tables.rows[ref]) for ref in picked[:limit]]

    def _due_row(self, row: Row) -> DueRow:
        desired, now = row.desired, self._tables.now()
        return DueRow(
            row=desired.row,
            source=desired.source,
            target=desired.target,
            revision=desired.revision,
            content_digest=desired.content_digest,
            resolved_digest=desired.resolved_digest,
            status=desired.status,
            traffic=desired.traffic,
            cause=row.cause,
            state=row.state,
            attempts=row.attempts,
            released=row.released,
            wait_in_s=None if row.wait_until is None else (row.wait_until - now).total_seconds(),
            received_s=(now - row.received_at).total_seconds(),
            payload=desired.payload,
            objects=dict(self._tables.objects.get((desired.target, row.source_ref), {})),
            open_calls=[
                OpenCall(
                    call_id=item.call_id,
                    part=item.part,
                    step=item.step,
                    creates=item.creates,
                    opened_at=item.opened_at,
                    not_after_in_s=(item.not_after - now).total_seconds(),
                    natural_key=item.natural_key,
                )
                for item in self._tables.items.get(desired.row, ())
                if item.unresolved
            ],
            verdicts={
                number: Verdict(feedback.verdict, feedback.reasons, self._tables.answer((ref, number)).left)
                for (ref, number), feedback in self._tables.feedback.items()
                if ref == row.source_ref
            },
            traceparent=desired.traceparent,
        )

    async def next_due_in_s(self, hold: Hold, flows: Collection[FlowId]) -> float | None:
        now = self._tables.now()
        due = [
            row.due
            for ref, row in self._tables.rows.items()
            if row.desired.target == hold.connection and ref.flow in flows and row.due is not None and row.due > now
        ]
        return (min(due) - now).total_seconds() if due else None

    async def changed(self, target: ConnectionId, timeout_s: float) -> None:
        await self._tables.bell.wait(f"write/{target}", timeout_s)

    async def open_call(self, hold: Hold, intent: Intent) -> None:
        self._tables.require(hold)
        opened, not_after = self._tables.now(), self._tables.in_s(intent.deadline_s)
        self._tables.intents[intent.call_id] = intent
        for item in intent.items:
            self._tables.items[item.row].append(
                CallItem(
                    item.row, intent.call_id, item.part, item.step, item.creates, opened, not_after, item.natural_key
                )
            )

    async def settle(self, hold: Hold, settlements: Sequence[Settlement]) -> Mapping[RowRef, str]:
        self._tables.require(hold)
        refused = {s.due.row: owner for s in settlements if (owner := self._owner_of_other(s)) is not None}
        for settlement in settlements:
            if settlement.due.row not in refused:
                self._store(settlement)
        return refused

    def _owner_of_other(self, settlement: Settlement) -> str | None:
        if settlement.due.row.entity in ("supplier", "reference"):
            return None
        for stored in settlement.objects.values():
            key = (settlement.due.target, stored.resource, stored.object.target_id)
            owner = self._tables.owners.get(key)
            if owner is not None and owner != settlement.due.ref:
                return owner.key
        return None

    def _store(self, settlement: Settlement) -> None:
        due, tables = settlement.due, self._tables
        for closed in settlement.closed:
            self._close(due.row, closed)
        for event in settlement.events:
            tables.note(due.row, event.name, event.detail)
        if settlement.objects:
            self._link(due, settlement.objects)
        row = tables.rows.get(due.row)
        if row is None:
            return
        if settlement.inputs is not None:
            row.inputs = {dependency.key: dependency.version for dependency in settlement.inputs}
        if settlement.judgement is not None:
            self._judge(row, due, settlement.judgement)

    def _close(self, row: RowRef, closed: Closed) -> None:
        for item in self._tables.items[row]:
            if (item.call_id, item.part) == (closed.call_id, closed.part):
                item.outcome = closed.outcome

    def _link(self, due: DueRow, objects: Mapping[str, StoredObject]) -> None:
        tables = self._tables
        key = f"link:{due.ref.key}"
        before = tables.version_of(due.target, key)
        known = tables.objects[due.target, due.ref]
        for part, stored in objects.items():
            if part in known:
                tables.owners.pop((due.target, known[part].resource, known[part].object.target_id), None)
            known[part] = stored
            tables.owners[due.target, stored.resource, stored.object.target_id] = due.ref
        if tables.version_of(due.target, key) != before:
            tables.wake(due.row.flow.tenant, key)

    def _judge(self, row: Row, due: DueRow, judgement: Judgement) -> None:
        tables, ref = self._tables, due.row
        tables.stop_waiting(ref)
        newer = (row.desired.content_digest, row.desired.status) != (due.content_digest, due.status)
        if newer or (
            row.desired.resolved_digest != due.resolved_digest and judgement.state in (State.BLOCKED, State.WAITING)
        ):
            return
        row.state = move(row.state, judgement.state)
        row.state_since = tables.now()
        row.due = None if judgement.due_in_s is None else tables.in_s(judgement.due_in_s)
        row.wait_until = None if judgement.wait_in_s is None else tables.in_s(judgement.wait_in_s)
        row.attempts, row.reasons = judgement.attempts, tuple(judgement.reasons)
        row.configuration, row.difference = judgement.configuration, judgement.difference
        if judgement.state is State.SYNCED:
            row.synced_at, row.released, row.cause = tables.now(), False, Cause.SOURCE
            if tables.of_an_older_mapping(row):
                row.cause = Cause.APPLY
                tables.make_due(ref)
        if judgement.feedback is not None:
            tables.tell(due.ref, ref.flow, judgement.feedback)
        for wait in judgement.waits:
            tables.waits[ref.flow.tenant, wait.key][ref] = wait.version
        for wait in judgement.waits:
            if not wait.key.startswith("mapping:") and tables.version_of(due.target, wait.key) != wait.version:
                tables.wake(ref.flow.tenant, wait.key)

    async def links(
        self, target: ConnectionId, refs: Collection[EntityRef]
    ) -> Mapping[EntityRef, tuple[str, LinkedObject]]:
        found: dict[EntityRef, tuple[str, LinkedObject]] = {}
        for ref in refs:
            objects = self._tables.objects.get((target, ref))
            if objects:
                found[ref] = linked(objects)
        return found

    async def linking(self, target: ConnectionId, keys: Collection[str]) -> Mapping[str, Sequence[LinkedObject]]:
        found: defaultdict[str, dict[EntityRef, LinkedObject]] = defaultdict(dict)
        for row in self._tables.rows.values():
            objects = self._tables.objects.get((target, row.source_ref))
            if row.desired.target == target and objects:
                for key in row.inputs.keys() & set(keys):
                    found[key][row.source_ref] = linked(objects)[1]
        return {key: list(by_ref.values()) for key, by_ref in found.items()}

    async def needed(self, hold: Hold, refs: Collection[EntityRef]) -> Collection[EntityRef]:
        rows = [row for row in self._tables.rows.values() if row.desired.target == hold.connection]
        return {ref for ref in refs if any(_needs(row, ref) for row in rows)}

    async def coming(
        self, target: ConnectionId, flows: Collection[FlowId], refs: Collection[EntityRef]
    ) -> Collection[EntityRef]:
        return {
            ref for ref in refs if self._tables.objects.get((target, ref)) or self._comes(target, flows, ref, set())
        }

    def _comes(self, target: ConnectionId, flows: Collection[FlowId], ref: EntityRef, seen: set[RowRef]) -> bool:
        for flow in flows:
            name = RowRef(flow, ref.entity, ref.native_id)
            row = self._tables.rows.get(name)
            if row is None or name in seen or (row.desired.source, row.desired.target) != (ref.connection, target):
                continue
            seen.add(name)
            if row.state is State.DUE:
                return True
            if row.state is not State.WAITING:
                continue
            if row.wait_until is None or row.wait_until > self._tables.now():
                return True
            links = [key.removeprefix("link:") for _, key in self._tables.waited_for(name) if key.startswith("link:")]
            if any(self._comes(target, flows, EntityRef.parse(link), seen) for link in links):
                return True
        return False

    async def waited_references(self, hold: Hold) -> Sequence[ReferenceKey]:
        prefix = f"reference:{hold.connection}/"
        found = []
        for tenant, key in self._tables.waits:
            if tenant == hold.connection.tenant and key.startswith(prefix):
                kind, _, code = key.removeprefix(prefix).partition("/")
                found.append(ReferenceKey(hold.connection, kind, code))
        return sorted(found)

    async def standing(self, hold: Hold, flows: Collection[FlowId], limit: int, unseen_s: float) -> Sequence[Standing]:
        self._tables.require(hold)
        before = self._tables.in_s(-unseen_s)
        rows = [
            (row.synced_at, ref, objects)
            for ref, row in self._tables.rows.items()
            if row.desired.target == hold.connection
            and ref.flow in flows
            and row.state is State.SYNCED
            and row.synced_at is not None
            and row.synced_at <= before
            and (objects := self._tables.objects.get((hold.connection, row.source_ref)))
        ]
        oldest = sorted(rows, key=lambda found: found[:2])[:limit]
        return [Standing(ref, dict(objects)) for _, ref, objects in oldest]

    async def seen(self, hold: Hold, rows: Collection[RowRef], changed: Collection[RowRef]) -> None:
        self._tables.require(hold)
        for ref in rows:
            row = self._tables.rows.get(ref)
            if row is None or row.state is not State.SYNCED:
                continue
            row.synced_at = self._tables.now()
            if ref in changed:
                row.cause, row.attempts = Cause.SWEEP, 0
                self._tables.make_due(ref)
                self._tables.note(ref, "changed-in-target", {})

    async def report(self, row: RowRef, event: Event) -> None:
        self._tables.note(row, event.name, event.detail)

    async def rejudge(self, hold: Hold, flow: FlowId, configuration: int, *, live: bool) -> int:
        self._tables.require(hold)
        again = [
            ref
            for ref, row in self._tables.rows.items()
            if ref.flow == flow
            and row.configuration < configuration
            and (row.state is State.BLOCKED or (live and row.state is State.HELD and _for(row, "dry-run")))
        ]
        for ref in again:
            self._tables.make_due(ref)
        return len(again)

    async def brake(self, hold: Hold, flow: FlowId, allowed_count: int, allowed_share: float) -> int | None:
        self._tables.require(hold)
        rows = [row for ref, row in self._tables.rows.items() if ref.flow == flow]
        if any(row.state is State.DUE and row.cause is not Cause.SOURCE for row in rows):
            return None
        held = [row for row in rows if row.state is State.HELD and _for(row, "mass-change")]
        synced = sum(row.synced_at is not None for row in rows)
        if len(held) > max(allowed_count, allowed_share * synced):
            return 0
        for row in held:
            row.released = True
            self._tables.make_due(row.desired.row)
        return len(held)


def _for(row: Row, code: str) -> bool:
    return any(reason.code == code for reason in row.reasons)


def _needs(row: Row, ref: EntityRef) -> bool:
    """Whether it is still to be written and links to the document, or may."""
    if row.state in (State.SYNCED, State.EXCLUDED, State.REJECTED):
        return False
    unknown = row.state is State.DUE and not row.inputs and row.desired.row.entity not in _LINKED_TO
    return f"link:{ref.key}" in row.inputs or (unknown and row.desired.source == ref.connection)
