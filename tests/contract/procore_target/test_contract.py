"""The contract of targets, held by Procore's commitments, direct costs and requisitions over HTTP."""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from connector.adapters.http import vendor_http
from connector.adapters.systems.procore.naming import COMMITMENTS, part_name, resource
from connector.adapters.systems.procore.target import ProcoreTarget
from connector.domain.documents.envelope import AnyRecord
from connector.domain.documents.invoice import LinkStrength, OrderLink
from connector.domain.identity import ConnectionId, Entity, EntityRef, TrafficClass
from connector.domain.ports.target import Json, LinkedObject, Lookup, Rendered, RenderInput
from tests.contract.coupa_target.coupa import OpenGate, record
from tests.contract.procore_target.procore import (
    CONNECTION,
    PROCORE,
    Sandbox,
    cost,
    flow_with,
    invoice,
    line,
    order,
    running_sandbox,
)
from tests.contract.target_contract import Fault, TargetContract

_numbers = itertools.count(1)
FAULTS: dict[Fault, dict[str, Any]] = {
    Fault.LOST_BEFORE: {"when": "before", "action": "drop"},
    Fault.LOST_AFTER: {"when": "after", "action": "drop"},
    Fault.UNAVAILABLE: {"when": "before", "action": "respond", "status": 503, "body": "<html>Maintenance</html>"},
    Fault.REFUSED: {
        "when": "before",
        "action": "respond",
        "status": 422,
        "body": '{"errors":{"base":["The title is too long"]}}',
        "content_type": "application/json",
    },
}


@dataclass(frozen=True)
class InPlace:
    """Answers as the dispatcher does, with the supplier linked, the codes mapped and known at the source."""

    lookup: Lookup
    vendor: str
    orders: Mapping[str, LinkedObject]

    def mapping(self, table: str, key: str) -> str | None:
        return None

    def pattern(self, table: str, key: str) -> str | None:
        return "P-100:01-100.M"

    def reference(self, connection: ConnectionId, kind: str, code: str) -> Json | None:
        return self.lookup.reference(connection, kind, code) if connection == PROCORE else {"code": code}

    def link(self, ref: EntityRef) -> LinkedObject | None:
        if ref.entity is Entity.SUPPLIER:
            return LinkedObject(self.vendor, {}, "active")
        return self.orders.get(ref.native_id) or self.lookup.link(ref)

    def linking(self, key: str) -> Sequence[LinkedObject]:
        return self.lookup.linking(key)


class WithAllInPlace(ProcoreTarget):
    def __init__(self, vendor: str, *parts: Any) -> None:
        super().__init__(*parts)
        self._vendor = vendor
        self.orders: dict[str, LinkedObject] = {}

    def render(self, wanted: RenderInput, lookup: Lookup) -> Rendered:
        return super().render(wanted, InPlace(lookup, self._vendor, self.orders))


class ProcoreRoom:
    collection: str
    number_field: str
    entity: Entity
    model: str

    def __init__(self, sandbox: Sandbox, target: WithAllInPlace, vendor: int) -> None:
        self.sandbox = sandbox
        self.target = target
        self.vendor = vendor
        self.number = f"K-{next(_numbers)}"
        self.flow = flow_with(projects={"P-100": {"cost_model": self.model}})
        self.connection = replace(CONNECTION, call_deadline_s=0.5, processing_s=0.2)

    def deletion(self) -> AnyRecord:
        return record(None, self.number, entity=self.entity)

    async def fault_writes(self, faults: Sequence[Fault | None]) -> None:
        for skip, fault in enumerate(faults):
            if fault is not None:
                before = sum(1 for earlier in faults[:skip] if earlier is None)
                self.sandbox.fault(
                    method="PATCH|POST", path=f"/{self.collection}", skip=before, times=1, **FAULTS[fault]
                )

    async def live_objects(self) -> int:
        return sum(made["status"] != "Closed" for made in self._made())

    def _made(self) -> list[dict[str, Any]]:
        return self.sandbox.store(self.collection, **{self.number_field: self.number})

    async def writes(self) -> int:
        return sum(call["method"] != "GET" and 200 <= call["status"] < 300 for call in self.sandbox.calls())

    async def make_foreign(self) -> None:
        act = "create_purchase_order" if self.collection == "purchase_order_contracts" else "create_direct_cost"
        given: dict[str, Any] = {self.number_field: self.number, "vendor_id": self.vendor}
        if act == "create_direct_cost":
            given["direct_cost_type"] = "invoice"
        self.sandbox.act(act, project_id=self.sandbox.project("P-100"), **given)

    async def committed(self) -> bool:
        return all(made["status"] in ("Approved", "approved") for made in self._made())


