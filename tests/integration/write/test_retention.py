"""Audit partitions on a real PostgreSQL."""

from datetime import UTC, date, datetime

from sqlalchemy import text

from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.retention import AuditRetention, forget_calls

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


_CALL = text(
    "insert into call (tenant, call_id, connection, epoch, method, resource, opened_at, not_after)"
    " values ('acme', :id, 'shop', 1, 'POST', 'orders', :at, :at)"
)
_ITEM = text(
    "insert into call_item (tenant, call_id, flow, entity, native_id, part, step, creates, outcome)"
    " values ('acme', :id, 'f', 'invoice', :native, 'p', 'create', true, :outcome)"
)


async def test_old_calls_are_forgotten_but_never_one_that_nobody_has_resolved(database_url: str) -> None:
    pool = engine(database_url)
    old, new = datetime(2025, 11, 3, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    calls: dict[str, tuple[datetime, list[str | None]]] = {
        "over": (old, ["done"]),
        "half": (old, ["done", "unknown"]),
        "open": (old, [None]),
        "new": (new, ["done"]),
    }
    async with pool.begin() as db:
        for name, (at, outcomes) in calls.items():
            await db.execute(_CALL, {"id": name, "at": at})
            for native, outcome in enumerate(outcomes):
                await db.execute(_ITEM, {"id": name, "native": str(native), "outcome": outcome})
    assert await forget_calls(pool, datetime(2026, 1, 1, tzinfo=UTC)) == 1
    async with pool.begin() as db:
        assert set((await db.execute(text("select call_id from call_item"))).scalars()) == {"half", "open", "new"}
        assert set((await db.execute(text("select call_id from call"))).scalars()) == {"half", "open", "new"}
    await pool.dispose()
