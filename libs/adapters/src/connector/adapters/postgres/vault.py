"""`SealedStore` on PostgreSQL."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import ConnectionId
from connector.domain.ports.tokens import token_key
from connector.domain.ports.vault import TOKEN_FIELD, Resealed, Sealed, SealedField

from .notify import notify

_NEXT_VERSION = text(
    """
    select 1 + greatest(
        (select max(version) from sealed where tenant = :tenant and connection = :connection and field <> :token_field),
        (select credentials_version from token where tenant = :tenant and connection = :connection), 0)
    """
)
"""Above what the gate has seen too: a connection whose every credential was removed does not begin again."""

_REMOVE = text(
    "delete from sealed where tenant = :tenant and connection = :connection and field = any(cast(:removed as text[]))"
)
_RAISE = text(
    "update sealed set version = :version"
    " where tenant = :tenant and connection = :connection and field <> :token_field and field <> all(:fields)"
)
_PUT = text(
    """
    insert into sealed (tenant, connection, field, key_id, data, version)
    select :tenant, :connection, f.field, f.key_id, f.data, :version
      from unnest(cast(:fields as text[]), cast(:key_ids as text[]), cast(:data as bytea[])) as f(field, key_id, data)
    on conflict (tenant, connection, field) do update
       set key_id = excluded.key_id, data = excluded.data, version = excluded.version
    """
)

_REPLACE = text(
    """
    update sealed s set key_id = n.key_id, data = n.data
      from unnest(cast(:tenants as text[]), cast(:connections as text[]), cast(:fields as text[]),
                  cast(:old_data as bytea[]), cast(:key_ids as text[]), cast(:data as bytea[]))
           as n(tenant, connection, field, old_data, key_id, data)
     where s.tenant = n.tenant and s.connection = n.connection and s.field = n.field and s.data = n.old_data
    """
)


def _field(row: Row[tuple[object, ...]]) -> SealedField:
    return SealedField(
        ConnectionId(row.tenant, row.connection), row.field, Sealed(row.key_id, bytes(row.data)), row.version
    )


class PostgresSealedStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, connection: ConnectionId) -> Mapping[str, SealedField]:
        query = text("select * from sealed where tenant = :tenant and connection = :connection")
        async with self._engine.connect() as db:
            rows = await db.execute(query, {"tenant": connection.tenant, "connection": connection.connection})
            return {row.field: _field(row) for row in rows}

    async def write(self, connection: ConnectionId, fields: Mapping[str, Sealed | None]) -> int:
        put = {name: value for name, value in fields.items() if value is not None}
        values = {
            "tenant": connection.tenant,
            "connection": connection.connection,
            "token_field": TOKEN_FIELD,
            "removed": [name for name, value in fields.items() if value is None],
            "fields": list(put),
            "key_ids": [value.key_id for value in put.values()],
            "data": [value.data for value in put.values()],
        }
        async with self._engine.begin() as db:
            await db.execute(
                text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"sealed:{connection}"}
            )
            version = int((await db.execute(_NEXT_VERSION, values)).scalar_one())
            for statement in (_REMOVE, _RAISE, _PUT):
                await db.execute(statement, {**values, "version": version})
            await notify(db, token_key(connection))
        return version

    async def under_other_keys(self, active: str, limit: int) -> Sequence[SealedField]:
        query = text("select * from sealed where key_id < :active or key_id > :active limit :limit")
        async with self._engine.connect() as db:
            return [_field(row) for row in await db.execute(query, {"active": active, "limit": limit})]

    async def count_under_other_keys(self, active: str) -> int:
        query = text("select count(*) from sealed where key_id <> :active")
        async with self._engine.connect() as db:
            return int((await db.execute(query, {"active": active})).scalar_one())

    async def replace(self, resealed: Sequence[Resealed]) -> int:
        async with self._engine.begin() as db:
            done = await db.execute(
                _REPLACE,
                {
                    "tenants": [entry.old.connection.tenant for entry in resealed],
                    "connections": [entry.old.connection.connection for entry in resealed],
                    "fields": [entry.old.field for entry in resealed],
                    "old_data": [entry.old.sealed.data for entry in resealed],
                    "key_ids": [entry.new.key_id for entry in resealed],
                    "data": [entry.new.data for entry in resealed],
                },
            )
        return int(done.rowcount)

    async def erase(self, tenant: str) -> int:
        async with self._engine.begin() as db:
            done = await db.execute(text("delete from sealed where tenant = :tenant"), {"tenant": tenant})
        return int(done.rowcount)
