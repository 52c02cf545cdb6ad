"""The port `Blobs` on PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.adapters.postgres.engine import engine
from connector.domain.digest import digest_bytes
from connector.domain.ports.blobs import BlobMissing, Blobs

_PUT = text("insert into blob (tenant, id, data) values (:tenant, :id, :data) on conflict do nothing")
_GET = text("select data from blob where tenant = :tenant and id = :id")


class PostgresBlobs:
    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def put(self, tenant: str, data: bytes) -> str:
        blob = digest_bytes(data)
        async with self._database.begin() as connection:
            await connection.execute(_PUT, {"tenant": tenant, "id": blob, "data": data})
        return blob

    async def get(self, tenant: str, blob: str) -> bytes:
        async with self._database.connect() as connection:
            found = (await connection.execute(_GET, {"tenant": tenant, "id": blob})).scalar_one_or_none()
        if found is None:
            raise BlobMissing(f"blob {blob} of {tenant} is not in this database: replay from the document's source")
        return bytes(found)


@asynccontextmanager
async def blobs(database_url: str | None) -> AsyncIterator[Blobs | None]:
    """The blob store of a service that uses the database for nothing else; None without a database."""
    if database_url is None:
        yield None
        return
    database = engine(database_url, pool_size=2)
    try:
        yield PostgresBlobs(database)
    finally:
        await database.dispose()
