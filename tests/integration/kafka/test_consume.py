"""Hazards of consuming, each seen on the real broker: what would lose or skip records."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import REGISTRY

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.log import KafkaLog
from connector.adapters.kafka.log import kafka as kafka_log
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.broker import LocalBroker
from connector.domain.ports.log import Cleanup, Message, NotAcknowledged, Record, Topic
from tests.contract.log_contract import Seen
from tests.support import numbered, running, until

NewTopic = Callable[..., str]


async def test_a_header_that_is_not_utf_8_stops_nothing(log: KafkaLog, new_topic: NewTopic) -> None:
    topic = new_topic("letters")
    await log.produce([Message(topic, "acme/main", b"0", (("x", b"\xff\xff"),)), Message(topic, "acme/main", b"1")])
    seen = Seen()
    async with running(log.consume([topic], "readers", seen)):
        await until(lambda: len(seen.values) == 2)
    assert seen.values == [0, 1]


async def test_consuming_a_topic_that_does_not_exist_does_not_create_it(log: KafkaLog, settings: KafkaSettings) -> None:
    async with running(log.consume(["nowhere"], "readers", Seen())):
        await asyncio.sleep(1)
    assert settings.topic("nowhere") not in AdminClient(settings.client()).list_topics(timeout=5).topics


async def test_a_handler_that_produces_and_is_not_acknowledged_is_called_again(
    settings: KafkaSettings, new_topic: NewTopic
) -> None:
    topic = new_topic("letters")
    attempts = 0

    async with kafka_log(settings, service="test", delivery_timeout_s=3) as log:

        async def forward(records: Sequence[Record]) -> None:
            nonlocal attempts
            attempts += 1
            await log.produce([Message("nowhere" if attempts == 1 else topic, "acme/main", b"forwarded")])

        await log.produce(numbered(topic, range(1)))
        async with running(log.consume([topic], "readers", forward)):
            await until(lambda: attempts >= 2)


async def test_a_committed_offset_the_log_no_longer_holds_is_an_alarm(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    topic, group = new_topic("letters"), f"{settings.topic_prefix}late"
    await log.produce(numbered(topic, range(10)))
    seen: list[int] = []

    async def only_the_first(records: Sequence[Record]) -> None:
        if seen:
            raise RuntimeError("planned")
        seen.append(records[0].offset)

    async with running(log.consume([topic], group, only_the_first, max_records=1)):
        await until(lambda: len(seen) == 1)
    admin = AdminClient(settings.client())
    [deleted] = admin.delete_records([TopicPartition(settings.topic(topic), 0, 10)]).values()
    deleted.result()
    await log.produce(numbered(topic, range(10, 11)))
    later = Seen()
    async with running(log.consume([topic], group, later)):
        await until(lambda: later.values == [10])
    assert REGISTRY.get_sample_value("connector_log_offset_out_of_range_total", {"group": group}) == 1


@pytest.mark.slow
async def test_a_killed_broker_loses_nothing_acknowledged_and_consumers_go_on_by_themselves(tmp_path: Path) -> None:
    broker = LocalBroker(tmp_path / "kafka", heap_mb=256)
    broker.start()
    settings = KafkaSettings(bootstrap_servers=broker.address, replication_factor=1)
    apply_topics(settings, [Topic("letters", Cleanup.DELETE, 3)])
    acknowledged: list[int] = []
    seen = Seen()

    async def feed(log: KafkaLog) -> None:
        for number in range(300):
            try:
                await log.produce(numbered("letters", range(number, number + 1)))
                acknowledged.append(number)
            except NotAcknowledged:
                continue
            await asyncio.sleep(0.005)

    async with kafka_log(settings, service="test", delivery_timeout_s=20) as log:
        async with running(log.consume(["letters"], "readers", seen)), running(feed(log)) as feeding:
            await until(lambda: len(acknowledged) > 100)
            await asyncio.to_thread(broker.kill)
            assert await log.problem() is not None
            await asyncio.to_thread(broker.start)
            await feeding
            await until(lambda: set(acknowledged) <= set(seen.values), "acknowledged messages are missing")
        assert await log.problem() is None
    await asyncio.to_thread(broker.stop)
