"""Exact's calls for a backlog of approved invoices: validated from stored reference data, looked up together."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connector.domain.documents.envelope import AnyRecord
from connector.domain.identity import Entity
from connector.domain.ports.configuration import FlowState
from connector.domain.sync.states import State
from tests.bench.figures import Figure, figure
from tests.contract.exact_source.sandboxes import log_in, running_sandbox
from tests.contract.exact_target.exact import (
    CONNECTION,
    EXACT,
    FLOW,
    Desk,
    desk_of,
    flow_with,
    invoice,
    line,
    record,
    supplier,
    with_image,
)

INVOICES = 500
SUPPLIERS = 25
WITHIN_S = 600.0
PLAIN_BAR, IMAGE_BAR = 2.2, 4.2


def run() -> list[Figure]:
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    with running_sandbox(minute_limit=1_000_000, day_limit=1_000_000, error_block=False) as sandbox:
        async with desk_of(sandbox, log_in(sandbox)) as desk:
            for number in range(SUPPLIERS):
                await desk.settled(record(supplier(f"B{number}"), f"b{number}"))
            plain = await _calls(desk, [record(_invoice(n, "P"), f"P-{n}") for n in range(INVOICES)])
            image = await desk.blobs.put("acme", b"%PDF" * 500)
            imaged = await _calls(desk, [with_image(_invoice(n, "I"), f"I-{n}", image) for n in range(INVOICES)])
    return [
        figure("Exact calls an invoice, backlog of 500", plain, "calls", bar=PLAIN_BAR, at_most=True),
        figure("Exact calls an invoice with image, backlog of 500", imaged, "calls", bar=IMAGE_BAR, at_most=True),
    ]


def _invoice(number: int, series: str) -> Any:
    rows = (line("1", "60.00", "12.60"), line("2", "40.00", "8.40", gl="4300", cc="CC1", cu="CU1"))
    return invoice(f"{series}-{number}", *rows, supplier_id=f"b{number % SUPPLIERS}")


async def _calls(desk: Desk, records: Sequence[AnyRecord]) -> float:
    """Let a whole backlog go at once; the calls per document until all of it is booked."""
    paused = replace(flow_with(), state=FlowState.PAUSED)
    desk.configuration.apply(connections={EXACT: CONNECTION}, flows={FLOW: paused})
    await desk.take(*records)
    desk.sandbox.forget_calls()
    desk.choose()
    deadline = asyncio.get_running_loop().time() + WITHIN_S
    rows = [desk.row(one) for one in records]
    while any(row.state is not State.SYNCED for row in rows):
        stuck = next(row for row in rows if row.state is not State.SYNCED)
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{stuck.state}: {[str(reason) for reason in stuck.reasons]}; {desk.troubles}")
        await asyncio.sleep(0.2)
    assert all(row.desired.row.entity is Entity.INVOICE for row in rows)
    return desk.calls() / len(records)
