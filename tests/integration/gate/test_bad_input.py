"""What is wrong at a connection: each is told with the connection's name and the next step, and costs nothing."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from connector.adapters.clock import SystemClock
from connector.adapters.gate.authorize import Outcome
from connector.adapters.gate.system import CodeGrantAuth, auth_of
from connector.adapters.systems import Check, RoomParts, room
from connector.adapters.systems.exact.settings import Company, Region, Settings
from connector.domain.ports.configuration import Connection, Snapshot
from connector.domain.ports.gate import ConnectionPaused, GateError
from connector.domain.ports.tokens import TokenState
from tests.integration.gate.world import (
    CALLBACK,
    KEY_RING,
    VendorProcess,
    World,
    coupa_connection,
    divisions,
    exact_connection,
    vendor_process,
    world,
    write_key_ring,
)

DUE_AFTER_S = 2.95
OTHER_RING = '{"active": "k2", "keys": {"k2": "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="}}'
SUPPLIERS = "/api/suppliers?limit=1"


@pytest.mark.parametrize("wrong", ["client_id", "client_secret"])
async def test_a_wrong_client_is_refused_at_the_code_and_at_the_refresh(
    here: World, exact: VendorProcess, connection: Connection, wrong: str
) -> None:
    started = await here.authorisations.start_authorization(connection.id, CALLBACK)
    state, code = await agreed(started.url)
    await here.vault.put(connection.id, {wrong: "planted-wrong-value"})
    result = await here.authorisations.finish_authorization(state, code, started.browser)
    assert result.outcome is Outcome.CODE_REFUSED
    assert str(connection.id) in result.message
    assert "client id, secret, region, redirect address" in result.next_step
    await here.vault.put(connection.id, {wrong: exact.credentials[wrong]})
    await here.log_in(connection.id)
    await here.vault.put(connection.id, {wrong: "planted-wrong-value"})
    await asyncio.sleep(DUE_AFTER_S)
    with pytest.raises(ConnectionPaused, match=rf"{connection.id}: its credentials are refused .*region") as caught:
        await here.call(connection, divisions(connection))
    assert "connector apply" in str(caught.value)
    assert "planted-wrong-value" not in f"{result} {caught.value}"


async def test_an_app_of_another_region_is_told_from_the_sites_answer(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    app = exact.act("create_app", {"name": "ours", "redirect_uris": [CALLBACK]})
    await here.vault.put(connection.id, {name: app[name] for name in ("client_id", "client_secret")})
    assert (await here.log_in(connection.id)).outcome is Outcome.AUTHORISED
    with vendor_process("exact", region="be", token_life_s=3.0) as belgium:
        moved = exact_connection(belgium.base_url, connection.settings.division, name=connection.id.connection)
        here.configuration.snapshot = Snapshot(2, {moved.id: moved}, {})
        await asyncio.sleep(DUE_AFTER_S)
        with pytest.raises(ConnectionPaused, match=rf"{connection.id}.*region: an app lives on one of Exact's sites"):
            await here.call(moved, divisions(moved))
        started = await here.authorisations.start_authorization(moved.id, CALLBACK)
        assert "Invalid client_id" in (await opened(started.url)).text, "the vendor's own page tells the person"


@pytest.mark.parametrize("region", Region)
def test_each_of_the_seven_regions_has_its_own_site(region: Region) -> None:
    settings = Settings(region=region.name.lower(), division=1, company=Company(currency="EUR"))
    auth: CodeGrantAuth = auth_of("exact")  # type: ignore[assignment]
    url = urlsplit(auth.authorize_url(settings, {"client_id": "c"}, CALLBACK, "s"))
    assert f"{url.scheme}://{url.netloc}" == settings.base_url == region.value
    assert len(Region) == 7


async def test_an_unregistered_redirect_address_ends_at_the_vendors_page_and_leaves_the_login_open(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    exact.set(loopback_callbacks=False)
    wrong = "https://elsewhere.example/oauth/callback"
    started = await here.authorisations.start_authorization(connection.id, wrong)
    page = await opened(started.url)
    assert (page.status_code, wrong in page.text) == (400, True)
    assert (await here.tokens.read(connection.id)).state is TokenState.NONE
    exact.act("edit_app", {"redirect_uris": [wrong]})
    state, code = await agreed(started.url)
    done = await here.authorisations.finish_authorization(state, code, started.browser)
    assert done.outcome is Outcome.AUTHORISED


async def test_a_code_used_twice_is_refused_and_the_first_login_goes_on(here: World, connection: Connection) -> None:
    started = await here.authorisations.start_authorization(connection.id, CALLBACK)
    state, code = await agreed(started.url)
    assert (await here.authorisations.finish_authorization(state, code, started.browser)).outcome is Outcome.AUTHORISED
    again = await here.authorisations.start_authorization(connection.id, CALLBACK)
    twice = await here.authorisations.finish_authorization((await agreed(again.url))[0], code, again.browser)
    assert (twice.outcome, str(connection.id) in twice.message) == (Outcome.CODE_REFUSED, True)
    assert "connector authorize" in twice.next_step
    assert (await here.call(connection, divisions(connection))).status == 200


async def test_an_expired_refresh_token_needs_a_person(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    exact.set(refresh_life_s=1.0)
    await asyncio.sleep(DUE_AFTER_S)
    with pytest.raises(ConnectionPaused, match=rf"{connection.id}: re-authorisation needed .*expired.* authorize"):
        await here.call(connection, divisions(connection))
    assert exact.act("counters")["tokens"]["expired"] == 1


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (403, "text/html", "<html>Request blocked</html>"),
        (400, "application/json", '{"error": "temporarily_unavailable"}'),
    ],
)
async def test_an_answer_that_says_nothing_of_the_chain_costs_no_login(
    here: World, exact: VendorProcess, connection: Connection, status: int, content_type: str, body: str
) -> None:
    await here.log_in(connection.id)
    await asyncio.sleep(DUE_AFTER_S)
    answer = {"status": status, "content_type": content_type, "body": body}
    exact.fault(path="/api/oauth2/token", method="POST", when="before", action="respond", times=1, **answer)
    assert (await here.call(connection, divisions(connection))).status == 200
    row = await here.tokens.read(connection.id)
    assert (row.state, row.generation, row.reauthorisations) == (TokenState.VALID, 2, 0)
    assert exact.act("counters")["tokens"]["reused"] == 0


async def test_a_token_endpoint_asked_too_often_in_a_day_is_waited_for_and_costs_no_login(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    exact.set(token_calls_per_day=1)
    await here.log_in(connection.id)
    await asyncio.sleep(DUE_AFTER_S)
    for _ in range(3):
        with pytest.raises(GateError, match="asks us to wait") as caught:
            await here.call(connection, divisions(connection))
        assert not isinstance(caught.value, ConnectionPaused)
        assert (caught.value.retry_after_s or 0) > 600
    row = await here.tokens.read(connection.id)
    assert (row.state, row.reauthorisations, row.attempts) == (TokenState.VALID, 0, 1)


async def test_a_refusal_as_too_early_is_not_tried_again_at_once_and_the_old_token_serves_on(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    exact.set(refresh_not_before_ratio=1.2)
    await asyncio.sleep(2.86)
    began = time.monotonic()
    answers = await asyncio.gather(*(here.call(connection, divisions(connection)) for _ in range(5)))
    rests = (time.monotonic() - began) / (3.0 / 20)
    assert {answer.status for answer in answers} == {200}
    assert 1 <= exact.act("counters")["tokens"]["too_early"] <= 1 + rests
    await asyncio.sleep(1.0)
    assert (await here.call(connection, divisions(connection))).status == 200
    row = await here.tokens.read(connection.id)
    assert (row.generation, row.reauthorisations) == (2, 0)


async def test_a_pair_that_another_replica_stored_meanwhile_is_read_again_and_not_renewed(
    here: World, exact: VendorProcess, connection: Connection, database_url: str, tmp_path: Path
) -> None:
    await here.log_in(connection.id)
    keys = write_key_ring(tmp_path)
    async with world(database_url, keys, connection, refresh_deadline_s=1.0) as other:
        assert (await other.call(connection, divisions(connection))).status == 200
        await asyncio.sleep(DUE_AFTER_S)
        await here.call(connection, divisions(connection))
        assert (await other.call(connection, divisions(connection))).status == 200
    counters = exact.act("counters")["tokens"]
    assert (counters["refreshes"], counters["too_early"], counters["reused"]) == (1, 0, 0)


@dataclass
class SlowClock(SystemClock):
    """An hour behind."""

    def now(self) -> datetime:
        return super().now() - timedelta(hours=1)


async def test_ping_finds_a_clock_that_is_an_hour_off(here: World, connection: Connection) -> None:
    await here.log_in(connection.id)
    parts = RoomParts(connection.id, connection.settings, here.gate, here.http, stores={"clock": SlowClock()})
    (clock,) = [check for check in await room("exact").ping(parts) if check.name == "clock"]
    assert not clock.passed
    assert -3610 < int(clock.detail.partition(" ")[0]) < -3580
    assert "NTP" in str(clock.fix)


async def test_ping_keeps_what_it_found_when_the_gate_closes_under_it(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    rights = f"/api/v1/{connection.settings.division}/users/UserHasRights"
    exact.fault(path=rights, when="before", action="respond", status=403, times=100)
    parts = RoomParts(connection.id, connection.settings, here.gate, here.http, stores={"clock": SystemClock()})
    for _ in range(3):
        found = await room("exact").ping(parts)
    assert [check.passed for check in named(found, "token", "division", "currency")] == [True, True, True]
    assert found[-1].name == "call"
    assert "UserHasRights gave 6 errors" in found[-1].detail


def named(found: Sequence[Check], *names: str) -> list[Check]:
    return [check for check in found if check.name in names]


@pytest.mark.parametrize("field", ["client_secret", "token"])
async def test_a_ciphertext_that_was_changed_stops_calls_until_it_is_replaced(
    here: World, exact: VendorProcess, connection: Connection, database_url: str, field: str
) -> None:
    await here.log_in(connection.id)
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(
            "update sealed set data = set_byte(data, 20, get_byte(data, 20) # 1) where connection = %s and field = %s",
            (connection.id.connection, field),
        )
    await asyncio.sleep(DUE_AFTER_S)
    step = f"connector authorize {connection.id}" if field == "token" else "apply the credential again"
    with pytest.raises(GateError, match=rf"field '{field}' of connection {connection.id} cannot be opened .*{step}"):
        await here.call(connection, divisions(connection))
    assert exact.act("counters")["tokens"]["refreshes"] == 0
    await asyncio.sleep(5.1)  # a failed attempt's back-off may still run
    if field == "token":
        assert (await here.log_in(connection.id)).outcome is Outcome.AUTHORISED
    else:
        held = await here.vault.readable(connection.id)
        assert (held["client_secret"], held["client_id"]) == (None, exact.credentials["client_id"])
        await here.vault.put(connection.id, {"client_secret": exact.credentials["client_secret"]})
        await asyncio.sleep(10.0)
    assert (await here.call(connection, divisions(connection))).status == 200


async def test_a_key_ring_without_the_needed_key_is_told_at_the_call_and_mended_by_giving_the_key_back(
    here: World, connection: Connection, database_url: str, tmp_path: Path
) -> None:
    await here.log_in(connection.id)
    ring = tmp_path / "other.json"
    ring.write_text(OTHER_RING)
    async with world(database_url, ring, connection, refresh_deadline_s=1.0) as stranger:
        with pytest.raises(GateError, match=rf"connection {connection.id} is sealed under key 'k1', .*add that key"):
            await stranger.call(connection, divisions(connection))
        ring.write_text(KEY_RING)
        assert (await stranger.call(connection, divisions(connection))).status == 200


async def test_a_minted_token_under_a_lost_key_is_minted_anew_without_anybody(
    database_url: str, tmp_path: Path
) -> None:
    with vendor_process("coupa") as coupa:
        connection = coupa_connection(coupa, name="lost-key")
        client = {name: coupa.credentials[name] for name in ("client_id", "client_secret")}
        ring = tmp_path / "ring.json"
        ring.write_text(KEY_RING)
        async with world(database_url, ring, connection) as before:
            await before.vault.put(connection.id, client)
            assert (await before.call(connection, SUPPLIERS, endpoint="suppliers")).status == 200
        ring.write_text(OTHER_RING)
        async with world(database_url, ring, connection) as after:
            await after.vault.put(connection.id, client)
            assert (await after.call(connection, SUPPLIERS, endpoint="suppliers")).status == 200
        assert sum(call["path"] == "/oauth2/token" for call in coupa.calls()) == 2


async def test_a_login_with_many_divisions_finds_the_pinned_one_on_a_later_page(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    for number in range(61):
        exact.act("create_division", {"code": 900_000 + number})
    last = exact_connection(connection.settings.base_url, 900_060, name=connection.id.connection)
    here.configuration.snapshot = Snapshot(2, {last.id: last}, {})
    result = await here.log_in(last.id)
    assert (result.outcome, len(result.accounts)) == (Outcome.AUTHORISED, 63)


async def test_a_users_other_current_company_is_noticed_and_nothing_switches(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    ours, other = exact.credentials["divisions"][:2]
    exact.act("edit_user", {"current_division": other})
    noticed = await here.authorisations.check_account(here.gate, connection.id)
    assert noticed.outcome is Outcome.AUTHORISED
    assert f"current company changed from {ours} to {other}; the connection stays with {ours}" in noticed.message
    assert (await here.tokens.read(connection.id)).account == str(other)
    assert (await here.call(connection, divisions(connection))).status == 200
    exact.act("edit_user", {"divisions": [other]})
    lost = await here.authorisations.check_account(here.gate, connection.id)
    assert lost.outcome is Outcome.WRONG_ACCOUNT
    with pytest.raises(ConnectionPaused, match=f"may not open company {ours}.*connector resume {connection.id}"):
        await here.call(connection, divisions(connection))


async def test_a_connection_paused_for_a_wrong_account_is_kept_alive_and_goes_on_once_its_login_may_again(
    here: World, exact: VendorProcess, connection: Connection, database_url: str
) -> None:
    await here.log_in(connection.id)
    assert await here.authorisations.resume(here.gate, connection.id) is None, "it was not paused"
    ours, other = exact.credentials["divisions"][:2]
    exact.act("edit_user", {"current_division": other, "divisions": [other]})
    await here.authorisations.check_account(here.gate, connection.id)
    await asyncio.sleep(DUE_AFTER_S)
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(
            "update token set received_at = received_at - interval '25 hours' where connection = %s",
            (connection.id.connection,),
        )
    assert await here.gate.tokens.keep_alive() == []
    assert exact.act("counters")["tokens"]["refreshes"] == 1
    with pytest.raises(ConnectionPaused, match=f"connector resume {connection.id}"):
        await here.call(connection, divisions(connection))
    still = await here.authorisations.resume(here.gate, connection.id)
    assert still is not None
    assert still.outcome is Outcome.WRONG_ACCOUNT
    assert (await here.tokens.read(connection.id)).paused is not None
    exact.act("edit_user", {"divisions": [ours, other]})
    lifted = await here.authorisations.resume(here.gate, connection.id)
    assert lifted is not None
    assert lifted.outcome is Outcome.AUTHORISED
    assert (await here.call(connection, divisions(connection))).status == 200


async def opened(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as browser:
        return await browser.get(url)


async def agreed(url: str) -> tuple[str, str]:
    """State and code of the redirect with which the vendor answers a person's consent."""
    query = parse_qs(urlsplit((await opened(url)).headers["location"]).query)
    return query["state"][0], query["code"][0]
