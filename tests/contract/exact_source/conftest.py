from collections.abc import AsyncIterator, Iterator

import pytest

from connector.adapters.http import vendor_http
from connector.adapters.memory.entry_index import MemoryEntryIndex
from connector.adapters.systems.exact.source import ExactSource

from .sandboxes import CONNECTION, BootClock, CountingStamp, OneCallerGate, Room, Sandbox, log_in, running_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(minute_limit=1_000_000, day_limit=1_000_000, error_block=False) as running:
        yield running


@pytest.fixture(scope="module")
def gate(sandbox: Sandbox) -> OneCallerGate:
    return log_in(sandbox)


@pytest.fixture
async def room(sandbox: Sandbox, gate: OneCallerGate) -> AsyncIterator[Room]:
    """A source of its own for each test, on the module's sandbox."""
    async with vendor_http() as http:

        def source(webhook_address: str | None = None, **settings: object) -> ExactSource:
            chosen = sandbox.settings(**settings)
            return ExactSource(CONNECTION, chosen, gate, http, MemoryEntryIndex(), BootClock(), webhook_address)

        sandbox.forget_calls()
        yield Room(sandbox, source, CountingStamp(), gate)
