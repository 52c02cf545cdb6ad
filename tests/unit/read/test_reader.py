"""The reader, on stores in memory and a source that answers as it is told."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.adapters.memory.source_keys import MemoryJobs, MemorySourceKeys, ReadState
from connector.domain.documents.envelope import SourceDocument
from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.log import ValueTooLarge
from connector.domain.ports.source import Absence, JobKind, Notice, Read, Stamp, SweepPage, Unreadable
from connector.domain.read.reader import Reader

CONNECTION = ConnectionId("acme", "erp")
ORDER = Entity.PURCHASE_ORDER
LARGEST = 1000


@dataclass
class Ledger:
    """A source of orders; `holds` is what a read shows."""

    holds: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    garbled: set[str] = field(default_factory=set)
    """Keys whose answer makes the room stumble, with all that were asked for beside them."""
    swept: int = 0
    joined: Mapping[str, Any] = field(default_factory=dict)
    connection: ConnectionId = CONNECTION
    jobs: Sequence[JobKind] = ()
    stamps: frozenset[str] = frozenset()

    def batch_size(self, entity: Entity) -> int:
        return 10

    async def read(
        self, entity: Entity, notices: Sequence[Notice], stamp: Stamp, traffic: TrafficClass
    ) -> Sequence[Read | Unreadable]:
        read_at = await stamp()
        if any(notice.native_id in self.garbled for notice in notices):
            raise TypeError("'<' not supported between instances of 'str' and 'int'")
        return [self._answer(notice, read_at) for notice in notices]

    def _answer(self, notice: Notice, read_at: datetime) -> Read:
        if notice.native_id in self.holds:
            return Read(notice.native_id, read_at, self.holds[notice.native_id], self.joined)
        absence = Absence.PROVEN_DELETED if notice.deleted else Absence.UNEXPLAINED
        return Read(notice.native_id, read_at, absence=absence)

    async def sweep(self, job: str, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        self.swept += 1
        rows: list[dict[str, str]] = [{"id": "1"}]
        yield SweepPage(keys=[Notice(ORDER, row["Key"]) for row in rows])

    def notices(self, webhook: bytes) -> Sequence[Notice]:
        return []


class Desk:
    """A reader at work: a notice, a moment, and what it produced."""

    def __init__(self) -> None:
        state, now = ReadState(), lambda: datetime.now(UTC)
        self.ledger = Ledger()
        self.keys = MemorySourceKeys(state, now, asyncio.sleep, lambda *_: None)
        self.jobs = MemoryJobs(state, now, lambda *_: None)
        self.produced: list[SourceDocument] = []
        self.reader = Reader(self.ledger, "erp", self.keys, self.jobs, self._publish, random.Random(1))

    async def _publish(self, documents: Sequence[SourceDocument]) -> None:
        if any(len(str(document.record)) > LARGEST for document in documents):
            raise ValueTooLarge("documents.erp: a value of 17000000 bytes is above the limit")
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


async def test_what_the_source_said_is_told_apart_from_our_settings() -> None:
    desk = Desk()
    desk.ledger.holds["1"] = {"number": "1"}
    for joined in (
        {"supplier": {"s1": {"digest": "a"}}, "company": {"vat/4": "AE"}},
        {"supplier": {"s1": {"digest": "a"}}, "company": {"vat/4": "S"}},
        {"supplier": {"s1": {"digest": "b"}}, "company": {"vat/4": "S"}},
    ):
        desk.ledger.joined = joined
        await desk.read(Notice(ORDER, "1"))
    first, other_settings, other_supplier = [document.read_digest for document in desk.produced]
    assert first == other_settings
    assert other_settings != other_supplier


async def test_a_document_that_nobody_can_make_sense_of_is_named_and_all_others_go_on() -> None:
    desk = Desk()
    keys = [str(n) for n in range(8)]
    desk.ledger.holds |= {key: {"number": key} for key in keys}
    desk.ledger.garbled.add("5")
    assert await desk.read(*(Notice(ORDER, key) for key in keys)) == ["shown"] * 7
    for _ in range(2):
        assert await desk.read() == []
    (unreadable,) = await desk.keys.unreadable(CONNECTION)
    assert unreadable.native_id == "5"
    assert unreadable.message.startswith("the answer has a shape that this version does not know (TypeError: ")
    desk.ledger.garbled.clear()
    assert await desk.read() == ["shown"], "nothing is lost: it is read once it makes sense"
    assert await desk.keys.unreadable(CONNECTION) == []


async def test_a_document_too_large_for_the_log_is_named_and_those_beside_it_are_produced() -> None:
    desk = Desk()
    desk.ledger.holds |= {"1": {"number": "1"}, "2": {"number": "2" * LARGEST}, "3": {"number": "3"}}
    assert await desk.read(*(Notice(ORDER, key) for key in "123")) == ["shown", "shown"]
    for _ in range(2):
        await desk.read()
    (unreadable,) = await desk.keys.unreadable(CONNECTION)
    assert (unreadable.native_id, unreadable.message) == (
        "2",
        "documents.erp: a value of 17000000 bytes is above the limit",
    )


async def test_a_feed_of_an_unknown_shape_is_named_and_asked_again_ever_later() -> None:
    desk = Desk()
    await desk.jobs.ensure(CONNECTION, [JobKind("feed", timedelta(minutes=5))])
    await desk.jobs.schedule()
    desk.ledger.holds["1"] = {"number": "PO-1"}
    assert await desk.read(Notice(ORDER, "1")) == ["shown"]
    (state,) = await desk.jobs.states(CONNECTION)
    assert state.error == "the answer has a shape that this version does not know (KeyError: 'Key')"
    assert state.attempts == 1
    await desk.read()
    assert desk.ledger.swept == 1, "not before its pause is over"
