"""A connection to Exact's sandbox, whose tokens live for three seconds, and the gate before it."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from connector.domain.ports.configuration import Connection
from tests.integration.gate.world import VendorProcess, World, exact_connection, vendor_process, world, write_key_ring

_numbers = itertools.count()
"""The database is the module's: each test has a connection of its own."""


@pytest.fixture
def exact() -> Iterator[VendorProcess]:
    with vendor_process("exact", token_life_s=3.0, refresh_not_before_ratio=0.95) as vendor:
        yield vendor


@pytest.fixture
def connection(exact: VendorProcess, request: pytest.FixtureRequest) -> Connection:
    name = f"{request.node.name[:50].partition('[')[0].replace('_', '-').lower()}-{next(_numbers)}"
    return exact_connection(exact.base_url, exact.credentials["divisions"][0], name=name, call_deadline_s=2.0)


@pytest.fixture
async def here(exact: VendorProcess, connection: Connection, database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database_url, write_key_ring(tmp_path), connection, refresh_deadline_s=1.0) as here:
        client = {name: exact.credentials[name] for name in ("client_id", "client_secret")}
        await here.vault.put(connection.id, client)
        yield here
