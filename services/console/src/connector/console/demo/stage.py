"""Everything a demo runs on: parts, sandboxes, services as processes of this machine, and tools to look at it."""

import asyncio
import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.start import Parts, running_parts
from connector.adapters.postgres.migrating import migrate
from connector.adapters.runtime import Runtime, runtime
from connector.adapters.systems import names
from connector.console.demo.flows import Connecting, DemoFlow
from connector.console.output import Failed
from connector.console.processes import READY_WITHIN_S, Processes, Spec, module
from connector.console.services import Platform, local_platform, service
from connector.domain.ports.log import catalogue
from connector.sandbox.demo import SYSTEMS, ControlPort

Say = Callable[[str], None]
BUILD = Path("build")
_SANDBOX_STARTS_WITHIN_S = 60.0
_SANDBOX_ANSWERS_WITHIN_S = 60.0


@dataclass(frozen=True)
class Stage:
    """A running platform beside running sandboxes."""

    flow: DemoFlow
    parts: Parts
    platform: Platform
    processes: Processes
    sandboxes: Mapping[str, ControlPort]
    addresses: Mapping[str, dict[str, Any]]
    """What each sandbox printed when it started."""
    run: Runtime
    """The platform as the console sees it."""

    async def connector(self, *arguments: str, secrets: Mapping[str, str] | None = None) -> Any:
        """The `connector` command as people use it, with --json; raises Failed with what it said."""
        command = module("connector.console.main", *arguments, "--json")
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **self.platform.environment, **(secrets or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, noise = await process.communicate()
        if process.returncode != 0:
            said = (out or noise).decode(errors="replace").strip()[-3000:]
            raise Failed(f"connector {' '.join(arguments)} ended with {process.returncode}: {said}")
        return json.loads(out)

    async def ready(self) -> None:
        await asyncio.to_thread(self.processes.wait_ready)

    async def kill(self, name: str) -> None:
        """SIGKILL a service and start it again; returns when it is ready."""
        await asyncio.to_thread(self.processes.kill, name)
        await self.start_again(name)

    async def stop_service(self, name: str) -> None:
        process = self.processes[name]
        process.signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 50.0)

    async def start_again(self, *names: str) -> None:
        for name in names:
            process = self.processes.restart(name)
        await asyncio.to_thread(process.wait_ready, time.monotonic() + READY_WITHIN_S)


@asynccontextmanager
async def stage(flow: DemoFlow, *, seed: int, say: Say, build: Path = BUILD) -> AsyncIterator[Stage]:
    """Start everything; at the end of the context it is stopped, and the data is gone. Services may still be starting
    when it begins: `ready` waits for them."""
    folder = build / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    with (
        running_parts(folder / "parts", durable=False, say=say) as parts,
        own_database(parts.database_url) as database_url,
        Processes(_logs(build)) as processes,
    ):
        for system in SYSTEMS[flow.name]:
            command = module("connector.sandbox", system, "--port", "0", "--seed", str(seed))
            processes.start(Spec(f"sandbox-{system}", command), piped=True)
        platform = local_platform(folder, parts.kafka_bootstrap, database_url)
        await asyncio.to_thread(migrate, database_url)
        own = f"demo-{uuid.uuid4().hex[:8]}."
        with environment({**platform.environment, "KAFKA_TOPIC_PREFIX": own, "KAFKA_GROUP_PREFIX": own}):
            settings = KafkaSettings(bootstrap_servers=platform.kafka_bootstrap)
            await asyncio.to_thread(apply_topics, settings, catalogue(names()))
            for name in flow.services:
                processes.start(service(name, platform))
            addresses = {system: await _printed(processes, system) for system in SYSTEMS[flow.name]}
            async with (
                httpx.AsyncClient(trust_env=False, timeout=_SANDBOX_ANSWERS_WITHIN_S) as client,
                runtime("console") as run,
            ):
                sandboxes = {
                    system: ControlPort(client, printed["control_url"], printed["credentials"])
                    for system, printed in addresses.items()
                }
                yield Stage(flow, parts, platform, processes, sandboxes, addresses, run)


def _logs(build: Path) -> Path:
    """A fresh folder: only this run's lines are in it."""
    folder = build / "logs" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


async def _printed(processes: Processes, system: str) -> dict[str, Any]:
    """The line with addresses and credentials that a sandbox prints once it serves."""
    process = processes[f"sandbox-{system}"]
    async with asyncio.timeout(_SANDBOX_STARTS_WITHIN_S):
        line = await asyncio.to_thread(process.output.readline)
    if not line:
        raise Failed(f"the sandbox of {system} did not start: {process.tail()}")
    printed: dict[str, Any] = json.loads(line)
    return printed


class own_database:  # noqa: N801 (a context manager, used like a function)
    """A database of this run's own on the server that `url` leads to."""

    def __init__(self, url: str) -> None:
        self._server = url
        self._name = f"connector_demo_{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> str:
        self._execute("create database {}")
        return make_url(self._server).set(database=self._name).render_as_string(hide_password=False)

    def __exit__(self, *_: object) -> None:
        self._execute("drop database {} with (force)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self._name)))


class environment:  # noqa: N801 (likewise)
    """Variables set for the time of a context."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._values}
        os.environ.update(self._values)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


async def log_in(stage: Stage, connections: Sequence[str]) -> None:
    """Open the link of `connector authorize` as a browser would, up to the result page."""
    await asyncio.gather(*(_log_in(stage, connection) for connection in connections))


async def _log_in(stage: Stage, connection: str) -> None:
    link = (await stage.connector("authorize", connection, "--no-wait", "--no-browser"))["link"]
    async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as browser:
        page = await browser.get(link)
    if page.status_code != 200:
        raise Failed(f"{connection} was not authorised: {page.text}")


def write_configuration(folder: Path, connecting: Connecting) -> Path:
    """The tenant's file. JSON is YAML too, and people can read it."""
    path = folder / "tenant.yaml"
    path.write_text(json.dumps(connecting.configuration, indent=2))
    return path


def flow_names(connecting: Connecting) -> Sequence[str]:
    return list(connecting.configuration["flows"])
