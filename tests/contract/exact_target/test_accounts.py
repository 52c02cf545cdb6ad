"""Which account of Exact a vendor is: made at first sight, or found by what proves it, never by its name alone."""

import itertools
from typing import Any

import pytest

from connector.domain.documents.common import Address, PaymentTerms
from connector.domain.documents.envelope import AnyRecord
from connector.domain.documents.supplier import Supplier
from connector.domain.ports.configuration import OnBlock
from connector.domain.sync.states import State
from tests.contract.exact_target.exact import EXACT, Desk, invoice, record, supplier

_fresh = itertools.count(501, 10)


@pytest.fixture
def code() -> str:
    return f"A{next(_fresh)}"


def vendor(code: str, **given: Any) -> Supplier:
    """Without a VAT number unless given."""
    return supplier(given.pop("number", code), **{"name": f"Supplier {code}", "vat_id": None, **given})


def accounts(desk: Desk, code: str) -> list[dict[str, Any]]:
    named = [row for row in desk.sandbox.store("crm/Accounts") if code in f"{row['Name']} {row['Code']}"]
    return [row for row in named if not row.get("_deleted")]


def made_by_people(desk: Desk, code: str, **fields: Any) -> str:
    return str(desk.sandbox.act("create_account", **{"Name": f"Theirs {code}", "Country": "NL", **fields})["ID"])


def linked(desk: Desk, made: AnyRecord) -> str:
    (account,) = desk.tables.objects[EXACT, made.ref].values()
    return account.object.target_id


async def test_a_vendor_unknown_to_exact_is_made_with_contact_details_and_terms(desk: Desk, code: str) -> None:
    address = Address(lines=["Kade 7", "Unit 3"], city="Utrecht", postal_code="1000 AA", country="NL")
    full = vendor(
        code,
        vat_id=f"NL{code}B01",
        registration=f"9{code[1:]}0000",
        email="ap@vendor.example",
        phone="030-1234567",
        website="vendor.example",
        currency="USD",
        payment_terms=PaymentTerms(code="30D"),
        addresses=[address],
    )
    await desk.settled(record(full, code))
    (account,) = accounts(desk, code)
    wanted = {
        "IsSupplier": True,
        "Email": "ap@vendor.example",
        "Phone": "030-1234567",
        "Website": "vendor.example",
        "AddressLine1": "Kade 7",
        "AddressLine2": "Unit 3",
        "Postcode": "1000 AA",
        "City": "Utrecht",
        "VATNumber": f"NL{code}B01",
        "ChamberOfCommerce": f"9{code[1:]}0000",
        "PurchaseCurrency": "USD",
        "Remarks": f"acme/basware/supplier/{code}",
    }
    assert {name: account[name] for name in wanted} == wanted
    assert account["Country"].strip() == "NL"
    assert account["PaymentConditionPurchase"].strip() == "30"


async def test_a_code_proves_a_vendor_only_under_a_declared_authority(desk: Desk, code: str) -> None:
    number = code[1:]
    theirs = made_by_people(desk, code, Code=number, IsSupplier=True)
    desk.choose(code_authority=True)
    ours = record(vendor(code, number=number, name="Other words"), code)
    await desk.settled(ours)
    assert linked(desk, ours) == theirs


async def test_without_authority_an_equal_code_is_chance(desk: Desk, code: str) -> None:
    number = code[1:]
    theirs = made_by_people(desk, code, Code=number, IsSupplier=True)
    ours = record(vendor(code, number=number, name=f"Ours {code}"), code)
    await desk.settled(ours)
    assert linked(desk, ours) != theirs


async def test_an_authority_does_not_count_against_a_contradicting_country(desk: Desk, code: str) -> None:
    number = code[1:]
    made_by_people(desk, code, Code=number, IsSupplier=True, Country="BE")
    desk.choose(code_authority=True)
    blocked = record(vendor(code, number=number, name="Other words"), code)
    await desk.settled(blocked, State.BLOCKED)
    assert desk.codes(blocked) == {"supplier-not-linked"}
    assert "countries differ" in desk.row(blocked).reasons[0].message


async def test_a_chamber_of_commerce_number_proves_a_vendor(desk: Desk, code: str) -> None:
    theirs = made_by_people(desk, code, ChamberOfCommerce=f"8{code[1:]}1111", IsSupplier=True)
    ours = record(vendor(code, registration=f"8{code[1:]}1111"), code)
    await desk.settled(ours)
    assert linked(desk, ours) == theirs


async def test_a_name_needs_a_second_key(desk: Desk, code: str) -> None:
    theirs = made_by_people(desk, code, Name=f"Supplier {code}", IsSupplier=True)
    blocked = record(vendor(code), code)
    await desk.settled(blocked, State.BLOCKED)
    assert desk.codes(blocked) == {"supplier-not-linked"}
    desk.sandbox.act("edit_account", id=theirs, Postcode="3011 AA")  # as the vendor's
    again = record(vendor(code, phone="1"), code)
    await desk.take(again)
    await desk.until(again, State.SYNCED)
    assert linked(desk, again) == theirs


async def test_a_customer_becomes_a_supplier_too_and_keeps_its_own_data(desk: Desk, code: str) -> None:
    theirs = made_by_people(desk, code, VATNumber=f"NL{code}B01", Phone="theirs")
    ours = record(vendor(code, vat_id=f"NL{code}B01", phone="ours"), code)
    await desk.settled(ours)
    assert linked(desk, ours) == theirs
    (account,) = accounts(desk, code)
    assert (account["IsSupplier"], account["Phone"]) == (True, "theirs")


async def test_without_auto_create_a_flow_that_rejects_says_which_vendor_is_missing(desk: Desk, code: str) -> None:
    desk.choose(create_suppliers=False, on_block=OnBlock.REJECT)
    missing = record(vendor(code), code)
    booked = record(invoice(f"I-{code}", supplier_id=code), f"I-{code}")
    await desk.settled(missing, State.BLOCKED)
    await desk.settled(booked, State.REJECTED)
    told = desk.told(booked)
    assert told is not None
    assert [reason.code for reason in told.reasons] == ["supplier-unknown-in-target"]
    assert "Supplier V100" in told.reasons[0].message
    assert desk.entries(f"I-{code}") == []
