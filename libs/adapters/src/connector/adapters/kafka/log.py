"""The log on Kafka: one object that a service's composition root holds for its life."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka import Message as KafkaMessage
from faststream.confluent import KafkaBroker

from connector.adapters.kafka.claims import Claims
from connector.adapters.kafka.consumer import Subscription, commit, stream_broker, to_record
from connector.adapters.kafka.producer import KafkaProducer
from connector.adapters.kafka.settings import KafkaSettings, ordinal
from connector.adapters.kafka.transactions import Transactions
from connector.adapters.telemetry.tracing import batch_span
from connector.domain.ports.blobs import Blobs
from connector.domain.ports.log import Apply, Handler, Message

log = structlog.get_logger(__name__)


class KafkaLog:
    """Implements the port `Log`. `member` names this process in its groups: `<service>-<ordinal>`, unique among all."""

    def __init__(self, settings: KafkaSettings, member: str, claims: Claims, producer: KafkaProducer) -> None:
        self._settings = settings
        self._member = member
        self._claims = claims
        self._producer = producer
        self._subscriptions: set[Subscription] = set()

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

        async with self._broker() as broker:
            await self._run(Subscription(broker, self._settings, topics, group, self._member, effect, max_records))

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

        async with AsyncExitStack() as stack:
            stack.push_async_callback(transactions.close)
            broker = await stack.enter_async_context(self._broker())
            await self._run(Subscription(broker, self._settings, topics, group, self._member, effect, max_records))

    async def problem(self) -> str | None:
        """Why the log can't be used now, None while it can: the readiness of a service."""
        return await self._producer.problem()

    @asynccontextmanager
    async def _broker(self) -> AsyncIterator[KafkaBroker]:
        broker = stream_broker(self._settings, self._member, self._on_error)
        await broker.start()
        try:
            yield broker
        finally:
            await broker.stop()

    async def _run(self, subscription: Subscription) -> None:
        self._subscriptions.add(subscription)
        try:
            await subscription.run()
        finally:
            self._subscriptions.discard(subscription)

    def _on_error(self, error: KafkaError) -> None:
        """From librdkafka's threads. Errors that are not fatal mend themselves; they are only told."""
        if error.fatal():
            for subscription in tuple(self._subscriptions):
                subscription.fail(error.str())
        log.warning("kafka", error=error.str(), fatal=error.fatal())


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
