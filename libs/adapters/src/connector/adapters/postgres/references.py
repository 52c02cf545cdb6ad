"""`References` on PostgreSQL."""
# ruff: noqa: S608 (the statements are put together from constants only)

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import ConnectionId
from connector.domain.ports.references import ReferenceEntry, ReferenceKey

from .waiting import lock_keys, wake

_GIVEN = """unnest(cast(:tenants as text[]), cast(:connections as text[]), cast(:kinds as text[]),
                   cast(:codes as text[]))"""

_STORED = text(
    f"""
    select r.tenant, r.connection, r.kind, r.code, r.version, r.as_of, r.body
      from reference r join {_GIVEN} as g(tenant, connection, kind, code) using (tenant, connection, kind, code)
    """
)

_UPSERT = text(
    """
    with given as (
        select * from unnest(cast(:tenants as text[]), cast(:connections as text[]), cast(:kinds as text[]),
                             cast(:codes as text[]), cast(:versions as text[]), cast(:as_ofs as timestamptz[]),
                             cast(:bodies as text[]))
            as g(tenant, connection, kind, code, version, as_of, body)
         order by 1, 2, 3, 4),
    before as (select r.tenant, r.connection, r.kind, r.code, r.version
                 from reference r join given g using (tenant, connection, kind, code)),
    stored as (
        insert into reference as r (tenant, connection, kind, code, version, as_of, body)
        select tenant, connection, kind, code, version, as_of, cast(body as jsonb)
          from given
        on conflict (tenant, connection, kind, code) do update
           set version = excluded.version, as_of = excluded.as_of, body = excluded.body
         where r.as_of < excluded.as_of
        returning r.tenant, r.connection, r.kind, r.code, r.version)
    select s.tenant, s.connection, s.kind, s.code
      from stored s left join before b using (tenant, connection, kind, code)
     where b.version is distinct from s.version
    """
)

_OLDER = text(
    """
    select kind, code from reference
     where tenant = :tenant and connection = :connection and kind = any(cast(:kinds as text[]))
       and as_of < clock_timestamp() - make_interval(secs => :seconds)
     order by kind, code
    """
)


class PostgresReferences:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def now(self) -> datetime:
        async with self._engine.begin() as db:
            now: datetime = (await db.execute(text("select clock_timestamp()"))).scalar_one()
            return now

    async def upsert(self, entries: Sequence[ReferenceEntry]) -> int:
        newest = {entry.key: entry for entry in entries}
        async with self._engine.begin() as db:
            keys = [(key.connection.tenant, str(key)) for key in newest]
            await lock_keys(db, keys)
            columns = _columns(list(newest)) | {
                "versions": [entry.version for entry in newest.values()],
                "as_ofs": [entry.as_of for entry in newest.values()],
                "bodies": [None if e.body is None else json.dumps(dict(e.body)) for e in newest.values()],
            }
            changed = [
                ReferenceKey(ConnectionId(tenant, connection), kind, code)
                for tenant, connection, kind, code in await db.execute(_UPSERT, columns)
            ]
            await wake(db, [(key.connection.tenant, str(key)) for key in changed])
            return len(changed)

    async def older(self, connection: ConnectionId, kinds: Collection[str], than_s: float) -> Sequence[ReferenceKey]:
        at = {"tenant": connection.tenant, "connection": connection.connection}
        async with self._engine.begin() as db:
            rows = await db.execute(_OLDER, at | {"kinds": sorted(kinds), "seconds": than_s})
            return [ReferenceKey(connection, row.kind, row.code) for row in rows]

    async def read(self, keys: Collection[ReferenceKey]) -> Mapping[ReferenceKey, ReferenceEntry]:
        found: dict[ReferenceKey, ReferenceEntry] = {}
        async with self._engine.begin() as db:
            for row in await db.execute(_STORED, _columns(list(keys))):
                key = ReferenceKey(ConnectionId(row.tenant, row.connection), row.kind, row.code)
                found[key] = ReferenceEntry(key, row.as_of, row.version, row.body)
        return found


def _columns(keys: Sequence[ReferenceKey]) -> dict[str, object]:
    return {
        "tenants": [key.connection.tenant for key in keys],
        "connections": [key.connection.connection for key in keys],
        "kinds": [key.kind for key in keys],
        "codes": [key.code for key in keys],
    }
