"""The gate before Coupa's sandbox: minted tokens, slots shared by replicas, and a 429 that all learn of."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from connector.domain.identity import TrafficClass
from connector.domain.ports.configuration import Connection, Snapshot
from connector.domain.ports.gate import ConnectionPaused, GateError
from tests.integration.gate.world import VendorProcess, World, coupa_connection, vendor_process, world, write_key_ring

SUPPLIERS = "/api/suppliers?limit=1"


@pytest.fixture
def coupa() -> Iterator[VendorProcess]:
    with vendor_process("coupa") as vendor:
        yield vendor


@pytest.fixture
def connection(coupa: VendorProcess, request: pytest.FixtureRequest) -> Connection:
    return coupa_connection(coupa, name=request.node.name[:60].replace("_", "-").strip("-").lower())


@pytest.fixture
async def replicas(
    coupa: VendorProcess, connection: Connection, database_url: str, tmp_path: Path
) -> AsyncIterator[list[World]]:
    async with AsyncExitStack() as stack:
        keys = write_key_ring(tmp_path)
        gates = [
            await stack.enter_async_context(world(database_url, keys, connection, refresh_deadline_s=2.0, pool_size=2))
            for _ in range(4)
        ]
        await gates[0].vault.put(
            connection.id, {name: coupa.credentials[name] for name in ("client_id", "client_secret")}
        )
        yield gates


def mints(coupa: VendorProcess) -> int:
    return sum(call["path"] == "/oauth2/token" for call in coupa.calls())


async def test_replicas_share_one_token_and_keep_to_the_ceiling_together(
    replicas: list[World], coupa: VendorProcess, connection: Connection
) -> None:
    began = time.monotonic()
    calls = [replica.call(connection, SUPPLIERS, endpoint="suppliers") for replica in replicas for _ in range(20)]
    answers = await asyncio.gather(*calls)
    took_s = time.monotonic() - began
    assert {answer.status for answer in answers} == {200}
    assert mints(coupa) == 1
    assert 80 / 20 * 0.9 <= took_s <= 80 / 20 * 1.25


async def test_a_429_is_known_to_every_replica_at_once(
    replicas: list[World], coupa: VendorProcess, connection: Connection
) -> None:
    for replica in replicas:
        await replica.call(connection, SUPPLIERS, endpoint="suppliers")
    coupa.fault(path="/api/suppliers", when="before", action="respond", status=429, headers={"Retry-After": "2"})
    assert (await replicas[0].call(connection, SUPPLIERS, endpoint="suppliers")).status == 429
    began = time.monotonic()
    answer = await replicas[1].call(connection, SUPPLIERS, endpoint="suppliers")
    assert answer.status == 200
    assert time.monotonic() - began >= 1.8


async def test_a_revoked_token_is_minted_anew_once(
    replicas: list[World], coupa: VendorProcess, connection: Connection
) -> None:
    here = replicas[0]
    await here.call(connection, SUPPLIERS, endpoint="suppliers")
    await asyncio.sleep(10.5)  # past the time in which Coupa may refuse a token because it is new
    coupa.act("revoke_tokens")
    assert (await here.call(connection, SUPPLIERS, endpoint="suppliers")).status == 401
    assert (await here.call(connection, SUPPLIERS, endpoint="suppliers")).status == 200
    assert mints(coupa) == 2


async def test_a_new_token_refused_for_being_new_is_given_time_and_not_minted_again(
    replicas: list[World], coupa: VendorProcess, connection: Connection
) -> None:
    coupa.set(token_activation_lag_s=2.0)
    assert (await replicas[0].call(connection, SUPPLIERS, endpoint="suppliers")).status == 401
    assert (await replicas[0].call(connection, SUPPLIERS, endpoint="suppliers")).status == 200
    assert mints(coupa) == 1


async def test_a_wrong_secret_is_tried_once_and_the_right_one_counts_at_once(
    replicas: list[World], coupa: VendorProcess, connection: Connection
) -> None:
    await replicas[0].vault.put(connection.id, {"client_secret": "planted-wrong-secret"})
    for replica in replicas:
        with pytest.raises(ConnectionPaused, match=r"credentials are refused .*client secret") as caught:
            await replica.call(connection, SUPPLIERS, endpoint="suppliers")
        assert "planted" not in str(caught.value)
    assert mints(coupa) == 1
    await replicas[0].vault.put(connection.id, {"client_secret": coupa.credentials["client_secret"]})
    assert (await replicas[1].call(connection, SUPPLIERS, endpoint="suppliers")).status == 200


async def test_refused_settings_are_tried_once_and_mended_ones_once_the_credentials_are_offered_again(
    replicas: list[World], coupa: VendorProcess, connection: Connection
) -> None:
    greedy = coupa_connection(coupa, name=connection.id.connection, scopes=("core.everything.write",))
    for replica in replicas:
        replica.configuration.snapshot = Snapshot(2, {connection.id: greedy}, {})
    for replica in replicas:
        with pytest.raises(ConnectionPaused, match=rf"invalid_scope.*connector resume {connection.id}"):
            await replica.call(connection, SUPPLIERS, endpoint="suppliers")
    assert mints(coupa) == 1
    for replica in replicas:
        replica.configuration.snapshot = Snapshot(3, {connection.id: connection}, {})
    with pytest.raises(ConnectionPaused):
        await replicas[1].call(connection, SUPPLIERS, endpoint="suppliers")
    await replicas[0].vault.offer_again(connection.id)
    assert (await replicas[1].call(connection, SUPPLIERS, endpoint="suppliers")).status == 200
    assert mints(coupa) == 2


async def test_a_firewalls_refusal_at_the_token_endpoint_is_waited_for_and_told(
    replicas: list[World], coupa: VendorProcess, connection: Connection
) -> None:
    page = {"body": "<html>Request blocked</html>", "content_type": "text/html"}
    coupa.fault(path="/oauth2/token", method="POST", when="before", action="respond", status=403, times=3, **page)
    with pytest.raises(GateError, match=r"answered 403: <html>Request blocked") as caught:
        await replicas[0].call(connection, SUPPLIERS, endpoint="suppliers")
    assert not isinstance(caught.value, ConnectionPaused)
    assert mints(coupa) == 3
    await asyncio.sleep(5.0)
    assert (await replicas[1].call(connection, SUPPLIERS, endpoint="suppliers")).status == 200
    assert (await replicas[0].tokens.read(connection.id)).reason is None


async def test_live_goes_before_a_backfill_that_fills_the_queue(
    replicas: list[World], coupa: VendorProcess, connection: Connection
) -> None:
    here = replicas[0]
    backfill = [
        asyncio.create_task(here.call(connection, SUPPLIERS, TrafficClass.BACKFILL, endpoint="suppliers", flow="b"))
        for _ in range(60)
    ]
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await here.call(connection, SUPPLIERS, TrafficClass.LIVE, endpoint="suppliers", flow="a")
    assert time.monotonic() - began < 0.6
    assert not all(task.done() for task in backfill)
    await asyncio.gather(*backfill)
