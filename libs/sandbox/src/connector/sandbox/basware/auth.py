"""Client credentials, RS256 access tokens with their JWKS, HTTP Basic per call, and scopes."""

import base64
import binascii
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector.sandbox.core.clock import SandboxClock

from .settings import BaswareSettings


def _rights(resources: str) -> frozenset[str]:
    return frozenset(f"{name}.{right}" for name in resources.split() for right in ("read", "write", "delete"))


SCOPES = _rights(
    "accountingDocuments exportedPurchaseOrders vendors accounts costCenters taxCodes paymentTerms exchangeRates"
    " projects lists companies matchingOrders matchingOrderLines purchaseOrders purchaseGoodsReceipts"
    " purchaseRequisitions requestStatus subscriptions"
) | {"tasks.read", "taskStatus.read"}


@dataclass(slots=True)
class Client:
    client_id: str
    secret: str
    bwcid: str
    """The tenant whose records the client sees."""
    scopes: frozenset[str] = SCOPES
    basic: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    client: Client
    scopes: frozenset[str]
    expires_at: float
    kid: str


@dataclass(slots=True)
class _Key:
    kid: str
    private: rsa.RSAPrivateKey


@dataclass(slots=True)
class Auth:
    """Issues and recognises credentials.

    Only tokens this instance issued are known to it, so a forged one needs no verification to be refused. The RSA keys
    are the one thing not drawn from the seed; they are made at the first token.
    """

    clock: SandboxClock
    settings: BaswareSettings
    random: random.Random
    clients: dict[str, Client] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    keys: list[_Key] = field(default_factory=list)

    def signing_key(self) -> _Key:
        return self.keys[-1] if self.keys else self.add_key()

    def add_key(self) -> _Key:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.keys.append(_Key(f"{self.random.getrandbits(128):032X}", private))
        return self.keys[-1]

    def rotate_keys(self, *, keep_old: bool) -> str:
        """Sign with a new key; without `keep_old` the old keys leave the JWKS and their tokens end."""
        new = self.add_key()
        if not keep_old:
            self.keys = [new]
            self.grants = {token: grant for token, grant in self.grants.items() if grant.kid == new.kid}
        return new.kid

    def jwks(self) -> dict[str, Any]:
        self.signing_key()
        return {"keys": [self._jwk(key) for key in self.keys]}

    @staticmethod
    def _jwk(key: _Key) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(key.private.public_key()))
        return {"kty": "RSA", "kid": key.kid, "use": "sig", "alg": "RS256", "n": public["n"], "e": public["e"]}

    def issue(self, client: Client, scopes: frozenset[str]) -> str:
        now = int(self.clock.time())
        key = self.signing_key()
        expires_at = now + self.settings.token_ttl_s
        claims = {
            "sub": client.client_id,
            "scope": " ".join(sorted(scopes)),
            "auth_time": now,
            "iss": self.settings.issuer,
            "aud": "OpenAPI",
            "exp": expires_at,
            "iat": now,
            "jti": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            "bwcid": client.bwcid,
        }
        token = jwt.encode(claims, key.private, algorithm="RS256", headers={"kid": key.kid, "typ": "at+jwt"})
        self.grants = {old: grant for old, grant in self.grants.items() if grant.expires_at > now}
        self.grants[token] = Grant(client, scopes, expires_at, key.kid)
        return token

    def recognise(self, authorization: str | None) -> Grant | None:
        """Who calls, by Bearer token or, where the client may, by HTTP Basic."""
        kind, _, credential = (authorization or "").partition(" ")
        if kind.casefold() == "bearer":
            grant = self.grants.get(credential.strip())
            return grant if grant and grant.expires_at > self.clock.time() else None
        client = self.client_of(authorization)
        if client is None or not (client.basic and self.settings.basic_enabled):
            return None
        return Grant(client, client.scopes, float("inf"), "")

    def client_of(self, authorization: str | None) -> Client | None:
        kind, _, credential = (authorization or "").partition(" ")
        if kind.casefold() != "basic":
            return None
        try:
            name, _, secret = base64.b64decode(credential, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        for client_id, given in ((name, secret), (unquote(name), unquote(secret))):
            client = self.clients.get(client_id)
            if client is not None and client.secret == given:
                return client
        return None

    async def token(self, request: Request) -> Response:
        """`POST /v1/tokens`: client_credentials, form-encoded, the client in HTTP Basic."""
        if "application/x-www-form-urlencoded" not in request.headers.get("content-type", ""):
            detail = {"loc": ["header", "content-type"], "msg": "form expected", "type": "value_error"}
            return JSONResponse({"detail": [detail]}, 422)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        client = self.client_of(request.headers.get("authorization"))
        if client is None:
            return JSONResponse({"error": "invalid_client"}, 401)
        return self._granted(client, form)

    def _granted(self, client: Client, form: Mapping[str, str]) -> Response:
        for name in ("grant_type", "scope"):
            if not form.get(name):
                return _refused("invalid_request", f"{name} field required")
        if form["grant_type"] != "client_credentials":
            return _refused("unsupported_grant_type", "grant_type must be client_credentials")
        scopes = frozenset(form["scope"].split())
        if beyond := scopes - client.scopes:
            return _refused("invalid_scope", f"not granted to this client: {' '.join(sorted(beyond))}")
        token = self.issue(client, scopes)
        return JSONResponse(
            {
                "access_token": token,
                "scope": " ".join(sorted(scopes)),
                "expires_in": self.settings.token_ttl_s,
                "token_type": "Bearer",
            }
        )


def _refused(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, 400)
