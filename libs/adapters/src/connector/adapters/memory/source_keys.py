"""`SourceKeys` and `Jobs` in memory: the same contract as on PostgreSQL, for tests and simulations."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.domain.identity import ConnectionId, Entity, Role, TrafficClass
from connector.domain.ports.jobs import Job, JobState
from connector.domain.ports.source import JobKind, Notice
from connector.domain.ports.source_keys import (
    DEBOUNCE_AT_MOST_S,
    DEBOUNCE_S,
    Claimed,
    Finished,
    SweptRow,
    UnreadableKey,
)

UNREADABLE_AFTER = 3
_ORDER = (TrafficClass.LIVE, TrafficClass.CATCH_UP, TrafficClass.BACKFILL)

RequireEpoch = Callable[[ConnectionId, Role, int], None]
Now = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class _Key:
    traffic: TrafficClass
    generation: int = 1
    noticed_generation: int = 0
    claimed_epoch: int | None = None
    deleted_hint: bool = False
    due: datetime | None = None
    first_due: datetime | None = None
    attempts: int = 0
    error: str | None = None
    failed_since: datetime | None = None
    produced_at: datetime | None = None
    digest: str | None = None
    missing: bool = False
    uses: tuple[str, ...] = ()
    traceparent: str | None = None


@dataclass(slots=True)
class _Job:
    kind: JobKind
    cursor: str | None = None
    due: datetime | None = None
    claimed_epoch: int | None = None
    finished_at: datetime | None = None
    attempts: int = 0
    error: str | None = None


@dataclass(slots=True)
class ReadState:
    """What both stores keep; survives a simulated crash of the process, as a database would."""

    keys: dict[ConnectionId, dict[tuple[Entity, str], _Key]] = field(default_factory=dict)
    stamps: dict[ConnectionId, datetime] = field(default_factory=dict)
    caught: Counter[ConnectionId] = field(default_factory=Counter)
    jobs: dict[ConnectionId, dict[str, _Job]] = field(default_factory=dict)


class MemorySourceKeys:
    def __init__(self, state: ReadState, now: Now, sleep: Sleep, require_epoch: RequireEpoch) -> None:
        self._state = state
        self._now = now
        self._sleep = sleep
        self._require = require_epoch

    def _of(self, connection: ConnectionId) -> dict[tuple[Entity, str], _Key]:
        return self._state.keys.setdefault(connection, {})

    async def notice(
        self, connection: ConnectionId, notices: Sequence[Notice], traffic: TrafficClass, *, swept: bool = False
    ) -> None:
        keys, now = self._of(connection), self._now()
        for at, (deleted, traceparent) in _merged(notices).items():
            key = keys.get(at)
            if key is None:
                key = keys[at] = _Key(traffic, generation=0)
            key.generation += 1
            if not swept:
                key.noticed_generation = key.generation
            key.deleted_hint = key.deleted_hint or deleted
            key.traceparent = (key.due and key.traceparent) or traceparent
            key.traffic = traffic if key.due is None else min(key.traffic, traffic, key=_ORDER.index)
            key.first_due = key.first_due or now
            debounced = min(
                now + timedelta(seconds=0.0 if swept else DEBOUNCE_S),
                key.first_due + timedelta(seconds=DEBOUNCE_AT_MOST_S),
            )
            key.due = max(debounced, key.due) if key.attempts and key.due else debounced

    async def stamp(self, connection: ConnectionId, epoch: int) -> datetime:
        self._require(connection, Role.READ, epoch)
        last = self._state.stamps.get(connection)
        read_at = self._now() if last is None else max(self._now(), last + timedelta(microseconds=1))
        self._state.stamps[connection] = read_at
        return read_at

    async def claim(self, connection: ConnectionId, epoch: int, limit: int) -> Sequence[Claimed]:
        self._require(connection, Role.READ, epoch)
        now = self._now()
        due = [
            (_ORDER.index(key.traffic), key.due, at)
            for at, key in self._of(connection).items()
            if key.due is not None and key.due <= now and key.claimed_epoch != epoch
        ]
        due.sort()
        if not due:
            return []
        entity = due[0][2][0]
        return [self._take(connection, at, epoch) for _, _, at in due if at[0] is entity][:limit]

    def _take(self, connection: ConnectionId, at: tuple[Entity, str], epoch: int) -> Claimed:
        key = self._of(connection)[at]
        key.claimed_epoch = epoch
        return Claimed(
            *at,
            generation=key.generation,
            deleted_hint=key.deleted_hint,
            traffic=key.traffic,
            attempts=key.attempts,
            acknowledged_digest=key.digest,
            produced_at=key.produced_at,
            noticed=key.noticed_generation == key.generation,
            traceparent=key.traceparent if key.due else None,
        )

    async def admit(
        self, connection: ConnectionId, epoch: int, rows: Sequence[SweptRow], traffic: TrafficClass
    ) -> Sequence[Claimed]:
        self._require(connection, Role.READ, epoch)
        keys, admitted, reread = self._of(connection), [], []
        for row in rows:
            at = (row.entity, row.native_id)
            key = keys.get(at)
            if key is None:
                keys[at] = _Key(traffic)
            elif key.claimed_epoch == epoch:
                reread.append(Notice(row.entity, row.native_id))
                continue
            elif key.digest == row.digest or (key.produced_at is not None and key.produced_at >= row.read_at):
                continue
            elif key.due is None:
                key.traffic = traffic
            admitted.append(self._take(connection, at, epoch))
        await self.notice(connection, reread, TrafficClass.CATCH_UP, swept=True)
        return admitted

    async def finish(self, connection: ConnectionId, epoch: int, done: Sequence[Finished]) -> Sequence[str]:
        self._require(connection, Role.READ, epoch)
        still_due = []
        for item in done:
            key = self._of(connection).get((item.entity, item.native_id))
            if key is None or key.claimed_epoch != epoch:
                continue
            key.digest, key.uses, key.missing = item.digest, item.uses, item.missing
            key.produced_at = item.read_at if item.produced else key.produced_at
            key.claimed_epoch, key.attempts, key.error, key.failed_since = None, 0, None, None
            if key.generation == item.generation:
                key.due = key.first_due = None
                key.deleted_hint = key.deleted_hint and item.absent
            if key.due is not None:
                still_due.append(item.native_id)
            self._state.caught[connection] += item.caught
        return still_due

    async def fail(
        self, connection: ConnectionId, epoch: int, keys: Sequence[Claimed], message: str, retry_in_s: float
    ) -> None:
        self._require(connection, Role.READ, epoch)
        now = self._now()
        for claimed in keys:
            key = self._of(connection)[claimed.entity, claimed.native_id]
            if key.claimed_epoch == epoch:
                key.claimed_epoch, key.error = None, message
                key.attempts += 1
                key.failed_since = key.failed_since or now
                key.due, key.first_due = now + timedelta(seconds=retry_in_s), key.first_due or now

    async def release(self, connection: ConnectionId, epoch: int, keys: Sequence[Claimed], retry_in_s: float) -> None:
        self._require(connection, Role.READ, epoch)
        later = self._now() + timedelta(seconds=retry_in_s)
        for claimed in keys:
            key = self._of(connection)[claimed.entity, claimed.native_id]
            if key.claimed_epoch == epoch:
                key.claimed_epoch = None
                key.due = max(key.due, later) if key.due else None

    async def users(self, connection: ConnectionId, uses: Sequence[str]) -> int:
        return sum(1 for key in self._of(connection).values() if set(key.uses) & set(uses))

    async def touch(self, connection: ConnectionId, uses: Sequence[str]) -> int:
        touched = [key for key in self._of(connection).values() if set(key.uses) & set(uses)]
        for key in touched:
            key.generation += 1
            if key.due is None:
                key.traffic, key.due, key.first_due = TrafficClass.BACKFILL, self._now(), self._now()
        return len(touched)

    async def next_due_in_s(self, connection: ConnectionId) -> float | None:
        dues = [key.due for key in self._of(connection).values() if key.due and key.claimed_epoch is None]
        dues += [job.due for job in self._state.jobs.get(connection, {}).values() if job.due and not job.claimed_epoch]
        return (min(dues) - self._now()).total_seconds() if dues else None

    async def changed(self, connection: ConnectionId, timeout_s: float) -> None:
        """No notification in memory: whoever waits looks again after the time-out."""
        await self._sleep(timeout_s)

    async def caught(self, connection: ConnectionId) -> int:
        return self._state.caught[connection]

    async def unreadable(self, connection: ConnectionId) -> Sequence[UnreadableKey]:
        return [
            UnreadableKey(*at, message=key.error or "", attempts=key.attempts, since=key.failed_since or self._now())
            for at, key in self._of(connection).items()
            if key.attempts >= UNREADABLE_AFTER
        ]

    async def backlog(self, connection: ConnectionId) -> Mapping[TrafficClass, int]:
        return Counter(key.traffic for key in self._of(connection).values() if key.due is not None)


class MemoryJobs:
    def __init__(self, state: ReadState, now: Now, require_epoch: RequireEpoch) -> None:
        self._state = state
        self._now = now
        self._require = require_epoch

    def _of(self, connection: ConnectionId) -> dict[str, _Job]:
        return self._state.jobs.setdefault(connection, {})

    async def ensure(self, connection: ConnectionId, kinds: Sequence[JobKind]) -> None:
        jobs, now = self._of(connection), self._now()
        for name in jobs.keys() - {kind.name for kind in kinds}:
            del jobs[name]
        for kind in kinds:
            if kind.name in jobs:
                jobs[kind.name].kind = kind
            else:
                at_start = kind.at_start
                jobs[kind.name] = _Job(kind, due=now if at_start else None, finished_at=None if at_start else now)

    async def schedule(self) -> int:
        now, count = self._now(), 0
        for jobs in self._state.jobs.values():
            for job in jobs.values():
                if job.due is None and job.finished_at is not None and job.finished_at + job.kind.every <= now:
                    job.due, count = now, count + 1
        return count

    async def request(self, connection: ConnectionId, kind: str, *, cursor: str | None = None) -> bool:
        job = self._of(connection).get(kind)
        if job is None:
            return False
        job.due, job.attempts, job.cursor = self._now(), 0, cursor if cursor is not None else job.cursor
        return True

    async def hurry(self, connection: ConnectionId) -> None:
        now = self._now()
        for job in self._of(connection).values():
            job.due = min(job.due, now) if job.due else None

    async def claim(self, connection: ConnectionId, epoch: int) -> Job | None:
        self._require(connection, Role.READ, epoch)
        now = self._now()
        due = [
            job for job in self._of(connection).values() if job.due and job.due <= now and job.claimed_epoch != epoch
        ]
        if not due:
            return None
        job = min(due, key=lambda job: (_ORDER.index(job.kind.traffic), job.due or now))
        job.claimed_epoch = epoch
        return Job(connection, job.kind.name, job.cursor, job.kind.traffic, job.attempts)

    async def advance(self, connection: ConnectionId, epoch: int, kind: str, cursor: str | None) -> None:
        if (job := self._claimed(connection, epoch, kind)) is not None:
            job.cursor = cursor

    async def restart(self, connection: ConnectionId, epoch: int, kinds: Sequence[str]) -> None:
        self._require(connection, Role.READ, epoch)
        for kind in kinds:
            if (job := self._of(connection).get(kind)) is not None:
                job.cursor, job.due = None, self._now()

    async def finish(self, connection: ConnectionId, epoch: int, kind: str) -> None:
        if (job := self._claimed(connection, epoch, kind)) is not None:
            job.claimed_epoch, job.due, job.finished_at, job.attempts, job.error = None, None, self._now(), 0, None

    async def fail(self, connection: ConnectionId, epoch: int, kind: str, message: str, retry_in_s: float) -> None:
        if (job := self._claimed(connection, epoch, kind)) is not None:
            job.claimed_epoch, job.error = None, message
            job.due, job.attempts = self._now() + timedelta(seconds=retry_in_s), job.attempts + 1

    def _claimed(self, connection: ConnectionId, epoch: int, kind: str) -> _Job | None:
        self._require(connection, Role.READ, epoch)
        job = self._of(connection).get(kind)
        return job if job is not None and job.claimed_epoch == epoch else None

    async def states(self, connection: ConnectionId) -> Sequence[JobState]:
        return [
            JobState(name, job.due, job.finished_at, job.attempts, job.error)
            for name, job in sorted(self._of(connection).items())
        ]


def _merged(notices: Sequence[Notice]) -> Mapping[tuple[Entity, str], tuple[bool, str | None]]:
    """By key: whether one claims its deletion, and a trace of theirs."""
    merged: dict[tuple[Entity, str], tuple[bool, str | None]] = {}
    for notice in notices:
        at = (notice.entity, notice.native_id)
        deleted, traceparent = merged.get(at, (False, None))
        merged[at] = deleted or notice.deleted, traceparent or notice.traceparent
    return merged
