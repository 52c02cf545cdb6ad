"""`Answers` on PostgreSQL."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId
from connector.domain.ports.answers import DueAnswer, Told, story
from connector.domain.ports.epochs import Hold
from connector.domain.ports.target import NotSent
from connector.domain.reasons import Reason
from connector.domain.sync.states import State

from .epochs import require_epoch
from .notify import Listener

_CLAIM = text(
    """
    select entity, native_id, round, flow, verdict, reasons, target, attempts, tries, request_id,
           extract(epoch from not_after - clock_timestamp()) as not_after_in_s
      from feedback
     where tenant = :tenant and source_connection = :connection and due <= clock_timestamp()
     order by due, native_id, round limit :limit
    """
)
_NEXT_DUE = text(
    """
    select extract(epoch from min(due) - clock_timestamp()) from feedback
     where tenant = :tenant and source_connection = :connection and due is not null
    """
)
_OPEN = text(
    """
    update feedback
       set not_after = clock_timestamp() + make_interval(secs => :deadline),
           opened_at = coalesce(opened_at, clock_timestamp())
     where tenant = :tenant and source_connection = :connection and entity = :entity and native_id = :native_id
       and round = :round
       and (opened_at is not null or (
            verdict = :verdict and target = cast(:target as jsonb)
            and not exists (select from desired
                             where tenant = :tenant and flow = :flow and entity = :entity and native_id = :native_id
                               and state <> :verdict)))
    """
)
_SETTLE = text(
    """
    update feedback
       set due = clock_timestamp() + make_interval(secs => cast(:due_in_s as double precision)),
           attempts = :attempts, tries = :refused, request_id = :request_id, ended = cast(:ended as text),
           detail = :detail,
           answered_at = case when cast(:ended as text) is null then null else clock_timestamp() end,
           not_after = case when :still_out then not_after end
     where tenant = :tenant and source_connection = :connection and entity = :entity and native_id = :native_id
       and round = :round
    """
)
_TELL = text(
    """
    insert into audit (tenant, flow, entity, native_id, event, actor, detail)
    values (:tenant, :flow, :entity, :native_id, 'told-source', 'connector', cast(:line as jsonb))
    """
)


class PostgresAnswers:
    def __init__(self, engine: AsyncEngine, listener: Listener) -> None:
        self._engine = engine
        self._listener = listener

    async def claim(self, hold: Hold, limit: int, exclude: Collection[tuple[EntityRef, int]]) -> Sequence[DueAnswer]:
        async with self._engine.begin() as db:
            await require_epoch(db, hold.connection, hold.role, hold.epoch)
            rows = await db.execute(_CLAIM, _of(hold.connection) | {"limit": limit + len(exclude)})
            found = [_answer(hold.connection, row) for row in rows]
        return [answer for answer in found if answer.key not in exclude][:limit]

    async def next_due_in_s(self, hold: Hold) -> float | None:
        async with self._engine.begin() as db:
            seconds = (await db.execute(_NEXT_DUE, _of(hold.connection))).scalar()
        return None if seconds is None else float(seconds)

    async def changed(self, source: ConnectionId, timeout_s: float) -> None:
        await self._listener.wait(f"answer/{source}", timeout_s)

    async def open_call(self, hold: Hold, answer: DueAnswer, deadline_s: float) -> None:
        async with self._engine.begin() as db:
            await require_epoch(db, hold.connection, hold.role, hold.epoch)
            seen = {
                "flow": answer.flow.flow,
                "verdict": str(answer.verdict),
                "target": json.dumps(answer.target),
            }
            if not (await db.execute(_OPEN, _at(answer) | seen | {"deadline": deadline_s})).rowcount:
                raise NotSent("the verdict is, or may become, another one")

    async def settle(self, hold: Hold, answer: DueAnswer, told: Told) -> None:
        async with self._engine.begin() as db:
            await require_epoch(db, hold.connection, hold.role, hold.epoch)
            values = {
                "due_in_s": told.due_in_s,
                "attempts": told.attempts,
                "refused": told.refused,
                "request_id": told.request_id,
                "ended": told.ended,
                "detail": told.detail,
                "still_out": told.still_out,
            }
            await db.execute(_SETTLE, _at(answer) | values)
            if told.ended is not None or told.refused > answer.refused:
                line = {"flow": answer.flow.flow, "line": json.dumps(story(answer, told))}
                at = {name: value for name, value in _at(answer).items() if name not in ("connection", "round")}
                await db.execute(_TELL, at | line)


def _answer(connection: ConnectionId, row: Any) -> DueAnswer:
    return DueAnswer(
        ref=EntityRef(connection, Entity(row.entity), row.native_id),
        round=row.round,
        flow=FlowId(connection.tenant, row.flow),
        verdict=State(row.verdict),
        reasons=[Reason.model_validate(reason) for reason in row.reasons],
        target=row.target,
        attempts=row.attempts,
        refused=row.tries,
        request_id=row.request_id,
        not_after_in_s=None if row.not_after_in_s is None else float(row.not_after_in_s),
    )


def _of(connection: ConnectionId) -> dict[str, Any]:
    return {"tenant": connection.tenant, "connection": connection.connection}


def _at(answer: DueAnswer) -> dict[str, Any]:
    return _of(answer.ref.connection) | {
        "entity": str(answer.ref.entity),
        "native_id": answer.ref.native_id,
        "round": answer.round,
    }
