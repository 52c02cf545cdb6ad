"""`connector replay` on a real broker and database: just the records that are meant, counted first, outside groups."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from sqlalchemy import text

from connector.adapters.configuration.tenant_file import load
from connector.adapters.kafka.admin import apply_topics
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.dispatch import PostgresDispatch
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.references import PostgresReferences
from connector.adapters.runtime import Runtime, kafka_settings, runtime
from connector.console.services import Platform, new_key_ring
from connector.domain.documents.envelope import AnyRecord
from connector.domain.documents.messages import canonical_message
from connector.domain.identity import ConnectionId, Entity, Role, RowRef
from connector.domain.ports.dispatch import Judgement, Settlement
from connector.domain.ports.log import catalogue
from connector.domain.sync.intake import Intake
from connector.domain.sync.states import State
from tests.integration.console.environment import EXAMPLE, FLOW, set_up
from tests.write import incoming, order, record

COUPA = ConnectionId("acme", "coupa")


@pytest.fixture
async def run(
    database_url: str, kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    platform = Platform(kafka, database_url, "http://127.0.0.1:1", new_key_ring(tmp_path))
    set_up(monkeypatch, platform, KAFKA_TOPIC_PREFIX=topic_prefix, KAFKA_GROUP_PREFIX=topic_prefix)
    await asyncio.to_thread(apply_topics, kafka_settings(), catalogue(["exact", "coupa"]))
    async with runtime("test") as opened:
        async with opened.engine.begin() as db:
            await db.execute(text("truncate desired, desired_payload"))
        await opened.configuration.apply(load(EXAMPLE, loopback_http=True), "test", {})
        yield opened


def connector(*arguments: str, exits: int = 0) -> Any:
    command = [sys.executable, "-m", "connector.console.main", *arguments, "--json"]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == exits, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def read_at_source(native_id: str, supplier: str, connection: str = "exact-nl") -> AnyRecord:
    return record(order(f"PO-{native_id}", supplier=supplier), native_id).model_copy(update={"connection": connection})


async def settled(run: Runtime, *records: AnyRecord) -> None:
    """Taken in, and judged: in the target already."""
    intake = Intake(PostgresDesiredRows(run.engine), PostgresReferences(run.engine), "coupa")
    await intake.take(incoming(*records), await run.configuration.current())
    dispatch = PostgresDispatch(run.engine, run.listener)
    hold = await PostgresEpochs(run.engine).take(COUPA, Role.WRITE, "test")
    assert hold is not None
    due = await dispatch.claim(hold, [FLOW], 100, [])
    assert len(due) == len(records)
    await dispatch.settle(hold, [Settlement(row, judgement=Judgement(State.SYNCED)) for row in due])


async def states(run: Runtime) -> Mapping[State, int]:
    counts = await PostgresOperations(run.engine).counts("acme")
    return counts[FLOW][Entity.PURCHASE_ORDER]


async def test_a_span_of_the_log_is_replayed_exactly_and_no_group_is_left_behind(run: Runtime) -> None:
    early = [read_at_source("1", "s1")]
    late = [read_at_source("2", "s1"), read_at_source("3", "s2"), read_at_source("4", "s1")]
    elsewhere = read_at_source("4", "s1", connection="other")
    await settled(run, *early, *late)
    async with run.kafka() as log:
        await log.produce([canonical_message(one, document="d") for one in early])
        await asyncio.sleep(0.05)
        between = datetime.now(UTC).isoformat()
        await asyncio.sleep(0.05)
        await log.produce([canonical_message(one, document="d") for one in (*late, elsewhere)])
        of_s1 = ["replay", "--flow", "exact-to-coupa", "--from", between, "--where", "supplier.id=s1"]
        refused = await asyncio.to_thread(connector, *of_s1, exits=2)
        assert "Look at 2 records" in refused["error"]
        assert await states(run) == {State.SYNCED: 4}, "asking alone changes nothing"
        done = await asyncio.to_thread(connector, *of_s1, "--yes")
        assert (done["due"], done["records"], done["documents"]) == (2, 2, 2)
        assert await states(run) == {State.SYNCED: 2, State.DUE: 2}
        before = await asyncio.to_thread(connector, "replay", "--flow", "exact-to-coupa", "--to", between, "--yes")
        assert before["due"] == 1
        nothing = await asyncio.to_thread(connector, *of_s1[:-1], "supplier.id=s9", "--yes")
        assert nothing["due"] == 0
    groups = AdminClient(kafka_settings().client()).list_consumer_groups(request_timeout=10).result().valid
    assert not [group.group_id for group in groups if group.group_id.startswith(kafka_settings().group_prefix)]


async def test_what_the_writer_missed_is_taken_in_at_its_newest_version(run: Runtime) -> None:
    """As after a reset to the end, or where the log had dropped what was not read."""
    behind, never = read_at_source("1", "s1"), read_at_source("2", "s1")
    later = record(order("PO-2", "250.00", supplier="s1"), "2", read=2).model_copy(update={"connection": "exact-nl"})
    newer = record(order("PO-1", "90.00", supplier="s1"), "1", read=2).model_copy(update={"connection": "exact-nl"})
    await settled(run, behind)
    async with run.kafka() as log:
        begin = datetime.now(UTC).isoformat()
        await log.produce([canonical_message(one, document="d") for one in (never, newer)])
        await asyncio.sleep(0.05)
        end = datetime.now(UTC).isoformat()
        await asyncio.sleep(0.05)
        await log.produce([canonical_message(later, document="d")])
    span = ["replay", "--flow", "exact-to-coupa", "--from", begin, "--to", end]
    done = await asyncio.to_thread(connector, *span, "--yes")
    assert (done["documents"], done["due"], done["missed"]) == (2, 1, 2)
    assert await states(run) == {State.DUE: 2}
    operations = PostgresOperations(run.engine)
    for one in (newer, later):
        row = await operations.row(RowRef(FLOW, Entity.PURCHASE_ORDER, one.native_id))
        assert row is not None
        assert json.loads(row.document)["content_digest"] == one.content_digest
    again = await asyncio.to_thread(connector, *span, "--yes")
    assert (again["due"], again["missed"]) == (0, 0)


async def test_an_order_that_cannot_be_understood_is_refused_with_an_example(run: Runtime) -> None:
    of_flow = ["replay", "--flow", "exact-to-coupa"]
    refused = await asyncio.to_thread(connector, *of_flow, "--from", "yesterday", exits=2)
    assert "as in 2026-03-01" in refused["error"]
    refused = await asyncio.to_thread(connector, *of_flow, "--where", "supplier", exits=2)
    assert "as in supplier.number=V100" in refused["error"]
