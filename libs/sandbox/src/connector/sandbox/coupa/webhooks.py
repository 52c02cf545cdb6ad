"""Signed notices of changed records. The vendor documents none: header names, signature and body are a convention."""

import asyncio
import base64
import hashlib
import hmac
import json
import random
from collections import deque
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from connector.sandbox.core.clock import SandboxClock

from .settings import Settings
from .store import Event

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass
class Subscription:
    url: str
    secret: str
    events: list[str] = field(default_factory=list)
    """Names such as `supplier.updated`; empty means all."""


@dataclass
class Delivery:
    """What became of one notice: `dropped`, or the statuses its attempts were answered with (0: no answer)."""

    id: str
    event: str
    object_id: int
    url: str
    dropped: bool = False
    statuses: list[int] = field(default_factory=list)


class Webhooks:
    """Queues a notice per event and subscription; `run` sends them. `client` may be replaced."""

    def __init__(self, settings: Settings, clock: SandboxClock, seed: int) -> None:
        self.client: httpx.AsyncClient | None = None
        self.subscriptions: list[Subscription] = []
        self.deliveries: deque[Delivery] = deque(maxlen=100_000)
        self.to_drop: dict[str, int] = {}
        """How many of the next notices to swallow, by event name or topic ("supplier")."""
        self._settings = settings
        self._clock = clock
        self._random = random.Random(f"webhooks {seed}")
        self._queue: deque[tuple[Delivery, Subscription, Event]] = deque()
        self._wake = asyncio.Event()
        self._own_client: httpx.AsyncClient | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def register(self, url: str, secret: str, events: list[str]) -> Subscription:
        """Raises `ValueError` for an address a real instance would not call."""
        parts = urlsplit(url)
        plain_allowed = self._settings.webhook_allow_http and parts.hostname in LOOPBACK
        if parts.scheme != "https" and not (parts.scheme == "http" and plain_allowed):
            raise ValueError(f"{url} must be https, or http on loopback while webhook_allow_http is on")
        subscription = Subscription(url, secret, events)
        self.subscriptions.append(subscription)
        return subscription

    def notice(self, event: Event) -> None:
        for subscription in self.subscriptions:
            if subscription.events and event.name not in subscription.events:
                continue
            delivery = Delivery(
                str(UUID(int=self._random.getrandbits(128), version=4)), event.name, event.object_id, subscription.url
            )
            self.deliveries.append(delivery)
            if self._is_dropped(event):
                delivery.dropped = True
                continue
            self._queue.append((delivery, subscription, event))
            self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    self._start(*self._queue.popleft())
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            if self._own_client is not None:
                await self._own_client.aclose()

    def _is_dropped(self, event: Event) -> bool:
        for name in (event.name, event.name.partition(".")[0], "*"):
            if self.to_drop.get(name, 0) > 0:
                self.to_drop[name] -= 1
                return True
        return self._drawn(self._settings.webhook_drop)

    def _drawn(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _start(self, delivery: Delivery, subscription: Subscription, event: Event) -> None:
        settings = self._settings
        delay = settings.webhook_delay_s
        if self._drawn(settings.webhook_reorder):
            delay += settings.webhook_reorder_by_s
        self._spawn(self._deliver(delivery, subscription, event, delay))
        if self._drawn(settings.webhook_duplicate):
            self._spawn(self._deliver(delivery, subscription, event, delay))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _deliver(self, delivery: Delivery, subscription: Subscription, event: Event, delay: float) -> None:
        if delay:
            await self._clock.sleep(delay)
        body = self._body(delivery, event)
        backoff = self._settings.webhook_backoff_s
        for attempt in range(self._settings.webhook_attempts):
            if attempt:
                await self._clock.sleep(backoff * 2 ** (attempt - 1))
            status = await self._post(delivery, subscription, event, body)
            delivery.statuses.append(status)
            if 200 <= status < 300:
                return

    async def _post(self, delivery: Delivery, subscription: Subscription, event: Event, body: bytes) -> int:
        if self.client is None:
            self.client = self._own_client = httpx.AsyncClient(timeout=10)
        headers = {
            "Content-Type": "application/json",
            "X-Coupa-Event": event.name,
            "X-Coupa-Delivery": delivery.id,
            **self._signature(subscription.secret, body),
        }
        try:
            return (await self.client.post(subscription.url, content=body, headers=headers)).status_code
        except httpx.TransportError:
            return 0

    def _body(self, delivery: Delivery, event: Event) -> bytes:
        moment = event.updated_at.isoformat()
        notice: dict[str, Any] = {
            "id": delivery.id,
            "event": event.name,
            "occurred-at": moment,
            "object": {"type": event.object_type, "id": event.object_id, "updated-at": moment},
        }
        if self._settings.webhook_pad_bytes:
            notice["padding"] = "x" * self._settings.webhook_pad_bytes
        return json.dumps(notice).encode()

    def _signature(self, secret: str, body: bytes) -> dict[str, str]:
        settings = self._settings
        timestamp = str(int(self._clock.time()))
        signed = f"{timestamp}.".encode() + body if settings.webhook_timestamped else body
        key = "wrong" if self._drawn(settings.webhook_bad_signature) else secret
        digest = hmac.new(key.encode(), signed, hashlib.sha256).digest()
        text = base64.b64encode(digest).decode() if settings.webhook_signature_encoding == "base64" else digest.hex()
        headers = {settings.webhook_signature_header: settings.webhook_signature_prefix + text}
        return {**headers, "X-Coupa-Timestamp": timestamp} if settings.webhook_timestamped else headers

    def log(self) -> list[dict[str, Any]]:
        return [asdict(delivery) for delivery in self.deliveries]
