"""One set of stores a test: the writers' tables in memory, and in a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.adapters.memory.answers import MemoryAnswers
from connector.adapters.memory.configuration import MemoryConfiguration
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
from connector.domain.ports.configuration import MappingEntry, OnMappingChange
from connector.domain.ports.desired import DesiredRows
from connector.domain.ports.dispatch import Dispatch
from connector.domain.ports.epochs import Epochs
from connector.domain.ports.operations import Operations
from connector.domain.ports.references import References
from connector.domain.ports.transfers import Transfers
from tests.write import FLOW, SOURCE, TARGET, flow

TABLES = (
    "epoch, desired, desired_payload, rendering, target_object, call, call_item, wait, reference, feedback, audit, "
    "transfer, party_number, connection, flow, mapping_entry, configuration_change"
)
ENTRY = ("gl", "4000")
"""A mapping table's name and the key of its one entry."""


@dataclass
class Stores:
    epochs: Epochs
    rows: DesiredRows
    dispatch: Dispatch
    references: References
    operations: Operations
    answers: Answers
    transfers: Transfers
    apply: Callable[[OnMappingChange], Awaitable[int]]
    """Apply a configuration whose one mapping entry has another value than before; its epoch, the entry's version."""


def in_memory() -> Stores:
    configuration = MemoryConfiguration()
    tables = MemoryTables(lambda: datetime.now(UTC), configuration)
    answers = MemoryAnswers(tables)

    async def apply(which: OnMappingChange) -> int:
        epoch = (await configuration.current()).epoch + 1
        (table, key), version = ENTRY, MappingEntry(f"x{epoch}", str(epoch))
        flows = {FLOW: flow(on_mapping_change=which)}
        return configuration.apply(flows=flows, mappings={(FLOW, table): {key: version}}).epoch

    return Stores(
        MemoryEpochs(tables),
        MemoryDesiredRows(tables),
        MemoryDispatch(tables),
        MemoryReferences(tables),
        MemoryOperations(tables),
        answers,
        MemoryTransfers(tables.now, answers.answered),
        apply,
    )


def stores_of(pool: AsyncEngine, listener: Listener) -> Stores:
    async def apply(which: OnMappingChange) -> int:
        async with pool.begin() as db:
            await db.execute(text("lock table configuration_change in exclusive mode"))
            given = {"tenant": FLOW.tenant, "flow": FLOW.flow, "which": str(which)}
            epoch = (await db.execute(_CHANGE, given)).scalar_one()
            for connection in (SOURCE, TARGET):
                await db.execute(_CONNECTION, given | {"connection": connection.connection})
            await db.execute(_FLOW, given | {"source": SOURCE.connection, "target": TARGET.connection})
            await db.execute(_ENTRY, given | {"epoch": epoch, "table": ENTRY[0], "key": ENTRY[1]})
            return int(epoch)

    return Stores(
        PostgresEpochs(pool),
        PostgresDesiredRows(pool),
        PostgresDispatch(pool, listener),
        PostgresReferences(pool),
        PostgresOperations(pool),
        PostgresAnswers(pool, listener),
        PostgresTransfers(pool),
        apply,
    )


_CHANGE = text("insert into configuration_change (tenant, by_whom, what) values (:tenant, 'ann', '{}') returning epoch")
_CONNECTION = text(
    """
    insert into connection (tenant, connection, system, settings, endpoint_id, call_deadline_s, processing_s)
    values (:tenant, :connection, 'any', '{}', :connection, 1, 1) on conflict do nothing
    """
)
_FLOW = text(
    """
    insert into flow (tenant, flow, kind, source_connection, target_connection, entities, reference_kinds, state,
                      start_date, options, on_mapping_change, on_block, wait_s)
    values (:tenant, :flow, 'any', :source, :target, '{}', '{}', 'live', '2026-01-01', '{}', :which, 'hold', 1)
    on conflict (tenant, flow) do update set on_mapping_change = excluded.on_mapping_change
    """
)
_ENTRY = text(
    """
    insert into mapping_entry (tenant, flow, table_name, key, value, epoch)
    values (:tenant, :flow, :table, :key, 'x', :epoch)
    on conflict (tenant, flow, table_name, key) do update set epoch = excluded.epoch
    """
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
