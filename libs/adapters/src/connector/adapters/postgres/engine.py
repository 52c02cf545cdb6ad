"""Engines, and the migration of the schema under a lock."""

from importlib import resources
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_MIGRATION_LOCK = 0x6D6C636F6E6E  # any constant; the same for all versions of the connector


class SchemaMismatch(Exception):
    """The database's schema is not the one this version needs."""


def sqlalchemy_url(database_url: str) -> str:
    """`postgresql://...` as users write it, with psycopg 3 as the driver. TLS settings ride on the URL (`sslmode=`)."""
    return make_url(database_url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def engine(database_url: str, *, pool_size: int = 8) -> AsyncEngine:
    return create_async_engine(
        sqlalchemy_url(database_url), pool_size=pool_size, max_overflow=0, pool_pre_ping=False, pool_timeout=30
    )


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("connector.adapters.postgres") / "migrations"))
    config.set_main_option("sqlalchemy.url", quote(sqlalchemy_url(database_url), safe=":/?&=@+-._~").replace("%", "%%"))
    return config


def migrate(database_url: str) -> str:
    """Bring the schema to this version's, one migrator at a time (advisory lock); return the revision."""
    config = _config(database_url)
    database = create_engine(sqlalchemy_url(database_url))
    with database.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.commit()
        try:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
    database.dispose()
    return expected_revision(database_url)


def expected_revision(database_url: str) -> str:
    head = ScriptDirectory.from_config(_config(database_url)).get_current_head()
    assert head is not None
    return head


def check_schema(connection: Connection, database_url: str) -> None:
    """Raise SchemaMismatch with the command to run, unless the schema is exactly this version's."""
    found = MigrationContext.configure(connection).get_current_revision()
    wanted = expected_revision(database_url)
    if found != wanted:
        raise SchemaMismatch(
            f"the database's schema is at {found or 'nothing'}, this version needs {wanted}: run `connector migrate`"
        )
