"""One invoice from Basware's screens into Exact's books and back: both vendors over HTTP, all of the protocol."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from connector.adapters.clock import SystemClock
from connector.adapters.http import vendor_http
from connector.adapters.memory.answers import MemoryAnswers
from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.source_keys import MemorySourceKeys, ReadState
from connector.adapters.systems.basware.responses import BaswareResponder
from connector.domain.documents.envelope import AnyRecord
from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.configuration import OnBlock
from connector.domain.sync.answering import Answering
from connector.domain.sync.states import State
from tests.contract.basware_source.basware import BASWARE, OpenGate, Room, Sandbox, canonical_of, row, until
from tests.contract.exact_source import sandboxes as exact
from tests.contract.exact_target.exact import Desk, desk_of

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def division() -> Iterator[exact.Sandbox]:
    with exact.running_sandbox(minute_limit=1_000_000, day_limit=1_000_000, error_block=False) as running:
        yield running


@dataclass
class Both:
    """Both vendors, and what lies between them."""

    room: Room
    desk: Desk
    answers: MemoryAnswers

    @property
    def basware(self) -> Sandbox:
        return self.room.sandbox

    async def transfer(self, invoice: str, **settings: Any) -> AnyRecord:
        """What the reader does: read, let Kafka have it, acknowledge; the mapper and the writer follow."""
        source = self.room.source(**settings)
        for page in await self.room.sweep(source, "vendors"):
            await self.desk.take(*(canonical_of(read, Entity.SUPPLIER) for read in page.rows.get(Entity.SUPPLIER, ())))
        (read,) = await self.room.read(source, Entity.INVOICE, invoice)
        record = canonical_of(read, Entity.INVOICE)
        await self.desk.take(record)
        await source.acknowledge(Entity.INVOICE, [read], TrafficClass.LIVE)
        return record

    async def told(self, record: AnyRecord, round: int = 0) -> dict[str, Any]:
        """Wait for the round's end; the last response that accounts payable sees."""
        await until(lambda: self.answers.ended(record.ref, round) is not None)
        responses: list[dict[str, Any]] = self.basware.invoice(record.native_id)["transferResponses"]
        return responses[-1]

    def sent(self, invoice: str) -> int:
        return len(self.basware.calls(f"/{invoice}/transferResponses", "POST"))


@asynccontextmanager
async def both(room: Room, division: exact.Sandbox) -> AsyncIterator[Both]:
    room.sandbox.forget()
    async with desk_of(division, exact.log_in(division)) as desk, vendor_http() as http:
        answers = MemoryAnswers(desk.tables)
        clock = SystemClock()
        gate = OpenGate(room.sandbox.token())
        troubles: list[Exception] = []
        async with asyncio.TaskGroup() as group:
            answering = Answering(
                connection=BASWARE,
                holder="test",
                responder=BaswareResponder(BASWARE, room.sandbox.settings(), gate, http, clock),
                answers=answers,
                keys=MemorySourceKeys(ReadState(), desk.tables.now, asyncio.sleep, desk.tables.require_epoch),
                epochs=MemoryEpochs(desk.tables),
                clock=clock,
                randomness=random.Random(1),
                spawner=group,
                report=lambda what, error: troubles.append(error),
                call_deadline_s=0.5,
                processing_s=0.3,
            )
            task = group.create_task(answering.run())
            yield Both(room, desk, answers)
            task.cancel()
        assert not troubles, troubles


@pytest.fixture
async def flow(room: Room, division: exact.Sandbox) -> AsyncIterator[Both]:
    async with both(room, division) as flow:
        yield flow


@pytest.fixture
def number() -> str:
    return f"E-{next(_numbers)}"


async def test_a_booked_invoice_is_answered_with_its_entry_number(flow: Both, number: str) -> None:
    invoice = flow.basware.create_invoice(number, row("60.00", "12.60"), row("40.00", "8.40"), paymentBlock=False)
    record = await flow.transfer(invoice)
    response = await flow.told(record)
    (entry,) = flow.desk.entries(number)
    assert (response["success"], response["voucherNumber1"]) == (True, str(entry["EntryNumber"]))
    assert flow.basware.invoice(invoice)["processingStatus"] == "Transferred"
    assert flow.sent(invoice) == 1


async def test_a_rejected_one_is_told_once_by_name_and_booked_after_repair_and_retransfer(
    flow: Both, number: str
) -> None:
    flow.desk.choose(on_block=OnBlock.REJECT)
    invoice = flow.basware.create_invoice(number, row(accountCode="9999"))
    record = await flow.transfer(invoice)
    response = await flow.told(record)
    assert response["success"] is False
    assert "9999" in response["responseMessage"]
    assert len(response["responseMessage"]) <= 250
    assert flow.desk.entries(number) == []
    flow.basware.act("recode_invoice", invoiceId=invoice, codingRows=[row()])
    flow.basware.act("retransfer_invoice", invoiceId=invoice)
    again = await flow.transfer(invoice)
    assert (await flow.told(again, 1))["success"] is True
    assert len(flow.desk.entries(number)) == 1
    assert flow.sent(invoice) == 2


