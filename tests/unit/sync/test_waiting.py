"""What becomes of rows that have waited as long as they may for a document that is still on its way."""

import asyncio
from typing import Any

from connector.adapters.memory.target import ORDERS, Fault
from connector.domain.identity import Entity
from connector.domain.ports.configuration import OnBlock
from connector.domain.sync.states import State
from tests.virtual import virtually
from tests.write import Writer, invoice, order, record, ref, supplier, writer

REJECTING: dict[str, Any] = {"on_block": OnBlock.REJECT, "feedback": True, "wait_s": 60.0}
LOOKED_FOR_S = 150
"""When a call whose answer is lost can no longer be carried out."""


def billed(native_id: str = "77", order_id: str = "1", **given: Any) -> Any:
    return record(invoice(f"INV-{native_id}", order_id=order_id), native_id, extras={"round": 0}, **given)


def state(w: Writer, native_id: str = "77") -> str:
    return w.state(native_id, Entity.INVOICE)


@virtually
async def test_an_invoice_is_not_refused_while_its_order_is_still_on_its_way() -> None:
    async with writer(**REJECTING) as w:
        w.vendor.faults.append(Fault.LOST_AFTER)
        await w.take(record(order(), "1"), billed())
        await asyncio.sleep(LOOKED_FOR_S - 10)
        assert (w.state(), state(w)) == (State.DUE, State.WAITING)
        assert w.tables.feedback == {}
        await asyncio.sleep(20)
        assert (w.state(), state(w)) == (State.SYNCED, State.SYNCED)
        assert w.tables.feedback[ref("77", Entity.INVOICE), 0].verdict is State.SYNCED


@virtually
async def test_once_what_it_waits_for_has_ended_otherwise_it_is_refused_and_named() -> None:
    async with writer(**REJECTING) as w:
        w.vendor.faults.append(Fault.LOST_BEFORE)
        await w.take(record(order(), "1"), billed())
        await asyncio.sleep(LOOKED_FOR_S - 10)
        assert state(w) == State.WAITING
        w.vendor.make(ORDERS, "PO-1", content={"number": "PO-1"})
        await asyncio.sleep(20)
        assert w.codes() == ["number-taken-in-target"]
        await asyncio.sleep(60)
        assert (state(w), w.codes("77", Entity.INVOICE)) == (State.REJECTED, ["order-not-there"])


@virtually
async def test_what_nobody_has_heard_of_is_waited_for_no_longer_than_before() -> None:
    async with writer(**REJECTING) as w:
        w.vendor.faults.append(Fault.LOST_AFTER)
        await w.take(record(order(), "1"), billed(order_id="2"))
        await asyncio.sleep(61)
        assert (w.state(), state(w)) == (State.DUE, State.REJECTED)


@virtually
async def test_waits_go_through_rows_that_wait_themselves() -> None:
    async with writer(options={"link_suppliers": True}, wait_s=60.0) as w:
        w.vendor.faults.append(Fault.LOST_AFTER)
        bought = record(order("PO-1", supplier="s1"), "1")
        await w.take(record(supplier(), "s1"), bought, billed())
        await asyncio.sleep(LOOKED_FOR_S - 10)
        assert w.state("s1", Entity.SUPPLIER) == State.DUE
        assert (w.state(), state(w)) == (State.WAITING, State.WAITING)
        await asyncio.sleep(20)
        assert (w.state(), state(w)) == (State.SYNCED, State.SYNCED)


@virtually
async def test_a_row_that_lacks_more_than_what_is_coming_blocks_in_its_time() -> None:
    async with writer(options={"link_suppliers": True}, wait_s=60.0) as w:
        w.vendor.faults.append(Fault.LOST_AFTER)
        two = record(invoice("INV-77", order_id="1", supplier="nobody"), "77")
        await w.take(record(order(), "1"), two)
        await asyncio.sleep(61)
        assert (w.state(), state(w)) == (State.DUE, State.BLOCKED)
        assert w.codes("77", Entity.INVOICE) == ["supplier-not-there", "order-not-there"]


@virtually
async def test_many_that_wait_ask_once() -> None:
    async with writer(wait_s=60.0) as w:
        asked: list[int] = []
        coming = w.dispatch.coming

        async def counted(target: Any, flows: Any, refs: Any) -> Any:
            asked.append(len(refs))
            return await coming(target, flows, refs)

        w.dispatch.coming = counted  # type: ignore[method-assign]
        w.vendor.faults.append(Fault.LOST_AFTER)
        await w.take(record(order(), "1"), *(billed(f"{n}") for n in range(30)))
        await asyncio.sleep(61)
        assert {state(w, f"{n}") for n in range(30)} == {State.WAITING}
        assert asked == [1]
