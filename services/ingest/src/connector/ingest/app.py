"""The ASGI application: raw, because every request costs; a webhook is acknowledged by Kafka before it is by us."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import Counter

from connector.adapters.systems import WebhookVerifier
from connector.adapters.telemetry.tracing import begun_trace, recording, traceparent, webhook_span
from connector.domain.identity import ConnectionId
from connector.domain.ports.log import LogError, Message, Producer, webhooks_topic

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_CAP_BYTES = 262_144
KAFKA_RETRY_AFTER_S = 5
_PREFIX = "/webhooks/"

RECEIVED = Counter("connector_webhooks_total", "Webhook deliveries by what became of them", ["system", "status"])

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One connection's webhook address."""

    connection: ConnectionId
    system: str
    verifier: WebhookVerifier

    @property
    def topic(self) -> str:
        return webhooks_topic(self.system)


class BodyTooLarge(Exception):
    """More than BODY_CAP_BYTES came; the rest was not read."""


class Ingest:
    """`POST /webhooks/{endpoint}`; everything else goes to `otherwise` (callback, health).

    200 only after all replicas in sync hold the body; 401 on any doubt of who sent it; 404 for an endpoint that is no
    connection's; 413 above the cap, without buffering; 503 with Retry-After while Kafka does not acknowledge.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], producer: Producer, otherwise: App) -> None:
        self.endpoints = endpoints
        self._producer = producer
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
            await self._otherwise(scope, receive, send)
            return
        endpoint = self.endpoints.get(scope["path"][len(_PREFIX) :].rstrip("/"))
        if endpoint is None:
            await _answer(send, 404, b"no such endpoint")
            return
        if recording():
            with webhook_span(endpoint.system, scope["headers"]):
                status, text, headers = await self._take(endpoint, scope, receive)
        else:
            status, text, headers = await self._take(endpoint, scope, receive)
        RECEIVED.labels(endpoint.system, status).inc()
        await _answer(send, status, text, headers)

    async def _take(
        self, endpoint: Endpoint, scope: Scope, receive: Receive
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        if scope["method"] != "POST":
            return 405, b"POST only", [(b"allow", b"POST")]
        try:
            body = await _body(scope, receive)
        except BodyTooLarge:
            return 413, b"a webhook body has at most 262144 bytes", [(b"connection", b"close")]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        verdict = endpoint.verifier.verify(headers, body)
        if not verdict.publish:
            if verdict.status >= 400:
                log.warning("webhook refused", connection=str(endpoint.connection), reason=verdict.reason)
            return verdict.status, verdict.reason.encode(), []
        try:
            await self._producer.produce([_message(endpoint, headers, body)])
        except LogError as error:
            log.error("webhook not acknowledged by Kafka", connection=str(endpoint.connection), error=str(error))
            return 503, b"not stored: deliver again", [(b"retry-after", str(KAFKA_RETRY_AFTER_S).encode())]
        return 200, b"", []


def _message(endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> Message:
    """The raw bytes, with what was signed kept beside them."""
    signed = tuple(
        (name, headers[name].encode("latin-1"))
        for name in sorted(headers)
        if name.startswith("x-") or "signature" in name
    )
    ids = secrets.token_hex(40)
    trace = traceparent() or begun_trace(headers.get("traceparent")) or f"00-{ids[32:64]}-{ids[64:]}-01"
    return Message(
        topic=endpoint.topic,
        key=str(endpoint.connection),
        value=body,
        headers=(
            ("ce_specversion", b"1.0"),
            ("ce_id", ids[:32].encode()),
            ("ce_type", b"connector.webhook.v1"),
            ("ce_source", f"/{endpoint.connection}".encode()),
            ("ce_time", datetime.now(UTC).isoformat().encode()),
            ("content-type", headers.get("content-type", "application/octet-stream").encode("latin-1")),
            ("traceparent", trace.encode()),
            *signed,
        ),
    )


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Read at most the cap; a length that announces more is refused before a byte is read."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > BODY_CAP_BYTES:
            raise BodyTooLarge
    event = await receive()
    body: bytes = event.get("body", b"")
    if not event.get("more_body"):
        if len(body) > BODY_CAP_BYTES:
            raise BodyTooLarge
        return body
    parts, size = [body], len(body)
    while event.get("more_body"):
        event = await receive()
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > BODY_CAP_BYTES:
            raise BodyTooLarge
    return b"".join(parts)


async def _answer(send: Send, status: int, text: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    length = (b"content-length", str(len(text)).encode())
    plain = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [length, plain, *(headers or ())]})
    await send({"type": "http.response.body", "body": text})
