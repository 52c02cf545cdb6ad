"""Defects put into the protocol on purpose: each must be noticed by the simulation within a thousand schedules."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from connector.adapters.memory.desired import MemoryDesiredRows
from connector.adapters.memory.dispatch import MemoryDispatch
from connector.adapters.memory.log import MemoryLog, _Group
from connector.adapters.memory.source_keys import MemorySourceKeys
from connector.adapters.memory.tables import MemoryTables
from connector.domain.identity import ConnectionId
from connector.domain.ports.desired import Desired
from connector.domain.ports.dispatch import Judgement, OpenCall
from connector.domain.ports.log import Record
from connector.domain.ports.source import Absence
from connector.domain.ports.source_keys import Finished
from connector.domain.ports.target import Found, NotSent, Part
from connector.domain.read.reader import Reader
from connector.domain.sync import adoption, examining, work
from connector.domain.sync.adoption import Adopted, Nothing
from connector.domain.sync.carrying import Carrier

from . import erp

Mutant = Callable[[], AbstractContextManager[Any]]


def _no_look_up_after_time_out() -> AbstractContextManager[Any]:
    """What an unanswered call did is not looked for: the create is repeated."""
    real = adoption.judge

    def judge(part: Part, hits: Sequence[Found], intents: Sequence[OpenCall]) -> Any:
        return Nothing() if intents else real(part, hits, intents)

    return patch.object(examining, "judge", judge)


def _adoption_without_proof() -> AbstractContextManager[Any]:
    """The number is proof enough."""
    real = adoption.judge

    def judge(part: Part, hits: Sequence[Found], intents: Sequence[OpenCall]) -> Any:
        live = [found for found in hits if found.live]
        return Adopted(live[0], "number") if live else real(part, hits, intents)

    return patch.object(examining, "judge", judge)


def _epoch_not_checked() -> AbstractContextManager[Any]:
    """A replica that woke up goes on as if nobody had taken over."""
    return patch.object(MemoryTables, "require_epoch", lambda *_: None)


def _offset_committed_before_effect() -> AbstractContextManager[Any]:
    """Consumers commit what they have fetched, then take it in."""
    real = MemoryLog.consume

    async def consume(self: MemoryLog, topics: Sequence[str], group: str, handler: Any, *, max_records: int) -> None:
        async def early(records: Sequence[Record]) -> None:
            state: _Group = self._cluster._groups[group]
            for record in records:
                state.committed[record.topic, record.partition] = record.offset + 1
            await handler(records)

        await real(self, topics, group, early, max_records=max_records)

    return patch.object(MemoryLog, "consume", consume)


def _older_revision_wins() -> AbstractContextManager[Any]:
    """Intake stores what came last, not what was read last."""
    real = MemoryDesiredRows.upsert

    async def upsert(self: MemoryDesiredRows, wanted: Sequence[Desired]) -> Any:
        for desired in wanted:
            before = self._tables.rows.get(desired.row)
            if before is not None and desired.revision < before.desired.revision:
                older = replace(desired.revision, read_at=desired.revision.read_at - timedelta(microseconds=1))
                before.desired = replace(before.desired, revision=older)
        return await real(self, wanted)

    return patch.object(MemoryDesiredRows, "upsert", upsert)


def _read_at_after_read() -> AbstractContextManager[Any]:
    """read_at is the reader's own clock when the answer has come."""
    real = erp.ErpSource.read

    async def read(self: erp.ErpSource, entity: Any, notices: Any, stamp: Any, traffic: Any) -> Any:
        answers = await real(self, entity, notices, stamp, traffic)
        clock = self.point.__self__  # type: ignore[attr-defined]
        return [replace(answer, read_at=clock.now()) for answer in answers]

    return patch.object(erp.ErpSource, "read", read)


def _generation_lost_during_read() -> AbstractContextManager[Any]:
    """A key is done although it was noticed again while it was read."""
    real = MemorySourceKeys.finish

    async def finish(self: MemorySourceKeys, connection: ConnectionId, epoch: int, done: Sequence[Finished]) -> Any:
        now = [replace(item, generation=self._of(connection)[item.entity, item.native_id].generation) for item in done]
        return await real(self, connection, epoch, now)

    return patch.object(MemorySourceKeys, "finish", finish)


def _wake_up_before_wait() -> AbstractContextManager[Any]:
    """Nobody looks, once a wait is written down, whether what it waits for has come meanwhile."""
    real = MemoryDispatch._judge

    def judge(self: MemoryDispatch, row: Any, due: Any, judgement: Judgement) -> None:
        seen = [replace(w, version=self._tables.version_of(due.target, w.key)) for w in judgement.waits]
        real(self, row, due, replace(judgement, waits=seen))

    return patch.object(MemoryDispatch, "_judge", judge)


