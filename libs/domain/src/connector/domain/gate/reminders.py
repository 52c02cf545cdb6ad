"""Which tokens people must be told of, and in what words."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from connector.domain.identity import ConnectionId
from connector.domain.ports.reminders import ReminderKind
from connector.domain.ports.tokens import TokenRow, TokenState

UNUSED_LIFE = timedelta(days=30)
"""Exact: an unused refresh token dies after 30 days."""
REMIND_BEFORE = timedelta(days=5)


def token_reminders(row: TokenRow, *, rotating: bool) -> Iterator[tuple[ConnectionId, ReminderKind, dict[str, Any]]]:
    """The reminders that one connection's token calls for now."""
    if row.state in (TokenState.REAUTHORISE, TokenState.REFUSED) or row.paused is not None:
        login = row.state is TokenState.REAUTHORISE
        step = f"connector authorize {row.connection}" if login else "connector status"
        reason = row.paused or row.reason or "no reason was given"
        yield (
            row.connection,
            ReminderKind.CONNECTION_PAUSED,
            {"connection": str(row.connection), "reason": reason, "next_step": step},
        )
    elif rotating and row.received_at is not None:
        age = row.now - row.received_at
        if age >= UNUSED_LIFE - REMIND_BEFORE:
            yield (
                row.connection,
                ReminderKind.AUTHORISATION_EXPIRES,
                {
                    "connection": str(row.connection),
                    "unused_days": age.days,
                    "expires_at": (row.received_at + UNUSED_LIFE).isoformat(),
                    "next_step": f"connector authorize {row.connection}",
                },
            )
