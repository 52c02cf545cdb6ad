"""OAuth 2: apps, the consent page, and refresh chains whose tokens are good for one use."""

import base64
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from .errors import Refusal
from .store import User, World

TOO_EARLY = "Rate limit exceeded: access_token not expired"
BROKEN_CHAIN = "Token is not allowed, because of invalid or empty chainId"

SCOPES = frozenset({
    "Purchase orders", "Purchase invoices", "Financial accounting", "Financial generalledgers", "Financial costcenters",
    "Financial cashflow", "Financial payables", "Crm accounts", "Logistics items", "Logistics wms",
    "Organization documents", "Organization administration", "Projects projects",
})  # fmt: skip


@dataclass(slots=True)
class App:
    client_id: str
    client_secret: str
    webhook_secret: str
    name: str
    redirect_uris: list[str]
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))


@dataclass(slots=True)
class Chain:
    """The refresh tokens of one app and user since one login; only the newest is good."""

    app: App
    user: User
    newest: str = ""
    previous: str | None = None
    issued_at: float = 0.0
    alive: bool = True


@dataclass(slots=True)
class Grant:
    """What an access token allows."""

    app: App
    user: User
    expires_at: float


@dataclass(slots=True)
class _Code:
    app: App
    user: User
    redirect_uri: str
    expires_at: float


@dataclass(slots=True)
class TokenCounters:
    """What the token endpoint did, for tests to compare with what a client believes."""

    logins: int = 0
    refreshes: int = 0
    """Successful rotations."""
    answers_lost: int = 0
    """Successful rotations whose answer never left: spoiled by a fault, or the client had hung up."""
    too_early: int = 0
    reused: int = 0
    """Spent or unknown refresh tokens presented."""
    expired: int = 0
    chains_replaced: int = 0
    """Logins that ended an earlier chain of the same user and app: re-authorisations."""


class TokenRefusal(Exception):
    """An answer of the token endpoint other than success."""

    def __init__(self, status: int, body: Mapping[str, Any], reason: str | None = None) -> None:
        super().__init__(body.get("error_description") or body.get("error"))
        self.status, self.body, self.reason = status, dict(body), reason


