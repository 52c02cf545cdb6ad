"""What becomes of Basware's documents in Exact, over HTTP: sums, refusals before a write, rounds, images, accounts."""

import asyncio
import itertools
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connector.domain.documents.common import Coding, FinancialPeriod
from connector.domain.documents.invoice import InvoiceStatus
from connector.domain.identity import Entity
from connector.domain.ports.configuration import OnBlock
from connector.domain.sync.states import State
from tests.contract.exact_target.exact import (
    Desk,
    credit_note,
    invoice,
    line,
    order,
    order_line,
    record,
    supplier,
    with_image,
)

_fresh = itertools.count(1)


@pytest.fixture
def number() -> str:
    return f"N-{next(_fresh)}"


@pytest.fixture
async def vendor(desk: Desk) -> Any:
    """V100 with its account in Exact: made by the first test that needs it, linked by the others."""
    made = record(supplier(), "v100")
    await desk.settled(made)
    return made


async def test_an_invoice_is_booked_with_its_coding_to_the_cent(desk: Desk, vendor: Any, number: str) -> None:
    rows = (line("1", "60.05", "12.61"), line("2", "40.00", "3.60", gl="4300", cc="CC1", cu="CU1", tax="V09"))
    await desk.settled(record(invoice(number, *rows), number))
    (entry,) = desk.entries(number)
    assert (entry["AmountFC"], entry["VATAmountFC"], entry["Type"], entry["Status"]) == ("116.26", "16.21", 30, 20)
    assert entry["ExternalLinkReference"] == f"acme/basware/invoice/{number}"
    shown = [
        (one["GLAccountCode"], one["CostCenter"], one["CostUnit"], one["AmountFC"]) for one in desk.entry_lines(entry)
    ]
    assert shown == [("4000", "CC1", None, "60.05"), ("4300", "CC1", "CU1", "40.00")]


async def test_a_credit_note_is_an_entry_of_type_31(desk: Desk, vendor: Any, number: str) -> None:
    await desk.settled(record(credit_note(number, line("1", "50.00", "10.50")), number))
    (entry,) = desk.entries(number)
    assert (entry["AmountFC"], entry["Type"]) == ("-60.50", 31)


async def test_under_reverse_charge_the_supplier_gets_the_net(desk: Desk, vendor: Any, number: str) -> None:
    row = line("1", "100.00", "21.00", tax="RC", reverse=True)
    await desk.settled(record(invoice(number, row), number))
    (entry,) = desk.entries(number)
    assert entry["AmountFC"] == "100.00"


async def test_everything_that_is_wrong_is_found_at_once_and_nothing_is_written(
    desk: Desk, vendor: Any, number: str
) -> None:
    rows = (
        line("1", gl="9999"),
        line("2", cc=None),
        line("3", gl="4300", cc="CC1"),
        line("4", gl="4600", cc="CC1"),
        line("5", cc="NOPE"),
        line("6", tax="V21I"),
        line("7", tax="7"),
        line("8", tax="XX"),
    )
    totals = invoice("x", *rows).totals
    sums = totals.model_copy(update={"net": totals.net + 1, "gross": totals.gross + 1})  # type: ignore[operator]
    document = invoice(number, *rows, currency="USD", payment_block=True, totals=sums)
    desk.sandbox.forget_calls()
    await desk.settled(record(document, number), State.BLOCKED)
    assert desk.codes(record(document, number)) == {
        "gl-account-unknown-in-target",
        "cost-center-needed",
        "cost-unit-needed",
        "cost-center-forbidden",
        "cost-center-unknown-in-target",
        "vat-code-type",
        "vat-code-use",
        "vat-code-unknown-in-target",
        "journal-currency",
        "payment-block",
        "coding-sum",
    }
    assert desk.entries(number) == []
    assert {call["method"] for call in desk.sandbox.calls() if "/api/v1/" in call["path"]} == {"GET"}


