from collections.abc import AsyncIterator, Iterator

import pytest

from connector.adapters.http import vendor_http
from tests.contract.basware_source.basware import Room, Sandbox, running_sandbox


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    """One tenant a module; its documents are told apart by their numbers."""
    with running_sandbox(async_delay_s=0.2, attachments_visible="always") as running:
        yield running


@pytest.fixture
def sandbox(tenant: Sandbox) -> Sandbox:
    tenant.forget()
    return tenant


@pytest.fixture
async def room(sandbox: Sandbox) -> AsyncIterator[Room]:
    async with vendor_http() as http:
        yield Room(sandbox, http)
