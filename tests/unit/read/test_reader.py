"""The reader, on stores in memory and a source that answers as it is told."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.adapters.memory.source_keys import MemoryJobs, MemorySourceKeys, ReadState
from connector.domain.documents.envelope import SourceDocument
from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.source import Absence, JobKind, Notice, Read, Stamp, Unreadable
from connector.domain.read.reader import Reader

CONNECTION = ConnectionId("acme", "erp")
ORDER = Entity.PURCHASE_ORDER


@dataclass
class Ledger:
    """A source of orders; `holds` is what a read shows."""

    holds: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    connection: ConnectionId = CONNECTION
    jobs: Sequence[JobKind] = ()
    stamps: frozenset[str] = frozenset()

    def batch_size(self, entity: Entity) -> int:
        return 10

    async def read(
        self, entity: Entity, notices: Sequence[Notice], stamp: Stamp, traffic: TrafficClass
    ) -> Sequence[Read | Unreadable]:
        read_at = await stamp()
        return [self._answer(notice, read_at) for notice in notices]

    def _answer(self, notice: Notice, read_at: datetime) -> Read:
        if notice.native_id in self.holds:
            return Read(notice.native_id, read_at, self.holds[notice.native_id])
        absence = Absence.PROVEN_DELETED if notice.deleted else Absence.UNEXPLAINED
        return Read(notice.native_id, read_at, absence=absence)

    def sweep(self, job: str, cursor: str | None, stamp: Stamp) -> Any:
        raise AssertionError("it has no jobs")

    def notices(self, webhook: bytes) -> Sequence[Notice]:
        return []


class Desk:
    """A reader at work: a notice, a moment, and what it produced."""

    def __init__(self) -> None:
        state, now = ReadState(), lambda: datetime.now(UTC)
        self.ledger = Ledger()
        self.keys = MemorySourceKeys(state, now, asyncio.sleep, lambda *_: None)
        jobs = MemoryJobs(state, now, lambda *_: None)
        self.produced: list[SourceDocument] = []
        self.reader = Reader(self.ledger, "erp", self.keys, jobs, self._publish, random.Random(1))

    async def _publish(self, documents: Sequence[SourceDocument]) -> None:
        self.produced += documents

    async def read(self, *notices: Notice) -> list[str]:
        """Have these keys read; what each produced document says."""
        before = len(self.produced)
        await self.keys.notice(CONNECTION, notices, TrafficClass.LIVE)
        for key in self.keys._of(CONNECTION).values():
            key.due = datetime.now(UTC) if key.due else None
        await self.reader.step(1)
        return [str(document.absence or "shown") for document in self.produced[before:]]


async def test_a_late_notice_of_a_document_known_to_be_deleted_does_not_make_it_missing() -> None:
    desk = Desk()
    desk.ledger.holds["1"] = {"number": "PO-1"}
    assert await desk.read(Notice(ORDER, "1")) == ["shown"]
    del desk.ledger.holds["1"]
    assert await desk.read(Notice(ORDER, "1", deleted=True)) == ["deleted"]
    assert await desk.read(Notice(ORDER, "1")) == [], "it is as deleted as before"
    desk.ledger.holds["1"] = {"number": "PO-1"}
    assert await desk.read(Notice(ORDER, "1")) == ["shown"]
    del desk.ledger.holds["1"]
    assert await desk.read(Notice(ORDER, "1")) == ["missing-at-source"], "it came back, so the old proof counts no more"
