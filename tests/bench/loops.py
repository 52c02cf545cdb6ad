"""What the mapper is compared with, each as a process: `without-transactions`, and `json` (exactly once, no more)."""

import asyncio
import json
import sys
from collections.abc import Sequence

from connector.adapters.kafka.log import KafkaLog, kafka
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.systems.rooms import translations
from connector.adapters.telemetry.process import health, run_service
from connector.domain.identity import Entity
from connector.domain.mapping.mapper import Mapper
from connector.domain.ports.log import Message, Record, canonical_topic, documents_topic

GROUP = "mapper"
BATCH = 1000


async def without_transactions(log: KafkaLog) -> None:
    """The mapper, at least once."""
    mapper = Mapper(translations)

    async def take(records: Sequence[Record]) -> None:
        await log.produce(await asyncio.to_thread(lambda: [made for record in records for made in mapper(record)]))

    await log.consume([documents_topic("exact")], GROUP, take, max_records=BATCH)


async def json_alone(log: KafkaLog) -> None:
    """A JSON round trip, exactly once."""
    topic = canonical_topic(Entity.PURCHASE_ORDER)

    def through(record: Record) -> Sequence[Message]:
        return [Message(topic, record.key, json.dumps(json.loads(record.value or b"null")).encode())]

    await log.exactly_once([documents_topic("exact")], GROUP, through)


LOOPS = {"without-transactions": without_transactions, "json": json_alone}


async def main() -> None:
    async with kafka(KafkaSettings(), service=GROUP) as log, health({"kafka": log.problem}):
        await LOOPS[sys.argv[1]](log)


if __name__ == "__main__":
    sys.exit(run_service(GROUP, main))
