"""The real broker and database of a test session, shared by its workers and gone when the session is."""

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from connector.adapters.parts.part import locked
from connector.adapters.parts.start import Parts, start_parts
from connector.adapters.postgres.engine import migrate


@dataclass(frozen=True)
class Addresses:
    kafka_bootstrap: str
    server_url: str
    """A PostgreSQL database of the session's server, to create others from."""
    template: str
    """The name of a migrated, empty database."""


_left_running: list[Parts] = []
"""Other workers may still use them: they end with the session's main process, not with the worker that started them."""


def database_at(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def execute(server_url: str, statement: str, *names: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _migrated_template(server_url: str) -> str:
    name = f"template_{uuid.uuid4().hex[:12]}"
    execute(server_url, "create database {}", name)
    migrate(database_at(server_url, name))
    return name


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Started by the first worker that asks, used by all, ended with the session's main process."""
    in_worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if in_worker else base) / "parts"
    file = folder / "addresses.json"
    started: Parts | None = None
    with locked(folder / "lock"):
        if not file.exists():
            owner = os.getppid() if in_worker else os.getpid()
            started = start_parts(folder, owner=owner, durable=False, say=print)
            template = _migrated_template(started.database_url)
            file.write_text(json.dumps(vars(Addresses(started.kafka_bootstrap, started.database_url, template))))
    yield Addresses(**json.loads(file.read_text()))
    if started is not None and in_worker:
        _left_running.append(started)
    elif started is not None:
        started.stop()


@pytest.fixture(scope="session")
def kafka(parts: Addresses) -> str:
    """The bootstrap servers of a real Kafka."""
    return parts.kafka_bootstrap


@pytest.fixture
def topic_prefix() -> str:
    """Keeps a test's topics and groups apart from all others on the same broker."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture(scope="module")
def database_url(parts: Addresses) -> Iterator[str]:
    """A migrated, empty PostgreSQL database of this test module's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    execute(parts.server_url, "create database {} template {}", name, parts.template)
    yield database_at(parts.server_url, name)
    execute(parts.server_url, "drop database {} with (force)", name)
