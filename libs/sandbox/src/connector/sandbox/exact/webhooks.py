"""Notices: signed, compact, possibly lost, doubled, late or out of order, and retried when the receiver refuses."""

import asyncio
import contextlib
import hashlib
import heapq
import hmac
import http
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from .auth import App, Authority, is_loopback
from .entities import WEBHOOK_SUBSCRIPTIONS
from .errors import FunctionalError
from .records import parsed
from .schema import Entity, Row
from .store import Actor, Division, World

TOPICS = frozenset({
    "PurchaseOrders", "PurchaseEntries", "Accounts", "BankAccounts", "Contacts", "GLAccounts", "Items", "Documents",
    "DocumentAttachments", "SalesOrders", "SalesInvoices", "SalesEntries", "BankEntries", "CashEntries",
    "GeneralJournalEntries", "GoodsDeliveries", "Quotations", "Opportunities", "StockPositions", "CostTransactions",
    "TimeTransactions", "ProjectPlanning", "Subscriptions", "MailMessagesSent", "FinancialTransactions",
    "JournalStatusList",
})  # fmt: skip

IDLE_S = 1.0
"""Longest uninterrupted wait for the next due notice, so that a jump of the clock is seen."""


def signature(secret: str, content: bytes) -> str:
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest().upper()


def signed_body(secret: str, content: bytes) -> bytes:
    return b'{"Content":' + content + b',"HashCode":"' + signature(secret, content).encode() + b'"}'


def content_of(topic: str, client_id: str, division: int, action: str, key: str, endpoint: str, at: datetime) -> bytes:
    """The signed part, in the vendor's order of keys, without blanks."""
    return json.dumps(
        {"Topic": topic, "ClientId": client_id, "Division": division, "Action": action, "Key": key,
         "ExactOnlineEndpoint": endpoint, "EventCreatedOn": at.isoformat(timespec="milliseconds")},
        separators=(",", ":"), ensure_ascii=False,
    ).encode()  # fmt: skip


@dataclass(slots=True)
class _Notice:
    url: str
    body: bytes
    tries: int = 0


@dataclass(slots=True)
class _PlannedDrop:
    topic: str | None
    action: str | None
    key: str | None
    count: int

    def takes(self, topic: str, action: str, key: str) -> bool:
        wanted = zip((self.topic, self.action, self.key), (topic, action, key), strict=True)
        return all(one in (None, other) for one, other in wanted)


