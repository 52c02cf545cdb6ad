from collections.abc import AsyncIterator, Iterator

import pytest

from tests.contract.procore_target.procore import Desk, Sandbox, desk_of, running_sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A company of its own for each test, its quota lifted: the gate's tests hold the quota."""
    with running_sandbox(hour_limit=1_000_000, spike_limit=1_000_000) as sandbox:
        yield sandbox


@pytest.fixture
async def desk(sandbox: Sandbox) -> AsyncIterator[Desk]:
    async with desk_of(sandbox) as desk:
        yield desk
