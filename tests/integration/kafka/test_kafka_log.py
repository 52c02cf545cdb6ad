"""Kafka keeps the log's contract."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import Consumer, TopicPartition

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.log import kafka as kafka_log
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.offsets import reset_to_earliest
from connector.adapters.parts.part import PartsError
from connector.domain.ports.log import Cleanup, Log, Topic
from tests.contract.log_contract import LogContract
from tests.integration.kafka.support import committed_values


class KafkaHarness:
    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._running = 0

    def new_topic(self, name: str, partitions: int = 1) -> str:
        apply_topics(self._settings, [Topic(name, Cleanup.DELETE, partitions)])
        return name

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Log]:
        async with kafka_log(self._settings, service="test", delivery_timeout_s=3) as log:
            self._running += 1
            yield log
        self._running -= 1

    async def committed(self, group: str, topic: str) -> int:
        return await asyncio.to_thread(self._committed, group, topic)

    def _committed(self, group: str, topic: str) -> int:
        client = Consumer({**self._settings.client(), "group.id": self._settings.group(group)})
        try:
            [place] = client.committed([TopicPartition(self._settings.topic(topic), 0)], timeout=5)
            return place.offset
        finally:
            client.close()

    async def values(self, topic: str, count: int) -> list[int]:
        return await asyncio.to_thread(committed_values, self._settings, topic, count)

    async def reset(self, group: str, topic: str) -> None:
        """With Kafka's own command, which refuses while a member runs, or a stopped one's session is not over."""
        give_up = time.monotonic() + 20
        while True:
            try:
                await asyncio.to_thread(
                    reset_to_earliest,
                    self._settings.bootstrap_servers,
                    self._settings.group(group),
                    [self._settings.topic(topic)],
                )
            except PartsError:
                if self._running or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.5)
            else:
                return


@pytest.fixture
def cluster(settings: KafkaSettings) -> KafkaHarness:
    return KafkaHarness(settings)


class TestKafkaLog(LogContract):
    pass
