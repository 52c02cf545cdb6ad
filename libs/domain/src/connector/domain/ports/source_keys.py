"""Which documents of a source are due to be read, and what was last acknowledged of them.

One row a key: `generation` rises with every notice; a reader claims a generation, reads, produces, and may call the key
done only if no later generation came meanwhile. One reader a connection: every method that changes a claim names the
read epoch and fails with `EpochLost` when it is not the current one any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connector.domain.identity import ConnectionId, Entity, TrafficClass

from .source import Notice

DEBOUNCE_S = 1.0
"""A notice waits this long for the next ones of the same save (one order save is several events)."""
DEBOUNCE_AT_MOST_S = 5.0
"""No stream of notices delays a read longer than this after the first."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A due key in a reader's hands."""

    entity: Entity
    native_id: str
    generation: int
    deleted_hint: bool
    """Somebody at the vendor claims a deletion: a notice or the deletion feed."""
    traffic: TrafficClass
    attempts: int
    acknowledged_digest: str | None
    """Of the last record Kafka took: document and resolved digests together."""
    produced_at: datetime | None
    """read_at of the last record produced."""
    noticed: bool
    """Whether the vendor itself sent a notice for this generation (else a sweep found it)."""
    traceparent: str | None = None
    """Of the first notice that made it due."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A claimed key that was read: produced and acknowledged, or dropped as equal (`digest` unchanged)."""

    entity: Entity
    native_id: str
    generation: int
    read_at: datetime
    digest: str
    produced: bool
    uses: tuple[str, ...] = ()
    """Company settings the document used (`vat/21`, ...): a changed one makes exactly its users due."""
    missing: bool = False
    """Absent at the source without proof of deletion."""
    absent: bool = False
    """Absent at all: who claimed its deletion is remembered until it is shown again."""
    caught: bool = False
    """A sweep found it changed, no notice had told of it."""


@dataclass(frozen=True, slots=True)
class SweptRow:
    """A whole document that a sweep's page brought: it asks to be produced with its page's read_at."""

    entity: Entity
    native_id: str
    read_at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class UnreadableKey:
    entity: Entity
    native_id: str
    message: str
    attempts: int
    since: datetime


class SourceKeys(Protocol):
    async def notice(
        self, connection: ConnectionId, notices: Sequence[Notice], traffic: TrafficClass, *, swept: bool = False
    ) -> None:
        """Make keys due: raises their generation and debounces. `swept` tells a sweep's find from a vendor's notice."""
        ...

    async def stamp(self, connection: ConnectionId, epoch: int) -> datetime:
        """read_at for one vendor request: greatest(the database's clock, the connection's last read_at + 1 us)."""
        ...

    async def claim(self, connection: ConnectionId, epoch: int, limit: int) -> Sequence[Claimed]:
        """Up to `limit` due keys of one entity, live before catch-up before backfill, oldest first.

        A key claimed under this epoch is not claimed again until finished, failed or released; claims of earlier
        epochs are void.
        """
        ...

    async def admit(
        self, connection: ConnectionId, epoch: int, rows: Sequence[SweptRow], traffic: TrafficClass
    ) -> Sequence[Claimed]:
        """Claim swept rows for producing. Rows that are equal to what is acknowledged, older than what was produced,
        or being read now are left out; the last kind become due instead, so that they are read again."""
        ...

    async def finish(self, connection: ConnectionId, epoch: int, done: Sequence[Finished]) -> Sequence[str]:
        """After Kafka's acknowledgement. Keys whose generation rose meanwhile stay due; their ids are returned."""
        ...

    async def fail(
        self, connection: ConnectionId, epoch: int, keys: Sequence[Claimed], message: str, retry_in_s: float
    ) -> None:
        """Give claims back, due again later; attempts rise. Shown as unreadable from the third attempt on."""
        ...

    async def release(self, connection: ConnectionId, epoch: int, keys: Sequence[Claimed], retry_in_s: float) -> None:
        """Give claims back unread and unblamed, due after `retry_in_s` (the gate said not now)."""
        ...

    async def users(self, connection: ConnectionId, uses: Sequence[str]) -> int:
        """How many keys `touch` would make due: shown before it is done."""
        ...

    async def touch(self, connection: ConnectionId, uses: Sequence[str]) -> int:
        """Make due, as backfill, exactly the keys whose last record used one of these settings; how many."""
        ...

    async def next_due_in_s(self, connection: ConnectionId) -> float | None:
        """Seconds until the next unclaimed key is due (0 or less: now), None if nothing is."""
        ...

    async def changed(self, connection: ConnectionId, timeout_s: float) -> None:
        """Return when keys or jobs of the connection may have become due, or after the time-out."""
        ...

    async def caught(self, connection: ConnectionId) -> int:
        """How many changes sweeps have found that no notice had told of, ever."""
        ...

    async def unreadable(self, connection: ConnectionId) -> Sequence[UnreadableKey]: ...

    async def backlog(self, connection: ConnectionId) -> Mapping[TrafficClass, int]: ...
