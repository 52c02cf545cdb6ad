"""A Procore sandbox as its own process, and a whole writer in front of it: intake, dispatcher, room, over HTTP."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
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
from connector.adapters.systems.procore.settings import ExactProcoreOptions, Settings
from connector.adapters.systems.procore.target import ProcoreTarget
from connector.domain.documents.common import Coding
from connector.domain.documents.invoice import Invoice, InvoiceLine
from connector.domain.documents.purchase_order import PurchaseOrder
from connector.domain.documents.reference import Reference, ReferenceKind
from connector.domain.documents.supplier import Supplier
from connector.domain.identity import ConnectionId, Entity, FlowId, RowRef
from connector.domain.ports.configuration import Connection, Flow, FlowState, MappingEntry
from connector.domain.sync.dispatcher import Dispatcher, Pace
from connector.domain.sync.intake import Intake
from connector.domain.sync.states import State
from tests.contract.coupa_target.coupa import SOURCE, OpenGate, order_line, record, supplier
from tests.contract.coupa_target.coupa import invoice as coupa_invoice
from tests.contract.coupa_target.coupa import order as any_order
from tests.write import incoming

PROCORE = ConnectionId("acme", "procore")
FLOW = FlowId("acme", "exact-procore")
WITHIN_S = 15.0
OPTIONS: dict[str, Any] = {
    "projects": {"P-100": {"cost_model": "A"}, "P-200": {"cost_model": "C"}},
    "orders": "open-only",
    "invoice_end_state": "approved",
}
COSTS = {
    "4000/*/*": "{code}:01-100.M",
    "4100/200/*": "{code}:01-100.L",
    "7000/*/*": "P-100:no-such.M",
}
CONNECTION = Connection(PROCORE, "procore", settings=None, call_deadline_s=0.5, processing_s=0.5)
_ENTITY: dict[Any, Entity] = {
    PurchaseOrder: Entity.PURCHASE_ORDER,
    Invoice: Entity.INVOICE,
    Supplier: Entity.SUPPLIER,
    Reference: Entity.REFERENCE,
}


@dataclass(frozen=True)
class Sandbox:
    base_url: str
    control_url: str
    credentials: dict[str, Any]

    def act(self, name: str, /, **body: Any) -> Any:
        answer = httpx.post(f"{self.control_url}/act/{name}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def set(self, **settings: Any) -> None:
        httpx.post(f"{self.control_url}/settings", json=settings).raise_for_status()

    def fault(self, **rule: Any) -> None:
        httpx.post(f"{self.control_url}/faults", json=rule).raise_for_status()

    def calls(self, **values: Any) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = httpx.get(f"{self.control_url}/calls").json()
        return [call for call in listed if all(call[name] == value for name, value in values.items())]

    def forget(self) -> None:
        httpx.delete(f"{self.control_url}/calls").raise_for_status()
        httpx.delete(f"{self.control_url}/faults").raise_for_status()

    def store(self, collection: str, **values: Any) -> list[dict[str, Any]]:
        """Records that people still see."""
        rows: list[dict[str, Any]] = httpx.get(f"{self.control_url}/store", timeout=20).json()[collection]
        return [
            row
            for row in rows
            if not row.get("deleted_at") and all(row.get(name) == value for name, value in values.items())
        ]

    def one(self, collection: str, **values: Any) -> dict[str, Any]:
        (row,) = self.store(collection, **values)
        return row

    def lines(self, collection: str, owner: int) -> dict[str, str]:
        """Amounts of an object's lines by the id of the source's line."""
        rows = [row for row in self.store(collection) if row["holder"]["id"] == owner]
        return {row["origin_id"].rpartition("#")[2]: row["amount"] for row in rows}

    def project(self, number: str) -> int:
        return int(self.credentials["projects"][number])

    def token(self) -> str:
        keys = {name: self.credentials[name] for name in ("client_id", "client_secret")}
        form = {**keys, "grant_type": "client_credentials"}
        return str(httpx.post(f"{self.credentials['login_url']}/oauth/token", data=form).json()["access_token"])

    def settings(self) -> Settings:
        given = {name: self.credentials[name] for name in ("login_url", "api_url", "company_id")}
        return Settings.model_validate({**given, "call_deadline_s": 5.0})


@contextmanager
def running_sandbox(**settings: Any) -> Iterator[Sandbox]:
    switches = [item for name, value in settings.items() for item in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "connector.sandbox", "procore", "--port", "0", "--seed", "1", *switches]
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


def coding(gl: str = "4000", project: str | None = "P-100", cost_center: str | None = "200") -> list[Coding]:
    return [Coding(gl_account=gl, cost_center=cost_center, project=project)]


def line(line_id: str, quantity: str = "10", price: str = "2.50", **given: Any) -> Any:
    return order_line(line_id, quantity, price, **{"accounting": coding(), **given})


def order(number: str, *lines: Any, **given: Any) -> PurchaseOrder:
    return any_order(number, *(lines or (line(f"{number}-1"), line(f"{number}-2", "4", "25.00"))), **given)


def cost(line_id: str, net: str = "25.00", extra: str = "0", **given: Any) -> InvoiceLine:
    """An invoice line; `extra` is the VAT that nobody gives back."""
    from tests.contract.coupa_target.coupa import invoice_line

    total = Decimal(net) + Decimal(extra)
    return invoice_line(
        line_id, net, "0.00", **{"accounting": coding(), "cost_amount": total, "line_number": 1, **given}
    )


def invoice(number: str, *lines: InvoiceLine, **given: Any) -> Invoice:
    return coupa_invoice(number, *(lines or (cost("1"),)), **given)


def flow_with(**options: Any) -> Flow:
    return Flow(
        id=FLOW,
        kind="exact-procore",
        source=SOURCE,
        target=PROCORE,
        entities=frozenset(_ENTITY.values()) - {Entity.REFERENCE},
        state=FlowState.LIVE,
        options=ExactProcoreOptions.model_validate({**OPTIONS, **options}),
    )


@dataclass
class Desk:
    """A flow from a source into the sandbox, dispatching, and what became of each row."""

    sandbox: Sandbox
    target: ProcoreTarget
    within_s: float = WITHIN_S
    """How long a row may take to where it is expected."""
    connection: Connection = CONNECTION
    pace: Pace = field(default_factory=lambda: Pace(recheck_s=0.3))
    configuration: MemoryConfiguration = field(default_factory=MemoryConfiguration)
    troubles: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tables = MemoryTables(SystemClock().now)
        self.operations = MemoryOperations(self.tables)
        self.choose()

    def choose(self, costs: dict[str, str] | None = None, **options: Any) -> None:
        tables = {"costs": {**COSTS, **(costs or {})}, "units": {"pc": "ea"}}
        mappings = {
            (FLOW, table): {key: MappingEntry(value, value) for key, value in entries.items()}
            for table, entries in tables.items()
        }
        self.configuration.apply(
            connections={PROCORE: self.connection}, flows={FLOW: flow_with(**options)}, mappings=mappings
        )

    def dispatcher(self, group: asyncio.TaskGroup) -> Dispatcher:
        return Dispatcher(
            connection=PROCORE,
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
            pace=self.pace,
        )

    async def know_the_source(self) -> None:
        """The source's codes and a supplier, as the log would have brought them."""
        for kind, codes in (
            (ReferenceKind.GL_ACCOUNT, ("4000", "4100", "7000", "8000")),
            (ReferenceKind.COST_CENTER, ("200",)),
        ):
            for code in codes:
                await self.take(Reference(kind=kind, code=code), f"{kind}/{code}")
        await self.settle(supplier("S1", "Bolts and Nuts"), "s1")

    async def take(self, document: Any, native_id: str, **given: Any) -> None:
        rows, references = MemoryDesiredRows(self.tables), MemoryReferences(self.tables)
        intake = Intake(rows, references, "procore")
        await intake.take(incoming(record(document, native_id, **given)), await self.configuration.current())

    def row(self, entity: Entity, native_id: str) -> Row:
        return self.tables.rows[RowRef(FLOW, entity, native_id)]

    async def until(self, state: State, entity: Entity, native_id: str) -> Row:
        """Wait for a state; fails with the row's reasons and story where it doesn't come."""
        deadline = asyncio.get_running_loop().time() + self.within_s
        while self.row(entity, native_id).state != state:
            if asyncio.get_running_loop().time() > deadline:
                row = self.row(entity, native_id)
                story = [(told.event, dict(told.detail)) for told in self.tables.audit[row.desired.row]]
                reasons = [str(reason) for reason in row.reasons]
                raise AssertionError(f"{row.state}: {reasons}; {story}; {self.troubles}")
            await asyncio.sleep(0.02)
        return self.row(entity, native_id)

    async def settle(self, document: Any, native_id: str, state: State = State.SYNCED, **given: Any) -> list[str]:
        """Take a document and wait; the codes of what is wrong with it."""
        await self.take(document, native_id, **given)
        row = await self.until(state, given.get("entity") or _ENTITY[type(document)], native_id)
        return [reason.code for reason in row.reasons]


async def ends(desk: Desk, entity: Entity, native_ids: list[str]) -> dict[str, State]:
    """Where each row ends, synced or blocked."""
    while True:
        states = {native_id: desk.row(entity, native_id).state for native_id in native_ids}
        if set(states.values()) <= {State.SYNCED, State.BLOCKED}:
            return states
        await asyncio.sleep(0.02)


def pause(desk: Desk) -> None:
    """Documents are taken, and none is written yet."""
    desk.configuration.apply(
        connections={PROCORE: CONNECTION}, flows={FLOW: replace(flow_with(), state=FlowState.PAUSED)}
    )


@asynccontextmanager
async def desk_of(sandbox: Sandbox, **given: Any) -> AsyncIterator[Desk]:
    async with vendor_http() as http, asyncio.TaskGroup() as group:
        target = ProcoreTarget(sandbox.settings(), PROCORE, OpenGate(sandbox.token()), http)
        desk = Desk(sandbox, target, **given)
        dispatcher = desk.dispatcher(group)
        group.create_task(dispatcher.run())
        await desk.know_the_source()
        yield desk
        dispatcher.stop()
    assert not desk.troubles, desk.troubles
