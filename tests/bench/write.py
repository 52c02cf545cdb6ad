"""Speed of the write side on a real PostgreSQL: intake, dispatch bookkeeping, and a quiet tenant beside a busy one."""

import asyncio
import json
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.adapters.clock import SystemClock
from connector.adapters.memory.configuration import MemoryConfiguration
from connector.adapters.memory.target import MemoryOptions, MemoryTarget, MemoryVendor
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.dispatch import PostgresDispatch
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.notify import Listener
from connector.adapters.postgres.references import PostgresReferences
from connector.adapters.signals import AsyncioSignal
from connector.adapters.telemetry.process import collect_rarely
from connector.domain.identity import ConnectionId, FlowId
from connector.domain.sync.dispatcher import Dispatcher
from connector.domain.sync.intake import Incoming, Intake
from tests.bench.database import bench_database
from tests.write import CONNECTION, FLOW, SOURCE, flow, incoming, order, record

BATCH = 1000
RECORDS = 20_000
DISPATCHED = 10_000
QUIET_ROUNDS = 200
TABLES = "epoch, desired, desired_payload, rendering, target_object, call, call_item, wait, reference, feedback, audit"
BUSY_CALLS_PER_S = 20
"""What Coupa's connection is held to."""

Figure = dict[str, Any]

_FILL = text(
    """
    with numbers as (select 'fill-' || n as native_id from generate_series(1, :count) n),
    rows as (
        insert into desired (tenant, flow, entity, native_id, source_connection, target_connection, number, read_at,
                             translation_version, content_digest, resolved_digest, status, class, cause, state, due)
        select :tenant, :flow, 'purchase-order', native_id, :source, :target, native_id, '2026-03-01', 1, 'c', 'r',
               'ok', 2, 'source', :state, case when :state = 'due' then now() end
          from numbers)
    insert into desired_payload (tenant, flow, entity, native_id, payload)
    select :tenant, :flow, 'purchase-order', native_id, replace(:payload, '"number":"fill"', native_id) from numbers
    """
)

_PLAIN_UPSERT = text(
    """
    insert into plain select * from unnest(cast(:keys as text[]), cast(:payloads as text[])) as g(key, payload)
    on conflict (key) do update set payload = excluded.payload
    """
)


def documents(count: int, prefix: str, read: int = 1) -> list[Incoming]:
    """Orders of about 2 KB, as they come from the log."""
    (one,) = incoming(record(order("NUMBER", *["125.50"] * 5), "NATIVE", read=read))
    assert one.value is not None
    value = one.value.decode()
    return [
        replace(
            one,
            key=one.key.replace("NATIVE", f"{prefix}{n}"),
            value=value.replace("NATIVE", f"{prefix}{n}").replace("NUMBER", f"{prefix}{n}").encode(),
        )
        for n in range(count)
    ]


async def fill(pool: AsyncEngine, count: int, state: str, target: ConnectionId, of: FlowId) -> None:
    (one,) = incoming(record(order("fill"), "fill"))
    assert one.value is not None
    async with pool.begin() as db:
        await db.execute(
            _FILL,
            {
                "count": count,
                "tenant": of.tenant,
                "flow": of.flow,
                "source": SOURCE.connection,
                "target": target.connection,
                "state": state,
                "payload": one.value.decode(),
            },
        )
    async with pool.connect() as db:
        await (await db.execution_options(isolation_level="AUTOCOMMIT")).execute(text("vacuum analyze"))


async def empty(pool: AsyncEngine) -> None:
    async with pool.begin() as db:
        await db.execute(text(f"truncate {TABLES}"))


async def rate(take: Callable[[Sequence[Incoming]], Any], batch: Sequence[Incoming]) -> float:
    """Records a second, in batches, one after another."""
    started = time.perf_counter()
    for at in range(0, len(batch), BATCH):
        await take(batch[at : at + BATCH])
    return len(batch) / (time.perf_counter() - started)


async def plain_rate(pool: AsyncEngine, batch: Sequence[Incoming]) -> float:
    """The baseline: parse, dump, and one upsert a batch into a table of keys and payloads."""
    async with pool.begin() as db:
        await db.execute(text("create table if not exists plain (key text primary key, payload text)"))
        await db.execute(text("truncate plain"))

    async def upsert(records: Sequence[Incoming]) -> None:
        parsed = [json.loads(one.value or b"") for one in records]
        given = {"keys": [one.key for one in records], "payloads": [json.dumps(value) for value in parsed]}
        async with pool.begin() as db:
            await db.execute(_PLAIN_UPSERT, given)

    return await rate(upsert, batch)


async def intake_figures(pool: AsyncEngine) -> list[Figure]:
    configuration = MemoryConfiguration()
    snapshot = configuration.apply(connections={CONNECTION.id: CONNECTION}, flows={FLOW: flow()})
    intake = Intake(PostgresDesiredRows(pool), PostgresReferences(pool), "shop")

    async def take(batch: Sequence[Incoming]) -> None:
        await intake.take(batch, snapshot)

    rates: list[float] = []
    for held in (10_000, 1_000_000):
        await empty(pool)
        await fill(pool, held, "synced", CONNECTION.id, FLOW)
        fresh, again = documents(RECORDS // 2, f"n{held}-"), documents(RECORDS // 2, f"n{held}-", read=2)
        rates.append(await rate(take, [*fresh, *again]))
    baseline = await plain_rate(pool, documents(RECORDS, "plain-"))
    return [
        figure("intake at 10,000 rows", rates[0], "records/s", 8000, baseline=baseline),
        figure("intake at 1,000,000 rows", rates[1], "records/s", 0.8 * rates[0], baseline=baseline),
    ]


def figure(name: str, value: float, unit: str, bar: float, baseline: float, *, at_most: bool = False) -> Figure:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "baseline": round(baseline, 2),
        "ratio": round(value / baseline, 2),
        "bar": round(bar, 2),
        "holds": value <= bar if at_most else value >= bar,
    }


