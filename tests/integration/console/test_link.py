"""`connector link` as reasons spell it out: the record's key and an id in the target are enough."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer.testing

from connector.adapters.configuration.tenant_file import load
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.references import PostgresReferences
from connector.adapters.runtime import Runtime, runtime
from connector.adapters.systems import room
from connector.adapters.systems.coupa import invoices, lookup_values, purchase_orders, suppliers
from connector.console.main import app
from connector.console.services import Platform, new_key_ring
from connector.domain.identity import Entity, RowRef
from connector.domain.sync.intake import Intake
from tests.integration.console.environment import EXAMPLE, FLOW, set_up
from tests.write import incoming, order, record


@pytest.fixture
async def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    """Orders 1 and 2 of one number, read but not written yet."""
    platform = Platform("127.0.0.1:1", database_url, "http://127.0.0.1:1", new_key_ring(tmp_path))
    set_up(monkeypatch, platform)
    async with runtime("test") as opened:
        await opened.configuration.apply(load(EXAMPLE, loopback_http=True), "test", {})
        read = [
            record(order("PO-1"), native_id).model_copy(update={"connection": "exact-nl", "native_number": "PO-1"})
            for native_id in ("1", "2")
        ]
        intake = Intake(PostgresDesiredRows(opened.engine), PostgresReferences(opened.engine), "coupa")
        await intake.take(incoming(*read), await opened.configuration.current())
        yield opened


async def said(*arguments: str, exits: int = 0) -> str:
    done = await asyncio.to_thread(typer.testing.CliRunner().invoke, app, ["link", *arguments, "--yes"])
    assert done.exit_code == exits, (done.stdout, done.stderr, done.exception)
    return " ".join((done.stdout + done.stderr).split())


async def test_a_key_and_an_id_in_the_target_are_enough(run: Runtime) -> None:
    assert "linked to purchase_orders 601" in await said("acme/exact-nl/purchase-order/1", "601")
    view = await PostgresOperations(run.engine).row(RowRef(FLOW, Entity.PURCHASE_ORDER, "1"))
    assert view is not None
    assert {part: (one.resource, one.object.target_id) for part, one in view.objects.items()} == {
        "order": ("purchase_orders", "601")
    }
    assert "already linked to" in await said("acme/exact-nl/purchase-order/2", "601", exits=1)


async def test_what_is_not_clear_is_refused_with_what_to_give(run: Runtime) -> None:
    assert "give its id, --entity or --flow" in await said("PO-1", "602", exits=2)
    assert "there is no record" in await said("acme/exact-nl/invoice/1", "602", exits=2)
    another = await said("acme/exact-nl/purchase-order/2", "602", "--part", "image", exits=2)
    assert "image is another object: give --part and --resource" in another


def test_the_parts_that_people_link_are_those_that_the_room_renders() -> None:
    modules = (suppliers, purchase_orders, invoices, lookup_values)
    assert set(room("coupa").LINKED.values()) == {(module.PART, module.RESOURCE) for module in modules}
