"""The whole platform beside the vendors' sandboxes: from webhook to write, one document at a time; memory a service."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from connector.console.demo import watching
from connector.console.demo.play import play
from connector.console.demo.stage import Stage
from connector.sandbox.demo import Size
from tests.bench.figures import Figure, figure, memory

ORDERS = int(os.environ.get("BENCH_LIVE_ORDERS", "100"))
WITHIN_S = 30.0
DEBOUNCE_MS = 1000.0
BAR_P50_MS, BAR_P99_MS = 150.0, 600.0


class Silent:
    """Nobody watches the month that comes before the measuring."""

    def say(self, line: str) -> None:
        """Not shown."""

    def now(self, what: str) -> None:
        """Not shown."""


def run() -> list[Figure]:
    """A month is played first: suppliers, accounts and caches are as in a company that runs."""
    measured: list[Figure] = []

    async def measure(on: Stage) -> None:
        measured.extend(await _latency(on))
        measured.extend(_memory(on))

    with own_folder():
        asyncio.run(play("exact-coupa", seed=1, size=Size.SMALL, progress=Silent(), afterwards=measure))
    return measured


async def _latency(on: Stage) -> list[Figure]:
    """One order after another, each written before the next; the sandbox's minute is 6 s, so that quota is free."""
    await on.sandboxes["exact"].switch(webhook_drop=0.0, webhook_duplicate=0.0, webhook_reorder=0.0)
    began_s = time.time()
    for number in range(ORDERS):
        await _written(on, await _enter(on, number))
    past = [taken - DEBOUNCE_MS for taken in await watching.latencies_ms(on, ["exact"], since_s=began_s)]
    assert len(past) == ORDERS, f"{len(past)} of {ORDERS} orders were measured"
    found = watching.quantiles(past)
    p50, p99 = found["p50"], found["p99"]
    assert p50 is not None
    assert p99 is not None
    return [
        figure("webhook to write past the debounce, p50", p50, "ms", BAR_P50_MS, at_most=True),
        figure("webhook to write past the debounce, p99", p99, "ms", BAR_P99_MS, at_most=True),
    ]


async def _enter(on: Stage, number: int) -> str:
    """An order at Exact's screen; its id."""
    line = {"Item": "PURCHASE", "QuantityInPurchaseUnits": 2, "NetPrice": 100 + number, "VATCode": "2"}
    order = await on.sandboxes["exact"].act(
        "create_purchase_order",
        division=on.addresses["exact"]["credentials"]["divisions"][0],
        Supplier="1",
        Description=f"Order {number}",
        PurchaseOrderLines=[{**line, "CostCenter": "CC1"}],
    )
    return str(order["PurchaseOrderID"])


async def _written(on: Stage, native_id: str) -> None:
    state = text("select state, reasons from desired where entity = 'purchase-order' and native_id = :native_id")
    ends = time.monotonic() + WITHIN_S
    while True:
        async with on.run.engine.connect() as db:
            found = (await db.execute(state, {"native_id": native_id})).one_or_none()
        if found is not None and found.state == "synced":
            return
        assert time.monotonic() < ends, f"order {native_id} was not written within {WITHIN_S} s: {found}"
        await asyncio.sleep(0.05)


def _memory(on: Stage) -> list[Figure]:
    urls = {name: on.processes[name].spec.ready_url for name in on.flow.services}
    return [memory(name, url.removesuffix("/readyz")) for name, url in urls.items() if url is not None]


@contextmanager
def own_folder() -> Iterator[None]:
    """The demo keeps its data and logs under the working directory."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
