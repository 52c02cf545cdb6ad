"""`connector apply` on a real database: what a change makes due, told beforehand and stored with it or not at all."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.adapters.configuration.tenant_file import load
from connector.adapters.postgres.operations import PostgresOperations, touch_users
from connector.adapters.runtime import Runtime, runtime
from connector.console.services import Platform, new_key_ring
from connector.domain.identity import Entity, RowRef
from connector.domain.ports.configuration import OnMappingChange
from connector.domain.sync.states import State
from tests.integration.console.environment import EXAMPLE, FLOW, set_up
from tests.write import at

WRITTEN = """
    insert into desired (tenant, flow, entity, native_id, source_connection, target_connection, read_at,
                         translation_version, content_digest, resolved_digest, status, class, cause, state, synced_at)
    values ('acme', 'exact-to-coupa', 'purchase-order', :id, 'exact-nl', 'coupa', :at, 1, 'c', 'r', 'ok', 0, 'source',
            'synced', now())
"""
PAYLOAD = "insert into desired_payload values ('acme', 'exact-to-coupa', 'purchase-order', :id, :payload)"
RENDERED = """
    insert into rendering (tenant, flow, entity, native_id, inputs, keys)
    values ('acme', 'exact-to-coupa', 'purchase-order', :id, '{"mapping:payment-terms/30": "1"}',
            '{"mapping:payment-terms/30"}')
"""
READ = """
    insert into source_key (tenant, connection, entity, native_id, generation, noticed_generation, class, uses)
    values ('acme', 'exact-nl', 'purchase-order', :id, 1, 1, 0, cast(:uses as text[]))
"""


@pytest.fixture
async def run(kafka: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    platform = Platform(kafka, database_url, "http://127.0.0.1:1", new_key_ring(tmp_path))
    set_up(monkeypatch, platform)
    async with runtime("test") as opened:
        async with opened.engine.begin() as db:
            await db.execute(text("truncate desired, desired_payload, rendering, source_key"))
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copied = tmp_path / "tenant.yaml"
    copied.write_text(EXAMPLE.read_text())
    return copied


def changed(file: Path, before: str, after: str) -> None:
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))


async def applied(file: Path) -> Any:
    command = [sys.executable, "-m", "connector.console.main", "apply", "-f", str(file), "--yes", "--json"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


async def written(run: Runtime, native_id: str, lifecycle: str) -> None:
    payload = json.dumps({"document": {"lifecycle": lifecycle}})
    async with run.engine.begin() as db:
        await db.execute(text(WRITTEN), {"id": native_id, "at": at(1)})
        await db.execute(text(PAYLOAD), {"id": native_id, "payload": payload})
        await db.execute(text(RENDERED), {"id": native_id})


async def state_of(run: Runtime, native_id: str) -> State:
    row = await PostgresOperations(run.engine).row(RowRef(FLOW, Entity.PURCHASE_ORDER, native_id))
    assert row is not None
    return row.state


async def due_keys(run: Runtime) -> set[str]:
    async with run.engine.connect() as db:
        return set((await db.execute(text("select native_id from source_key where due is not null"))).scalars())


async def test_documents_read_under_a_changed_setting_are_read_again_and_no_others(run: Runtime, file: Path) -> None:
    await applied(file)
    async with run.engine.begin() as db:
        await db.execute(text(READ), {"id": "uses-4", "uses": ["currency", "vat/4"]})
        await db.execute(text(READ), {"id": "uses-2", "uses": ["currency", "vat/2"]})
        await db.execute(text(READ), {"id": "uses-paper", "uses": ["currency", "accounts/PAPER"]})
    changed(file, "category: AE", "category: S")
    done = await applied(file)
    assert list(done["effect"]["read_again"].values()) == [1]
    assert await due_keys(run) == {"uses-4"}
    changed(file, "        currency: EUR\n", "        currency: EUR\n        accounts: {PAPER: '4000'}\n")
    assert list((await applied(file))["effect"]["read_again"].values()) == [1]
    assert await due_keys(run) == {"uses-4", "uses-paper"}


@pytest.mark.parametrize(
    ("option", "due"), [("none", set[str]()), ("open", {"open-order"}), ("all", {"open-order", "closed-order"})]
)
async def test_a_changed_mapping_makes_due_what_the_flow_says(
    run: Runtime, file: Path, option: str, due: set[str]
) -> None:
    changed(file, "    kind: exact-coupa\n", f"    kind: exact-coupa\n    on_mapping_change: {option}\n")
    await applied(file)
    await written(run, "open-order", "open")
    await written(run, "closed-order", "closed")
    changed(file, '"30": Net 30', '"30": Net 45')
    effect = (await applied(file))["effect"]
    assert (sum(effect["used"].values()), sum(effect["due"].values())) == (2, len(due))
    found = {id for id in ("open-order", "closed-order") if await state_of(run, id) is State.DUE}
    assert found == due


async def test_an_apply_that_is_cut_off_is_done_by_the_next_one(run: Runtime, file: Path) -> None:
    await applied(file)
    await written(run, "1", "open")
    keys = ["mapping:payment-terms/30"]
    changed(file, '"30": Net 30', '"30": Net 45')
    before = (await run.configuration.current()).epoch

    async def cut_off(db: AsyncConnection) -> None:
        assert await touch_users(db, FLOW, keys, OnMappingChange.ALL, "ann") == 1
        raise ConnectionError("the database went away")

    with pytest.raises(ConnectionError):
        await run.configuration.apply(load(file, loopback_http=True), "ann", {}, cut_off)
    assert ((await run.configuration.current()).epoch, await state_of(run, "1")) == (before, State.SYNCED)
    assert (await applied(file))["changes"], "the difference is still to be applied"
