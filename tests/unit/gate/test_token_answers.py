"""What token endpoints answer, read as far as it can be."""

import base64
from collections.abc import Mapping
from typing import Any

import httpx
import orjson
import pytest

from connector.adapters.gate.system import ChainBroken, CredentialsRefused, Grant, TooEarly, auth_of
from connector.adapters.systems.basware.settings import Settings as BaswareSettings
from connector.adapters.systems.coupa.settings import Settings as CoupaSettings
from connector.adapters.systems.exact.settings import Company
from connector.adapters.systems.exact.settings import Settings as ExactSettings
from connector.adapters.systems.procore.settings import Settings as ProcoreSettings
from connector.domain.vendor_error import RateLimited, UnknownOutcome, VendorError, VendorUnavailable

HOST = "https://vendor.example"
SETTINGS: Mapping[str, Any] = {
    "basware": BaswareSettings.model_construct(base_url=HOST, scopes=("invoices.read",), tenant_id=None, company={}),
    "coupa": CoupaSettings.model_construct(base_url=HOST, scopes=("core.supplier.read",)),
    "exact": ExactSettings.model_construct(base_url=HOST, division=1, company=Company(currency="EUR")),
    "procore": ProcoreSettings.model_construct(login_url=HOST, api_url=HOST, company_id=1),
}
MINTING = ("basware", "coupa", "procore")
CLIENT = {"client_id": "the-id", "client_secret": "the-secret"}
PAIR = Grant("old-access", 600.0, "old-refresh")
NO_TIMES = ["soon", [600], {"s": 600}, -1, "nan", "inf", 1e12]


