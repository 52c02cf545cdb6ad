"""Reference data of both sides: GL accounts, terms, lookup values... as last read, each with a version."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connector.domain.identity import ConnectionId

from .target import Json


@dataclass(frozen=True, slots=True, order=True)
class ReferenceKey:
    """One code of one kind, as one connection's system knows it."""

    connection: ConnectionId
    kind: str
    code: str

    def __str__(self) -> str:
        return f"reference:{self.connection}/{self.kind}/{self.code}"


@dataclass(frozen=True, slots=True)
class ReferenceEntry:
    """`body` is None where the code is known not to exist (any more). `version` is a digest of the body."""

    key: ReferenceKey
    as_of: datetime
    """A time of the store's clock before the read was sent."""
    version: str
    body: Json | None


class References(Protocol):
    async def now(self) -> datetime:
        """By the store's clock: what a read that is sent after this is as of."""
        ...

    async def upsert(self, entries: Sequence[ReferenceEntry]) -> int:
        """Store newer entries and wake whoever waits for one that changed; how many changed."""
        ...

    async def older(self, connection: ConnectionId, kinds: Collection[str], than_s: float) -> Sequence[ReferenceKey]:
        """Codes of these kinds that were last read longer ago than that."""
        ...

    async def read(self, keys: Collection[ReferenceKey]) -> Mapping[ReferenceKey, ReferenceEntry]: ...
