"""ingest as its own process, on the real broker and database, for one Exact connection."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connector.adapters.configuration.tenant_file import load
from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.part import checkout, free_port
from connector.adapters.postgres.configuration import PostgresConfiguration
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.vault import PostgresSealedStore
from connector.adapters.systems import names
from connector.adapters.vault import FileKeys, Vault
from connector.console.processes import Process, Processes, module
from connector.console.services import Platform, new_key_ring, service
from connector.domain.identity import ConnectionId
from connector.domain.ports.log import catalogue, webhooks_topic

CLIENT_ID = "11111111-1111-1111-1111-111111111111"
DIVISION = 123456
SECRET = "planted-webhook-secret"
CONNECTION = ConnectionId("acme", "exact")
TENANT = f"""
tenant: acme
connections:
  exact:
    system: exact
    settings: {{region: nl, division: {DIVISION}, company: {{currency: EUR}}}}
    secrets: {{client_id: "env:T_CLIENT_ID", client_secret: "env:T_CLIENT_SECRET", webhook_secret: "env:T_SECRET"}}
"""


@dataclass(frozen=True)
class Receiver:
    """Where ingest listens, and the topic it writes to."""

    base_url: str
    endpoint: str
    settings: KafkaSettings
    process: Process

    @property
    def log_file(self) -> Path:
        return self.process.log

    @property
    def webhook_url(self) -> str:
        return f"{self.base_url}/webhooks/{self.endpoint}"

    def stored(self) -> Sequence[Message]:
        """Every webhook in the log now."""
        topic = self.settings.topic(webhooks_topic("exact"))
        consumer = Consumer({**self.settings.client(), "group.id": "look", "enable.auto.commit": False})
        try:
            places = [
                TopicPartition(topic, number, 0) for number in consumer.list_topics(topic).topics[topic].partitions
            ]
            ends = sum(_end(consumer, place) for place in places)
            consumer.assign(places)
            found: list[Message] = []
            while len(found) < ends:
                found += consumer.consume(ends - len(found), timeout=10)
            return found
        finally:
            consumer.close()


async def declare(database_url: str, file: Path, key_ring: Path) -> str:
    """Apply the tenant; return the webhook endpoint of its connection."""
    database = engine(database_url)
    try:
        tenant = load(file)
        secrets = {field: secret.reveal() for (_, field), secret in tenant.secrets.items()}
        await Vault(PostgresSealedStore(database), FileKeys(key_ring)).put(CONNECTION, secrets)
        configuration = PostgresConfiguration(database)
        await configuration.apply(tenant, "test", {})
        return next(iter(await configuration.endpoints()))
    finally:
        await database.dispose()


@contextmanager
def receiving(
    kafka: str, database_url: str, folder: Path, key_ring: Path, command: Sequence[str] | None = None
) -> Iterator[Receiver]:
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"{folder.name}.")
    platform = Platform(kafka, database_url, f"http://127.0.0.1:{free_port()}", key_ring)
    (folder / "tenant.yaml").write_text(TENANT)
    endpoint = asyncio.run(declare(database_url, folder / "tenant.yaml", key_ring))
    spec = service("ingest", platform)
    environment = {**spec.environment, "KAFKA_TOPIC_PREFIX": settings.topic_prefix, "PYTHONPATH": str(checkout())}
    with Processes(folder) as processes:
        ready_url = f"{platform.public_base_url}/livez"
        process = processes.start(type(spec)(spec.name, command or spec.command, environment, ready_url))
        processes.wait_ready()
        yield Receiver(platform.public_base_url, endpoint, settings, process)


@pytest.fixture(scope="module")
def key_ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_key_ring(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def secrets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("T_CLIENT_ID", CLIENT_ID), ("T_CLIENT_SECRET", "planted-oauth"), ("T_SECRET", SECRET)):
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def ingest(
    kafka: str, database_url: str, tmp_path_factory: pytest.TempPathFactory, key_ring: Path, secrets: None
) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("ingest")
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"{folder.name}.")
    apply_topics(settings, catalogue(names()))
    with receiving(kafka, database_url, folder, key_ring) as receiver:
        yield receiver


@pytest.fixture
def draining(
    kafka: str, database_url: str, tmp_path_factory: pytest.TempPathFactory, key_ring: Path, secrets: None
) -> Iterator[Receiver]:
    """One of its own, for a test that ends it."""
    folder = tmp_path_factory.mktemp("draining")
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"{folder.name}.")
    apply_topics(settings, catalogue(names()))
    with receiving(kafka, database_url, folder, key_ring) as receiver:
        yield receiver


@pytest.fixture
def breaking(
    kafka: str, database_url: str, tmp_path_factory: pytest.TempPathFactory, key_ring: Path, secrets: None
) -> Iterator[Receiver]:
    """One whose producer fails for good at SIGUSR1."""
    command = module("tests.integration.ingest.breaking")
    with receiving(kafka, database_url, tmp_path_factory.mktemp("breaking"), key_ring, command) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def cut_off(
    database_url: str, tmp_path_factory: pytest.TempPathFactory, key_ring: Path, secrets: None
) -> Iterator[Receiver]:
    """One whose broker is away."""
    with receiving(f"127.0.0.1:{free_port()}", database_url, tmp_path_factory.mktemp("cut-off"), key_ring) as receiver:
        yield receiver


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """The offset after the last message; a new topic's partitions have no leader for a moment."""
    for _ in range(50):
        try:
            return int(consumer.get_watermark_offsets(place, timeout=10)[1])
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            time.sleep(0.2)
    raise AssertionError(f"{place} has no leader after 10 s")
