"""The instance's memory: collections with indexes, and the unit of work that changes them all or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .fields import CUSTOM, Kind, Record
from .schema import SCHEMA, SUPPLIER
from .settings import Settings

Path = tuple[str, ...]
NONE: Mapping[int, Record] = {}


class Rejected(Exception):
    """A write refused with 400; `errors` maps an attribute to its messages."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name} {', '.join(texts)}" for name, texts in errors.items()))
        self.errors = errors


class Collection:
    """All objects of one kind in id order, findable by indexed attribute, and in the order they last changed."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.records: dict[int, Record] = {}
        self.recent: dict[int, Record] = {}
        self.removed: list[Record] = []
        self._index: dict[Path, dict[Hashable, dict[int, Record]]] = {}
        self._entries: dict[int, list[tuple[Path, Hashable]]] = {}

    def put(self, record: Record, *, quietly: bool = False) -> None:
        """Store a new object or re-index a changed one; it becomes the most recent, unless `quietly`."""
        self._forget(record.id)
        self.records[record.id] = record
        if not quietly:
            self.recent.pop(record.id, None)
            self.recent[record.id] = record
        entries = list(self._keys_of(record))
        for path, value in entries:
            self._index.setdefault(path, {}).setdefault(value, {})[record.id] = record
        self._entries[record.id] = entries

    def remove(self, record: Record) -> None:
        self._forget(record.id)
        del self.records[record.id]
        self.recent.pop(record.id, None)
        self.removed.append(record)

    def is_indexed(self, path: Path) -> bool:
        if path[0] == CUSTOM:
            return len(path) == 2
        return len(path) <= 2 and path[0] in self.kind.indexed and path[1:] in ((), ("id",))

    def having(self, path: Path, value: Hashable) -> Mapping[int, Record]:
        return self._index.get(path, {}).get(value, NONE)

    def find(self, name: str, value: Hashable) -> list[Record]:
        """The objects whose indexed attribute equals the value, in id order."""
        if name == "id":
            record = self.records.get(value) if isinstance(value, int) else None
            return [record] if record else []
        bucket = self.having((name,), value)
        return [bucket[key] for key in sorted(bucket)]

    def _keys_of(self, record: Record) -> Iterator[tuple[Path, Hashable]]:
        for name in self.kind.indexed:
            value = record.values.get(name)
            if isinstance(value, Record):
                yield (name, "id"), value.id
            elif value is not None:
                yield (name,), value
        for name, value in (record.values.get(CUSTOM) or {}).items():
            if value is not None:
                yield (CUSTOM, name), custom_text(value)

    def _forget(self, record_id: int) -> None:
        for path, value in self._entries.pop(record_id, ()):
            bucket = self._index[path][value]
            del bucket[record_id]
            if not bucket:
                del self._index[path][value]


@dataclass(frozen=True, slots=True)
class Segment:
    """One position of a dynamic chart of accounts: its name and the lookup whose values it takes."""

    name: str
    lookup: Record


@dataclass(frozen=True, slots=True)
class Transmission:
    """An order sent to its supplier."""

    order_id: int
    po_number: str
    version: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Something a webhook may tell."""

    name: str
    object_type: str
    object_id: int
    updated_at: datetime


