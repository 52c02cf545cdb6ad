"""The producer: one poll thread, delivery reports resolved in batches on the event loop, memory bounded."""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import Producer as KafkaClient

from connector.adapters.kafka.claims import Claims
from connector.adapters.kafka.metrics import PRODUCE_FAILED, PRODUCED
from connector.adapters.kafka.settings import LIBRARY_LOG, KafkaSettings
from connector.domain.ports.log import LogBroken, LogError, Message, NotAcknowledged

_POLL_S = 0.1
_CLOSE_WITHIN_S = 10
_ANSWER_WITHIN_S = 2

_Report = Callable[[KafkaError | None, KafkaMessage], None]

log = structlog.get_logger(__name__)


class _Batch:
    """Counts a batch's delivery reports; `report` runs on the poll thread alone."""

    __slots__ = ("_done", "_missing", "acknowledged", "error")

    def __init__(self, size: int, done: "deque[_Batch]", acknowledged: asyncio.Future[None]) -> None:
        self._missing = size
        self._done = done
        self.acknowledged = acknowledged
        self.error: KafkaError | None = None

    def report(self, error: KafkaError | None, message: KafkaMessage) -> None:
        if error is not None:
            self.error = error
        self._missing -= 1
        if self._missing == 0:
            self._done.append(self)


class KafkaProducer:
    """Produces batches and waits for their acknowledgement by all replicas in sync. Use as an async context manager:
    the task that entered it is ended with LogBroken once the client has failed for good.

    `delivery_timeout_s` bounds how long a message may be under way (librdkafka's message.timeout.ms): a caller that
    holds an epoch gives less than what is left of it.
    """

    def __init__(
        self, settings: KafkaSettings, claims: Claims, *, client_id: str, delivery_timeout_s: float = 30.0
    ) -> None:
        self._settings = settings
        self._claims = claims
        self._done: deque[_Batch] = deque()
        self._space = asyncio.Event()
        self._leaving = False
        self._closing = False
        self._fatal: KafkaError | None = None
        config = settings.producer(client_id, delivery_timeout_s=delivery_timeout_s)
        self._client = KafkaClient(config, logger=LIBRARY_LOG)
        self._thread = threading.Thread(target=self._poll, name=f"{client_id}-poll", daemon=True)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._user = asyncio.current_task()
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        with suppress(KafkaException):  # it failed for good only now: whoever waits is told so below
            await asyncio.to_thread(self._client.flush, _CLOSE_WITHIN_S)
        self._closing = True
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._client.close)
        self._resolve()
        if self._fatal is not None and kind is asyncio.CancelledError and self._user is not None:
            self._user.uncancel()
            raise LogBroken(self._for_good(self._fatal)) from None

    async def produce(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        travelling = await self._claims.check_in(messages)
        batch = _Batch(len(travelling), self._done, self._loop.create_future())
        for sent, message in enumerate(travelling):
            try:
                await self._enqueue(message, batch.report)
            except KafkaException as error:
                PRODUCE_FAILED.inc()
                raise self._failure(error.args[0], message.topic, sent, len(travelling)) from error
        await batch.acknowledged
        if batch.error is not None:
            PRODUCE_FAILED.inc()
            raise self._failure(batch.error, travelling[0].topic, len(travelling), len(travelling))
        for topic, count in Counter(message.topic for message in travelling).items():
            PRODUCED.labels(topic).inc(count)

    async def problem(self) -> str | None:
        """Why nothing can be produced now, None while it can; asks the cluster."""
        if self._fatal is not None:
            return self._for_good(self._fatal)
        try:
            await asyncio.to_thread(self._client.list_topics, timeout=_ANSWER_WITHIN_S)
        except KafkaException as error:
            return f"no broker of {self._settings.bootstrap_servers} answers: {error.args[0].str()}"
        return None

    def _for_good(self, fatal: KafkaError) -> str:
        return f"the producer has failed for good ({fatal.str()}): restart the process"

    async def _enqueue(self, message: Message, report: _Report) -> None:
        while True:
            self._space.clear()
            try:
                self._client.produce(
                    self._settings.topic(message.topic),
                    message.value,
                    message.key,
                    on_delivery=report,
                    headers=list(message.headers),
                )
            except BufferError:
                await self._space.wait()
            else:
                return

    def _failure(self, error: KafkaError, topic: str, sent: int, of: int) -> LogError:
        if self._fatal is not None or error.code() == KafkaError._FATAL:
            return LogBroken(self._for_good(self._fatal or error))
        return NotAcknowledged(f"{topic}: {error.str()} (batch of {of}, {sent} handed over); produce the batch again")

    def _poll(self) -> None:
        while not self._closing:
            try:
                served = self._client.poll(_POLL_S)
            except KafkaException as error:  # what is fatal is raised here, once, and given to no callback
                self._loop.call_soon_threadsafe(self._end_for_good, error.args[0])
            else:
                if served:
                    self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        while self._done:
            acknowledged = self._done.popleft().acknowledged
            if not acknowledged.done():
                acknowledged.set_result(None)
        self._space.set()

    def _end_for_good(self, fatal: KafkaError) -> None:
        self._fatal = fatal
        log.critical("kafka", error=self._for_good(fatal))
        if self._user is not None and not self._leaving:
            self._user.cancel()
