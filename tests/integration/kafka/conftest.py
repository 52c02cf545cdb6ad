"""A log on the real broker, with topics of the test's own."""

from collections.abc import AsyncIterator, Callable

import pytest

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.log import KafkaLog
from connector.adapters.kafka.log import kafka as kafka_log
from connector.adapters.kafka.settings import KafkaSettings
from connector.domain.ports.log import Cleanup, Topic


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka, topic_prefix=topic_prefix, group_prefix=topic_prefix, replication_factor=1
    )


@pytest.fixture
async def log(settings: KafkaSettings) -> AsyncIterator[KafkaLog]:
    async with kafka_log(settings, service="test") as opened:
        yield opened


@pytest.fixture
def new_topic(settings: KafkaSettings) -> Callable[..., str]:
    def create(name: str, partitions: int = 1) -> str:
        apply_topics(settings, [Topic(name, Cleanup.DELETE, partitions)])
        return name

    return create
