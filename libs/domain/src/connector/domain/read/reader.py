"""The one reader of one source connection."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.domain.digest import digest
from connector.domain.documents.envelope import SourceDocument
from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.clock import Randomness
from connector.domain.ports.epochs import EpochLost
from connector.domain.ports.gate import GateError
from connector.domain.ports.jobs import Job, Jobs
from connector.domain.ports.log import ValueTooLarge
from connector.domain.ports.source import Absence, Acknowledging, Notice, Read, Source, Stamp, SweepPage, Unreadable
from connector.domain.ports.source_keys import Claimed, Finished, SourceKeys, SweptRow
from connector.domain.ports.tracing import Traced, untraced
from connector.domain.vendor_error import Rejected, VendorError

Publish = Callable[[Sequence[SourceDocument]], Awaitable[None]]
"""Produce to `documents.<system>` and return when Kafka has acknowledged all of them; raise otherwise."""

IsCurrent = Callable[[], Awaitable[bool]]
"""Whether the connection's settings are still those that its source was made with."""

UNKNOWN_SHAPE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What a room raises over an answer whose shape nobody foresaw: a matter of that document, not of all that follow."""
FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 900.0


async def always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A read that is worth producing, with what finishing it needs."""

    key: Claimed
    read: Read
    document: SourceDocument
    combined: str


