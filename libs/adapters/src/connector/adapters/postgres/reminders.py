"""`ReminderStore` on PostgreSQL."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import ConnectionId
from connector.domain.ports.reminders import Reminder, ReminderKind

_NOTE = text(
    """
    insert into reminder as r (tenant, connection, kind, day, id, payload, due)
    values (:tenant, :connection, :kind, (now() at time zone 'utc')::date, :id, cast(:payload as jsonb), now())
    on conflict (tenant, connection, kind, day) do update
       set payload = case when r.delivered_at is null and r.attempts = 0 then excluded.payload else r.payload end
    returning (xmax = 0) as first
    """
)
_CLAIM = text(
    """
    update reminder r set due = now() + make_interval(secs => :lease_s), attempts = attempts + 1
      from (select id from reminder where delivered_at is null and due <= now()
             order by due limit :limit for update skip locked) due
     where r.id = due.id
    returning r.tenant, r.connection, r.kind, r.id, r.payload, r.attempts, r.error
    """
)
_FAILED = text(
    """
    update reminder set error = :error,
           due = case when cast(:retry_after_s as float8) is null then 'infinity'
                      else now() + make_interval(secs => :retry_after_s) end
     where id = :id
    """
)


def _reminder(row: Row[tuple[object, ...]]) -> Reminder:
    return Reminder(
        row.id, ConnectionId(row.tenant, row.connection), ReminderKind(row.kind), row.payload, row.attempts, row.error
    )


class PostgresReminderStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def note(self, connection: ConnectionId, kind: ReminderKind, payload: Mapping[str, Any]) -> bool:
        values = {
            "tenant": connection.tenant,
            "connection": connection.connection,
            "kind": kind.value,
            "id": f"msg_{uuid.uuid4().hex}",
            "payload": orjson.dumps(payload).decode(),
        }
        async with self._engine.begin() as db:
            return bool((await db.execute(_NOTE, values)).scalar_one())

    async def claim(self, limit: int, lease_s: float) -> Sequence[Reminder]:
        async with self._engine.begin() as db:
            return [_reminder(row) for row in await db.execute(_CLAIM, {"limit": limit, "lease_s": lease_s})]

    async def delivered(self, reminder: Reminder) -> None:
        async with self._engine.begin() as db:
            await db.execute(
                text("update reminder set delivered_at = now(), error = null where id = :id"), {"id": reminder.id}
            )

    async def failed(self, reminder: Reminder, error: str, retry_after_s: float | None) -> None:
        async with self._engine.begin() as db:
            await db.execute(_FAILED, {"id": reminder.id, "error": error, "retry_after_s": retry_after_s})

    async def of_today(self, tenant: str) -> Sequence[Reminder]:
        query = text(
            "select tenant, connection, kind, id, payload, attempts, error from reminder where tenant = :tenant"
            " and day = (now() at time zone 'utc')::date order by kind, connection"
        )
        async with self._engine.connect() as db:
            return [_reminder(row) for row in await db.execute(query, {"tenant": tenant})]
