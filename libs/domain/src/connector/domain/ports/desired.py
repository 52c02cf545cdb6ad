"""How each target should look: one row a source document and flow, owned by intake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from connector.domain.documents.envelope import RecordStatus
from connector.domain.identity import ConnectionId, Revision, RowRef, TrafficClass


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the log a record was taken from, for its story."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Desired:
    """One canonical record as one flow wants it in its target; `payload` is the record's JSON."""

    row: RowRef
    source: ConnectionId
    target: ConnectionId
    number: str | None
    revision: Revision
    content_digest: str
    resolved_digest: str
    status: RecordStatus
    traffic: TrafficClass
    payload: str
    origin: Origin
    traceparent: str | None = None
    """Of the trace that the record is a part of."""
    read_digest: str | None = None
    """Of what the source itself said, where the record tells it."""


@dataclass(frozen=True, slots=True)
class Upserted:
    newer: int
    """Rows whose stored revision was raised (or that are new)."""
    due: int
    """Rows of these that became due."""


class DesiredRows(Protocol):
    async def upsert(self, wanted: Sequence[Desired]) -> Upserted:
        """Store each row whose revision is newer than the stored one, at most one a key.

        It becomes due where the content (or status) differs, or where only `resolved` differs and the row is blocked
        or waiting. An equal read at a raised translation version counts as a change of the translation, and a later
        read of the same under other settings as one of an apply: neither of the source. Wakes the dispatchers of the
        targets concerned.
        """
        ...

    async def forget(self, rows: Sequence[RowRef]) -> int:
        """Drop rows and their payloads (erasure); how many there were. Links and audit stay."""
        ...
