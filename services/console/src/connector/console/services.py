"""Every service of the platform as a process on this machine."""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from connector.adapters.parts.part import free_port
from connector.adapters.systems import names
from connector.console.processes import Spec, health_port, module


@dataclass(frozen=True, slots=True)
class Platform:
    """Where the platform's parts are, and the environment of whoever uses them."""

    kafka_bootstrap: str
    database_url: str
    public_base_url: str
    key_ring: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap,
            "DATABASE_URL": self.database_url,
            "PUBLIC_BASE_URL": self.public_base_url,
            "CONNECTOR_KEY_RING_LOCATION": f"file:{self.key_ring}",
            "CONNECTOR_ALLOW_LOOPBACK_HTTP": "1",
            "CONNECTOR_ORDINAL": "0",
        }


def local_platform(folder: Path, kafka_bootstrap: str, database_url: str) -> Platform:
    """A platform with ingest on a free loopback port and a key ring of its own in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return Platform(kafka_bootstrap, database_url, f"http://127.0.0.1:{free_port()}", new_key_ring(folder))


def new_key_ring(folder: Path) -> Path:
    """Write a key ring with one new key, readable by its owner only."""
    path = folder.resolve() / "key-ring.json"
    key = base64.b64encode(os.urandom(32)).decode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"active": "local-1", "keys": {"local-1": key}}, file)
    return path


def service_names() -> Sequence[str]:
    """Every service this version has: the shared ones, and a fetcher and a writer for each system that has one."""
    candidates = ["ingest", "poller", "mapper"]
    candidates += [f"{system}-{role}" for system in names() for role in ("fetcher", "writer")]
    return [name for name in candidates if find_spec(_module_name(name)) is not None]


def _module_name(service: str) -> str:
    return f"connector.{service.replace('-', '_')}"


def service(name: str, platform: Platform) -> Spec:
    """One service as a process of its own, with its health on a loopback port."""
    environment, ready_url = health_port()
    if name == "ingest":
        host, _, port = platform.public_base_url.removeprefix("http://").partition(":")
        environment |= {"CONNECTOR_INGEST_HOST": host, "CONNECTOR_INGEST_PORT": port}
    return Spec(name, module(_module_name(name)), {**platform.environment, **environment}, ready_url)
