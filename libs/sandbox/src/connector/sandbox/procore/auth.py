"""Client credentials: tokens of a developer-managed service account, and of a person's own session."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector.sandbox.core.clock import SandboxClock

from .settings import Settings
from .world import Actor


@dataclass(frozen=True, slots=True)
class Client:
    id: str
    secret: str
    actor: Actor


@dataclass(slots=True)
class _Token:
    client: Client
    created_at: int
    expires_at: float


UNKNOWN_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, "
    "or unsupported authentication method."
)


class OAuth:
    """`/oauth/token`, `/oauth/token/info`, `/oauth/revoke`. Nothing is refreshed: asking again gives a new token."""

    def __init__(self, clock: SandboxClock, settings: Settings, seed: int, clients: list[Client]) -> None:
        self._clock = clock
        self._settings = settings
        self._random = random.Random(seed)
        self.clients = {client.id: client for client in clients}
        self._tokens: dict[str, _Token] = {}

    def holder(self, authorization: str | None) -> Client | None:
        """The client whose live token this header carries."""
        token = self._live((authorization or "").removeprefix("Bearer ").strip())
        return token.client if token is not None else None

    def revoke_all(self) -> int:
        count = len(self._tokens)
        self._tokens.clear()
        return count

    def _live(self, value: str) -> _Token | None:
        token = self._tokens.get(value)
        if token is not None and token.expires_at <= self._clock.time():
            del self._tokens[value]
            return None
        return token

    async def answer(self, request: Request) -> Response:
        route = (request.method, request.url.path)
        if route == ("POST", "/oauth/token"):
            return self._issue(await _form(request))
        if route == ("GET", "/oauth/token/info"):
            return self._info(request)
        if route == ("POST", "/oauth/revoke"):
            form = await _form(request)
            token = self._tokens.get(str(form.get("token")))
            if token is not None and self._authenticated(form) is token.client:
                del self._tokens[str(form["token"])]
            return JSONResponse({})
        return JSONResponse({"error": "not_found"}, 404)

    def _authenticated(self, form: Mapping[str, Any]) -> Client | None:
        client = self.clients.get(str(form.get("client_id")))
        return client if client is not None and client.secret == form.get("client_secret") else None

    def _issue(self, form: Mapping[str, Any]) -> Response:
        if form.get("grant_type") != "client_credentials":
            description = "The authorization grant type is not supported by the authorization server."
            return JSONResponse({"error": "unsupported_grant_type", "error_description": description}, 400)
        client = self._authenticated(form)
        if client is None:
            return JSONResponse({"error": "invalid_client", "error_description": UNKNOWN_CLIENT}, 401)
        now = self._clock.time()
        value = f"{self._random.getrandbits(256):064x}"
        self._tokens[value] = _Token(client, int(now), now + self._settings.token_life_s)
        body = {
            "access_token": value,
            "token_type": "bearer",
            "expires_in": int(self._settings.token_life_s),
            "created_at": int(now),
        }
        return JSONResponse(body)

    def _info(self, request: Request) -> Response:
        token = self._live((request.headers.get("authorization") or "").removeprefix("Bearer ").strip())
        if token is None:
            return JSONResponse({"error": "invalid_token", "error_description": "The access token is invalid"}, 401)
        body = {
            "resource_owner_id": token.client.actor.user_id,
            "scopes": [],
            "expires_in_seconds": int(token.expires_at - self._clock.time()),
            "application": {"uid": token.client.id},
            "created_at": token.created_at,
        }
        return JSONResponse(body)


async def _form(request: Request) -> Mapping[str, Any]:
    """The body as form, multipart or JSON: clients in the field send all three."""
    if "json" in request.headers.get("content-type", ""):
        try:
            body = json.loads(await request.body())
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}
    return {**request.query_params, **await request.form()}
