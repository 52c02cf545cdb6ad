"""Engines, and whether the schema is this version's."""

from importlib import resources

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

MIGRATIONS = resources.files("connector.adapters.postgres") / "migrations"


class SchemaMismatch(Exception):
    """The database's schema is not the one this version needs."""


def sqlalchemy_url(database_url: str) -> str:
    """`postgresql://...` as users write it, with psycopg 3 as the driver. TLS settings ride on the URL (`sslmode=`)."""
    return make_url(database_url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def engine(database_url: str, *, pool_size: int = 8) -> AsyncEngine:
    return create_async_engine(
        sqlalchemy_url(database_url), pool_size=pool_size, max_overflow=0, pool_pre_ping=False, pool_timeout=30
    )


def expected_revision() -> str:
    """The newest migration's: they are numbered, and named after their revisions."""
    versions = (MIGRATIONS / "versions").iterdir()
    return max(path.name for path in versions if path.name[:4].isdigit()).removesuffix(".py")


def check_schema(connection: Connection) -> None:
    """Raise SchemaMismatch with the command to run, unless the schema is exactly this version's."""
    known = connection.execute(text("select to_regclass('alembic_version') is not null")).scalar_one()
    found = connection.execute(text("select version_num from alembic_version")).scalar() if known else None
    wanted = expected_revision()
    if found != wanted:
        raise SchemaMismatch(
            f"the database's schema is at {found or 'nothing'}, this version needs {wanted}: run `connector migrate`"
        )
