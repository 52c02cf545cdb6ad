"""One set of stores a test: the writers' tables in memory, and in a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from connector.adapters.memory.desired import MemoryDesiredRows
from connector.adapters.memory.dispatch import MemoryDispatch
from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.operations import MemoryOperations
from connector.adapters.memory.references import MemoryReferences
from connector.adapters.memory.tables import MemoryTables
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.dispatch import PostgresDispatch
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.notify import Listener
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.references import PostgresReferences
from connector.domain.ports.desired import DesiredRows
from connector.domain.ports.dispatch import Dispatch
from connector.domain.ports.epochs import Epochs
from connector.domain.ports.operations import Operations
from connector.domain.ports.references import References

TABLES = "epoch, desired, desired_payload, rendering, target_object, call, call_item, wait, reference, feedback, audit"


@dataclass
class Stores:
    epochs: Epochs
    rows: DesiredRows
    dispatch: Dispatch
    references: References
    operations: Operations


def in_memory() -> Stores:
    tables = MemoryTables(lambda: datetime.now(UTC))
    return Stores(
        MemoryEpochs(tables),
        MemoryDesiredRows(tables),
        MemoryDispatch(tables),
        MemoryReferences(tables),
        MemoryOperations(tables),
    )


@pytest.fixture(params=["memory", "postgres"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield in_memory()
        return
    url: str = request.getfixturevalue("database_url")
    pool, listener = engine(url), Listener(url)
    listening = asyncio.create_task(listener.run())
    async with pool.begin() as db:
        await db.execute(text(f"truncate {TABLES}"))
    yield Stores(
        PostgresEpochs(pool),
        PostgresDesiredRows(pool),
        PostgresDispatch(pool, listener),
        PostgresReferences(pool),
        PostgresOperations(pool),
    )
    listening.cancel()
    await pool.dispose()
