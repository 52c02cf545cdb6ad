"""The gate: tokens, turns and slots of vendor connections, shared by all services and replicas."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.adapters.clock import SystemClock
from connector.adapters.gate.gate import SharedGate
from connector.adapters.gate.system import auth_of, quota_of
from connector.adapters.gate.tokens import TokenKeeper
from connector.adapters.postgres.quota import PostgresQuotaStore
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.vault import Vault
from connector.domain.identity import ConnectionId
from connector.domain.ports.clock import Clock
from connector.domain.ports.configuration import Configuration, Connection
from connector.domain.ports.gate import ConnectionPaused
from connector.domain.ports.quota import Bell


@asynccontextmanager
async def open_gate(
    *,
    engine: AsyncEngine,
    bell: Bell,
    vault: Vault,
    http: httpx.AsyncClient,
    configuration: Configuration,
    clock: Clock | None = None,
    replica: str | None = None,
    refresh_deadline_s: float = 30.0,
) -> AsyncIterator[SharedGate]:
    """This process's gate. `bell` is the process's `postgres.notify.Listener`, which must be running."""
    clock = clock or SystemClock()
    name = replica or f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"

    async def connection_of(connection: ConnectionId) -> Connection:
        known = (await configuration.current()).connections.get(connection)
        if known is None:
            raise ConnectionPaused(f"connection {connection} is not configured: run `connector apply`")
        return known

    tokens = TokenKeeper(
        store=PostgresTokenStore(engine),
        vault=vault,
        bell=bell,
        http=http,
        connections=connection_of,
        clock=clock,
        replica=name,
        refresh_deadline_s=refresh_deadline_s,
    )
    gate = SharedGate(
        tokens=tokens,
        quota=PostgresQuotaStore(engine),
        bell=bell,
        connections=connection_of,
        clock=clock,
        replica=name,
    )
    try:
        yield gate
    finally:
        await gate.close()


__all__ = ["SharedGate", "TokenKeeper", "auth_of", "open_gate", "quota_of"]
