"""The gate's stores, in memory and on PostgreSQL, for one conformance suite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from connector.adapters.clock import SystemClock
from connector.adapters.memory.gate import (
    MemoryAuthorisationStore,
    MemoryBell,
    MemoryQuotaStore,
    MemorySealedStore,
    MemoryTokenStore,
)
from connector.adapters.postgres.authorisations import PostgresAuthorisationStore
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.notify import Listener
from connector.adapters.postgres.quota import PostgresQuotaStore
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.postgres.vault import PostgresSealedStore
from connector.domain.ports.authorisations import AuthorisationStore
from connector.domain.ports.quota import Bell, QuotaStore
from connector.domain.ports.tokens import TokenStore
from connector.domain.ports.vault import SealedStore


@dataclass
class Stores:
    sealed: SealedStore
    tokens: TokenStore
    quota: QuotaStore
    authorisations: AuthorisationStore
    bell: Bell


def in_memory() -> Stores:
    bell, clock = MemoryBell(), SystemClock()
    sealed = MemorySealedStore(bell)
    return Stores(
        sealed=sealed,
        tokens=MemoryTokenStore(sealed, bell, clock),
        quota=MemoryQuotaStore(bell, clock),
        authorisations=MemoryAuthorisationStore(clock),
        bell=bell,
    )


@asynccontextmanager
async def on_postgres(database_url: str) -> AsyncIterator[Stores]:
    database, listener = engine(database_url), Listener(database_url)
    listening = asyncio.create_task(listener.run())
    await asyncio.sleep(0.1)
    yield Stores(
        sealed=PostgresSealedStore(database),
        tokens=PostgresTokenStore(database),
        quota=PostgresQuotaStore(database),
        authorisations=PostgresAuthorisationStore(database),
        bell=listener,
    )
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await database.dispose()
