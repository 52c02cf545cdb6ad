"""The contract of targets, held by Exact's entries and orders over HTTP."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from connector.adapters.clock import SystemClock
from connector.adapters.http import vendor_http
from connector.adapters.memory.blobs import MemoryBlobs
from connector.adapters.systems.exact.target import ExactTarget
from connector.domain.documents.envelope import AnyRecord
from connector.domain.identity import ConnectionId, Entity, EntityRef
from connector.domain.ports.target import Json, LinkedObject, Lookup, Rendered, RenderInput
from tests.contract.exact_source.sandboxes import OneCallerGate, Sandbox
from tests.contract.exact_target.exact import (
    CONNECTION,
    EXACT,
    FINGERPRINTS,
    MAPPINGS,
    flow_with,
    invoice,
    line,
    live,
    order,
    order_line,
    record,
    with_image,
)
from tests.contract.target_contract import Fault, TargetContract

_numbers = itertools.count(1)
REFUSED = '{"error":{"code":"","message":{"lang":"","value":"Invalid reference: Cost unit"}}}'
FAULTS: dict[Fault, dict[str, Any]] = {
    Fault.LOST_BEFORE: {"when": "before", "action": "drop"},
    Fault.LOST_AFTER: {"when": "after", "action": "drop"},
    Fault.UNAVAILABLE: {"when": "before", "action": "respond", "status": 503, "body": "<html>Maintenance</html>"},
    Fault.REFUSED: {
        "when": "before",
        "action": "respond",
        "status": 500,
        "body": REFUSED,
        "content_type": "application/json",
    },
}


@dataclass(frozen=True)
class LinkedSupplier:
    """Answers as the dispatcher does, the one supplier being linked already."""

    lookup: Lookup
    supplier: str

    def mapping(self, table: str, key: str) -> str | None:
        return MAPPINGS.get(table, {}).get(key)

    def pattern(self, table: str, key: str) -> str | None:
        return self.mapping(table, key)

    def reference(self, connection: ConnectionId, kind: str, code: str) -> Json | None:
        return self.lookup.reference(connection, kind, code)

    def link(self, ref: EntityRef) -> LinkedObject | None:
        return LinkedObject(self.supplier, {}, "active") if ref.entity is Entity.SUPPLIER else self.lookup.link(ref)

    def linking(self, key: str) -> Sequence[LinkedObject]:
        return self.lookup.linking(key)


class SupplierIsLinked(ExactTarget):
    """The room with a supplier in place, as the contract's document needs one."""

    def __init__(self, supplier: str, *parts: Any) -> None:
        super().__init__(*parts)
        self._supplier = supplier

    def render(self, wanted: RenderInput, lookup: Lookup) -> Rendered:
        return super().render(wanted, LinkedSupplier(lookup, self._supplier))


class ExactRoom:
    collection: str
    entity: Entity

    def __init__(self, sandbox: Sandbox, gate: OneCallerGate, target: ExactTarget, supplier: str, image: str) -> None:
        self.sandbox = sandbox
        self.gate = gate
        self.target = target
        self.supplier = supplier
        self.image = image
        self.number = f"K-{next(_numbers)}"
        self.flow = flow_with()
        self.connection = replace(CONNECTION, call_deadline_s=0.5, processing_s=0.2)

    def deletion(self) -> AnyRecord:
        return record(None, self.number, entity=self.entity)

    async def fault_writes(self, faults: Sequence[Fault | None]) -> None:
        for skip, fault in enumerate(faults):
            if fault is not None:
                before = sum(1 for earlier in faults[:skip] if earlier is None)
                self.sandbox.fault(method="POST|PUT|DELETE", path="/api/v1/", skip=before, times=1, **FAULTS[fault])

    async def live_objects(self) -> int:
        return len(live(self.sandbox, self.collection, self.number))

    async def committed(self) -> bool:
        return await self.live_objects() == 1

    async def writes(self) -> int:
        done = [call for call in self.sandbox.calls() if call["method"] != "GET" and 200 <= call["status"] < 300]
        return len([call for call in done if "/api/v1/" in call["path"]])

    async def make_foreign(self) -> None:
        headers = {**self.gate_headers(), "accept": "application/json"}
        address = f"{self.sandbox.base_url}/api/v1/{self.sandbox.division}/{self.collection}"
        async with httpx.AsyncClient() as http:
            answer = await http.post(address, json=self.theirs(), headers=headers)
        assert answer.status_code == 201, answer.text

    def gate_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.gate.token}"}

    def theirs(self) -> dict[str, Any]:
        raise NotImplementedError


