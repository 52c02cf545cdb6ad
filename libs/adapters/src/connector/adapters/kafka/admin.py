"""The topics on a cluster: created from the catalogue, compared with it, never changed behind anybody's back."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType, TopicMetadata  # type: ignore[attr-defined]

from connector.adapters.kafka.settings import WIRE_BYTES, KafkaSettings
from connector.domain.ports.log import MAX_MESSAGE_BYTES, Cleanup, Topic

_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class AppliedTopics:
    """`differences` are topics that exist otherwise than the catalogue says, each with what to do."""

    created: Sequence[str]
    present: Sequence[str]
    differences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Acl:
    """A right a service's Kafka user needs."""

    resource: str
    name: str
    pattern: str
    operations: tuple[str, ...]


def apply_topics(settings: KafkaSettings, topics: Sequence[Topic]) -> AppliedTopics:
    """Create the topics that are missing and wait until their partitions have leaders; report those that differ.

    Raises KafkaException where the cluster refuses (rights, replication factor).
    """
    admin = AdminClient(settings.client())
    wanted = {settings.topic(topic.name): topic for topic in topics}
    existing = admin.list_topics(timeout=_TIMEOUT_S).topics
    missing = [name for name in wanted if name not in existing]
    if missing:
        _create(admin, [_new_topic(settings, name, wanted[name]) for name in missing])
    present = [name for name in wanted if name in existing]
    differences = [
        f"{name}: {len(existing[name].partitions)} partitions, the catalogue says {wanted[name].partitions}; partition "
        "counts are fixed: create the topic anew under another KAFKA_TOPIC_PREFIX, or recreate it empty"
        for name in present
        if len(existing[name].partitions) != wanted[name].partitions
    ]
    differences += _config_differences(admin, {name: _config(settings, wanted[name]) for name in present})
    return AppliedTopics(missing, present, differences)


def needed_acls(settings: KafkaSettings) -> tuple[Acl, ...]:
    """The ACLs of the services' Kafka user, for whoever grants them."""
    topics = ("webhooks.", "documents.", "canonical.", "mapping.")
    return (
        *(Acl("topic", settings.topic(start), "prefixed", ("Describe", "Read", "Write")) for start in topics),
        *(Acl("topic", settings.topic(start), "prefixed", ("Create", "DescribeConfigs")) for start in topics),
        Acl("group", settings.group(""), "prefixed", ("Describe", "Read")),
        Acl("transactional-id", settings.group("mapper-"), "prefixed", ("Describe", "Write")),
        Acl("cluster", "kafka-cluster", "literal", ("IdempotentWrite",)),
    )


def _create(admin: AdminClient, topics: Sequence[NewTopic]) -> None:
    for created in admin.create_topics(list(topics), operation_timeout=_TIMEOUT_S).values():
        try:
            created.result()
        except KafkaException as error:
            # Another service of ours starting at the same time was quicker.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    _await_leaders(admin, {topic.topic for topic in topics})


def _await_leaders(admin: AdminClient, names: set[str]) -> None:
    """Brokers hear of a new topic a moment after the controller has made it."""
    give_up = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < give_up:
        known = admin.list_topics(timeout=_TIMEOUT_S).topics
        if all(name in known and _has_leaders(known[name]) for name in names):
            return
        time.sleep(0.05)
    raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE, f"new topics have no leaders: {sorted(names)}"))


def _has_leaders(topic: TopicMetadata) -> bool:
    return bool(topic.partitions) and all(partition.leader >= 0 for partition in topic.partitions.values())


def _new_topic(settings: KafkaSettings, name: str, topic: Topic) -> NewTopic:
    return NewTopic(
        name,
        num_partitions=topic.partitions,
        replication_factor=settings.replication_factor or -1,
        config=_config(settings, topic),
    )


def _config(settings: KafkaSettings, topic: Topic) -> dict[str, str]:
    config = {"cleanup.policy": str(topic.cleanup), "max.message.bytes": str(_wire_bytes(topic))}
    if topic.cleanup is Cleanup.DELETE:
        config["retention.ms"] = _ms(topic.retention)
    else:
        config["min.compaction.lag.ms"] = _ms(topic.min_compaction_lag)
        config["max.compaction.lag.ms"] = _ms(topic.max_compaction_lag)
    if settings.min_insync_replicas is not None:
        config["min.insync.replicas"] = str(settings.min_insync_replicas)
    return config


def _config_differences(admin: AdminClient, wanted: dict[str, dict[str, str]]) -> Iterator[str]:
    if not wanted:
        return
    resources = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in wanted])
    for resource, described in resources.items():
        found = described.result()
        for key, value in wanted[resource.name].items():
            if found[key].value != value:
                yield (
                    f"{resource.name}: {key} is {found[key].value}, the catalogue says {value}; set it with "
                    f"kafka-configs.sh --alter --topic {resource.name} --add-config {key}={value}"
                )


def _wire_bytes(topic: Topic) -> int:
    return topic.max_message_bytes + (WIRE_BYTES - MAX_MESSAGE_BYTES)


def _ms(duration: timedelta) -> str:
    return str(int(duration.total_seconds() * 1000))
