"""Watches tokens, notes what people must be told, and delivers it as signed webhooks (Standard Webhooks)."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import orjson
from standardwebhooks.webhooks import Webhook

from connector.adapters.gate.system import auth_of
from connector.adapters.gate.tokens import ConnectionLookup
from connector.adapters.http import request
from connector.domain.gate.reminders import token_reminders
from connector.domain.ports.clock import Clock
from connector.domain.ports.gate import ConnectionPaused
from connector.domain.ports.reminders import Reminder, ReminderStore
from connector.domain.ports.tokens import TokenStore
from connector.domain.ports.vault import VaultError
from connector.domain.vendor_error import VendorError

_PREFIX = "whsec_"
_DEADLINE_S = 15.0
RETRY_AFTER_S = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
"""The schedule that the Standard Webhooks specification proposes; then a reminder is given up and stays visible."""


class BadWebhookSecret(ValueError):
    """The receiver's secret cannot sign."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a tenant takes its reminders. `secret` is `whsec_` and the base64 of 24 to 64 random bytes."""

    url: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        text = self.secret.removeprefix(_PREFIX)
        how = "write `whsec_` and the base64 of 24 to 64 random bytes (`openssl rand -base64 32`)"
        if not text.isascii():
            raise BadWebhookSecret(f"the reminders' webhook secret has characters outside ASCII: {how}")
        try:
            size = len(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise BadWebhookSecret(f"the reminders' webhook secret is not base64: {how}") from None
        if not 24 <= size <= 64:
            raise BadWebhookSecret(f"the reminders' webhook secret has {size} bytes: {how}")


ReceiverLookup = Callable[[str], Awaitable[Receiver | None]]
"""By tenant; None where it wants no webhooks."""


class Reminders:
    def __init__(
        self,
        *,
        store: ReminderStore,
        tokens: TokenStore,
        connections: ConnectionLookup,
        receivers: ReceiverLookup,
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._connections = connections
        self._receivers = receivers
        self._http = http
        self._clock = clock

    async def watch(self) -> int:
        """Look at every token; return how many reminders are new today. Cheap enough for every minute."""
        new = 0
        for row in await self._tokens.all():
            try:
                known = await self._connections(row.connection)
            except ConnectionPaused:
                continue  # no longer configured
            rotating = auth_of(known.system).rotating
            for connection, kind, payload in token_reminders(row, rotating=rotating, paused=known.paused):
                new += await self._store.note(connection, kind, payload)
        return new

    async def deliver(self, limit: int = 20) -> int:
        """Send what is due; return how many arrived."""
        arrived = 0
        for reminder in await self._store.claim(limit, lease_s=2 * _DEADLINE_S):
            try:
                receiver = await self._receivers(reminder.connection.tenant)
            except (BadWebhookSecret, VaultError) as error:
                await self._store.failed(reminder, str(error), RETRY_AFTER_S[2])
                continue
            if receiver is None:
                await self._store.failed(reminder, "the tenant has no receiver for reminders", None)
                continue
            arrived += await self._send(receiver, reminder)
        return arrived

    async def _send(self, receiver: Receiver, reminder: Reminder) -> bool:
        now = self._clock.now()
        body = orjson.dumps({"type": reminder.kind.value, "timestamp": now.isoformat(), "data": dict(reminder.payload)})
        headers = {
            "content-type": "application/json",
            "webhook-id": reminder.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(receiver.secret).sign(reminder.id, now, body.decode()),
        }
        try:
            answer = await request(
                self._http, "POST", receiver.url, headers=headers, content=body, deadline_s=_DEADLINE_S,
                body_cap_bytes=65536,
            )  # fmt: skip
        except VendorError as error:
            await self._again(reminder, error.message)
            return False
        if 200 <= answer.status < 300:
            await self._store.delivered(reminder)
            return True
        if answer.status == 410:
            await self._store.failed(reminder, "the receiver answered 410: it wants no more", None)
            return False
        await self._again(reminder, f"the receiver answered {answer.status}")
        return False

    async def _again(self, reminder: Reminder, error: str) -> None:
        left = reminder.attempts <= len(RETRY_AFTER_S)
        await self._store.failed(reminder, error, RETRY_AFTER_S[reminder.attempts - 1] if left else None)
