"""Exact's OAuth: a person's login once, then a chain of single-use refresh tokens."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import httpx
import jiter

from connector.adapters.gate.system import (
    Account,
    Ask,
    ChainBroken,
    CredentialsRefused,
    Grant,
    RenewalError,
    TooEarly,
)
from connector.adapters.http import VendorAnswer, redact_text, request
from connector.adapters.http.headers import retry_after_s
from connector.domain.vendor_error import RateLimited, UnknownOutcome, VendorUnavailable

from .settings import Settings

NOT_BEFORE = 570 / 600
"""Exact: an access token lives 600 s, and a new one may be asked for 570 s after the last was received."""
_MARGIN = 1 / 600
_LIFE_S = 600.0
_LONGEST_LIFE_S = 86400.0
_TOO_EARLY = ("tooearlytorefreshtokens", "access_token not expired", "access token not expired")
_TOO_OFTEN = "rate limit exceeded"
"""Exact: so many calls of the token endpoint a day for an app and user (about 200); the refresh token stays good."""
_TRY_AGAIN_S = 900.0
_REFUSALS = ("invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope")
_WORDS = 200
"""So many characters of Exact's words are told on."""


class ExactAuth:
    rotating = True
    activation_lag_s = 0.0

    def refresh_after_s(self, life_s: float) -> float:
        return life_s * (NOT_BEFORE + _MARGIN)

    def headers(self, access_token: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {access_token}"}

    def pinned(self, settings: Settings) -> str:
        return str(settings.division)

    def authorize_url(self, settings: Settings, secrets: Mapping[str, str], redirect_uri: str, state: str) -> str:
        query = {
            "client_id": secrets["client_id"],
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "state": state,
            "force_login": "0",
        }
        return f"{settings.base_url}/api/oauth2/auth?{urlencode(query)}"

    async def exchange(
        self, http: httpx.AsyncClient, settings: Settings, secrets: Mapping[str, str], code: str, redirect_uri: str
    ) -> Grant:
        """Exact: the code is single-use, lives about three minutes and must be decoded once before it is posted."""
        decoded = unquote(code) if "%" in code else code
        form = {"grant_type": "authorization_code", "code": decoded, "redirect_uri": redirect_uri, **_client(secrets)}
        return _grant(await self._post(http, settings, form, 30.0, None), [*secrets.values(), code, decoded])

    async def renew(
        self,
        http: httpx.AsyncClient,
        settings: Settings,
        secrets: Mapping[str, str],
        pair: Grant | None,
        *,
        deadline_s: float,
        before_send: Any,
    ) -> Grant:
        if pair is None or pair.refresh_token is None:
            raise ChainBroken("no one has logged in yet")
        form = {"grant_type": "refresh_token", "refresh_token": pair.refresh_token, **_client(secrets)}
        answer = await self._post(http, settings, form, deadline_s, before_send)
        return _grant(answer, [*secrets.values(), pair.refresh_token, pair.access_token])

    async def _post(
        self, http: httpx.AsyncClient, settings: Settings, form: Mapping[str, str], deadline_s: float, before_send: Any
    ) -> VendorAnswer:
        return await request(
            http,
            "POST",
            f"{settings.base_url}/api/oauth2/token",
            form=form,
            headers={"accept": "application/json"},
            deadline_s=deadline_s,
            body_cap_bytes=1024 * 1024,
            before_send=before_send,
        )

    async def accounts(self, ask: Ask, settings: Settings) -> list[Account]:
        """The divisions this user may open, Exact's current one marked. Me is not counted to the daily limit."""
        me, _ = _page(await ask("current/Me", f"{settings.base_url}/api/v1/current/Me?$select=CurrentDivision"))
        current = int(me[0]["CurrentDivision"])
        found: list[Account] = []
        address: str | None = f"{settings.base_url}/api/v1/{current}/system/Divisions?$select=Code,Description"
        while address is not None:
            rows, address = _page(await ask("system/Divisions", _of(settings, address)))
            found += [
                Account(str(row["Code"]), str(row.get("Description") or ""), current=int(row["Code"]) == current)
                for row in rows
            ]
        return found


def _of(settings: Settings, address: str) -> str:
    """The token goes to Exact alone, whatever an answer names as its next page."""
    if urlsplit(address)[:2] != urlsplit(settings.base_url)[:2]:
        raise VendorUnavailable(f"the next page of divisions is on another host ({urlsplit(address).netloc})")
    return address


def _page(answer: VendorAnswer) -> tuple[list[dict[str, Any]], str | None]:
    """Rows (60 at most), and where the next ones are."""
    body = answer.json()
    data = body.get("d") if isinstance(body, dict) else None
    rows = data.get("results") if isinstance(data, dict) else data
    if answer.status != 200 or not isinstance(rows, list) or not rows:
        raise UnknownOutcome(f"{answer.url} answered {answer.status} without rows", status=answer.status)
    return rows, data.get("__next") if isinstance(data, dict) else None


def _client(secrets: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in ("client_id", "client_secret") if not secrets.get(name)]
    if missing:
        raise CredentialsRefused(f"the vault holds no {' and no '.join(missing)}")
    return {name: secrets[name] for name in ("client_id", "client_secret")}


def _body(answer: VendorAnswer) -> dict[str, Any]:
    try:
        body = jiter.from_json(answer.body, float_mode="decimal")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _pair(body: Mapping[str, Any]) -> Grant | None:
    """A refusal may carry a refresh token alone."""
    refresh = body.get("refresh_token")
    if not isinstance(refresh, str) or not refresh:
        return None
    return Grant(str(body.get("access_token") or ""), _life_s(body), refresh)


def _life_s(body: Mapping[str, Any]) -> float:
    """`expires_in` is a JSON string at Exact; a number is taken too. 0 where it is absent or no time."""
    try:
        stated = float(body.get("expires_in") or 0)
    except (TypeError, ValueError):
        return 0.0
    return stated if 0 < stated <= _LONGEST_LIFE_S else 0.0


def _grant(answer: VendorAnswer, secrets: list[str]) -> Grant:
    """A new pair is kept even if its life can't be read: its refresh token is the only one."""
    body = _body(answer)
    pair = _pair(body)
    if answer.status == 200:
        if pair is None or not pair.access_token:
            raise UnknownOutcome("the token endpoint answered 200 without a whole pair", status=200)
        return pair if pair.life_s else replace(pair, life_s=_LIFE_S)
    if answer.status == 429:
        raise RateLimited("the token endpoint answered 429", status=429, retry_after_s=retry_after_s(answer.headers))
    if answer.status >= 500 or answer.status not in (400, 401, 403):
        raise UnknownOutcome(f"the token endpoint answered {answer.status}", status=answer.status)
    if _asked_too_often(answer, body):
        words = "the token endpoint says that it was called too often today"
        raise RateLimited(words, status=answer.status, retry_after_s=_TRY_AGAIN_S)
    raise _refusal(answer, body, pair, secrets)


def _told(answer: VendorAnswer, body: Mapping[str, Any]) -> str:
    return f"{body.get('error_description') or ''} {answer.headers.get('reason', '')}".lower()


def _asked_too_often(answer: VendorAnswer, body: Mapping[str, Any]) -> bool:
    told = _told(answer, body)
    return _TOO_OFTEN in told and not any(mark in told for mark in _TOO_EARLY)


def _refusal(
    answer: VendorAnswer, body: Mapping[str, Any], kept: Grant | None, secrets: list[str]
) -> RenewalError | UnknownOutcome:
    """Exact's own errors are in section 2 of the sheet. Whatever else answers, a firewall or an outage, says nothing of
    the refresh token, which is tried again."""
    error = str(body.get("error") or "")
    described = str(body.get("error_description") or "")
    reason = answer.headers.get("reason", "")
    said = redact_text("; ".join(part for part in (error, described, reason) if part) or answer.text(), secrets)
    words = f"Exact answered {answer.status}: {said[:_WORDS]}"
    told = _told(answer, body)
    if any(mark in told for mark in _TOO_EARLY):
        return TooEarly(words, kept)
    if error == "invalid_grant" or ("refresh token" in told and error in (*_REFUSALS, "")):
        return ChainBroken(words, kept)
    if "callback uri" in told or "redirect" in told:
        return CredentialsRefused(
            f"{words}. The redirect address is not the one registered for the app in the Exact App Center", kept
        )
    if error in _REFUSALS:
        return CredentialsRefused(
            f"{words}. Check client id, client secret and region: an app lives on one of Exact's sites", kept
        )
    return TooEarly(words, kept) if kept is not None else UnknownOutcome(words, status=answer.status)


AUTH = ExactAuth()
