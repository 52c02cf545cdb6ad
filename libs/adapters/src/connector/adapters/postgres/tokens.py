"""`TokenStore` on PostgreSQL: the row is locked, a transition of the domain applied, every replica told."""

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.domain.gate.tokens import Transition, Transitions
from connector.domain.identity import ConnectionId
from connector.domain.ports.tokens import TokenRow, TokenState, token_key
from connector.domain.ports.vault import TOKEN_FIELD, Sealed

from .notify import notify

_COLUMNS = (
    "state", "generation", "received_at", "refresh_at", "expires_at", "not_after", "retry_at", "attempts", "refusals",
    "holder", "reason", "reauthorisations", "account", "paused", "credentials_version",
)  # fmt: skip

_READ = """
    select k.tenant, k.connection, clock_timestamp() as now, s.key_id, s.data, t.*,
           coalesce((select max(version) from sealed c where c.tenant = k.tenant and c.connection = k.connection
                        and c.field <> :token_field), 0) as credentials_now
      from {keys} k
      left join token t on t.tenant = k.tenant and t.connection = k.connection
      left join sealed s on s.tenant = k.tenant and s.connection = k.connection and s.field = :token_field
"""
_READ_ONE = text(_READ.format(keys="(select cast(:tenant as text) as tenant, cast(:connection as text) as connection)"))
_READ_ALL = text(
    _READ.format(keys="(select tenant, connection from token where cast(:tenant as text) is null or tenant = :tenant)")
)
_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:key, 1))")

_WRITE = text(
    f"""
    insert into token (tenant, connection, {", ".join(_COLUMNS)})
    values (:tenant, :connection, {", ".join(f":{name}" for name in _COLUMNS)})
    on conflict (tenant, connection) do update set {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)}
    """  # noqa: S608 - column names of this module only
)
_SEAL = text(
    """
    insert into sealed (tenant, connection, field, key_id, data, version)
    values (:tenant, :connection, :field, :key_id, :data, :version)
    on conflict (tenant, connection, field) do update
       set key_id = excluded.key_id, data = excluded.data, version = excluded.version
    """
)


def _token_row(connection: ConnectionId, row: Row[tuple[object, ...]], *, secret: bool) -> TokenRow:
    if row.state is None:
        return TokenRow(connection, row.now, credentials_now=row.credentials_now)
    sealed = Sealed(row.key_id, bytes(row.data)) if secret and row.key_id is not None else None
    values = {name: getattr(row, name) for name in _COLUMNS if name != "state"}
    return TokenRow(
        connection, row.now, TokenState(row.state), sealed=sealed, credentials_now=row.credentials_now, **values
    )


class PostgresTokenStore(Transitions):
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, connection: ConnectionId) -> TokenRow:
        async with self._engine.connect() as db:
            return await self._read(db, connection)

    async def _read(self, db: AsyncConnection, connection: ConnectionId) -> TokenRow:
        rows = await db.execute(
            _READ_ONE,
            {"tenant": connection.tenant, "connection": connection.connection, "token_field": TOKEN_FIELD},
        )
        return _token_row(connection, rows.one(), secret=True)

    async def _change(self, connection: ConnectionId, transition: Transition) -> TokenRow | None:
        async with self._engine.begin() as db:
            await db.execute(_LOCK, {"key": f"token:{connection}"})
            before = await self._read(db, connection)
            after = transition(before)
            if after is None:
                return None
            key = {"tenant": connection.tenant, "connection": connection.connection}
            await db.execute(_WRITE, {**key, **{name: getattr(after, name) for name in _COLUMNS}})
            if after.sealed is not None and after.sealed != before.sealed:
                seal = {"field": TOKEN_FIELD, "key_id": after.sealed.key_id, "data": after.sealed.data}
                await db.execute(_SEAL, {**key, **seal, "version": after.generation})
            await notify(db, token_key(connection))
        return after

    async def all(self, tenant: str | None = None) -> list[TokenRow]:
        async with self._engine.connect() as db:
            rows = await db.execute(_READ_ALL, {"tenant": tenant, "token_field": TOKEN_FIELD})
            return sorted(
                (_token_row(ConnectionId(row[0], row[1]), row, secret=False) for row in rows),
                key=lambda row: row.connection,
            )
