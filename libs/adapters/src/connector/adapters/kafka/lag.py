"""How far a consumer group is behind the log."""

from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, TopicPartition

from connector.adapters.kafka.looking import TIMEOUT_S, Place, good, looker, offsets, places
from connector.adapters.kafka.settings import KafkaSettings

_FEW = 20
"""Up to so many offsets are looked into: they may be the ends of transactions, not records."""


def lag(settings: KafkaSettings, groups: Mapping[str, Sequence[str]]) -> Mapping[str, int]:
    """Records behind, by group; `groups` names the topics of each. Raises KafkaException where the cluster is away.

    A group that has committed nothing yet on a partition is behind by all that the partition holds.
    """
    with looker(settings, "lag") as asking:
        all_places = places(settings, asking, [topic for of in groups.values() for topic in of])
        begin = offsets(asking, all_places, OFFSET_BEGINNING)
        end = offsets(asking, all_places, OFFSET_END)
    behind = {}
    for group, of in groups.items():
        mine = [place for place in all_places if settings.topic_name(place[0]) in of]
        committed = _committed(settings, group, mine)
        left = {place: end[place] - committed.get(place, begin[place]) for place in mine}
        without_records = _only_markers(settings, {place: end[place] - n for place, n in left.items() if 0 < n <= _FEW})
        behind[group] = sum(max(0, n) for place, n in left.items() if place not in without_records)
    return behind


def _only_markers(settings: KafkaSettings, after: Mapping[Place, int]) -> set[Place]:
    """Those of the places (with an offset each) after which no record follows: a transaction's end takes an offset too,
    which no consumer gets to see."""
    if not after:
        return set()
    ended: set[Place] = set()
    seen: set[Place] = set()
    with looker(settings, "lag") as consumer:
        consumer.assign([TopicPartition(*place, offset) for place, offset in after.items()])
        while len(seen) < len(after):
            message = consumer.poll(TIMEOUT_S)
            if message is None:
                break
            error, place = message.error(), (message.topic() or "", message.partition() or 0)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                break
            if error is not None and place not in seen:
                ended.add(place)
            seen.add(place)
    return ended


def _committed(settings: KafkaSettings, group: str, of: Sequence[Place]) -> Mapping[Place, int]:
    with looker(settings, group) as consumer:
        found = good(consumer.committed([TopicPartition(*place) for place in of], TIMEOUT_S))
    return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}
