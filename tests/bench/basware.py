"""Exact's calls for a backlog of approved invoices under its 60 calls a minute, the minute shortened: validated from
stored reference data, looked up and read back together."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from connector.adapters.clock import SystemClock
from connector.adapters.memory.blobs import MemoryBlobs
from connector.adapters.systems.exact.target import ExactTarget
from connector.domain.documents.envelope import AnyRecord
from connector.domain.ports.configuration import Connection, FlowState
from connector.domain.sync.states import State
from tests.bench.database import bench_database
from tests.bench.figures import Figure, figure
from tests.contract.exact_source.sandboxes import Sandbox, running_sandbox
from tests.contract.exact_target.exact import (
    EXACT,
    FINGERPRINTS,
    FLOW,
    Desk,
    flow_with,
    invoice,
    line,
    record,
    supplier,
    with_image,
)
from tests.integration.gate.world import world, write_key_ring

INVOICES = int(os.environ.get("BENCH_BASWARE_INVOICES", "500"))
SUPPLIERS = 25
MINUTE_S = float(os.environ.get("BENCH_BASWARE_MINUTE_S", "3"))
WITHIN_S = 900.0
PLAIN_BAR, IMAGE_BAR, TOGETHER_BAR = 2.2, 4.2, 10.0
ENTRIES = "/purchaseentry/PurchaseEntries"

Call = Mapping[str, Any]


def run() -> list[Figure]:
    switches = {"minute_s": MINUTE_S, "day_limit": 1_000_000}
    with bench_database() as database_url, running_sandbox(**switches) as sandbox:
        return asyncio.run(_run(database_url, sandbox))


async def _run(database_url: str, sandbox: Sandbox) -> list[Figure]:
    async with _desk(database_url, sandbox) as desk:
        for number in range(SUPPLIERS):
            await desk.settled(record(supplier(f"B{number}"), f"b{number}"))
        plain = await _backlog(desk, [record(_invoice(n, "P"), f"P-{n}") for n in range(INVOICES)])
        image = await desk.blobs.put("acme", b"%PDF" * 500)
        imaged = await _backlog(desk, [with_image(_invoice(n, "I"), f"I-{n}", image) for n in range(INVOICES)])
    refused = sum(call["status"] == 429 for call in [*plain, *imaged])
    return [
        figure("Exact calls an invoice, backlog", len(plain) / INVOICES, "calls", PLAIN_BAR, at_most=True),
        figure("Exact calls an invoice with image, backlog", len(imaged) / INVOICES, "calls", IMAGE_BAR, at_most=True),
        figure("entries a look-up asks for", _asked_for(plain, "YourRef"), "entries/call", TOGETHER_BAR),
        figure("entries a read-back asks for", _asked_for(plain, "EntryID"), "entries/call", TOGETHER_BAR),
        figure("calls refused for Exact's quota", refused, "calls", 0, at_most=True),
    ]


@asynccontextmanager
async def _desk(database_url: str, sandbox: Sandbox) -> AsyncIterator[Desk]:
    """A writer behind the gate that the services share, logged in as a person would."""
    settings = sandbox.settings(minute_s=MINUTE_S, call_deadline_s=10.0)
    connection = Connection(EXACT, "exact", settings, call_deadline_s=10.0, processing_s=5.0)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            world(database_url, write_key_ring(Path(folder)), connection) as opened,
            asyncio.TaskGroup() as group,
        ):
            await opened.vault.put(EXACT, {name: sandbox.credentials[name] for name in ("client_id", "client_secret")})
            await opened.log_in(EXACT)
            blobs = MemoryBlobs()
            target = ExactTarget(settings, EXACT, opened.gate, opened.http, blobs, SystemClock(), FINGERPRINTS)
            desk = Desk(sandbox, target, blobs, connection=connection)
            dispatcher = desk.dispatcher(group)
            group.create_task(dispatcher.run())
            yield desk
            dispatcher.stop()


def _invoice(number: int, series: str) -> Any:
    rows = (line("1", "60.00", "12.60"), line("2", "40.00", "8.40", gl="4300", cc="CC1", cu="CU1"))
    return invoice(f"{series}-{number}", *rows, supplier_id=f"b{number % SUPPLIERS}")


async def _backlog(desk: Desk, records: Sequence[AnyRecord]) -> Sequence[Call]:
    """Let a whole backlog go at once; the calls until all of it is booked, without those that Exact does not count."""
    desk.configuration.apply(flows={FLOW: replace(flow_with(), state=FlowState.PAUSED)})
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
    calls = [call for call in desk.sandbox.calls() if call["path"].startswith("/api/v1/")]
    return [call for call in calls if not call["path"].lower().endswith("/current/me")]


def _asked_for(calls: Sequence[Call], field: str) -> float:
    """How many keys a filter on this field of entries has, on the average."""
    filters = [unquote(call["query"]) for call in calls if call["method"] == "GET" and call["path"].endswith(ENTRIES)]
    keys = [asked.count(f"{field} eq ") for asked in filters if f"{field} eq " in asked]
    return sum(keys) / max(1, len(keys))
