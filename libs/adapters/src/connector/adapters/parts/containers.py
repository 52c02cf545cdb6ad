"""The services of docker-compose.yml as parts, on free loopback ports and under a project name of their own."""

import os
import shutil
import subprocess
from functools import cache

from connector.adapters.parts.part import PartsError, checkout, free_port

_PULL_WITHIN_S = 60


@cache
def engine_answers() -> bool:
    """Whether a container engine runs here and has, or can fetch within a minute, the images."""
    if shutil.which("docker") is None:
        return False
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=10)
        subprocess.run(
            ["docker", "compose", "-f", str(checkout() / "docker-compose.yml"), "pull", "--policy", "missing"],
            check=True,
            capture_output=True,
            timeout=_PULL_WITHIN_S,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
    return True


class Container:
    """One service (`kafka` or `postgres`) of the compose file; restarts keep address and data, `remove` ends both."""

    def __init__(self, service: str, project: str) -> None:
        self._service = service
        self._project = f"{project}-{service}"
        self._port = free_port()
        local = f"127.0.0.1:{self._port}"
        self.address = local if service == "kafka" else f"postgresql://postgres@{local}/connector"

    def start(self) -> None:
        self._compose("up", "--detach", "--wait", self._service)

    def stop(self) -> None:
        self._compose("stop", self._service)

    def kill(self) -> None:
        self._compose("kill", self._service)

    def remove(self) -> None:
        self._compose("down", "--volumes", "--timeout", "5")

    def _compose(self, *arguments: str) -> None:
        ports = {"KAFKA_PORT": str(self._port), "POSTGRES_PORT": str(self._port)}
        command = ["docker", "compose", "-f", str(checkout() / "docker-compose.yml"), "-p", self._project, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **ports})
        if done.returncode != 0:
            raise PartsError(f"docker compose {arguments[0]} {self._service} failed: {done.stderr.strip()[-2000:]}")
