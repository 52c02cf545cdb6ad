"""The gate before Exact's sandbox, over HTTP and a real database."""

import asyncio
import logging
import time
from pathlib import Path

import orjson
import psycopg
import pytest
from psycopg import sql

from connector.adapters.gate.authorize import AuthorisationRefused, Outcome
from connector.domain.identity import TrafficClass
from connector.domain.ports.configuration import Connection
from connector.domain.ports.gate import ConnectionPaused, EndpointDegraded, GateError
from connector.domain.ports.tokens import TokenState
from tests.integration.gate.world import (
    CALLBACK,
    VendorProcess,
    World,
    divisions,
    exact_connection,
    world,
    write_key_ring,
)

ME = "/api/v1/current/Me?$select=CurrentDivision"


async def test_a_login_is_stored_and_its_chain_goes_on_by_itself(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    result = await here.log_in(connection.id)
    assert result.outcome is Outcome.AUTHORISED
    for _ in range(3):
        assert (await here.call(connection, divisions(connection))).status == 200
        await asyncio.sleep(2.95)
    assert (await here.call(connection, divisions(connection))).status == 200
    counters = exact.act("counters")["tokens"]
    assert counters["refreshes"] == 3
    assert counters["too_early"] == counters["reused"] == counters["answers_lost"] == 0


async def test_many_callers_at_once_cost_one_refresh_and_never_call_in_parallel(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    await asyncio.sleep(2.95)
    answers = await asyncio.gather(*(here.call(connection, divisions(connection)) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    counters = exact.act("counters")
    assert counters["tokens"]["refreshes"] == 1
    assert counters["most_parallel"] == 1


async def test_a_lost_answer_to_a_refresh_becomes_one_named_reauthorisation_and_no_storm(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    await asyncio.sleep(2.95)
    exact.fault(path="/api/oauth2/token", method="POST", when="after", action="drop", times=1)
    with pytest.raises(ConnectionPaused, match=f"re-authorisation needed .*connector authorize {connection.id}"):
        await here.call(connection, divisions(connection))
    for _ in range(10):
        with pytest.raises(ConnectionPaused):
            await here.call(connection, divisions(connection))
    row = await here.tokens.read(connection.id)
    assert (row.state, row.reauthorisations) == (TokenState.REAUTHORISE, 1)
    counters = exact.act("counters")["tokens"]
    assert (counters["answers_lost"], counters["reused"]) == (1, 1)
    await here.log_in(connection.id)
    assert (await here.call(connection, divisions(connection))).status == 200


async def test_a_refresh_the_vendor_never_saw_is_tried_again_with_the_same_token(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    await asyncio.sleep(2.95)
    exact.fault(path="/api/oauth2/token", method="POST", when="before", action="drop", times=1)
    assert (await here.call(connection, divisions(connection))).status == 200
    assert exact.act("counters")["tokens"]["reused"] == 0


async def test_a_slow_answer_to_a_refresh_is_still_kept(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    exact.set(reuse_kills_chain=False)
    await asyncio.sleep(2.95)
    exact.fault(path="/api/oauth2/token", method="POST", when="after", action="delay", delay_s=2.5, times=1)
    with pytest.raises(GateError):
        await here.call(connection, divisions(connection))
    await asyncio.sleep(3.0)
    assert (await here.tokens.read(connection.id)).state is TokenState.VALID
    await asyncio.sleep(2.0)
    assert (await here.call(connection, divisions(connection))).status == 200
    assert exact.act("counters")["tokens"]["reused"] == 1, "the one try with the stored token, after not_after"


async def test_a_refusal_that_carries_a_token_is_kept(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    exact.set(refused_refresh_carries_token=True, refresh_not_before_ratio=1.1)
    await asyncio.sleep(2.86)
    await here.call(connection, divisions(connection))
    exact.set(refresh_not_before_ratio=0.95)
    await asyncio.sleep(1.0)
    assert (await here.call(connection, divisions(connection))).status == 200
    counters = exact.act("counters")["tokens"]
    assert counters["too_early"] >= 1
    assert (counters["reused"], counters["logins"]) == (0, 1)


async def test_wrong_credentials_are_named_and_new_ones_count_without_a_restart(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    await here.vault.put(connection.id, {"client_secret": "not-the-secret"})
    await asyncio.sleep(2.95)
    with pytest.raises(ConnectionPaused, match=r"credentials are refused .*connector apply") as caught:
        await here.call(connection, divisions(connection))
    assert "not-the-secret" not in str(caught.value)
    await here.vault.put(connection.id, {"client_secret": exact.credentials["client_secret"]})
    assert (await here.call(connection, divisions(connection))).status == 200


async def test_a_revoked_app_ends_in_reauthorisation(here: World, exact: VendorProcess, connection: Connection) -> None:
    await here.log_in(connection.id)
    exact.act("revoke")
    await asyncio.sleep(2.95)
    with pytest.raises(ConnectionPaused, match="re-authorisation needed"):
        await here.call(connection, divisions(connection))


async def test_an_endpoint_rests_before_exact_blocks_the_key(
    here: World, exact: VendorProcess, connection: Connection
) -> None:
    await here.log_in(connection.id)
    missing = (
        f"/api/v1/{connection.settings.division}/crm/Accounts(guid'00000000-0000-0000-0000-00000000dead')?$select=ID"
    )
    for _ in range(6):
        assert (await here.call(connection, missing, endpoint="crm/Accounts")).status == 404
    with pytest.raises(EndpointDegraded, match="crm/Accounts gave 6 errors"):
        await here.call(connection, missing, endpoint="crm/Accounts")
    assert (await here.call(connection, divisions(connection))).status == 200
    assert exact.act("counters")["error_blocks"] == 0
    assert "crm/Accounts" in (await here.gate.status(connection.id)).degraded


async def test_a_login_counts_once_and_only_in_its_own_browser(here: World, connection: Connection) -> None:
    started = await here.authorisations.start_authorization(connection.id, "https://connector.example/oauth/callback")
    state = started.url.partition("state=")[2].partition("&")[0]
    foreign = await here.authorisations.finish_authorization(state, "code", "another browser")
    assert (foreign.outcome, "another browser" in foreign.message) == (Outcome.INVALID, True)
    again = await here.authorisations.finish_authorization(state, "code", started.browser)
    assert "used already" in again.message


async def test_a_login_is_good_for_a_quarter_of_an_hour(here: World, connection: Connection, database_url: str) -> None:
    unopened = await here.authorisations.invite(connection.id, CALLBACK)
    started = await here.authorisations.start_authorization(connection.id, CALLBACK)
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(
            "update authorisation set expires_at = expires_at - interval '15 minutes' where connection = %s",
            (connection.id.connection,),
        )
    with pytest.raises(AuthorisationRefused, match=r"link has expired: .*connector authorize"):
        await here.authorisations.start(unopened)
    state = started.url.partition("state=")[2].partition("&")[0]
    late = await here.authorisations.finish_authorization(state, "code", started.browser)
    assert (late.outcome, "link has expired" in late.message) == (Outcome.INVALID, True)


async def test_a_refused_code_says_what_to_check_and_shows_no_secret(here: World, connection: Connection) -> None:
    started = await here.authorisations.start_authorization(connection.id, "https://connector.example/oauth/callback")
    state = started.url.partition("state=")[2].partition("&")[0]
    result = await here.authorisations.finish_authorization(state, "planted-code-5e1f", started.browser)
    assert result.outcome is Outcome.CODE_REFUSED
    assert "connector authorize" in result.next_step
    assert "planted-code-5e1f" not in f"{result}"


async def test_a_division_this_login_may_not_open_keeps_the_connection_paused(
    here: World, connection: Connection
) -> None:
    wrong = exact_connection(connection.settings.base_url, 999, name=connection.id.connection)
    here.configuration.snapshot = type(here.configuration.snapshot)(2, {wrong.id: wrong}, {})
    result = await here.log_in(connection.id)
    assert result.outcome is Outcome.WRONG_ACCOUNT
    assert len(result.accounts) == 2
    with pytest.raises(ConnectionPaused, match="999"):
        await here.call(wrong, ME)
    here.configuration.snapshot = type(here.configuration.snapshot)(3, {connection.id: connection}, {})
    assert (await here.log_in(connection.id)).outcome is Outcome.AUTHORISED
    assert (await here.call(connection, ME)).status == 200


async def test_the_gate_fails_closed_while_the_database_is_away(
    connection: Connection, database_url: str, tmp_path: Path, exact: VendorProcess
) -> None:
    gone = database_url.rpartition(":")[0] + ":1/none"
    async with world(gone, write_key_ring(tmp_path), connection) as nowhere:
        with pytest.raises(GateError, match="database cannot be reached"):
            await nowhere.call(connection, ME, TrafficClass.LIVE)
    assert exact.act("counters")["calls"] == {}


def idle_for_a_day(database_url: str, connection: Connection) -> None:
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(
            "update token set received_at = now() - interval '25 hours' where connection = %s",
            (connection.id.connection,),
        )


async def test_the_daily_keep_alive_renews_a_chain_that_nobody_uses(
    here: World, exact: VendorProcess, connection: Connection, database_url: str
) -> None:
    await here.log_in(connection.id)
    assert await here.gate.tokens.keep_alive() == []
    assert exact.act("counters")["tokens"]["refreshes"] == 0
    await asyncio.sleep(2.95)
    idle_for_a_day(database_url, connection)
    assert [failure for failure in await here.gate.tokens.keep_alive() if failure[0] == connection.id] == []
    assert exact.act("counters")["tokens"]["refreshes"] == 1


async def test_the_keep_alive_takes_up_a_renewal_that_stayed_without_an_answer(
    here: World, exact: VendorProcess, connection: Connection, database_url: str
) -> None:
    await here.log_in(connection.id)
    await asyncio.sleep(2.95)
    idle_for_a_day(database_url, connection)
    exact.fault(path="/api/oauth2/token", method="POST", when="before", action="respond", status=503, times=2)
    assert [failure[0] for failure in await here.gate.tokens.keep_alive()] == [connection.id]
    assert (await here.tokens.read(connection.id)).state is TokenState.REFRESHING
    assert await here.gate.tokens.keep_alive() == [], "not before its time"
    await asyncio.sleep(3.0)
    assert await here.gate.tokens.keep_alive() == []
    row = await here.tokens.read(connection.id)
    assert (row.state, row.generation) == (TokenState.VALID, 2)
    assert exact.act("counters")["tokens"]["refreshes"] == 1


async def test_a_process_whose_clock_is_an_hour_off_renews_at_the_right_time(
    here: World, exact: VendorProcess, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.log_in(connection.id)
    wrong = time.time() + 3600.0
    monkeypatch.setattr(time, "time", lambda: wrong)
    assert (await here.call(connection, divisions(connection))).status == 200
    await asyncio.sleep(2.95)
    assert (await here.call(connection, divisions(connection))).status == 200
    counters = exact.act("counters")["tokens"]
    assert (counters["refreshes"], counters["too_early"]) == (1, 0)


async def test_no_secret_shows_in_logs_errors_results_or_the_database(
    here: World, exact: VendorProcess, connection: Connection, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [str(await here.log_in(connection.id))]
    pair = orjson.loads(
        here.vault.open(connection.id, "token", (await here.sealed.read(connection.id))["token"].sealed)
    )
    answer = await here.call(connection, divisions(connection))
    shown.append(str(answer))
    async with here.gate.call(connection.id, TrafficClass.LIVE, endpoint="system/Divisions") as call:
        shown += [str(call), repr(call), str(await here.gate.tokens.token(connection.id))]
    await here.vault.put(connection.id, {"client_secret": "planted-secret-77"})
    await asyncio.sleep(2.95)
    with pytest.raises(ConnectionPaused) as caught:
        await here.call(connection, divisions(connection))
    shown += [repr(caught.value), str(await here.tokens.read(connection.id)), str(here), caplog.text]
    with psycopg.connect(database_url) as database:
        for (table,) in database.execute("select tablename from pg_tables where schemaname = 'public'").fetchall():
            rows = database.execute(sql.SQL("select * from {}").format(sql.Identifier(table))).fetchall()
            shown += [str(row) for row in rows]
    text = "\n".join(shown)
    for secret in (
        exact.credentials["client_secret"],
        pair["access_token"],
        pair["refresh_token"],
        "planted-secret-77",
    ):
        assert secret not in text
