"""One valid token a connection, renewed by one process at a time: two short transactions with HTTP between them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import httpx
import orjson
import structlog

from connector.adapters.gate.lane import DATABASE_ERRORS
from connector.adapters.gate.pump import Pump
from connector.adapters.gate.system import ChainBroken, CredentialsRefused, Grant, SystemAuth, TooEarly, auth_of
from connector.adapters.vault import Vault
from connector.domain.gate.tokens import REFUSALS_BEFORE_DISTRUST, backoff_s, credentials_replaced, may_refresh, usable
from connector.domain.identity import ConnectionId
from connector.domain.ports.clock import Clock
from connector.domain.ports.configuration import Connection
from connector.domain.ports.gate import ConnectionPaused, GateError
from connector.domain.ports.quota import Bell
from connector.domain.ports.tokens import NewPair, TokenRow, TokenState, TokenStore, token_key
from connector.domain.ports.vault import TOKEN_FIELD, VaultError
from connector.domain.vendor_error import RateLimited, VendorError, VendorNotReached

REREAD_S = 5.0
"""A cached token is read again after this long even if no bell rang, in case the bell is out of order."""
LATE_ANSWER_S = 300.0
"""How long past its deadline an answer is waited for: a single-use token that comes late is still the only one."""
_STORE_AGAIN_S = 0.05
_NEVER_IDLE_S = 86400.0
"""Exact: refresh at least once a day, an unused refresh token dies after 30."""

log = structlog.get_logger(__name__)

ConnectionLookup = Callable[[ConnectionId], Awaitable[Connection]]


@dataclass(frozen=True, slots=True)
class Token:
    """A token good for calls until `good_until_s` (boot time)."""

    generation: int
    headers: Mapping[str, str] = field(repr=False)
    good_until_s: float
    read_at_s: float
    rings: int


class _TooLate(Exception):
    """More than half of the time for a renewal had passed before it left."""


class TokenKeeper:
    def __init__(
        self,
        *,
        store: TokenStore,
        vault: Vault,
        bell: Bell,
        http: httpx.AsyncClient,
        connections: ConnectionLookup,
        clock: Clock,
        replica: str,
        refresh_deadline_s: float,
    ) -> None:
        self._store = store
        self._vault = vault
        self._bell = bell
        self._http = http
        self._connections = connections
        self._clock = clock
        self._replica = replica
        self._deadline_s = refresh_deadline_s
        self._attempt = itertools.count(1)
        self._cache: dict[ConnectionId, Token] = {}
        self._pumps: dict[ConnectionId, Pump] = {}
        self._locks: dict[ConnectionId, asyncio.Lock] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._not_before: dict[ConnectionId, tuple[int, float]] = {}

    async def close(self) -> None:
        """Finish renewals under way (their answers must be stored), then stop listening."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._deadline_s)
        for task in self._under_way:
            task.cancel()
        for pump in self._pumps.values():
            await pump.close()

    def _pump(self, connection: ConnectionId) -> Pump:
        if connection not in self._pumps:
            self._pumps[connection] = Pump(self._bell, token_key(connection))
        return self._pumps[connection]

    def fresh(self, connection: ConnectionId) -> Token | None:
        """The cached token, where nothing speaks against it: no I/O."""
        token = self._cache.get(connection)
        if token is None:
            return None
        now = self._clock.boot_time_s()
        if (
            now >= token.good_until_s
            or now >= token.read_at_s + REREAD_S
            or token.rings != self._pump(connection).rings
        ):
            return None
        return token

    async def token(self, connection: ConnectionId) -> Token:
        """A valid token, renewed first where that is due. Raises ConnectionPaused or GateError."""
        token = self.fresh(connection)
        if token is not None:
            return token
        async with self._lock(connection):
            return self.fresh(connection) or await self._obtain(connection)

    def _lock(self, connection: ConnectionId) -> asyncio.Lock:
        return self._locks.setdefault(connection, asyncio.Lock())

    async def _obtain(self, connection: ConnectionId, *, even_paused: bool = False) -> Token:
        pump = self._pump(connection)
        auth = auth_of((await self._connections(connection)).system)
        give_up_s = self._clock.boot_time_s() + 2 * self._deadline_s
        while True:
            rings, before_s = pump.rings, self._clock.boot_time_s()
            row = await self._store.read(connection)
            _refuse_if_stopped(row, even_paused=even_paused)
            wait_s = self._unready_s(auth, row)
            if wait_s is None:
                token = self._as_token(connection, auth, row, before_s, rings)
                if row.paused is None:
                    self._cache[connection] = token
                await self._let_it_settle(connection, token)
                return token
            if wait_s == 0.0:
                await self._renew(auth, row)
            elif self._clock.boot_time_s() + wait_s > give_up_s:
                raise GateError(f"{connection}: {_why_no_token(row)}", retry_after_s=wait_s)
            else:
                await pump.wait(min(wait_s, 1.0))

    def _unready_s(self, auth: SystemAuth, row: TokenRow) -> float | None:
        """None: use the stored token. 0: renew now. Else the seconds until either is worth another look."""
        early = self._early(auth, row)
        if may_refresh(row, early=early):
            return 0.0
        overlaps = row.state is TokenState.REFRESHING and not auth.rotating and row.expires_at is not None
        if not early and (usable(row) or (overlaps and row.now < (row.expires_at or row.now))):
            return None
        until = [
            t for t in (row.retry_at, row.not_after if row.state is TokenState.REFRESHING else None) if t is not None
        ]
        if row.state is TokenState.VALID and not early and row.refresh_at is not None:
            until.append(row.refresh_at)
        return max(0.05, (max(until) - row.now).total_seconds()) if until else 1.0

    def _early(self, auth: SystemAuth, row: TokenRow) -> bool:
        """Whether to mint another token though this one's life is not over."""
        return not auth.rotating and (row.refusals > 0 or credentials_replaced(row) or not self._opens(row))

    def _opens(self, row: TokenRow) -> bool:
        try:
            return row.sealed is None or bool(self._vault.open(row.connection, TOKEN_FIELD, row.sealed))
        except VaultError:
            return False

    def _as_token(
        self, connection: ConnectionId, auth: SystemAuth, row: TokenRow, before_s: float, rings: int
    ) -> Token:
        assert row.sealed is not None
        assert row.expires_at is not None
        ends = [row.expires_at]
        ends += [t for t in (row.refresh_at, row.retry_at) if t is not None and t > row.now]
        pair = self._unseal(connection, row)
        good_s = (min(ends) - row.now).total_seconds()
        return Token(row.generation, dict(auth.headers(pair.access_token)), before_s + good_s, before_s, rings)

    async def _let_it_settle(self, connection: ConnectionId, token: Token) -> None:
        """A token just minted was refused: give the vendor the time it asks for before it is tried again."""
        generation, not_before_s = self._not_before.get(connection, (0, 0.0))
        wait_s = not_before_s - self._clock.boot_time_s()
        if generation == token.generation and wait_s > 0:
            await self._clock.sleep(wait_s)

    def _unseal(self, connection: ConnectionId, row: TokenRow) -> Grant:
        assert row.sealed is not None
        pair = orjson.loads(self._vault.open(connection, TOKEN_FIELD, row.sealed))
        life_s = (row.expires_at - row.now).total_seconds() if row.expires_at else 0.0
        return Grant(pair["access_token"], life_s, pair["refresh_token"])

    def seal(self, connection: ConnectionId, auth: SystemAuth, grant: Grant, waited_s: float = 0.0) -> NewPair:
        """A grant, ready to store. The vendor made it at some time in the `waited_s` before now: its life counts from
        the first moment, the time before which it may not be renewed from the last."""
        text = orjson.dumps({"access_token": grant.access_token, "refresh_token": grant.refresh_token}).decode()
        sealed = self._vault.seal(connection, TOKEN_FIELD, text)
        return NewPair(sealed, max(0.0, grant.life_s - waited_s), auth.refresh_after_s(grant.life_s))

    async def _renew(self, auth: SystemAuth, row: TokenRow) -> None:
        """Become the one who renews and see it through, even if the caller gives up; or let the other one do it."""
        holder = f"{self._replica}/{next(self._attempt)}"
        early = self._early(auth, row)
        started_s = self._clock.boot_time_s()
        mine = await self._store.begin_refresh(row.connection, row.generation, holder, self._deadline_s, early=early)
        if mine is None:
            return
        task = asyncio.create_task(self._see_through(auth, mine, holder, started_s), name=f"renew {holder}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait({task}, timeout=self._deadline_s)
        if task.done():
            task.result()

    async def _see_through(self, auth: SystemAuth, row: TokenRow, holder: str, started_s: float) -> None:
        connection, generation = row.connection, row.generation

        async def in_time() -> None:
            if self._clock.boot_time_s() - started_s > self._deadline_s / 2:
                raise _TooLate

        try:
            pair = self._unseal(connection, row) if auth.rotating and row.sealed is not None else None
            settings = (await self._connections(connection)).settings  # read after the mark, so not older than it
            secrets = await self._vault.credentials(connection)
            grant = await auth.renew(
                self._http,
                settings,
                secrets,
                pair,
                deadline_s=self._deadline_s + (LATE_ANSWER_S if auth.rotating else 0.0),
                before_send=in_time,
            )
            await self._keep_safe(connection, auth, generation, grant, started_s)
        except _TooLate:
            await self._store.give_back(connection, generation, holder, retry_after_s=backoff_s(0), tried=False)
        except VendorNotReached as error:
            wait_s = backoff_s(row.attempts)
            await self._store.give_back(connection, generation, holder, retry_after_s=wait_s, reason=error.message)
        except TooEarly as refusal:
            if not await self._keep(auth, row, pair, refusal.kept):
                await self._store.give_back(connection, generation, holder, retry_after_s=_after_too_early_s(row))
        except ChainBroken as refusal:
            if not await self._keep(auth, row, pair, refusal.kept):
                await self._store.fail(connection, generation, holder, TokenState.REAUTHORISE, str(refusal))
        except CredentialsRefused as refusal:
            if not await self._keep(auth, row, pair, refusal.kept):
                await self._store.fail(connection, generation, holder, TokenState.REFUSED, str(refusal))
        except RateLimited as refusal:
            wait_s = max(refusal.retry_after_s or 0.0, backoff_s(row.attempts + 2))
            await self._store.give_back(connection, generation, holder, retry_after_s=wait_s, reason=refusal.message)
        except VendorError as error:
            if auth.rotating:
                await self._store.unanswered(connection, generation, holder, error.message)
            else:
                wait_s = backoff_s(row.attempts)
                await self._store.give_back(connection, generation, holder, retry_after_s=wait_s, reason=error.message)
        except VaultError:  # nothing has left, and whoever repairs it is not kept waiting
            await self._store.give_back(connection, generation, holder, retry_after_s=backoff_s(0), tried=False)
            raise

    async def _keep_safe(
        self, connection: ConnectionId, auth: SystemAuth, generation: int, grant: Grant, started_s: float
    ) -> None:
        """Store a pair that is nowhere but here: a database that is away is waited for while this process lives."""
        pause_s = _STORE_AGAIN_S
        while True:
            waited_s = self._clock.boot_time_s() - started_s
            try:
                await self._store.store(connection, generation, self.seal(connection, auth, grant, waited_s))
            except DATABASE_ERRORS as error:
                log.warning("new token not stored yet", connection=str(connection), error=type(error).__name__)
                await self._clock.sleep(pause_s)
                pause_s = min(1.0, 2 * pause_s)
            else:
                return

    async def _keep(self, auth: SystemAuth, row: TokenRow, pair: Grant | None, kept: Grant | None) -> bool:
        """A refusal that carries a token is not thrown away: it may be the only one that still works."""
        if kept is None:
            return False
        whole = bool(kept.access_token) and kept.life_s > 0
        if not whole:
            if pair is None:
                return False
            kept = replace(pair, refresh_token=kept.refresh_token, life_s=max(0.0, pair.life_s))
        new = self.seal(row.connection, auth, kept)
        if not whole:
            new = replace(new, refresh_after_s=_after_too_early_s(row))
        return await self._store.store(row.connection, row.generation, new)

    async def learn_refusal(self, connection: ConnectionId, token: Token) -> None:
        """A call with this token was answered 401."""
        auth = auth_of((await self._connections(connection)).system)
        row = await self._store.read(connection)
        if row.generation != token.generation:
            self._cache.pop(connection, None)
            return
        age = row.now - row.received_at if row.received_at is not None else timedelta.max
        if not auth.rotating and age < timedelta(seconds=2 * auth.activation_lag_s):
            later_s = self._clock.boot_time_s() + auth.activation_lag_s
            self._not_before[connection] = (token.generation, later_s)
        else:
            await self._store.refused(connection, token.generation)
        self._cache.pop(connection, None)

    async def keep_alive(self) -> list[tuple[ConnectionId, str]]:
        """Renew the tokens of rotating chains that nobody used for a day, also after a renewal without an answer.
        A pause lets no call through, and is no reason to lose the login. Return what failed, in words."""
        failures = []
        for row in await self._store.all():
            if row.received_at is None or not may_refresh(row):
                continue
            if (row.now - row.received_at).total_seconds() < _NEVER_IDLE_S:
                continue
            try:
                if auth_of((await self._connections(row.connection)).system).rotating:
                    async with self._lock(row.connection):
                        await self._obtain(row.connection, even_paused=True)
            except (GateError, VaultError, KeyError) as error:
                failures.append((row.connection, str(error)))
        return failures


def _refuse_if_stopped(row: TokenRow, *, even_paused: bool) -> None:
    if row.paused is not None and not even_paused:
        raise ConnectionPaused(
            f"connection {row.connection} is paused: {row.paused}. Next: see to that, then "
            f"`connector resume {row.connection}`; or log in as another user: `connector authorize {row.connection}`"
        )
    if row.state is TokenState.REAUTHORISE:
        raise ConnectionPaused(
            f"connection {row.connection}: re-authorisation needed ({row.reason}). "
            f"Next: `connector authorize {row.connection}`"
        )
    if row.state is TokenState.REFUSED and not credentials_replaced(row):
        raise ConnectionPaused(
            f"connection {row.connection}: its credentials are refused ({row.reason}). Next: put right secrets or "
            f"settings and run `connector apply`; or put it right at the vendor and run "
            f"`connector resume {row.connection}`"
        )


def _why_no_token(row: TokenRow) -> str:
    why = f" ({row.reason})" if row.reason else ""
    if row.state is TokenState.REFRESHING:
        return f"a renewal of its token is still without an answer that settles it{why}"
    if row.refusals >= REFUSALS_BEFORE_DISTRUST:
        return f"the vendor refuses its access token and gives no new one yet{why}"
    return f"its token endpoint gives no token yet, or asks us to wait{why}"


def _after_too_early_s(row: TokenRow) -> float:
    """A twentieth of the token's life (Exact: 30 s), which is what "too early" can be wrong by at most."""
    start, end = row.received_at, row.expires_at
    life_s = (end - start).total_seconds() if isinstance(start, datetime) and isinstance(end, datetime) else 20.0
    return max(life_s / 20, 0.1)