async def answered(system: str, status: int, body: object, headers: Mapping[str, str] | None = None) -> Grant:
    """What the room makes of its token endpoint's answer."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=content, headers=headers)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        return await auth_of(system).renew(http, SETTINGS[system], CLIENT, PAIR, deadline_s=5.0, before_send=None)


def jwt(**claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip('=')}.sig"


@pytest.mark.parametrize("system", MINTING)
@pytest.mark.parametrize("expires_in", NO_TIMES, ids=str)
async def test_a_minted_token_whose_life_cannot_be_read_is_asked_for_again(system: str, expires_in: object) -> None:
    with pytest.raises(VendorError, match="expires_in that is no time"):
        await answered(system, 200, {"access_token": "new", "expires_in": expires_in})


@pytest.mark.parametrize("system", MINTING)
@pytest.mark.parametrize("token", ["", None, 7])
async def test_an_answer_without_a_token_is_none(system: str, token: object) -> None:
    with pytest.raises(VendorError, match="200 without a token"):
        await answered(system, 200, {"access_token": token, "expires_in": 600})


@pytest.mark.parametrize(("stated", "life_s"), [(1200, 1200.0), ("1200", 1200.0)])
@pytest.mark.parametrize("system", MINTING)
async def test_a_life_may_be_a_number_or_a_string(system: str, stated: object, life_s: float) -> None:
    assert (await answered(system, 200, {"access_token": "new", "expires_in": stated})).life_s == life_s


@pytest.mark.parametrize(
    ("claims", "life_s"),
    [({"iat": 1000, "exp": 2800}, 1800.0), ({"iat": 1000}, 3600.0), ({"iat": "now", "exp": "soon"}, 3600.0)],
)
async def test_basware_tokens_tell_their_life_themselves(claims: Mapping[str, object], life_s: float) -> None:
    assert (await answered("basware", 200, {"access_token": jwt(**claims)})).life_s == life_s


@pytest.mark.parametrize("expires_in", [None, *NO_TIMES], ids=str)
async def test_exacts_new_pair_is_kept_where_its_life_cannot_be_read(expires_in: object) -> None:
    pair = {"access_token": "new", "refresh_token": "only-one", "expires_in": expires_in}
    assert await answered("exact", 200, pair) == Grant("new", 600.0, "only-one")


@pytest.mark.parametrize("system", MINTING)
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, "invalid_client"), (400, "invalid_scope"), (400, "unauthorized_client"), (403, "invalid_client")],
)
async def test_an_oauth_error_is_a_refusal(system: str, status: int, error: str) -> None:
    with pytest.raises(CredentialsRefused, match=f"answered {status}: {error}"):
        await answered(system, status, {"error": error})


@pytest.mark.parametrize("system", MINTING)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b"<html>Request blocked by the firewall</html>"),
        (401, b""),
        (400, {"error": "temporarily_unavailable"}),
        (403, {"message": "Forbidden"}),
        (401, {"error": {"code": "invalid_client"}}),
        (404, b"no such page"),
        (503, {"error": "invalid_client"}),
    ],
    ids=str,
)
async def test_an_answer_without_an_oauth_error_refuses_nothing(system: str, status: int, body: object) -> None:
    with pytest.raises(VendorUnavailable, match=f"the token endpoint answered {status}"):
        await answered(system, status, body)


async def test_what_vendors_document_besides_oauth_errors_is_a_refusal() -> None:
    missing = {"detail": [{"loc": ["body", "scope"], "msg": "field required", "type": "value_error.missing"}]}
    with pytest.raises(CredentialsRefused, match="Basware answered 422"):
        await answered("basware", 422, missing)
    unknown = {"error": "unknown", "error_description": "Client authentication failed due to unknown client"}
    with pytest.raises(CredentialsRefused, match="Procore answered 401: Client authentication failed"):
        await answered("procore", 401, unknown)


async def test_a_vendors_words_show_no_secret() -> None:
    with pytest.raises(VendorUnavailable) as caught:
        await answered("coupa", 403, b"blocked: client_secret=the-secret")
    assert "the-secret" not in caught.value.message


TOO_EARLY = "Rate limit exceeded: access_token not expired"


@pytest.mark.parametrize(
    ("status", "body", "reason", "meaning"),
    [
        (400, {"error": "access_denied", "error_description": TOO_EARLY}, "", TooEarly),
        (401, b"", "Access Token not expired", TooEarly),
        (400, {"error": "access_denied", "error_description": "Rate limit exceeded"}, "", RateLimited),
        (400, {"error": "invalid_grant", "error_description": "invalid or empty chainId"}, "", ChainBroken),
        (400, {"error": "invalid_request", "error_description": "The refresh token expired at ..."}, "", ChainBroken),
        (401, {"error": "unauthorized_client", "error_description": "Old refresh token used."}, "", ChainBroken),
        (401, b"", "The refresh token expired", ChainBroken),
        (400, {"error": "invalid_request"}, "", CredentialsRefused),
        (400, {"error": "unsupported_grant_type"}, "", CredentialsRefused),
        (403, b"<html>Request blocked by the firewall</html>", "", UnknownOutcome),
        (401, b"<html>Log in to the proxy to refresh token</html>", "", UnknownOutcome),
        (400, {"error": "temporarily_unavailable"}, "", UnknownOutcome),
        (400, {"error": "server_error", "error_description": "cannot refresh token now"}, "", UnknownOutcome),
        (400, {"error": "access_denied"}, "", UnknownOutcome),
        (404, b"no such page", "", UnknownOutcome),
        (502, b"<html>Bad gateway</html>", "", UnknownOutcome),
    ],
)
async def test_only_what_says_so_breaks_exacts_chain(
    status: int, body: object, reason: str, meaning: type[Exception]
) -> None:
    with pytest.raises(meaning) as caught:
        await answered("exact", status, body, {"reason": reason})
    assert type(caught.value) is meaning


async def test_a_refresh_token_that_comes_with_an_answer_nobody_knows_is_kept() -> None:
    with pytest.raises(TooEarly) as caught:
        await answered("exact", 400, {"error": "something_new", "refresh_token": "only-one"})
    assert caught.value.kept == Grant("", 0.0, "only-one")
