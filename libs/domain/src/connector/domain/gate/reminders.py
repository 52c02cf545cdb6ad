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


def token_reminders(
    row: TokenRow, *, rotating: bool, paused: str | None = None
) -> Iterator[tuple[ConnectionId, ReminderKind, dict[str, Any]]]:
    """The reminders that one connection calls for now; `paused` is the reason for which a person stopped it."""
    reason = _stopped(row, paused)
    if reason is not None:
        yield (
            row.connection,
            ReminderKind.CONNECTION_PAUSED,
            {"connection": str(row.connection), "reason": reason, "next_step": _next_step(row, paused)},
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


def _stopped(row: TokenRow, paused: str | None) -> str | None:
    refused = row.state in (TokenState.REAUTHORISE, TokenState.REFUSED)
    return paused or row.paused or ((row.reason or "no reason was given") if refused else None)


def _next_step(row: TokenRow, paused: str | None) -> str:
    """Refused credentials too are tried again by a resume, once what the reason names is put right."""
    login = row.state is TokenState.REAUTHORISE and not (paused or row.paused)
    return f"connector {'authorize' if login else 'resume'} {row.connection}"
