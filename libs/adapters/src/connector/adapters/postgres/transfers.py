"""Rounds and numbers on PostgreSQL."""

from collections.abc import Collection, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import ConnectionId
from connector.domain.ports.transfers import Transfer

_OPEN = text(
    """
    insert into transfer as known (tenant, connection, native_id, round)
    select :tenant, :connection, native_id, round
      from unnest(cast(:ids as text[]), cast(:rounds as integer[])) as told(native_id, round)
     order by native_id
    on conflict (tenant, connection, native_id) do update set round = excluded.round, acknowledged_at = null
     where known.round < excluded.round
    """
)
_ACKNOWLEDGING = text(
    """
    update transfer set acknowledged_at = clock_timestamp()
     where tenant = :tenant and connection = :connection and native_id = any(cast(:ids as text[]))
       and acknowledged_at is null
    """
)
_READ = text(
    """
    select native_id, round, acknowledged_at from transfer
     where tenant = :tenant and connection = :connection and native_id = any(cast(:ids as text[]))
    """
)
_UNANSWERED = text(
    """
    select t.native_id from transfer t
     where t.tenant = :tenant and t.connection = :connection
       and t.acknowledged_at < clock_timestamp() - make_interval(secs => :seconds)
       and not exists (select 1 from feedback f
                        where f.tenant = t.tenant and f.source_connection = t.connection and f.entity = 'invoice'
                          and f.native_id = t.native_id and f.round = t.round and f.answered_at is not null)
     order by t.native_id
    """
)
_NAME = text(
    """
    insert into party_number as known (tenant, connection, number, native_id)
    select :tenant, :connection, number, native_id
      from unnest(cast(:numbers as text[]), cast(:ids as text[])) as told(number, native_id)
     order by number
    on conflict (tenant, connection, number) do update set native_id = excluded.native_id
     where known.native_id <> excluded.native_id
    """
)
_NAMED = text(
    """
    select number, native_id from party_number
     where tenant = :tenant and connection = :connection and number = any(cast(:numbers as text[]))
    """
)


class PostgresTransfers:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self, connection: ConnectionId, rounds: Mapping[str, int]) -> None:
        if rounds:
            async with self._engine.begin() as database:
                told = {"ids": list(rounds), "rounds": list(rounds.values())}
                await database.execute(_OPEN, {**_of(connection), **told})

    async def acknowledging(self, connection: ConnectionId, native_ids: Collection[str]) -> None:
        if native_ids:
            async with self._engine.begin() as database:
                await database.execute(_ACKNOWLEDGING, {**_of(connection), "ids": sorted(native_ids)})

    async def read(self, connection: ConnectionId, native_ids: Collection[str]) -> Mapping[str, Transfer]:
        async with self._engine.begin() as database:
            rows = await database.execute(_READ, {**_of(connection), "ids": list(native_ids)})
            return {row.native_id: Transfer(row.round, row.acknowledged_at) for row in rows}

    async def unanswered(self, connection: ConnectionId, older_than_s: float) -> Collection[str]:
        async with self._engine.begin() as database:
            rows = await database.execute(_UNANSWERED, {**_of(connection), "seconds": older_than_s})
            return [row.native_id for row in rows]

    async def name(self, connection: ConnectionId, numbers: Mapping[str, str]) -> None:
        if numbers:
            async with self._engine.begin() as database:
                told = {"numbers": list(numbers), "ids": list(numbers.values())}
                await database.execute(_NAME, {**_of(connection), **told})

    async def named(self, connection: ConnectionId, numbers: Collection[str]) -> Mapping[str, str]:
        async with self._engine.begin() as database:
            rows = await database.execute(_NAMED, {**_of(connection), "numbers": list(numbers)})
            return {row.number: row.native_id for row in rows}


def _of(connection: ConnectionId) -> dict[str, str]:
    return {"tenant": connection.tenant, "connection": connection.connection}
