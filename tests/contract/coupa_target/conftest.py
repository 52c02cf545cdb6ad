from collections.abc import AsyncIterator, Iterator

import pytest

from tests.contract.coupa_target.coupa import Desk, Sandbox, desk_of, running_sandbox


@pytest.fixture(scope="module")
def instance() -> Iterator[Sandbox]:
    """One instance a module; its documents are told apart by their numbers."""
    with running_sandbox(rate_burst=1e9) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(instance: Sandbox) -> Sandbox:
    instance.forget()
    return instance


@pytest.fixture
async def desk(sandbox: Sandbox) -> AsyncIterator[Desk]:
    async with desk_of(sandbox) as desk:
        yield desk
