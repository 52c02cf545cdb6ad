"""Services forked from a process that has imported everything.

To import a service takes seconds of a core. At a kill every three seconds two cores would do little else, and what is
killed would seldom have been at work. A forked service is a process like any other from its first line on.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

from connector.adapters.parts.part import checkout, end_with
from connector.console import processes
from connector.console.processes import Process, Spec

NAME = "tests.chaos.forking"
"""Of this module, whatever name a test session gives it."""
LOOK_S = 0.02


class Nursery:
    """The process that forks: told what to run by a line of JSON, it answers with the new process's id."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", NAME, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=checkout(),
            text=True,
            start_new_session=True,
        )

    def fork(self, module: str, environment: Mapping[str, str], log: Path) -> int:
        asked = {"module": module, "environment": dict(environment), "log": str(log.resolve()), "cwd": os.getcwd()}
        _stream(self._process.stdin).write(json.dumps(asked) + "\n")
        _stream(self._process.stdin).flush()
        return int(_stream(self._process.stdout).readline())

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            _stream(stream).close()
        self._process.wait()


def _stream(of: IO[str] | None) -> IO[str]:
    assert of is not None
    return of


class _Forked:
    """What `Process` needs of a process, for one that is no child of ours: the nursery's kernel takes it in."""

    stdout = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -1
        return None

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float) -> None:
        give_up = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > give_up:
                raise subprocess.TimeoutExpired("a forked service", timeout)
            time.sleep(LOOK_S)


class ForkedProcess(Process):
    def __init__(self, spec: Spec, logs: Path, nursery: Nursery) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        pid = nursery.fork(spec.command[-1], {**os.environ, **spec.environment}, self.log)
        self._process: Any = _Forked(pid)
        end_with(os.getpid(), pid)


@contextmanager
def forked(modules: Sequence[str]) -> Iterator[None]:
    """For the time of a context, processes that run one of these modules are forked."""
    nursery = Nursery(modules)

    def start(spec: Spec, logs: Path, *, piped: bool) -> Process:
        if spec.command[-1] in modules:
            return ForkedProcess(spec, logs, nursery)
        return Process(spec, logs, piped=piped)

    try:
        with patch.object(processes, "Process", start):
            yield
    finally:
        nursery.close()


def _serve(modules: Sequence[str]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ends is gone at once
    for module in modules:
        importlib.import_module(f"{module}.__main__")
        del sys.modules[f"{module}.__main__"]
    rooms = importlib.import_module("connector.adapters.systems")
    for name in rooms.names():
        rooms.room(name)
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(asked)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become(asked: Mapping[str, Any]) -> None:
    """The service, in a session of its own; does not return."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, stream in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, stream)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["cwd"])
        runpy.run_module(f"{asked['module']}.__main__", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1:])
