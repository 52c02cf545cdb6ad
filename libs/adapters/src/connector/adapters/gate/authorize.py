"""A person's login at a vendor (OAuth code grant), from the invitation to the stored pair."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import httpx

from connector.adapters.gate.system import Account, CodeGrantAuth, RenewalError, auth_of
from connector.adapters.gate.tokens import ConnectionLookup, TokenKeeper
from connector.adapters.http import VendorAnswer, redact_text, request
from connector.adapters.vault import Vault
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.authorisations import AuthorisationStore, Refusal
from connector.domain.ports.configuration import Connection
from connector.domain.ports.gate import Gate
from connector.domain.ports.tokens import TokenStore
from connector.domain.vendor_error import VendorError

INVITATION_LIFE_S = 900.0
_WRONG_ACCOUNT = "wrong account: "


class Outcome(StrEnum):
    AUTHORISED = "authorised"
    DECLINED = "declined"
    INVALID = "invalid"
    """The link or the browser is not the one we handed out."""
    CODE_REFUSED = "code-refused"
    WRONG_ACCOUNT = "wrong-account"
    NO_ANSWER = "no-answer"


@dataclass(frozen=True, slots=True)
class Started:
    """Send the browser to `url` and give it `browser` as a cookie (HttpOnly, Secure, SameSite=Lax, 15 minutes)."""

    url: str
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthorisationResult:
    """What happened, in words for the result page and the console; `next_step` is empty where nothing is left to do."""

    outcome: Outcome
    message: str
    next_step: str = ""
    connection: ConnectionId | None = None
    accounts: tuple[Account, ...] = ()


class AuthorisationRefused(Exception):
    """The login cannot be started; the message says why and what to do."""


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


_REFUSALS = {
    Refusal.UNKNOWN: "This link is not one of ours.",
    Refusal.EXPIRED: "This link has expired: it is good for 15 minutes.",
    Refusal.USED: "This link has been used already: it counts once.",
    Refusal.OTHER_BROWSER: "The login was finished in another browser than the one it was started in.",
}


class Authorisations:
    def __init__(
        self,
        *,
        store: AuthorisationStore,
        tokens: TokenStore,
        keeper: TokenKeeper,
        vault: Vault,
        http: httpx.AsyncClient,
        connections: ConnectionLookup,
        authorised: Callable[[ConnectionId], Awaitable[None]],
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._keeper = keeper
        self._vault = vault
        self._http = http
        self._connections = connections
        self._authorised = authorised

    async def invite(self, connection: ConnectionId, redirect_uri: str) -> str:
        """A single-use invitation for a link that may be opened on any machine (`--no-browser`)."""
        await self._code_grant(connection)
        invitation = secrets.token_urlsafe(32)
        await self._store.invite(connection, _digest(invitation), redirect_uri, INVITATION_LIFE_S)
        return invitation

    async def start(self, invitation: str) -> Started:
        """Bind the invitation to this browser. Raises AuthorisationRefused."""
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        login = await self._store.start(_digest(invitation), _digest(state), _digest(browser))
        if isinstance(login, Refusal):
            raise AuthorisationRefused(f"{_REFUSALS[login]} Next: run `connector authorize` again.")
        known, auth = await self._code_grant(login.connection)
        credentials = await self._vault.credentials(login.connection)
        if "client_id" not in credentials:
            raise AuthorisationRefused(
                f"connection {login.connection}: the vault holds no client_id. Next: run `connector apply`"
            )
        return Started(auth.authorize_url(known.settings, credentials, login.redirect_uri, state), browser)

    async def start_authorization(self, connection: ConnectionId, redirect_uri: str) -> Started:
        """Invitation and start at once, where the person's browser is already here."""
        return await self.start(await self.invite(connection, redirect_uri))

    async def _code_grant(self, connection: ConnectionId) -> tuple[Connection, CodeGrantAuth]:
        known = await self._connections(connection)
        auth = auth_of(known.system)
        if not hasattr(auth, "authorize_url"):
            raise AuthorisationRefused(
                f"connection {connection} ({known.system}) needs no login: it uses its credentials"
            )
        return known, cast(CodeGrantAuth, auth)

    async def finish_authorization(
        self, state: str, code: str | None, browser: str | None, error: str | None = None
    ) -> AuthorisationResult:
        """The vendor's callback: exchange the code and store the pair before anything else is asked."""
        login = await self._store.finish(_digest(state), _digest(browser or ""))
        if isinstance(login, Refusal):
            return AuthorisationResult(Outcome.INVALID, _REFUSALS[login], "Run `connector authorize` again.")
        connection = login.connection
        again = f"Run `connector authorize {connection}` again."
        if error or not code:
            shown = redact_text((error or "no code")[:100], [state])
            return AuthorisationResult(Outcome.DECLINED, f"The vendor reports: {shown}.", again, connection)
        known, auth = await self._code_grant(connection)
        credentials = await self._vault.credentials(connection)
        try:
            grant = await auth.exchange(self._http, known.settings, credentials, code, login.redirect_uri)
        except RenewalError as refusal:
            return AuthorisationResult(
                Outcome.CODE_REFUSED, f"Connection {connection}: {refusal}.",
                f"Check the app's registration (client id, secret, region, redirect address). {again}", connection,
            )  # fmt: skip
        except VendorError as failure:
            return AuthorisationResult(
                Outcome.NO_ANSWER, f"Connection {connection}: {failure.message}.", again, connection
            )
        before = await self._tokens.read(connection)
        await self._tokens.adopt(connection, self._keeper.seal(connection, auth, grant))
        await self._authorised(connection)

        async def ask(endpoint: str, address: str) -> VendorAnswer:
            return await self._get(address, auth.headers(grant.access_token))

        try:
            accounts = tuple(await auth.accounts(ask, known.settings))
        except VendorError as failure:
            return AuthorisationResult(
                Outcome.AUTHORISED, f"Connection {connection} is authorised. Its companies could not be read yet: "
                f"{failure.message}.", f"Run `connector ping {connection}`.", connection,
            )  # fmt: skip
        return await self._judge(connection, auth.pinned(known.settings), accounts, before.account, before.paused)

    async def _judge(
        self,
        connection: ConnectionId,
        pinned: str,
        accounts: tuple[Account, ...],
        current_before: str | None,
        paused: str | None,
    ) -> AuthorisationResult:
        offered = ", ".join(f"{account.id} {account.name}".strip() for account in accounts)
        if pinned not in {account.id for account in accounts}:
            message = (
                f"this login may not open company {pinned}, to which the connection is pinned; it may open {offered}"
            )
            await self._tokens.pause(connection, _WRONG_ACCOUNT + message)
            return AuthorisationResult(
                Outcome.WRONG_ACCOUNT, f"Connection {connection} stays paused: {message}.",
                f"Give the user rights there, or change `division` and run `connector apply`, then "
                f"`connector resume {connection}`; or log in as another user: `connector authorize {connection}`.",
                connection, accounts,
            )  # fmt: skip
        if paused is not None and paused.startswith(_WRONG_ACCOUNT):
            await self._tokens.pause(connection, None)
        note = await self._note_change(connection, pinned, accounts, current_before)
        return AuthorisationResult(
            Outcome.AUTHORISED,
            f"Connection {connection} is authorised for company {pinned}.{note}",
            "",
            connection,
            accounts,
        )

    async def _note_change(
        self, connection: ConnectionId, pinned: str, accounts: tuple[Account, ...], before: str | None
    ) -> str:
        current = next((account.id for account in accounts if account.current), None)
        if current is None:
            return ""
        await self._tokens.remember_account(connection, current)
        if before is None or before == current:
            return ""
        return f" The user's current company changed from {before} to {current}; the connection stays with {pinned}."

    async def check_account(self, gate: Gate, connection: ConnectionId) -> AuthorisationResult:
        """Whether the login may still open the pinned company, and whether its own default moved, by calls through the
        gate. Raises GateError or VendorError."""
        known, auth = await self._code_grant(connection)

        async def ask(endpoint: str, address: str) -> VendorAnswer:
            async with gate.call(connection, TrafficClass.CATCH_UP, endpoint=endpoint) as call:
                answer = await self._get(address, call.authorization)
                call.learn(answer.status, answer.headers)
            return answer

        accounts = tuple(await auth.accounts(ask, known.settings))
        row = await self._tokens.read(connection)
        return await self._judge(connection, auth.pinned(known.settings), accounts, row.account, row.paused)

    async def resume(self, gate: Gate, connection: ConnectionId) -> AuthorisationResult | None:
        """Lift the pause of a login that could not open its company, and look at it again, which may pause it anew.
        None where it was not paused. Raises GateError or VendorError where the login can't be looked at yet."""
        if (await self._tokens.read(connection)).paused is None:
            return None
        await self._tokens.pause(connection, None)
        return await self.check_account(gate, connection)

    async def _get(self, address: str, headers: Mapping[str, str]) -> VendorAnswer:
        return await request(self._http, "GET", address, headers={"accept": "application/json", **headers})
