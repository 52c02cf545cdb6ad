"""`connector up` and `down`: the whole platform for a developer, in the background of this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.start import running_parts
from connector.adapters.postgres.migrating import migrate
from connector.adapters.systems import names
from connector.console.output import Exit, Output
from connector.console.processes import STOP_WITHIN_S, Processes
from connector.console.services import Platform, local_platform, service, service_names
from connector.console.session import JsonFlag
from connector.domain.ports.log import catalogue

app = typer.Typer()

BUILD = Path("build")
STATE = BUILD / "platform.json"
"""What runs: the supervising process, addresses, the environment to use them with."""
ENVIRONMENT = BUILD / "platform.env"
_FOLDER = BUILD / "platform"
_LOGS = BUILD / "logs"
_UP_WITHIN_S = 180.0
_RESTART_AFTER_S = 1.0


@app.command()
def up(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay here; Ctrl-C stops all of it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Start broker, database and every service on this machine, empty; `connector down` stops them.

    Addresses are written to build/platform.json, and as variables to build/platform.env (`source` it).
    """
    output = Output(as_json=as_json)
    if _supervisor() is not None:
        _end(output, Exit.REFUSED, "The platform runs already: `connector down` stops it.")
    if foreground:
        _supervise(output)
        return
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "up.log").open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "connector.console.main", "up", "--foreground"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    give_up_at_s = time.monotonic() + _UP_WITHIN_S
    while not STATE.exists():
        if supervisor.poll() is not None or time.monotonic() > give_up_at_s:
            supervisor.terminate()
            _end(output, Exit.FAILED, f"It did not start:\n{(BUILD / 'up.log').read_text()[-3000:]}")
        time.sleep(0.1)
    _tell(output)


@app.command()
def down(as_json: JsonFlag = False) -> None:
    """Stop what `connector up` started; its data goes."""
    output = Output(as_json=as_json)
    pid = _supervisor()
    if pid is None:
        STATE.unlink(missing_ok=True)
        output.result({"stopped": False}, ["Nothing runs."])
        return
    os.kill(pid, signal.SIGTERM)
    give_up_at_s = time.monotonic() + STOP_WITHIN_S + 30
    while _runs(pid):
        if time.monotonic() > give_up_at_s:
            _end(output, Exit.FAILED, f"Process {pid} does not end: see {BUILD / 'up.log'}")
        time.sleep(0.1)
    output.result({"stopped": True}, ["Stopped."])


def _end(output: Output, code: Exit, message: str) -> NoReturn:
    output.result({"error": message, "exit": int(code)}, [message])
    raise typer.Exit(int(code))


def _tell(output: Output) -> None:
    state = json.loads(STATE.read_text())
    lines = [f"{name}: {value}" for name, value in state["addresses"].items()]
    output.result(state, [*lines, f"To use it: set -a; source {ENVIRONMENT}; set +a"])


def _supervisor() -> int | None:
    """The process that runs the platform, None where none does."""
    with suppress(OSError, ValueError, KeyError):
        pid = int(json.loads(STATE.read_text())["pid"])
        return pid if _runs(pid) else None
    return None


def _runs(pid: int) -> bool:
    """Whether this process runs the platform: its number may be another's by now."""
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        return "connector.console.main" in command or "up" in command
    return False


def _supervise(output: Output) -> None:
    """Run parts and services until told to end; a service that ends is started again."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: told.append(received))
    shutil.rmtree(_FOLDER, ignore_errors=True)
    with (
        ExitStack() as at_the_end,
        running_parts(_FOLDER / "parts", say=output.note) as parts,
        Processes(_LOGS) as processes,
    ):
        at_the_end.callback(STATE.unlink, missing_ok=True)
        platform = local_platform(_FOLDER, parts.kafka_bootstrap, parts.database_url)
        migrate(platform.database_url)
        apply_topics(KafkaSettings(bootstrap_servers=platform.kafka_bootstrap), catalogue(names()))
        for name in service_names():
            processes.start(service(name, platform))
        processes.wait_ready()
        _write_state(platform)
        _tell(output)
        while not told:
            time.sleep(_RESTART_AFTER_S)
            for name in processes.ended():
                output.note(f"{name} ended and is started again: see {processes[name].log}")
                processes.restart(name)


def _write_state(platform: Platform) -> None:
    ENVIRONMENT.write_text("".join(f"{name}={value}\n" for name, value in platform.environment.items()))
    addresses = {
        "ingest": platform.public_base_url,
        "kafka": platform.kafka_bootstrap,
        "database": platform.database_url,
        "logs": str(_LOGS),
    }
    state = {"pid": os.getpid(), "addresses": addresses, "environment": dict(platform.environment)}
    unfinished = STATE.with_suffix(".part")
    unfinished.write_text(json.dumps(state))
    unfinished.replace(STATE)
