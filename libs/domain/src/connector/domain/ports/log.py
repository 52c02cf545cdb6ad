"""The log: keyed, partitioned topics that remember; written and read in batches, replayed by offsets."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from connector.domain.identity import Entity

Headers = tuple[tuple[str, bytes], ...]

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""What a topic carries; a larger value travels as a claim check."""
MAX_VALUE_BYTES = 16 * 1024 * 1024
"""Above this a value is refused by name."""


class LogError(Exception):
    """The log did not do what was asked; asking again is right unless the subclass says otherwise."""


class LogBroken(LogError):
    """Going on is impossible in this process: end it, and start it again once what the message names is put right."""


class NotAcknowledged(LogError):
    """Not all of a batch was acknowledged: any part of it may be in the log. Produce the whole batch again."""


class ValueTooLarge(LogError):
    """A value above MAX_VALUE_BYTES: it will never fit. The message names topic, key and size."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is produced. Equal keys go to one partition, in order; a null value erases the key on compacted topics."""

    topic: str
    key: str
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What is consumed: a message at its place in the log; `timestamp` is the log's own time of arrival."""

    topic: str
    key: str
    value: bytes | None
    headers: Headers
    partition: int
    offset: int
    timestamp: datetime

    def header(self, name: str) -> str | None:
        """The header's text, None where it is missing."""
        return next((value.decode("utf-8", "replace") for key, value in self.headers if key == name), None)


Handler = Callable[[Sequence[Record]], Awaitable[None]]
"""The effect of a batch, durable when it returns. After a failure or a crash records come again, in other batches too,
so the effect must be harmless to repeat. What it raises stops nothing but this batch's commit."""

Apply = Callable[[Record], Sequence[Message]]
"""Pure: what one record becomes."""


class Producer(Protocol):
    async def produce(self, messages: Sequence[Message]) -> None:
        """Return when all replicas in sync hold all of the messages.

        Waits where the buffer is full. Raises NotAcknowledged, or ValueTooLarge before anything was sent; LogBroken
        once nothing can be produced any more.
        """
        ...


class Log(Producer, Protocol):
    async def consume(self, topics: Sequence[str], group: str, handler: Handler, *, max_records: int = 500) -> None:
        """Give the topics' records to `handler` in batches until cancelled; at least once, in order within a partition.

        Offsets are committed after the effect. A batch whose handler raised comes again after a pause, before any
        later record of its partitions. Raises LogBroken where going on is impossible.
        """
        ...

    async def exactly_once(self, topics: Sequence[str], group: str, apply: Apply, *, max_records: int = 1000) -> None:
        """Produce what `apply` makes of each record until cancelled: outputs and offsets in one transaction a batch.

        `apply` is pure and must not raise for what it reads. Consumers of the outputs see each exactly once.
        """
        ...


class Cleanup(StrEnum):
    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the catalogue. `retention` counts where `cleanup` is delete, the lags where it is compact."""

    name: str
    cleanup: Cleanup
    partitions: int
    retention: timedelta = timedelta(days=30)
    min_compaction_lag: timedelta = timedelta(days=30)
    max_compaction_lag: timedelta = timedelta(days=35)
    max_message_bytes: int = MAX_MESSAGE_BYTES


MAPPING_REJECTED = "mapping.rejected"
PARTITIONS = 12
"""Of every keyed topic, fixed for good: another count would send keys to other partitions and lose their order."""


def webhooks_topic(system: str) -> str:
    return f"webhooks.{system}"


def documents_topic(system: str) -> str:
    return f"documents.{system}"


def canonical_topic(entity: Entity) -> str:
    return f"canonical.{entity}.v1"


def catalogue(systems: Iterable[str]) -> tuple[Topic, ...]:
    """Every topic there is: notices and refusals are kept 30 days, documents by compaction (all of their history for
    30 days, the last state for ever)."""
    per_system = [
        topic
        for system in systems
        for topic in (
            Topic(webhooks_topic(system), Cleanup.DELETE, PARTITIONS),
            Topic(documents_topic(system), Cleanup.COMPACT, PARTITIONS),
        )
    ]
    canonical = [Topic(canonical_topic(entity), Cleanup.COMPACT, PARTITIONS) for entity in Entity]
    return (*per_system, *canonical, Topic(MAPPING_REJECTED, Cleanup.DELETE, PARTITIONS))


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The event attributes of a message, binary mode: they ride in `ce_*` headers, the value is the data alone.

    `traceparent` is the W3C trace context of whoever produced it.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    dataschema: str | None = None
    content_type: str = "application/json"
    traceparent: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    """Further headers, by their full names."""

    def headers(self) -> Headers:
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_type": self.type,
            "ce_source": self.source,
            "ce_subject": self.subject,
            "ce_time": self.time.astimezone(UTC).isoformat(),
            "ce_dataschema": self.dataschema,
            "content-type": self.content_type,
            "traceparent": self.traceparent,
            **self.extensions,
        }
        return tuple((name, value.encode()) for name, value in attributes.items() if value is not None)
