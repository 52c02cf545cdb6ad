"""Scheduled work of a source connection: put there by the poller, done by the reader that holds the read epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connector.domain.identity import ConnectionId, TrafficClass

from .source import JobKind


@dataclass(frozen=True, slots=True)
class Job:
    connection: ConnectionId
    kind: str
    cursor: str | None
    traffic: TrafficClass
    attempts: int


@dataclass(frozen=True, slots=True)
class JobState:
    """For people: when it ran last, what it found, what is wrong."""

    kind: str
    due: datetime | None
    finished_at: datetime | None
    attempts: int
    error: str | None


class Jobs(Protocol):
    async def ensure(self, connection: ConnectionId, kinds: Sequence[JobKind]) -> None:
        """Make the connection's jobs these: new ones due at once (or after their interval), stale ones removed."""
        ...

    async def schedule(self) -> int:
        """Make due every idle job whose interval has passed since it finished; how many (the poller's tick)."""
        ...

    async def request(self, connection: ConnectionId, kind: str, *, cursor: str | None = None) -> bool:
        """Make one job due now, from a given cursor if any (a person asks, or a test); False if there is none."""
        ...

    async def hurry(self, connection: ConnectionId) -> None:
        """Make due now what waits for another try: somebody has just put right what it failed at."""
        ...

    async def claim(self, connection: ConnectionId, epoch: int) -> Job | None:
        """The most urgent due job, claimed under this epoch; raises EpochLost."""
        ...

    async def advance(self, connection: ConnectionId, epoch: int, kind: str, cursor: str | None) -> None:
        """Store the cursor: everything before it is acknowledged by Kafka or recorded as due."""
        ...

    async def restart(self, connection: ConnectionId, epoch: int, kinds: Sequence[str]) -> None:
        """Drop the cursors of these jobs and make them due: the vendor numbered its feeds anew."""
        ...

    async def finish(self, connection: ConnectionId, epoch: int, kind: str) -> None: ...

    async def fail(self, connection: ConnectionId, epoch: int, kind: str, message: str, retry_in_s: float) -> None: ...

    async def states(self, connection: ConnectionId) -> Sequence[JobState]: ...
