"""Coupa's OAuth: a token minted from client credentials, good for a day."""

from collections.abc import Mapping
from typing import Any

from connector.adapters.gate.client_credentials import ClientCredentials, TokenRequest, life_s
from connector.adapters.gate.system import Grant

LIFE_S = 86399.0


class CoupaAuth(ClientCredentials):
    vendor = "Coupa"
    activation_lag_s = 5.0
    """Coupa: leave five seconds between minting a token and using it, or expect a refusal."""
    renew_at = 20 / 24
    """Coupa: a token lives 24 hours, renew it every 20."""

    def asked(self, settings: Any, secrets: Mapping[str, str]) -> TokenRequest:
        form = {name: secrets[name] for name in ("client_id", "client_secret")}
        scope = _scope(settings)
        return TokenRequest(f"{settings.base_url}/oauth2/token", form | ({"scope": scope} if scope else {}))

    def granted(self, token: str, body: Mapping[str, Any], settings: Any) -> Grant:
        return Grant(token, life_s(body, LIFE_S))

    def advice(self, body: Mapping[str, Any], settings: Any) -> str:
        if body.get("error") == "invalid_scope":
            return f"Grant the OAuth client these scopes or ask for fewer: {_scope(settings)}"
        return "Check client id, client secret and base_url"


def _scope(settings: Any) -> str:
    """Coupa: a list separated by spaces, without commas."""
    scopes = settings.scopes
    return " ".join((scopes if isinstance(scopes, str) else " ".join(scopes)).replace(",", " ").split())


AUTH = CoupaAuth()
