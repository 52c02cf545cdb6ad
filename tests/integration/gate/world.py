"""A gate over a real database and a vendor's sandbox in a process of its own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from connector.adapters.gate import SharedGate, open_gate
from connector.adapters.gate.authorize import AuthorisationResult, Authorisations
from connector.adapters.http import VendorAnswer, request, vendor_http
from connector.adapters.postgres.authorisations import PostgresAuthorisationStore
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.jobs import PostgresJobs
from connector.adapters.postgres.notify import Listener
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.postgres.vault import PostgresSealedStore
from connector.adapters.systems.coupa.settings import Settings as CoupaSettings
from connector.adapters.systems.exact.settings import Company
from connector.adapters.systems.exact.settings import Settings as ExactSettings
from connector.adapters.vault import FileKeys, Vault
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.configuration import Connection, Snapshot

CALLBACK = "https://connector.example/oauth/callback"
KEY_RING = '{"active": "k1", "keys": {"k1": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}'


@dataclass
class VendorProcess:
    """A sandbox with its control port."""

    base_url: str
    control_url: str
    credentials: Mapping[str, Any]
    process: subprocess.Popen[str]

    def act(self, name: str, body: Mapping[str, Any] | None = None) -> Any:
        return httpx.post(f"{self.control_url}/act/{name}", json=dict(body or {})).raise_for_status().json()

    def fault(self, **rule: Any) -> None:
        httpx.post(f"{self.control_url}/faults", json=rule).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = httpx.get(f"{self.control_url}/calls").raise_for_status().json()
        return calls

    def clear_faults(self) -> None:
        httpx.delete(f"{self.control_url}/faults").raise_for_status()

    def set(self, **settings: Any) -> None:
        httpx.post(f"{self.control_url}/settings", json=settings).raise_for_status()


@contextmanager
def vendor_process(system: str, **settings: Any) -> Iterator[VendorProcess]:
    command = [sys.executable, "-m", "connector.sandbox", system]
    for name, value in settings.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = json.loads(process.stdout.readline())
        yield VendorProcess(line["base_url"], line["control_url"], line["credentials"], process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class FixedConfiguration:
    """What a test declares."""

    def __init__(self, *connections: Connection) -> None:
        self.snapshot = Snapshot(1, {connection.id: connection for connection in connections}, {})

    async def current(self) -> Snapshot:
        return self.snapshot

    async def changed(self, epoch: int, timeout_s: float) -> None:
        await asyncio.sleep(timeout_s)


def exact_connection(
    base_url: str, division: int, *, name: str = "exact", minute_s: float = 60.0, call_deadline_s: float = 30.0
) -> Connection:
    settings = ExactSettings(
        base_url=base_url, division=division,
        company=Company(currency="EUR"), minute_s=minute_s, call_deadline_s=call_deadline_s,
    )  # fmt: skip
    return Connection(ConnectionId("acme", name), "exact", settings)


def divisions(connection: Connection) -> str:
    return f"/api/v1/{connection.settings.division}/system/Divisions?$select=Code"


def coupa_connection(vendor: VendorProcess, *, name: str = "coupa", scopes: tuple[str, ...] = ()) -> Connection:
    settings = CoupaSettings(base_url=vendor.base_url, scopes=scopes or tuple(vendor.credentials["scopes"]))
    return Connection(ConnectionId("acme", name), "coupa", settings)


@dataclass
class World:
    """One process's gate and what it is made of."""

    gate: SharedGate
    vault: Vault
    authorisations: Authorisations
    tokens: PostgresTokenStore
    sealed: PostgresSealedStore
    http: httpx.AsyncClient
    configuration: FixedConfiguration

    async def log_in(self, connection: ConnectionId) -> AuthorisationResult:
        """What a person does: open the link, agree at the vendor, come back."""
        started = await self.authorisations.start_authorization(connection, CALLBACK)
        async with httpx.AsyncClient() as browser:
            consent = await browser.get(started.url)
        answer = {name: values[0] for name, values in parse_qs(urlsplit(consent.headers["location"]).query).items()}
        return await self.authorisations.finish_authorization(
            answer["state"], answer.get("code"), started.browser, answer.get("error")
        )

    async def call(
        self,
        connection: Connection,
        path: str,
        traffic: TrafficClass = TrafficClass.LIVE,
        *,
        endpoint: str = "system/Divisions",
        flow: str = "",
    ) -> VendorAnswer:
        async with self.gate.call(connection.id, traffic, endpoint=endpoint, flow=flow) as call:
            answer = await request(
                self.http,
                "GET",
                f"{connection.settings.base_url}{path}",
                headers={"accept": "application/json", **call.authorization},
                deadline_s=connection.settings.call_deadline_s,
            )
            call.learn(answer.status, answer.headers)
        return answer


def write_key_ring(folder: Path) -> Path:
    path = folder / "keys.json"
    path.write_text(KEY_RING)
    return path


@asynccontextmanager
async def world(
    database_url: str, key_ring: Path, *connections: Connection, refresh_deadline_s: float = 30.0, pool_size: int = 8
) -> AsyncIterator[World]:
    database, listener = engine(database_url, pool_size=pool_size), Listener(database_url)
    listening = asyncio.create_task(listener.run())
    configuration = FixedConfiguration(*connections)
    sealed, tokens = PostgresSealedStore(database), PostgresTokenStore(database)
    vault = Vault(sealed, FileKeys(key_ring))
    async with vendor_http() as http:
        opened = open_gate(
            engine=database, bell=listener, vault=vault, http=http, configuration=configuration,
            refresh_deadline_s=refresh_deadline_s,
        )  # fmt: skip
        async with opened as gate:

            async def lookup(connection: ConnectionId) -> Connection:
                return configuration.snapshot.connections[connection]

            authorisations = Authorisations(
                store=PostgresAuthorisationStore(database), tokens=tokens, keeper=gate.tokens, vault=vault, http=http,
                connections=lookup, authorised=PostgresJobs(database).hurry,
            )  # fmt: skip
            yield World(gate, vault, authorisations, tokens, sealed, http, configuration)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await database.dispose()
