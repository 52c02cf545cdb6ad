"""What every composition root shares: the database side of the platform, opened in order and closed in turn."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import httpx
import structlog
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.adapters.clock import SystemClock
from connector.adapters.configuration.tenant_file import LOOPBACK
from connector.adapters.gate import SharedGate, open_gate
from connector.adapters.gate.authorize import Authorisations
from connector.adapters.http import vendor_http
from connector.adapters.kafka.log import KafkaLog, kafka
from connector.adapters.kafka.settings import KafkaSettings, ordinal
from connector.adapters.postgres.authorisations import PostgresAuthorisationStore
from connector.adapters.postgres.blobs import PostgresBlobs
from connector.adapters.postgres.configuration import NotConfigured, PostgresConfiguration
from connector.adapters.postgres.engine import check_schema, engine
from connector.adapters.postgres.entry_index import PostgresEntryIndex
from connector.adapters.postgres.jobs import PostgresJobs
from connector.adapters.postgres.notify import Listener
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.postgres.transfers import PostgresTransfers
from connector.adapters.postgres.vault import PostgresSealedStore
from connector.adapters.systems import RoomParts
from connector.adapters.vault import Vault, key_provider
from connector.domain.identity import ConnectionId
from connector.domain.ports.clock import Randomness
from connector.domain.ports.configuration import Connection, FlowState

log = structlog.get_logger(__name__)


class BadEnvironment(Exception):
    """The environment does not say what a process needs; the message names the variables."""


class RuntimeSettings(BaseSettings):
    """The environment of every process that uses the database."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: str
    """`postgresql://...`; TLS by its own parameters (`sslmode=verify-full&sslrootcert=...`)."""
    public_base_url: str | None = None
    """Where vendors and browsers reach ingest: an https origin, without a path."""
    connector_key_ring_location: str = "env:CONNECTOR_KEY_RING"
    """Where the vault's key ring is: `env:NAME`, `file:/path` or `dir:/path` (a mounted secret)."""
    connector_allow_loopback_http: bool = False
    """Let addresses be plain http on this machine: for sandboxes only."""
    connector_pool_size: int = Field(default=8, ge=2, le=100)

    def webhook_address(self, endpoint_id: str) -> str | None:
        return None if self.public_base_url is None else f"{self.public_base_url}/webhooks/{endpoint_id}"

    @property
    def callback_address(self) -> str | None:
        """Where a vendor's consent page sends the browser back to: what is registered with the vendor's app."""
        return None if self.public_base_url is None else f"{self.public_base_url}/oauth/callback"


def runtime_settings() -> RuntimeSettings:
    """Read the environment; raises BadEnvironment."""
    try:
        settings = RuntimeSettings()
    except ValidationError as error:
        problems = [f"{str(item['loc'][0]).upper()}: {item['msg'].lower()}" for item in error.errors()]
        raise BadEnvironment("; ".join(problems)) from None
    if settings.public_base_url is not None:
        problem = address_problem(settings.public_base_url, loopback_http=settings.connector_allow_loopback_http)
        if problem is not None:
            raise BadEnvironment(f"PUBLIC_BASE_URL: {problem}")
    return settings


def address_problem(address: str, *, loopback_http: bool) -> str | None:
    """Why an origin may not be used, None where it may: https always, http only on this machine and by the switch."""
    parts = urlsplit(address)
    if not parts.hostname or parts.path.strip("/") or parts.query:
        return f"{address!r} is not an origin: give scheme, host and port only, such as https://connector.example.com"
    if parts.scheme == "https":
        return None
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        return None if loopback_http else f"{address} is plain http: set CONNECTOR_ALLOW_LOOPBACK_HTTP=1 for a sandbox"
    return f"{address} is not https"