async def test_a_residual_goes_to_the_rounding_account_up_to_the_limit(desk: Desk, vendor: Any, number: str) -> None:
    desk.choose(rounding_limit="0.02", rounding_account="4500")
    document = invoice(number, line("1", "99.99", "21.00"))
    sums = document.totals.model_copy(update={"net": Decimal("100.00"), "gross": Decimal("121.00")})
    await desk.settled(record(document.model_copy(update={"totals": sums}), number))
    (entry,) = desk.entries(number)
    assert entry["AmountFC"] == "121.00"
    assert [(one["GLAccountCode"], one["AmountFC"]) for one in desk.entry_lines(entry)] == [
        ("4000", "99.99"),
        ("4500", "0.01"),
    ]


async def test_a_closed_period_blocks_or_moves_to_the_next_open_one(desk: Desk, vendor: Any, number: str) -> None:
    desk.sandbox.act("close_period", journal="70", year=2025, period=4)
    stated = FinancialPeriod(year=2025, period=4)
    held = record(invoice(number, period=stated), number)
    await desk.settled(held, State.BLOCKED)
    assert desk.codes(held) == {"period-closed"}
    desk.choose(closed_period="next-open")
    moved = record(invoice(f"{number}b", period=stated), f"{number}b")
    await desk.settled(moved)
    (entry,) = desk.entries(f"{number}b")
    assert (entry["ReportingYear"], entry["ReportingPeriod"]) == (2025, 5)


async def test_a_held_invoice_goes_on_once_its_cost_center_exists(desk: Desk, vendor: Any, number: str) -> None:
    code = f"H{number[2:]}"
    held = record(invoice(number, line("1", cc=code)), number)
    await desk.settled(held, State.BLOCKED)
    assert desk.told(held) is None
    desk.sandbox.act("create_cost_center", Code=code, Description="New")
    await desk.until(held, State.SYNCED)
    told = desk.told(held)
    assert told is not None
    assert told.target["entry"]["number"] == str(desk.entries(number)[0]["EntryNumber"])


async def test_a_rejected_invoice_stays_so_until_a_new_round(desk: Desk, vendor: Any, number: str) -> None:
    desk.choose(on_block=OnBlock.REJECT)
    code = f"R{number[2:]}"
    document = invoice(number, line("1", cc=code))
    first = record(document, number)
    await desk.settled(first, State.REJECTED)
    told = desk.told(first)
    assert told is not None
    assert [reason.code for reason in told.reasons] == ["cost-center-unknown-in-target"]
    desk.sandbox.act("create_cost_center", Code=code, Description="New")
    await asyncio.sleep(0.7)
    assert desk.row(first).state is State.REJECTED
    assert desk.entries(number) == []
    again = record(document, number, round=1)
    await desk.take(again)
    await desk.until(again, State.SYNCED)
    assert desk.told(again, 1) is not None


async def test_a_new_round_of_a_booked_invoice_answers_with_the_same_entry(
    desk: Desk, vendor: Any, number: str
) -> None:
    await desk.settled(record(invoice(number), number))
    (entry,) = desk.entries(number)
    again = record(invoice(number), number, round=1)
    await desk.settled(again)
    told = desk.told(again, 1)
    assert told is not None
    assert told.target["entry"]["number"] == str(entry["EntryNumber"])
    assert len(desk.entries(number)) == 1


async def test_a_changed_invoice_replaces_its_open_entry_but_never_a_processed_one(
    desk: Desk, vendor: Any, number: str
) -> None:
    desk.choose(on_block=OnBlock.REJECT)
    await desk.settled(record(invoice(number), number))
    (before,) = desk.entries(number)
    await desk.settled(record(invoice(number, line("1", "200.00", "42.00")), number, round=1))
    (after,) = desk.entries(number)
    assert (after["AmountFC"], after["EntryID"] != before["EntryID"]) == ("242.00", True)
    desk.sandbox.act("process_purchase_entry", id=after["EntryID"])
    last = record(invoice(number, line("1", "300.00", "63.00")), number, round=2)
    await desk.settled(last, State.REJECTED)
    told = desk.told(last, 2)
    assert told is not None
    assert f"booked as entry {after['EntryNumber']}" in told.reasons[0].message
    assert [entry["AmountFC"] for entry in desk.entries(number)] == ["242.00"]