class Reader:
    """Turns due keys and jobs into acknowledged documents, one step at a time; holds no state between steps.

    All of a step runs under one epoch; losing it raises EpochLost out of whatever port call noticed first, and what
    was claimed is void then. A document is produced before it is finished, so a crash between the two reads it again.
    """

    def __init__(
        self,
        source: Source,
        system: str,
        keys: SourceKeys,
        jobs: Jobs,
        publish: Publish,
        randomness: Randomness,
        traced: Traced = untraced,
        is_current: IsCurrent = always,
    ) -> None:
        self._source = source
        self._system = system
        self._keys = keys
        self._jobs = jobs
        self._publish = publish
        self._random = randomness
        self._traced = traced
        self._is_current = is_current
        self._connection = source.connection

    async def step(self, epoch: int) -> bool:
        """Read one batch of due keys and run one due job; False if there was nothing to do. Raises EpochLost."""
        read = await self.read_due(epoch)
        return await self._run_job(epoch) or read

    async def read_due(self, epoch: int) -> bool:
        limit = max(self._source.batch_size(entity) for entity in Entity)
        claimed = await self._keys.claim(self._connection, epoch, limit)
        if not claimed:
            return False
        if not await self._is_current():  # asked after the claim: it may have been made due by just that change
            raise EpochLost(f"the settings of {self._connection} are others now")
        size = self._source.batch_size(claimed[0].entity)
        for start in range(0, len(claimed), size):
            batch = claimed[start : start + size]
            with self._traced(f"read {batch[0].entity}", [key.traceparent for key in batch]):
                await self._read_batch(epoch, batch)
        return True

    async def _read_batch(self, epoch: int, batch: Sequence[Claimed]) -> None:
        notices = [Notice(key.entity, key.native_id, key.deleted_hint) for key in batch]
        try:
            answers = await self._source.read(batch[0].entity, notices, self._stamper(epoch), batch[0].traffic)
        except GateError as refused:
            await self._keys.release(self._connection, epoch, batch, refused.retry_after_s or 30.0)
            return
        except VendorError as error:
            await self._after_error(epoch, batch, error)
            return
        except UNKNOWN_SHAPE as error:
            await self._after_error(epoch, batch, _of_unknown_shape(error))
            return
        by_id = {key.native_id: key for key in batch}
        reads = [answer for answer in answers if isinstance(answer, Read)]
        for answer in answers:
            if isinstance(answer, Unreadable):
                key = by_id[answer.native_id]
                await self._keys.fail(self._connection, epoch, [key], answer.message, self._backoff_s(key.attempts))
        await self._produce(epoch, [(by_id[read.native_id], read) for read in reads])

    async def _after_error(self, epoch: int, batch: Sequence[Claimed], error: VendorError) -> None:
        """A rejected batch is split until the key that spoils it stands alone; an outage delays all of it."""
        if isinstance(error, Rejected) and len(batch) > 1:
            middle = len(batch) // 2
            await self._read_batch(epoch, batch[:middle])
            await self._read_batch(epoch, batch[middle:])
            return
        attempts = max(key.attempts for key in batch)
        retry_in_s = error.retry_after_s or self._backoff_s(attempts)
        await self._keys.fail(self._connection, epoch, batch, str(error), retry_in_s)

    async def _produce(self, epoch: int, pairs: Sequence[tuple[Claimed, Read]]) -> None:
        fresh: list[_Fresh] = []
        equal: list[Finished] = []
        for key, read in pairs:
            combined = self._combined(read)
            if combined == key.acknowledged_digest or (key.produced_at is not None and read.read_at <= key.produced_at):
                equal.append(_finished(key, read, key.acknowledged_digest or combined, produced=False))
            else:
                document = self._document(key, read).traced_by(key.traceparent)
                fresh.append(_Fresh(key, read, document, combined))
        try:
            if fresh:
                await self._publish([item.document for item in fresh])
        except ValueTooLarge as error:
            await self._refuse_too_large(epoch, pairs, error)
            return
        done = [_finished(item.key, item.read, item.combined, produced=True) for item in fresh]
        await self._keys.finish(self._connection, epoch, [*equal, *done])
        await self._acknowledge(pairs)

    async def _refuse_too_large(self, epoch: int, pairs: Sequence[tuple[Claimed, Read]], error: ValueTooLarge) -> None:
        """Nothing was sent: the documents beside it go on, it alone is named and tried later."""
        if len(pairs) > 1:
            middle = len(pairs) // 2
            await self._produce(epoch, pairs[:middle])
            await self._produce(epoch, pairs[middle:])
            return
        ((key, _),) = pairs
        await self._keys.fail(self._connection, epoch, [key], str(error), self._backoff_s(key.attempts))

    async def _acknowledge(self, pairs: Sequence[tuple[Claimed, Read]]) -> None:
        """Never before Kafka's own acknowledgement: what the source is told of, it does not offer again."""
        if not isinstance(self._source, Acknowledging) or not pairs:
            return
        key = pairs[0][0]
        again = await self._source.acknowledge(key.entity, [read for _, read in pairs], key.traffic)
        await self._keys.notice(self._connection, again, TrafficClass.CATCH_UP, swept=True)

    def _document(self, key: Claimed, read: Read) -> SourceDocument:
        content = self._content_digest(read)
        return SourceDocument(
            tenant=self._connection.tenant,
            connection=self._connection.connection,
            system=self._system,
            entity=key.entity,
            native_id=key.native_id,
            read_at=read.read_at,
            cause=key.traffic,
            record=None if read.record is None else dict(read.record),
            resolved=dict(read.resolved),
            absence=read.absence,
            proof=read.proof,
            digest=content,
            resolved_digest=digest(dict(read.resolved)),
            read_digest=digest([content, {kind: found for kind, found in read.resolved.items() if kind != "company"}]),
        )

    async def _run_job(self, epoch: int) -> bool:
        job = await self._jobs.claim(self._connection, epoch)
        if job is None:
            return False
        try:
            with self._traced(f"sweep {job.kind}", ()):
                async for page in self._source.sweep(job.kind, job.cursor, self._stamper(epoch)):
                    await self._take_page(epoch, job, page)
                    await self.read_due(epoch)
        except GateError as refused:
            await self._jobs.fail(self._connection, epoch, job.kind, str(refused), refused.retry_after_s or 60.0)
        except VendorError as error:
            retry_in_s = error.retry_after_s or self._backoff_s(job.attempts)
            await self._jobs.fail(self._connection, epoch, job.kind, str(error), retry_in_s)
        except UNKNOWN_SHAPE as error:
            told = str(_of_unknown_shape(error))
            await self._jobs.fail(self._connection, epoch, job.kind, told, self._backoff_s(job.attempts))
        else:
            await self._jobs.finish(self._connection, epoch, job.kind)
        return True

    async def _take_page(self, epoch: int, job: Job, page: SweepPage) -> None:
        """Rows are acknowledged and keys recorded as due before the cursor moves past them."""
        traffic = TrafficClass.BACKFILL if job.cursor is None else job.traffic
        for entity, rows in page.rows.items():
            await self._take_rows(epoch, entity, rows, traffic)
        await self._keys.notice(self._connection, page.keys, traffic, swept=True)
        if page.restart:
            await self._jobs.restart(self._connection, epoch, page.restart)
        if page.cursor is not None:
            await self._jobs.advance(self._connection, epoch, job.kind, page.cursor)

    async def _take_rows(self, epoch: int, entity: Entity, rows: Sequence[Read], traffic: TrafficClass) -> None:
        by_id = {row.native_id: row for row in rows}
        swept = [SweptRow(entity, row.native_id, row.read_at, self._combined(row)) for row in by_id.values()]
        admitted = await self._keys.admit(self._connection, epoch, swept, traffic)
        await self._produce(epoch, [(key, by_id[key.native_id]) for key in admitted])

    def _combined(self, read: Read) -> str:
        return digest([self._content_digest(read), dict(read.resolved)])

    def _content_digest(self, read: Read) -> str:
        return digest(str(read.absence) if read.record is None else _without(read.record, self._source.stamps))

    def _stamper(self, epoch: int) -> Stamp:
        async def stamp() -> datetime:
            return await self._keys.stamp(self._connection, epoch)

        return stamp

    def _backoff_s(self, attempts: int) -> float:
        """Doubling with full jitter on the upper half, at most a quarter of an hour."""
        longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(attempts, 12))
        return self._random.uniform(longest / 2, longest)


def _of_unknown_shape(error: Exception) -> Rejected:
    return Rejected(f"the answer has a shape that this version does not know ({type(error).__name__}: {error})")


def _finished(key: Claimed, read: Read, combined: str, *, produced: bool) -> Finished:
    company = read.resolved.get("company") or {}
    return Finished(
        entity=key.entity,
        native_id=key.native_id,
        generation=key.generation,
        read_at=read.read_at,
        digest=combined,
        produced=produced,
        uses=tuple(sorted(company)),
        missing=read.absence is Absence.UNEXPLAINED,
        absent=read.absence is not None,
        caught=produced
        and key.traffic is TrafficClass.CATCH_UP
        and not (key.noticed or key.entity is Entity.REFERENCE),
    )


def _without(value: object, stamps: frozenset[str]) -> object:
    """The record without its stamps (modification dates and the like), at any depth."""
    if isinstance(value, dict):
        return {name: _without(item, stamps) for name, item in value.items() if name not in stamps}
    if isinstance(value, list):
        return [_without(item, stamps) for item in value]
    return value