class OrderRoom(ProcoreRoom):
    collection, number_field, entity, model = "purchase_order_contracts", "number", Entity.PURCHASE_ORDER, "A"

    def document(self, version: int = 1) -> AnyRecord:
        return record(order(self.number, line(f"{self.number}-1", str(10 * version))), self.number)


class InvoiceRoom(ProcoreRoom):
    collection, number_field, entity, model = "direct_costs", "invoice_number", Entity.INVOICE, "C"

    def document(self, version: int = 1) -> AnyRecord:
        return record(invoice(self.number, cost("1", f"{version}00.00")), self.number)


class RequisitionRoom(ProcoreRoom):
    """Invoices on an order of their own, which is committed already."""

    collection, number_field, entity, model = "requisitions", "invoice_number", Entity.INVOICE, "A"
    commitment: LinkedObject

    @property
    def order_id(self) -> str:
        return f"order-{self.number}"

    def document(self, version: int = 1) -> AnyRecord:
        link = OrderLink(strength=LinkStrength.HEADER, order_id=self.order_id, order_number=self.number)
        return record(invoice(self.number, cost("1", f"{version}0.00", order_link=link)), self.number)

    async def commit(self) -> None:
        project = self.sandbox.project("P-100")
        made = self.sandbox.act(
            "create_purchase_order", project_id=project, number=f"PO {self.number}", vendor_id=self.vendor,
            status="Approved", lines=[{"flat_code": "01-100.M", "amount": "500.00"}],
        )  # fmt: skip
        shown = await self.target.read(resource(COMMITMENTS, project), [str(made["id"])], TrafficClass.LIVE)
        found = shown[str(made["id"])]
        self.commitment = LinkedObject(found.target_id, {}, found.status, found.extra)
        self.target.orders[self.order_id] = LinkedObject("", {}, "", parts={part_name("P-100"): self.commitment})

    async def make_foreign(self) -> None:
        common = {"commitment_id": int(self.commitment.target_id), "status": "draft"}
        self.sandbox.act("create_requisition", invoice_number=self.number, billing_date="2026-03-02", **common)


@pytest.fixture(scope="module")
def company() -> Any:
    with running_sandbox(hour_limit=1_000_000, spike_limit=1_000_000) as sandbox:
        yield sandbox


async def _room(kind: type[ProcoreRoom], sandbox: Sandbox) -> AsyncIterator[ProcoreRoom]:
    vendor = sandbox.one("projects", project_number="P-100")["vendor_ids"][0]
    sandbox.forget()
    async with vendor_http() as http:
        gate = OpenGate(sandbox.token())
        yield kind(sandbox, WithAllInPlace(str(vendor), sandbox.settings(), PROCORE, gate, http), vendor)


class TestOrders(TargetContract):
    @pytest.fixture
    async def room(self, company: Sandbox) -> AsyncIterator[ProcoreRoom]:
        async for room in _room(OrderRoom, company):
            yield room


class TestDirectCosts(TargetContract):
    @pytest.fixture
    async def room(self, company: Sandbox) -> AsyncIterator[ProcoreRoom]:
        async for room in _room(InvoiceRoom, company):
            yield room


class TestRequisitions(TargetContract):
    @pytest.fixture
    async def room(self, company: Sandbox) -> AsyncIterator[ProcoreRoom]:
        company.act(
            "create_billing_period", project_id=company.project("P-100"), start_date="2026-03-01",
            end_date="2026-03-31", due_date="2026-03-31", status="open",
        )  # fmt: skip
        async for room in _room(RequisitionRoom, company):
            assert isinstance(room, RequisitionRoom)
            await room.commit()
            company.forget()
            yield room
