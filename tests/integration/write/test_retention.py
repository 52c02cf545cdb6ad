"""Audit partitions on a real PostgreSQL."""

from datetime import UTC, date, datetime

from sqlalchemy import text

from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.retention import AuditRetention

_TELL = text(
    "insert into audit (tenant, at, flow, entity, native_id, event, actor, detail)"
    " values ('acme', :at, 'f', 'invoice', '1', 'synced', 'connector', '{}')"
)


async def test_old_months_are_dropped_whole_and_later_ones_stay(database_url: str) -> None:
    pool = engine(database_url)
    retention = AuditRetention(pool)
    assert await retention.prepare(date(2025, 11, 20)) == ["audit_2025_12", "audit_2026_01", "audit_2026_02"]
    assert await retention.prepare(date(2025, 12, 1)) == ["audit_2026_03"]
    instants = [
        datetime(2025, 11, 3, tzinfo=UTC),
        datetime(2025, 12, 31, 23, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
    async with pool.begin() as db:
        for at in instants:
            await db.execute(_TELL, {"at": at})
    assert await retention.drop_before(date(2026, 1, 1)) == ["audit_2025_12"]
    async with pool.begin() as db:
        assert list((await db.execute(text("select at from audit"))).scalars()) == instants[2:]
    await pool.dispose()
