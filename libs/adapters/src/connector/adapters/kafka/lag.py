"""How far a consumer group is behind the log."""

from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from connector.adapters.kafka.settings import KafkaSettings

_TIMEOUT_S = 10
_FEW = 20
"""Up to so many offsets are looked into: they may be the ends of transactions, not records."""


def lag(settings: KafkaSettings, groups: Mapping[str, Sequence[str]]) -> Mapping[str, int]:
    """Records behind, by group; `groups` names the topics of each. Raises KafkaException where the cluster is away.

    A group that has committed nothing yet on a partition is behind by all that the partition holds.
    """
    admin = AdminClient(settings.client())
    topics = sorted({settings.topic(topic) for of in groups.values() for topic in of})
    existing = admin.list_topics(timeout=_TIMEOUT_S).topics
    places = [(topic, number) for topic in topics if topic in existing for number in existing[topic].partitions]
    begin = _offsets(admin, places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
    end = _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
    behind = {}
    for group, of in groups.items():
        committed = _committed(admin, settings.group(group))
        mine = [place for place in places if settings.topic_name(place[0]) in of]
        left = {place: end[place] - committed.get(place, begin[place]) for place in mine}
        without_records = _only_markers(settings, {place: end[place] - n for place, n in left.items() if 0 < n <= _FEW})
        behind[group] = sum(max(0, n) for place, n in left.items() if place not in without_records)
    return behind


def _only_markers(settings: KafkaSettings, places: Mapping[tuple[str, int], int]) -> set[tuple[str, int]]:
    """Those of the places (with an offset each) after which no record follows: a transaction's end takes an offset too,
    which no consumer gets to see."""
    if not places:
        return set()
    consumer = Consumer(
        {
            **settings.client(),
            "group.id": settings.group("lag"),
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])
        ended: set[tuple[str, int]] = set()
        seen: set[tuple[str, int]] = set()
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
    finally:
        consumer.close()


def _offsets(admin: AdminClient, places: Sequence[tuple[str, int]], spec: OffsetSpec) -> Mapping[tuple[str, int], int]:
    asked = admin.list_offsets({TopicPartition(*place): spec for place in places}, request_timeout=_TIMEOUT_S)
    return {(place.topic, place.partition): answer.result().offset for place, answer in asked.items()}


def _committed(admin: AdminClient, group: str) -> Mapping[tuple[str, int], int]:
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=_TIMEOUT_S)
    found = asked[group].result().topic_partitions or []
    return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}
