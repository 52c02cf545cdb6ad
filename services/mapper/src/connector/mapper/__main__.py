"""The mapper: every document as read becomes one canonical record, exactly once."""

import asyncio
import os
import sys

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.log import kafka
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.postgres.blobs import blobs
from connector.adapters.systems.rooms import source_names, system_names, translations
from connector.adapters.telemetry.process import health, run_service
from connector.domain.mapping.mapper import Mapper
from connector.domain.ports.log import catalogue, documents_topic

SERVICE = "mapper"


async def main() -> None:
    settings = KafkaSettings()
    await asyncio.to_thread(apply_topics, settings, catalogue(system_names()))
    async with (
        blobs(os.environ.get("DATABASE_URL")) as large_values,
        kafka(settings, service=SERVICE, blobs=large_values) as log,
        health({"kafka": log.problem}),
    ):
        documents = [documents_topic(system) for system in source_names()]
        await log.exactly_once(documents, SERVICE, Mapper(translations))


if __name__ == "__main__":
    sys.exit(run_service(SERVICE, main))
