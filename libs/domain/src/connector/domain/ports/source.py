"""What a vendor's room offers where the vendor is a source of documents. Implemented in `systems/*/source.py`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from connector.domain.identity import ConnectionId, Entity, TrafficClass


class Absence(StrEnum):
    """What it means that a key was asked for and not found."""

    PROVEN_DELETED = "deleted"
    """A notice or a deletion feed says so, the filtered read is empty, and we may still read this endpoint."""
    UNEXPLAINED = "missing-at-source"
    """Empty without proof, or no longer readable: for a person, never a deletion."""


@dataclass(frozen=True, slots=True)
class Read:
    """One document as read in one vendor request.

    `record` is the vendor's full record, amounts as the text of the wire (never float); `resolved` holds the joined
    reference values that translation needs, each `{"id", "digest", ...values}` by kind and id, outside the document's
    digest. Exactly one of `record` and `absence` is given.
    """

    native_id: str
    read_at: datetime
    record: Mapping[str, Any] | None = None
    resolved: Mapping[str, Any] = field(default_factory=dict)
    absence: Absence | None = None
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A key the vendor answers with an error of its own (not an outage): the others of its batch still count."""

    native_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A hint that a document is due. `deleted`: the vendor claims a deletion, which is the first half of a proof."""

    entity: Entity
    native_id: str
    deleted: bool = False
    traceparent: str | None = None
    """Of the trace that the hint is a part of."""


@dataclass(frozen=True, slots=True)
class SweepPage:
    """One page of a feed or a change list.

    `keys` become due like notices (class catch-up or backfill); `rows` are whole documents that came with the page
    and need no second read. `cursor` is stored only after all of the page is acknowledged by Kafka or recorded as due;
    None as `cursor` means nothing to remember. `more` asks for the next page at once. `restart` names jobs whose
    cursors are void (the vendor numbered its feed anew): they start from the beginning.
    """

    keys: Sequence[Notice] = ()
    rows: Mapping[Entity, Sequence[Read]] = field(default_factory=dict)
    cursor: str | None = None
    more: bool = False
    restart: Sequence[str] = ()


class Stamp(Protocol):
    """Gives `read_at`: the database's time, above every earlier one of the connection, taken before the request."""

    async def __call__(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of scheduled work a source knows: its name, how often it runs, and the class of its calls."""

    name: str
    every: timedelta
    traffic: TrafficClass = TrafficClass.CATCH_UP
    at_start: bool = True


class Source(Protocol):
    """Reads one connection. All vendor calls go through the gate given at construction."""

    @property
    def connection(self) -> ConnectionId: ...

    @property
    def jobs(self) -> Sequence[JobKind]:
        """Catch-up, sweeps, reference data, subscriptions, checks: everything the poller schedules."""
        ...

    @property
    def stamps(self) -> frozenset[str]:
        """Field names that are no content at any depth of a record (modification dates, row versions)."""
        ...

    def batch_size(self, entity: Entity) -> int:
        """How many keys one filtered read takes."""
        ...

    async def read(
        self, entity: Entity, notices: Sequence[Notice], stamp: Stamp, traffic: TrafficClass
    ) -> Sequence[Read | Unreadable]:
        """Read documents by key, with their joins: one answer per key, each with the read_at of its own request.

        Raises GateError or a VendorError for the batch as a whole; never a partial silence.
        """
        ...

    def sweep(self, job: str, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Run one scheduled job from its cursor."""
        ...

    def notices(self, webhook: bytes) -> Sequence[Notice]:
        """What a verified webhook body points at; an unknown topic gives nothing."""
        ...


@runtime_checkable
class Acknowledging(Protocol):
    """A source that stops offering a document once it is told that we have it."""

    async def acknowledge(self, entity: Entity, reads: Sequence[Read], traffic: TrafficClass) -> Sequence[Notice]:
        """Called with every document that Kafka has acknowledged, also those that were equal to what it had.

        What can't be told now is offered still, and comes again. Returned are documents that have to be read (again).
        """
        ...
