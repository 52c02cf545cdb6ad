"""Webhooks: hooks with triggers, payload versions 2, 3 and 4, and per hook a queue that retries for 12 hours."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from connector.sandbox.core.clock import SandboxClock

from .settings import Settings

COMPANY_RESOURCES = {
    "Company Vendors": ("create", "update"),
    "Projects": ("create", "update"),
    "Line Item Types": ("create", "update", "delete"),
    "Standard Cost Codes": ("create", "update", "delete"),
}
_EVENTS = ("create", "update", "delete")
PROJECT_RESOURCES = {
    "Purchase Order Contracts": _EVENTS,
    "Purchase Order Contract Line Items": _EVENTS,
    "Work Order Contracts": _EVENTS,
    "Work Order Contract Line Items": _EVENTS,
    "Direct Costs": _EVENTS,
    "Direct Cost Line Items": _EVENTS,
    "Cost Codes": _EVENTS,
    "Budget Line Items": _EVENTS,
    "Contract Payments": _EVENTS,
    "Sub Jobs": _EVENTS,
    "Project Vendors": ("create", "delete"),
}
REQUISITION_RESOURCE = {"Requisitions": _EVENTS}

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(slots=True)
class Trigger:
    id: int
    resource_name: str
    event_type: str


@dataclass(slots=True)
class Notice:
    id: int
    ulid: str
    event: dict[str, Any]
    body: dict[str, Any]
    not_before: float
    status: str = "enqueued"
    attempts: int = 0
    response_status: int | None = None


@dataclass(slots=True)
class Hook:
    id: int
    company_id: int
    project_id: int | None
    payload_version: int
    namespace: str
    destination_url: str
    destination_headers: dict[str, str]
    owned_by_user_id: int
    status: str = "active"
    triggers: dict[int, Trigger] = field(default_factory=dict)
    queue: deque[Notice] = field(default_factory=deque)
    deliveries: deque[Notice] = field(default_factory=lambda: deque(maxlen=10_000))
    failing_since: float | None = None
    is_draining: bool = False

    def wants(self, company: int, project: int | None, resource: str, event: str) -> bool:
        if self.status != "active" or self.company_id != company:
            return False
        if self.project_id is not None and self.project_id != project:
            return False
        return any(t.resource_name == resource and t.event_type == event for t in self.triggers.values())


class Webhooks:
    """The hooks and their delivery. `client` may be replaced, so that a simulation brings its own transport."""

    def __init__(self, clock: SandboxClock, settings: Settings, randomness: random.Random) -> None:
        self.hooks: dict[int, Hook] = {}
        self.client: httpx.AsyncClient | None = None
        self.drop_next: dict[tuple[str, str], int] = {}
        """(resource, event) -> how many of the next notices get lost; an empty text stands for any."""
        self._clock = clock
        self._settings = settings
        self._random = randomness
        self._wake = asyncio.Event()
        self._own_client: httpx.AsyncClient | None = None
        self._sequence = 0

    def emit(
        self,
        *,
        company_id: int,
        project_id: int | None,
        resource: str,
        event: str,
        resource_id: int,
        user_id: int,
        application_id: str | None,
        related: Iterable[tuple[int, str]],
    ) -> None:
        """Queue a notice for every hook that asked for it, subject to the fault switches."""
        for hook in self.hooks.values():
            if not hook.wants(company_id, project_id, resource, event) or self._is_lost(resource, event):
                continue
            about: dict[str, Any] = {
                "user_id": user_id,
                "company_id": company_id,
                "project_id": project_id,
                "application_id": application_id,
                "event_type": event,
                "resource_name": resource,
                "resource_id": resource_id,
                "related": list(related),
            }
            self._enqueue(hook, about)

    def _is_lost(self, resource: str, event: str) -> bool:
        for key in ((resource, event), (resource, ""), ("", event), ("", "")):
            if self.drop_next.get(key, 0) > 0:
                self.drop_next[key] -= 1
                return True
        return self._random.random() < self._settings.webhook_drop

    def _enqueue(self, hook: Hook, about: dict[str, Any]) -> None:
        self._sequence += 1
        now = self._clock.time()
        ulid = self._ulid(now)
        notice = Notice(
            id=self._sequence,
            ulid=ulid,
            event=about,
            body=payload(hook.payload_version, self._sequence, ulid, now, about),
            not_before=now + self._random.random() * self._settings.webhook_delay_s,
        )
        hook.deliveries.append(notice)
        copies = 2 if self._random.random() < self._settings.webhook_duplicate else 1
        for _ in range(copies):
            if hook.queue and self._random.random() < self._settings.webhook_reorder:
                hook.queue.insert(len(hook.queue) - 1, notice)
            else:
                hook.queue.append(notice)
        self._wake.set()

    def _ulid(self, now: float) -> str:
        value = (int(now * 1000) << 80) | self._random.getrandbits(80)
        return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))

    async def run(self) -> None:
        """Deliver until cancelled; each hook's queue waits only for itself."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    for hook in self.hooks.values():
                        if hook.queue and not hook.is_draining:
                            hook.is_draining = True
                            group.create_task(self._drain(hook))
        finally:
            if self._own_client is not None:
                await self._own_client.aclose()

    async def _drain(self, hook: Hook) -> None:
        try:
            while hook.queue:
                notice = hook.queue[0]
                await self._clock.sleep(max(0.0, notice.not_before - self._clock.time()))
                if await self._send(hook, notice):
                    hook.failing_since = None
                    if notice in hook.queue:  # the hook may have been deleted meanwhile
                        hook.queue.remove(notice)
                    continue
                now = self._clock.time()
                hook.failing_since = now if hook.failing_since is None else hook.failing_since
                if now - hook.failing_since >= self._settings.webhook_retry_for_s:
                    self._discard(hook)
                    continue
                notice.status = "retrying"
                await self._clock.sleep(self._pause_s(notice.attempts))
        finally:
            hook.is_draining = False

    def _pause_s(self, attempts: int) -> float:
        settings = self._settings
        return float(min(settings.webhook_retry_max_s, settings.webhook_retry_first_s * 2 ** (attempts - 1)))

    def _discard(self, hook: Hook) -> None:
        for notice in hook.queue:
            notice.status = "discarded"
        hook.queue.clear()
        hook.failing_since = None

    async def _send(self, hook: Hook, notice: Notice) -> bool:
        if self.client is None:
            self.client = self._own_client = httpx.AsyncClient(trust_env=False)
        notice.attempts += 1
        request = self.client.post(hook.destination_url, json=notice.body, headers=hook.destination_headers)
        response = await self._within_timeout(request)
        notice.response_status = response.status_code if response is not None else None
        delivered = response is not None and response.is_success
        notice.status = "delivered" if delivered else "failed"
        return delivered

    async def _within_timeout(self, request: Coroutine[Any, Any, httpx.Response]) -> httpx.Response | None:
        """The answer, or None where it failed or took longer than the vendor waits (on the sandbox's clock)."""
        answer = asyncio.ensure_future(request)
        timer = asyncio.ensure_future(self._clock.sleep(self._settings.webhook_timeout_s))
        try:
            await asyncio.wait({answer, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                return None
            try:
                return answer.result()
            except Exception:  # whatever breaks at the receiver's end is one failed delivery
                return None
        finally:
            for task in (answer, timer):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task


def payload(version: int, sequence: int, ulid: str, now: float, about: dict[str, Any]) -> dict[str, Any]:
    """Ids only: the receiver reads the record itself. Version 4 has string ids, `reason` and `resource_type`."""
    ids: dict[str, Any] = {name: about[name] for name in ("user_id", "company_id", "project_id", "resource_id")}
    if version >= 4:
        ids = {name: None if value is None else str(value) for name, value in ids.items()}
    metadata = {
        "source_user_id": ids["user_id"],
        "source_project_id": ids["project_id"],
        "source_operation_id": None,
        "source_company_id": ids["company_id"],
        "source_application_id": about["application_id"],
    }
    related = [{"id": str(id_) if version >= 4 else id_, "name": name} for id_, name in about["related"]]
    if version >= 4:
        return {
            "id": ulid,
            "timestamp": str(int(now * 1_000_000)),
            "metadata": metadata,
            **ids,
            "payload_version": "v4.0",
            "reason": about["event_type"],
            "resource_type": about["resource_name"],
            "related_resources": related,
        }
    body = {
        "id": sequence,
        "ulid": ulid,
        "timestamp": str(int(now * 1_000_000)),
        "metadata": metadata,
        **ids,
        "api_version": f"v{version}",
        "event_type": about["event_type"],
        "resource_name": about["resource_name"],
    }
    return body | {"related_resources": related} if version == 3 else body
