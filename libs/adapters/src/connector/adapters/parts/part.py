"""What broker and database have in common as parts that can be started, stopped and killed."""

import fcntl
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

PORTS = range(10_000, 32_000)


class PartsError(Exception):
    """A part cannot be had; the message says what to install or to set."""


class Part(Protocol):
    """A broker or a database. `start` returns when it answers and may be called again after `stop` or `kill`: address
    and data stay the same."""

    @property
    def address(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class Given:
    """A part that others run (named by the environment): it is used, never started or stopped."""

    def __init__(self, address: str, variable: str) -> None:
        self.address = address
        self._variable = variable

    def start(self) -> None:
        """It runs already."""

    def stop(self) -> None:
        """It is not ours to stop."""

    def kill(self) -> None:
        raise PartsError(f"{self._variable} names a server that others run: unset it to stop and start one here")


def free_port() -> int:
    """A loopback port that nobody listens on, and that nobody gets before whoever asked has begun to: they are handed
    out one after another on the whole machine, and below those that the kernel gives to outgoing connections."""
    folder = cache_folder() / "ports"
    with locked(folder / "lock"):
        last = folder / "last"
        told = last.read_text() if last.exists() else ""
        before = int(told) if told.isdigit() else PORTS[0]
        in_turn = (PORTS[(before - PORTS[0] + step) % len(PORTS)] for step in range(1, len(PORTS)))
        port = next(port for port in in_turn if _can_listen(port))
        last.write_text(str(port))
        return port


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes for the time of the context."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cache_folder() -> Path:
    """Where downloads are kept, outside the checkout: `$CONNECTOR_CACHE` or the user's cache folder."""
    configured = os.environ.get("CONNECTOR_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "ml-connector"


def checkout() -> Path:
    """The checkout this package runs from: the parts are described there, under deploy/."""
    for folder in (*Path(__file__).resolve().parents, *Path.cwd().parents, Path.cwd()):
        if (folder / "deploy" / "local" / "pom.xml").exists():
            return folder
    raise PartsError(
        "deploy/local/pom.xml not found: run inside a checkout, or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL"
    )


def end_with(owner: int, pid: int, *, command: str = 'kill -9 "$2"') -> None:
    """Watch that `pid` ends once process `owner` is gone, however that came; `command` is a shell line, $2 is `pid`."""
    loop = f'while kill -0 "$1" && kill -0 "$2"; do sleep 1; done; {command}'
    subprocess.run(
        ["sh", "-c", f"({loop}) </dev/null >/dev/null 2>&1 &", "sh", str(owner), str(pid)],
        check=True,
        start_new_session=True,
    )
