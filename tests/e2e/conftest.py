"""Where a demo that a test plays keeps its parts and its logs."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from tests.e2e.planted import planted

__all__ = ["own_parts", "planted"]


@pytest.fixture
def own_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The demo starts what it needs by itself, in a folder of its own.

    Not among pytest's own: each session that starts shuts those to other users, and the database runs as one.
    """
    for name in list(os.environ):
        if name.startswith("CONNECTOR_") and name not in ("CONNECTOR_PARTS", "CONNECTOR_CACHE"):
            monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory(prefix="connector-demo-") as folder, monkeypatch.context() as here:
        here.chdir(folder)
        yield
