"""A Coupa sandbox as its own process, and a whole writer in front of it: intake, dispatcher, room, over HTTP."""

import asyncio
import itertools
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from connector.adapters.clock import SystemClock
from connector.adapters.http import vendor_http
from connector.adapters.memory.configuration import MemoryConfiguration
from connector.adapters.memory.desired import MemoryDesiredRows
from connector.adapters.memory.dispatch import MemoryDispatch
from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.operations import MemoryOperations
from connector.adapters.memory.references import MemoryReferences
from connector.adapters.memory.tables import MemoryTables, Row
from connector.adapters.signals import AsyncioSignal
from connector.adapters.systems.coupa.settings import ExactCoupaOptions, Settings
from connector.adapters.systems.coupa.target import CoupaTarget
from connector.domain.digest import digest_bytes
from connector.domain.documents.common import Address, Coding, Item, SupplierRef, Vat, VatCategory
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
)
from connector.domain.documents.purchase_order import OrderLifecycle, OrderLine, OrderTotals, PurchaseOrder
from connector.domain.documents.reference import Reference
from connector.domain.documents.supplier import Supplier, SupplierStatus
from connector.domain.identity import ConnectionId, Entity, FlowId, RowRef, TrafficClass
from connector.domain.ports.configuration import Connection, Flow, FlowState, MappingEntry
from connector.domain.sync.dispatcher import Dispatcher, Pace
from connector.domain.sync.intake import Intake
from connector.domain.sync.states import State
from tests.write import incoming

SOURCE = ConnectionId("acme", "exact-nl")
COUPA = ConnectionId("acme", "coupa")
FLOW = FlowId("acme", "exact-coupa")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WITHIN_S = 15.0

OPTIONS: dict[str, Any] = {
    "chart_of_accounts": "Company Chart",
    "accounts": {"form": "segments", "segments": [{"kind": "cost-center", "default": "100"}, {"kind": "gl-account"}]},
    "lookups": {"gl-account": "GL Account", "cost-center": "Cost Center"},
    "ship_to_user": "receiving",
    "ship_to_address": "MAIN",
    "create_suppliers": True,
    "orders": "open-only",
    "invoice_end_state": "submitted",
    "settlement": "source",
    "default_unit": "EA",
}
MAPPINGS = {"payment-terms": {"30": "Net 30"}, "tax-codes": {"4": "", "6": ""}, "units": {"pc": "EA"}}

_reads = itertools.count(1)


