"""The log in memory: partitions, groups, committed offsets, transactions, compaction and resets as Kafka has them.

Deterministic: it waits on events of its own and sleeps by the clock it is given, so that a simulation can own time.
"""

import asyncio
import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from typing import Any

from connector.domain.ports.clock import Clock
from connector.domain.ports.log import (
    MAX_VALUE_BYTES,
    Apply,
    Cleanup,
    Handler,
    LogError,
    Message,
    NotAcknowledged,
    Record,
    Topic,
    ValueTooLarge,
)

_PAUSE_S = 1.0


class _State(Enum):
    OPEN = auto()
    COMMITTED = auto()
    ABORTED = auto()


class Fault(Enum):
    """What may befall a produced batch."""

    REFUSED = auto()
    ACKNOWLEDGEMENT_LOST = auto()
    """It is in the log, and its producer hears that it is not acknowledged."""


@dataclass(slots=True)
class _Entry:
    record: Record
    transaction: "_Transaction | None" = None

    @property
    def state(self) -> _State:
        return _State.COMMITTED if self.transaction is None else self.transaction.state


@dataclass(slots=True)
class _Transaction:
    state: _State = _State.OPEN


@dataclass(slots=True)
class _Partition:
    entries: list[_Entry] = field(default_factory=list)
    end: int = 0

    def append(self, message: Message, partition: int, clock: Clock, transaction: _Transaction | None) -> None:
        record = Record(message.topic, message.key, message.value, message.headers, partition, self.end, clock.now())
        self.entries.append(_Entry(record, transaction))
        self.end += 1

    def read_committed(self, offset: int, limit: int | None) -> tuple[list[Record], int]:
        """Up to `limit` committed records from `offset` on, and the offset after what was passed: nothing behind the
        first open transaction is read."""
        records: list[Record] = []
        position = offset
        start = bisect_left(self.entries, offset, key=lambda entry: entry.record.offset)
        for entry in islice(self.entries, start, None):
            if entry.state is _State.OPEN or len(records) == limit:
                break
            if entry.state is _State.COMMITTED:
                records.append(entry.record)
            position = entry.record.offset + 1
        return records, position

    def compact(self) -> None:
        last = {entry.record.key: entry.record.offset for entry in self.entries if entry.state is _State.COMMITTED}
        self.entries = [
            entry
            for entry in self.entries
            if entry.state is _State.OPEN
            or (entry.state is _State.COMMITTED and entry.record.offset == last[entry.record.key])
        ]


Place = tuple[str, int]


