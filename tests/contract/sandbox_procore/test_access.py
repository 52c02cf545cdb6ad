"""Tokens, the company header, permitted projects, tools and the two rate windows."""

from typing import Any

import pytest

from .conftest import Start, Vendor


@pytest.mark.parametrize("encoding", ["data", "json", "files"])
async def test_a_token_is_given_to_form_json_and_multipart_requests(procore: Vendor, encoding: str) -> None:
    fields = {
        "grant_type": "client_credentials",
        "client_id": procore.credentials["client_id"],
        "client_secret": procore.credentials["client_secret"],
    }
    body = {name: (None, value) for name, value in fields.items()} if encoding == "files" else fields
    given: dict[str, Any] = {encoding: body}
    response = await procore.http.post("/oauth/token", **given)
    assert response.status_code == 200
    token = response.json()
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == 5400
    assert "refresh_token" not in token
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert (await procore.call("GET", "/rest/v1.0/me", headers=headers)).status_code == 200


async def test_wrong_credentials_are_an_oauth_error(procore: Vendor) -> None:
    body = {"grant_type": "client_credentials", "client_id": "from-another-environment", "client_secret": "x"}
    response = await procore.http.post("/oauth/token", data=body)
    assert response.status_code == 401
    assert response.json()["error"] == "invalid_client"
    assert "unknown client" in response.json()["error_description"]


async def test_a_token_dies_after_its_life_and_is_replaced_by_asking_again(procore: Vendor) -> None:
    procore.clock.advance(5399)
    assert (await procore.call("GET", "/rest/v1.0/me")).status_code == 200
    procore.clock.advance(1)
    response = await procore.call("GET", "/rest/v1.0/me")
    assert response.status_code == 401
    assert "The access token is invalid" in response.text
    procore.headers["Authorization"] = f"Bearer {await procore.token()}"
    assert (await procore.call("GET", "/rest/v1.0/me")).status_code == 200


async def test_token_info_and_revoke(procore: Vendor) -> None:
    info = await procore.http.get("/oauth/token/info", headers=procore.headers)
    assert info.json()["expires_in_seconds"] == 5400
    assert info.json()["application"] == {"uid": procore.credentials["client_id"]}
    token = procore.headers["Authorization"].removeprefix("Bearer ")
    client = {name: procore.credentials[name] for name in ("client_id", "client_secret")}
    assert (await procore.http.post("/oauth/revoke", data={"token": "no such", **client})).status_code == 200
    assert (await procore.call("GET", "/rest/v1.0/me")).status_code == 200
    assert (await procore.http.post("/oauth/revoke", data={"token": token, **client})).status_code == 200
    assert (await procore.call("GET", "/rest/v1.0/me")).status_code == 401


async def test_every_call_needs_the_company_header(procore: Vendor) -> None:
    headers = {"Authorization": procore.headers["Authorization"]}
    for path in ("/rest/v1.0/me", "/rest/v1.0/companies", f"/rest/v1.0/projects?company_id={procore.company}"):
        response = await procore.http.get(path, headers=headers)
        assert response.status_code == 400
        assert "Missing Procore-Company-Id header!" in response.text


async def test_the_lenient_header_switch_takes_the_company_from_the_request(start: Start) -> None:
    procore = await start(company_header="warn")
    headers = {"Authorization": procore.headers["Authorization"]}
    response = await procore.http.get("/rest/v1.0/projects", params={"company_id": procore.company}, headers=headers)
    assert len(response.json()) == 3
    response = await procore.http.get(
        "/rest/v1.0/cost_codes", params={"project_id": procore.project()}, headers=headers
    )
    assert response.status_code == 200


async def test_the_header_does_not_replace_a_documented_company_id(procore: Vendor) -> None:
    assert (await procore.call("GET", "/rest/v1.0/vendors")).status_code == 400


async def test_a_company_without_the_app_is_refused(procore: Vendor) -> None:
    unconnected = next(row["id"] for row in procore.sandbox.dump()["companies"] if not row["connected"])
    response = await procore.call("GET", "/rest/v1.0/me", headers={"Procore-Company-Id": str(unconnected)})
    assert response.status_code == 403
    assert "App is not connected to this company" in response.text


