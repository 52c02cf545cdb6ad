"""The parts a test session runs on."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from connector.adapters.parts.part import PartsError
from connector.adapters.parts.start import start_parts


def test_a_broker_and_a_migrated_database_answer(kafka: str, database_url: str) -> None:
    assert AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=5).brokers
    with psycopg.connect(database_url) as connection:
        revision = connection.execute("select version_num from alembic_version").fetchone()
    assert revision is not None


def test_an_unknown_choice_of_parts_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONNECTOR_PARTS", "cloud")
    with pytest.raises(PartsError, match="env, containers, local"):
        start_parts(tmp_path)


def test_the_environment_can_be_demanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONNECTOR_PARTS", "env")
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(PartsError, match="KAFKA_BOOTSTRAP_SERVERS"):
        start_parts(tmp_path)


def test_servers_of_others_are_used_and_never_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kafka: str, database_url: str
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("DATABASE_URL", database_url)
    parts = start_parts(tmp_path)
    parts.stop()
    assert (parts.kafka_bootstrap, parts.database_url) == (kafka, database_url)
    assert AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=5).brokers
    with pytest.raises(PartsError, match="KAFKA_BOOTSTRAP_SERVERS"):
        parts.kill_broker()


def test_a_database_ends_with_its_killed_owner(tmp_path: Path) -> None:
    start = (
        "import os, sys, time; from pathlib import Path; from connector.adapters.parts.database import LocalDatabase\n"
        "LocalDatabase(Path(sys.argv[1]), owner=os.getpid(), durable=False).start(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", start, str(tmp_path / "pg")], check=False)
    pid = int((tmp_path / "pg" / "postmaster.pid").read_text().split()[0])
    give_up = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < give_up, "the server outlived its owner"
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
