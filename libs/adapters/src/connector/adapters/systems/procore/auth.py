"""Procore's OAuth: a service account's token minted from client credentials, good for 90 minutes."""

from collections.abc import Mapping
from typing import Any

import httpx
import jiter

from connector.adapters.gate.system import CredentialsRefused, Grant
from connector.adapters.http import VendorAnswer, redact_text, request
from connector.adapters.http.headers import retry_after_s
from connector.domain.vendor_error import RateLimited, VendorUnavailable

LIFE_S = 5400.0
RENEW_AT = 0.9
"""There is nothing to refresh: a new token is asked for while the old one still has nine minutes."""


class ProcoreAuth:
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
        answer = await request(
            http,
            "POST",
            f"{settings.login_url}/oauth/token",
            form={
                "grant_type": "client_credentials",
                "client_id": secrets["client_id"],
                "client_secret": secrets["client_secret"],
            },
            headers={"accept": "application/json"},
            deadline_s=deadline_s,
            body_cap_bytes=1024 * 1024,
            before_send=before_send,
        )
        return _grant(answer, list(secrets.values()))


def _grant(answer: VendorAnswer, secrets: list[str]) -> Grant:
    try:
        body = jiter.from_json(answer.body, float_mode="decimal")
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    if answer.status == 200 and isinstance(body.get("access_token"), str):
        return Grant(body["access_token"], float(body.get("expires_in") or LIFE_S))
    if answer.status == 429:
        raise RateLimited("the token endpoint answered 429", status=429, retry_after_s=retry_after_s(answer.headers))
    if answer.status not in (400, 401, 403):
        raise VendorUnavailable(f"the token endpoint answered {answer.status}", status=answer.status)
    said = redact_text(str(body.get("error_description") or body.get("error") or answer.text(120)), secrets)
    raise CredentialsRefused(
        f"Procore answered {answer.status}: {said}. Check client id and secret, and that login_url is of the same "
        "environment as they are"
    )


AUTH = ProcoreAuth()
