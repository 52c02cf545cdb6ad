"""Procore's OAuth: a service account's token minted from client credentials, good for 90 minutes."""

from collections.abc import Mapping
from typing import Any

from connector.adapters.gate.client_credentials import ClientCredentials, TokenRequest, life_s
from connector.adapters.gate.system import Grant

LIFE_S = 5400.0
_UNKNOWN_CLIENT = "client authentication failed"


class ProcoreAuth(ClientCredentials):
    vendor = "Procore"
    renew_at = 0.9
    """There is nothing to refresh: a new token is asked for while the old one still has nine minutes."""

    def asked(self, settings: Any, secrets: Mapping[str, str]) -> TokenRequest:
        form = {name: secrets[name] for name in ("client_id", "client_secret")}
        return TokenRequest(f"{settings.login_url}/oauth/token", form)

    def granted(self, token: str, body: Mapping[str, Any], settings: Any) -> Grant:
        return Grant(token, life_s(body, LIFE_S))

    def refuses(self, status: int, body: Mapping[str, Any]) -> bool:
        """Procore states these words for a client of another environment, but not the error's name."""
        described = str(body.get("error_description") or "").lower()
        return super().refuses(status, body) or (400 <= status < 500 and _UNKNOWN_CLIENT in described)

    def advice(self, body: Mapping[str, Any], settings: Any) -> str:
        return "Check client id and secret, and that login_url is of the same environment as they are"


AUTH = ProcoreAuth()
