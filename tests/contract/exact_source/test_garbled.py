"""Answers of Exact of which one document makes no sense: it is named, all others are read."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connector.adapters.http import vendor_http
from connector.adapters.memory.entry_index import MemoryEntryIndex
from connector.adapters.memory.source_keys import MemoryJobs, MemorySourceKeys, ReadState
from connector.adapters.systems.exact.source import ExactSource
from connector.adapters.systems.exact.translate import TRANSLATIONS
from connector.domain.documents.envelope import RecordStatus, SourceDocument
from connector.domain.documents.translation import canonical
from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.source import Notice
from connector.domain.read.reader import Reader

from .sandboxes import CONNECTION, BootClock, Room

LINES = [{"Item": "PURCHASE", "QuantityInPurchaseUnits": 1, "NetPrice": 10}] * 2


@dataclass
class Garbling(httpx.AsyncBaseTransport):
    """Between us and the sandbox: changes what is shown of one order."""

    real: httpx.AsyncBaseTransport
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By order: what its header, or its lines under `line`, are changed to."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.real.handle_async_request(request)
        body = await answer.aread()
        if self.changes and answer.status_code == 200 and "/PurchaseOrders?" in str(request.url):
            shown = json.loads(body)
            for row in shown["d"]["results"]:
                changes = dict(self.changes.get(row["PurchaseOrderID"], {}))
                for line in row["PurchaseOrderLines"]["results"]:
                    line.update(changes.get("line", {}))
                row.update({name: value for name, value in changes.items() if name != "line"})
            body = json.dumps(shown).encode()
        return httpx.Response(answer.status_code, headers={"content-type": "application/json"}, content=body)


@dataclass
class Desk:
    keys: MemorySourceKeys
    reader: Reader
    produced: list[SourceDocument]

    async def read(self, *orders: str) -> list[str]:
        await self.keys.notice(CONNECTION, [Notice(Entity.PURCHASE_ORDER, o) for o in orders], TrafficClass.LIVE)
        for key in self.keys._of(CONNECTION).values():
            key.due = datetime.now(UTC) if key.due else None
        before = len(self.produced)
        await self.reader.read_due(1)
        return [document.native_id for document in self.produced[before:]]


@pytest.mark.parametrize(
    "changes", [{"line": {"LineNumber": None}}, {"OrderNumber": ["4711"], "Supplier": {"results": 7}}],
    ids=["lines without numbers", "structures instead of values"],
)  # fmt: skip
async def test_one_order_in_a_shape_nobody_knows_costs_no_other(room: Room, changes: dict[str, Any]) -> None:
    orders: list[str] = [room.order(*LINES)["PurchaseOrderID"] for _ in range(5)]
    bad = orders[2]
    async with vendor_http() as plain:
        garbling = Garbling(plain._transport, {bad: changes})
        async with httpx.AsyncClient(transport=garbling) as http:
            source = ExactSource(CONNECTION, room.sandbox.settings(), room.gate, http, MemoryEntryIndex(), BootClock())
            desk = _desk(source)
            read = await desk.read(*orders)
            assert set(orders) - set(read) <= {bad}
            records = {one.native_id: canonical(one, TRANSLATIONS) for one in desk.produced}
            for _ in range(2):
                await desk.read(bad)
            named = {key.native_id for key in await desk.keys.unreadable(CONNECTION)}
            rejected = {key for key, record in records.items() if record.status is RecordStatus.REJECTED}
            assert named | rejected == {bad}
            garbling.changes.clear()
            assert await desk.read(bad) == [bad]
            assert canonical(desk.produced[-1], TRANSLATIONS).status is RecordStatus.OK


def _desk(source: ExactSource) -> Desk:
    state = ReadState()
    produced: list[SourceDocument] = []

    async def publish(documents: Sequence[SourceDocument]) -> None:
        produced.extend(documents)

    def now() -> datetime:
        return datetime.now(UTC)

    async def never(_: float) -> None:
        raise AssertionError("nobody waits")

    keys = MemorySourceKeys(state, now, never, lambda *_: None)
    jobs = MemoryJobs(state, now, lambda *_: None)
    return Desk(keys, Reader(source, "exact", keys, jobs, publish, random.Random(1)), produced)
