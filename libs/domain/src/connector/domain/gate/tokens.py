"""The life of a connection's token as transitions of its row. Stores apply them under the row's lock."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from connector.domain.identity import ConnectionId
from connector.domain.ports.tokens import NewPair, TokenRow, TokenState

REFUSALS_BEFORE_DISTRUST = 2
"""One 401 may be the edge of a token's life; a second one to the same token means that it is worth nothing."""
BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0)
"""Its end leaves a token endpoint that answers nothing of use alone: Exact's takes about 200 calls a day."""

Transition = Callable[[TokenRow], TokenRow | None]
"""The row as it is next; None where it stays as it is."""


def backoff_s(attempts: int) -> float:
    return BACKOFF_S[min(attempts, len(BACKOFF_S) - 1)]


def credentials_replaced(row: TokenRow) -> bool:
    return row.credentials_now > row.credentials_version


def usable(row: TokenRow) -> bool:
    """The stored token may be used for a call now."""
    return (
        row.state is TokenState.VALID
        and row.refusals < REFUSALS_BEFORE_DISTRUST
        and row.expires_at is not None
        and row.now < row.expires_at
    )


def may_refresh(row: TokenRow, *, early: bool = False) -> bool:
    if row.retry_at is not None and row.now < row.retry_at:
        return False
    match row.state:
        case TokenState.NONE:
            return True
        case TokenState.VALID:
            return early or row.refresh_at is None or row.now >= row.refresh_at
        case TokenState.REFRESHING:
            return row.not_after is None or row.now >= row.not_after
        case TokenState.REFUSED:
            return credentials_replaced(row)
        case TokenState.REAUTHORISE:
            return False


def begun(row: TokenRow, generation: int, holder: str, deadline_s: float, *, early: bool) -> TokenRow | None:
    if row.generation != generation or not may_refresh(row, early=early):
        return None
    again = row.state is TokenState.REFRESHING
    return replace(
        row,
        state=TokenState.REFRESHING,
        holder=holder,
        not_after=row.now + timedelta(seconds=deadline_s),
        attempts=row.attempts + 1 if again else row.attempts,
        credentials_version=row.credentials_now,
    )


def stored(row: TokenRow, generation: int, pair: NewPair) -> TokenRow | None:
    """A late answer lifts the mark of a broken chain: it was not broken, so it does not count."""
    if row.generation != generation:
        return None
    lifted = 1 if row.state is TokenState.REAUTHORISE else 0
    return replace(with_pair(row, pair), reauthorisations=row.reauthorisations - lifted)


def with_pair(row: TokenRow, pair: NewPair) -> TokenRow:
    return TokenRow(
        connection=row.connection,
        now=row.now,
        state=TokenState.VALID,
        generation=row.generation + 1,
        sealed=pair.sealed,
        received_at=row.now,
        refresh_at=row.now + timedelta(seconds=pair.refresh_after_s),
        expires_at=row.now + timedelta(seconds=pair.life_s),
        reauthorisations=row.reauthorisations,
        account=row.account,
        paused=row.paused,
        credentials_version=row.credentials_now,
        credentials_now=row.credentials_now,
    )


def _holds(row: TokenRow, generation: int, holder: str) -> bool:
    return row.generation == generation and row.state is TokenState.REFRESHING and row.holder == holder


def given_back(
    row: TokenRow,
    generation: int,
    holder: str,
    retry_after_s: float,
    *,
    tried: bool = True,
    reason: str | None = None,
) -> TokenRow | None:
    if not _holds(row, generation, holder):
        return None
    return replace(
        row,
        state=TokenState.VALID if row.sealed else TokenState.NONE,
        holder=None,
        not_after=None,
        attempts=row.attempts + 1 if tried else row.attempts,
        retry_at=row.now + timedelta(seconds=retry_after_s),
        reason=reason,
    )


def left_open(row: TokenRow, generation: int, holder: str, reason: str) -> TokenRow | None:
    if not _holds(row, generation, holder):
        return None
    assert row.not_after is not None
    wait = timedelta(seconds=backoff_s(row.attempts)) if row.attempts else timedelta()
    return replace(row, retry_at=row.not_after + wait, reason=reason)


def failed(row: TokenRow, generation: int, holder: str, state: TokenState, reason: str) -> TokenRow | None:
    if not _holds(row, generation, holder):
        return None
    again = 1 if state is TokenState.REAUTHORISE else 0
    return replace(
        row, state=state, holder=None, not_after=None, reason=reason, reauthorisations=row.reauthorisations + again
    )


def refused(row: TokenRow, generation: int) -> TokenRow | None:
    return replace(row, refusals=row.refusals + 1) if row.generation == generation else None


class Transitions(ABC):
    """The part of a `TokenStore` that is the same wherever its rows are kept."""

    @abstractmethod
    async def _change(self, connection: ConnectionId, transition: Transition) -> TokenRow | None:
        """Apply the transition under the row's lock and tell every replica; the row as it is then, None where it stays
        as it is."""

    async def begin_refresh(
        self, connection: ConnectionId, generation: int, holder: str, deadline_s: float, *, early: bool = False
    ) -> TokenRow | None:
        return await self._change(connection, lambda row: begun(row, generation, holder, deadline_s, early=early))

    async def store(self, connection: ConnectionId, generation: int, pair: NewPair) -> bool:
        return await self._change(connection, lambda row: stored(row, generation, pair)) is not None

    async def adopt(self, connection: ConnectionId, pair: NewPair) -> int:
        after = await self._change(connection, lambda row: with_pair(row, pair))
        assert after is not None
        return after.generation

    async def give_back(
        self,
        connection: ConnectionId,
        generation: int,
        holder: str,
        *,
        retry_after_s: float,
        tried: bool = True,
        reason: str | None = None,
    ) -> None:
        await self._change(
            connection, lambda row: given_back(row, generation, holder, retry_after_s, tried=tried, reason=reason)
        )

    async def unanswered(self, connection: ConnectionId, generation: int, holder: str, reason: str) -> None:
        await self._change(connection, lambda row: left_open(row, generation, holder, reason))

    async def fail(
        self, connection: ConnectionId, generation: int, holder: str, state: TokenState, reason: str
    ) -> bool:
        change = await self._change(connection, lambda row: failed(row, generation, holder, state, reason))
        return change is not None

    async def refused(self, connection: ConnectionId, generation: int) -> int:
        after = await self._change(connection, lambda row: refused(row, generation))
        return after.refusals if after is not None else 0

    async def pause(self, connection: ConnectionId, reason: str | None) -> None:
        await self._change(connection, lambda row: replace(row, paused=reason))

    async def remember_account(self, connection: ConnectionId, account: str) -> None:
        await self._change(connection, lambda row: replace(row, account=account))
