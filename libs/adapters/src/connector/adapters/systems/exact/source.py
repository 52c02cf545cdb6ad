"""Exact Online as a source: batched reads by key, proofs of deletion, and scheduled sweeps."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta

import httpx

from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.clock import Clock
from connector.domain.ports.entry_index import EntryIndex
from connector.domain.ports.gate import Gate
from connector.domain.ports.source import Absence, JobKind, Notice, Read, Stamp, SweepPage, Unreadable
from connector.domain.vendor_error import Rejected, VendorUnavailable

from . import webhook
from .client import KEYS_PER_FILTER, ExactClient, GarbledRow, Query
from .documents import SHAPES, Documents
from .fields import STAMPS
from .joins import Joins
from .settings import Settings
from .subscriptions import keep_subscriptions
from .sweeps import CODE_TABLES, Sweeps

ERROR_PAUSE_S = 3600.0
"""Exact blocks a key for an hour after ten 400s, 401s, 403s or 404s on one endpoint: what answers so is not asked
sooner."""
DELETION_PROOF = "Exact claims the deletion, a filtered read finds nothing, and the endpoint is readable"


def jobs(settings: Settings) -> Sequence[JobKind]:
    """Catch-up and sweeps, reference data, subscriptions, daily checks."""
    often = timedelta(seconds=settings.catch_up_s)
    kinds = [
        JobKind("reference-data", often * 12),
        JobKind("accounts", often),
        JobKind("purchase-orders", often),
        JobKind("purchase-entries", often),
        JobKind("deleted", often),
        JobKind("division-check", timedelta(days=1)),
        JobKind("keep-alive", timedelta(days=1)),
    ]
    return [*kinds, *([JobKind("subscriptions", timedelta(hours=1))] if settings.webhooks else [])]


Sweep = Callable[[str | None, Stamp], AsyncIterator[SweepPage]]


class ExactSource:
    """One division. Implements the port `Source`. `webhook_address` is where Exact delivers its notices, if at all."""

    def __init__(
        self,
        connection: ConnectionId,
        settings: Settings,
        gate: Gate,
        http: httpx.AsyncClient,
        index: EntryIndex,
        clock: Clock,
        webhook_address: str | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._index = index
        self._webhook_address = webhook_address
        self._client = ExactClient(settings, connection, gate, http)
        joins = Joins(self._client, settings.company, settings.reference_cache_s, clock.boot_time_s)
        self._documents = Documents(self._client, joins, settings)
        self._sweeps = Sweeps(connection, self._client, self._documents, index, settings)
        self._runs: Mapping[str, Sweep] = {
            "reference-data": self._sweeps.reference_data,
            "accounts": self._sweeps.accounts,
            "purchase-orders": self._sweeps.orders,
            "purchase-entries": self._sweeps.entries,
            "deleted": self._sweeps.deletions,
            "division-check": self._sweeps.division_check,
            "keep-alive": self._keep_alive,
            "subscriptions": self._subscriptions,
        }

    @property
    def connection(self) -> ConnectionId:
        return self._connection

    @property
    def jobs(self) -> Sequence[JobKind]:
        return jobs(self._settings)

    @property
    def stamps(self) -> frozenset[str]:
        return STAMPS

    def batch_size(self, entity: Entity) -> int:
        return KEYS_PER_FILTER

    def notices(self, webhook_body: bytes) -> Sequence[Notice]:
        return webhook.notices(webhook_body)

    async def read(
        self, entity: Entity, notices: Sequence[Notice], stamp: Stamp, traffic: TrafficClass
    ) -> Sequence[Read | Unreadable]:
        """One answer per key. A batch that Exact refuses for its form, not for a key, is not worth splitting: every
        further refusal counts to the block of the key. One with a row that makes no sense is."""
        if entity is Entity.REFERENCE:
            return await self._read_references(notices, stamp, traffic)
        if entity not in SHAPES:
            return [Unreadable(notice.native_id, f"Exact is no source of {entity}") for notice in notices]
        asked_at = await stamp()
        try:
            found = await self._documents.read(entity, [notice.native_id for notice in notices], stamp, traffic)
        except Rejected as refused:
            if refused.status in (400, 404, 405):
                raise VendorUnavailable(str(refused), status=refused.status, retry_after_s=ERROR_PAUSE_S) from refused
            raise
        except GarbledRow as garbled:
            raise Rejected(str(garbled), status=garbled.status) from garbled
        if entity is Entity.INVOICE:
            await self._remember_lines([document.record for document in found])
        reads = [Read(item.native_id, item.read_at, item.record, item.resolved) for item in found]
        present = {read.native_id for read in reads}
        absent = [notice for notice in notices if notice.native_id not in present]
        return [*reads, *await self._absences(entity, absent, asked_at, bool(present), traffic)]

    async def _remember_lines(self, entries: Sequence[Mapping[str, object]]) -> None:
        """An entry deleted before the feed of booked lines shows it can be proved by its own lines alone."""
        lines: dict[str, str] = {}
        for entry in entries:
            collection = entry.get("PurchaseEntryLines")
            if isinstance(collection, list):
                lines.update({line["ID"]: str(entry["EntryID"]) for line in collection})
        await self._index.remember(self._connection, lines)

    async def _absences(
        self, entity: Entity, absent: Sequence[Notice], asked_at: datetime, readable: bool, traffic: TrafficClass
    ) -> list[Read]:
        """A deletion needs the vendor's claim, the absence, and that we may still read the endpoint at all."""
        claimed = any(notice.deleted for notice in absent)
        proven = claimed and (readable or await self._can_read(entity, traffic))
        return [
            Read(notice.native_id, asked_at, absence=Absence.PROVEN_DELETED, proof=DELETION_PROOF)
            if proven and notice.deleted
            else Read(notice.native_id, asked_at, absence=Absence.UNEXPLAINED)
            for notice in absent
        ]

    async def _can_read(self, entity: Entity, traffic: TrafficClass) -> bool:
        """Exact: without the right a list is empty, not refused. Another row is proof enough, else Exact is asked."""
        shape = SHAPES[entity]
        where = "IsSupplier eq true" if entity is Entity.SUPPLIER else None
        control = await self._client.page(Query(shape.endpoint, (shape.key,), where=where, top=1), traffic)
        return bool(control.rows) or await self._client.has_rights(shape.endpoint, traffic)

    async def _read_references(
        self, notices: Sequence[Notice], stamp: Stamp, traffic: TrafficClass
    ) -> Sequence[Read | Unreadable]:
        answers: dict[str, Read | Unreadable] = {}
        for kind in {notice.native_id.partition("/")[0] for notice in notices}:
            wanted = [notice.native_id for notice in notices if notice.native_id.startswith(f"{kind}/")]
            if kind not in CODE_TABLES:
                answers.update(
                    {key: Unreadable(key, f"Exact has no reference data of kind {kind!r}") for key in wanted}
                )
                continue
            read_at = await stamp()
            rows = await self._sweeps.codes(kind, [key.partition("/")[2] for key in wanted], traffic)
            answers.update({key: Read(key, read_at, absence=Absence.UNEXPLAINED) for key in wanted})
            for read in self._sweeps.references(CODE_TABLES[kind], rows, read_at)[Entity.REFERENCE]:
                answers[read.native_id] = read
        return [answers[notice.native_id] for notice in notices]

    async def sweep(self, job: str, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        if job not in self._runs:
            raise ValueError(f"Exact knows no job {job!r}: one of {', '.join(self._runs)}")
        async for page in self._runs[job](cursor, stamp):
            yield page

    async def _subscriptions(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Where this platform has no address that vendors reach, there is nothing to subscribe."""
        if self._webhook_address is not None:
            await keep_subscriptions(self._client, self._webhook_address, TrafficClass.CATCH_UP)
        yield SweepPage()

    async def _keep_alive(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Exact: a refresh token unused for 30 days is dead. Any call makes the gate refresh; this one counts to no
        limit."""
        await self._client.me(TrafficClass.CATCH_UP)
        yield SweepPage()
