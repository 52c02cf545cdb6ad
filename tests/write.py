"""A writer on a small in-memory target: what the tests of the write protocol share."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.adapters.memory.configuration import MemoryConfiguration
from connector.adapters.memory.desired import MemoryDesiredRows
from connector.adapters.memory.dispatch import MemoryDispatch
from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.operations import MemoryOperations
from connector.adapters.memory.references import MemoryReferences
from connector.adapters.memory.tables import MemoryTables, Row
from connector.adapters.memory.target import MemoryOptions, MemoryTarget, MemoryVendor
from connector.adapters.signals import AsyncioSignal
from connector.domain.digest import digest_bytes
from connector.domain.documents.common import Coding, SupplierRef
from connector.domain.documents.envelope import RECORDS, AnyRecord, RecordStatus
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
from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId, RowRef
from connector.domain.ports.configuration import Connection, Flow, FlowState
from connector.domain.ports.desired import Origin
from connector.domain.sync.dispatcher import Dispatcher
from connector.domain.sync.intake import Incoming, Intake, Taken

from .virtual import START, VirtualClock

SOURCE = ConnectionId("acme", "erp")
TARGET = ConnectionId("acme", "shop")
FLOW = FlowId("acme", "erp-shop")


def order(number: str = "PO-1", *amounts: str, **given: Any) -> PurchaseOrder:
    lines = [
        OrderLine(line_id=f"l{i}", line_number=i, net_amount=Decimal(amount), accounting=[Coding(gl_account="4000")])
        for i, amount in enumerate(amounts or ("100.00",), 1)
    ]
    net = sum((line.net_amount or Decimal(0) for line in lines), Decimal(0))
    given = {"lifecycle": OrderLifecycle.OPEN, "issue_date": date(2026, 3, 1)} | given
    supplier = SupplierRef(id=given.pop("supplier", None))
    return PurchaseOrder(
        order_number=number, currency="EUR", supplier=supplier, lines=lines, totals=OrderTotals(net=net), **given
    )


def invoice(number: str = "INV-1", order_id: str | None = None, **given: Any) -> Invoice:
    link = OrderLink(strength=LinkStrength.HEADER, order_id=order_id) if order_id else OrderLink()
    return Invoice(
        invoice_number=number,
        type_code=InvoiceType.INVOICE,
        effect=1,
        basis=Basis.BOOKING,
        status=InvoiceStatus.BOOKED,
        tax_status=TaxStatus.STATED,
        currency="EUR",
        supplier=SupplierRef(id=given.pop("supplier", None)),
        lines=[InvoiceLine(line_id="l1", net_amount=Decimal("10.00"), order_link=link)],
        totals=InvoiceTotals(net=Decimal("10.00")),
        **given,
    )


def supplier(number: str = "S1", name: str = "Smith Ltd") -> Supplier:
    return Supplier(number=number, name=name, status=SupplierStatus(active=True))


_ENTITY: dict[type, Entity] = {PurchaseOrder: Entity.PURCHASE_ORDER, Invoice: Entity.INVOICE, Supplier: Entity.SUPPLIER}


def record(
    document: PurchaseOrder | Invoice | Supplier | None,
    native_id: str = "1",
    read: int = 1,
    *,
    entity: Entity | None = None,
    resolved: str = "r",
    translation: int = 1,
    **given: Any,
) -> AnyRecord:
    """The `read`-th read of a document; None as document is its deletion."""
    of = entity or _ENTITY[type(document)]
    gone = {"status": RecordStatus.DELETED, "proof": "deleted feed"} if document is None else {}
    content = document.model_dump_json().encode() if document is not None else b"gone"
    return RECORDS[of](
        tenant=SOURCE.tenant,
        connection=SOURCE.connection,
        system="erp",
        entity=of,
        native_id=native_id,
        read_at=START + timedelta(seconds=read),
        translation_version=translation,
        content_digest=digest_bytes(content),
        resolved_digest=resolved,
        document=document,
        **(gone | given),
    )


def incoming(*records: AnyRecord) -> list[Incoming]:
    return [
        Incoming(r.ref.key, r.model_dump_json().encode(), Origin(f"canonical.{r.entity}.v1", 0, offset))
        for offset, r in enumerate(records)
    ]


def row_of(native_id: str = "1", entity: Entity = Entity.PURCHASE_ORDER) -> RowRef:
    return RowRef(FLOW, entity, native_id)


def flow(**given: Any) -> Flow:
    options = MemoryOptions(**given.pop("options", {}))
    plain = Flow(
        id=FLOW,
        kind="erp-shop",
        source=SOURCE,
        target=TARGET,
        entities=frozenset({Entity.PURCHASE_ORDER, Entity.INVOICE, Entity.SUPPLIER}),
        state=FlowState.LIVE,
        options=options,
    )
    return replace(plain, **given)


CONNECTION = Connection(TARGET, "shop", settings=None, call_deadline_s=30, processing_s=120)


@dataclass
class Writer:
    """Stores and vendor of one target, and as many dispatchers as a test starts."""

    group: asyncio.TaskGroup
    clock: VirtualClock = field(default_factory=VirtualClock)
    vendor: MemoryVendor = field(default_factory=MemoryVendor)
    configuration: MemoryConfiguration = field(default_factory=MemoryConfiguration)
    troubles: list[Exception] = field(default_factory=list)
    batch: int = 1

    def __post_init__(self) -> None:
        self.tables = MemoryTables(self.clock.now, self.configuration)
        self.vendor.now = self.clock.now
        self.dispatch = MemoryDispatch(self.tables)
        self.references = MemoryReferences(self.tables)
        self.operations = MemoryOperations(self.tables)
        self.intake = Intake(MemoryDesiredRows(self.tables), self.references, "shop")
        self.target = MemoryTarget(TARGET, self.vendor, self.batch)
        self.configure()

    def configure(self, **given: Any) -> None:
        self.configuration.apply(connections={TARGET: CONNECTION}, flows={FLOW: flow(**given)})

    async def take(self, *records: AnyRecord) -> Taken:
        return await self.intake.take(incoming(*records), await self.configuration.current())

    def dispatcher(self, holder: str = "a") -> Dispatcher:
        return Dispatcher(
            connection=TARGET,
            holder=holder,
            target_of=lambda flow, connection: self.target,
            configuration=self.configuration,
            epochs=MemoryEpochs(self.tables),
            dispatch=self.dispatch,
            references=self.references,
            clock=self.clock,
            randomness=random.Random(7),
            spawner=self.group,
            signal=AsyncioSignal,
            report=lambda what, error: self.troubles.append(error),
        )

    def row(self, native_id: str = "1", entity: Entity = Entity.PURCHASE_ORDER) -> Row:
        return self.tables.rows[row_of(native_id, entity)]

    def state(self, native_id: str = "1", entity: Entity = Entity.PURCHASE_ORDER) -> str:
        return str(self.row(native_id, entity).state)

    def codes(self, native_id: str = "1", entity: Entity = Entity.PURCHASE_ORDER) -> list[str]:
        return [reason.code for reason in self.row(native_id, entity).reasons]

    def story(self, native_id: str = "1", entity: Entity = Entity.PURCHASE_ORDER) -> list[str]:
        return [line.event for line in self.tables.audit[row_of(native_id, entity)]]


@asynccontextmanager
async def writer(*, dispatching: bool = True, batch: int = 1, **flow_given: Any) -> AsyncIterator[Writer]:
    """A writer whose dispatcher runs until the block ends; errors that are nobody's verdict fail the test."""
    async with asyncio.TaskGroup() as group:
        made = Writer(group, batch=batch)
        made.configure(**flow_given)
        dispatcher = made.dispatcher()
        if dispatching:
            group.create_task(dispatcher.run())
        yield made
        dispatcher.stop()
    assert not made.troubles, made.troubles


def at(seconds: float) -> datetime:
    return START.astimezone(UTC) + timedelta(seconds=seconds)


def ref(native_id: str = "1", entity: Entity = Entity.PURCHASE_ORDER) -> EntityRef:
    return EntityRef(SOURCE, entity, native_id)
