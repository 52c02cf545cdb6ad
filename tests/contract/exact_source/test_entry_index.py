"""The entry index: one contract for memory and PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from connector.adapters.memory.entry_index import MemoryEntryIndex
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.entry_index import PostgresEntryIndex
from connector.domain.identity import ConnectionId
from connector.domain.ports.entry_index import EntryIndex

OURS, OTHERS = ConnectionId("acme", "exact-nl"), ConnectionId("acme", "exact-be")


@pytest.fixture(params=["memory", "postgres"])
async def index(request: pytest.FixtureRequest) -> AsyncIterator[EntryIndex]:
    if request.param == "memory":
        yield MemoryEntryIndex()
        return
    database = engine(request.getfixturevalue("database_url"))
    yield PostgresEntryIndex(database)
    await database.dispose()


async def test_lines_are_remembered_per_connection_and_move_with_their_entry(index: EntryIndex) -> None:
    await index.remember(OURS, {"line-1": "entry-1", "line-2": "entry-1"})
    await index.remember(OTHERS, {"line-1": "entry-9"})
    await index.remember(OURS, {"line-2": "entry-2"})
    await index.remember(OURS, {})
    assert await index.entries_of(OURS, ["line-1", "line-2", "line-3"]) == {"line-1": "entry-1", "line-2": "entry-2"}
    assert await index.entries_of(OURS, []) == {}
