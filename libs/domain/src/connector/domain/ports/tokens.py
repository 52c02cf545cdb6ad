"""A connection's token: who may renew it, when, and what became of it. No transaction stays open across HTTP."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from connector.domain.identity import ConnectionId
from connector.domain.ports.vault import Sealed


class TokenState(StrEnum):
    NONE = "none"
    """Never minted or granted."""
    VALID = "valid"
    REFRESHING = "refreshing"
    """Somebody asked the vendor and has until `not_after` to say what became of it."""
    REAUTHORISE = "reauthorise"
    """The chain is broken: a person must log in. `reason` says why."""
    REFUSED = "refused"
    """The vendor refuses our credentials: nothing is tried until they, or the connection's settings, are replaced, or
    a person resumes it."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """All instants are the database's; `now` is its time when the row was read.

    `generation` rises with each pair stored. Before `refresh_at` the vendor refuses a renewal, from then on the next
    call makes one. `retry_at` is when a failed renewal may be tried again. `refusals` counts answers of 401 to this
    generation. `account` is the vendor's current one of the login (Exact: its CurrentDivision), not the one we use.
    `credentials_version` is what the credentials were when the row was written, `credentials_now` what they are: it
    rises too where the same ones are to be tried anew.
    """

    connection: ConnectionId
    now: datetime
    state: TokenState = TokenState.NONE
    generation: int = 0
    sealed: Sealed | None = None
    received_at: datetime | None = None
    refresh_at: datetime | None = None
    expires_at: datetime | None = None
    not_after: datetime | None = None
    retry_at: datetime | None = None
    attempts: int = 0
    refusals: int = 0
    holder: str | None = None
    reason: str | None = None
    reauthorisations: int = 0
    account: str | None = None
    paused: str | None = None
    credentials_version: int = 0
    credentials_now: int = 0


@dataclass(frozen=True, slots=True)
class NewPair:
    """What a vendor gave, ready to store."""

    sealed: Sealed
    life_s: float
    refresh_after_s: float


class TokenStore(Protocol):
    """Each method is one transaction that locks the connection's row and tells all replicas of a change."""

    async def read(self, connection: ConnectionId) -> TokenRow: ...

    async def begin_refresh(
        self, connection: ConnectionId, generation: int, holder: str, deadline_s: float, *, early: bool = False
    ) -> TokenRow | None:
        """Become the one who renews: None where somebody else is, or did, or may not yet.

        `early` is for tokens that the vendor mints anew at any time and that a 401 has just refused.
        """
        ...

    async def store(self, connection: ConnectionId, generation: int, pair: NewPair) -> bool:
        """Store the answer to the renewal of `generation`, also a late one; False where a newer pair is there."""
        ...

    async def adopt(self, connection: ConnectionId, pair: NewPair) -> int:
        """Store a pair that a person's login gave; lifts every mark. Return the new generation."""
        ...

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
        """The renewal did not happen (nothing left, or the vendor said "too early"): the old pair stays in force.

        `tried` is False where it was given up before anything left: that says nothing of the vendor.
        """
        ...

    async def unanswered(self, connection: ConnectionId, generation: int, holder: str, reason: str) -> None:
        """Nobody knows what the vendor did: the mark stays until its not_after, then the stored pair is tried."""
        ...

    async def fail(
        self, connection: ConnectionId, generation: int, holder: str, state: TokenState, reason: str
    ) -> bool:
        """The vendor refused for good (REAUTHORISE or REFUSED); False where that is no longer this holder's to say."""
        ...

    async def refused(self, connection: ConnectionId, generation: int) -> int:
        """An answer of 401 came to a call with this generation's token; return how many have."""
        ...

    async def pause(self, connection: ConnectionId, reason: str | None) -> None:
        """Let no call through, for this reason (None: again); renewals go on, so that a login outlives the pause."""
        ...

    async def remember_account(self, connection: ConnectionId, account: str) -> None:
        """Which account the vendor showed as the login's current one."""
        ...

    async def all(self, tenant: str | None = None) -> list[TokenRow]:
        """Every connection's row, without secrets: for status, keep-alive and reminders."""
        ...


def token_key(connection: ConnectionId) -> str:
    """The bell's key that rings when a connection's token or credentials changed."""
    return f"token:{connection}"
