"""The life of a connection's token as transitions of its row. Stores apply them under the row's lock."""

from dataclasses import replace
from datetime import timedelta

from connector.domain.ports.tokens import NewPair, TokenRow, TokenState

REFUSALS_BEFORE_DISTRUST = 2
"""One 401 may be the edge of a token's life; a second one to the same token means that it is worth nothing."""
BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)


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
    if row.generation != generation or row.paused is not None or not may_refresh(row, early=early):
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
    row: TokenRow, generation: int, holder: str, retry_after_s: float, *, tried: bool = True
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
