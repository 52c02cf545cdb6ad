"""Speed of the gate: quota used by one and many replicas, its own time a call, and the rotation of keys."""

import asyncio
import base64
import itertools
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import uvloop
from sqlalchemy import text

from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.vault import PostgresSealedStore
from connector.adapters.systems.coupa import quota as coupa_quota
from connector.adapters.vault import FileKeys, Vault, rotate
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.configuration import Connection
from connector.domain.ports.vault import Sealed
from tests.bench.database import bench_database
from tests.integration.gate.world import (
    VendorProcess,
    World,
    coupa_connection,
    exact_connection,
    vendor_process,
    world,
    write_key_ring,
)

CALLS = 1000
REPLICAS = (1, 4, 16)
EXACT_MINUTE_S = 6.0
CREDENTIALS = 100_000
OWN_TIME_CALLS = 2000
IDLE_CALLS = 100

Figure = dict[str, Any]
_names = itertools.count()


def _figure(name: str, value: float, unit: str, bar: float, *, at_most: bool, baseline: float | None = None) -> Figure:
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "baseline": baseline,
        "ratio": value / baseline if baseline else None,
        "bar": bar,
        "holds": value <= bar if at_most else value >= bar,
    }


@asynccontextmanager
async def _replicas(
    database_url: str, connection: Connection, vendor: VendorProcess, count: int
) -> AsyncIterator[list[World]]:
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            keys = write_key_ring(Path(folder))
            opened = [
                await stack.enter_async_context(world(database_url, keys, connection, pool_size=2))
                for _ in range(count)
            ]
            client = {name: vendor.credentials[name] for name in ("client_id", "client_secret")}
            await opened[0].vault.put(connection.id, client)
            if connection.system == "exact":
                await opened[0].log_in(connection.id)
            yield opened


async def _saturate(
    replicas: list[World], connection: Connection, path: str, calls: int
) -> list[tuple[float, int, str]]:
    """Call from all replicas, four at a time each; (when answered, status, the window's reset) of every call."""
    left = itertools.count(1)
    answers: list[tuple[float, int, str]] = []

    async def call_on(replica: World) -> None:
        while next(left) <= calls:
            answer = await replica.call(connection, path, endpoint="bench")
            answers.append((time.monotonic(), answer.status, answer.headers.get("x-ratelimit-minutely-reset", "")))

    await asyncio.gather(*(call_on(replica) for replica in replicas for _ in range(4)))
    return answers


async def _exact_used(database_url: str, count: int) -> list[Figure]:
    with vendor_process("exact", minute_s=EXACT_MINUTE_S) as vendor:
        connection = exact_connection(
            vendor.base_url, vendor.credentials["divisions"][0], name=f"exact-{next(_names)}", minute_s=EXACT_MINUTE_S
        )
        async with _replicas(database_url, connection, vendor, count) as replicas:
            path = f"/api/v1/{connection.settings.division}/system/Divisions?$select=Code"
            answers = await _saturate(replicas, connection, path, CALLS)
    windows = Counter(reset for _, status, reset in answers if status == 200)
    whole = [windows[reset] for reset in sorted(windows)[2:-1]]
    return _used(f"exact_{count}", statistics.fmean(whole) / 60, answers)


async def _coupa_used(database_url: str, count: int) -> list[Figure]:
    with vendor_process("coupa") as vendor:
        connection = coupa_connection(vendor, name=f"coupa-{next(_names)}")
        async with _replicas(database_url, connection, vendor, count) as replicas:
            answers = await _saturate(replicas, connection, "/api/suppliers?limit=1", CALLS)
    served = sorted(at for at, status, _ in answers if status == 200)
    return _used(f"coupa_{count}", (len(served) - 1) / (served[-1] - served[0]) / coupa_quota.CEILING_PER_S, answers)


def _used(name: str, used: float, answers: list[tuple[float, int, str]]) -> list[Figure]:
    refused = sum(status == 429 for _, status, _ in answers)
    return [
        _figure(f"gate_quota_used_{name}", used, "share", 0.98, at_most=False),
        _figure(f"gate_answered_429_{name}", refused, f"of {len(answers)}", 0, at_most=True),
    ]


