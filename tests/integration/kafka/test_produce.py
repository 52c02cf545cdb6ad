"""Producing on the real broker: acknowledged means kept, memory is bounded, sizes are told."""

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.log import KafkaLog
from connector.adapters.kafka.log import kafka as kafka_log
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.postgres.blobs import PostgresBlobs
from connector.adapters.postgres.engine import engine
from connector.domain.ports.log import (
    MAX_MESSAGE_BYTES,
    Cleanup,
    LogBroken,
    Message,
    Record,
    Topic,
    catalogue,
)
from tests.breaking import fail_for_good
from tests.support import numbered, running, until

NewTopic = Callable[..., str]


async def test_an_acknowledged_message_is_in_the_log(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    topic = new_topic("letters", 3)
    await asyncio.gather(*(log.produce(numbered(topic, range(start, start + 7), keys=5)) for start in range(0, 700, 7)))
    client = Consumer({**settings.client(), "group.id": settings.group("ends")})
    from confluent_kafka import TopicPartition

    ends = [client.get_watermark_offsets(TopicPartition(settings.topic(topic), place))[1] for place in range(3)]
    client.close()
    assert sum(ends) == 700


async def test_one_key_is_one_partition_in_order(log: KafkaLog, new_topic: NewTopic) -> None:
    topic = new_topic("letters", 6)
    for start in range(0, 200, 10):
        await log.produce(numbered(topic, range(start, start + 10), keys=7))
    arrived: list[Record] = []

    async def keep(records: Sequence[Record]) -> None:
        arrived.extend(records)

    async with running(log.consume([topic], "readers", keep)):
        await until(lambda: len(arrived) == 200)
    for key in {record.key for record in arrived}:
        of_key = [record for record in arrived if record.key == key]
        assert len({record.partition for record in of_key}) == 1
        assert [int(record.value or b"") for record in of_key] == sorted(int(record.value or b"") for record in of_key)


async def test_more_than_the_buffer_holds_waits_instead_of_growing(log: KafkaLog, new_topic: NewTopic) -> None:
    topic = new_topic("letters")
    value = bytes(200_000)
    async with asyncio.timeout(60):
        await log.produce([Message(topic, "acme/main", value) for _ in range(500)])  # 100 MB through 32 MB


async def test_the_loop_goes_on_while_a_large_batch_waits(log: KafkaLog, new_topic: NewTopic) -> None:
    topic = new_topic("letters")
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)

    async with running(tick()):
        await asyncio.gather(*(log.produce([Message(topic, "acme/main", b"x" * 1000)] * 100) for _ in range(100)))
    assert longest < 0.5


async def test_a_client_that_failed_for_good_ends_who_uses_the_log(settings: KafkaSettings) -> None:
    """confluent-kafka raises it in `poll` and tells no callback: the poll thread died of it, unheard, and nothing that
    was produced before or after ever returned."""
    producing: list[asyncio.Task[None]] = []

    async def use() -> None:
        async with kafka_log(settings, service="test") as log:
            producing.append(asyncio.create_task(log.produce(numbered("no-such-topic", range(10)))))
            await asyncio.sleep(0.1)
            fail_for_good(log._producer._client)
            await asyncio.Event().wait()

    async with asyncio.timeout(20):
        with pytest.raises(LogBroken, match="failed for good"):
            await use()
        with pytest.raises(LogBroken, match="failed for good"):
            await producing[0]


async def test_a_value_above_a_message_travels_by_claim_and_arrives_whole(
    settings: KafkaSettings, new_topic: NewTopic, database_url: str
) -> None:
    topic = new_topic("letters")
    database = engine(database_url)
    large = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256 + 1)
    arrived: list[Record] = []

    async def keep(records: Sequence[Record]) -> None:
        arrived.extend(records)

    async with kafka_log(settings, service="test", blobs=PostgresBlobs(database)) as log:
        await log.produce([Message(topic, "acme/main", b"small"), Message(topic, "acme/main", large)])
        async with running(log.consume([topic], "readers", keep)):
            await until(lambda: len(arrived) == 2)
    await database.dispose()
    assert [record.value for record in arrived] == [b"small", large]
    assert arrived[1].headers == ()


async def test_the_largest_message_fits_without_a_claim(log: KafkaLog, new_topic: NewTopic) -> None:
    import random

    topic = new_topic("letters")
    await log.produce([Message(topic, "acme/main", random.Random(1).randbytes(MAX_MESSAGE_BYTES))])


def test_the_catalogue_is_created_as_it_says_and_only_once(settings: KafkaSettings) -> None:
    wanted = catalogue(["exact"])
    assert len(apply_topics(settings, wanted).created) == len(wanted)
    again = apply_topics(settings, wanted)
    assert (again.created, again.differences) == ([], [])
    name = settings.topic("canonical.invoice.v1")
    admin = AdminClient(settings.client())
    [described] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)]).values()
    config = described.result()
    assert config["cleanup.policy"].value == "compact"
    assert config["min.compaction.lag.ms"].value == str(30 * 24 * 3600 * 1000)
    assert config["max.compaction.lag.ms"].value == str(35 * 24 * 3600 * 1000)


def test_a_topic_that_differs_is_reported_with_what_to_do(settings: KafkaSettings) -> None:
    apply_topics(settings, [Topic("letters", Cleanup.DELETE, 1)])
    found = apply_topics(settings, [Topic("letters", Cleanup.COMPACT, 2)]).differences
    assert any("1 partitions, the catalogue says 2" in difference for difference in found)
    assert any("kafka-configs.sh" in difference and "cleanup.policy=compact" in difference for difference in found)
