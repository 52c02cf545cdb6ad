"""The source of the simulated world: a small ERP with notices, a list of changes and a list of deletions."""

import asyncio
import copy
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connector.domain.documents.common import Coding, SupplierRef
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.invoice import (
    Basis,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    InvoiceTotals,
    InvoiceType,
    LinkStrength,
    OrderLink,
    TaxStatus,
)
from connector.domain.documents.purchase_order import OrderLifecycle, OrderLine, OrderTotals, PurchaseOrder
from connector.domain.documents.supplier import Supplier, SupplierStatus
from connector.domain.documents.translation import Translated, Translations, Untranslatable
from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.source import Absence, JobKind, Notice, Read, Stamp, SweepPage, Unreadable
from connector.domain.reasons import Reason
from connector.domain.vendor_error import RateLimited, Rejected, VendorUnavailable

Key = tuple[Entity, str]
PAGE = 3
SWEEP_EVERY_S = 20


@dataclass(slots=True)
class Document:
    """A document as the ERP keeps it, with all it ever was: the checker's truth."""

    entity: Entity
    id: str
    record: dict[str, Any]
    row_version: int
    history: list[dict[str, Any]] = field(default_factory=list)
    deleted: bool = False
    ever_deleted: bool = False

    @property
    def key(self) -> Key:
        return self.entity, self.id


@dataclass(slots=True)
class Erp:
    """The vendor's side; `tell` delivers a notice (it may get lost on its way)."""

    random: random.Random
    tell: Callable[[bytes], None]
    covered: Counter[str]
    documents: dict[Key, Document] = field(default_factory=dict)
    deletions: list[tuple[int, Key]] = field(default_factory=list)
    row_version: int = 0
    away_until_s: float = 0.0
    storm_until_s: float = 0.0
    blind_until_s: float = 0.0
    """Reads are answered, and show nothing: the right to read was taken away."""
    poisoned: set[str] = field(default_factory=set)
    """Ids that spoil any read they are part of."""
    reading: Counter[Key] = field(default_factory=Counter)

    def save(self, entity: Entity, id: str, record: dict[str, Any]) -> None:
        self.row_version += 1
        kept = copy.deepcopy(record)
        document = self.documents.get((entity, id))
        if document is None:
            document = self.documents[entity, id] = Document(entity, id, kept, self.row_version)
        if document.deleted:
            self.covered["re-create"] += 1
        document.record, document.row_version, document.deleted = kept, self.row_version, False
        document.history.append(kept)
        self._note_reading(document.key)
        self._tell(document.key, deleted=False)

    def delete(self, key: Key) -> None:
        document = self.documents[key]
        self.row_version += 1
        document.deleted = document.ever_deleted = True
        self.deletions.append((self.row_version, key))
        self._note_reading(key)
        self._tell(key, deleted=True)

    def _note_reading(self, key: Key) -> None:
        if self.reading[key]:
            self.covered["change-during-read"] += 1

    def _tell(self, key: Key, *, deleted: bool) -> None:
        self.tell(json.dumps({"entity": key[0], "id": key[1], "deleted": deleted}).encode())

    async def request(self) -> None:
        """The way there: an outage or a storm turns the request away."""
        await asyncio.sleep(self.random.uniform(0.02, 0.4))
        now_s = asyncio.get_running_loop().time()
        if now_s < self.away_until_s:
            raise VendorUnavailable("the ERP is away", status=503)
        if now_s < self.storm_until_s:
            raise RateLimited("too many requests", status=429, retry_after_s=self.random.uniform(0.5, 2.0))

    async def answer(self) -> None:
        """The way back: by now the document may have changed."""
        await asyncio.sleep(self.random.uniform(0.02, 0.6))

    def shown(self, key: Key) -> dict[str, Any] | None:
        document = self.documents.get(key)
        blind = asyncio.get_running_loop().time() < self.blind_until_s
        return None if document is None or document.deleted or blind else _with_stamp(document)


def _with_stamp(document: Document) -> dict[str, Any]:
    return copy.deepcopy(document.record) | {"modified": document.row_version}


