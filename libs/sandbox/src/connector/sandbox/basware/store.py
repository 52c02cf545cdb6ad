"""The records of one tenant, in the order of their last change, reachable by key, by status and by company."""

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from connector.sandbox.core.clock import SandboxClock

Facet = tuple[str | None, ...]
"""What a list can be asked for: one value per filter, None = any."""


@dataclass(slots=True, eq=False)
class Record:
    """One stored record; `fields` holds the vendor's own names with typed values."""

    key: str
    fields: dict[str, Any]
    last_updated_ms: int = 0
    """Milliseconds since the epoch, UTC, as shown to clients."""
    position: int = 0
    """Place in the order of changes; every change takes a new one."""
    visible_at: float = 0.0
    in_api: bool = True
    """False: known in P2P only."""
    gone: bool = False


@dataclass(slots=True, eq=False)
class Attachment:
    fields: dict[str, Any]
    content: bytes
    media_type: str


@dataclass(slots=True, eq=False)
class Invoice(Record):
    attachments: dict[str, Attachment] = field(default_factory=dict)
    was_transferred: bool = False
    action_log: list[str] = field(default_factory=list)
    """What P2P shows its users, newest last."""

    @property
    def status(self) -> str:
        return str(self.fields["processingStatus"])


class _Shelf:
    """Records in the order of their changes; an entry that a later change has outdated is passed over."""

    __slots__ = ("entries", "limit")

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, Record]] = []
        self.limit = 64

    def append(self, at_ms: int, record: Record) -> None:
        self.entries.append((record.position, at_ms, record))
        if len(self.entries) > self.limit:
            self.entries = [entry for entry in self.entries if _current(entry)]
            self.limit = 2 * len(self.entries) + 64

    def after(self, position: int, changed_ms: int) -> Iterator[Record]:
        start = max(
            bisect_right(self.entries, position, key=lambda entry: entry[0]),
            bisect_right(self.entries, changed_ms, key=lambda entry: entry[1]),
        )
        for entry in itertools.islice(self.entries, start, None):
            if _current(entry):
                yield entry[2]


def _current(entry: tuple[int, int, Record]) -> bool:
    return entry[0] == entry[2].position and not entry[2].gone


class Changes:
    """The one order of changes of a sandbox: positions and times that never run backwards."""

    def __init__(self, clock: SandboxClock) -> None:
        self.clock = clock
        self.position = 0
        self.at_ms = 0

    def next(self) -> tuple[int, int]:
        self.position += 1
        self.at_ms = max(self.at_ms, int(self.clock.time() * 1000))
        return self.position, self.at_ms


Facets = Callable[[dict[str, Any]], Iterable[Facet]]


def every_combination(*values: Iterable[str | None]) -> Iterator[Facet]:
    """All facets of a record: for each filter one of its values, or any."""
    folded = [[None, *(value.casefold() for value in filter(None, choices))] for choices in values]
    return itertools.product(*folded)


class Collection:
    """Records of one kind. Every `put` is a change: it stamps lastUpdated and moves the record to the end."""

    def __init__(self, name: str, changes: Changes, facets: Facets) -> None:
        self.name = name
        self.records: dict[str, Record] = {}
        self.removed: list[Record] = []
        self._changes = changes
        self._facets = facets
        self._shelves: dict[Facet, _Shelf] = {}

    def put(self, record: Record, *, step_ms: int = 1, move: bool = True) -> None:
        """Store a change. `move=False` leaves lastUpdated as it was (the place in the order changes all the same)."""
        record.position, at_ms = self._changes.next()
        if move:
            record.last_updated_ms = at_ms // step_ms * step_ms
        self.records[record.key] = record
        for facet in self._facets(record.fields):
            self._shelves.setdefault(facet, _Shelf()).append(at_ms, record)

    def remove(self, record: Record) -> None:
        record.gone = True
        del self.records[record.key]
        self.removed.append(record)

    def get(self, key: str, now: float) -> Record | None:
        """The record as the API knows it at this moment."""
        record = self.records.get(key)
        return record if record and record.in_api and record.visible_at <= now else None

    def select(self, facet: Facet, now: float, *, after: int = 0, changed_ms: int = -1) -> Iterator[Record]:
        """Records of a facet in order of change, from behind a position and changed after a time."""
        wanted = tuple(value.casefold() if value else None for value in facet)
        shelf = self._shelves.get(wanted)
        if shelf is None:
            return
        for record in shelf.after(after, changed_ms):
            if record.in_api and record.visible_at <= now and record.last_updated_ms > changed_ms:
                yield record
