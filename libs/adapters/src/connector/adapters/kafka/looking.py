"""Looking at the log without belonging to a group: nothing is committed, and no group shows up."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException, TopicPartition

from connector.adapters.kafka.settings import LIBRARY_LOG, KafkaSettings

Place = tuple[str, int]

TIMEOUT_S = 10


@contextmanager
def looker(settings: KafkaSettings, group: str) -> Iterator[Consumer]:
    """A consumer that joins no group: it only asks, or reads what it is assigned.

    The admin client's answers come on another thread, and have been seen to crash a process that ends soon after.
    """
    consumer = Consumer(
        {
            **settings.client(),
            "group.id": settings.group(group),
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        },
        logger=LIBRARY_LOG,
    )
    try:
        yield consumer
    finally:
        consumer.close()


def places(settings: KafkaSettings, consumer: Consumer, topics: Sequence[str]) -> Sequence[Place]:
    """Every partition of those of the topics that exist."""
    existing = consumer.list_topics(timeout=TIMEOUT_S).topics
    wanted = sorted({settings.topic(topic) for topic in topics})
    return [(topic, number) for topic in wanted if topic in existing for number in existing[topic].partitions]


def offsets(consumer: Consumer, of: Sequence[Place], which: int) -> Mapping[Place, int]:
    """An offset of each partition: where it begins (OFFSET_BEGINNING), where it ends (OFFSET_END), or that of the first
    record which came at this Unix time in ms or later (negative where none did)."""
    asked = [TopicPartition(*place, which) for place in of]
    return {
        (found.topic, found.partition): found.offset for found in good(consumer.offsets_for_times(asked, TIMEOUT_S))
    }


def good(found: Sequence[TopicPartition]) -> Sequence[TopicPartition]:
    """The answers, where none of them is an error; raises KafkaException."""
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
    return found
