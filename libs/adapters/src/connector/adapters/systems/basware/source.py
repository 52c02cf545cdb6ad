"""Basware as a source: documents by key, lists of what is offered, and the handshake that follows Kafka's."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import structlog

from connector.adapters.vault import Fingerprints
from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.blobs import Blobs
from connector.domain.ports.clock import Clock
from connector.domain.ports.gate import Gate, GateError
from connector.domain.ports.source import JobKind, Notice, Read, Stamp, SweepPage, Unreadable
from connector.domain.ports.transfers import Transfers
from connector.domain.vendor_error import ReauthorisationNeeded, VendorConflict, VendorError

from . import webhook
from .client import BaswareClient, Row
from .documents import (
    EXPORTABLE,
    INVOICE_PAGE,
    INVOICES,
    OFFERED,
    ORDERS,
    RESOURCES,
    TAKEN_BACK,
    VENDOR_PAGE,
    VENDORS,
    Documents,
    Stamped,
    answers_of,
    numbers_of,
)
from .settings import Settings
from .subscriptions import keep_subscriptions

OVERLAP = timedelta(minutes=10)
"""Basware says neither whether `lastUpdated` is compared strictly nor how exact it is."""
SWEPT = "swept"
"""The cursor of jobs that list what is offered: nothing to remember but that they ran."""
ASK_VENDORS_AGAIN_S = 60.0

log = structlog.get_logger(__name__)

Sweep = Callable[[str | None, Stamp], AsyncIterator[SweepPage]]
SecretOf = Callable[[], Awaitable[str]]
IsLive = Callable[[], Awaitable[bool]]


def jobs(settings: Settings) -> Sequence[JobKind]:
    """Vendors first: documents name them."""
    often = timedelta(seconds=settings.catch_up_s)
    kinds = [
        JobKind("vendors", timedelta(seconds=settings.vendors_s)),
        JobKind("orders", often),
        JobKind("invoices", often),
        JobKind("taken-back", often),
        JobKind("failed-tasks", often),
        JobKind("stuck", timedelta(seconds=settings.stuck_after_s / 2)),
    ]
    return [*kinds, *([JobKind("subscriptions", timedelta(hours=1))] if settings.webhooks else [])]


class BaswareSource:
    """One tenant. Implements the ports `Source` and `Acknowledging`."""

    def __init__(
        self,
        connection: ConnectionId,
        settings: Settings,
        gate: Gate,
        http: httpx.AsyncClient,
        transfers: Transfers,
        blobs: Blobs,
        clock: Clock,
        fingerprints: Fingerprints,
        webhook_address: str | None = None,
        webhook_secret: SecretOf | None = None,
        is_live: IsLive | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._transfers = transfers
        self._clock = clock
        self._address = webhook_address
        self._secret = webhook_secret
        self._is_live = is_live
        self._client = BaswareClient(settings, connection, gate, http)
        self._documents = Documents(connection, settings, self._client, transfers, blobs, fingerprints)
        self._shown: dict[tuple[Entity, str], str] = {}
        self._seen_taken_back: set[tuple[str, str]] = set()
        self._asked_at_s: dict[str, float] = {}
        self._met: list[Notice] = []
        """Vendors to be read, as documents named them first."""
        self._runs: Mapping[str, Sweep] = {
            "vendors": self._vendors,
            "orders": self._orders,
            "invoices": self._invoices,
            "taken-back": self._taken_back,
            "failed-tasks": self._failed_tasks,
            "stuck": self._stuck,
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
        return frozenset(("lastUpdated", "orderExportTimestamp"))

    def batch_size(self, entity: Entity) -> int:
        return 100

    def notices(self, webhook_body: bytes) -> Sequence[Notice]:
        return webhook.notices(webhook_body)

    async def read(
        self, entity: Entity, notices: Sequence[Notice], stamp: Stamp, traffic: TrafficClass
    ) -> Sequence[Read | Unreadable]:
        """One answer per key. What Basware has told of and does not show yet is asked for again."""
        if entity not in RESOURCES:
            return [Unreadable(notice.native_id, f"Basware is no source of {entity}") for notice in notices]
        found = await self._documents.by_key(entity, [notice.native_id for notice in notices], stamp, traffic)
        reads = {read.native_id: read for read in await self._joined(entity, found.values(), traffic)}
        if entity is Entity.SUPPLIER:
            await self._name([item.row for item in found.values()])
        return [
            reads.get(notice.native_id)
            or Unreadable(notice.native_id, f"Basware shows no {entity} {notice.native_id}: it may come later.")
            for notice in notices
        ]

    async def acknowledge(self, entity: Entity, reads: Sequence[Read], traffic: TrafficClass) -> Sequence[Notice]:
        """Tell Basware that Kafka has what it offered; returned is what has to be read (again).

        An acknowledged document is not offered again, so this never comes first, and never in a dry run: somebody else
        may still transfer it. What can't be told now is offered still, and the next listing finds it. What Basware did
        and we did not hear of is offered no more: that we set out to tell it is kept before.
        """
        if not await self._carries():
            return self._vendors_met()
        again: list[Notice] = []
        offered = {
            read.native_id: record
            for read in reads
            if (record := read.record or {}).get("processingStatus") in (OFFERED, EXPORTABLE)
            and entity is not Entity.SUPPLIER
        }
        if entity is Entity.INVOICE:
            await self._transfers.acknowledging(self._connection, offered)
        for native_id, record in offered.items():
            try:
                await self._acknowledge(entity, native_id, traffic)
                if entity is Entity.PURCHASE_ORDER and await self._exported_anew(record, traffic):
                    again.append(Notice(entity, native_id))
            except (VendorError, GateError) as error:
                log.warning("not acknowledged", entity=str(entity), native_id=native_id, error=str(error))
        return [*again, *self._vendors_met()]

    async def _carries(self) -> bool:
        return self._is_live is None or await self._is_live()

    async def _acknowledge(self, entity: Entity, native_id: str, traffic: TrafficClass) -> None:
        resource, _ = RESOURCES[entity]
        try:
            await self._client.post(resource, f"{resource}/{native_id}/acknowledge", None, traffic)
        except VendorConflict as told_before:
            if told_before.status != 405:
                raise

    async def _exported_anew(self, record: Mapping[str, object], traffic: TrafficClass) -> bool:
        """An order may be exported again between our read and our acknowledgement, which then hides the newer one."""
        now = await self._client.one(ORDERS, str(record["externalCode"]), traffic)
        return now is not None and now.get("orderExportTimestamp") != record.get("orderExportTimestamp")

    async def _joined(self, entity: Entity, stamped: Collection[Stamped], traffic: TrafficClass) -> list[Read]:
        """Reads, complete on their own. Vendors that they name and we do not know are asked for first: a document that
        goes on without its vendor is refused, for a vendor that Basware shows."""
        if entity is not Entity.SUPPLIER:
            await self._meet_vendors(await self._documents.unnamed(stamped), traffic)
        return await self._documents.joined(entity, stamped, traffic)

    async def _meet_vendors(self, unnamed: set[str], traffic: TrafficClass) -> None:
        """Basware's list is asked for unknown vendors, at most once a minute for each; `acknowledge` has them read."""
        now_s = self._clock.boot_time_s()
        recent = {number: at_s for number, at_s in self._asked_at_s.items() if now_s - at_s < ASK_VENDORS_AGAIN_S}
        if unnamed <= recent.keys():
            return
        async for page in self._client.pages(VENDORS, {"pageSize": VENDOR_PAGE}, traffic):
            wanted = [row for row in page.rows if unnamed.intersection(numbers_of(row))]
            await self._name(wanted)
            self._met += [Notice(Entity.SUPPLIER, str(row["externalCode"])) for row in wanted]
        self._asked_at_s = recent | dict.fromkeys(unnamed, now_s)

    def _vendors_met(self) -> list[Notice]:
        met, self._met = self._met, []
        return met

    async def _name(self, vendors: Sequence[Row]) -> None:
        numbers = {number: str(row["externalCode"]) for row in vendors for number in numbers_of(row)}
        await self._transfers.name(self._connection, numbers)

    async def sweep(self, job: str, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        if job not in self._runs:
            raise ValueError(f"Basware knows no job {job!r}: one of {', '.join(self._runs)}")
        async for page in self._runs[job](cursor, stamp):
            yield page

    async def _invoices(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        async for page in self._offered(Entity.INVOICE, stamp):
            yield page

    async def _taken_back(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Invoices that accounts payable took back after their transfer: of each there is one notice, which may be
        lost. They stay listed, so that each is taken once."""
        traffic, seen = TrafficClass.CATCH_UP, set[tuple[str, str]]()
        for status in TAKEN_BACK:
            query = {"ProcessingStatus": status, "pageSize": INVOICE_PAGE}
            async for page in self._documents.listed(INVOICES, query, stamp, traffic):
                fresh = [item for item in page if (status, str(item.row["invoiceId"])) not in self._seen_taken_back]
                seen |= {(status, str(item.row["invoiceId"])) for item in page}
                yield SweepPage(rows={Entity.INVOICE: await self._joined(Entity.INVOICE, fresh, traffic)})
        self._seen_taken_back = seen
        yield SweepPage(cursor=SWEPT)

    async def _orders(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        async for page in self._offered(Entity.PURCHASE_ORDER, stamp):
            yield page

    async def _offered(self, entity: Entity, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Whole documents as they are listed; one that is still offered after that is read by key, which
        acknowledges it even if Kafka has it already (in a dry run all of them stay offered)."""
        traffic, carries = TrafficClass.CATCH_UP, await self._carries()
        still: dict[tuple[Entity, str], str] = {}
        async for page in self._documents.waiting(entity, stamp, traffic):
            fresh: list[Stamped] = []
            keys: list[Notice] = []
            for item in page:
                key = (entity, str(item.row[RESOURCES[entity][1]]))
                still[key] = _offer(item.row)
                if self._shown.get(key) != still[key]:
                    fresh.append(item)
                elif carries:
                    keys.append(Notice(*key))
            rows = await self._joined(entity, fresh, traffic)
            yield SweepPage(keys=keys, rows={entity: rows}, cursor=SWEPT)
        self._shown = {key: offer for key, offer in self._shown.items() if key[0] is not entity} | still
        yield SweepPage(cursor=SWEPT)

    async def _vendors(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Vendors changed since the cursor. Those that Basware's people typed in may be missing here."""
        traffic = TrafficClass.BACKFILL if cursor is None else TrafficClass.CATCH_UP
        query = {"pageSize": VENDOR_PAGE}
        if cursor is not None:
            query["lastUpdated"] = _earlier(cursor)
        latest = cursor or ""
        async for page in self._documents.listed(VENDORS, query, stamp, traffic):
            latest = max(latest, *(str(item.row.get("lastUpdated", "")) for item in page))
            await self._name([item.row for item in page])
            rows = await self._documents.joined(Entity.SUPPLIER, page, traffic)
            yield SweepPage(rows={Entity.SUPPLIER: rows})
        if latest:
            yield SweepPage(cursor=latest)

    async def _failed_tasks(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Notices that Basware gave up delivering."""
        since = cursor or (self._clock.now() - OVERLAP).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        query = {"taskStatus": "Failed", "lastUpdated": _earlier(since)}
        latest = since
        async for page in self._client.pages("tasks", query, TrafficClass.CATCH_UP):
            latest = max(latest, *(str(row.get("lastUpdated", "")) for row in page.rows)) if page.rows else latest
            keys = [
                Notice(entity, str(row["documentId"]))
                for row in page.rows
                if (entity := webhook.entity_of(row.get("taskType"))) and row.get("documentId")
            ]
            yield SweepPage(keys=keys)
        yield SweepPage(cursor=latest)

    async def _stuck(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Invoices we took and never answered: read again, so that one taken back by accounts payable shows as such."""
        stuck = await self._transfers.unanswered(self._connection, self._settings.stuck_after_s)
        if stuck:
            log.warning("acknowledged and not answered", connection=str(self._connection), count=len(stuck))
        yield SweepPage(keys=[Notice(Entity.INVOICE, native_id) for native_id in stuck], cursor=SWEPT)

    async def _subscriptions(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        if self._address is not None and self._secret is not None:
            secret = await self._secret()
            if not secret:
                raise ReauthorisationNeeded("The vault holds no webhook_secret for this connection: apply one.")
            await keep_subscriptions(self._client, self._address, secret, TrafficClass.CATCH_UP)
        yield SweepPage(cursor=SWEPT)


def _offer(row: Row) -> str:
    """What makes an offer another one: the round of an invoice, the export of an order."""
    return str(row.get("orderExportTimestamp") or answers_of(row))


def _earlier(moment: str) -> str:
    """An instant of Basware's, less the overlap, in its own notation."""
    known = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    known = known if known.tzinfo else known.replace(tzinfo=UTC)
    return (known - OVERLAP).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
