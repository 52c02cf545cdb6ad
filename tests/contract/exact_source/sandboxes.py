"""An Exact sandbox as its own process, a gate that logs in to it, and its people's screens."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from connector.adapters.systems.exact.settings import Settings
from connector.adapters.systems.exact.source import ExactSource
from connector.adapters.systems.exact.translate import TRANSLATIONS
from connector.domain.digest import digest
from connector.domain.documents.envelope import AnyRecord, SourceDocument
from connector.domain.documents.translation import canonical
from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.source import Notice, Read, Unreadable

CONNECTION = ConnectionId("acme", "exact-nl")


@dataclass(frozen=True)
class Sandbox:
    base_url: str
    control_url: str
    credentials: dict[str, Any]

    @property
    def division(self) -> int:
        return int(self.credentials["divisions"][0])

    def act(self, name: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.control_url}/act/{name}", json={"division": self.division, **body}, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def set(self, **settings: Any) -> None:
        httpx.post(f"{self.control_url}/settings", json=settings).raise_for_status()

    def fault(self, **rule: Any) -> None:
        httpx.post(f"{self.control_url}/faults", json=rule).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = httpx.get(f"{self.control_url}/calls").json()
        return listed

    def forget_calls(self) -> None:
        httpx.delete(f"{self.control_url}/calls").raise_for_status()

    def store(self, collection: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = httpx.get(f"{self.control_url}/store").json()[collection]
        return [row for row in rows if row.get("Division") == self.division]

    def one(self, collection: str, **values: Any) -> dict[str, Any]:
        matching = [
            row
            for row in self.store(collection)
            if all(str(row.get(name)).strip() == str(value) for name, value in values.items())
        ]
        assert len(matching) == 1, (collection, values, len(matching))
        return matching[0]

    def settings(self, **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "base_url": self.base_url,
            "division": self.division,
            "company": {"currency": "EUR"},
        }
        return Settings.model_validate({**values, **changes})


@contextmanager
def running_sandbox(**settings: Any) -> Iterator[Sandbox]:
    switches = [item for name, value in settings.items() for item in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "connector.sandbox", "exact", "--port", "0", "--seed", "1", *switches]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        yield Sandbox(line["base_url"], line["control_url"], line["credentials"])
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@dataclass
class Permit:
    token: str

    @property
    def authorization(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """One caller, no quota to share."""


@dataclass
class OneCallerGate:
    """Logs in once by the code grant and lets one call at a time pass."""

    token: str
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    traffic: list[TrafficClass] = field(default_factory=list)

    @asynccontextmanager
    async def call(
        self, connection: ConnectionId, traffic: TrafficClass, *, endpoint: str, flow: str = ""
    ) -> AsyncIterator[Permit]:
        async with self.turn:
            self.traffic.append(traffic)
            yield Permit(self.token)


def log_in(sandbox: Sandbox, user: str | None = None) -> OneCallerGate:
    given = sandbox.credentials
    redirect = given["redirect_uris"][0]
    query = {"client_id": given["client_id"], "redirect_uri": redirect, "response_type": "code"}
    if user is not None:
        sandbox.set(consent_user=user)
    answer = httpx.get(f"{sandbox.base_url}/api/oauth2/auth", params=query)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect,
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
    }
    token = httpx.post(f"{sandbox.base_url}/api/oauth2/token", data=form).json()
    return OneCallerGate(token["access_token"])


class CountingStamp:
    """read_at from a clock that rises by a second a request."""

    def __init__(self) -> None:
        self.given: list[datetime] = []

    async def __call__(self) -> datetime:
        self.given.append(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(self.given)))
        return self.given[-1]


class BootClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def boot_time_s(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Room:
    """A sandbox with a factory of sources, and shorthands for what tests ask of them."""

    sandbox: Sandbox
    source: Callable[..., ExactSource]
    stamp: CountingStamp
    gate: OneCallerGate

    def listed(self, endpoint: str, select: str) -> list[dict[str, Any]]:
        """What Exact itself shows."""
        url = f"{self.sandbox.base_url}/api/v1/{self.sandbox.division}/{endpoint}?$select={select}"
        headers = {"authorization": f"Bearer {self.gate.token}", "accept": "application/json"}
        rows: list[dict[str, Any]] = httpx.get(url, headers=headers).json()["d"]["results"]
        return rows

    async def read(
        self, source: ExactSource, entity: Entity, *keys: str, deleted: bool = False
    ) -> Sequence[Read | Unreadable]:
        notices = [Notice(entity, key, deleted) for key in keys]
        return await source.read(entity, notices, self.stamp, TrafficClass.LIVE)

    async def canonical(self, source: ExactSource, entity: Entity, key: str) -> AnyRecord:
        (read,) = await self.read(source, entity, key)
        assert isinstance(read, Read)
        return canonical(source_document(entity, read), TRANSLATIONS)

    async def sweep(self, source: ExactSource, job: str, cursor: str | None = None) -> tuple[list[Notice], str | None]:
        """All keys of one sweep, and the cursor it leaves."""
        keys: list[Notice] = []
        async for page in source.sweep(job, cursor, self.stamp):
            keys.extend(page.keys)
            cursor = page.cursor if page.cursor is not None else cursor
        return keys, cursor

    def order(self, *lines: dict[str, Any], **header: Any) -> dict[str, Any]:
        body = {"Supplier": self.supplier, "PurchaseOrderLines": [self.line(line) for line in lines], **header}
        made: dict[str, Any] = self.sandbox.act("create_purchase_order", **body)
        return made

    def entry(self, *lines: dict[str, Any], **header: Any) -> dict[str, Any]:
        accounts = self.sandbox.store("financial/GLAccounts")
        booked = [
            {**line, "GLAccount": next(a["ID"] for a in accounts if a["Code"] == line["GLAccount"])} for line in lines
        ]
        body = {"Supplier": self.supplier, "Journal": "70", "PurchaseEntryLines": booked, **header}
        made: dict[str, Any] = self.sandbox.act("create_purchase_entry", **body)
        return made

    @property
    def supplier(self) -> str:
        return str(self.sandbox.one("crm/Accounts", Code=1)["ID"])

    def line(self, line: dict[str, Any]) -> dict[str, Any]:
        return {"VATCode": "2", **line, "Item": self.sandbox.one("logistics/Items", Code=line["Item"])["ID"]}

    def paths(self) -> list[str]:
        prefix = f"/api/v1/{self.sandbox.division}/"
        return [call["path"].removeprefix(prefix) for call in self.sandbox.calls()]


def source_document(entity: Entity, read: Read) -> SourceDocument:
    return SourceDocument(
        tenant=CONNECTION.tenant,
        connection=CONNECTION.connection,
        system="exact",
        entity=entity,
        native_id=read.native_id,
        read_at=read.read_at,
        cause="live",
        record=None if read.record is None else dict(read.record),
        resolved=dict(read.resolved),
        absence=read.absence,
        proof=read.proof,
        digest=digest(read.record),
    )
