"""Reading a range of the log once, beside all groups: for orders that people give about the past."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from connector.adapters.kafka.claims import Claims
from connector.adapters.kafka.consumer import to_record
from connector.adapters.kafka.looking import Place, looker, offsets, places
from connector.adapters.kafka.settings import KafkaSettings
from connector.domain.ports.blobs import Blobs
from connector.domain.ports.log import LogError, Record

_BATCH = 1000
_GATHER_S = 0.2
"""A batch that is not full is waited for so long."""
_SILENCES = 150


async def scan(
    settings: KafkaSettings, topics: Sequence[str], blobs: Blobs, since: datetime | None, until: datetime | None
) -> AsyncIterator[Sequence[Record]]:
    """The committed records that came to the log at `since` or later and before `until`, in batches.

    It ends where the log ended when it began, however much comes meanwhile. Records are in order within a partition.
    Raises LogError where the cluster stops answering.
    """
    claims = Claims(blobs)
    with looker(settings, "scan") as consumer:
        left = await asyncio.to_thread(_assign, settings, consumer, topics, since)
        silences = 0
        while left:
            received = await asyncio.to_thread(consumer.consume, _BATCH, _GATHER_S)
            silences = 0 if received else silences + 1
            if silences > _SILENCES:
                silent_s = _SILENCES * _GATHER_S
                raise LogError(f"Kafka was silent for {silent_s:.0f} s while {len(left)} partitions were being read")
            records = [to_record(message, settings) for message in _before_end(received, left)]
            wanted = [record for record in records if _within(record, since, until)]
            if wanted:
                yield await claims.check_out(wanted)


def _assign(
    settings: KafkaSettings, consumer: Consumer, topics: Sequence[str], since: datetime | None
) -> dict[Place, int]:
    """Begin at the time given; returns the end of each partition that has something to read."""
    of = places(settings, consumer, topics)
    ends = offsets(consumer, of, OFFSET_END)
    begins = offsets(consumer, of, OFFSET_BEGINNING if since is None else _ms(since))
    left = {place: end for place, end in ends.items() if 0 <= begins[place] < end}
    consumer.assign([TopicPartition(*place, begins[place]) for place in left])
    return left


def _before_end(received: Sequence[KafkaMessage], left: dict[Place, int]) -> list[KafkaMessage]:
    """The records up to the ends in `left`, from which partitions read to their end are taken."""
    taken = []
    for message in received:
        place, offset = (message.topic() or "", message.partition() or 0), message.offset() or 0
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        if error is None and offset < left.get(place, 0):
            taken.append(message)
        if _at_end(error, offset, left, place):
            left.pop(place, None)
    return taken


def _at_end(error: KafkaError | None, offset: int, left: Mapping[Place, int], place: Place) -> bool:
    """The ends of transactions take offsets of their own: the last record may lie before the end."""
    return error is not None or offset >= left.get(place, 0) - 1


def _within(record: Record, since: datetime | None, until: datetime | None) -> bool:
    came = _ms(record.timestamp)
    return (since is None or came >= _ms(since)) and (until is None or came < _ms(until))


def _ms(instant: datetime) -> int:
    """The log's own resolution."""
    return int(instant.timestamp() * 1000)
