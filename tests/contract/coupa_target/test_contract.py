"""The contract of targets, held by Coupa's orders and invoices over HTTP."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from connector.adapters.http import vendor_http
from connector.adapters.systems.coupa.target import CoupaTarget
from connector.domain.documents.envelope import AnyRecord
from connector.domain.identity import ConnectionId, Entity, EntityRef
from connector.domain.ports.target import Json, LinkedObject, Lookup, Rendered, RenderInput
from tests.contract.coupa_target.coupa import (
    CONNECTION,
    COUPA,
    OpenGate,
    Sandbox,
    flow_with,
    invoice,
    invoice_line,
    order,
    order_line,
    record,
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
        "status": 400,
        "body": '{"errors":{"order-lines":["Description is too long"]}}',
        "content_type": "application/json",
    },
}


@dataclass(frozen=True)
class LinkedSupplier:
    """Answers as the dispatcher does, the one supplier being linked already."""

    lookup: Lookup
    supplier: str

    def mapping(self, table: str, key: str) -> str | None:
        return {"tax-codes": "", "units": "EA"}.get(table)

    def pattern(self, table: str, key: str) -> str | None:
        return self.mapping(table, key)

    def reference(self, connection: ConnectionId, kind: str, code: str) -> Json | None:
        return self.lookup.reference(connection, kind, code)

    def link(self, ref: EntityRef) -> LinkedObject | None:
        return LinkedObject(self.supplier, {}, "active") if ref.entity is Entity.SUPPLIER else self.lookup.link(ref)

    def linking(self, key: str) -> Sequence[LinkedObject]:
        return self.lookup.linking(key)


class SupplierIsLinked(CoupaTarget):
    """The room with a supplier in place, as the contract's document needs one."""

    def __init__(self, supplier: str, *parts: Any) -> None:
        super().__init__(*parts)
        self._supplier = supplier

    def render(self, wanted: RenderInput, lookup: Lookup) -> Rendered:
        return super().render(wanted, LinkedSupplier(lookup, self._supplier))


class CoupaRoom:
    collection: str
    number_field: str
    entity: Entity

    def __init__(self, sandbox: Sandbox, target: CoupaTarget, supplier: int) -> None:
        self.sandbox = sandbox
        self.target = target
        self.supplier = supplier
        self.number = f"K-{next(_numbers)}"
        self.flow = flow_with()
        self.connection = replace(CONNECTION, call_deadline_s=0.5, processing_s=0.2)

    def deletion(self) -> AnyRecord:
        return record(None, self.number, entity=self.entity)

    async def fault_writes(self, faults: Sequence[Fault | None]) -> None:
        for skip, fault in enumerate(faults):
            if fault is not None:
                before = sum(1 for earlier in faults[:skip] if earlier is None)
                self.sandbox.fault(
                    method="POST|PUT", path=f"/api/{self.collection}", skip=before, times=1, **FAULTS[fault]
                )

    async def live_objects(self) -> int:
        dead = ("cancelled", "voided", "abandoned")
        return sum(made["status"] not in dead for made in self._made())

    def _made(self) -> list[dict[str, Any]]:
        return [made for made in self.sandbox.store(self.collection) if made[self.number_field].startswith(self.number)]

    async def writes(self) -> int:
        done = [call for call in self.sandbox.calls() if call["method"] != "GET" and 200 <= call["status"] < 300]
        return len(done)


class OrderRoom(CoupaRoom):
    collection, number_field, entity = "purchase_orders", "po-number", Entity.PURCHASE_ORDER

    def document(self, version: int = 1) -> AnyRecord:
        return record(order(self.number, order_line(f"{self.number}-1", str(10 * version))), self.number)

    async def make_foreign(self) -> None:
        line = {"type": "OrderAmountLine", "description": "Theirs", "price": "1", "currency": {"code": "EUR"}}
        account = {"account-type": {"name": "Company Chart"}, "segment-1": "100", "segment-2": "4000"}
        body = {
            "type": "ExternalOrderHeader",
            "po-number": self.number,
            "supplier": {"id": self.supplier},
            "ship-to-address": {"location-code": "MAIN"},
            "ship-to-user": {"login": "receiving"},
            "order-lines": [{**line, "account": account}],
        }
        self.sandbox.request("POST", "purchase_orders", body)

    async def committed(self) -> bool:
        return all(made["status"] == "issued" and made["exported"] for made in self._made())


class InvoiceRoom(CoupaRoom):
    collection, number_field, entity = "invoices", "invoice-number", Entity.INVOICE

    def document(self, version: int = 1) -> AnyRecord:
        return record(invoice(self.number, invoice_line("1", f"{version}00.00", f"{version * 21}.00")), self.number)

    async def make_foreign(self) -> None:
        account = {"account-type": {"name": "Company Chart"}, "segment-1": "100", "segment-2": "4000"}
        line = {"type": "InvoiceAmountLine", "line-num": 1, "description": "Theirs", "price": "1", "account": account}
        body = {
            "invoice-number": self.number,
            "invoice-date": "2026-03-05",
            "supplier": {"id": self.supplier},
            "account-type": {"name": "Company Chart"},
            "currency": {"code": "EUR"},
            "line-level-taxation": True,
            "invoice-lines": [line],
        }
        self.sandbox.request("POST", "invoices", body)

    async def committed(self) -> bool:
        live = [made for made in self._made() if made["status"] != "voided"]
        return all(made["status"] == "approved" and made["exported"] for made in live)


async def _room(kind: type[CoupaRoom], sandbox: Sandbox) -> AsyncIterator[CoupaRoom]:
    sandbox.set(invoice_status_after_submit="approved")
    number = f"K-S{next(_numbers)}"
    body = {"name": f"Supplier {number}", "number": number, "status": "active", "invoice-matching-level": "2-way"}
    supplier = sandbox.request("POST", "suppliers", body)["id"]
    sandbox.forget()
    async with vendor_http() as http:
        gate = OpenGate(sandbox.token())
        yield kind(sandbox, SupplierIsLinked(str(supplier), sandbox.settings(), COUPA, gate, http), supplier)
    sandbox.set(invoice_status_after_submit="by_matching")


class TestOrders(TargetContract):
    @pytest.fixture
    async def room(self, sandbox: Sandbox) -> AsyncIterator[CoupaRoom]:
        async for room in _room(OrderRoom, sandbox):
            yield room


class TestInvoices(TargetContract):
    @pytest.fixture
    async def room(self, sandbox: Sandbox) -> AsyncIterator[CoupaRoom]:
        async for room in _room(InvoiceRoom, sandbox):
            yield room
