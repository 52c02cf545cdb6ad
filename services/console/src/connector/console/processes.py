"""Processes of this machine that belong together: started, waited for, killed, restarted, stopped; logs to files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from connector.adapters.parts.part import end_with, free_port

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 50.0
"""A writer takes up to 45 s to finish its calls."""
_LOOK_S = 0.05
_TAIL_CHARACTERS = 2000


class ProcessEnded(Exception):
    """A process ended that should run; carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run. `ready_url` answers 200 once it is ready; None where it is ready when its first line is printed."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready_url: str | None = None


class Process:
    """One started process. With `piped` its standard output can be read line by line."""

    def __init__(self, spec: Spec, logs: Path, *, piped: bool) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        with self.log.open("ab") as log:
            self._process: subprocess.Popen[str] = subprocess.Popen(
                list(spec.command),
                env={**os.environ, **spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for us: we stop them in order
            )
        end_with(os.getpid(), self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def signal(self, number: signal.Signals) -> None:
        if self.runs:
            self._process.send_signal(number)

    def wait(self, within_s: float) -> bool:
        """Whether it ended in time."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        if self._process.stdout is not None:
            self._process.stdout.close()
        return True

    def wait_ready(self, give_up_at_s: float) -> None:
        """Return when it is ready; raises ProcessEnded where it ends, or is not ready by then (monotonic clock)."""
        if self.spec.ready_url is None:
            return
        while time.monotonic() < give_up_at_s:
            if not self.runs:
                raise ProcessEnded(f"{self.spec.name} ended while starting; the end of {self.log}:\n{self.tail()}")
            if _answers_ready(self.spec.ready_url):
                return
            time.sleep(_LOOK_S)
        raise ProcessEnded(f"{self.spec.name} was not ready in time; the end of {self.log}:\n{self.tail()}")

    def close(self) -> None:
        """Let go of what an ended process printed."""
        if self._process.stdout is not None:
            self._process.stdout.close()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-_TAIL_CHARACTERS:]


class Processes:
    """A set of processes, stopped in the reverse of their order when the context ends."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, spec: Spec, *, piped: bool = False) -> Process:
        """Start it; `wait_ready` waits for all that were started."""
        process = self._running[spec.name] = Process(spec, self._logs, piped=piped)
        return process

    def wait_ready(self, *, within_s: float = READY_WITHIN_S) -> None:
        """Return when all are ready; raises ProcessEnded."""
        give_up_at_s = time.monotonic() + within_s
        for process in self._running.values():
            process.wait_ready(give_up_at_s)

    def names(self) -> Sequence[str]:
        return list(self._running)

    def __getitem__(self, name: str) -> Process:
        return self._running[name]

    def ended(self) -> Sequence[str]:
        """Those that should run and do not."""
        return [name for name, process in self._running.items() if not process.runs]

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self._running[name].signal(signal.SIGKILL)
        self._running[name].wait(10.0)

    def restart(self, name: str) -> Process:
        """Start one anew that has ended or was killed."""
        return self.start(self._running[name].spec)

    def stop(self) -> None:
        """SIGTERM to all at once; who has not drained in time is killed."""
        ending = list(reversed(self._running.values()))
        for process in ending:
            process.signal(signal.SIGTERM)
        give_up_at_s = time.monotonic() + STOP_WITHIN_S
        for process in ending:
            if not process.wait(max(0.0, give_up_at_s - time.monotonic())):
                process.signal(signal.SIGKILL)
                process.wait(10.0)
            process.close()
        self._running.clear()


def module(name: str, *arguments: str) -> Sequence[str]:
    """The command that runs a module of ours on this Python."""
    return (sys.executable, "-m", name, *arguments)


def health_port() -> tuple[dict[str, str], str]:
    """A free loopback port for a service's health, as environment, and the address that answers when it is ready."""
    port = free_port()
    environment = {"CONNECTOR_HEALTH_HOST": "127.0.0.1", "CONNECTOR_HEALTH_PORT": str(port)}
    return environment, f"http://127.0.0.1:{port}/readyz"


def _answers_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
