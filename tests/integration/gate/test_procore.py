"""The gate before Procore's sandbox: a service account's token renewed in time, and both windows held."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.adapters.systems.procore.client import ProcoreClient
from connector.adapters.systems.procore.settings import Settings
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.configuration import Connection
from connector.domain.ports.gate import QuotaExhausted
from connector.domain.vendor_error import AuthExpired
from tests.integration.gate.world import VendorProcess, vendor_process, world, write_key_ring

LIVE = TrafficClass.LIVE
UNLIMITED = 1_000_000


@asynccontextmanager
async def client_of(
    vendor: VendorProcess, database_url: str, folder: Path, name: str, **chosen: Any
) -> AsyncIterator[ProcoreClient]:
    given = {field: vendor.credentials[field] for field in ("login_url", "api_url", "company_id")}
    settings = Settings.model_validate({"spike_calls": UNLIMITED, "calls_per_hour": UNLIMITED, **given, **chosen})
    connection = Connection(ConnectionId("acme", name), "procore", settings)
    async with world(database_url, write_key_ring(folder), connection) as here:
        await here.vault.put(connection.id, {key: vendor.credentials[key] for key in ("client_id", "client_secret")})
        yield ProcoreClient(settings, connection.id, here.gate, here.http)


async def vendors(client: ProcoreClient) -> None:
    await client.rows("v1.0/vendors", {"company_id": str(client.company_id)}, LIVE)


def statuses(vendor: VendorProcess) -> list[int]:
    return [call["status"] for call in vendor.calls() if call["path"].startswith("/rest/")]


async def test_a_token_is_replaced_before_it_dies_and_no_call_is_refused(database_url: str, tmp_path: Path) -> None:
    with vendor_process("procore", token_life_s=4, hour_limit=UNLIMITED, spike_limit=UNLIMITED) as vendor:
        async with client_of(vendor, database_url, tmp_path, "procore-tokens") as client:
            ends = time.monotonic() + 10
            while time.monotonic() < ends:
                await vendors(client)
                await asyncio.sleep(0.05)
        assert set(statuses(vendor)) == {200}
        assert 3 <= sum(call["path"] == "/oauth/token" for call in vendor.calls()) <= 5


async def test_a_call_whose_token_is_refused_is_made_once_more_and_not_a_third_time(
    database_url: str, tmp_path: Path
) -> None:
    refusal = {"path": "/rest/v1.0/vendors", "when": "before", "action": "respond", "status": 401}
    with vendor_process("procore", hour_limit=UNLIMITED, spike_limit=UNLIMITED) as vendor:
        async with client_of(vendor, database_url, tmp_path, "procore-refused") as client:
            vendor.fault(**refusal)
            await vendors(client)
            assert statuses(vendor) == [401, 200]
            vendor.fault(**refusal, times=2)
            with pytest.raises(AuthExpired):
                await vendors(client)
            assert statuses(vendor) == [401, 200, 401, 401]


async def test_the_spike_window_is_used_up_and_never_overrun(database_url: str, tmp_path: Path) -> None:
    with vendor_process("procore", hour_limit=UNLIMITED, spike_limit=10, spike_window_s=2) as vendor:
        chosen = {"spike_calls": 10, "spike_s": 2.0}
        async with client_of(vendor, database_url, tmp_path, "procore-spike", **chosen) as client:
            began = time.monotonic()
            await asyncio.gather(*(vendors(client) for _ in range(40)))
            took_s = time.monotonic() - began
        assert statuses(vendor) == [200] * 40
        assert took_s <= 40 / 9 * 2 * 1.3, "nine of its ten calls every two seconds"


async def test_the_hours_limit_is_learned_from_the_answers_and_kept(database_url: str, tmp_path: Path) -> None:
    async def until_refused(client: ProcoreClient) -> None:
        for _ in range(40):
            await vendors(client)

    with vendor_process("procore", hour_limit=30) as vendor:
        chosen = {"spike_calls": 25, "calls_per_hour": 600}
        async with client_of(vendor, database_url, tmp_path, "procore-hour", **chosen) as client:
            with pytest.raises(QuotaExhausted, match="the hour's 30 calls are used up"):
                await until_refused(client)
        assert set(statuses(vendor)) == {200}, "the app has 30 calls an hour, not the 600 of the settings"
        assert 25 <= len(statuses(vendor)) <= 30