async def test_an_entry_that_people_deleted_is_made_again_only_in_a_new_round(
    desk: Desk, vendor: Any, number: str
) -> None:
    await desk.settled(record(invoice(number), number))
    desk.sandbox.act("delete_purchase_entry", id=desk.entries(number)[0]["EntryID"])
    same_round = record(invoice(number, due_date=date(2026, 5, 1)), number)
    await desk.settled(same_round, State.BLOCKED)
    assert desk.codes(same_round) == {"refused-in-target"}
    await desk.settled(record(invoice(number), number, round=1))
    assert len(desk.entries(number)) == 1


async def test_only_the_due_date_is_changed_in_place(desk: Desk, vendor: Any, number: str) -> None:
    await desk.settled(record(invoice(number), number))
    (before,) = desk.entries(number)
    await desk.settled(record(invoice(number, due_date=date(2026, 4, 30)), number))
    (after,) = desk.entries(number)
    assert (after["EntryID"], after["DueDate"][:10]) == (before["EntryID"], "2026-04-30")


async def test_what_exact_books_otherwise_is_taken_back_and_shown(desk: Desk, vendor: Any, number: str) -> None:
    """A VAT code that turns inclusive under our feet: Exact makes other sums of the same lines."""
    await desk.settled(record(invoice(f"{number}-warm", line("1", "100.00", "9.00", tax="V09")), f"{number}-warm"))
    code = desk.sandbox.one("vat/VATCodes", Code="1")["ID"]
    desk.sandbox.act("edit_vat_code", id=code, Type="I")
    blocked = record(invoice(number, line("1", "100.00", "9.00", tax="V09")), number)
    await desk.settled(blocked, State.BLOCKED)
    desk.sandbox.act("edit_vat_code", id=code, Type="E")
    assert desk.codes(blocked) == {"target-differs"}
    assert desk.entries(number) == []


async def test_an_invoice_taken_back_before_booking_is_left_out_and_after_it_is_shown(
    desk: Desk, vendor: Any, number: str
) -> None:
    early = record(invoice(f"{number}a", status=InvoiceStatus.CANCELLED), f"{number}a")
    await desk.settled(early, State.EXCLUDED)
    await desk.settled(record(invoice(number), number))
    late = record(invoice(number, status=InvoiceStatus.CANCELLED), number)
    await desk.settled(late, State.BLOCKED)
    assert desk.codes(late) == {"withdrawn-after-booking"}
    assert len(desk.entries(number)) == 1


async def test_an_image_takes_three_calls_beside_the_read_back(desk: Desk, vendor: Any, number: str) -> None:
    await desk.settled(record(invoice(f"{number}-warm"), f"{number}-warm"))
    blob = await desk.blobs.put("acme", b"%PDF-1.7")
    desk.sandbox.forget_calls()
    await desk.settled(with_image(invoice(number), number, blob))
    (entry,) = desk.entries(number)
    attached = [
        one for one in desk.sandbox.store("documents/DocumentAttachments") if one["Document"] == entry["Document"]
    ]
    assert [one["FileName"] for one in attached] == ["invoice.pdf"]
    calls = [
        call for call in desk.sandbox.calls() if "/documents/" in call["path"] or "PurchaseEntries" in call["path"]
    ]
    assert len(calls) == 6  # two look-ups that other rows would share, three writes, one read-back


async def test_an_image_that_comes_later_is_attached_to_the_entry_there_is(
    desk: Desk, vendor: Any, number: str
) -> None:
    await desk.settled(record(invoice(number), number))
    (before,) = desk.entries(number)
    blob = await desk.blobs.put("acme", b"%PDF-1.7")
    await desk.settled(with_image(invoice(number), number, blob))
    (after,) = desk.entries(number)
    assert after["EntryID"] == before["EntryID"]
    assert after["Document"] is not None


