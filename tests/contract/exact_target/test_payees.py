"""The bank account that an invoice names, against those that Exact has of the supplier."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from connector.adapters.systems.exact.payees import Payee
from connector.domain.identity import TrafficClass
from connector.domain.ports.configuration import OnBlock
from connector.domain.sync.states import State
from connector.domain.vendor_error import ReauthorisationNeeded
from tests.contract.exact_target.exact import FINGERPRINTS, Desk, invoice, line, record, supplier

IBAN, OTHER = "NL91ABNA0417164300", "NL02ABNA0123456789"
_fresh = itertools.count(1)


@pytest.fixture
async def vendor(desk: Desk) -> str:
    """A supplier with an account in Exact, and none at a bank."""
    name = f"b{next(_fresh)}"
    await desk.settled(record(supplier(f"{name.upper()}00"), name))
    return name


def paid_to(account: str) -> Mapping[str, str]:
    made = FINGERPRINTS.of(account)
    return {"payee_account": made.hash, "payee_account_last4": made.last4}


def account_of(desk: Desk, vendor: str) -> str:
    (row,) = [row for row in desk.sandbox.store("crm/Accounts") if row["Name"] == f"Supplier {vendor.upper()}00"]
    return str(row["ID"])


def enter(desk: Desk, vendor: str, account: str, **given: Any) -> None:
    desk.sandbox.act("create_bank_account", Account=account_of(desk, vendor), BankAccount=account, **given)


async def test_an_account_that_exact_does_not_have_of_the_supplier_holds_the_invoice_until_people_enter_it(
    desk: Desk, vendor: str
) -> None:
    number = f"{vendor}-1"
    held = record(invoice(number, supplier_id=vendor, **paid_to(IBAN)), number)
    await desk.settled(held, State.BLOCKED)
    (reason,) = desk.row(held).reasons
    assert (reason.code, reason.field, "4300" in reason.message) == ("bank-mismatch", "payee_account", True)
    assert "enter it with the supplier in Exact" in str(reason.fix)
    enter(desk, vendor, OTHER)
    enter(desk, vendor, IBAN, Blocked=True)
    later = record(invoice(f"{number}b", supplier_id=vendor, **paid_to(OTHER)), f"{number}b")
    await desk.settled(later)
    assert desk.row(held).state is State.BLOCKED
    assert desk.entries(number) == []
    enter(desk, vendor, "NL91 ABNA 0417 1643 00")
    await desk.until(held, State.SYNCED)
    assert len(desk.entries(number)) == 1
    kept = str([vars(desk.tables), reason])
    assert FINGERPRINTS.of(IBAN).hash in kept
    assert [clear for clear in (IBAN, OTHER, "0417164300") if clear in kept] == []


async def test_a_wrong_account_is_refused_to_accounts_payable_where_the_flow_rejects(desk: Desk, vendor: str) -> None:
    desk.choose(on_block=OnBlock.REJECT)
    enter(desk, vendor, OTHER)
    number = f"{vendor}-1"
    refused = record(invoice(number, supplier_id=vendor, **paid_to(IBAN)), number)
    await desk.settled(refused, State.REJECTED)
    told = desk.told(refused)
    assert told is not None
    assert [reason.code for reason in told.reasons] == ["bank-mismatch"]
    assert desk.entries(number) == []


async def test_an_invoice_that_names_no_account_is_not_compared(desk: Desk, vendor: str) -> None:
    desk.sandbox.forget_calls()
    await desk.settled(record(invoice(f"{vendor}-1", supplier_id=vendor), f"{vendor}-1"))
    assert [call for call in desk.sandbox.calls() if "BankAccounts" in call["path"]] == []


async def test_the_invoices_of_a_day_ask_once_for_their_suppliers_accounts(desk: Desk, vendor: str) -> None:
    enter(desk, vendor, IBAN)
    desk.sandbox.forget_calls()
    rows = [record(invoice(f"{vendor}-{n}", supplier_id=vendor, **paid_to(IBAN)), f"{vendor}-{n}") for n in range(8)]
    await desk.take(*rows)
    for row in rows:
        await desk.until(row, State.SYNCED)
    assert len([call for call in desk.sandbox.calls() if "BankAccounts" in call["path"]]) == 1


async def test_a_booked_invoice_stays_as_it_is_when_its_account_goes_and_a_new_round_is_compared_again(
    desk: Desk, vendor: str
) -> None:
    enter(desk, vendor, IBAN)
    number = f"{vendor}-1"
    await desk.settled(record(invoice(number, supplier_id=vendor, **paid_to(IBAN)), number))
    same = record(invoice(number, supplier_id=vendor, **paid_to(OTHER)), number)
    await desk.settled(same)
    again = record(invoice(number, line(net="90.00"), supplier_id=vendor, **paid_to(OTHER)), number, round=1)
    await desk.settled(again, State.BLOCKED)
    assert desk.codes(again) == {"bank-mismatch"}
    assert [float(entry["AmountFC"]) for entry in desk.entries(number)] == [121.0]


async def test_national_numbers_and_hashes_of_a_key_that_is_gone_do_not_block_wrongly(desk: Desk, vendor: str) -> None:
    enter(desk, vendor, IBAN)
    account = account_of(desk, vendor)

    def asked(hash: str, last4: str) -> str:
        return Payee("2026-03-02", account, last4, hash).code

    national, gone = FINGERPRINTS.of("ABNA 0417164300"), "2025-01:" + "0" * 64
    right = [asked(national.hash, national.last4), asked(gone, "4300")]
    wrong = [asked(gone, "6789"), asked("2026-11:" + "0" * 64, "4300")]
    found = await desk.target.reference("bank-account", right + wrong, TrafficClass.LIVE)
    assert sorted(found) == sorted(right)


async def test_without_the_right_to_read_bank_accounts_no_invoice_is_called_wrong(desk: Desk, vendor: str) -> None:
    """Exact answers an empty list then."""
    right = {"endpoint": "crm/BankAccounts", "action": "GET"}
    enter(desk, vendor, IBAN)
    made = FINGERPRINTS.of(IBAN)
    asked = Payee("2026-03-02", account_of(desk, vendor), made.last4, made.hash).code
    desk.sandbox.act("set_right", **right, allowed=False)
    try:
        with pytest.raises(ReauthorisationNeeded, match="crm/BankAccounts"):
            await desk.target.reference("bank-account", [asked], TrafficClass.LIVE)
    finally:
        desk.sandbox.act("set_right", **right, allowed=True)
    assert list(await desk.target.reference("bank-account", [asked], TrafficClass.LIVE)) == [asked]