async def test_a_retransfer_of_what_is_booked_is_answered_with_the_same_entry(flow: Both, number: str) -> None:
    invoice = flow.basware.create_invoice(number)
    first = await flow.told(await flow.transfer(invoice))
    flow.basware.act("retransfer_invoice", invoiceId=invoice)
    second = await flow.told(await flow.transfer(invoice), 1)
    assert first["voucherNumber1"] == second["voucherNumber1"]
    assert first["externalCode"] != second["externalCode"]
    assert len(flow.desk.entries(number)) == 1


async def test_a_held_invoice_gets_no_answer_before_it_is_booked(flow: Both, number: str) -> None:
    code = f"B{number[2:]}"
    invoice = flow.basware.create_invoice(number, row(costCenterCode=code))
    record = await flow.transfer(invoice)
    await flow.desk.until(record, State.BLOCKED)
    await asyncio.sleep(0.3)
    assert flow.sent(invoice) == 0
    flow.desk.sandbox.act("create_cost_center", Code=code, Description="Late")
    assert (await flow.told(record))["success"] is True


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_answer_is_looked_for_and_not_given_twice(flow: Both, number: str, when: str) -> None:
    invoice = flow.basware.create_invoice(number)
    flow.basware.fault(path="/transferResponses", method="POST", when=when, action="drop", times=1)
    await flow.told(await flow.transfer(invoice))
    assert len(flow.basware.invoice(invoice)["transferResponses"]) == 1
    assert flow.basware.invoice(invoice)["processingStatus"] == "Transferred"


async def test_an_answer_that_basware_takes_and_cannot_use_is_given_again(flow: Both, number: str) -> None:
    invoice = flow.basware.create_invoice(number)
    flow.basware.act("fail_next_writes", entityType="TransferResponse", message="Voucher refused")
    await flow.told(await flow.transfer(invoice))
    assert flow.basware.invoice(invoice)["processingStatus"] == "Transferred"
    assert flow.sent(invoice) == 2


async def refused(flow: Both, invoice: str, *names: str, **settings: Any) -> str:
    """It is refused once, by what is named, and nothing is written; the message."""
    flow.desk.choose(on_block=OnBlock.REJECT)
    response = await flow.told(await flow.transfer(invoice, **settings))
    message: str = response["responseMessage"]
    assert (response["success"], flow.sent(invoice)) == (False, 1)
    assert [name for name in names if name not in message] == []
    assert 0 < len(message) <= 250
    assert flow.basware.invoice(invoice)["processingStatus"] == "TransferFailed"
    return message


async def test_rows_that_miss_the_sum_are_told_with_what_they_miss(flow: Both, number: str) -> None:
    invoice = flow.basware.create_invoice(number, row("60.00", "12.60"), row("40.00", "8.40"), netSum="100.05")
    await refused(flow, invoice, "miss the invoice's net sum by 0.05 EUR")
    assert flow.desk.entries(number) == []


async def test_an_unknown_company_is_told(flow: Both, number: str) -> None:
    await refused(flow, flow.basware.create_invoice(number, companyCode="SE01"), "SE01")
    assert flow.desk.entries(number) == []


async def test_a_cost_center_closed_after_the_approval_is_told(flow: Both, number: str) -> None:
    code = f"Z{number[2:]}"
    flow.desk.sandbox.act("create_cost_center", Code=code, Description="Closing")
    invoice = flow.basware.create_invoice(number, row(costCenterCode=code))
    flow.desk.sandbox.act("edit_cost_center", id=code, EndDate="2020-01-01")
    await refused(flow, invoice, f"Cost center {code} is closed")
    assert flow.desk.entries(number) == []


async def test_an_image_over_10_mb_is_told(flow: Both, number: str) -> None:
    invoice = flow.basware.create_invoice(number)
    flow.basware.act("attach_to_invoice", invoiceId=invoice, filename="scan.pdf", size=10 * 1024 * 1024 + 1)
    await refused(flow, invoice, "scan.pdf", "too-large", images=True)
    assert flow.desk.entries(number) == []


async def test_many_findings_are_told_as_far_as_they_fit(flow: Both, number: str) -> None:
    rows = [row(accountCode=f"9{n}99", costCenterCode=f"NOPE{n}", taxCode=f"T{n}") for n in range(5)]
    message = await refused(flow, flow.basware.create_invoice(number, *rows), "9099")
    assert "more)" in message


async def test_an_invoice_booked_by_hand_is_told_as_such_and_left_alone(flow: Both, number: str) -> None:
    supplier = await _linked_supplier(flow)
    flow.desk.choose(on_block=OnBlock.REJECT)
    flow.desk.sandbox.act(
        "create_purchase_entry",
        Journal="70",
        Supplier=supplier,
        YourRef=number,
        PurchaseEntryLines=[{"GLAccount": "4100", "AmountFC": 1.0}],
    )
    invoice = flow.basware.create_invoice(number)
    record = await flow.transfer(invoice)
    response = await flow.told(record)
    assert response["success"] is False
    assert len(flow.desk.entries(number)) == 1


async def _linked_supplier(flow: Both) -> str:
    """The account of V100 in Exact, made by an invoice of its own."""
    warm = f"warm-{next(_numbers)}"
    await flow.told(await flow.transfer(flow.basware.create_invoice(warm)))
    (entry,) = flow.desk.entries(warm)
    return str(entry["Supplier"])