class EntryRoom(ExactRoom):
    collection, entity = "purchaseentry/PurchaseEntries", Entity.INVOICE

    def document(self, version: int = 1) -> AnyRecord:
        return record(invoice(self.number, line("1", f"{version}00.00", f"{version * 21}.00")), self.number)

    def theirs(self) -> dict[str, Any]:
        account = self.sandbox.one("financial/GLAccounts", Code="4100")["ID"]
        lines = [{"GLAccount": account, "AmountFC": 1.0}]
        return {"Journal": "70", "Supplier": self.supplier, "YourRef": self.number, "PurchaseEntryLines": lines}


class EntryWithImageRoom(EntryRoom):
    """Three steps: the document, its attachment, the entry; each may be the one that goes wrong."""

    def document(self, version: int = 1) -> AnyRecord:
        lines = [line("1", f"{version}00.00", f"{version * 21}.00")]
        return with_image(invoice(self.number, *lines), self.number, self.image)

    async def committed(self) -> bool:
        documents = [row for row in self.sandbox.store("documents/Documents") if f" {self.number} " in row["Subject"]]
        attached = self.sandbox.store("documents/DocumentAttachments")
        (entry,) = live(self.sandbox, self.collection, self.number)
        ours = [row for row in attached if row["Document"] == entry["Document"]]
        return len(documents) == 1 and len(ours) == 1 and entry["Document"] == documents[0]["ID"]


class OrderRoom(ExactRoom):
    collection, entity = "purchaseorder/PurchaseOrders", Entity.PURCHASE_ORDER

    def document(self, version: int = 1) -> AnyRecord:
        return record(order(self.number, order_line(1, f"{10 * version}", f"{25 * version}.00")), self.number)

    def theirs(self) -> dict[str, Any]:
        item = self.sandbox.one("logistics/Items", Code="PURCHASE")["ID"]
        lines = [{"Item": item, "QuantityInPurchaseUnits": 1.0, "NetPrice": 1.0}]
        return {"Supplier": self.supplier, "YourRef": self.number, "PurchaseOrderLines": lines}


async def _room(kind: type[ExactRoom], sandbox: Sandbox, gate: OneCallerGate) -> AsyncIterator[ExactRoom]:
    supplier = sandbox.one("crm/Accounts", Name="Kantoorgroothandel Noord")["ID"]
    blobs = MemoryBlobs()
    image = await blobs.put("acme", b"%PDF")
    async with vendor_http() as http:
        parts = (sandbox.settings(), EXACT, gate, http, blobs, SystemClock(), FINGERPRINTS)
        yield kind(sandbox, gate, SupplierIsLinked(supplier, *parts), supplier, image)


class TestEntries(TargetContract):
    @pytest.fixture
    async def room(self, sandbox: Sandbox, gate: OneCallerGate) -> AsyncIterator[ExactRoom]:
        async for room in _room(EntryRoom, sandbox, gate):
            yield room


class TestEntriesWithImages(TargetContract):
    @pytest.fixture
    async def room(self, sandbox: Sandbox, gate: OneCallerGate) -> AsyncIterator[ExactRoom]:
        async for room in _room(EntryWithImageRoom, sandbox, gate):
            yield room


class TestOrders(TargetContract):
    @pytest.fixture
    async def room(self, sandbox: Sandbox, gate: OneCallerGate) -> AsyncIterator[ExactRoom]:
        async for room in _room(OrderRoom, sandbox, gate):
            yield room
