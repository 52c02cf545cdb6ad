"""The log on Kafka: one object that a service's composition root holds for its life."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition

from connector.adapters.kafka.claims import Claims
from connector.adapters.kafka.consumer import Subscription, commit, to_record
from connector.adapters.kafka.producer import KafkaProducer
from connector.adapters.kafka.settings import KafkaSettings, ordinal
from connector.adapters.kafka.transactions import Transactions
from connector.adapters.telemetry.tracing import batch_span
from connector.domain.ports.blobs import Blobs
from connector.domain.ports.log import Apply, Handler, Message


class KafkaLog:
    """Implements the port `Log`. `member` names this process in its groups: `<service>-<ordinal>`, unique among all."""

    def __init__(self, settings: KafkaSettings, member: str, claims: Claims, producer: KafkaProducer) -> None:
        self._settings = settings
        self._member = member
        self._claims = claims
        self._producer = producer

    async def produce(self, messages: Sequence[Message]) -> None:
        await self._producer.produce(messages)

    async def consume(self, topics: Sequence[str], group: str, handler: Handler, *, max_records: int = 500) -> None:
        async def effect(
            client: KafkaConsumer, messages: Sequence[KafkaMessage], offsets: Sequence[TopicPartition]
        ) -> None:
            records = [to_record(message, self._settings) for message in messages]
            with batch_span(group, records):
                await handler(await self._claims.check_out(records))
            await commit(client, offsets)

        await Subscription(self._settings, topics, group, self._member, effect, max_records).run()

    async def exactly_once(self, topics: Sequence[str], group: str, apply: Apply, *, max_records: int = 1000) -> None:
        transactions = Transactions(self._settings, self._member, self._member)

        async def effect(
            client: KafkaConsumer, messages: Sequence[KafkaMessage], offsets: Sequence[TopicPartition]
        ) -> None:
            records = [to_record(message, self._settings) for message in messages]
            with batch_span(group, records):
                complete = await self._claims.check_out(records)
                outputs = await asyncio.to_thread(lambda: [output for record in complete for output in apply(record)])
                await transactions.commit(await self._claims.check_in(outputs), client, offsets)

        try:
            await Subscription(self._settings, topics, group, self._member, effect, max_records).run()
        finally:
            await transactions.close()

    async def problem(self) -> str | None:
        """Why the log can't be used now, None while it can: the readiness of a service."""
        return await self._producer.problem()


@asynccontextmanager
async def kafka(
    settings: KafkaSettings,
    *,
    service: str,
    blobs: Blobs | None = None,
    delivery_timeout_s: float = 30.0,
) -> AsyncIterator[KafkaLog]:
    """The log for the time of a context. Leaving it waits for what is produced, and for consumers to drain."""
    member = f"{service}-{ordinal()}"
    claims = Claims(blobs)
    async with KafkaProducer(settings, claims, client_id=member, delivery_timeout_s=delivery_timeout_s) as producer:
        yield KafkaLog(settings, member, claims, producer)