@pytest.mark.parametrize("status", [403, 404])
async def test_an_unpermitted_project_is_refused_and_missing_from_the_list(start: Start, status: int) -> None:
    procore = await start(unpermitted_project=status)
    response = await procore.call("GET", "/rest/v1.0/cost_codes", params={"project_id": procore.project("P-400")})
    assert response.status_code == status
    listed = await procore.get("/rest/v1.0/projects", company_id=procore.company)
    assert [project["project_number"] for project in listed] == ["P-100", "P-200", "P-300"]


async def test_a_tool_switched_off_in_a_project_is_403(procore: Vendor) -> None:
    await procore.act("edit_project", project_number="P-100", tools=["commitments"])
    path = f"/rest/v1.1/projects/{procore.project()}/direct_costs"
    assert (await procore.call("GET", path)).status_code == 403
    params = {"project_id": procore.project()}
    assert (await procore.call("GET", "/rest/v1.0/purchase_order_contracts", params=params)).status_code == 200


async def test_a_closed_project_can_be_read_but_not_written(procore: Vendor) -> None:
    await procore.act("close_project", project_number="P-100")
    params = {"project_id": procore.project()}
    assert (await procore.call("GET", "/rest/v1.0/purchase_order_contracts", params=params)).status_code == 200
    body = {"project_id": procore.project(), "updates": [{"origin_id": "X"}]}
    response = await procore.call("PATCH", "/rest/v1.0/purchase_order_contracts/sync", json=body)
    assert response.status_code == 403
    active = await procore.get("/rest/v1.1/projects", company_id=procore.company, **{"filters[by_status]": "Active"})
    assert [project["project_number"] for project in active] == ["P-200"]


async def test_a_project_of_another_company_does_not_exist(procore: Vendor) -> None:
    other = next(row for row in procore.sandbox.dump()["projects"] if row["project_number"] == "C-1")
    response = await procore.call("GET", "/rest/v1.0/cost_codes", params={"project_id": other["id"]})
    assert response.status_code == 404


async def test_both_windows_are_enforced_and_told_by_headers(start: Start) -> None:
    procore = await start(hour_limit=5, spike_limit=3, retry_after_on_429=False)
    seen = [(await procore.call("GET", "/rest/v1.0/me")).headers for _ in range(3)]
    assert [h["x-rate-limit-limit"] for h in seen] == ["3", "3", "3"]
    assert [h["x-rate-limit-remaining"] for h in seen] == ["2", "1", "0"]
    assert int(seen[0]["x-rate-limit-reset"]) == procore.clock.time() + 10
    refused = await procore.call("GET", "/rest/v1.0/me")
    assert refused.status_code == 429
    assert "You have surpassed the max number of requests" in refused.text
    assert "retry-after" not in refused.headers
    assert refused.headers["x-rate-limit-reset"] == seen[0]["x-rate-limit-reset"]

    procore.clock.advance(10)
    # Two calls are left of the hour, three of the spike: the hour is exhausted first.
    again = (await procore.call("GET", "/rest/v1.0/me")).headers
    assert (again["x-rate-limit-limit"], again["x-rate-limit-remaining"]) == ("5", "1")
    await procore.call("GET", "/rest/v1.0/me")
    refused = await procore.call("GET", "/rest/v1.0/me")
    assert refused.status_code == 429
    assert int(refused.headers["x-rate-limit-reset"]) == procore.clock.time() - 10 + 3600
    procore.clock.advance(3590)
    assert (await procore.call("GET", "/rest/v1.0/me")).status_code == 200


async def test_a_429_may_carry_retry_after_and_failed_calls_count(start: Start) -> None:
    procore = await start(spike_limit=2, spike_window_s=4)
    assert (await procore.call("GET", "/rest/v1.0/no/such/thing")).status_code == 404
    assert (await procore.call("GET", "/rest/v1.0/vendors/1")).status_code == 404
    refused = await procore.call("GET", "/rest/v1.0/me")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "4")


async def test_each_application_has_its_own_quota(start: Start) -> None:
    procore = await start(spike_limit=1)
    await procore.call("GET", "/rest/v1.0/me")
    assert (await procore.call("GET", "/rest/v1.0/me")).status_code == 429
    other = await procore.token(procore.credentials["other_integration"])
    assert (await procore.call("GET", "/rest/v1.0/me", headers={"Authorization": f"Bearer {other}"})).status_code == 200


async def test_revoked_tokens_after_a_reinstall(procore: Vendor) -> None:
    await procore.act("revoke_tokens")
    assert (await procore.call("GET", "/rest/v1.0/me")).status_code == 401