@dataclass(slots=True)
class _Group:
    """`generation` rises with every join and leave; a commit of an older generation is refused."""

    members: list["_Member"] = field(default_factory=list)
    generation: int = 0
    committed: dict[Place, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Member:
    topics: tuple[str, ...]
    generation: int = -1
    positions: dict[Place, int] = field(default_factory=dict)


_Effect = Callable[[_Member, list[Record], dict[Place, int]], Coroutine[Any, Any, None]]


class _Fenced(Exception):
    """The group was divided anew while a batch was under way: its partitions may have another holder."""


class MemoryCluster:
    """The topics and groups that several MemoryLogs share. `fault` is asked before each produced batch."""

    def __init__(
        self, topics: Iterable[Topic], clock: Clock, *, fault: Callable[[Sequence[Message]], Fault | None] | None = None
    ) -> None:
        self.clock = clock
        self._topics: dict[str, Topic] = {}
        self._partitions: dict[str, list[_Partition]] = {}
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._transactions: dict[str, _Transaction] = {}
        self._changed = asyncio.Event()
        self._fault = fault or (lambda messages: None)
        for topic in topics:
            self.create(topic)

    def create(self, topic: Topic) -> None:
        self._topics[topic.name] = topic
        self._partitions[topic.name] = [_Partition() for _ in range(topic.partitions)]

    def records(self, topic: str) -> list[Record]:
        """All committed records of a topic, by partition and offset."""
        return [record for partition in self._partitions[topic] for record in partition.read_committed(0, None)[0]]

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The next offset the group will read, None where it has committed nothing."""
        return self._groups[group].committed.get((topic, partition))

    def reset_to_earliest(self, group: str, topics: Sequence[str]) -> None:
        """What operators do to replay; refused while the group has members, as Kafka's own tool refuses it."""
        if self._groups[group].members:
            raise LogError(f"group {group} has running members: stop them before resetting its offsets")
        for topic in topics:
            for partition in range(len(self._partitions[topic])):
                self._groups[group].committed[topic, partition] = 0

    def reset_back(self, group: str, topics: Sequence[str], records: int | None) -> None:
        """Reset to so many offsets before what is committed, or to the earliest."""
        committed = dict(self._groups[group].committed)
        self.reset_to_earliest(group, topics)
        if records is not None:
            for place, offset in committed.items():
                self._groups[group].committed[place] = max(0, offset - records)

    def compact(self) -> None:
        """Compaction of everything old enough: of each key in compacted topics the last committed record stays."""
        for name, topic in self._topics.items():
            if topic.cleanup is Cleanup.COMPACT:
                for partition in self._partitions[name]:
                    partition.compact()

    def append(self, messages: Sequence[Message], transaction: _Transaction | None = None) -> None:
        for message in messages:
            if message.topic not in self._topics:
                raise NotAcknowledged(f"{message.topic}: there is no such topic")
            if message.value is not None and len(message.value) > MAX_VALUE_BYTES:
                raise ValueTooLarge(f"{message.topic} {message.key}: a value of {len(message.value)} bytes")
        fault = self._fault(messages)
        if fault is Fault.REFUSED:
            raise NotAcknowledged("refused")
        for message in messages:
            partitions = self._partitions[message.topic]
            number = zlib.crc32(message.key.encode()) % len(partitions)
            partitions[number].append(message, number, self.clock, transaction)
        self.wake()
        if fault is Fault.ACKNOWLEDGEMENT_LOST:
            raise NotAcknowledged("the acknowledgement was lost")

    def begin(self, transactional_id: str) -> _Transaction:
        """Begin a transaction; one that the same id left open is aborted, as by a successor's first call."""
        left = self._transactions.get(transactional_id)
        if left is not None and left.state is _State.OPEN:
            left.state = _State.ABORTED
        transaction = _Transaction()
        self._transactions[transactional_id] = transaction
        return transaction

    def end(self, transaction: _Transaction, state: _State) -> None:
        if transaction.state is not _State.OPEN:
            raise _Fenced
        transaction.state = state
        self.wake()

    def join(self, group: str, member: _Member) -> None:
        self._groups[group].members.append(member)
        self._divide(group)

    def leave(self, group: str, member: _Member) -> None:
        self._groups[group].members.remove(member)
        self._divide(group)

    def fetch(self, group: str, member: _Member, limit: int) -> tuple[list[Record], dict[Place, int]]:
        """The next batch over the member's partitions, and the offsets to commit once its effect is done."""
        self._adopt_assignment(group, member)
        records: list[Record] = []
        after: dict[Place, int] = {}
        for place, position in member.positions.items():
            found, end = self._partitions[place[0]][place[1]].read_committed(position, limit - len(records))
            if found:
                records += found
                after[place] = end
            if len(records) >= limit:
                break
        return records, after

    def commit(self, group: str, member: _Member, after: dict[Place, int]) -> None:
        self.check_generation(group, member)
        self._groups[group].committed |= after
        member.positions |= after

    def check_generation(self, group: str, member: _Member) -> None:
        if member.generation != self._groups[group].generation:
            raise _Fenced

    async def wait(self) -> None:
        """Return when something may have changed since the last fetch."""
        self._changed.clear()
        await self._changed.wait()

    def wake(self) -> None:
        self._changed.set()

    def _divide(self, group: str) -> None:
        self._groups[group].generation += 1
        self.wake()

    def _adopt_assignment(self, group: str, member: _Member) -> None:
        state = self._groups[group]
        if member.generation == state.generation:
            return
        places = [
            (topic, partition) for topic in member.topics for partition in range(len(self._partitions.get(topic, ())))
        ]
        index, of = state.members.index(member), len(state.members)
        member.generation = state.generation
        member.positions = {place: state.committed.get(place, 0) for place in places[index::of]}


class MemoryLog:
    """One process's view of a MemoryCluster: the port `Log`. `member` is its name, as `mapper-0`."""

    def __init__(self, cluster: MemoryCluster, member: str) -> None:
        self._cluster = cluster
        self._member = member
        self._batches: set[asyncio.Future[None]] = set()
        self._killed = False

    async def produce(self, messages: Sequence[Message]) -> None:
        await self._cluster.clock.sleep(0)
        self._cluster.append(messages)

    async def consume(self, topics: Sequence[str], group: str, handler: Handler, *, max_records: int = 500) -> None:
        async def effect(member: _Member, records: list[Record], after: dict[Place, int]) -> None:
            await handler(records)
            self._cluster.commit(group, member, after)

        await self._loop(topics, group, max_records, effect)

    async def exactly_once(self, topics: Sequence[str], group: str, apply: Apply, *, max_records: int = 1000) -> None:
        async def effect(member: _Member, records: list[Record], after: dict[Place, int]) -> None:
            transaction = self._cluster.begin(self._member)
            try:
                self._cluster.append([output for record in records for output in apply(record)], transaction)
                await self._cluster.clock.sleep(0)  # a crash here leaves the transaction open, for a successor to abort
                self._cluster.check_generation(group, member)
                self._cluster.end(transaction, _State.COMMITTED)
            except Exception:
                if transaction.state is _State.OPEN:
                    self._cluster.end(transaction, _State.ABORTED)
                raise
            self._cluster.commit(group, member, after)

        await self._loop(topics, group, max_records, effect)

    def kill(self) -> None:
        """End all consuming at once, as SIGKILL would: nothing is finished, an open transaction stays open."""
        self._killed = True
        for batch in tuple(self._batches):
            batch.cancel()
        self._cluster.wake()

    async def _loop(self, topics: Sequence[str], group: str, max_records: int, effect: _Effect) -> None:
        member = _Member(tuple(topics))
        self._cluster.join(group, member)
        try:
            while not self._killed:
                records, after = self._cluster.fetch(group, member, max_records)
                if not records:
                    await self._cluster.wait()
                elif not await self._done(effect(member, records, after)):
                    await self._cluster.clock.sleep(_PAUSE_S)
        finally:
            self._cluster.leave(group, member)

    async def _done(self, effect: Coroutine[Any, Any, None]) -> bool:
        """Whether the batch's effect is done and committed; a cancelled consumer finishes it first."""
        batch = asyncio.ensure_future(effect)
        self._batches.add(batch)
        try:
            await asyncio.shield(batch)
        except asyncio.CancelledError:
            if not batch.done():
                await asyncio.wait([batch])
            if not self._killed:
                raise
        except Exception:
            return False
        finally:
            self._batches.discard(batch)
        return True