async def _own_time(database_url: str) -> Figure:
    """Entering and leaving the gate on a warm token, one call at a time, with a ceiling that is never reached."""
    with vendor_process("coupa") as vendor, patch.object(coupa_quota, "CEILING_PER_S", 5000):
        connection = coupa_connection(vendor, name=f"coupa-{next(_names)}")
        async with _replicas(database_url, connection, vendor, 1) as (replica,):
            took: list[float] = []
            for _ in range(OWN_TIME_CALLS):
                began = time.perf_counter()
                async with replica.gate.call(connection.id, TrafficClass.LIVE, endpoint="bench") as call:
                    call.learn(200, {})
                took.append(time.perf_counter() - began)
    return _figure("gate_own_time_p50", statistics.median(took[50:]) * 1000, "ms", 1.0, at_most=True)


async def _idle_turn(database_url: str) -> Figure:
    """A turn on a serial connection that nobody uses: what a single document waits for it."""
    with vendor_process("exact") as vendor:
        connection = exact_connection(
            vendor.base_url, vendor.credentials["divisions"][0], name=f"exact-{next(_names)}", minute_s=EXACT_MINUTE_S
        )
        async with _replicas(database_url, connection, vendor, 1) as (replica,):
            took: list[float] = []
            for _ in range(IDLE_CALLS):
                await asyncio.sleep(0.12)
                began = time.perf_counter()
                async with replica.gate.call(connection.id, TrafficClass.LIVE, endpoint="bench") as call:
                    took.append(time.perf_counter() - began)
                    call.learn(200, {})
    return _figure("gate_idle_turn_p50", statistics.median(took) * 1000, "ms", 10.0, at_most=True)


async def _rotation(database_url: str) -> Figure:
    """All credentials under a new key, with one reader going on; every read must succeed."""
    ring = {name: base64.b64encode(os.urandom(32)).decode() for name in ("old", "new")}
    database = engine(database_url)
    store = PostgresSealedStore(database)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.json"
        _write(path, {"active": "old", "keys": {"old": ring["old"]}})
        vault = Vault(store, FileKeys(path))
        rows = []
        for number in range(CREDENTIALS // 4):
            connection = ConnectionId("rotating", f"c{number}")
            for field in ("client_id", "client_secret", "webhook_secret", "extra"):
                rows.append((connection.connection, field, vault.seal(connection, field, f"value {number} of {field}")))
        await _fill(store, database_url, rows)
        _write(path, {"active": "new", "keys": ring})
        rotated, reader = asyncio.Event(), Vault(store, FileKeys(path))

        async def read_on() -> None:
            for number in itertools.count(1):
                secrets = await reader.credentials(ConnectionId("rotating", f"c{number * 7919 % (CREDENTIALS // 4)}"))
                assert len(secrets) == 4
                if rotated.is_set():
                    return

        reading = asyncio.create_task(read_on())
        began = time.monotonic()
        await rotate(vault, store)
        took_s = time.monotonic() - began
        rotated.set()
        await reading
        assert await store.count_under_other_keys("new") == 0
    await database.dispose()
    return _figure("gate_rotation_of_100000", took_s, "s", 300.0, at_most=True)


def _write(path: Path, ring: dict[str, Any]) -> None:
    path.write_text(json.dumps(ring))


async def _fill(store: PostgresSealedStore, database_url: str, rows: list[tuple[str, str, Sealed]]) -> None:
    database = engine(database_url)
    statement = text(
        "insert into sealed select 'rotating', c, f, 'old', d, 1"
        " from unnest(cast(:c as text[]), cast(:f as text[]), cast(:d as bytea[])) as g(c, f, d)"
    )
    async with database.begin() as db:
        await db.execute(text("truncate sealed"))
        await db.execute(
            statement,
            {"c": [row[0] for row in rows], "f": [row[1] for row in rows], "d": [row[2].data for row in rows]},
        )
    await database.dispose()


async def _all(database_url: str) -> list[Figure]:
    figures = [await _own_time(database_url), await _idle_turn(database_url)]
    for count in REPLICAS:
        figures += await _coupa_used(database_url, count)
        figures += await _exact_used(database_url, count)
    return [*figures, await _rotation(database_url)]


def run() -> list[Figure]:
    """Each figure: name, value, unit, baseline, ratio, bar, holds."""
    with bench_database() as database_url:
        return uvloop.run(_all(database_url))  # as services run


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
