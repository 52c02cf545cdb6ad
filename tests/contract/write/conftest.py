"""One set of stores a test: the writers' tables in memory, and in a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.adapters.memory.answers import MemoryAnswers
from connector.adapters.memory.desired import MemoryDesiredRows
from connector.adapters.memory.dispatch import MemoryDispatch
from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.operations import MemoryOperations
from connector.adapters.memory.references import MemoryReferences
from connector.adapters.memory.tables import MemoryTables
from connector.adapters.memory.transfers import MemoryTransfers
from connector.adapters.postgres.answers import PostgresAnswers
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.dispatch import PostgresDispatch
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.notify import Listener
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.references import PostgresReferences
from connector.adapters.postgres.transfers import PostgresTransfers
from connector.domain.ports.answers import Answers
from connector.domain.ports.desired import DesiredRows
from connector.domain.ports.dispatch import Dispatch
from connector.domain.ports.epochs import Epochs
from connector.domain.ports.operations import Operations
from connector.domain.ports.references import References
from connector.domain.ports.transfers import Transfers

TABLES = (
    "epoch, desired, desired_payload, rendering, target_object, call, call_item, wait, reference, feedback, audit, "
    "transfer, party_number"
)


@dataclass
class Stores:
    epochs: Epochs
    rows: DesiredRows
    dispatch: Dispatch
    references: References
    operations: Operations
    answers: Answers
    transfers: Transfers


def in_memory() -> Stores:
    tables = MemoryTables(lambda: datetime.now(UTC))
    answers = MemoryAnswers(tables)
    return Stores(
        MemoryEpochs(tables),
        MemoryDesiredRows(tables),
        MemoryDispatch(tables),
        MemoryReferences(tables),
        MemoryOperations(tables),
        answers,
        MemoryTransfers(tables.now, answers.answered),
    )


def stores_of(pool: AsyncEngine, listener: Listener) -> Stores:
    return Stores(
        PostgresEpochs(pool),
        PostgresDesiredRows(pool),
        PostgresDispatch(pool, listener),
        PostgresReferences(pool),
        PostgresOperations(pool),
        PostgresAnswers(pool, listener),
        PostgresTransfers(pool),
    )


@pytest.fixture(params=["memory", "postgres"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield in_memory()
        return
    async with on_postgres(request.getfixturevalue("database_url")) as real:
        yield real


@asynccontextmanager
async def on_postgres(url: str) -> AsyncIterator[Stores]:
    """Empty ones."""
    pool, listener = engine(url), Listener(url)
    listening = asyncio.create_task(listener.run())
    async with pool.begin() as db:
        await db.execute(text(f"truncate {TABLES}"))
    yield stores_of(pool, listener)
    listening.cancel()
    await pool.dispose()
