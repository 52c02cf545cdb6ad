"""What services refuse to start on, and that the schema is brought up by one migrator at a time."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.parts import Addresses, database_at, execute

KEY_RING = '{"active": "k1", "keys": {"k1": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}'
SERVICES = ("ingest", "poller", "exact_fetcher", "coupa_writer")


@pytest.fixture
def empty_database(parts: Addresses) -> Iterator[str]:
    name = f"empty_{uuid.uuid4().hex[:12]}"
    execute(parts.server_url, "create database {}", name)
    yield database_at(parts.server_url, name)
    execute(parts.server_url, "drop database {} with (force)", name)


def environment(database_url: str, kafka: str, topic_prefix: str) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "KAFKA_GROUP_PREFIX": topic_prefix,
        "CONNECTOR_KEY_RING": KEY_RING,
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_refuses_a_database_that_was_never_migrated(
    service: str, empty_database: str, kafka: str, topic_prefix: str
) -> None:
    ended = _ended(service, environment(empty_database, kafka, topic_prefix))
    assert ended.returncode == 1
    assert "the database's schema is at nothing" in ended.stderr
    assert "run `connector migrate`" in ended.stderr


def test_a_service_refuses_the_schema_of_a_later_version(database_url: str, kafka: str, topic_prefix: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as db:
        (this,) = db.execute("select version_num from alembic_version").fetchone() or ("",)
        db.execute("update alembic_version set version_num = '9999_later'")
        ended = _ended("poller", environment(database_url, kafka, topic_prefix))
        db.execute("update alembic_version set version_num = %s", (this,))
    assert ended.returncode == 1
    assert f"the database's schema is at 9999_later, this version needs {this}: run `connector migrate`" in ended.stderr


def test_two_migrators_at_once_leave_one_schema(empty_database: str, kafka: str, topic_prefix: str) -> None:
    command = [sys.executable, "-m", "connector.console.main", "migrate", "--json"]
    given = environment(empty_database, kafka, topic_prefix)
    pipe = subprocess.PIPE
    migrators = [subprocess.Popen(command, env=given, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    told = [migrator.communicate(timeout=120) for migrator in migrators]
    assert [migrator.returncode for migrator in migrators] == [0, 0], told
    with psycopg.connect(empty_database) as db:
        assert len(db.execute("select version_num from alembic_version").fetchall()) == 1


def _ended(service: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", f"connector.{service}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