@pytest.fixture
def strangers() -> str:
    return f"V{next(_fresh):03d}9"


async def test_a_supplier_is_linked_by_its_vat_number_and_not_doubled(desk: Desk, strangers: str) -> None:
    desk.sandbox.act("create_supplier", Name=f"Other words {strangers}", VATNumber=f"NL{strangers}B01", Country="NL")
    linked = record(supplier(strangers), strangers)
    await desk.settled(linked)
    accounts = desk.sandbox.store("crm/Accounts")
    assert len([one for one in accounts if one["VATNumber"] == f"NL{strangers}B01"]) == 1
    assert not [one for one in accounts if one["Name"] == f"Supplier {strangers}"]


async def test_a_supplier_that_is_twice_in_exact_is_for_a_person(desk: Desk, strangers: str) -> None:
    for name in ("North", "South"):
        desk.sandbox.act("create_supplier", Name=name, VATNumber=f"NL{strangers}B01", Country="NL")
    blocked = record(supplier(strangers), strangers)
    await desk.settled(blocked, State.BLOCKED)
    assert desk.codes(blocked) == {"ambiguous-in-target"}


async def test_without_auto_create_supplier_and_invoice_wait_for_the_account(
    desk: Desk, strangers: str, number: str
) -> None:
    desk.choose(create_suppliers=False)
    waiting = record(supplier(strangers), strangers)
    booked = record(invoice(number, supplier_id=strangers), number)
    await desk.settled(waiting, State.BLOCKED)
    await desk.settled(booked, State.BLOCKED)
    desk.sandbox.act("create_supplier", Name="As people write it", VATNumber=f"NL{strangers}B01", Country="NL")
    await desk.until(waiting, State.SYNCED)
    await desk.until(booked, State.SYNCED)
    assert len(desk.entries(number)) == 1


async def test_an_order_becomes_a_line_a_coding_row_that_sum_to_it(desk: Desk, vendor: Any, number: str) -> None:
    split = [
        Coding(share=Decimal("33.3333"), gl_account="4000", cost_center="CC1"),
        Coding(share=Decimal("66.6667"), gl_account="4100"),
    ]
    await desk.settled(
        record(order(number, order_line(1, "3", "10.00", accounting=split), order_line(2, "4", "9.00")), number)
    )
    (made,) = [row for row in desk.sandbox.store("purchaseorder/PurchaseOrders") if row["YourRef"] == number]
    assert Decimal(made["AmountFCExclVat"]) == Decimal("19.00")
    lines = [
        row
        for row in desk.sandbox.store("purchaseorder/PurchaseOrderLines")
        if row["PurchaseOrderID"] == made["PurchaseOrderID"]
    ]
    assert len(lines) == 3


async def test_orders_are_left_out_unless_the_flow_mirrors_them(desk: Desk, vendor: Any, number: str) -> None:
    desk.choose(orders="off")
    left = record(order(number), number)
    await desk.settled(left, State.EXCLUDED)
    assert left.entity is Entity.PURCHASE_ORDER


async def test_a_cost_center_closed_while_we_believe_it_open_is_named_before_any_write(
    desk: Desk, vendor: Any, number: str
) -> None:
    code = f"C{number[2:]}"
    desk.sandbox.act("create_cost_center", Code=code, Description="Closing")
    await desk.settled(record(invoice(f"{number}-before", line("1", cc=code)), f"{number}-before"))
    desk.sandbox.act("edit_cost_center", id=code, EndDate="2020-01-01")
    await asyncio.sleep(1.5)  # older than the desk lets reference data grow
    refused = record(invoice(number, line("1", cc=code)), number)
    await desk.settled(refused, State.BLOCKED)
    assert desk.codes(refused) == {"cost-center-closed-in-target"}
