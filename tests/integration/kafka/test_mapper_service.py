"""The mapper as its own process on the real broker."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.log import KafkaLog
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.systems.rooms import system_names
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.messages import document_message
from connector.domain.identity import Entity
from connector.domain.ports.log import MAPPING_REJECTED, Message, Record, canonical_topic, catalogue, documents_topic
from connector.domain.ports.source import Absence
from tests.support import running, until


async def test_the_mapper_maps_what_it_can_names_what_it_cannot_and_drains(
    log: KafkaLog, settings: KafkaSettings, database_url: str
) -> None:
    apply_topics(settings, catalogue(system_names()))
    gone = SourceDocument(
        tenant="acme", connection="books", system="exact", entity=Entity.INVOICE, native_id="17",
        read_at=datetime(2026, 3, 1, tzinfo=UTC), cause="live", digest="",
        absence=Absence.PROVEN_DELETED, proof="notice",
    )  # fmt: skip
    poison = Message(documents_topic("exact"), "acme/books/invoice/18", b"\xff<html>")
    await log.produce([poison, document_message(gone)])
    arrived: dict[tuple[str, str], Record] = {}

    async def keep(records: Sequence[Record]) -> None:
        arrived.update({(record.topic, record.key): record for record in records})

    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": settings.topic_prefix,
        "KAFKA_GROUP_PREFIX": settings.group_prefix,
        "DATABASE_URL": database_url,
    }
    mapper = await asyncio.create_subprocess_exec(sys.executable, "-m", "connector.mapper", env=environment)
    invoices = canonical_topic(Entity.INVOICE)
    async with running(log.consume([invoices, MAPPING_REJECTED], "check", keep)):
        await until(lambda: len(arrived) == 3)
    mapper.send_signal(signal.SIGTERM)
    assert await mapper.wait() == 0
    assert json.loads(arrived[invoices, "acme/books/invoice/17"].value or b"")["status"] == "deleted"
    assert json.loads(arrived[invoices, "acme/books/invoice/18"].value or b"")["status"] == "rejected"
    assert (MAPPING_REJECTED, "acme/books/invoice/18") in arrived
