"""A Basware in the test's own process: virtual time, both origins, and a receiver of its notices."""

import asyncio
import base64
import heapq
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from connector.sandbox.basware import BaswareSandbox, create
from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.core.faults import Message, Receive, Scope, Send

API, BLOB, RECEIVER = "http://basware.test", "http://blob.basware.test", "http://receiver.test"


class VirtualTime:
    """Time that moves only when a test lets it pass."""

    def __init__(self) -> None:
        self.now = 1_772_442_000.25
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def source(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), future))
        await future

    async def pass_(self, seconds: float) -> None:
        end = self.now + seconds
        await _let_run()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
            await _let_run()
        self.now = end


async def _let_run() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


@dataclass
class Receiver:
    """The client's webhook address; `status` is what it answers."""

    status: int = 200
    notices: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str | None] = field(default_factory=list)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message: Message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode().casefold(): value.decode() for name, value in scope["headers"]}
        self.bodies.append(body)
        self.notices.append(json.loads(body))
        self.signatures.append(headers.get("x-bwapi-signature-256"))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def of(self, task_type: str) -> list[dict[str, Any]]:
        return [notice for notice in self.notices if notice["taskType"] == task_type]


@dataclass
class Basware:
    """What a test needs of the sandbox; `api` is authorised, and does not follow redirects unless asked to."""

    sandbox: BaswareSandbox
    time: VirtualTime
    http: httpx.AsyncClient
    api: httpx.AsyncClient
    receiver: Receiver

    @property
    def settings(self) -> Any:
        return self.sandbox.settings

    async def act(self, what: str, /, **given: Any) -> Any:
        return await self.sandbox.acts[what](given)

    async def token(self, client: str = "sandbox-client", scope: str = "vendors.read", **form: str) -> httpx.Response:
        secret = f"{client}-secret-1"
        data = {"grant_type": "client_credentials", "scope": scope, **form}
        return await self.http.post("/v1/tokens", data=data, headers=basic(client, secret))

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """A GET as a correct client makes it: redirects followed, without Authorization on the other origin."""
        headers = query.pop("headers", {})
        return await self.api.get(path, params=query, headers=headers, follow_redirects=True)

    async def invoice(self, invoice_id: str) -> dict[str, Any]:
        documents = (await self.get(f"/v1/accountingDocuments/{invoice_id}")).json()["accountingDocuments"]
        return dict(documents[0])

    async def acknowledge(self, invoice_id: str) -> httpx.Response:
        return await self.api.post(f"/v1/accountingDocuments/{invoice_id}/acknowledge")

    async def respond(self, invoice_id: str, kind: str = "transferResponses", **given: Any) -> httpx.Response:
        body = {"externalCode": "r1", "success": True, "responseMessage": "Booked", "paymentBlock": False, **given}
        return await self.api.post(f"/v1/accountingDocuments/{invoice_id}/{kind}", json=body)

    async def subscribe(self, *kinds: tuple[str, str | None], secret: str = "sécret") -> httpx.Response:
        body = [
            {
                "taskType": task_type,
                "taskSubType": sub_type,
                "subscriptionType": "Webhook",
                "notificationWebhookURL": f"{RECEIVER}/hook",
                "webhookAuthenticationToken": secret,
            }
            for task_type, sub_type in kinds
        ]
        return await self.api.post("/v1/subscriptions", json=body)


def basic(client: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


def row(net: str = "100.00", tax: str = "21.00", **more: Any) -> dict[str, Any]:
    """A coding row as accounts payable fills it in."""
    return {"accountCode": "4400", "costCenterCode": "CC10", "taxCode": "V21", "netTotal": net, "taxSum": tax, **more}


def invoice(**more: Any) -> dict[str, Any]:
    usual = {"companyCode": "NL01", "supplierCode": "V100", "currencyCode": "EUR", "invoiceNumber": "INV-1"}
    return {**usual, "processingStatus": "WaitingForTransfer", "codingRows": [row()], **more}


def order(**more: Any) -> dict[str, Any]:
    coding = [{"accountCode": "4400", "costCenterCode": "CC10"}]
    line = {"quantity": "10", "netPrice": "12.5", "taxPercent": "21", "codingRows": coding}
    usual = {"orderNumber": "PO-1", "companyCode": "NL01", "supplierCode": "V100", "purchaseCurrency": "EUR"}
    return {**usual, "orderLines": [line], **more}


@asynccontextmanager
async def running(seed: int = 1) -> AsyncIterator[Basware]:
    time, receiver = VirtualTime(), Receiver()
    sandbox = create(clock=SandboxClock(time.source, time.sleep), seed=seed)
    sandbox.set_base_url(API)
    sandbox.set_extra_url("blob", BLOB)
    sandbox.webhooks.client = httpx.AsyncClient(transport=httpx.ASGITransport(receiver.app))
    mounts = {
        API: httpx.ASGITransport(sandbox.faults.wrap(sandbox.app)),
        BLOB: httpx.ASGITransport(sandbox.faults.wrap(sandbox.extra_apps["blob"])),
    }
    headers = {"Accept": "application/json", **basic("sandbox-client", f"sandbox-client-secret-{seed}")}
    background = asyncio.ensure_future(sandbox.run())
    async with (
        httpx.AsyncClient(base_url=API, mounts=mounts) as http,
        httpx.AsyncClient(base_url=API, mounts=mounts, headers=headers) as api,
    ):
        yield Basware(sandbox, time, http, api, receiver)
    background.cancel()
    await asyncio.gather(background, return_exceptions=True)


@pytest.fixture
async def basware() -> AsyncIterator[Basware]:
    async with running() as one:
        yield one
