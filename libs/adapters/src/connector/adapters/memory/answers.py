"""`Answers` in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime

from connector.domain.identity import ConnectionId, EntityRef, RowRef
from connector.domain.ports.answers import DueAnswer, Told, story
from connector.domain.ports.epochs import Hold
from connector.domain.ports.target import NotSent

from .tables import MemoryTables


class MemoryAnswers:
    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    def ended(self, ref: EntityRef, round: int) -> str | None:
        state = self._tables.answers.get((ref, round))
        return None if state is None else state.ended

    def answered(self, connection: ConnectionId, native_id: str, round: int) -> bool:
        """Whether an invoice's round is over, for who looks for stuck ones."""
        return any(
            ref.connection == connection and ref.native_id == native_id and number == round and state.ended is not None
            for (ref, number), state in self._tables.answers.items()
        )

    async def claim(self, hold: Hold, limit: int, exclude: Collection[tuple[EntityRef, int]]) -> Sequence[DueAnswer]:
        self._tables.require(hold)
        states = {key: self._tables.answer(key) for key in self._tables.feedback}
        now = self._tables.now()
        due: list[tuple[datetime, DueAnswer]] = []
        for key, state in states.items():
            feedback = self._tables.feedback[key]
            if key[0].connection != hold.connection or key in exclude or state.due is None or state.due > now:
                continue
            out_s = None if state.not_after is None else (state.not_after - now).total_seconds()
            answer = DueAnswer(
                ref=key[0],
                round=key[1],
                flow=self._tables.feedback_flows[key],
                verdict=feedback.verdict,
                reasons=feedback.reasons,
                target=feedback.target,
                attempts=state.attempts,
                refused=state.refused,
                request_id=state.request_id,
                not_after_in_s=out_s,
            )
            due.append((state.due, answer))
        return [answer for _, answer in sorted(due, key=lambda item: (item[0], item[1].ref))[:limit]]

    async def next_due_in_s(self, hold: Hold) -> float | None:
        now = self._tables.now()
        due = [
            state.due
            for key in self._tables.feedback
            if key[0].connection == hold.connection and (state := self._tables.answer(key)).due is not None
        ]
        return (min(when for when in due if when is not None) - now).total_seconds() if due else None

    async def changed(self, source: ConnectionId, timeout_s: float) -> None:
        await self._tables.bell.wait(f"answer/{source}", timeout_s)

    async def open_call(self, hold: Hold, answer: DueAnswer, deadline_s: float) -> None:
        self._tables.require(hold)
        feedback = self._tables.feedback[answer.key]
        row = self._tables.rows.get(RowRef(answer.flow, answer.ref.entity, answer.ref.native_id))
        same = (feedback.verdict, feedback.target) == (answer.verdict, answer.target)
        state = self._tables.answer(answer.key)
        if not state.opened and not (same and (row is None or row.state is answer.verdict)):
            raise NotSent("the verdict is, or may become, another one")
        state.not_after, state.opened = self._tables.in_s(deadline_s), True

    async def settle(self, hold: Hold, answer: DueAnswer, told: Told) -> None:
        self._tables.require(hold)
        state = self._tables.answer(answer.key)
        state.due = None if told.due_in_s is None else self._tables.in_s(told.due_in_s)
        state.attempts, state.refused, state.request_id = told.attempts, told.refused, told.request_id
        state.ended, state.detail = told.ended, told.detail
        if not told.still_out:
            state.not_after = None
        if told.ended is not None or told.refused > answer.refused:
            row = RowRef(answer.flow, answer.ref.entity, answer.ref.native_id)
            self._tables.note(row, "told-source", story(answer, told))
