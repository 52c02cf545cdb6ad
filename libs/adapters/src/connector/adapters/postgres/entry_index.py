"""The entry index on PostgreSQL."""

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import ConnectionId

_REMEMBER = text(
    """
    insert into entry_line as known (tenant, connection, line_id, entry_id)
    select :tenant, :connection, line_id, entry_id
      from unnest(cast(:lines as text[]), cast(:entries as text[])) as told(line_id, entry_id)
     order by line_id
    on conflict (tenant, connection, line_id) do update set entry_id = excluded.entry_id
     where known.entry_id <> excluded.entry_id
    """
)
_ENTRIES_OF = text(
    """
    select line_id, entry_id from entry_line
     where tenant = :tenant and connection = :connection and line_id = any(cast(:lines as text[]))
    """
)


class PostgresEntryIndex:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def remember(self, connection: ConnectionId, entries: Mapping[str, str]) -> None:
        if not entries:
            return
        values = {"lines": list(entries), "entries": list(entries.values())}
        async with self._engine.begin() as database:
            await database.execute(_REMEMBER, {**_of(connection), **values})

    async def entries_of(self, connection: ConnectionId, lines: Sequence[str]) -> Mapping[str, str]:
        async with self._engine.begin() as database:
            rows = await database.execute(_ENTRIES_OF, {**_of(connection), "lines": list(lines)})
            return {row.line_id: row.entry_id for row in rows}


def _of(connection: ConnectionId) -> dict[str, str]:
    return {"tenant": connection.tenant, "connection": connection.connection}
