"""Who may act for a connection: one holder a role, replaced by raising the epoch, never by trusting a clock."""

from dataclasses import dataclass
from typing import Protocol

from connector.domain.identity import ConnectionId, Role

EPOCH_TTL_S = 15.0
"""A holder that was not heard of for this long may be replaced."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to act for a connection until somebody raises the epoch."""

    connection: ConnectionId
    role: Role
    epoch: int
    holder: str


def place_of(holder: str) -> str:
    """Where a holder, `<place>/<process>`, runs: a replica's name, which its next process takes over. Empty where it
    has none."""
    return holder.rpartition("/")[0]


class EpochLost(Exception):
    """Another replica acts for this connection now: nothing was changed, and nothing may be any more."""


class Epochs(Protocol):
    """Every change elsewhere checks the epoch in its own transaction, so that a revived replica changes nothing."""

    async def take(
        self, connection: ConnectionId, role: Role, holder: str, ttl_s: float = EPOCH_TTL_S, *, anew: bool = False
    ) -> Hold | None:
        """Raise the epoch and hold it, or None while another's hold has not expired (by the database's clock).

        `anew` says that this process has just begun, so that whoever held it at the same place is gone, or is shut out
        by the new epoch, and its hold need not be waited for."""
        ...

    async def renew(self, hold: Hold, ttl_s: float = EPOCH_TTL_S) -> None:
        """Hold on for another `ttl_s` seconds; raises EpochLost."""
        ...

    async def release(self, hold: Hold) -> None:
        """Let the next one in at once; no error where the epoch is lost already."""
        ...
