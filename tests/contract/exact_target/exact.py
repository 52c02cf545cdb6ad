"""A whole writer in front of an Exact sandbox: intake, dispatcher, room, over HTTP; fed as Basware's room would."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.adapters.clock import SystemClock
from connector.adapters.http import vendor_http
from connector.adapters.memory.blobs import MemoryBlobs
from connector.adapters.memory.configuration import MemoryConfiguration
from connector.adapters.memory.desired import MemoryDesiredRows
from connector.adapters.memory.dispatch import MemoryDispatch
from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.operations import MemoryOperations
from connector.adapters.memory.references import MemoryReferences
from connector.adapters.memory.tables import MemoryTables, Row
from connector.adapters.signals import AsyncioSignal
from connector.adapters.systems.exact.options import BaswareExactOptions
from connector.adapters.systems.exact.target import ExactTarget
from connector.adapters.vault import Fingerprints
from connector.domain.digest import digest_bytes
from connector.domain.documents.common import Address, Coding, SupplierRef, Vat
from connector.domain.documents.envelope import RECORDS, AnyRecord, RecordStatus
from connector.domain.documents.invoice import (
    Attachment,
    Basis,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    InvoiceTotals,
    InvoiceType,
)
from connector.domain.documents.purchase_order import OrderLifecycle, OrderLine, OrderTotals, PurchaseOrder
from connector.domain.documents.supplier import AccountRole, Supplier, SupplierStatus
from connector.domain.identity import ConnectionId, Entity, FlowId, RowRef
from connector.domain.ports.configuration import Connection, Flow, FlowState, MappingEntry, OnBlock
from connector.domain.ports.dispatch import Feedback
from connector.domain.ports.vault import KeyRing
from connector.domain.sync.dispatcher import Dispatcher, Pace
from connector.domain.sync.intake import Intake
from connector.domain.sync.states import State
from tests.contract.exact_source.sandboxes import OneCallerGate, Sandbox
from tests.write import incoming

SOURCE = ConnectionId("acme", "basware")
EXACT = ConnectionId("acme", "exact-nl")
FLOW = FlowId("acme", "basware-exact")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WITHIN_S = 15.0
FINGERPRINTS = Fingerprints(EXACT.tenant, lambda: KeyRing("2026-11", {"2026-11": bytes(32)}))
"""As the reader of the source makes them."""

OPTIONS: dict[str, Any] = {
    "companies": ["NL01"],
    "journal": "70",
    "journals": {"USD": "71"},
    "create_suppliers": True,
    "no_tax_code": "5",
    "orders": "mirror",
    "catch_all_item": "PURCHASE",
}
MAPPINGS = {"vat-codes": {"V21": "2", "V09": "1", "RC": "4", "V21I": "3"}, "payment-terms": {"30D": "30"}}
CONNECTION = Connection(EXACT, "exact", settings=None, call_deadline_s=0.5, processing_s=0.3)

_reads = itertools.count(1)


def supplier(number: str = "V100", **given: Any) -> Supplier:
    address = Address(lines=["Kade 1"], city="Rotterdam", postal_code="3011 AA", country="NL")
    usual = {
        "number": number,
        "name": f"Supplier {number}",
        "vat_id": f"NL{number}B01",
        "roles": [AccountRole.SUPPLIER],
        "companies": ["NL01"],
        "status": SupplierStatus(active=True),
        "addresses": [address],
    }
    return Supplier(**{**usual, **given})


def line(line_id: str = "1", net: str = "100.00", vat: str = "21.00", **given: Any) -> InvoiceLine:
    """A coding row; `gl`, `cc`, `cu` and `tax` are its codes; `reverse` where the buyer owes the tax."""
    coding = Coding(
        gl_account=given.pop("gl", "4000"), cost_center=given.pop("cc", "CC1"), cost_unit=given.pop("cu", None)
    )
    tax, reverse = given.pop("tax", "V21"), given.pop("reverse", False)
    usual = {
        "line_id": line_id,
        "line_number": int(line_id),
        "description": f"Row {line_id}",
        "net_amount": Decimal(net),
        "vat": Vat(code=tax, amount=Decimal(0 if reverse else vat)),
        "self_assessed_vat": Decimal(vat) if reverse else None,
        "accounting": [coding],
    }
    return InvoiceLine(**{**usual, **given})


def invoice(number: str, *lines: InvoiceLine, supplier_id: str = "v100", **given: Any) -> Invoice:
    sent = lines or (line(),)
    net = sum((one.net_amount or Decimal(0) for one in sent), Decimal(0))
    vat = sum((one.vat.amount or Decimal(0) for one in sent), Decimal(0))
    owed = sum((one.self_assessed_vat or Decimal(0) for one in sent), Decimal(0))
    usual = {
        "invoice_number": number,
        "type_code": InvoiceType.INVOICE,
        "effect": 1,
        "basis": Basis.BOOKING,
        "status": InvoiceStatus.OPEN,
        "issue_date": date(2026, 3, 1),
        "due_date": date(2026, 3, 31),
        "currency": "EUR",
        "supplier": SupplierRef(id=supplier_id, number="V100", name="Supplier V100"),
        "totals": InvoiceTotals(net=net, vat=vat, gross=net + vat, payable=net + vat, self_assessed_vat=owed),
        "lines": list(sent),
    }
    return Invoice(**{**usual, **given})


def credit_note(number: str, *lines: InvoiceLine, **given: Any) -> Invoice:
    return invoice(number, *lines, type_code=InvoiceType.CREDIT_NOTE, effect=-1, **given)


def order_line(number: int = 1, quantity: str = "10", net: str = "25.00", **given: Any) -> OrderLine:
    usual = {
        "line_id": f"l{number}",
        "line_number": number,
        "description": f"Goods {number}",
        "quantity": Decimal(quantity),
        "price": Decimal(net) / Decimal(quantity),
        "net_amount": Decimal(net),
        "vat": Vat(code="V21"),
        "accounting": [Coding(gl_account="4000", cost_center="CC1")],
        "need_by": date(2026, 4, 1),
    }
    return OrderLine(**{**usual, **given})


def order(number: str, *lines: OrderLine, supplier_id: str = "v100", **given: Any) -> PurchaseOrder:
    sent = lines or (order_line(),)
    net = sum((one.net_amount or Decimal(0) for one in sent), Decimal(0))
    usual = {
        "order_number": number,
        "order_type": "Standard",
        "issue_date": date(2026, 3, 1),
        "lifecycle": OrderLifecycle.OPEN,
        "currency": "EUR",
        "supplier": SupplierRef(id=supplier_id, number="V100", name="Supplier V100"),
        "totals": OrderTotals(lines=net, net=net),
        "lines": list(sent),
    }
    return PurchaseOrder(**{**usual, **given})


_ENTITY: dict[type[Any], Entity] = {
    PurchaseOrder: Entity.PURCHASE_ORDER,
    Invoice: Entity.INVOICE,
    Supplier: Entity.SUPPLIER,
}


def record(
    document: Any, native_id: str, *, round: int | None = 0, entity: Entity | None = None, **given: Any
) -> AnyRecord:
    """A document as just read, in a round of its own if it is an invoice; None is its deletion."""
    of = entity or _ENTITY[type(document)]
    gone = {"status": RecordStatus.DELETED, "proof": "deleted"} if document is None else {}
    content = document.model_dump_json().encode() if document is not None else b"gone"
    extras = {**given.pop("extras", {}), **({"round": round} if of is Entity.INVOICE and round is not None else {})}
    usual = {"company": "NL01", "native_number": native_id, "extras": extras}
    return RECORDS[of](
        tenant=SOURCE.tenant,
        connection=SOURCE.connection,
        system="basware",
        entity=of,
        native_id=native_id,
        read_at=START + timedelta(seconds=next(_reads)),
        translation_version=1,
        content_digest=digest_bytes(content + f"{round}".encode()),
        resolved_digest="r",
        document=document,
        **{**usual, **gone, **given},
    )


def with_image(document: Invoice, native_id: str, blob: str, **given: Any) -> AnyRecord:
    """An invoice whose image rests under `blob`."""
    shown = document.model_copy(update={"attachments": [Attachment(id="a1", name="invoice.pdf")]})
    return record(shown, native_id, extras={"images": {"a1": {"blob": blob, "size": 3}}}, **given)


def flow_with(on_block: OnBlock = OnBlock.HOLD, wait_s: float = 0.0, **options: Any) -> Flow:
    return Flow(
        id=FLOW,
        kind="basware-exact",
        source=SOURCE,
        target=EXACT,
        entities=frozenset({Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE}),
        state=FlowState.LIVE,
        options=BaswareExactOptions.model_validate({**OPTIONS, **options}),
        on_block=on_block,
        feedback=True,
        wait_s=wait_s,
    )


def live(sandbox: Sandbox, collection: str, number: str) -> list[dict[str, Any]]:
    """Documents with this number that nobody deleted."""
    return [row for row in sandbox.store(collection) if row["YourRef"] == number and not row.get("_deleted")]


@dataclass
class Desk:
    """A flow from a source into the sandbox, dispatching, and what became of each row."""

    sandbox: Sandbox
    target: ExactTarget
    blobs: MemoryBlobs
    configuration: MemoryConfiguration = field(default_factory=MemoryConfiguration)
    troubles: list[Exception] = field(default_factory=list)
    connection: Connection = CONNECTION

    def __post_init__(self) -> None:
        self.tables = MemoryTables(SystemClock().now)
        self.operations = MemoryOperations(self.tables)
        self.choose()

    def choose(self, **chosen: Any) -> None:
        mappings = {
            (FLOW, table): {key: MappingEntry(value, value) for key, value in entries.items()}
            for table, entries in MAPPINGS.items()
        }
        flow = flow_with(**chosen)
        self.configuration.apply(connections={EXACT: self.connection}, flows={FLOW: flow}, mappings=mappings)

    def dispatcher(self, group: asyncio.TaskGroup) -> Dispatcher:
        return Dispatcher(
            connection=EXACT,
            holder="desk",
            target_of=lambda flow, connection: self.target,
            configuration=self.configuration,
            epochs=MemoryEpochs(self.tables),
            dispatch=MemoryDispatch(self.tables),
            references=MemoryReferences(self.tables),
            clock=SystemClock(),
            randomness=random.Random(1),
            spawner=group,
            signal=AsyncioSignal,
            report=lambda what, error: self.troubles.append(error),
            pace=Pace(recheck_s=0.3, refresh_s=0.5),
        )

    async def take(self, *records: AnyRecord) -> None:
        rows, references = MemoryDesiredRows(self.tables), MemoryReferences(self.tables)
        await Intake(rows, references, "exact").take(incoming(*records), await self.configuration.current())

    def row(self, record: AnyRecord) -> Row:
        return self.tables.rows[RowRef(FLOW, record.entity, record.native_id)]

    def codes(self, record: AnyRecord) -> set[str]:
        return {reason.code for reason in self.row(record).reasons}

    def told(self, record: AnyRecord, round: int = 0) -> Feedback | None:
        return self.tables.feedback.get((record.ref, round))

    async def until(self, record: AnyRecord, *states: State) -> None:
        deadline = asyncio.get_running_loop().time() + WITHIN_S
        while True:
            row = self.row(record)
            if row.state in states and row.due is None:
                return
            if asyncio.get_running_loop().time() > deadline:
                story = [(entry.event, dict(entry.detail)) for entry in self.tables.audit[row.desired.row]]
                raise AssertionError(f"{row.state}: {[str(reason) for reason in row.reasons]}; {story}")
            await asyncio.sleep(0.02)

    async def settled(self, record: AnyRecord, state: State = State.SYNCED) -> None:
        """Take it and wait for its verdict."""
        await self.take(record)
        await self.until(record, state)

    def entries(self, number: str) -> list[dict[str, Any]]:
        return live(self.sandbox, "purchaseentry/PurchaseEntries", number)

    def entry_lines(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        lines = self.sandbox.store("purchaseentry/PurchaseEntryLines")
        return sorted((one for one in lines if one["EntryID"] == entry["EntryID"]), key=lambda one: one["LineNumber"])


@asynccontextmanager
async def desk_of(sandbox: Sandbox, gate: OneCallerGate) -> AsyncIterator[Desk]:
    blobs = MemoryBlobs()
    async with vendor_http() as http:
        target = ExactTarget(
            sandbox.settings(call_deadline_s=5.0), EXACT, gate, http, blobs, SystemClock(), FINGERPRINTS
        )
        desk = Desk(sandbox, target, blobs)
        async with asyncio.TaskGroup() as group:
            dispatcher = desk.dispatcher(group)
            group.create_task(dispatcher.run())
            yield desk
            dispatcher.stop()
    assert not desk.troubles, desk.troubles
