"""What grows is kept for a time: audit in monthly partitions, dropped whole; calls and answers of a day row by row once
they are over."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(3, 1)")
_PARTITIONS = text("select relid::regclass::text from pg_partition_tree('audit') where isleaf")

_FORGET_CALLS = text(
    """
    with over as (
        select c.tenant, c.call_id from call c
         where c.not_after < :before
           and not exists (select from call_item i
                            where (i.tenant, i.call_id) = (c.tenant, c.call_id)
                              and (i.outcome is null or i.outcome = 'unknown'))
         limit :limit),
    items as (
        delete from call_item i using over where (i.tenant, i.call_id) = (over.tenant, over.call_id))
    delete from call c using over where (c.tenant, c.call_id) = (over.tenant, over.call_id)
    """
)
_FORGET_ANSWERS = text(
    """
    with over as (
        select r.tenant, r.connection, r.kind, r.code from reference r
         where r.kind = any(cast(:kinds as text[])) and r.as_of < :before
           and not exists (select from wait w
                            where w.tenant = r.tenant
                              and w.key = 'reference:' || r.tenant || '/' || r.connection || '/' || r.kind
                                          || '/' || r.code)
         limit :limit)
    delete from reference r using over
     where (r.tenant, r.connection, r.kind, r.code) = (over.tenant, over.connection, over.kind, over.code)
       and r.as_of < :before
    """
)
_AT_ONCE = 5000


async def forget_calls(engine: AsyncEngine, before: datetime) -> int:
    """Delete calls of before an instant whose outcome is known for every record; how many. Their story is the audit's.

    A call that nobody has resolved yet stays, however old: its record may not be written again without it.
    """
    return await _forget(engine, _FORGET_CALLS, {"before": before})


async def forget_answers(engine: AsyncEngine, kinds: Collection[str], before: datetime) -> int:
    """Delete references of these kinds that were read before an instant; how many. One that is asked for again is read
    again. What a row waits for, or is blocked by, stays: it is woken when the answer becomes another one."""
    return await _forget(engine, _FORGET_ANSWERS, {"kinds": sorted(kinds), "before": before})


async def _forget(engine: AsyncEngine, statement: TextClause, given: Mapping[str, object]) -> int:
    forgotten = 0
    while True:
        async with engine.begin() as db:
            count = (await db.execute(statement, {**given, "limit": _AT_ONCE})).rowcount
        forgotten += count
        if count < _AT_ONCE:
            return forgotten


class AuditRetention:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def prepare(self, today: date, months: int = 3) -> list[str]:
        """Make the partitions of the months after this one; returns the new ones.

        What is told before a month has its own partition lies in `audit_default`, so only later months get one.
        """
        made: list[str] = []
        async with self._engine.begin() as db:
            await db.execute(_ONE_AT_A_TIME)
            there = set((await db.execute(_PARTITIONS)).scalars())
            for ahead in range(1, months + 1):
                first, following = _month(today, ahead), _month(today, ahead + 1)
                name = f"audit_{first:%Y_%m}"
                if name not in there:
                    bounds = f"from ('{first:%Y-%m-%d} 00:00:00+00') to ('{following:%Y-%m-%d} 00:00:00+00')"
                    await db.execute(text(f"create table {name} partition of audit for values {bounds}"))
                    made.append(name)
        return made

    async def drop_before(self, day: date) -> list[str]:
        """Drop the partitions that lie wholly before a day, and what the default one holds from before it."""
        dropped: list[str] = []
        async with self._engine.begin() as db:
            await db.execute(_ONE_AT_A_TIME)
            for name in sorted((await db.execute(_PARTITIONS)).scalars()):
                if name != "audit_default" and _month(_first_of(name), 1) <= day:
                    await db.execute(text(f"drop table {name}"))
                    dropped.append(name)
            before = datetime(day.year, day.month, day.day, tzinfo=UTC)
            await db.execute(text("set local connector.retention = 'on'"))
            await db.execute(text("delete from audit_default where at < :before"), {"before": before})
        return dropped


def _month(day: date, ahead: int) -> date:
    months = day.year * 12 + day.month - 1 + ahead
    return date(months // 12, months % 12 + 1, 1)


def _first_of(partition: str) -> date:
    return datetime.strptime(f"{partition} 1", "audit_%Y_%m %d").replace(tzinfo=UTC).date()
