"""The real broker and database of a test session, shared by its workers and gone when the session is; and a place for
those of a single test."""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from connector.adapters.parts.part import locked
from connector.adapters.parts.start import Parts, start_parts
from connector.adapters.postgres.migrating import migrate


@dataclass(frozen=True)
class Addresses:
    kafka_bootstrap: str
    server_url: str
    """A PostgreSQL database of the session's server, to create others from."""


_left_running: list[Parts] = []
"""Other workers may still use them: they end with the session's main process, not with the worker that started them."""


def _in_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def database_at(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def execute(server_url: str, statement: str, *names: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def session_folder() -> Path:
    """One folder for all workers of the session.

    Not among pytest's own: each session that starts shuts those to other users, and the database runs as one.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    return Path(tempfile.gettempdir()) / f"connector-tests-{run[:12]}"


@pytest.fixture(scope="session")
def parts(session_folder: Path) -> Iterator[Addresses]:
    """Started by the first worker that asks, used by all, ended with the session's main process."""
    folder = session_folder / "parts"
    file = folder / "addresses.json"
    started: Parts | None = None
    with locked(folder / "lock"):
        if not file.exists():
            owner = os.getppid() if _in_worker() else os.getpid()
            started = start_parts(folder, owner=owner, durable=False, say=print)
            file.write_text(json.dumps(vars(Addresses(started.kafka_bootstrap, started.database_url))))
    yield Addresses(**json.loads(file.read_text()))
    if started is not None and _in_worker():
        _left_running.append(started)
    elif started is not None:
        started.stop()
        shutil.rmtree(session_folder, ignore_errors=True)


@pytest.fixture
def own_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For tests that start parts by themselves: a folder of their own to work in, and none of the shell's settings.

    Not among pytest's own, as above.
    """
    for name in list(os.environ):
        if name.startswith("CONNECTOR_") and name not in ("CONNECTOR_PARTS", "CONNECTOR_CACHE"):
            monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory(prefix="connector-own-") as folder, monkeypatch.context() as here:
        here.chdir(folder)
        yield


@pytest.fixture(scope="session")
def template_database(parts: Addresses, session_folder: Path) -> str:
    """The name of a migrated, empty database, made by the first worker that asks."""
    file = session_folder / "parts" / "template"
    with locked(session_folder / "parts" / "template.lock"):
        if not file.exists():
            name = f"template_{uuid.uuid4().hex[:12]}"
            execute(parts.server_url, "create database {}", name)
            migrate(database_at(parts.server_url, name))
            file.write_text(name)
    return file.read_text()


@pytest.fixture(scope="session")
def kafka(parts: Addresses) -> str:
    """The bootstrap servers of a real Kafka."""
    return parts.kafka_bootstrap


@pytest.fixture
def topic_prefix() -> str:
    """Keeps a test's topics and groups apart from all others on the same broker."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture(scope="module")
def database_url(parts: Addresses, template_database: str) -> Iterator[str]:
    """A migrated, empty PostgreSQL database of this test module's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    execute(parts.server_url, "create database {} template {}", name, template_database)
    yield database_at(parts.server_url, name)
    execute(parts.server_url, "drop database {} with (force)", name)