@dataclass(frozen=True, slots=True)
class Runtime:
    """What is open while a service runs. `holder` names this process among all, `<place>/<process>`."""

    service: str
    holder: str
    settings: RuntimeSettings
    engine: AsyncEngine
    listener: Listener
    configuration: PostgresConfiguration
    http: httpx.AsyncClient
    vault: Vault
    sealed: PostgresSealedStore
    gate: SharedGate
    clock: SystemClock
    randomness: Randomness

    async def room_parts(self, connection: Connection) -> RoomParts:
        """What a vendor's room needs to make calls for a connection."""
        endpoints = {of: endpoint for endpoint, of in (await self.configuration.endpoints()).items()}
        return RoomParts(
            connection=connection.id,
            settings=connection.settings,
            gate=self.gate,
            http=self.http,
            stores={
                "entry-index": PostgresEntryIndex(self.engine),
                "transfers": PostgresTransfers(self.engine),
                "blobs": PostgresBlobs(self.engine),
                "webhook-secret": partial(self._webhook_secret, connection.id),
                "is-live": partial(self._is_live, connection.id),
                "clock": self.clock,
                "fingerprints": self.vault.fingerprints(connection.id.tenant),
            },
            public_base_url=self.settings.public_base_url,
            endpoint_id=endpoints.get(connection.id),
            flows_into=(await self.configuration.current()).into_target(connection.id),
        )

    async def _is_live(self, connection: ConnectionId) -> bool:
        """Whether a flow carries its documents on: until then nothing is written to it either."""
        flows = (await self.configuration.current()).from_source(connection)
        return any(flow.state is FlowState.LIVE for flow in flows)

    async def _webhook_secret(self, connection: ConnectionId) -> str:
        return (await self.vault.credentials(connection)).get("webhook_secret", "")

    def authorisations(self) -> Authorisations:
        """People's logins at vendors."""
        return Authorisations(
            store=PostgresAuthorisationStore(self.engine),
            tokens=PostgresTokenStore(self.engine),
            keeper=self.gate.tokens,
            vault=self.vault,
            http=self.http,
            connections=self.connection,
            authorised=self._hurry,
        )

    async def _hurry(self, connection: ConnectionId) -> None:
        """What waited for a login goes on at once: reads and writes."""
        await PostgresJobs(self.engine).hurry(connection)
        await PostgresOperations(self.engine).hurry(connection)

    async def connection(self, connection: ConnectionId) -> Connection:
        """What is configured of it; raises NotConfigured."""
        known = (await self.configuration.current()).connections.get(connection)
        if known is None:
            raise NotConfigured(f"there is no connection {connection}: see `connector status`, or `connector apply` it")
        return known

    @asynccontextmanager
    async def kafka(self, *, delivery_timeout_s: float = 30.0) -> AsyncIterator[KafkaLog]:
        """The log, with large values in this database."""
        blobs = PostgresBlobs(self.engine)
        async with kafka(
            kafka_settings(), service=self.service, blobs=blobs, delivery_timeout_s=delivery_timeout_s
        ) as opened:
            yield opened

    async def database_problem(self) -> str | None:
        """A readiness check."""
        try:
            async with self.engine.connect() as db:
                await db.run_sync(check_schema)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None


def kafka_settings() -> KafkaSettings:
    """Read the environment; raises BadEnvironment."""
    try:
        return KafkaSettings()
    except ValidationError as error:
        problems = [f"KAFKA_{str(item['loc'][0]).upper()}: {item['msg'].lower()}" for item in error.errors()]
        raise BadEnvironment("; ".join(problems)) from None


@asynccontextmanager
async def runtime(service: str) -> AsyncIterator[Runtime]:
    """Open the database side for the time of the context. Raises SchemaMismatch with the command to run."""
    settings = runtime_settings()
    async with AsyncExitStack() as stack:
        database = engine(settings.database_url, pool_size=settings.connector_pool_size)
        stack.push_async_callback(database.dispose)
        async with database.connect() as db:
            await db.run_sync(check_schema)
        listener = await stack.enter_async_context(_listening(settings.database_url))
        configuration = PostgresConfiguration(database, listener)
        http = await stack.enter_async_context(vendor_http())
        sealed = PostgresSealedStore(database)
        vault = Vault(sealed, key_provider(settings.connector_key_ring_location))
        holder = f"{service}-{ordinal()}/{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
        clock = SystemClock()
        gate = await stack.enter_async_context(
            open_gate(
                engine=database,
                bell=listener,
                vault=vault,
                http=http,
                configuration=configuration,
                clock=clock,
                replica=holder,
            )
        )
        yield Runtime(
            service=service,
            holder=holder,
            settings=settings,
            engine=database,
            listener=listener,
            configuration=configuration,
            http=http,
            vault=vault,
            sealed=sealed,
            gate=gate,
            clock=clock,
            randomness=random.SystemRandom(),
        )


@asynccontextmanager
async def _listening(database_url: str) -> AsyncIterator[Listener]:
    listener = Listener(database_url)
    task = asyncio.create_task(listener.run(), name="listener")
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
