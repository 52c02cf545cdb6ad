"""What people are told once a day at most: over the console, as metrics, and as signed outgoing webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from connector.domain.identity import ConnectionId


class ReminderKind(StrEnum):
    """The `type` of an outgoing webhook."""

    AUTHORISATION_EXPIRES = "authorisation.expires"
    CONNECTION_PAUSED = "connection.paused"
    RECORDS_BLOCKED = "records.blocked"


@dataclass(frozen=True, slots=True)
class Reminder:
    """One message about one connection. `id` is the webhook's id: the same over all attempts."""

    id: str
    connection: ConnectionId
    kind: ReminderKind
    payload: Mapping[str, Any]
    attempts: int = 0
    error: str | None = None


class ReminderStore(Protocol):
    async def note(self, connection: ConnectionId, kind: ReminderKind, payload: Mapping[str, Any]) -> bool:
        """Note a reminder for today; True where it is today's first. A later one of the same day only brings the
        payload up to date while it is not delivered yet."""
        ...

    async def claim(self, limit: int, lease_s: float) -> Sequence[Reminder]:
        """Due reminders, for this caller alone until the lease ends."""
        ...

    async def delivered(self, reminder: Reminder) -> None: ...

    async def failed(self, reminder: Reminder, error: str, retry_after_s: float | None) -> None:
        """Try again after that time; None gives it up (it stays visible)."""
        ...

    async def of_today(self, tenant: str) -> Sequence[Reminder]:
        """For status and metrics, delivered or not."""
        ...
