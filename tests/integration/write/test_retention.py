"""What is let go once it is old, on a real PostgreSQL."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.retention import AuditRetention, forget_answers, forget_calls
from connector.adapters.systems import answers_of_a_day
from connector.adapters.systems.exact.payees import KIND
from connector.domain.identity import ConnectionId
from connector.domain.ports.references import ReferenceKey

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


@pytest.mark.parametrize(
    "change", ["update audit set actor = 'nobody'", "delete from audit", "delete from audit_default"]
)
async def test_what_was_told_is_neither_changed_nor_taken_back(database_url: str, change: str) -> None:
    pool = engine(database_url)
    async with pool.begin() as db:
        await db.execute(_TELL, {"at": datetime(2025, 11, 3, tzinfo=UTC)})
    with pytest.raises(DBAPIError, match="only added to"):
        async with pool.begin() as db:
            await db.execute(text(change))
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


_REFERENCE = text(
    "insert into reference (tenant, connection, kind, code, version, as_of, body)"
    " values ('acme', 'exact', :kind, :code, 'v', :at, '{}')"
)
_WAIT = text("insert into wait (tenant, key, flow, entity, native_id) values (:tenant, :key, 'f', 'invoice', '1')")


def key_of(code: str) -> str:
    return str(ReferenceKey(ConnectionId("acme", "exact"), KIND, code))


async def test_old_answers_of_a_day_are_forgotten_but_none_that_a_row_waits_for(database_url: str) -> None:
    pool = engine(database_url)
    old, new = datetime(2025, 12, 20, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    rows = [
        (KIND, "2025-12-20/a/4300/k:h", old),
        (KIND, "2025-12-20/b/6789/k:h", old),
        (KIND, "2025-12-20/read-again/6789/k:h", new),
        ("gl-account", "4000", old),
    ]
    async with pool.begin() as db:
        for kind, code, at in rows:
            await db.execute(_REFERENCE, {"kind": kind, "code": code, "at": at})
        await db.execute(_WAIT, {"tenant": "acme", "key": key_of(rows[1][1])})
        await db.execute(_WAIT, {"tenant": "other", "key": key_of(rows[0][1])})
    assert await forget_answers(pool, answers_of_a_day(), datetime(2026, 1, 1, tzinfo=UTC)) == 1
    async with pool.begin() as db:
        left = set((await db.execute(text("select code from reference"))).scalars())
    assert left == {code for _, code, _ in rows[1:]}
    await pool.dispose()
