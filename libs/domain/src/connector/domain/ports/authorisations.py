"""Logins under way: each is bound to one connection and one browser, expires, and counts once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from connector.domain.identity import ConnectionId


class Refusal(StrEnum):
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    USED = "used"
    OTHER_BROWSER = "other-browser"


@dataclass(frozen=True, slots=True)
class Login:
    connection: ConnectionId
    redirect_uri: str


class AuthorisationStore(Protocol):
    """Knows invitations, states and browsers by their digests only."""

    async def invite(self, connection: ConnectionId, invitation: str, redirect_uri: str, life_s: float) -> None: ...

    async def start(self, invitation: str, state: str, browser: str) -> Login | Refusal:
        """Bind the invitation to a browser; a second start replaces the first, as long as none has finished."""
        ...

    async def finish(self, state: str, browser: str) -> Login | Refusal:
        """Take the state for good: whatever comes of it, it never counts again."""
        ...
