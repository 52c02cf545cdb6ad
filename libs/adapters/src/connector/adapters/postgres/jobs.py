"""`Jobs` on PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import ConnectionId, Role
from connector.domain.ports.jobs import Job, JobState
from connector.domain.ports.source import JobKind

from .epochs import require_epoch
from .notify import notify
from .source_keys import CLASSES

_ENSURE = text(
    """
    insert into job as j (tenant, connection, kind, every_s, class, due, finished_at)
    select :tenant, :connection, k.kind, k.every_s, k.class,
           case when k.at_start then now() end, case when k.at_start then null else now() end
      from unnest(cast(:kinds as text[]), cast(:every as double precision[]), cast(:classes as smallint[]),
                  cast(:at_start as boolean[])) as k(kind, every_s, class, at_start)
    on conflict (tenant, connection, kind) do update
       set every_s = excluded.every_s, class = excluded.class
     where j.every_s <> excluded.every_s or j.class <> excluded.class
    """
)

_CLAIM = text(
    """
    with picked as (
        select kind from job
         where tenant = :tenant and connection = :connection and due <= clock_timestamp()
           and claimed_epoch is distinct from :epoch
         order by class, due limit 1)
    update job j set claimed_epoch = :epoch from picked p
     where j.tenant = :tenant and j.connection = :connection and j.kind = p.kind
    returning j.kind, j.cursor, j.class, j.attempts
    """
)


class PostgresJobs:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ensure(self, connection: ConnectionId, kinds: Sequence[JobKind]) -> None:
        async with self._engine.begin() as db:
            await db.execute(
                _ENSURE,
                _at(connection)
                | {
                    "kinds": [kind.name for kind in kinds],
                    "every": [kind.every.total_seconds() for kind in kinds],
                    "classes": [CLASSES.index(kind.traffic) for kind in kinds],
                    "at_start": [kind.at_start for kind in kinds],
                },
            )
            await db.execute(
                text("delete from job where tenant = :tenant and connection = :connection and kind <> all(:kinds)"),
                _at(connection) | {"kinds": [kind.name for kind in kinds]},
            )
            await notify(db, f"read/{connection}")

    async def schedule(self) -> int:
        async with self._engine.begin() as db:
            due = await db.execute(
                text(
                    """
                    update job set due = clock_timestamp()
                     where due is null and finished_at + make_interval(secs => every_s) <= clock_timestamp()
                    returning tenant, connection
                    """
                )
            )
            rows = due.all()
            for tenant, connection in sorted({(row.tenant, row.connection) for row in rows}):
                await notify(db, f"read/{tenant}/{connection}")
            return len(rows)

    async def request(self, connection: ConnectionId, kind: str, *, cursor: str | None = None) -> bool:
        async with self._engine.begin() as db:
            result = await db.execute(
                text(
                    "update job set due = clock_timestamp(), attempts = 0, cursor = coalesce(:cursor, cursor)"
                    " where tenant = :tenant and connection = :connection and kind = :kind"
                ),
                _at(connection) | {"kind": kind, "cursor": cursor},
            )
            await notify(db, f"read/{connection}")
            return result.rowcount == 1

    async def hurry(self, connection: ConnectionId) -> None:
        async with self._engine.begin() as db:
            await db.execute(
                text(
                    "update job set due = clock_timestamp()"
                    " where tenant = :tenant and connection = :connection and due > clock_timestamp()"
                ),
                _at(connection),
            )
            await notify(db, f"read/{connection}")

    async def claim(self, connection: ConnectionId, epoch: int) -> Job | None:
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            row = (await db.execute(_CLAIM, _at(connection) | {"epoch": epoch})).first()
            return None if row is None else Job(connection, row[0], row[1], CLASSES[row[2]], row[3])

    async def advance(self, connection: ConnectionId, epoch: int, kind: str, cursor: str | None) -> None:
        await self._change(connection, epoch, kind, "cursor = :cursor", {"cursor": cursor})

    async def restart(self, connection: ConnectionId, epoch: int, kinds: Sequence[str]) -> None:
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            await db.execute(
                text(
                    "update job set cursor = null, due = clock_timestamp()"
                    " where tenant = :tenant and connection = :connection and kind = any(:kinds)"
                ),
                _at(connection) | {"kinds": list(kinds)},
            )

    async def finish(self, connection: ConnectionId, epoch: int, kind: str) -> None:
        change = "claimed_epoch = null, due = null, finished_at = clock_timestamp(), attempts = 0, error = null"
        await self._change(connection, epoch, kind, change, {})

    async def fail(self, connection: ConnectionId, epoch: int, kind: str, message: str, retry_in_s: float) -> None:
        change = (
            "claimed_epoch = null, due = clock_timestamp() + make_interval(secs => :retry_in),"
            " attempts = attempts + 1, error = :message"
        )
        await self._change(connection, epoch, kind, change, {"retry_in": retry_in_s, "message": message[:2000]})

    async def _change(
        self, connection: ConnectionId, epoch: int, kind: str, change: str, values: dict[str, Any]
    ) -> None:
        async with self._engine.begin() as db:
            await require_epoch(db, connection, Role.READ, epoch)
            await db.execute(
                text(
                    f"update job set {change} where tenant = :tenant and connection = :connection"  # noqa: S608
                    " and kind = :kind and claimed_epoch = :epoch"
                ),
                _at(connection) | {"kind": kind, "epoch": epoch} | values,
            )

    async def states(self, connection: ConnectionId) -> Sequence[JobState]:
        async with self._engine.begin() as db:
            rows = await db.execute(
                text(
                    "select kind, due, finished_at, attempts, error from job"
                    " where tenant = :tenant and connection = :connection order by kind"
                ),
                _at(connection),
            )
            return [JobState(*row) for row in rows]


def _at(connection: ConnectionId) -> dict[str, Any]:
    return {"tenant": connection.tenant, "connection": connection.connection}
