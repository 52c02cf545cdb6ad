"""How far a consumer group is behind the log."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from connector.adapters.kafka.settings import LIBRARY_LOG, KafkaSettings

Place = tuple[str, int]

_TIMEOUT_S = 10
_FEW = 20
"""Up to so many offsets are looked into: they may be the ends of transactions, not records."""


def lag(settings: KafkaSettings, groups: Mapping[str, Sequence[str]]) -> Mapping[str, int]:
    """Records behind, by group; `groups` names the topics of each. Raises KafkaException where the cluster is away.

    A group that has committed nothing yet on a partition is behind by all that the partition holds.
    """
    with _consumer(settings, "lag") as looking:
        existing = looking.list_topics(timeout=_TIMEOUT_S).topics
        topics = sorted({settings.topic(topic) for of in groups.values() for topic in of})
        places = [(topic, number) for topic in topics if topic in existing for number in existing[topic].partitions]
        begin = _offsets(looking, places, OFFSET_BEGINNING)
        end = _offsets(looking, places, OFFSET_END)
    behind = {}
    for group, of in groups.items():
        mine = [place for place in places if settings.topic_name(place[0]) in of]
        committed = _committed(settings, group, mine)
        left = {place: end[place] - committed.get(place, begin[place]) for place in mine}
        without_records = _only_markers(settings, {place: end[place] - n for place, n in left.items() if 0 < n <= _FEW})
        behind[group] = sum(max(0, n) for place, n in left.items() if place not in without_records)
    return behind


def _only_markers(settings: KafkaSettings, places: Mapping[Place, int]) -> set[Place]:
    """Those of the places (with an offset each) after which no record follows: a transaction's end takes an offset too,
    which no consumer gets to see."""
    if not places:
        return set()
    ended: set[Place] = set()
    seen: set[Place] = set()
    with _consumer(settings, "lag") as consumer:
        consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])
        while len(seen) < len(places):
            message = consumer.poll(_TIMEOUT_S)
            if message is None:
                break
            error, place = message.error(), (message.topic() or "", message.partition() or 0)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                break
            if error is not None and place not in seen:
                ended.add(place)
            seen.add(place)
    return ended


def _offsets(consumer: Consumer, places: Sequence[Place], which: int) -> Mapping[Place, int]:
    """The offset where each partition begins or ends."""
    asked = [TopicPartition(*place, which) for place in places]
    return {
        (found.topic, found.partition): found.offset for found in _good(consumer.offsets_for_times(asked, _TIMEOUT_S))
    }


def _committed(settings: KafkaSettings, group: str, places: Sequence[Place]) -> Mapping[Place, int]:
    with _consumer(settings, group) as consumer:
        found = _good(consumer.committed([TopicPartition(*place) for place in places], _TIMEOUT_S))
    return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}


def _good(places: Sequence[TopicPartition]) -> Sequence[TopicPartition]:
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
    return places


@contextmanager
def _consumer(settings: KafkaSettings, group: str) -> Iterator[Consumer]:
    """A consumer that joins no group: it only asks.

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
