"""The contract of targets, held by the small in-memory target."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from connector.adapters.memory import target as memory
from connector.domain.documents.envelope import AnyRecord
from connector.domain.identity import Entity
from connector.domain.ports.target import Target
from tests.contract.target_contract import Fault, TargetContract, TargetRoom
from tests.write import CONNECTION, TARGET, flow, order, record


class MemoryRoom:
    def __init__(self) -> None:
        self.vendor = memory.MemoryVendor()
        self.target: Target = memory.MemoryTarget(TARGET, self.vendor)
        self.flow = flow()
        self.connection = replace(CONNECTION, call_deadline_s=0.5, processing_s=0.1)

    def document(self, version: int = 1) -> AnyRecord:
        return record(order("PO-1", f"{version}0.00"), read=version)

    def deletion(self) -> AnyRecord:
        return record(None, read=100, entity=Entity.PURCHASE_ORDER)

    async def fault_writes(self, faults: Sequence[Fault | None]) -> None:
        self.vendor.faults.extend(None if fault is None else memory.Fault(fault) for fault in faults)

    async def make_foreign(self) -> None:
        self.vendor.make(memory.ORDERS, "PO-1", content={"number": "PO-1"})

    async def live_objects(self) -> int:
        return len(self.vendor.live(memory.ORDERS, "PO-1"))

    async def committed(self) -> bool:
        return all(made.status == "submitted" for made in self.vendor.live(memory.ORDERS, "PO-1"))

    async def writes(self) -> int:
        return len(self.vendor.writes)


class TestMemoryTarget(TargetContract):
    @pytest.fixture
    def room(self) -> TargetRoom:
        return MemoryRoom()
