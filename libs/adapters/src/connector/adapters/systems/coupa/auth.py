"""Coupa's OAuth: a token minted from client credentials, good for a day."""

from collections.abc import Mapping
from typing import Any

import httpx
import jiter

from connector.adapters.gate.system import CredentialsRefused, Grant
from connector.adapters.http import VendorAnswer, redact_text, request
from connector.adapters.http.headers import retry_after_s
from connector.domain.vendor_error import RateLimited, VendorUnavailable

RENEW_AT = 20 / 24
"""Coupa: a token lives 24 hours, renew it every 20."""


class CoupaAuth:
    rotating = False
    activation_lag_s = 5.0
    """Coupa: leave five seconds between minting a token and using it, or expect a refusal."""

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
        form = {
            "grant_type": "client_credentials",
            "client_id": secrets["client_id"],
            "client_secret": secrets["client_secret"],
            "scope": _scope(settings),
        }
        answer = await request(
            http,
            "POST",
            f"{settings.base_url}/oauth2/token",
            form={name: value for name, value in form.items() if value},
            headers={"accept": "application/json"},
            deadline_s=deadline_s,
            body_cap_bytes=1024 * 1024,
            before_send=before_send,
        )
        return _grant(answer, list(secrets.values()), form["scope"])


def _scope(settings: Any) -> str:
    """Coupa: a list separated by spaces, without commas."""
    scopes = settings.scopes
    return " ".join((scopes if isinstance(scopes, str) else " ".join(scopes)).replace(",", " ").split())


def _grant(answer: VendorAnswer, secrets: list[str], scope: str) -> Grant:
    try:
        body = jiter.from_json(answer.body, float_mode="decimal")
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    if answer.status == 200 and isinstance(body.get("access_token"), str):
        return Grant(body["access_token"], float(body.get("expires_in") or 86399))
    if answer.status == 429:
        raise RateLimited("the token endpoint answered 429", status=429, retry_after_s=retry_after_s(answer.headers))
    if answer.status not in (400, 401, 403):
        raise VendorUnavailable(f"the token endpoint answered {answer.status}", status=answer.status)
    said = redact_text(str(body.get("error_description") or body.get("error") or answer.text(120)), secrets)
    if body.get("error") == "invalid_scope":
        raise CredentialsRefused(
            f"Coupa answered {answer.status}: {said}. Grant the OAuth client these scopes or ask for fewer: {scope}"
        )
    raise CredentialsRefused(f"Coupa answered {answer.status}: {said}. Check client id, client secret and base_url")


AUTH = CoupaAuth()