def _newer_version_clears_open_call() -> AbstractContextManager[Any]:
    """A new version starts afresh, and forgets the call that nobody heard of."""
    real = MemoryDesiredRows._update

    def update(self: MemoryDesiredRows, row: Any, desired: Desired) -> bool:
        for item in self._tables.items[desired.row]:
            item.outcome = item.outcome or "forgotten"
            item.outcome = "forgotten" if item.outcome == "unknown" else item.outcome
        return real(self, row, desired)

    return patch.object(MemoryDesiredRows, "_update", update)


def _no_wait_out() -> AbstractContextManager[Any]:
    """An unanswered call is looked for at once, while it may still be carried out."""
    return patch.object(work, "calls_still_out_s", lambda _: 0.0)


def _finished_before_acknowledged() -> AbstractContextManager[Any]:
    """The key is done when its record is produced, whether or not the log took it."""
    real = Reader.__init__

    def init(self: Reader, source: Any, system: Any, keys: Any, jobs: Any, publish: Any, randomness: Any) -> None:
        async def hopeful(documents: Any) -> None:
            async def later() -> None:
                await publish(documents)

            task = asyncio.get_running_loop().create_task(later())
            task.add_done_callback(lambda done: None if done.cancelled() else done.exception() and None)

        real(self, source, system, keys, jobs, hopeful, randomness)

    return patch.object(Reader, "__init__", init)


def _cursor_moves_before_page() -> AbstractContextManager[Any]:
    """A sweep remembers its place before the page is taken."""
    real = Reader._take_page

    async def take_page(self: Reader, epoch: int, job: Any, page: Any) -> None:
        if page.cursor is not None:
            await self._jobs.advance(self._connection, epoch, job.kind, page.cursor)
        await real(self, epoch, job, page)

    return patch.object(Reader, "_take_page", take_page)


def _sent_however_late() -> AbstractContextManager[Any]:
    """Nobody checks how much of the call's time has passed since the intent was written down."""
    real = Carrier._open_call

    async def open_call(self: Carrier, group: Any, execution: Any) -> float:
        deadline_s = group[0].connection.call_deadline_s
        try:
            return await real(self, group, execution)
        except NotSent:
            return float(deadline_s)

    return patch.object(Carrier, "_open_call", open_call)


def _committed_without_read_back() -> AbstractContextManager[Any]:
    """What cannot be taken back is done without comparing figures."""
    return patch.object(work, "target_differs", lambda *_: None)


def _absence_is_deletion() -> AbstractContextManager[Any]:
    """What a read does not show was deleted."""
    real = erp._read

    def read(notice: Any, shown: Any, read_at: Any, *, entitled: bool) -> Any:
        answer = real(notice, shown, read_at, entitled=entitled)
        return replace(answer, absence=Absence.PROVEN_DELETED, proof="not shown") if answer.absence else answer

    return patch.object(erp, "_read", read)


def _settled_over_newer_version() -> AbstractContextManager[Any]:
    """A row is done although a newer version came while the older one was written."""
    real = MemoryDispatch._judge

    def judge(self: MemoryDispatch, row: Any, due: Any, judgement: Judgement) -> None:
        desired = row.desired
        seen = replace(due, content_digest=desired.content_digest, status=desired.status)
        real(self, row, seen, judgement)

    return patch.object(MemoryDispatch, "_judge", judge)


def _outputs_without_transaction() -> AbstractContextManager[Any]:
    """The mapper's outputs are there at once, its offsets later."""

    async def exactly_once(self: MemoryLog, topics: Any, group: str, apply: Any, *, max_records: int) -> None:
        async def handler(records: Sequence[Record]) -> None:
            await self.produce([output for record in records for output in apply(record)])
            await self._cluster.clock.sleep(0.05)

        await self.consume(topics, group, handler, max_records=max_records)

    return patch.object(MemoryLog, "exactly_once", exactly_once)


MUTANTS: Mapping[str, Mutant] = {
    "no look-up after a time-out": _no_look_up_after_time_out,
    "adoption without proof": _adoption_without_proof,
    "epoch not checked": _epoch_not_checked,
    "offset committed before the effect": _offset_committed_before_effect,
    "older revision wins": _older_revision_wins,
    "read_at taken after the read": _read_at_after_read,
    "a generation lost during a read": _generation_lost_during_read,
    "wake-up before wait": _wake_up_before_wait,
    "a newer version clears an open call": _newer_version_clears_open_call,
    "an unanswered call is not waited out": _no_wait_out,
    "finished before acknowledged": _finished_before_acknowledged,
    "a cursor moves before its page is taken": _cursor_moves_before_page,
    "sent however late": _sent_however_late,
    "committed without comparing figures": _committed_without_read_back,
    "absence taken for deletion": _absence_is_deletion,
    "done although a newer version came": _settled_over_newer_version,
    "outputs without a transaction": _outputs_without_transaction,
}