@asynccontextmanager
async def dispatching(
    pool: AsyncEngine, listener: Listener, configuration: MemoryConfiguration, targets: Sequence[MemoryTarget]
) -> AsyncIterator[None]:
    dispatch = PostgresDispatch(pool, listener)
    troubles: list[Exception] = []
    async with asyncio.TaskGroup() as group:
        dispatchers = [
            Dispatcher(
                connection=target.connection,
                holder="bench",
                target_of=lambda flow, connection, target=target: target,  # type: ignore[misc]
                configuration=configuration,
                epochs=PostgresEpochs(pool),
                dispatch=dispatch,
                references=PostgresReferences(pool),
                clock=SystemClock(),
                randomness=random.Random(1),
                spawner=group,
                signal=AsyncioSignal,
                report=lambda what, error: troubles.append(error),
            )
            for target in targets
        ]
        running = [group.create_task(dispatcher.run()) for dispatcher in dispatchers]
        yield
        for dispatcher in dispatchers:
            dispatcher.stop()
        await asyncio.wait(running, timeout=1)
        for task in running:
            task.cancel()
    assert not troubles, troubles


async def dispatch_figures(pool: AsyncEngine, listener: Listener) -> list[Figure]:
    await empty(pool)
    configuration = MemoryConfiguration()
    one_call = flow(options={"submit": False})
    snapshot = configuration.apply(connections={CONNECTION.id: CONNECTION}, flows={FLOW: one_call})
    intake = Intake(PostgresDesiredRows(pool), PostgresReferences(pool), "shop")
    vendor = MemoryVendor()
    batch = documents(DISPATCHED, "d")
    for at in range(0, DISPATCHED, BATCH):
        await intake.take(batch[at : at + BATCH], snapshot)
    started = time.perf_counter()
    async with dispatching(pool, listener, configuration, [MemoryTarget(CONNECTION.id, vendor)]):
        while len(vendor.writes) < DISPATCHED or await due_rows(pool):  # noqa: ASYNC110 (the database tells)
            await asyncio.sleep(0.02)
        value = DISPATCHED / (time.perf_counter() - started)
    assert len(vendor.writes) == DISPATCHED
    baseline = await plain_rate(pool, batch)
    return [figure("dispatch bookkeeping, due to done", value, "documents/s", 2000, baseline=baseline)]


async def due_rows(pool: AsyncEngine) -> int:
    async with pool.connect() as db:
        return int((await db.execute(text("select count(*) from desired where due is not null"))).scalar_one())


async def quiet_figures(pool: AsyncEngine, listener: Listener) -> list[Figure]:
    await empty(pool)
    busy_connection, busy_flow = ConnectionId("loud", "shop"), FlowId("loud", "erp-shop")
    configuration = MemoryConfiguration()
    busy = replace(flow(), id=busy_flow, source=ConnectionId("loud", "erp"), target=busy_connection)
    snapshot = configuration.apply(
        connections={CONNECTION.id: CONNECTION, busy_connection: replace(CONNECTION, id=busy_connection)},
        flows={FLOW: replace(flow(), options=MemoryOptions(submit=False)), busy_flow: busy},
    )
    intake = Intake(PostgresDesiredRows(pool), PostgresReferences(pool), "shop")
    quiet = MemoryTarget(CONNECTION.id, MemoryVendor())
    loud = MemoryTarget(busy_connection, MemoryVendor(latency_s=128 / BUSY_CALLS_PER_S))

    async def latencies(prefix: str) -> list[float]:
        taken: list[float] = []
        for one in documents(QUIET_ROUNDS, prefix):
            before, written = time.perf_counter(), len(quiet.vendor.writes)
            await intake.take([one], snapshot)
            while len(quiet.vendor.writes) == written:  # noqa: ASYNC110 (the vendor's side knows nothing of us)
                await asyncio.sleep(0.0005)
            taken.append((time.perf_counter() - before) * 1000)
            await asyncio.sleep(0.01)
        return taken

    async with dispatching(pool, listener, configuration, [quiet, loud]):
        await asyncio.sleep(1)
        alone = await latencies("alone-")
        await fill(pool, 100_000, "due", busy_connection, busy_flow)
        async with pool.begin() as db:
            await db.execute(text("select pg_notify('connector', 'write/loud/shop')"))
        await asyncio.sleep(1)
        beside = await latencies("beside-")
    p99_alone, p99_beside = (statistics.quantiles(taken, n=100)[98] for taken in (alone, beside))
    return [
        figure("intake to write sent, p99, unloaded", p99_alone, "ms", 50, baseline=p99_alone, at_most=True),
        figure(
            "quiet tenant p99 beside 100,000 due rows",
            p99_beside,
            "ms",
            2 * p99_alone,
            baseline=p99_alone,
            at_most=True,
        ),
    ]


async def _run(url: str) -> list[Figure]:
    pool, listener = engine(url), Listener(url)
    listening = asyncio.create_task(listener.run())
    try:
        return [
            *await dispatch_figures(pool, listener),
            *await quiet_figures(pool, listener),
            *await intake_figures(pool),
        ]
    finally:
        listening.cancel()
        await pool.dispose()


def run() -> list[Figure]:
    collect_rarely()  # as every service does
    with bench_database() as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(url))


if __name__ == "__main__":
    for one in run():
        print(one)
