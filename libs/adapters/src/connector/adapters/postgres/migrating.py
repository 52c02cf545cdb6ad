"""Migration of the schema under a lock; apart from the engines, for services need nothing of it."""

from urllib.parse import quote

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from connector.adapters.postgres.engine import MIGRATIONS, expected_revision, sqlalchemy_url

_MIGRATION_LOCK = 0x6D6C636F6E6E  # any constant; the same for all versions of the connector


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
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
    return expected_revision()
