"""`QuotaStore` on PostgreSQL: one row a connection, locked, a transition of the domain applied."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.gate import quota
from connector.domain.gate.quota import QuotaState
from connector.domain.identity import ConnectionId
from connector.domain.ports.quota import Answer, Ask, QuotaRules, QuotaStatus, Settlement, bell_key

from .notify import CHANNEL

Result = TypeVar("Result")

_READ = text(
    "select cast(state as text), extract(epoch from clock_timestamp())::float8 from quota "
    "where tenant = :tenant and connection = :connection for update"
)
_CREATE = text(
    "insert into quota (tenant, connection, state) values (:tenant, :connection, '{}') on conflict do nothing"
)
_WRITE = text("update quota set state = cast(:state as jsonb) where tenant = :tenant and connection = :connection")
_WRITE_AND_RING = text(
    "with written as (update quota set state = cast(:state as jsonb)"
    " where tenant = :tenant and connection = :connection) select pg_notify(:channel, :bell)"
)


class PostgresQuotaStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def _change(
        self, connection: ConnectionId, transition: Callable[[QuotaState, float], Result], *, ring: bool
    ) -> Result:
        key = {"tenant": connection.tenant, "connection": connection.connection}
        async with self._engine.begin() as db:
            row = (await db.execute(_READ, key)).one_or_none()
            if row is None:
                await db.execute(_CREATE, key)
                row = (await db.execute(_READ, key)).one()
            state = QuotaState.model_validate_json(row[0])
            result = transition(state, row[1])
            values = {**key, "state": state.model_dump_json()}
            if ring:
                await db.execute(_WRITE_AND_RING, {**values, "channel": CHANNEL, "bell": bell_key(connection)})
            else:
                await db.execute(_WRITE, values)
        return result

    async def ask(self, connection: ConnectionId, rules: QuotaRules, ask: Ask) -> Answer:
        return await self._change(connection, lambda state, now: quota.ask(state, rules, ask, now), ring=False)

    async def settle(self, connection: ConnectionId, rules: QuotaRules, settlement: Settlement) -> float:
        def transition(state: QuotaState, now: float) -> float:
            quota.settle(state, rules, settlement, now)
            return now

        return await self._change(connection, transition, ring=settlement.urgent)

    async def status(self, connection: ConnectionId, rules: QuotaRules) -> QuotaStatus:
        key = {"tenant": connection.tenant, "connection": connection.connection}
        query = text(
            "select (select cast(state as text) from quota where tenant = :tenant and connection = :connection),"
            " extract(epoch from clock_timestamp())::float8"
        )
        async with self._engine.connect() as db:
            row = (await db.execute(query, key)).one()
        return quota.status(QuotaState.model_validate_json(row[0] or "{}"), rules, row[1])
