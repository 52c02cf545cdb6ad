"""Push notifications: subscriptions, the notices they cause, signing, delivery with retries, and their history."""

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from connector.sandbox.core.clock import SandboxClock

from .background import Background
from .schema import iso
from .settings import BaswareSettings
from .store import Record
from .tenant import Seeded, Tenant
from .wire import moment

TASK_TYPES = (
    "AccountingDocuments",
    "ExportedPurchaseOrders",
    "ExportedPurchaseRequisitions",
    "ExportedContracts",
    "ExportedContractSpends",
    "RequestStatus",
)
MISSPELLED = {"AccountingDocuments": "AccoutingDocuments"}
SIGNATURE_HEADER = "X-BWAPI-Signature-256"


@dataclass(slots=True)
class Subscription:
    task_type: str
    sub_type: str
    url: str
    secret: str
    last_updated_ms: int
    old_secret: str | None = None
    old_secret_until: float = 0.0

    def shown(self) -> dict[str, Any]:
        return {
            "taskType": self.task_type,
            "taskSubType": self.sub_type,
            "subscriptionType": "Webhook",
            "notificationWebhookURL": self.url,
            "webhookAuthenticationToken": self.secret,
            "lastUpdated": iso(moment(self.last_updated_ms)),
        }

    def wants(self, task_type: str, sub_type: str) -> bool:
        return self.task_type == task_type and self.sub_type in ("All", sub_type)

    def signing_secret(self, now: float) -> str:
        return self.old_secret if self.old_secret is not None and now < self.old_secret_until else self.secret


@dataclass(slots=True)
class PlannedDrop:
    """The next `count` notices of a kind that are lost without a trace."""

    count: int
    task_type: str | None = None
    sub_type: str | None = None

    def takes(self, task_type: str, sub_type: str) -> bool:
        fits = self.task_type in (None, task_type) and self.sub_type in (None, sub_type)
        if fits and self.count > 0:
            self.count -= 1
            return True
        return False


@dataclass(slots=True)
class Webhooks:
    """Sends notices. `client` may be replaced before the first notice (a simulation's own transport)."""

    clock: SandboxClock
    settings: BaswareSettings
    seeded: Seeded
    background: Background
    client: httpx.AsyncClient | None = None
    planned_drops: list[PlannedDrop] = field(default_factory=list)
    _sending: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))

    def notify(self, tenant: Tenant, task_type: str, sub_type: str, document_id: str) -> None:
        """One task per matching subscription, to be delivered in the background."""
        for subscription in tenant.subscriptions.values():
            if subscription.wants(task_type, sub_type):
                task = self._new_task(tenant, task_type, sub_type, document_id)
                self._dispatch(tenant, subscription, task)

    def _new_task(self, tenant: Tenant, task_type: str, sub_type: str, document_id: str) -> Record:
        now = self.clock.time()
        task_id = self.seeded.uuid()
        fields = {
            "taskId": task_id,
            "taskStatus": "New",
            "taskType": task_type,
            "taskSubType": sub_type,
            "documentId": document_id,
            "expirationTime": moment(int((now + self.settings.task_life_s) * 1000)),
            "taskHistory": [],
        }
        task = Record(task_id, fields)
        self._log(tenant, task, "Created")
        return task

    def _log(self, tenant: Tenant, task: Record, action: str, *messages: str, status: str | None = None) -> None:
        entry = {"action": action, "timeStamp": self.clock.now(), "messages": list(messages)}
        task.fields["taskHistory"].append(entry)
        if status:
            task.fields["taskStatus"] = status
        tenant.tasks.put(task)

    def _dispatch(self, tenant: Tenant, subscription: Subscription, task: Record) -> None:
        kind = task.fields["taskType"], task.fields["taskSubType"]
        planned = any(drop.takes(*kind) for drop in self.planned_drops)
        if planned or self.seeded.chance(self.settings.webhook_drop):
            self._log(tenant, task, "Sent", status="Completed")
            return
        self.send(tenant, subscription, task)
        if self.seeded.chance(self.settings.webhook_duplicate):
            self.send(tenant, subscription, task)

    def send(self, tenant: Tenant, subscription: Subscription, task: Record) -> None:
        """Queue one delivery; what can go wrong with it is drawn here, so that it depends on the seed alone."""
        delay_s = self.settings.webhook_delay_s
        if self.seeded.chance(self.settings.webhook_reorder):
            delay_s += self.seeded.random.random() * self.settings.webhook_reorder_s
        body = self.body(task.fields, misspelled=self.seeded.chance(self.settings.webhook_misspelled))
        spoiled = self.seeded.chance(self.settings.webhook_corrupt_signature)

        async def deliver() -> None:
            await self.clock.sleep(delay_s)
            await self._deliver(tenant, subscription, task, body, spoiled)

        self.background.spawn(deliver)

    async def _deliver(
        self, tenant: Tenant, subscription: Subscription, task: Record, body: bytes, spoiled: bool
    ) -> None:
        for wait_s in (*self.settings.webhook_retry_delays_s, None):
            secret = subscription.signing_secret(self.clock.time())
            fault = await self.post(subscription.url, body, b"wrong" if spoiled else secret.encode())
            if fault is None:
                self._log(tenant, task, "Sent", status="Completed")
                return
            self._log(tenant, task, "SendingFailed", fault)
            if wait_s is None or subscription not in tenant.subscriptions.values():
                break
            await self.clock.sleep(wait_s * self.settings.webhook_retry_scale)
        self._log(tenant, task, "GivenUp", status="Failed")

    def body(self, task: dict[str, Any], *, misspelled: bool = False) -> bytes:
        notice = {name: task[name] for name in ("taskId", "taskStatus", "taskType", "taskSubType", "documentId")}
        notice["taskStatus"] = "New"
        if misspelled:
            notice["taskType"] = MISSPELLED.get(notice["taskType"], notice["taskType"])
        return orjson.dumps({**notice, "expirationTime": iso(task["expirationTime"])})

    def signature(self, secret: bytes, body: bytes) -> str:
        digest = hmac.new(secret, body, hashlib.sha256).digest()
        match self.settings.signature_encoding:
            case "base64":
                text = base64.b64encode(digest).decode()
            case "HEX":
                text = digest.hex().upper()
            case _:
                text = digest.hex()
        return self.settings.signature_prefix + text

    async def post(self, url: str, body: bytes, secret: bytes | None) -> str | None:
        """Send one notice; None when it was accepted, else what went wrong."""
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if secret is not None:
            headers[SIGNATURE_HEADER] = self.signature(secret, body)
        if self.client is None:
            self.client = httpx.AsyncClient()
        async with self._sending:
            try:
                answer = await self.client.post(
                    url, content=body, headers=headers, timeout=self.settings.webhook_timeout_s
                )
            except httpx.HTTPError as error:
                return f"{type(error).__name__}: {error}"
        return None if answer.status_code == 200 else f"answered {answer.status_code}"

    async def connection_test(self, url: str, secret: str) -> str | None:
        """The notice by which an endpoint is tried before it is accepted; None when it passed."""
        task = {
            "taskId": self.seeded.uuid(),
            "taskStatus": "New",
            "taskType": "ConnectionTest",
            "taskSubType": None,
            "documentId": "ConnectionTest",
            "expirationTime": moment(int((self.clock.time() + self.settings.task_life_s) * 1000)),
        }
        return await self.post(url, self.body(task), secret.encode() if self.settings.sign_connection_test else None)

    async def close(self) -> None:
        if self.client is not None:
            await self.client.aclose()
