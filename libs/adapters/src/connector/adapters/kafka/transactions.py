"""Exactly once: what a batch becomes and the offsets it was read up to, in one Kafka transaction."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as KafkaClient

from connector.adapters.kafka.settings import LIBRARY_LOG, KafkaSettings
from connector.domain.ports.log import LogBroken, Message

_BOUND_S = 10.0
_LONGEST_FENCED = 5

log = structlog.get_logger(__name__)


class Transactions:
    """A transactional producer that is replaced after any failure: what it had begun is aborted, and fenced for good.

    `transactional_id` names one process among all (`mapper-0`); a second process with it fences this one off.
    """

    def __init__(self, settings: KafkaSettings, client_id: str, transactional_id: str) -> None:
        self._settings = settings
        self._config = settings.transactional_producer(client_id, settings.group(transactional_id))
        self._transactional_id = transactional_id
        self._client: KafkaClient | None = None
        self._fenced = 0

    async def commit(
        self, messages: Sequence[Message], consumer: KafkaConsumer, offsets: Sequence[TopicPartition]
    ) -> None:
        """Produce the messages and commit the offsets, both or neither; raises KafkaException or LogBroken."""
        await asyncio.to_thread(self._commit, messages, consumer, list(offsets))

    async def close(self) -> None:
        await asyncio.to_thread(self._abandon)

    def _commit(self, messages: Sequence[Message], consumer: KafkaConsumer, offsets: list[TopicPartition]) -> None:
        try:
            client = self._begin()
            for message in messages:
                self._enqueue(client, message)
            # The group's metadata right before: taken earlier it may be of a generation that is over.
            client.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), _BOUND_S)
            client.commit_transaction(_BOUND_S)
        except KafkaException as error:
            self._abandon()
            self._count_fencing(error.args[0])
            raise
        except BaseException:
            self._abandon()
            raise
        self._fenced = 0

    def _begin(self) -> KafkaClient:
        if self._client is None:
            self._client = KafkaClient(self._config, logger=LIBRARY_LOG)
            self._client.init_transactions(_BOUND_S * 3)
        self._client.begin_transaction()
        return self._client

    def _enqueue(self, client: KafkaClient, message: Message) -> None:
        topic = self._settings.topic(message.topic)
        while True:
            try:
                client.produce(topic, message.value, message.key, headers=list(message.headers))
            except BufferError:
                client.poll(0.01)
            else:
                return

    def _abandon(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(KafkaException):  # nothing begun, or fenced: the successor's init_transactions aborts it
            client.purge()
            client.abort_transaction(_BOUND_S)
        client.close()

    def _count_fencing(self, error: KafkaError) -> None:
        self._fenced = self._fenced + 1 if error.code() in _FENCINGS else 0
        if self._fenced >= _LONGEST_FENCED:
            raise LogBroken(
                f"another process uses the transactional id {self._transactional_id}: give each replica its own "
                "CONNECTOR_ORDINAL"
            )


_FENCINGS = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
