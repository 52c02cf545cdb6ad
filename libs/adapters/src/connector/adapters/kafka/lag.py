"""How far a consumer group is behind the log."""

from collections.abc import Mapping, Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from connector.adapters.kafka.settings import KafkaSettings

_TIMEOUT_S = 10


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
        behind[group] = sum(max(0, end[place] - committed.get(place, begin[place])) for place in mine)
    return behind


def _offsets(admin: AdminClient, places: Sequence[tuple[str, int]], spec: OffsetSpec) -> Mapping[tuple[str, int], int]:
    asked = admin.list_offsets({TopicPartition(*place): spec for place in places}, request_timeout=_TIMEOUT_S)
    return {(place.topic, place.partition): answer.result().offset for place, answer in asked.items()}


def _committed(admin: AdminClient, group: str) -> Mapping[tuple[str, int], int]:
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=_TIMEOUT_S)
    found = asked[group].result().topic_partitions or []
    return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}