class Authority:
    """Issues and checks codes and tokens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.apps: dict[str, App] = {}
        self.counters = TokenCounters()
        self._codes: dict[str, _Code] = {}
        self._chains: dict[tuple[str, str], Chain] = {}
        self._refresh_tokens: dict[str, Chain] = {}
        self._access_tokens: dict[str, Grant] = {}
        self._calls: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add_app(self, app: App) -> App:
        self.apps[app.client_id] = app
        return app

    def app(self, client_id: str | None) -> App | None:
        return self.apps.get((client_id or "").strip("{}").lower())

    # The consent page

    def approve(self, query: Mapping[str, str]) -> str:
        """The redirect with code and state that follows consent, which is given at once."""
        app = self.app(query.get("client_id"))
        if app is None:
            raise Refusal(400, "Invalid client_id")
        redirect_uri = query.get("redirect_uri", "")
        if not self._registered(app, redirect_uri):
            raise Refusal(400, f"Callback URI '{redirect_uri}' is not valid")
        if query.get("response_type") != "code":
            raise Refusal(400, "Invalid response_type")
        user = self.world.user(self.world.settings.consent_user)
        code = self._secret("stampNL001.") + "!" + self._secret("")[:20]
        self._codes[code] = _Code(app, user, redirect_uri, self.world.clock.time() + self.world.settings.code_life_s)
        answer = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(answer)}"

    def _registered(self, app: App, redirect_uri: str) -> bool:
        if self.world.settings.loopback_callbacks and is_loopback(redirect_uri):
            return True
        return redirect_uri in app.redirect_uris and redirect_uri.startswith("https://")

    # The token endpoint

    def token(self, form: Mapping[str, str]) -> dict[str, str]:
        """The answer to a code or a refresh token; raises TokenRefusal in the vendor's words."""
        app = self.app(form.get("client_id"))
        if app is None or form.get("client_secret") != app.client_secret:
            raise TokenRefusal(400, {"error": "invalid_request"})
        match form.get("grant_type"):
            case "authorization_code":
                return self._redeem(app, form)
            case "refresh_token":
                return self._refresh(app, form.get("refresh_token", ""))
            case _:
                raise TokenRefusal(400, {"error": "unsupported_grant_type"})

    def _redeem(self, app: App, form: Mapping[str, str]) -> dict[str, str]:
        code = self._codes.pop(form.get("code", ""), None)
        now = self.world.clock.time()
        if code is None or code.app is not app or code.expires_at < now:
            raise _broken_chain()
        if form.get("redirect_uri") != code.redirect_uri:
            raise TokenRefusal(400, {"error": "invalid_request"})
        self._count_call(app, code.user)
        return self.log_in(app, code.user)

    def log_in(self, app: App, user: User) -> dict[str, str]:
        """A new chain; the earlier one of the same user and app dies."""
        key = (app.client_id, user.id)
        if (earlier := self._chains.get(key)) is not None:
            self.counters.chains_replaced += 1
            earlier.alive = False
        chain = self._chains[key] = Chain(app, user)
        self.counters.logins += 1
        return self._issue(chain)

    def _refresh(self, app: App, token: str) -> dict[str, str]:
        settings, now = self.world.settings, self.world.clock.time()
        chain = self._refresh_tokens.get(token)
        if chain is None or chain.app is not app or not chain.alive or token not in (chain.newest, chain.previous):
            raise self._reused(chain)
        self._count_call(app, chain.user)
        if now > chain.issued_at + settings.refresh_life_s:
            self.counters.expired += 1
            raise _expired(chain.issued_at + settings.refresh_life_s, now)
        if now < chain.issued_at + settings.token_life_s * settings.refresh_not_before_ratio:
            self.counters.too_early += 1
            raise self._too_early(chain)
        answer = self._issue(chain, spent=token)
        self.counters.refreshes += 1
        return answer

    def _reused(self, chain: Chain | None) -> TokenRefusal:
        self.counters.reused += 1
        if chain is not None and self.world.settings.reuse_kills_chain:
            chain.alive = False
        if self.world.settings.reuse_error == "unauthorized_client":
            return TokenRefusal(401, {"error": "unauthorized_client", "error_description": "Old refresh token used."})
        return _broken_chain()

    def _too_early(self, chain: Chain) -> TokenRefusal:
        body: dict[str, str] = {"error": "access_denied", "error_description": TOO_EARLY}
        if self.world.settings.refused_refresh_carries_token:
            issued_at = chain.issued_at
            body["refresh_token"] = self._issue(chain)["refresh_token"]
            chain.issued_at = issued_at
        return TokenRefusal(400, body, f"TooEarlyToRefreshTokens: {TOO_EARLY}")

    def _issue(self, chain: Chain, spent: str | None = None) -> dict[str, str]:
        settings, now = self.world.settings, self.world.clock.time()
        chain.previous = spent if settings.old_refresh_survives else None
        chain.newest = self._secret("stampNL001.")
        chain.issued_at = now
        self._refresh_tokens[chain.newest] = chain
        access_token = self._secret("")
        self._forget_old(now)
        self._access_tokens[access_token] = Grant(chain.app, chain.user, now + settings.token_life_s)
        return {
            "access_token": access_token, "token_type": "bearer", "expires_in": _seconds(settings.token_life_s),
            "refresh_token": chain.newest,
        }  # fmt: skip

    def _forget_old(self, now: float) -> None:
        if len(self._access_tokens) > 1000:
            self._access_tokens = {
                token: grant for token, grant in self._access_tokens.items() if grant.expires_at > now
            }

    def _count_call(self, app: App, user: User) -> None:
        limit = self.world.settings.token_calls_per_day
        if not limit:
            return
        now = self.world.clock.time()
        calls = self._calls[app.client_id, user.id]
        calls[:] = [at for at in calls if at > now - self.world.settings.day_s]
        if len(calls) >= limit:
            raise TokenRefusal(400, {"error": "access_denied", "error_description": "Rate limit exceeded"})
        calls.append(now)

    def _secret(self, prefix: str) -> str:
        return prefix + base64.urlsafe_b64encode(self.world.random.randbytes(48)).decode()

    # Bearer tokens

    def grant(self, authorization: str | None) -> Grant:
        """The grant behind an Authorization header; 401 for an unknown or expired token."""
        scheme, _, token = (authorization or "").partition(" ")
        grant = self._access_tokens.get(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            raise Refusal(401, "Unauthorized", "Invalid token")
        if grant.expires_at <= self.world.clock.time():
            raise Expired(grant)
        return grant

    def revoke(self, client_id: str | None = None, user: str | None = None) -> int:
        """A person withdraws the app's access: chains die, access tokens too. Returns how many chains died."""
        dead = 0
        for (app_id, user_id), chain in self._chains.items():
            if chain.alive and client_id in (None, app_id) and user in (None, user_id, chain.user.user_name):
                chain.alive = False
                dead += 1
                self._access_tokens = {
                    token: grant for token, grant in self._access_tokens.items()
                    if (grant.app.client_id, grant.user.id) != (app_id, user_id)
                }  # fmt: skip
        return dead


class Expired(Refusal):
    """401 whose token was ours: it counts to the error block."""

    def __init__(self, grant: Grant) -> None:
        super().__init__(401, "Unauthorized", "Access token expired")
        self.grant = grant


def _broken_chain() -> TokenRefusal:
    return TokenRefusal(400, {"error": "invalid_grant", "error_description": BROKEN_CHAIN}, f"Unknown: {BROKEN_CHAIN}")


def _expired(at: float, now: float) -> TokenRefusal:
    text = f"The refresh token expired at {_us_time(at)} and it is now {_us_time(now)}."
    return TokenRefusal(400, {"error": "invalid_request", "error_description": text})


def _us_time(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.month}/{moment.day}/{moment.year} {moment.hour % 12 or 12}:{moment:%M:%S} {moment:%p}"


def _seconds(life_s: float) -> str:
    return str(int(life_s)) if life_s == int(life_s) else str(life_s)


def is_loopback(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and parts.hostname in ("127.0.0.1", "localhost", "::1")


def token_body(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
