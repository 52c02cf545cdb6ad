from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.contract.exact_source.sandboxes import OneCallerGate, Sandbox, log_in, running_sandbox
from tests.contract.exact_target.exact import Desk, desk_of


@pytest.fixture(scope="module")
def division() -> Iterator[Sandbox]:
    """One sandbox a module; its documents are told apart by their numbers."""
    with running_sandbox(minute_limit=1_000_000, day_limit=1_000_000, error_block=False) as running:
        yield running


@pytest.fixture(scope="module")
def token(division: Sandbox) -> str:
    return log_in(division).token


@pytest.fixture
def gate(token: str) -> OneCallerGate:
    return OneCallerGate(token)


@pytest.fixture
def sandbox(division: Sandbox) -> Sandbox:
    division.forget_calls()
    httpx.delete(f"{division.control_url}/faults").raise_for_status()
    return division


@pytest.fixture
async def desk(sandbox: Sandbox, gate: OneCallerGate) -> AsyncIterator[Desk]:
    async with desk_of(sandbox, gate) as desk:
        yield desk
