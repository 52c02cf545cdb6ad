"""After a schedule: is every source document in the target exactly once and equal, or blocked with a true reason?

Judges by what the ERP and the shop hold and by their histories; of the platform only the rows are read, for their state
and their reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.adapters.memory.tables import Row
from connector.adapters.memory.target import OUR_USER, Record
from connector.domain.identity import Entity, EntityRef, RowRef
from connector.domain.reasons import Reason
from connector.domain.sync.states import State

from .acting import RESOURCES
from .erp import Document, account
from .shop import Written
from .world import FLOW, SOURCE, TARGET, World

CONTENT_STEPS = ("create", "update")
LOST, DOUBLED, DISAGREEING = "lost", "doubled", "disagreeing"


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is lost, doubled or disagreeing (wrong content, order, reason or state)."""

    kind: str
    message: str


def check(world: World) -> list[Finding]:
    return list(_findings(world))


def _findings(world: World) -> Iterator[Finding]:
    for trouble in world.troubles:
        yield Finding(DISAGREEING, trouble)
    for document in world.erp.documents.values():
        yield from _Checked(world, document).findings()
    yield from _others_untouched(world)
    yield from _figures_committed(world)
    yield from _mapped_once(world)


def _others_untouched(world: World) -> Iterator[Finding]:
    """Suppliers may be taken over by the flow's rules; documents of people never."""
    for record in world.shop.vendor.records:
        theirs = record.made_by != OUR_USER and record.resource != RESOURCES[Entity.SUPPLIER]
        if theirs and any(written.by_us for written in world.shop.history[record.id]):
            yield Finding(DISAGREEING, f"{record.id} was made by a person, and we changed it")


def _figures_committed(world: World) -> Iterator[Finding]:
    for record in world.shop.vendor.records:
        if record.status == "submitted" and record.net is not None and record.net != _net(record.content):
            yield Finding(DISAGREEING, f"{record.id} was submitted with other figures than were sent")


def _net(content: Mapping[str, Any]) -> Decimal:
    lines = content.get("lines", {}).values()
    return sum((Decimal(line[0] if isinstance(line, list) else line) for line in lines), Decimal(0))


def _mapped_once(world: World) -> Iterator[Finding]:
    again = ("reset-mapper", "translation-raised", "compaction")
    if any(world.covered[kind] for kind in again):
        return
    documents = len(world.cluster.records(world.documents))
    mapped = sum(len(world.cluster.records(topic)) for topic in world.canonical)
    if mapped != documents:
        kind = LOST if mapped < documents else DOUBLED
        yield Finding(kind, f"{documents} documents became {mapped} canonical records")


