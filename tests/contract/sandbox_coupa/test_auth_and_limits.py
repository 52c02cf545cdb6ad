"""Tokens, scopes, headers, the request limit and planned faults."""

import base64

import httpx
import pytest

from connector.sandbox.core.faults import AnswerDropped, FaultRule

from .conftest import Office


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/access_tokens"])
async def test_both_token_paths_take_credentials_in_the_body_or_as_basic(office_with: type[Office], path: str) -> None:
    office = office_with()
    in_body = await office.token(path)
    assert in_body.status_code == 200
    assert in_body.json()["expires_in"] == 86399
    assert len(in_body.json()["access_token"]) > 1024
    coded = base64.b64encode(
        f"{office.credentials['client_id']}:{office.credentials['client_secret']}".encode()
    ).decode()
    basic = await office.http.post(
        f"{path}?client_id=x", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {coded}"}
    )
    assert basic.status_code == 200
    assert basic.json()["access_token"] != in_body.json()["access_token"]


async def test_bad_secret_bad_grant_and_bad_scope_are_told_apart(office_with: type[Office]) -> None:
    office = office_with()
    await office.act("create_oauth_client", client_id="narrow", client_secret="s", scopes=["core.supplier.read"])
    answers = [
        await office.token(client_secret="wrong"),
        await office.token(grant_type="password"),
        await office.token(client_id="narrow", client_secret="s", scope="core.supplier.read core.invoice.read"),
        await office.token(client_id="narrow", client_secret="s", scope="core.supplier.read,"),
    ]
    assert [(a.status_code, a.json()["error"]) for a in answers] == [
        (401, "invalid_client"), (400, "unsupported_grant_type"), (400, "invalid_scope"), (400, "invalid_scope"),
    ]  # fmt: skip
    everything = await office.token(client_id="narrow", client_secret="s")
    assert everything.json()["scope"] == "core.supplier.read"


async def test_a_token_expires_lags_and_can_be_revoked(office_with: type[Office]) -> None:
    office = office_with(token_expires_in_s=60, token_activation_lag_s=5)
    assert (await office.http.get("/api/suppliers")).status_code == 401
    await office.sign_in()
    assert (await office.http.get("/api/suppliers")).status_code == 401
    office.later(5)
    await office.get("suppliers")
    office.later(55)
    assert (await office.http.get("/api/suppliers")).status_code == 401
    office.settings.token_activation_lag_s = 0
    await office.sign_in()
    await office.get("suppliers")
    await office.act("revoke_tokens")
    assert (await office.http.get("/api/suppliers")).status_code == 401


@pytest.mark.parametrize(
    ("scope", "method", "path", "expected"),
    [
        ("core.supplier.read", "GET", "suppliers", 200),
        ("core.supplier.read", "POST", "suppliers", 403),
        ("core.supplier.read", "GET", "invoices", 403),
        ("core.invoice.create", "POST", "invoices", 400),
        ("core.invoice.create", "PUT", "invoices/1/submit", 404),
        ("core.invoice.write", "PUT", "invoices/1/void", 403),
        ("core.invoice.delete", "PUT", "invoices/1/void", 404),
        ("core.common.read", "GET", "lookup_values", 200),
        ("core.common.read", "POST", "lookup_values", 403),
        ("core.accounting.read", "GET", "account_types", 200),
        ("core.purchase_order.write", "PUT", "purchase_orders/1/issue", 404),
        ("core.integration.read", "POST", "integration_runs", 403),
    ],
)
async def test_each_resource_and_verb_asks_for_its_scope(
    office_with: type[Office], scope: str, method: str, path: str, expected: int
) -> None:
    office = office_with()
    await office.sign_in(scope=scope)
    assert (await office.http.request(method, f"/api/{path}", json={})).status_code == expected


async def test_headers_are_tolerated_until_a_switch_makes_them_strict(office: Office) -> None:
    await office.get("suppliers/")  # a trailing slash
    mixed = {"Content-Type": "application/xml", "Accept": "application/json"}
    assert (await office.http.get("/api/suppliers", headers=mixed)).status_code == 200
    office.settings.strict_content_types = True
    assert (await office.http.get("/api/suppliers", headers=mixed)).status_code == 400
    office.settings.strict_content_types = False
    office.settings.require_api_version = True
    assert (await office.http.get("/api/suppliers")).status_code == 400
    assert (await office.http.get("/api/suppliers", headers={"X-Coupa-API-Version": "44"})).status_code == 200
    office.settings.legacy_api_key = "k" * 40
    office.http.headers.pop("Authorization")
    office.settings.require_api_version = False
    assert (await office.http.get("/api/suppliers")).status_code == 401
    assert (await office.http.get("/api/suppliers", headers={"X-COUPA-API-KEY": "k" * 40})).status_code == 200


async def test_a_burst_beyond_the_bucket_is_throttled_and_leaks_25_a_second(office: Office) -> None:
    office.settings.rate_burst = 20
    office.later(10)
    statuses = [(await office.http.get("/api/currencies")).status_code for _ in range(25)]
    assert statuses == [200] * 20 + [429] * 5
    office.later(1)
    assert (await office.act("quota"))["throttled"] == 5
    for _ in range(100):  # 20 a second never trips it
        assert (await office.http.get("/api/currencies")).status_code == 200
        office.later(1 / 20)
    for _ in range(200):  # 30 a second does
        await office.http.get("/api/currencies")
        office.later(1 / 30)
    assert (await office.act("quota"))["throttled"] > 5


async def test_retry_after_is_sent_only_where_the_switch_says_so(office: Office) -> None:
    office.settings.rate_burst = 1
    office.later(10)
    await office.get("currencies")
    assert "retry-after" not in (await office.http.get("/api/currencies")).headers
    office.settings.retry_after = True
    assert (await office.http.get("/api/currencies")).headers["retry-after"] == "1"


async def test_a_lost_answer_leaves_a_committed_record_and_pages_of_html_come_as_told(office: Office) -> None:
    faults = office.sandbox.faults
    faults.add(FaultRule(path="/api/suppliers", method="POST", action="drop", when="after"))
    with pytest.raises(AnswerDropped):
        await office.supplier("V-1")
    assert [s["number"] for s in await office.get("suppliers", number="V-1")] == ["V-1"]
    faults.add(FaultRule(action="respond", status=500, body="<html>oops</html>"), FaultRule(action="delay", delay_s=40))
    broken = await office.http.get("/api/suppliers")
    assert (broken.status_code, broken.headers["content-type"]) == (500, "text/html")
    await office.get("suppliers")
    assert office.slept == [40]


async def test_an_unknown_path_or_id_is_404_and_may_be_html(office: Office) -> None:
    for path in ("nonsense", "suppliers/1", "suppliers/abc", "currencies/1/issue", "purchase_order_changes"):
        assert (await office.http.get(f"/api/{path}")).status_code == 404
    assert (await office.http.post("/api/currencies", json={"code": "XXX"})).status_code == 404
    office.settings.not_found_as_html = True
    answer: httpx.Response = await office.http.get("/api/suppliers/1")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
