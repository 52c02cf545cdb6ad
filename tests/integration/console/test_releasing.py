"""`connector release --dry-run`: what a flow in dry run would write, field by field, before anybody lets it go."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from sqlalchemy import text

from connector.adapters.configuration.tenant_file import load
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.dispatch import PostgresDispatch
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.references import PostgresReferences
from connector.adapters.runtime import Runtime, runtime
from connector.console.main import app
from connector.console.services import Platform, new_key_ring
from connector.domain.identity import ConnectionId, Entity, Role
from connector.domain.ports.dispatch import Judgement, Settlement
from connector.domain.reasons import Reason
from connector.domain.sync.intake import Intake
from connector.domain.sync.states import State
from tests.integration.console.environment import EXAMPLE, FLOW, set_up
from tests.write import incoming, order, record

DIFFERENCES: dict[str, dict[str, Any]] = {
    "1": {"verb": "create", "steps": ["create"], "wanted": {"po-number": "PO-1"}, "found": None},
    "2": {"verb": "update", "steps": ["lines"], "wanted": {"a": "x", "total": "2"}, "found": {"a": "x", "total": "1"}},
}


@pytest.fixture
async def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    """Two orders of a flow in dry run, held with what would be done about them."""
    platform = Platform("127.0.0.1:1", database_url, "http://127.0.0.1:1", new_key_ring(tmp_path))
    set_up(monkeypatch, platform)
    async with runtime("test") as opened:
        async with opened.engine.begin() as db:
            await db.execute(text("truncate desired, desired_payload"))
        await opened.configuration.apply(load(EXAMPLE, loopback_http=True), "test", {})
        intake = Intake(PostgresDesiredRows(opened.engine), PostgresReferences(opened.engine), "coupa")
        read = [
            record(order(f"PO-{n}"), n).model_copy(update={"connection": "exact-nl", "native_number": f"PO-{n}"})
            for n in DIFFERENCES
        ]
        await intake.take(incoming(*read), await opened.configuration.current())
        dispatch = PostgresDispatch(opened.engine, opened.listener)
        hold = await PostgresEpochs(opened.engine).take(ConnectionId("acme", "coupa"), Role.WRITE, "test")
        assert hold is not None
        reasons = [Reason(code="dry-run", message="")]
        judged = [
            Settlement(due, judgement=Judgement(State.HELD, reasons=reasons, difference=DIFFERENCES[due.row.native_id]))
            for due in await dispatch.claim(hold, [FLOW], 10, [])
        ]
        await dispatch.settle(hold, judged)
        yield opened


async def said(*arguments: str) -> str:
    asked = ["release", "--flow", FLOW.flow, "--dry-run", *arguments]
    done = await asyncio.to_thread(typer.testing.CliRunner().invoke, app, asked)
    assert done.exit_code == 0, (done.stdout, done.stderr, done.exception)
    return done.stdout


async def test_the_difference_is_shown_and_nothing_is_let_go(run: Runtime) -> None:
    shown = (await said()).splitlines()
    assert shown[:3] == [
        "purchase-order PO-1: create (create)",
        "purchase-order PO-2: update (lines)",
        "  total: 1 -> 2",
    ]
    assert shown[3].startswith("2 of 2 records")
    told = json.loads(await said("--json", "--limit", "1"))
    assert [one["difference"] for one in told] == [DIFFERENCES["1"]]
    states = (await PostgresOperations(run.engine).counts("acme"))[FLOW][Entity.PURCHASE_ORDER]
    assert states == {State.HELD: 2}
