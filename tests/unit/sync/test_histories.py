"""Random histories against the real dispatcher in virtual time: edits, faults, takeovers, then a calm end."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from connector.adapters.memory.target import ORDERS, Fault
from connector.domain.documents.purchase_order import PurchaseOrder
from connector.domain.ports.operations import RELEASABLE, Selection
from connector.domain.sync.dispatcher import Dispatcher
from connector.domain.sync.states import State
from tests.virtual import run_virtually
from tests.write import FLOW, Writer, order, record, writer

DOCUMENTS = 4
CALM_S = 4000.0
HISTORIES = 60
_FAULTS: Sequence[Fault | None] = [None, Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.UNAVAILABLE, Fault.RATE_LIMITED]


class History:
    """One seeded run: what people, the log, the vendor and the machines do is drawn in one order."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.wanted: dict[str, PurchaseOrder] = {}
        self.reads = 0

    async def run(self) -> None:
        async with writer(dispatching=False) as w:
            replicas = [self._start(w, "first")]
            await asyncio.sleep(2)
            replicas.append(self._start(w, "second"))
            for _ in range(25):
                await self._act(w, replicas)
                await asyncio.sleep(self.chance.choice([0, 0.01, 1, 8, 70]))
            w.vendor.faults.clear()
            await asyncio.sleep(CALM_S)
            await w.operations.release(Selection(FLOW, RELEASABLE), "test")
            await asyncio.sleep(CALM_S)
            self._check(w)
            for dispatcher, _ in replicas:
                dispatcher.stop()

    def _start(self, w: Writer, holder: str) -> tuple[Dispatcher, asyncio.Task[None]]:
        dispatcher = w.dispatcher(holder)
        return dispatcher, w.group.create_task(dispatcher.run())

    async def _act(self, w: Writer, replicas: list[tuple[Dispatcher, asyncio.Task[None]]]) -> None:
        match self.chance.choice(["edit", "edit", "edit", "old", "fault", "depose", "depose", "slow"]):
            case "edit":
                native_id = str(self.chance.randrange(DOCUMENTS))
                self.reads += 1
                document = order(f"PO-{native_id}", f"{self.chance.randrange(1, 99)}.00")
                self.wanted[native_id] = document
                await w.take(record(document, native_id, read=self.reads))
            case "old" if self.wanted:
                native_id = self.chance.choice(sorted(self.wanted))
                await w.take(record(order(f"PO-{native_id}", "0.01"), native_id, read=0))
            case "fault":
                w.vendor.faults.extend(self.chance.choices(_FAULTS, k=3))
            case "depose":
                for holder in w.tables.epochs.values():
                    holder.expires_at = w.clock.now()
            case "slow":
                w.vendor.latency_s = self.chance.choice([0, 5, 29, 29])

    def _check(self, w: Writer) -> None:
        for native_id, document in self.wanted.items():
            row = w.row(native_id)
            live = w.vendor.live(ORDERS, document.order_number)
            story = [
                (line.at.isoformat()[11:23], line.event, dict(line.detail)) for line in w.tables.audit[row.desired.row]
            ]
            assert len(live) == 1, (len(live), story)
            assert row.state is State.SYNCED, (row.state, row.reasons, story)
            assert live[0].net == document.totals.net, story
            assert live[0].status == "submitted", story


@pytest.mark.parametrize("first", range(0, HISTORIES, 10))
def test_after_any_history_each_document_is_there_once_and_equal(first: int) -> None:
    for seed in range(first, first + 10):
        try:
            run_virtually(History(seed).run())
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