@dataclass(frozen=True)
class Sandbox:
    base_url: str
    control_url: str
    credentials: dict[str, Any]

    def act(self, name: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.control_url}/act/{name}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def set(self, **settings: Any) -> None:
        httpx.post(f"{self.control_url}/settings", json=settings).raise_for_status()

    def fault(self, **rule: Any) -> None:
        httpx.post(f"{self.control_url}/faults", json=rule).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = httpx.get(f"{self.control_url}/calls").json()
        return [call for call in listed if "/oauth2/" not in call["path"]]

    def forget(self) -> None:
        httpx.delete(f"{self.control_url}/calls").raise_for_status()
        httpx.delete(f"{self.control_url}/faults").raise_for_status()

    def store(self, collection: str, **values: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = httpx.get(f"{self.control_url}/store").json()[collection]
        return [row for row in rows if all(row.get(name) == value for name, value in values.items())]

    def one(self, collection: str, **values: Any) -> dict[str, Any]:
        (row,) = self.store(collection, **values)
        return row

    def token(self) -> str:
        keys = {name: self.credentials[name] for name in ("client_id", "client_secret")}
        form = {**keys, "grant_type": "client_credentials", "scope": " ".join(self.credentials["scopes"])}
        return str(httpx.post(f"{self.base_url}/oauth2/token", data=form).json()["access_token"])

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """As a person or another integration would."""
        headers = {"authorization": f"Bearer {self.token()}", "accept": "application/json"}
        answer = httpx.request(method, f"{self.base_url}/api/{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def settings(self, **changes: Any) -> Settings:
        given = {"base_url": self.base_url, "login": self.credentials["login"], "scopes": self.credentials["scopes"]}
        return Settings.model_validate({**given, "call_deadline_s": 5.0, **changes})


@contextmanager
def running_sandbox(**settings: Any) -> Iterator[Sandbox]:
    switches = [item for name, value in settings.items() for item in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "connector.sandbox", "coupa", "--port", "0", "--seed", "1", *switches]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        yield Sandbox(line["base_url"], line["control_url"], line["credentials"])
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@dataclass
class OpenGate:
    """One caller with one token and no quota to share."""

    token: str

    @property
    def authorization(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Nobody else is to know."""

    @asynccontextmanager
    async def call(
        self, connection: ConnectionId, traffic: TrafficClass, *, endpoint: str, flow: str = ""
    ) -> AsyncIterator["OpenGate"]:
        yield self


def supplier(number: str = "S1", name: str | None = None, **given: Any) -> Supplier:
    address = Address(lines=["Kade 1"], city="Rotterdam", postal_code="3011 AA", country="NL")
    return Supplier(
        **{
            "number": number,
            "name": name or f"Supplier {number}",
            "vat_id": f"NL{number}",
            "status": SupplierStatus(active=True),
            "addresses": [address],
            **given,
        }
    )


def order_line(line_id: str, quantity: str = "10", price: str = "2.50", **given: Any) -> OrderLine:
    net = (Decimal(quantity) * Decimal(price)).quantize(Decimal("0.01"))
    return OrderLine(
        **{
            "line_id": line_id,
            "line_number": int(line_id.rpartition("-")[2]),
            "description": f"Bolts {line_id}",
            "item": Item(buyer_id="BOLT"),
            "quantity": Decimal(quantity),
            "unit": "pc",
            "price": Decimal(price),
            "net_amount": net,
            "accounting": [Coding(gl_account="4000", cost_center="200")],
            "need_by": date(2026, 4, 1),
            **given,
        }
    )


def order(number: str, *lines: OrderLine, supplier_id: str = "s1", **given: Any) -> PurchaseOrder:
    sent = lines or (order_line(f"{number}-1"), order_line(f"{number}-2", "4", "25.00"))
    net = sum((line.net_amount or Decimal(0) for line in sent), Decimal(0))
    return PurchaseOrder(
        **{
            "order_number": number,
            "issue_date": date(2026, 3, 1),
            "lifecycle": OrderLifecycle.OPEN,
            "currency": "EUR",
            "supplier": SupplierRef(id=supplier_id),
            "lines": list(sent),
            "totals": OrderTotals(net=net),
            **given,
        }
    )


def invoice_line(line_id: str, net: str = "100.00", vat: str = "21.00", **given: Any) -> InvoiceLine:
    return InvoiceLine(
        **{
            "line_id": line_id,
            "description": f"Booked {line_id}",
            "net_amount": Decimal(net),
            "vat": Vat(code="4", category=VatCategory.STANDARD, rate=Decimal(21), amount=Decimal(vat)),
            "accounting": [Coding(gl_account="4000", cost_center="100")],
            **given,
        }
    )


def backed_by(order_id: str, line_id: str) -> dict[str, Any]:
    link = OrderLink(strength=LinkStrength.LINE, order_id=order_id, order_number=order_id, line_id=line_id)
    return {"order_link": link}


def invoice(number: str, *lines: InvoiceLine, supplier_id: str = "s1", **given: Any) -> Invoice:
    sent = lines or (invoice_line("1"),)
    net = sum((line.net_amount or Decimal(0) for line in sent), Decimal(0))
    vat = sum((line.vat.amount or Decimal(0) for line in sent), Decimal(0))
    return Invoice(
        **{
            "invoice_number": number,
            "type_code": InvoiceType.INVOICE,
            "effect": 1,
            "basis": Basis.BOOKING,
            "status": InvoiceStatus.BOOKED,
            "issue_date": date(2026, 3, 1),
            "currency": "EUR",
            "supplier": SupplierRef(id=supplier_id),
            "totals": InvoiceTotals(lines=net, net=net, vat=vat, gross=net + vat, payable=net + vat),
            "lines": list(sent),
            **given,
        }
    )


_ENTITY: dict[Any, Entity] = {
    PurchaseOrder: Entity.PURCHASE_ORDER,
    Invoice: Entity.INVOICE,
    Supplier: Entity.SUPPLIER,
    Reference: Entity.REFERENCE,
}


def record(document: Any, native_id: str, *, entity: Entity | None = None, **given: Any) -> AnyRecord:
    """A document as just read; None is its deletion."""
    of = entity or _ENTITY[type(document)]
    gone = {"status": RecordStatus.DELETED, "proof": "deleted feed"} if document is None else {}
    content = document.model_dump_json().encode() if document is not None else b"gone"
    return RECORDS[of](
        tenant=SOURCE.tenant,
        connection=SOURCE.connection,
        system="exact",
        entity=of,
        native_id=native_id,
        read_at=START + timedelta(seconds=next(_reads)),
        translation_version=1,
        content_digest=digest_bytes(content),
        resolved_digest="r",
        document=document,
        **(gone | given),
    )


def flow_with(**options: Any) -> Flow:
    return Flow(
        id=FLOW,
        kind="exact-coupa",
        source=SOURCE,
        target=COUPA,
        entities=frozenset({Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE}),
        references=frozenset({"gl-account", "cost-center"}),
        state=FlowState.LIVE,
        options=ExactCoupaOptions.model_validate({**OPTIONS, **options}),
    )


CONNECTION = Connection(COUPA, "coupa", settings=None, call_deadline_s=0.5, processing_s=0.5)


@dataclass
class Desk:
    """A flow from a source into the sandbox, dispatching, and what became of each row."""

    sandbox: Sandbox
    target: CoupaTarget
    configuration: MemoryConfiguration = field(default_factory=MemoryConfiguration)
    troubles: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tables = MemoryTables(SystemClock().now)
        self.operations = MemoryOperations(self.tables)
        self.choose()

    def choose(self, **options: Any) -> None:
        mappings = {
            (FLOW, table): {key: MappingEntry(value, value) for key, value in entries.items()}
            for table, entries in MAPPINGS.items()
        }
        self.configuration.apply(connections={COUPA: CONNECTION}, flows={FLOW: flow_with(**options)}, mappings=mappings)

    def dispatcher(self, group: asyncio.TaskGroup) -> Dispatcher:
        return Dispatcher(
            connection=COUPA,
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
            pace=Pace(recheck_s=0.3),
        )

    async def take(self, document: Any, native_id: str, **given: Any) -> None:
        rows, references = MemoryDesiredRows(self.tables), MemoryReferences(self.tables)
        intake = Intake(rows, references, "coupa")
        await intake.take(incoming(record(document, native_id, **given)), await self.configuration.current())

    def row(self, entity: Entity, native_id: str) -> Row:
        return self.tables.rows[RowRef(FLOW, entity, native_id)]

    async def until(self, state: State, entity: Entity, native_id: str) -> Row:
        """Wait for a state; fails with the row's reasons and story where it doesn't come."""
        deadline = asyncio.get_running_loop().time() + WITHIN_S
        while self.row(entity, native_id).state != state:
            if asyncio.get_running_loop().time() > deadline:
                row = self.row(entity, native_id)
                story = [(line.event, dict(line.detail)) for line in self.tables.audit[row.desired.row]]
                raise AssertionError(f"{row.state}: {[str(reason) for reason in row.reasons]}; {story}")
            await asyncio.sleep(0.02)
        return self.row(entity, native_id)

    async def settle(self, document: Any, native_id: str, state: State = State.SYNCED, **given: Any) -> list[str]:
        """Take a document and wait; the codes of what is wrong with it."""
        await self.take(document, native_id, **given)
        entity = given.get("entity") or _ENTITY[type(document)]
        row = await self.until(state, entity, native_id)
        return [reason.code for reason in row.reasons]


@asynccontextmanager
async def desk_of(sandbox: Sandbox, **settings: Any) -> AsyncIterator[Desk]:
    async with vendor_http() as http, asyncio.TaskGroup() as group:
        target = CoupaTarget(sandbox.settings(**settings), COUPA, OpenGate(sandbox.token()), http)
        desk = Desk(sandbox, target)
        dispatcher = desk.dispatcher(group)
        group.create_task(dispatcher.run())
        yield desk
        dispatcher.stop()
    assert not desk.troubles, desk.troubles
