"""What no notice told of: Basware's lists, page by page, and what is long without an answer."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs

from connector.adapters.systems.basware.webhook import Recipient
from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.source import Notice, SweepPage
from tests.contract.basware_source.basware import Receiver, Room, Sandbox, receiving, running_sandbox, until

PAST_THE_OVERLAP_S = 1200.0


@pytest.fixture
async def apart() -> AsyncIterator[Sandbox]:
    """A tenant of the test's own, whose clock and documents it may do with as it likes."""
    with running_sandbox() as running:
        yield running


@pytest.fixture
async def quiet(room: Room, apart: Sandbox) -> Room:
    return Room(apart, room.http)


def later(sandbox: Sandbox, seconds: float) -> None:
    httpx.post(f"{sandbox.control_url}/clock", json={"advance_s": seconds}).raise_for_status()


def listed(pages: list[SweepPage], entity: Entity) -> list[str]:
    return [read.native_id for page in pages for read in page.rows.get(entity, ())]


@pytest.mark.parametrize("told_on", ["final", "redirect"])
async def test_a_list_goes_on_as_long_as_basware_gives_a_token_however_short_the_pages(
    quiet: Room, told_on: str
) -> None:
    quiet.sandbox.set(page_row_limit=3, continuation_on=told_on)
    keys = {quiet.sandbox.create_invoice(f"T-{n}") for n in range(8)}
    quiet.sandbox.forget()
    pages = await quiet.sweep(quiet.source(), "invoices")
    assert set(listed(pages, Entity.INVOICE)) == keys
    assert len(listed(pages, Entity.INVOICE)) == len(keys)
    calls = quiet.sandbox.calls("/v1/accountingDocuments")
    assert len(calls) == 3
    assert {"ProcessingStatus=WaitingForTransfer" in call["query"] for call in calls} == {True}


async def test_orders_that_wait_for_export_are_listed_until_they_are_acknowledged(quiet: Room) -> None:
    source = quiet.source()
    await quiet.sweep(source, "vendors")
    code = quiet.sandbox.create_order("PO-9")
    pages = await quiet.sweep(source, "orders")
    assert listed(pages, Entity.PURCHASE_ORDER) == [code]
    reads = [read for page in pages for read in page.rows.get(Entity.PURCHASE_ORDER, ())]
    assert await source.acknowledge(Entity.PURCHASE_ORDER, reads, TrafficClass.LIVE) == []
    assert listed(await quiet.sweep(source, "orders"), Entity.PURCHASE_ORDER) == []
    quiet.sandbox.act("change_order", externalCode=code, purpose="another one")
    assert listed(await quiet.sweep(source, "orders"), Entity.PURCHASE_ORDER) == [code]


async def test_vendors_are_listed_by_their_last_change_with_an_overlap(quiet: Room) -> None:
    source = quiet.source()
    first = await quiet.sweep(source, "vendors")
    cursor = next(page.cursor for page in reversed(first) if page.cursor)
    assert len(listed(first, Entity.SUPPLIER)) > 1
    later(quiet.sandbox, PAST_THE_OVERLAP_S)
    quiet.sandbox.act("edit_vendor", externalCode="vendor-V200", description="new terms")
    second = await quiet.sweep(source, "vendors", cursor)
    after = next(page.cursor for page in reversed(second) if page.cursor)
    assert "vendor-V200" in listed(second, Entity.SUPPLIER)
    later(quiet.sandbox, PAST_THE_OVERLAP_S)
    quiet.sandbox.act("edit_vendor", externalCode="vendor-V100", description="moved")
    third = await quiet.sweep(source, "vendors", after)
    assert set(listed(third, Entity.SUPPLIER)) == {"vendor-V100", "vendor-V200"}  # the overlap shows V200 once more
    fourth = await quiet.sweep(source, "vendors", next(page.cursor for page in reversed(third) if page.cursor))
    assert listed(fourth, Entity.SUPPLIER) == ["vendor-V100"]


async def test_notices_that_basware_gave_up_delivering_are_read_all_the_same(quiet: Room) -> None:
    receiver = Receiver(Recipient(("sécret",)))
    quiet.sandbox.set(webhook_retry_scale=0.001)
    with receiving(receiver) as address:
        source = quiet.source(address=address)
        await quiet.sweep(source, "subscriptions")
        receiver.away = True
        key = quiet.sandbox.create_invoice("F-1")
        await until(lambda: len(receiver.bodies()) == 4)  # the first and three more
        await until(lambda: quiet.sandbox.store("tasks")[-1]["taskStatus"] == "Failed")
        pages = await quiet.sweep(source, "failed-tasks")
    assert [notice for page in pages for notice in page.keys] == [Notice(Entity.INVOICE, key)]
    assert pages[-1].cursor is not None


async def test_an_invoice_taken_back_after_its_transfer_is_found_without_its_notice_and_taken_once(quiet: Room) -> None:
    source = quiet.source()
    removed, returned, kept = (quiet.sandbox.create_invoice(f"T-{n}") for n in range(3))
    for key in (removed, returned, kept):
        await source.acknowledge(Entity.INVOICE, await quiet.read(source, Entity.INVOICE, key), TrafficClass.LIVE)
        quiet.sandbox.respond(key)
    await until(lambda: quiet.sandbox.invoice(kept)["processingStatus"] == "Transferred")
    assert listed(await quiet.sweep(source, "taken-back"), Entity.INVOICE) == []
    quiet.sandbox.act("cancel_invoice", invoiceId=removed)
    quiet.sandbox.act("return_invoice", invoiceId=returned)
    assert listed(await quiet.sweep(source, "taken-back"), Entity.INVOICE) == [removed, returned]
    assert listed(await quiet.sweep(source, "taken-back"), Entity.INVOICE) == []
    assert listed(await quiet.sweep(quiet.source(), "taken-back"), Entity.INVOICE) == [removed, returned]


async def test_an_invoice_we_took_and_never_answered_is_found_and_read_again(quiet: Room) -> None:
    source = quiet.source(stuck_after_s=0.2)
    key = quiet.sandbox.create_invoice("S-1")
    await source.acknowledge(Entity.INVOICE, await quiet.read(source, Entity.INVOICE, key), TrafficClass.LIVE)
    assert [page.keys for page in await quiet.sweep(source, "stuck")] == [[]]
    await asyncio.sleep(0.3)
    with capture_logs() as told:
        assert [page.keys for page in await quiet.sweep(source, "stuck")] == [[Notice(Entity.INVOICE, key)]]
    assert [(one["event"], one["count"]) for one in told] == [("acknowledged and not answered", 1)]
