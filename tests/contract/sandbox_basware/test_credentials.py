"""Tokens, keys, scopes, tenants, quota and what every reply carries."""

import uuid

import httpx
import jwt
from jwt import PyJWK

from .conftest import API, Basware, basic, invoice


async def bearer(basware: Basware, scope: str, client: str = "sandbox-client") -> dict[str, str]:
    return {"Authorization": f"Bearer {(await basware.token(client, scope)).json()['access_token']}"}


async def test_a_token_is_an_rs256_jwt_that_the_published_keys_verify(basware: Basware) -> None:
    answer = (await basware.token(scope="vendors.read accounts.read")).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    where = (await basware.http.get("/.well-known/openid-configuration")).json()
    assert where["jwks_uri"] == f"{API}/.well-known/jwks.json"
    keys = {key["kid"]: key for key in (await basware.http.get(where["jwks_uri"])).json()["keys"]}
    header = jwt.get_unverified_header(answer["access_token"])
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    key = PyJWK(keys[header["kid"]])
    claims = jwt.decode(
        answer["access_token"], key, ["RS256"], audience="OpenAPI", options={"verify_exp": False, "verify_iat": False}
    )
    assert (claims["iss"], claims["bwcid"]) == (where["issuer"], "100001-TEST1")
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["scope"].split() == ["accounts.read", "vendors.read"]


async def test_the_token_endpoint_says_what_is_wrong_in_its_own_words(basware: Basware) -> None:
    wrong_secret = await basware.http.post(
        "/v1/tokens", data={"grant_type": "x"}, headers=basic("sandbox-client", "no")
    )
    assert (wrong_secret.status_code, wrong_secret.json()) == (401, {"error": "invalid_client"})
    missing = await basware.token(grant_type="")
    assert missing.status_code == 400
    assert missing.json() == {"error": "invalid_request", "error_description": "grant_type field required"}
    assert (await basware.token(grant_type="password")).status_code == 400
    assert (await basware.token(scope="")).json()["error_description"] == "scope field required"
    assert (await basware.token(scope="vendors.read payments.write")).json()["error"] == "invalid_scope"
    as_json = await basware.http.post("/v1/tokens", json={}, headers=basic("sandbox-client", "x"))
    assert as_json.status_code == 422
    assert set(as_json.json()["detail"][0]) == {"loc", "msg", "type"}


async def test_calls_need_a_living_token_with_the_scope_of_what_they_do(basware: Basware) -> None:
    nobody = await basware.http.get("/v1/vendors")
    assert (nobody.status_code, nobody.json()) == (401, {"message": "Unauthorized"})
    headers = await bearer(basware, "vendors.read")
    assert (await basware.http.get("/v1/vendors", headers=headers)).status_code == 200
    spoiled = {"Authorization": headers["Authorization"][:-4] + "AAAA"}
    assert (await basware.http.get("/v1/vendors", headers=spoiled)).status_code == 401
    forbidden = await basware.http.post("/v1/vendors", headers=headers, json=[])
    assert (forbidden.status_code, forbidden.json()) == (403, {"message": "Forbidden"})
    await basware.time.pass_(3600)
    assert (await basware.http.get("/v1/vendors", headers=headers)).status_code == 401


async def test_the_life_of_a_token_follows_the_switch_and_all_can_be_expired_at_once(basware: Basware) -> None:
    basware.settings.token_ttl_s = 60
    assert (await basware.token()).json()["expires_in"] == 60
    headers = await bearer(basware, "vendors.read")
    assert (await basware.act("expire_tokens"))["expired"] == 2
    assert (await basware.http.get("/v1/vendors", headers=headers)).status_code == 401