class Webhooks:
    """Subscriptions' notices, from the change of a record to the receiver's 2xx or the last try.

    `client` may be replaced before the first notice, for example by one with an in-process transport.
    """

    def __init__(self, world: World, authority: Authority) -> None:
        self.world, self.authority = world, authority
        self.client: httpx.AsyncClient | None = None
        self.counts: Counter[str] = Counter()
        self._drops: list[_PlannedDrop] = []
        self._due: list[tuple[float, int, _Notice]] = []
        self._serial = 0
        self._under_way = 0
        self._wake = asyncio.Event()
        world.notify = self.notify

    # Subscribing

    async def subscribe(self, division: Division, row: Row, actor: Actor, app: App) -> Row:
        """Check the callback, post it an empty body, store the subscription; raises FunctionalError."""
        row = {
            **row,
            "ID": self.world.new_id(),
            "ClientID": app.client_id,
            "UserID": row.get("UserID") or actor.user.id,
        }
        if row["Topic"] not in TOPICS:
            raise FunctionalError("Invalid: Topic")
        self._check_callback(row["CallbackURL"], app)
        for other in division.table(WEBHOOK_SUBSCRIPTIONS).rows.values():
            if (other["Topic"], other["ClientID"], other["UserID"]) == (row["Topic"], app.client_id, row["UserID"]):
                raise FunctionalError("Data already exists")
        await self._validate(row["CallbackURL"])
        return division.save(WEBHOOK_SUBSCRIPTIONS, row, actor)

    async def change(self, division: Division, row: Row, body: Mapping[str, Any] | None, actor: Actor) -> None:
        """Point a subscription elsewhere (after the same checks), or end it when there is no body."""
        stored = division.table(WEBHOOK_SUBSCRIPTIONS).rows[row["ID"]]
        if body is None:
            division.table(WEBHOOK_SUBSCRIPTIONS).remove(row["ID"])
            return
        changed = {**stored, **parsed(WEBHOOK_SUBSCRIPTIONS, body)}
        self._check_callback(changed["CallbackURL"], self.authority.apps[stored["ClientID"]])
        await self._validate(changed["CallbackURL"])
        division.save(WEBHOOK_SUBSCRIPTIONS, changed, actor)

    def _check_callback(self, url: str, app: App) -> None:
        if self.world.settings.loopback_callbacks and is_loopback(url):
            return
        host = urlsplit(url).hostname or ""
        if urlsplit(url).scheme != "https" or not host:
            raise FunctionalError("Invalid: Callback URL")
        hosts = {urlsplit(uri).hostname for uri in app.redirect_uris}
        if self.world.settings.callback_domain_must_match and host not in hosts:
            raise FunctionalError("Invalid: Callback URL (domain)")

    async def _validate(self, url: str) -> None:
        self.counts["validations"] += 1
        try:
            answer = await self._post(url, b"")
        except Exception:  # whatever a receiver's transport raises is the receiver's failure
            raise _refused_callback(500, "An error occurred while sending the request.") from None
        if not answer.is_success:
            raise _refused_callback(answer.status_code, answer.reason_phrase or _phrase(answer.status_code))

    # Notices

    def notify(self, division: Division, entity: Entity, action: str, key: str, actor: Actor) -> None:
        """Queue one notice per subscription of the topic, as the switches allow."""
        topic = entity.topic or ""
        for subscription in division.table(WEBHOOK_SUBSCRIPTIONS).rows.values():
            if subscription["Topic"] != topic:
                continue
            app = self.authority.app(subscription["ClientID"])
            if app is None or (actor.client_id == app.client_id and not self.world.settings.webhook_echo):
                continue
            self._queue(subscription["CallbackURL"], self._body(app, division, entity, action, key), topic, action, key)

    def _body(self, app: App, division: Division, entity: Entity, action: str, key: str) -> bytes:
        local = self.world.settings.webhook_time_zone == "local"
        at = self.world.local_now() if local else self.world.clock.now().replace(tzinfo=None)
        endpoint = f"{self.world.base_url}/api/v1/{division.code}/{entity.path}(guid'{key}')"
        content = content_of(entity.topic or "", app.client_id, division.code, action, key, endpoint, at)
        return signed_body(app.webhook_secret, content)

    def drop_next(self, topic: str | None, action: str | None, key: str | None, count: int) -> None:
        self._drops.append(_PlannedDrop(topic, action, key, count))

    def _queue(self, url: str, body: bytes, topic: str, action: str, key: str) -> None:
        settings, chance = self.world.settings, self.world.random
        self.counts["fired"] += 1
        if self._planned_drop(topic, action, key) or chance.random() < settings.webhook_drop:
            self.counts["dropped"] += 1
            return
        copies = 1 + (chance.random() < settings.webhook_duplicate)
        self.counts["duplicated"] += copies - 1
        for _ in range(copies):
            delay = settings.webhook_delay_s + chance.random() * settings.webhook_jitter_s
            if chance.random() < settings.webhook_reorder:
                self.counts["reordered"] += 1
                delay += chance.random() * settings.webhook_reorder_s
            self._schedule(_Notice(url, body), delay)

    def _planned_drop(self, topic: str, action: str, key: str) -> bool:
        for plan in self._drops:
            if plan.takes(topic, action, key):
                plan.count -= 1
                if plan.count <= 0:
                    self._drops.remove(plan)
                return True
        return False

    def _schedule(self, notice: _Notice, delay_s: float) -> None:
        self._serial += 1
        heapq.heappush(self._due, (self.world.clock.time() + delay_s, self._serial, notice))
        self._wake.set()

    @property
    def pending(self) -> int:
        """Notices not yet delivered or given up."""
        return len(self._due) + self._under_way

    # Delivery

    async def run(self) -> None:
        """Deliver what is due, a few at a time, until cancelled."""
        slots = asyncio.Semaphore(self.world.settings.webhook_concurrency)
        async with asyncio.TaskGroup() as deliveries:
            while True:
                await self._until_due()
                await slots.acquire()
                if not self._due or self._due[0][0] > self.world.clock.time():
                    slots.release()
                    continue
                _, _, notice = heapq.heappop(self._due)
                self._under_way += 1
                deliveries.create_task(self._deliver(notice, slots))

    async def _until_due(self) -> None:
        while True:
            self._wake.clear()
            if not self._due:
                await self._wake.wait()
                continue
            wait_s = self._due[0][0] - self.world.clock.time()
            if wait_s <= 0:
                return
            sleep = asyncio.ensure_future(self.world.clock.sleep(min(wait_s, IDLE_S)))
            wake = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({sleep, wake}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiting in (sleep, wake):
                    waiting.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await waiting

    async def _deliver(self, notice: _Notice, slots: asyncio.Semaphore) -> None:
        try:
            await self._try(notice)
        finally:
            self._under_way -= 1
            slots.release()

    async def _try(self, notice: _Notice) -> None:
        notice.tries += 1
        self.counts["posted"] += 1
        try:
            answer = await self._post(notice.url, notice.body)
            if answer.is_success:
                self.counts["delivered"] += 1
                return
        except Exception:  # as above: delivery must outlive any receiver
            self.counts["unreachable"] += 1
        if notice.tries < self.world.settings.webhook_tries:
            self._schedule(notice, self.world.settings.webhook_retry_s * 4 ** (notice.tries - 1))
        else:
            self.counts["given_up"] += 1

    async def _post(self, url: str, body: bytes) -> httpx.Response:
        if self.client is None:
            self.client = httpx.AsyncClient(trust_env=False)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return await self.client.post(url, content=body, headers=headers, timeout=self.world.settings.webhook_timeout_s)


def _refused_callback(status: int, phrase: str) -> FunctionalError:
    return FunctionalError(f"Invalid: Post to callback URL endpoint returns {status} {phrase}")


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
