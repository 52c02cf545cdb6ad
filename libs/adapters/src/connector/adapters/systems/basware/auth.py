"""Basware's OAuth: a token minted from client credentials; a JWT that names its tenant and its end."""

import base64
import uuid
from collections.abc import Mapping
from typing import Any

from connector.adapters.gate.client_credentials import ClientCredentials, TokenRequest, life_s, parsed
from connector.adapters.gate.system import CredentialsRefused, Grant

LIFE_S = 3600.0


class BaswareAuth(ClientCredentials):
    vendor = "Basware"
    renew_at = 0.8

    def asked(self, settings: Any, secrets: Mapping[str, str]) -> TokenRequest:
        headers = {"authorization": _basic(secrets), "x-bw-request-id": str(uuid.uuid4())}
        return TokenRequest(f"{settings.base_url}/v1/tokens", {"scope": " ".join(settings.scopes)}, headers)

    def granted(self, token: str, body: Mapping[str, Any], settings: Any) -> Grant:
        claims = claims_of(token)
        tenant = claims.get("bwcid")
        if settings.tenant_id is not None and tenant != settings.tenant_id:
            raise CredentialsRefused(
                f"these credentials are of Basware's tenant {tenant}, the connection says {settings.tenant_id}"
            )
        return Grant(token, life_s(body, _claimed_life_s(claims)))

    def refuses(self, status: int, body: Mapping[str, Any]) -> bool:
        """Basware: 422 names the fields it does not take under `detail`."""
        return super().refuses(status, body) or (status == 422 and isinstance(body.get("detail"), list))

    def advice(self, body: Mapping[str, Any], settings: Any) -> str:
        if body.get("error") == "invalid_scope":
            return f"Ask Basware to grant the client these scopes: {' '.join(settings.scopes)}"
        return "Check client id, secret and region: credentials are of one region"


def _basic(secrets: Mapping[str, str]) -> str:
    pair = f"{secrets['client_id']}:{secrets['client_secret']}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _claimed_life_s(claims: Mapping[str, Any]) -> float:
    """Basware: `expires_in` is in seconds, whatever its description says; the token's own times bear that out."""
    begins, ends = claims.get("iat"), claims.get("exp")
    return float(ends - begins) if isinstance(begins, int) and isinstance(ends, int) else LIFE_S


def claims_of(token: str) -> Mapping[str, Any]:
    """A JWT's claims, unverified: it came from the token endpoint itself. Empty where it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        return parsed(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}


AUTH = BaswareAuth()
