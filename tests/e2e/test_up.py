"""The platform as a developer starts and stops it: `connector up` and `connector down`, in a folder of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from connector.adapters.parts.part import answers
from connector.console.output import Exit
from connector.console.services import service_names

pytestmark = [pytest.mark.slow, pytest.mark.ci, pytest.mark.usefixtures("own_parts")]

WITHIN_S = 20.0


def connector(*arguments: str, exits: int = 0) -> Any:
    command = [sys.executable, "-m", "connector.console.main", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == exits, (arguments, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


@pytest.fixture
def platform() -> Iterator[Any]:
    try:
        yield connector("up")
    finally:
        connector("down")


def services(supervisor: int) -> Mapping[str, int]:
    """The services that a supervising process runs, by name, with their processes."""
    running = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            module = (folder / "cmdline").read_text().split("\0")[-2:][0]
        except OSError:
            continue  # it ended meanwhile
        name = module.removeprefix("connector.").replace("_", "-")
        if parent == supervisor and name in service_names():
            running[name] = int(folder.name)
    return running


def ready(process: int) -> bool:
    environment = dict(item.split("=", 1) for item in Path(f"/proc/{process}/environ").read_text().split("\0") if item)
    try:
        return httpx.get(f"http://127.0.0.1:{environment['CONNECTOR_HEALTH_PORT']}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def ended(process: int) -> bool:
    """Gone, or waiting for a parent that does not ask."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(condition: Callable[[], bool], what: str) -> None:
    give_up_at_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < give_up_at_s, what
        time.sleep(0.1)


def test_up_runs_every_service_and_starts_again_who_dies_and_down_leaves_nothing(platform: Any) -> None:
    running = services(platform["pid"])
    assert set(running) == set(service_names())
    assert all(ready(process) for process in running.values())
    assert httpx.get(f"{platform['addresses']['ingest']}/readyz").json() == {}
    assert "runs already" in connector("up", exits=Exit.REFUSED)["error"]

    os.kill(running["mapper"], signal.SIGKILL)
    until(lambda: services(platform["pid"]).get("mapper", running["mapper"]) != running["mapper"], "not started again")
    running = services(platform["pid"])
    until(lambda: ready(running["mapper"]), "not ready again")

    assert connector("down") == {"stopped": True}
    assert all(ended(process) for process in [platform["pid"], *running.values()]), "it said so too early"
    if "KAFKA_BOOTSTRAP_SERVERS" not in os.environ:
        assert not answers(int(platform["addresses"]["kafka"].rpartition(":")[2]))
    if "DATABASE_URL" not in os.environ:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(platform["addresses"]["database"])
    assert connector("down") == {"stopped": False}
