"""LISTEN/NOTIFY as a wake-up, never as a carrier: a lost notification costs a time-out, not a record."""

import asyncio
import contextlib
from collections import defaultdict

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL = "connector"
_RECONNECT_S = 0.5


async def notify(db: AsyncConnection, key: str) -> None:
    """Wake whoever waits for `key`, in any process, when this transaction commits."""
    await db.execute(text("select pg_notify(:channel, :key)"), {"channel": CHANNEL, "key": key})


class Listener:
    """One connection a process that listens for all keys; `wait` returns on a notification or after the time-out.

    A notification that comes while nobody waits for its key is kept for the next wait, so that none is missed between
    looking and waiting. While the database is away, waits just time out.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def wait(self, key: str, timeout_s: float) -> None:
        event = self._events[key]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await event.wait()
        event.clear()

    async def run(self) -> None:
        """Listen until cancelled; reconnects, and wakes everybody then, since notifications were missed."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    for event in self._events.values():
                        event.set()
                    async for notification in connection.notifies():
                        self._events[notification.payload].set()
            except psycopg.OperationalError:
                await asyncio.sleep(_RECONNECT_S)
