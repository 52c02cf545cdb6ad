"""The order of things between Basware and Kafka: read, durable in the log, and only then acknowledged."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from connector.adapters.clock import SystemClock
from connector.adapters.memory.source_keys import MemoryJobs, MemorySourceKeys, ReadState
from connector.domain.documents.envelope import SourceDocument
from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.log import NotAcknowledged
from connector.domain.ports.source import Notice
from connector.domain.read.reader import Reader
from tests.contract.basware_source.basware import BASWARE, Room


@dataclass
class Desk:
    """The reader of one tenant, before a log that tells how the invoice stands whenever it takes something."""

    room: Room
    invoice: str
    away: bool = False
    stood: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        state, now = ReadState(), SystemClock().now
        self.keys = MemorySourceKeys(state, now, asyncio.sleep, lambda *_: None)
        jobs = MemoryJobs(state, now, lambda *_: None)
        self.reader = Reader(self.room.source(), "basware", self.keys, jobs, self.publish, random.Random(1))

    async def publish(self, documents: Sequence[SourceDocument]) -> None:
        if any(document.native_id == self.invoice for document in documents):
            self.stood.append(self.standing)
            if self.away:
                raise NotAcknowledged("not enough replicas in sync")

    @property
    def standing(self) -> str:
        return str(self.room.sandbox.invoice(self.invoice)["processingStatus"])


async def test_an_invoice_is_acknowledged_once_the_log_has_it_and_never_before(room: Room) -> None:
    desk = Desk(room, room.sandbox.create_invoice("H-1"), away=True)
    await desk.keys.notice(BASWARE, [Notice(Entity.INVOICE, desk.invoice)], TrafficClass.LIVE, swept=True)
    with pytest.raises(NotAcknowledged):
        await desk.reader.read_due(1)
    assert desk.standing == "WaitingForTransfer"
    desk.away = False
    await desk.reader.read_due(2)
    assert desk.stood == ["WaitingForTransfer", "WaitingForTransfer"]
    assert desk.standing == "TransferInProgress"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_invoice_whose_acknowledgement_was_not_heard_of_counts_as_unanswered(room: Room, when: str) -> None:
    """Carried out and not heard of, it was offered no more and counted by nobody: held, it rang no alarm."""
    source, invoice = room.source(), room.sandbox.create_invoice(f"H-{when}")
    reads = await room.read(source, Entity.INVOICE, invoice)
    assert list(await room.transfers.unanswered(BASWARE, 0.0)) == []
    room.sandbox.fault(path="/acknowledge", method="POST", when=when, action="drop", times=1)
    await source.acknowledge(Entity.INVOICE, reads, TrafficClass.LIVE)
    offered = room.sandbox.invoice(invoice)["processingStatus"]
    assert offered == {"before": "WaitingForTransfer", "after": "TransferInProgress"}[when]
    assert list(await room.transfers.unanswered(BASWARE, 0.0)) == [invoice]