@dataclass
class Instance:
    """One customer's Coupa: its data, its switches, its clock."""

    settings: Settings
    now: Callable[[], datetime]
    random: random.Random
    collections: dict[str, Collection] = field(
        default_factory=lambda: {path: Collection(k) for path, k in SCHEMA.items()}
    )
    charts: dict[int, list[Segment]] = field(default_factory=dict)
    transmissions: list[Transmission] = field(default_factory=list)
    notes: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    """Comments and attachments, by (kind of note and collection, object id)."""
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    _sequences: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, path: str) -> Collection:
        return self.collections[path]

    def next_id(self, sequence: str) -> int:
        """Each table counts from a start of its own, so that an id of one is not taken for an id of another."""
        start = self._sequences.get(sequence)
        if start is None:
            taken = {value // 1_000_000 for value in self._sequences.values()}
            start = next(n for n in range(1, 100) if n not in taken) * 1_000_000 + self.random.randrange(100, 900)
        self._sequences[sequence] = start + 1
        return start + 1

    def moment(self) -> datetime:
        """Now, as it is stored: to the second."""
        return self.now().replace(microsecond=0)


class Unit:
    """One change, by one user. Leaving the block commits it, or undoes everything and raises `Rejected`."""

    def __init__(self, instance: Instance, user: Record | None, *, creating: bool, person: bool = False) -> None:
        self.instance = instance
        self.user = user
        self.creating = creating
        self.person = person
        """Whether somebody works at the screen, to whom the API's restrictions do not apply."""
        self.quiet = False
        """Whether updated-at stays as it was."""
        self.errors: dict[str, list[str]] = {}
        self.created: list[Record] = []
        self._new: set[int] = set()
        self._before: dict[int, tuple[Record, dict[str, Any], bool]] = {}

    @property
    def settings(self) -> Settings:
        return self.instance.settings

    def __enter__(self) -> Unit:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None or self.errors:
            self._undo()
        else:
            self._commit()
        if error is None and self.errors:
            raise Rejected(self.errors)

    def fail(self, attribute: str, message: str) -> None:
        texts = self.errors.setdefault(attribute, [])
        if message not in texts:
            texts.append(message)

    def create(self, kind: Kind, owner: Record | None = None) -> Record:
        defaults = {f.name: f.default for f in kind.fields.values() if f.default is not None}
        record = Record(kind, self.instance.next_id(kind.ids), defaults, owner)
        self.created.append(record)
        self._new.add(id(record))
        return record

    def is_new(self, record: Record) -> bool:
        return id(record) in self._new

    def touch(self, record: Record) -> None:
        """To be called before an object's values are changed."""
        if id(record) not in self._before and id(record) not in self._new:
            self._before[id(record)] = (record, dict(record.values), record.deleted)

    def set(self, record: Record, name: str, value: Any) -> None:
        if record.values.get(name) != value:
            self.touch(record)
            record.values[name] = value

    def before(self, record: Record, name: str) -> Any:
        """The value when the unit began; None for a new object."""
        if self.is_new(record):
            return None
        kept = self._before.get(id(record))
        return (kept[1] if kept else record.values).get(name)

    def changed(self) -> list[Record]:
        """The stored objects that differ from what they were."""
        return [r for r, values, deleted in self._before.values() if r.values != values or r.deleted != deleted]

    def written(self) -> list[Record]:
        return [*self.created, *self.changed()]

    def has_changed(self, root: Record) -> bool:
        """Whether the object or any part of it is new or different."""
        return any(owner is root for record in self.written() for owner in owners(record))

    def _undo(self) -> None:
        for record, values, deleted in self._before.values():
            record.values, record.deleted = values, deleted

    def _commit(self) -> None:
        stamped: dict[int, Record] = {}
        for record in self.written():
            for one in self._stamped_with(record):
                stamped[id(one)] = one
        moment = self.instance.moment()
        for record in stamped.values():
            self._stamp(record, moment, is_new=self.is_new(record))
        for record in stamped.values():
            collection = self.instance[record.kind.path]
            if record.deleted:
                collection.remove(record)
            else:
                collection.put(record, quietly=self.quiet)
        for record in stamped.values():
            self._tell(record, is_new=self.is_new(record))

    def _stamped_with(self, record: Record) -> Iterator[Record]:
        for owner in owners(record):
            if owner is not record and owner.kind is SUPPLIER and not self.settings.child_edits_touch_supplier:
                continue
            yield owner

    def _stamp(self, record: Record, moment: datetime, *, is_new: bool) -> None:
        values = record.values
        if is_new:
            values["created-at"], values["created-by"] = moment, self.user
        if not self.quiet:
            values["updated-at"] = max(moment, values.get("updated-at") or moment)
            values["updated-by"] = self.user

    def _tell(self, record: Record, *, is_new: bool) -> None:
        topic = {
            "suppliers": "supplier", "purchase_orders": "purchase_order", "invoices": "invoice", "payments": "payment",
        }.get(record.kind.path)  # fmt: skip
        if topic is None:
            return
        event = Event(
            f"{topic}.{'created' if is_new else 'updated'}",
            record.kind.object_type,
            record.id,
            record.values["updated-at"],
        )
        for listener in self.instance.listeners:
            listener(event)


def custom_text(value: Any) -> str | None:
    """A custom field's value as a query compares it."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def owners(record: Record) -> Iterator[Record]:
    """The object itself and what it is a part of, outwards."""
    one: Record | None = record
    while one is not None:
        yield one
        one = one.owner
