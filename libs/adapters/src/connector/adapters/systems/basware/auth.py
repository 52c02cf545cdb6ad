"""Basware's OAuth: a token minted from client credentials; a JWT that names its tenant and its end."""

import base64
import uuid
from collections.abc import Mapping
from typing import Any

import httpx
import jiter

from connector.adapters.gate.system import CredentialsRefused, Grant
from connector.adapters.http import VendorAnswer, redact_text, request
from connector.adapters.http.headers import retry_after_s
from connector.domain.vendor_error import RateLimited, VendorUnavailable

RENEW_AT = 0.8


class BaswareAuth:
    rotating = False
    activation_lag_s = 0.0

    def refresh_after_s(self, life_s: float) -> float:
        return life_s * RENEW_AT

    def headers(self, access_token: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {access_token}"}

    async def renew(
        self,
        http: httpx.AsyncClient,
        settings: Any,
        secrets: Mapping[str, str],
        pair: Grant | None,
        *,
        deadline_s: float,
        before_send: Any,
    ) -> Grant:
        missing = [name for name in ("client_id", "client_secret") if not secrets.get(name)]
        if missing:
            raise CredentialsRefused(f"the vault holds no {' and no '.join(missing)}")
        scope = " ".join(settings.scopes)
        answer = await request(
            http,
            "POST",
            f"{settings.base_url}/v1/tokens",
            form={"grant_type": "client_credentials", "scope": scope},
            headers={
                "accept": "application/json",
                "authorization": _basic(secrets),
                "x-bw-request-id": str(uuid.uuid4()),
            },
            deadline_s=deadline_s,
            body_cap_bytes=1024 * 1024,
            before_send=before_send,
        )
        return _grant(answer, settings, list(secrets.values()), scope)


def _basic(secrets: Mapping[str, str]) -> str:
    pair = f"{secrets['client_id']}:{secrets['client_secret']}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _grant(answer: VendorAnswer, settings: Any, secrets: list[str], scope: str) -> Grant:
    body = _parsed(answer.body)
    token = body.get("access_token")
    if answer.status == 200 and isinstance(token, str):
        claims = claims_of(token)
        tenant = claims.get("bwcid")
        if settings.tenant_id is not None and tenant != settings.tenant_id:
            raise CredentialsRefused(
                f"these credentials are of Basware's tenant {tenant}, the connection says {settings.tenant_id}"
            )
        return Grant(token, _life_s(body, claims))
    if answer.status == 429:
        raise RateLimited("the token endpoint answered 429", status=429, retry_after_s=retry_after_s(answer.headers))
    if answer.status not in (400, 401, 403, 422):
        raise VendorUnavailable(f"the token endpoint answered {answer.status}", status=answer.status)
    said = redact_text(str(body.get("error_description") or body.get("error") or answer.text(120)), secrets)
    if body.get("error") == "invalid_scope":
        raise CredentialsRefused(f"Basware answered: {said}. Ask Basware to grant the client these scopes: {scope}")
    raise CredentialsRefused(
        f"Basware answered {answer.status}: {said}. Check client id, secret and region: credentials are of one region"
    )


def _life_s(body: Mapping[str, Any], claims: Mapping[str, Any]) -> float:
    """Basware: `expires_in` is in seconds, whatever its description says; the token's own times bear that out."""
    stated = body.get("expires_in")
    if stated:
        return float(stated)
    return float(claims.get("exp", 3600)) - float(claims.get("iat", 0)) if "iat" in claims else 3600.0


def claims_of(token: str) -> Mapping[str, Any]:
    """A JWT's claims, unverified: it came from the token endpoint itself. Empty where it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        return _parsed(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = jiter.from_json(body, float_mode="decimal")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


AUTH = BaswareAuth()