@dataclass(slots=True)
class ErpSource:
    """The ERP's room, as one process has it: `point` is where that process may die."""

    connection: ConnectionId
    erp: Erp
    point: Callable[[], Awaitable[None]]
    sweeps: bool

    @property
    def jobs(self) -> Sequence[JobKind]:
        every = timedelta(seconds=SWEEP_EVERY_S)
        names = ("changes", "deletions") if self.sweeps else ()
        return [JobKind(name, every, TrafficClass.CATCH_UP) for name in names]

    @property
    def stamps(self) -> frozenset[str]:
        return frozenset({"modified"})

    def batch_size(self, entity: Entity) -> int:
        return 4

    async def read(
        self, entity: Entity, notices: Sequence[Notice], stamp: Stamp, traffic: TrafficClass
    ) -> Sequence[Read | Unreadable]:
        read_at = await stamp()
        keys = [(entity, notice.native_id) for notice in notices]
        self.erp.reading.update(keys)
        entitled = self._entitled()
        try:
            await self.erp.request()
            if self.erp.poisoned & {notice.native_id for notice in notices}:
                self.erp.covered["poisoned-read"] += 1
                raise Rejected("one of these cannot be read", status=400)
            shown = {key: self.erp.shown(key) for key in keys}
            await self.erp.answer()
        finally:
            self.erp.reading.subtract(keys)
        await self.point()
        entitled = entitled and self._entitled()
        return [_read(notice, shown[entity, notice.native_id], read_at, entitled=entitled) for notice in notices]

    def _entitled(self) -> bool:
        """The check that this endpoint may still be read at all."""
        return asyncio.get_running_loop().time() >= self.erp.blind_until_s

    async def sweep(self, job: str, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        after = int(cursor or 0)
        while True:
            read_at = await stamp()
            await self.erp.request()
            page, after, more = self._page(job, after, read_at)
            await self.erp.answer()
            await self.point()
            yield page
            if not more:
                return

    def _page(self, job: str, after: int, read_at: Any) -> tuple[SweepPage, int, bool]:
        if asyncio.get_running_loop().time() < self.erp.blind_until_s:
            return SweepPage(), after, False
        if job == "deletions":
            gone = [entry for entry in self.erp.deletions if entry[0] > after]
            keys = [Notice(entity, id, deleted=True) for _, (entity, id) in gone[:PAGE]]
            last = gone[:PAGE][-1][0] if gone else after
            return SweepPage(keys=keys, cursor=str(last)), last, len(gone) > PAGE
        changed = sorted(
            (d for d in self.erp.documents.values() if d.row_version > after and not d.deleted),
            key=lambda d: d.row_version,
        )
        rows: dict[Entity, list[Read]] = {}
        for document in changed[:PAGE]:
            rows.setdefault(document.entity, []).append(Read(document.id, read_at, _with_stamp(document)))
        last = changed[:PAGE][-1].row_version if changed else after
        return SweepPage(rows=rows, cursor=str(last)), last, len(changed) > PAGE

    def notices(self, webhook: bytes) -> Sequence[Notice]:
        return notices(webhook)


def notices(webhook: bytes) -> Sequence[Notice]:
    body = json.loads(webhook)
    return [Notice(Entity(body["entity"]), body["id"], body["deleted"])]


def _read(notice: Notice, shown: dict[str, Any] | None, read_at: Any, *, entitled: bool) -> Read:
    if shown is not None:
        return Read(notice.native_id, read_at, shown)
    if notice.deleted and entitled:
        return Read(notice.native_id, read_at, absence=Absence.PROVEN_DELETED, proof="listed as deleted")
    return Read(notice.native_id, read_at, absence=Absence.UNEXPLAINED)


def account(code: str, translation_version: int) -> str:
    """How a translation spells an account: each version differently, so that raising it is seen in the target."""
    return code if translation_version == 1 else f"{code}.{translation_version}"


def _supplier(source: SourceDocument) -> Translated:
    record = _required(source)
    return Translated(
        Supplier(number=record["number"], name=record["name"], status=SupplierStatus(active=True)),
        native_number=record["number"],
    )


def _order(version: int) -> Callable[[SourceDocument], Translated]:
    def order(source: SourceDocument) -> Translated:
        record = _required(source)
        lines = [
            OrderLine(
                line_id=line["id"],
                line_number=number,
                net_amount=Decimal(line["amount"]),
                accounting=[Coding(gl_account=account(line["account"], version))],
            )
            for number, line in enumerate(record["lines"], 1)
        ]
        net = sum((Decimal(line["amount"]) for line in record["lines"]), Decimal(0))
        document = PurchaseOrder(
            order_number=record["number"],
            currency="EUR",
            lifecycle=OrderLifecycle(record["lifecycle"]),
            supplier=SupplierRef(id=record["supplier"]),
            lines=lines,
            totals=OrderTotals(net=net),
        )
        return Translated(document, native_number=record["number"])

    return order


def _invoice(source: SourceDocument) -> Translated:
    record = _required(source)
    link = OrderLink(strength=LinkStrength.HEADER, order_id=record["order"]) if record["order"] else OrderLink()
    lines = [
        InvoiceLine(line_id=line["id"], net_amount=Decimal(line["amount"]), order_link=link) for line in record["lines"]
    ]
    net = sum((Decimal(line["amount"]) for line in record["lines"]), Decimal(0))
    document = Invoice(
        invoice_number=record["number"],
        type_code=InvoiceType.INVOICE,
        effect=1,
        basis=Basis.BOOKING,
        status=InvoiceStatus.BOOKED,
        tax_status=TaxStatus.STATED,
        currency="EUR",
        supplier=SupplierRef(id=record["supplier"]),
        lines=lines,
        totals=InvoiceTotals(net=net),
    )
    return Translated(document, native_number=record["number"])


def _required(source: SourceDocument) -> dict[str, Any]:
    record = source.record
    assert record is not None
    if record.get("garbled"):
        raise Untranslatable([Reason(code="garbled", message="The record has no figures.", fix="Correct it.")])
    return record


def translations(version: int) -> Translations:
    return Translations(
        "erp",
        version,
        {Entity.SUPPLIER: _supplier, Entity.PURCHASE_ORDER: _order(version), Entity.INVOICE: _invoice},
    )
