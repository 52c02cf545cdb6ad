"""Procore's calls for a backlog: orders as commitments, invoices as direct costs, under its window of ten seconds."""

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from connector.adapters.systems.procore.target import ProcoreTarget
from connector.domain.identity import Entity
from connector.domain.ports.configuration import Connection, FlowState
from connector.domain.sync.states import State
from tests.bench.database import bench_database
from tests.bench.figures import Figure, figure
from tests.contract.coupa_target.coupa import supplier
from tests.contract.procore_target.procore import (
    FLOW,
    PROCORE,
    Desk,
    Sandbox,
    cost,
    flow_with,
    invoice,
    line,
    order,
    running_sandbox,
)
from tests.integration.gate.world import world, write_key_ring

ORDERS = 1000
INVOICES = 1000
SUPPLIERS = 20
SPIKE_CALLS, SPIKE_S = 25, 10.0
WITHIN_S = 1200.0


async def _backlog(desk: Desk, entity: Entity, documents: Sequence[tuple[Any, str]]) -> list[dict[str, Any]]:
    """The calls that it takes to bring all of them over."""
    paused = replace(flow_with(), state=FlowState.PAUSED)
    desk.configuration.apply(connections={PROCORE: desk.connection}, flows={FLOW: paused})
    for document, native_id in documents:
        await desk.take(document, native_id, cause="backfill")
    desk.sandbox.forget()
    desk.choose(
        projects={"P-100": {"cost_model": "A"}, "P-200": {"cost_model": "C"}}, invoice_end_state="approved"
    )  # the flow is released
    deadline = asyncio.get_running_loop().time() + WITHIN_S
    rows = [desk.row(entity, native_id) for _, native_id in documents]
    while any(row.state is not State.SYNCED for row in rows):
        if asyncio.get_running_loop().time() > deadline:
            stuck = next(row for row in rows if row.state is not State.SYNCED)
            raise AssertionError(f"{stuck.state}: {[str(reason) for reason in stuck.reasons]}; {desk.troubles}")
        await asyncio.sleep(0.1)
    return desk.sandbox.calls()


def _count(calls: Sequence[dict[str, Any]], method: str, path: str, query: str = "") -> int:
    return sum(call["method"] == method and call["path"].endswith(path) and query in call["query"] for call in calls)


def _refused(calls: Sequence[dict[str, Any]]) -> int:
    return sum(call["status"] == 429 for call in calls)


async def _figures(desk: Desk) -> list[Figure]:
    for number in range(SUPPLIERS):
        await desk.settle(supplier(f"B{number}", f"Backlog {number}"), f"b{number}")
    orders = [
        (
            order(f"B{n}", *(line(f"B{n}-{i}", str(i)) for i in (1, 2, 3)), supplier_id=f"b{n % SUPPLIERS}"),
            f"order-{n}",
        )
        for n in range(ORDERS)
    ]
    calls = await _backlog(desk, Entity.PURCHASE_ORDER, orders)
    syncs = _count(calls, "PATCH", "/purchase_order_contracts/sync")
    reads = _count(calls, "GET", "/purchase_order_contracts", "id%5D=") - _count(
        calls, "GET", "/purchase_order_contracts", "origin_id%5D="
    )
    figures = [
        figure("procore_orders_per_header_and_status_call", 2 * ORDERS / syncs, "orders/call", 20),
        figure("procore_orders_per_read_back", 2 * ORDERS / reads, "orders/call", 20),
        figure("procore_calls_per_order", len(calls) / ORDERS, "calls", 1.2, at_most=True),
        figure("procore_refused_for_the_quota", _refused(calls), "calls", 0, at_most=True),
    ]
    placed = {"accounting": line("x-1").accounting[0].model_copy(update={"project": "P-200"})}
    invoices = [
        (
            invoice(
                f"I{n}",
                *(cost(str(i), "10.00", line_number=i, accounting=[placed["accounting"]]) for i in (1, 2, 3)),
                supplier_id=f"b{n % SUPPLIERS}",
            ),
            f"invoice-{n}",
        )
        for n in range(INVOICES)
    ]
    calls = await _backlog(desk, Entity.INVOICE, invoices)
    writes = sum(call["method"] != "GET" for call in calls)
    return [
        *figures,
        figure("procore_direct_costs_per_call", 3 * INVOICES / writes, "documents/call", 20),
        figure("procore_calls_per_direct_cost", len(calls) / INVOICES, "calls", 0.2, at_most=True),
    ]


async def _all(database_url: str, sandbox: Sandbox) -> list[Figure]:
    settings = sandbox.settings().model_copy(
        update={"calls_per_hour": 1_000_000, "spike_calls": SPIKE_CALLS, "spike_s": SPIKE_S, "call_deadline_s": 30.0}
    )
    connection = Connection(PROCORE, "procore", settings, call_deadline_s=30.0, processing_s=5.0)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            world(database_url, write_key_ring(Path(folder)), connection) as opened,
            asyncio.TaskGroup() as group,
        ):
            client = {name: sandbox.credentials[name] for name in ("client_id", "client_secret")}
            await opened.vault.put(PROCORE, client)
            target = ProcoreTarget(settings, PROCORE, opened.gate, opened.http)
            desk = Desk(sandbox, target, within_s=120.0, connection=connection)
            dispatcher = replace(desk.dispatcher(group), randomness=random.Random(1))
            group.create_task(dispatcher.run())
            await desk.know_the_source()
            figures = await _figures(desk)
            dispatcher.stop()
    return figures


def run() -> list[Figure]:
    """Each figure: name, value, unit, baseline, ratio, bar, holds. The hour's window is lifted, the spike's is not."""
    switches = {"hour_limit": 1_000_000, "spike_limit": SPIKE_CALLS, "spike_window_s": SPIKE_S}
    with bench_database() as database_url, running_sandbox(**switches) as sandbox:
        return asyncio.run(_all(database_url, sandbox))


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
