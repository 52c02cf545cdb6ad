"""A Basware sandbox as its own process, and Basware's room in front of it."""

import asyncio
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from connector.adapters.clock import SystemClock
from connector.adapters.memory.blobs import MemoryBlobs
from connector.adapters.memory.transfers import MemoryTransfers
from connector.adapters.systems.basware.settings import Settings
from connector.adapters.systems.basware.source import BaswareSource, IsLive
from connector.adapters.systems.basware.translate import TRANSLATIONS
from connector.adapters.systems.basware.webhook import Recipient, Verdict
from connector.adapters.vault import Fingerprints
from connector.domain.digest import digest
from connector.domain.documents.envelope import AnyRecord, SourceDocument
from connector.domain.documents.translation import canonical
from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.source import Notice, Read, SweepPage
from connector.domain.ports.vault import KeyRing

BASWARE = ConnectionId("acme", "basware")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FINGERPRINTS = Fingerprints(BASWARE.tenant, lambda: KeyRing("2026-11", {"2026-11": bytes(32)}))


@dataclass(frozen=True)
class Sandbox:
    base_url: str
    control_url: str
    blob_url: str
    credentials: dict[str, Any]

    def act(self, what: str, /, **body: Any) -> Any:
        answer = httpx.post(f"{self.control_url}/act/{what}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def set(self, **settings: Any) -> None:
        httpx.post(f"{self.control_url}/settings", json=settings).raise_for_status()

    def fault(self, **rule: Any) -> None:
        httpx.post(f"{self.control_url}/faults", json=rule).raise_for_status()

    def forget(self) -> None:
        httpx.delete(f"{self.control_url}/calls").raise_for_status()
        httpx.delete(f"{self.control_url}/faults").raise_for_status()

    def calls(self, path: str = "", method: str = "GET|POST|DELETE") -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = httpx.get(f"{self.control_url}/calls").json()
        return [call for call in listed if path in call["path"] and call["method"] in method.split("|")]

    def store(self, collection: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = httpx.get(f"{self.control_url}/store").json()[collection]
        return rows

    def invoice(self, invoice_id: str) -> dict[str, Any]:
        (row,) = [row for row in self.store("accountingDocuments") if row["invoiceId"] == invoice_id]
        return row

    def create_invoice(self, number: str, *rows: dict[str, Any], **given: Any) -> str:
        usual = {"companyCode": "NL01", "supplierCode": "V100", "currencyCode": "EUR", "invoiceDate": "2026-03-01"}
        coding = list(rows) or [row()]
        made = self.act(
            "create_invoice",
            **{
                **usual,
                "invoiceNumber": number,
                "processingStatus": "WaitingForTransfer",
                "codingRows": coding,
                **given,
            },
        )
        return str(made["invoiceId"])

    def respond(self, invoice_id: str) -> None:
        """As somebody who booked it."""
        headers = {"authorization": f"Bearer {self.token()}", "x-bw-request-id": str(uuid.uuid4())}
        body = {"externalCode": str(uuid.uuid4()), "success": True, "responseMessage": "Booked.", "paymentBlock": False}
        path = f"{self.base_url}/v1/accountingDocuments/{invoice_id}/transferResponses"
        httpx.post(path, json=body, headers=headers).raise_for_status()

    def create_order(self, number: str, **given: Any) -> str:
        coding = [{"accountCode": "4000", "costCenterCode": "CC1", "splitPercent": 100}]
        line = {"quantity": "10", "netPrice": "12.5", "taxPercent": "21", "taxCode": "V21", "codingRows": coding}
        usual = {"companyCode": "NL01", "supplierCode": "V100", "purchaseCurrency": "EUR", "orderLines": [line]}
        return str(self.act("create_order", orderNumber=number, **{**usual, **given})["externalCode"])

    def settings(self, **changes: Any) -> Settings:
        given = {"base_url": self.base_url, "company": {"NL01": {}}, "confirm_after_s": 0.1, "call_deadline_s": 10.0}
        return Settings.model_validate({**given, **changes})

    def token(self) -> str:
        pair = (self.credentials["client_id"], self.credentials["client_secret"])
        form = {"grant_type": "client_credentials", "scope": " ".join(self.settings().scopes)}
        headers = {"x-bw-request-id": str(uuid.uuid4())}
        answer = httpx.post(f"{self.base_url}/v1/tokens", data=form, auth=pair, headers=headers)
        return str(answer.json()["access_token"])


def row(net: str = "100.00", tax: str = "21.00", **more: Any) -> dict[str, Any]:
    usual = {"accountCode": "4000", "costCenterCode": "CC1", "taxCode": "V21", "netTotal": net, "taxSum": tax}
    return {**usual, **more}


@contextmanager
def running_sandbox(**settings: Any) -> Iterator[Sandbox]:
    switches = [item for name, value in settings.items() for item in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "connector.sandbox", "basware", "--port", "0", "--seed", "1", *switches]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        yield Sandbox(line["base_url"], line["control_url"], line["extra_urls"]["blob"], line["credentials"])
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@dataclass
class OpenGate:
    """One caller with one token and no quota to share."""

    token: str

    @property
    def authorization(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Nobody else is to know."""

    @asynccontextmanager
    async def call(
        self, connection: ConnectionId, traffic: TrafficClass, *, endpoint: str, flow: str = ""
    ) -> AsyncIterator["OpenGate"]:
        yield self


@dataclass
class Stamps:
    """read_at from a clock that rises by a second a request."""

    given: int = 0

    async def __call__(self) -> datetime:
        self.given += 1
        return START + timedelta(seconds=self.given)


@dataclass
class Room:
    """Basware's room with stores of its own."""

    sandbox: Sandbox
    http: httpx.AsyncClient
    transfers: MemoryTransfers = field(default_factory=lambda: MemoryTransfers(SystemClock().now))
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    stamp: Stamps = field(default_factory=Stamps)

    def source(
        self, is_live: IsLive | None = None, address: str | None = None, secret: str = "sécret", **settings: Any
    ) -> BaswareSource:
        async def webhook_secret() -> str:
            return secret

        gate = OpenGate(self.sandbox.token())
        chosen = self.sandbox.settings(**settings)
        stores = (self.transfers, self.blobs, SystemClock(), FINGERPRINTS)
        return BaswareSource(BASWARE, chosen, gate, self.http, *stores, address, webhook_secret, is_live)

    async def read(self, source: BaswareSource, entity: Entity, *keys: str) -> list[Read]:
        answers = await source.read(entity, [Notice(entity, key) for key in keys], self.stamp, TrafficClass.LIVE)
        return [answer for answer in answers if isinstance(answer, Read)]

    async def sweep(self, source: BaswareSource, job: str, cursor: str | None = None) -> list[SweepPage]:
        return [page async for page in source.sweep(job, cursor, self.stamp)]


def canonical_of(read: Read, entity: Entity) -> AnyRecord:
    """What the mapper would make of a read."""
    source = SourceDocument(
        tenant=BASWARE.tenant,
        connection=BASWARE.connection,
        system="basware",
        entity=entity,
        native_id=read.native_id,
        read_at=read.read_at,
        cause="live",
        record=None if read.record is None else dict(read.record),
        resolved=dict(read.resolved),
        digest=digest(read.record),
    )
    return canonical(source, TRANSLATIONS)


@dataclass
class Receiver:
    """Our address as Basware sees it: what ingest decides, on each post. `away` answers 503 to all."""

    recipient: Recipient
    away: bool = False
    posts: list[tuple[Verdict, bytes]] = field(default_factory=list)

    @property
    def verdicts(self) -> list[Verdict]:
        return [verdict for verdict, _ in self.posts]

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        verdict = self.recipient.verify(headers, body)
        self.posts.append((verdict, body))
        return 503 if self.away else verdict.status

    def bodies(self, verdict: Verdict = Verdict.ACCEPTED) -> list[bytes]:
        return [body for seen, body in self.posts if seen is verdict]


@contextmanager
def receiving(receiver: Receiver) -> Iterator[str]:
    """Serve it; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(receiver.take(dict(self.headers), body))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/webhooks/acme/basware"
        finally:
            server.shutdown()


async def until(seen: Any, within_s: float = 10.0) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while not seen():
        assert asyncio.get_running_loop().time() < deadline, "it did not come in time"
        await asyncio.sleep(0.02)
