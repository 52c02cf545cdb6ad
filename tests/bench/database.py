"""The database benchmarks run on: the one given by DATABASE_URL, or a durable one of their own."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connector.adapters.parts.database import LocalDatabase
from connector.adapters.postgres.migrating import migrate


@contextmanager
def bench_database() -> Iterator[str]:
    """A migrated database; its own server (fsync on) is stopped and removed at the end."""
    given = os.environ.get("DATABASE_URL")
    if given is not None:
        migrate(given)
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = LocalDatabase(Path(folder) / "postgres", owner=os.getpid(), durable=True)
        server.start()
        try:
            migrate(server.address)
            yield server.address
        finally:
            server.stop()