class _Checked:
    """One source document against its row and its object."""

    def __init__(self, world: World, document: Document) -> None:
        self.world = world
        self.document = document
        self.ref = EntityRef(SOURCE, document.entity, document.id)
        self.row: Row | None = world.tables.rows.get(RowRef(FLOW, document.entity, document.id))
        self.objects = [r for r in world.shop.vendor.records if r.stamp == self.ref.key]

    def findings(self) -> Iterator[Finding]:
        made = [record for record in self.objects if record.made_by == OUR_USER and not self._ended_unknown(record)]
        live = [record for record in self.objects if record.live]
        if len(made) > 1 or len(live) > 1:
            yield self._finding(DOUBLED, f"made {len(made)} times, {len(live)} live")
        yield from self._order()
        yield from self._cancelled_with_cause()
        yield from self._row_findings(live)

    def _finding(self, kind: str, message: str) -> Finding:
        return Finding(kind, f"{self.ref.key}: {message}")

    def _ended_by_people(self, record: Record) -> bool:
        ends = [written for written in self.world.shop.history[record.id] if written.what in ("cancelled", "deleted")]
        return not record.live and any(not written.by_us for written in ends)

    def _ended_unknown(self, record: Record) -> bool:
        """By a person, before we ever learned of it: only what replaces that is no double, and undoes nobody's work."""
        lines = self.world.tables.audit[RowRef(FLOW, self.document.entity, self.document.id)]
        known = any(line.detail.get("target_id") == record.id for line in lines)
        return self._ended_by_people(record) and not known

    @property
    def _gone(self) -> bool:
        return self.document.deleted or self.document.record["lifecycle"] == "cancelled"

    def _row_findings(self, live: list[Record]) -> Iterator[Finding]:
        row = self.row
        if row is None:
            yield self._finding(LOST, "it has no row")
            return
        stale = self._stale(row)
        if stale is not None:
            yield self._finding(LOST, stale)
        match row.state:
            case State.SYNCED if self._gone:
                if live:
                    yield self._finding(DISAGREEING, "gone at the source, live in the target")
            case State.SYNCED:
                yield from self._equal()
            case State.EXCLUDED:
                if not self.document.deleted or self.objects:
                    yield self._finding(LOST, f"excluded: {_codes(row)}")
            case State.BLOCKED | State.REJECTED:
                for reason in row.reasons:
                    if not self._true(reason, row):
                        yield self._finding(DISAGREEING, f"{row.state} for a reason that is not so: {reason}")
                if not row.reasons:
                    yield self._finding(DISAGREEING, f"{row.state} without a reason")
            case _:
                yield self._finding(LOST, f"never settled: {row.state} {_codes(row)}")

    def _stale(self, row: Row) -> str | None:
        """Whether the row's newest revision is not what the source holds now."""
        status, payload = str(row.desired.status), row.desired.payload
        if self.document.deleted:
            return None if status == "deleted" else f"deleted at the source, its row says {status}"
        if self.document.record["garbled"]:
            return None if status == "rejected" else f"garbled at the source, its row says {status}"
        marks = [line["amount"] for line in self.document.record["lines"]]
        if self.document.entity is Entity.SUPPLIER:
            marks = [self.document.record["name"]]
        if all(f'"{mark}"' in payload for mark in marks):
            return None
        return f"the source holds {marks}, the row an older version ({status})"

    def _equal(self) -> Iterator[Finding]:
        """The last thing we wrote is what the source holds; what people did after that stays."""
        objects = [record for record in self.objects if not self._ended_unknown(record)] or self.objects
        if not objects:
            yield self._finding(LOST, "synced, and not in the target")
            return
        record = objects[0]
        if self._ended_by_people(record):
            yield self._finding(LOST, f"people {record.status} {record.id}, its row says synced")
        history = self.world.shop.history[record.id]
        ours = [written for written in history if written.by_us and written.what in CONTENT_STEPS]
        people_after = bool(history) and not history[-1].by_us
        if not ours:
            yield self._finding(LOST, "synced, and never written")
            return
        if not _matches(self.expected(), ours[-1].content):
            yield self._finding(LOST, f"holds {ours[-1].content}, the source {self.expected()}")
        if not people_after and (not record.live or not _matches(self.expected(), record.content)):
            yield self._finding(DISAGREEING, f"is {record.status} with {record.content}")
        if not people_after and record.resource != RESOURCES[Entity.SUPPLIER] and record.status != "submitted":
            yield self._finding(DISAGREEING, f"synced and only {record.status}")

    def expected(self, record: Mapping[str, Any] | None = None, version: int | None = None) -> dict[str, Any]:
        """How the shop shows a version of the document."""
        record = record or self.document.record
        lines = record["lines"]
        match self.document.entity:
            case Entity.SUPPLIER:
                return {"number": record["number"], "name": record["name"]}
            case Entity.INVOICE:
                return {"number": record["number"], "lines": {line["id"]: line["amount"] for line in lines}}
        of = self.world.version if version is None else version
        shown = {line["id"]: [line["amount"], f"T{account(line['account'], of)}"] for line in lines}
        return {"number": record["number"], "currency": "EUR", "lines": shown}

    def _order(self) -> Iterator[Finding]:
        """Versions were written in the order they were saved in; what it needs was there first."""
        for record in self.objects:
            history = self.world.shop.history[record.id]
            ours = [written for written in history if written.by_us and written.what in CONTENT_STEPS]
            if not self._in_order(ours):
                yield self._finding(LOST, f"an older version was written after a newer one: {ours}")
        made = [record for record in self.objects if record.made_by == OUR_USER]
        for record in made:
            for needed in self._needed():
                if not self._was_there(needed, record):
                    yield self._finding(DISAGREEING, f"{record.id} was made before {needed.key}")

    def _cancelled_with_cause(self) -> Iterator[Finding]:
        """Only what was gone at the source may be cancelled in the target."""
        document = self.document
        if document.ever_deleted or any(record["lifecycle"] == "cancelled" for record in document.history):
            return
        for record in self.objects:
            if any(written.by_us and written.what == "cancel" for written in self.world.shop.history[record.id]):
                yield self._finding(DISAGREEING, f"we cancelled {record.id}, and the source never did")

    def _in_order(self, ours: list[Written]) -> bool:
        at = 0
        versions = range(1, self.world.version + 1)
        saved = [[self.expected(record, v) for v in versions] for record in self.document.history]
        for written in ours:
            while at < len(saved) and not any(_matches(one, written.content) for one in saved[at]):
                at += 1
            if at == len(saved):
                return False
        return True

    def _needed(self) -> Iterator[EntityRef]:
        links = {Entity.PURCHASE_ORDER: ("supplier",), Entity.INVOICE: ("supplier", "order")}
        entities = {"supplier": Entity.SUPPLIER, "order": Entity.PURCHASE_ORDER}
        for name in links.get(self.document.entity, ()):
            if self.document.record[name]:
                yield EntityRef(SOURCE, entities[name], self.document.record[name])

    def _was_there(self, needed: EntityRef, record: Record) -> bool:
        records = self.world.shop.vendor.records
        before = records[: records.index(record)]
        return any(known.stamp == needed.key or known.made_by != OUR_USER for known in before)

    def _not_there(self, needed: EntityRef) -> bool:
        """Not in the target; or a call for it had no answer, and a person was asked about that document since."""
        row = self.world.tables.rows.get(RowRef(FLOW, needed.entity, needed.native_id))
        asked = row is not None and row.state in (State.BLOCKED, State.REJECTED)
        if asked and (TARGET, needed) not in self.world.tables.objects:
            return True
        return not any(record.stamp == needed.key for record in self.world.shop.vendor.records)

    def _linked_ids(self) -> list[str]:
        """Objects that are ours by the flow's rules need not carry our mark yet."""
        known = self.world.tables.objects.get((TARGET, self.ref), {})
        return [stored.object.target_id for stored in known.values()]

    def _true(self, reason: Reason, row: Row) -> bool:
        """Whether a reason to block holds now; a refusal that was told to the source need only have held then."""
        if reason.code == "doubled":
            return False
        if row.state is State.REJECTED:
            return True
        resource, number = RESOURCES[self.document.entity], self.document.record["number"]
        match reason.code:
            case "garbled":
                return bool(self.document.record["garbled"])
            case "number-taken-in-target":
                return any(r.stamp != self.ref.key for r in self.world.shop.vendor.live(resource, number))
            case "refused-in-target":
                linked = list(filter(None, map(self.world.shop.vendor.by_id, self._linked_ids())))
                return any(record is not None and not record.live for record in [*self.objects, *linked])
            case "changed-in-target":
                linked = [*self.objects, *filter(None, map(self.world.shop.vendor.by_id, self._linked_ids()))]
                return any(not written.by_us for record in linked for written in self.world.shop.history[record.id])
            case "supplier-not-there" | "order-not-there":
                return any(
                    str(reason.missing).endswith(needed.key) and self._not_there(needed) for needed in self._needed()
                )
            case "target-differs":
                return any(r.net is not None and r.net != _net(r.content) for r in self.objects)
            case _:
                return False


def _matches(expected: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    return dict(expected) == dict(content)


def _codes(row: Row) -> list[str]:
    return [reason.code for reason in row.reasons]