async def test_a_rotated_key_signs_from_then_on_and_a_dropped_one_ends_its_tokens(basware: Basware) -> None:
    headers = await bearer(basware, "vendors.read")
    kid = (await basware.act("rotate_keys"))["kid"]
    assert len((await basware.http.get("/.well-known/jwks.json")).json()["keys"]) == 2
    assert (await basware.http.get("/v1/vendors", headers=headers)).status_code == 200
    token = (await basware.token()).json()["access_token"]
    assert jwt.get_unverified_header(token)["kid"] == kid
    await basware.act("rotate_keys", keep_old=False)
    assert len((await basware.http.get("/.well-known/jwks.json")).json()["keys"]) == 1
    assert (await basware.http.get("/v1/vendors", headers=headers)).status_code == 401


async def test_basic_per_call_is_accepted_only_where_the_client_and_the_tenant_may(basware: Basware) -> None:
    await basware.act("add_client", clientId="tokens-only", secret="s", basic=False)
    assert (await basware.http.get("/v1/vendors", headers=basic("tokens-only", "s"))).status_code == 401
    assert (await basware.api.get("/v1/vendors")).status_code == 200
    basware.settings.basic_enabled = False
    assert (await basware.api.get("/v1/vendors")).status_code == 401


async def test_a_client_sees_only_its_own_tenant(basware: Basware) -> None:
    made = await basware.act("create_invoice", **invoice())
    headers = await bearer(basware, "accountingDocuments.read accountingDocuments.write", "sandbox-other-tenant")
    path = f"/v1/accountingDocuments/{made['invoiceId']}"
    assert (await basware.http.get(path, headers=headers)).status_code == 404
    assert (await basware.http.post(f"{path}/acknowledge", headers=headers)).status_code == 404
    assert (await basware.api.get(path)).status_code == 302


async def test_the_rate_limit_is_off_until_switched_on_and_then_per_client(basware: Basware) -> None:
    for _ in range(30):
        assert (await basware.api.get("/v1/vendors")).status_code == 200
    basware.settings.rate_limit_per_s = 10
    answers = [await basware.api.get("/v1/vendors") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json() == {"message": "Too Many Requests"}
    assert answers[-1].headers["retry-after"] == "1"
    other = basic("sandbox-other-tenant", "sandbox-other-tenant-secret-1")
    assert (await basware.http.get("/v1/vendors", headers=other)).status_code == 404
    await basware.time.pass_(1)
    assert (await basware.api.get("/v1/vendors")).status_code == 200


async def test_every_reply_names_its_request(basware: Basware) -> None:
    answers = [
        await basware.http.get("/v1/vendors"),
        await basware.api.get("/v1/vendors"),
        await basware.api.get("/no"),
    ]
    ids = [uuid.UUID(answer.headers["x-amzn-RequestId"]) for answer in answers]
    assert len(set(ids)) == 3
    assert {identity.version for identity in ids} == {4}


async def test_the_network_paths_insist_on_a_version_4_request_id(basware: Basware) -> None:
    for wrong in ({}, {"X-BW-REQUEST-ID": "1"}, {"X-BW-REQUEST-ID": str(uuid.uuid1())}):
        refused = await basware.api.get("/v1/invoices/1", headers=wrong)
        assert refused.status_code == 400
        assert refused.json()["errors"]["validationErrors"][0]["fieldId"] == "X-BW-REQUEST-ID"
    good = {"X-BW-REQUEST-ID": str(uuid.uuid4())}
    assert (await basware.api.get("/v1/invoices/1", headers=good)).status_code == 404
    assert (await basware.api.get("/v1/vendors")).status_code == 200
    basware.settings.require_request_id = True
    assert (await basware.api.get("/v1/vendors")).status_code == 400
    assert (await basware.api.get("/v1/vendors", headers=good)).status_code == 200


async def test_whoever_accepts_anything_gets_json_labelled_as_text(basware: Basware) -> None:
    async def label(**headers: str) -> str:
        answer: httpx.Response = await basware.api.get("/v1/vendors", headers=headers)
        assert answer.json()["vendorEntities"]
        return answer.headers["content-type"].split(";")[0]

    assert await label(accept="*/*") == "text/plain"
    assert await label(accept="application/json") == "application/json"
    basware.settings.mislabel_json = True
    assert await label(accept="application/json") == "text/plain"
