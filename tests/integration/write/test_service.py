"""The writer's process on a real broker and database."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import text

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.log import kafka as open_kafka
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.postgres.engine import engine
from connector.adapters.systems import names
from connector.domain.documents.envelope import ReferenceRecord
from connector.domain.documents.messages import canonical_message
from connector.domain.documents.reference import Reference, ReferenceKind
from connector.domain.identity import Entity
from connector.domain.ports.log import catalogue
from tests.virtual import START

KEY_RING = '{"active": "k1", "keys": {"k1": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}'
WITHIN_S = 60


def account() -> ReferenceRecord:
    return ReferenceRecord(
        tenant="acme",
        connection="erp",
        system="exact",
        entity=Entity.REFERENCE,
        native_id="gl-account/40/00",
        read_at=START,
        translation_version=1,
        content_digest="c",
        resolved_digest="r",
        document=Reference(kind=ReferenceKind.GL_ACCOUNT, code="40/00", name="Stationery"),
    )


async def test_it_takes_records_in_passes_by_what_is_none_and_drains_when_told(
    database_url: str, kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "KAFKA_GROUP_PREFIX": topic_prefix,
        "CONNECTOR_KEY_RING": KEY_RING,
    }
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=topic_prefix)
    await asyncio.to_thread(apply_topics, settings, catalogue(names()))
    message = canonical_message(account(), document="d")
    poison = type(message)(message.topic, message.key, b"{}", message.headers)
    odd_key = type(message)(message.topic, f"{message.key}\x1f\0", message.value, message.headers)
    async with open_kafka(settings, service="test") as log:
        await log.produce([poison, odd_key, message])
    with (tmp_path / "log").open("w") as said:
        service = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "connector.coupa_writer", env=environment, stdout=said, stderr=said
        )
        try:
            body = await asyncio.wait_for(stored(database_url), WITHIN_S)
        except TimeoutError:
            raise AssertionError((tmp_path / "log").read_text()[-4000:]) from None
        finally:
            if service.returncode is None:
                service.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(service.wait(), WITHIN_S)
    told = (tmp_path / "log").read_text()
    assert body["name"] == "Stationery"
    assert told.count("record refused") == 2
    assert code == 0, told[-4000:]


async def stored(database_url: str) -> dict[str, str]:
    pool = engine(database_url)
    statement = text("select body from reference where code = '40/00'")
    try:
        while True:
            async with pool.connect() as db:
                found: dict[str, str] | None = (await db.execute(statement)).scalar()
            if found is not None:
                return found
            await asyncio.sleep(0.1)
    finally:
        await pool.dispose()
