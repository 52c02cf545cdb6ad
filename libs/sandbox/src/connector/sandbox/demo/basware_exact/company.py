"""The company of the story: two companies in Basware, a division in Exact for each, and their vendors.

The first company lets vendors be created in Exact and has what can't be booked refused; the second creates its accounts
by hand, with the bank accounts that its invoices name, and has what can't be booked held.
"""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

from connector.sandbox.demo.control import ControlPort, Json
from connector.sandbox.demo.story import Book, Fate

FIRST, SECOND = "NL01", "DE01"
LATE_CENTER, CLOSING_CENTER, MISSING_ACCOUNT = "CC7", "CC8", "4999"
"""Made in the middle of the month, closed in the middle of the month, and never there."""
USUAL = (
    ("4000", "CC1", None),
    ("4000", "CC2", None),
    ("4100", None, None),
    ("4200", "CC1", None),
    ("4300", "CC2", "CU1"),
)
"""Accounts with the dimensions they need."""
RATES = (("V21", 21), ("V21", 21), ("V09", 9), ("V00", 0))


@dataclass(frozen=True, slots=True)
class Vendor:
    code: str
    external_code: str
    company: str
    currency: str = "EUR"


@dataclass(slots=True)
class Company:
    basware: ControlPort
    exact: ControlPort
    book: Book
    random: random.Random
    divisions: dict[str, int]
    """Exact's division by company code."""
    today: date = field(default_factory=date.today)
    vendors: dict[str, list[Vendor]] = field(default_factory=lambda: {FIRST: [], SECOND: []})
    special: dict[str, Vendor] = field(default_factory=dict)
    """Vendors with a fate of their own, by what is special about them."""

    @property
    def start(self) -> date:
        return self.today - timedelta(days=30)

    def day(self, number: int) -> str:
        """Day 0 to 30 of the month."""
        return f"{(self.start + timedelta(days=number)).isoformat()}T00:00:00Z"


async def set_up(company: Company, vendors: int) -> None:
    """Vendors in Basware, and the accounts that people at the second company made for theirs."""
    for known in ("vendor-V100", "vendor-V200", "vendor-V300"):
        await company.basware.act("deactivate_vendor", externalCode=known)
        company.book.expect(
            "supplier", known, known.removeprefix("vendor-"), Fate.EXCLUDED, "not-sent-type", case="inactive"
        )
    for number in range(vendors):
        vendor = await enter_vendor(company, FIRST, f"N{number + 1:03d}", "USD" if number % 7 == 6 else "EUR")
        company.vendors[FIRST].append(vendor)
    for number in range(max(4, vendors // 4)):
        vendor = await enter_vendor(company, SECOND, f"D{number + 1:03d}", "EUR")
        await _account(company, vendor)
        company.vendors[SECOND].append(vendor)
    company.special["late"] = await enter_vendor(company, SECOND, "D900", "EUR")
    company.special["twice"] = await enter_vendor(company, FIRST, "N900", "EUR")
    company.book.turn("supplier", "vendor-N900", Fate.BLOCKED, "ambiguous-in-target", case="twice in Exact")
    for name in ("Twice", "Twice again"):
        await _account(company, company.special["twice"], name)
    await company.exact.act(
        "create_cost_center", division=company.divisions[FIRST], Code=CLOSING_CENTER, Description="Closing"
    )


async def enter_vendor(company: Company, of: str, code: str, currency: str) -> Vendor:
    vendor = Vendor(code, f"vendor-{code}", of, currency)
    await company.basware.act(
        "create_vendor",
        externalCode=vendor.external_code,
        vendorCode=code,
        name=f"Vendor {code}",
        sourceSystem="ERP",
        companies=[{"companyCode": of}],
        identifiers=[{"id": vat_id(code), "schemeId": "EU:VAT", "defaultPartyId": True}],
        addresses=[_address(code)],
        paymentMeans=[{"paymentMeansCode": "30", "currencyCode": currency, "default": True}],
        paymentTerms={"paymentTermCode": "30D"},
    )
    company.book.expect("supplier", vendor.external_code, code)
    return vendor


def _address(code: str) -> Json:
    return {
        "externalCode": f"address-{code}", "name": f"Vendor {code}", "addressType": "PostalAddress", "default": True,
        "streetName": f"Kade {code[1:]}", "cityName": "Utrecht", "postalZone": "1000 AA", "countryId": "NL",
    }  # fmt: skip


def vat_id(code: str) -> str:
    return f"NL8000{code}B01"


def iban(code: str) -> str:
    """The bank account of a vendor; its check digits are right."""
    account = f"ABNA{ord(code[0])}{int(code[1:]):08d}"
    digits = "".join(str(int(char, 36)) for char in f"{account}NL00")
    return f"NL{98 - int(digits) % 97:02d}{account}"


async def _account(company: Company, vendor: Vendor, name: str | None = None) -> None:
    """An account as people make one in Exact: other words, the same VAT number."""
    division = company.divisions[vendor.company]
    account = await company.exact.act(
        "create_supplier",
        division=division,
        Name=name or f"{vendor.code} (account)",
        VATNumber=vat_id(vendor.code),
        Country="NL",
    )
    await enter_bank_account(company, vendor, account["ID"], iban(vendor.code))


async def enter_bank_account(company: Company, vendor: Vendor, account: str, number: str) -> None:
    await company.exact.act(
        "create_bank_account", division=company.divisions[vendor.company], Account=account, BankAccount=number
    )


async def open_late_account(company: Company) -> None:
    await _account(company, company.special["late"])
