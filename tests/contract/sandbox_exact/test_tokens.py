"""OAuth: consent, refresh chains, the 570-second rule, and the vendor's own error bodies."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connector.sandbox.core.faults import AnswerDropped, FaultRule

CALLBACK = "http://127.0.0.1:9/callback"


async def authorize(exact: Any, **changes: str) -> Any:
    query = {
        "client_id": exact.credentials["client_id"],
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": "s p",
    }
    return await exact.http.get("/api/oauth2/auth", params={**query, **changes})


async def token(exact: Any, **form: str) -> Any:
    keys = {"client_id": exact.credentials["client_id"], "client_secret": exact.credentials["client_secret"]}
    return await exact.http.post("/api/oauth2/token", data={**keys, **form})


async def redeem(exact: Any) -> dict[str, str]:
    location = (await authorize(exact)).headers["location"]
    code = parse_qs(urlsplit(location).query)["code"][0]
    answer = await token(exact, grant_type="authorization_code", code=code, redirect_uri=CALLBACK)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refresh(exact: Any, refresh_token: str) -> Any:
    return await token(exact, grant_type="refresh_token", refresh_token=refresh_token)


async def test_consent_redirects_with_a_code_and_the_state(exact: Any) -> None:
    answer = await authorize(exact, client_id="{" + exact.credentials["client_id"] + "}")
    assert answer.status_code == 302
    location = urlsplit(answer.headers["location"])
    assert location._replace(query="").geturl() == CALLBACK
    assert parse_qs(location.query)["state"] == ["s p"]
    assert "!" in parse_qs(location.query)["code"][0]


async def test_a_callback_that_is_not_registered_is_named(exact: Any) -> None:
    answer = await authorize(exact, redirect_uri="https://elsewhere.example/")
    assert (answer.status_code, answer.text) == (400, "Callback URI 'https://elsewhere.example/' is not valid")
    exact.settings.loopback_callbacks = False
    assert (await authorize(exact)).status_code == 400
    assert (await authorize(exact, redirect_uri=exact.credentials["redirect_uris"][0])).status_code == 302


async def test_a_code_gives_a_pair_once_and_only_for_three_minutes(exact: Any) -> None:
    location = (await authorize(exact)).headers["location"]
    code = parse_qs(urlsplit(location).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    first, second = await token(exact, **form), await token(exact, **form)
    assert first.json()["expires_in"] == "600"
    assert first.json()["token_type"] == "bearer"
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    late = parse_qs(urlsplit((await authorize(exact)).headers["location"]).query)["code"][0]
    exact.time.now += 181
    assert (await token(exact, **{**form, "code": late})).status_code == 400


async def test_a_wrong_secret_is_an_invalid_request(exact: Any) -> None:
    answer = await token(exact, grant_type="refresh_token", refresh_token="x", client_secret="wrong")
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


async def test_a_refresh_before_second_570_is_refused_and_spends_nothing(exact: Any) -> None:
    pair = await redeem(exact)
    exact.time.now += 569
    early = await refresh(exact, pair["refresh_token"])
    assert early.status_code == 400
    assert early.json() == {
        "error": "access_denied", "error_description": "Rate limit exceeded: access_token not expired",
    }  # fmt: skip
    assert early.headers["reason"] == "TooEarlyToRefreshTokens: Rate limit exceeded: access_token not expired"
    exact.time.now += 1
    assert (await refresh(exact, pair["refresh_token"])).status_code == 200


async def test_a_refused_refresh_may_carry_a_new_refresh_token(exact: Any) -> None:
    exact.settings.refused_refresh_carries_token = True
    pair = await redeem(exact)
    carried = (await refresh(exact, pair["refresh_token"])).json()["refresh_token"]
    exact.time.now += 580
    assert (await refresh(exact, carried)).status_code == 200


async def test_a_spent_refresh_token_ends_the_chain(exact: Any) -> None:
    pair = await redeem(exact)
    exact.time.now += 580
    newer = (await refresh(exact, pair["refresh_token"])).json()
    again = await refresh(exact, pair["refresh_token"])
    assert again.status_code == 400
    assert again.json() == {
        "error": "invalid_grant", "error_description": "Token is not allowed, because of invalid or empty chainId",
    }  # fmt: skip
    exact.time.now += 580
    assert (await refresh(exact, newer["refresh_token"])).json()["error"] == "invalid_grant"


async def test_the_old_token_may_survive_until_the_new_one_is_used(exact: Any) -> None:
    exact.settings.old_refresh_survives = True
    pair = await redeem(exact)
    exact.time.now += 580
    await refresh(exact, pair["refresh_token"])
    exact.time.now += 580
    newest = (await refresh(exact, pair["refresh_token"])).json()["refresh_token"]
    exact.time.now += 580
    assert (await refresh(exact, newest)).status_code == 200
    assert (await refresh(exact, pair["refresh_token"])).status_code == 400


async def test_a_new_login_kills_the_earlier_chain_of_the_same_user_and_app_only(exact: Any) -> None:
    pair = await redeem(exact)
    other = await exact.act("log_in", user="beperkt")
    await redeem(exact)
    exact.time.now += 580
    assert (await refresh(exact, pair["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(exact, other["refresh_token"])).status_code == 200


async def test_an_unused_refresh_token_expires_after_thirty_days(exact: Any) -> None:
    pair = await redeem(exact)
    exact.time.now += 31 * 86400
    answer = await refresh(exact, pair["refresh_token"])
    assert answer.json()["error"] == "invalid_request"
    assert answer.json()["error_description"].startswith("The refresh token expired at ")


async def test_an_access_token_dies_with_its_life_and_the_life_is_a_setting(build: Any) -> None:
    exact = build(token_life_s=3)
    async with exact.http:
        pair = await redeem(exact)
        assert pair["expires_in"] == "3"
        exact.token = pair["access_token"]
        assert (await exact.call("GET", "/api/v1/current/Me")).status_code == 200
        exact.time.now += 3
        expired = await exact.call("GET", "/api/v1/current/Me")
        assert expired.status_code == 401
        assert "reason" in expired.headers


async def test_a_rotation_whose_answer_a_fault_took_is_counted_as_lost(exact: Any) -> None:
    pair = await redeem(exact)
    exact.time.now += 580
    exact.sandbox.faults.add(FaultRule(path="/oauth2/token", action="drop", times=2))
    with pytest.raises(AnswerDropped):
        await refresh(exact, pair["refresh_token"])
    with pytest.raises(AnswerDropped):
        await refresh(exact, pair["refresh_token"])
    counters = (await exact.act("counters"))["tokens"]
    assert (counters["refreshes"], counters["answers_lost"], counters["reused"]) == (1, 1, 1)
