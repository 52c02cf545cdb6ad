"""The company of the story: two divisions in Exact with equal codes, one Coupa instance, and their suppliers."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from connector.sandbox.demo.control import ControlPort, Json
from connector.sandbox.demo.story import Book, Fate

CHART, COST_CENTERS, GL_ACCOUNTS = "Company Chart", "Cost Center", "GL Account"
NO_COST_CENTER = "NONE"
"""Value of the chart's first segment for lines without a cost center."""
KNOWN_GL = ("3000", "4200", "4300", "4500", "4600", "7000")
"""Ledger accounts that Coupa's lookup gets beside what it has."""
UNKNOWN_GL, LATE_GL = "4700", "4800"
"""Accounts that Coupa does not know: never, and until somebody enters it in the middle of the month."""
TERMS = (("Net 0", 0), ("Net 14", 14), ("Net 60", 60))
TAX_CODES = (("NL21", "21.0"), ("NL9", "9.0"), ("NL0", "0.0"), ("NLRC", "0.0"))
ITEMS: tuple[Json, ...] = (
    {"Code": "RENT", "Description": "Rent of a site office", "GLCosts": "4100", "Unit": "stuk"},
    {"Code": "DINNER", "Description": "Business dinner", "GLCosts": "4500", "Unit": "stuk"},
    {"Code": "SCREW", "Description": "Screw M4x12", "GLCosts": "7000", "Unit": "stuk"},
    {"Code": "LAB", "Description": "Material test", "GLCosts": UNKNOWN_GL, "Unit": "stuk"},
    {"Code": "COURSE", "Description": "Safety course", "GLCosts": LATE_GL, "Unit": "stuk"},
    {"Code": "MYSTERY", "Description": "Without any account", "ItemGroup": "BARE", "Unit": "stuk"},
)
_FIRST = (
    "Van Dijk",
    "De Vries",
    "Bakker",
    "Jansen",
    "Smit",
    "Mulder",
    "Bos",
    "Peters",
    "Hendriks",
    "Dekker",
    "Brouwer",
)
_TRADES = ("Installaties", "Bouwstoffen", "Transport", "Elektra", "Advies", "Schilders", "Beton", "Gereedschap")
_CITIES = ("Utrecht", "Zwolle", "Breda", "Arnhem", "Leiden", "Assen")
FOREIGN = (("USD", "US", "Cascade Instruments"), ("JPY", "JP", "Hokusei Precision"), ("USD", "US", "Delaware Pumps"))


@dataclass(frozen=True, slots=True)
class Supplier:
    code: str
    id: str
    name: str
    currency: str
    country: str


@dataclass(slots=True)
class Division:
    """One company in Exact, and what it writes before its numbers in Coupa."""

    code: int
    prefix: str
    suppliers: list[Supplier] = field(default_factory=list)
    """Those that documents are drawn for at random; each is known to Coupa."""

    def in_coupa(self, number: str) -> str:
        return f"{self.prefix}{number}"


@dataclass(slots=True)
class Company:
    exact: ControlPort
    coupa: ControlPort
    book: Book
    random: random.Random
    main: Division
    other: Division
    today: date = field(default_factory=date.today)
    special: dict[str, Supplier] = field(default_factory=dict)
    """Suppliers with a fate of their own, by what is special about them."""

    @property
    def start(self) -> date:
        """Documents before this day are not carried over."""
        return self.today - timedelta(days=30)

    def day(self, number: int) -> str:
        """Day 0 to 30 of the month, as Exact writes dates."""
        return (self.start + timedelta(days=number)).isoformat()

    @property
    def divisions(self) -> tuple[Division, Division]:
        return self.main, self.other


async def set_up_exact(company: Company) -> None:
    """Ledger accounts and items beside those each division starts with; the other division has suppliers of its own."""
    for division in company.divisions:
        common = {"division": division.code}
        await company.exact.many(
            "create_gl_account",
            [
                {"Code": code, "Description": text, "Type": 120, "VATCode": "2"}
                for code, text in ((UNKNOWN_GL, "Research"), (LATE_GL, "Training"))
            ],
            **common,
        )
        await company.exact.act("create_item_group", Code="BARE", Description="No accounts", **common)
        await company.exact.many("create_item", ITEMS, **common)
    other = {"division": company.other.code}
    store = await company.exact.store()
    for terms in store["logistics/SupplierItem"]:
        if terms["Division"] == company.other.code:
            await company.exact.act("delete_supplier_item", id=terms["ID"], **other)
    for code in ("1", "2", "3"):
        await company.exact.act("delete_supplier", id=code, **other)


async def set_up_coupa(company: Company) -> None:
    coupa = company.coupa
    await coupa.many(
        "create_lookup_value",
        [
            *(
                {"name": f"{code} Account", "external-ref-num": code, "lookup": {"name": GL_ACCOUNTS}}
                for code in KNOWN_GL
            ),
            {"name": "No cost center", "external-ref-num": NO_COST_CENTER, "lookup": {"name": COST_CENTERS}},
        ],
    )
    await coupa.many("create_payment_term", [{"code": code, "days-for-net-payment": days} for code, days in TERMS])
    await coupa.many(
        "create_tax_code",
        [{"code": code, "percentage": rate, "country": {"code": "NL"}} for code, rate in TAX_CODES],
    )
    await coupa.act("create_uom", code="BX", name="Box", **{"allowable-precision": 0})


async def enter_late_account(company: Company) -> None:
    """Somebody at Coupa enters the ledger account that documents were blocked for."""
    await company.coupa.act(
        "create_lookup_value", name=f"{LATE_GL} Training", lookup={"name": GL_ACCOUNTS}, **{"external-ref-num": LATE_GL}
    )


def _vat_id(number: int) -> str:
    return f"NL{800000000 + number:09d}B01"


def _account(code: str, name: str, number: int, **more: object) -> Json:
    return {
        "Code": code, "Name": name, "Country": "NL", "City": _CITIES[number % len(_CITIES)], "Postcode": "1000 AA",
        "AddressLine1": f"Kade {number}", "VATNumber": _vat_id(number), "PurchaseVATCode": "2",
        "PaymentConditionPurchase": ("14", "30", "60")[number % 3], **more,
    }  # fmt: skip


def _at_coupa(number: str | None, name: str, vat_id: str | None, country: str) -> Json:
    return {
        "name": name, "number": number, "status": "active", "invoice-matching-level": "2-way", "tax-id": vat_id,
        "po-method": "prompt",
        "primary-address": {
            "street1": "Kade 1", "city": "Utrecht", "postal-code": "1000 AA", "country": {"code": country},
        },
    }  # fmt: skip


async def meet_suppliers(company: Company, count: int) -> None:
    """The suppliers of both divisions, and those of them that Coupa knows: by number, or by name and VAT id."""
    await _seeded(company)
    await _many(company, company.main, count, first=1001)
    await _foreign(company)
    await _many(company, company.other, max(4, count // 8), first=1001, offset=500)
    await _odd(company)
    await _new(company)


async def _seeded(company: Company) -> None:
    """The three that the sandbox's own division has: box and piece with the first of them."""
    store = await company.exact.store()
    own = [row for row in store["crm/Accounts"] if row["Division"] == company.main.code and row["IsSupplier"]]
    for row in own:
        supplier = Supplier(
            row["Code"].strip(), row["ID"], row["Name"], row["PurchaseCurrency"] or "EUR", row["Country"].strip()
        )
        company.main.suppliers.append(supplier)
        company.book.expect("supplier", supplier.id, supplier.code, case="known by number")
        await company.coupa.act(
            "create_supplier", **_at_coupa(supplier.code, row["Name"], row["VATNumber"], supplier.country)
        )


async def _many(company: Company, division: Division, count: int, *, first: int, offset: int = 0) -> None:
    accounts = []
    for n in range(count):
        number = n + 1 + offset
        name = f"{_FIRST[number % len(_FIRST)]} {_TRADES[number // len(_FIRST) % len(_TRADES)]} {number}"
        accounts.append(_account(str(first + n), name, number))
    made = await company.exact.many("create_supplier", accounts, division=division.code)
    at_coupa = []
    for n, row in enumerate(made):
        supplier = Supplier(row["Code"].strip(), row["ID"], row["Name"], "EUR", "NL")
        division.suppliers.append(supplier)
        by_name = n % 10 == 7
        at_coupa.append(
            _at_coupa(None if by_name else division.in_coupa(supplier.code), supplier.name, row["VATNumber"], "NL")
        )
        company.book.expect(
            "supplier", supplier.id, division.in_coupa(supplier.code),
            case="known by name and VAT id" if by_name else "known by number",
        )  # fmt: skip
    await company.coupa.many("create_supplier", at_coupa)


async def _foreign(company: Company) -> None:
    made = await company.exact.many(
        "create_supplier",
        [
            {"Code": str(2001 + n), "Name": name, "Country": country, "City": "Portland", "PurchaseCurrency": currency,
             "PurchaseVATCode": "0", "PaymentConditionPurchase": "60"}
            for n, (currency, country, name) in enumerate(FOREIGN)
        ],
        division=company.main.code,
    )  # fmt: skip
    for row, (currency, country, _) in zip(made, FOREIGN, strict=True):
        supplier = Supplier(row["Code"].strip(), row["ID"], row["Name"], currency, country)
        company.main.suppliers.append(supplier)
        company.book.expect("supplier", supplier.id, supplier.code, case=f"buys in {currency}")
        await company.coupa.act("create_supplier", **_at_coupa(supplier.code, supplier.name, None, country))


async def _odd(company: Company) -> None:
    """Suppliers with a fate of their own."""
    wanted: Sequence[tuple[str, Json, Json | None]] = (
        ("unknown", _account("3001", "Nergens Bekend BV", 901), None),
        (
            "contradicts",
            _account("3002", "Zelfde Nummer BV", 902),
            _at_coupa("3002", "Another Firm with that Number", "NL777777777B01", "NL"),
        ),
        ("renamed", _account("3003", "Oude Naam BV", 903), _at_coupa("3003", "Oude Naam BV", _vat_id(903), "NL")),
        (
            "bare",
            _account("3004", "Zonder Rekening BV", 904),
            _at_coupa("3004", "Zonder Rekening BV", _vat_id(904), "NL"),
        ),
        ("leaving", _account("3006", "Stopt Ermee BV", 906), _at_coupa("3006", "Stopt Ermee BV", _vat_id(906), "NL")),
    )
    for what, account, at_coupa in wanted:
        row = await company.exact.act("create_supplier", division=company.main.code, **account)
        company.special[what] = Supplier(row["Code"].strip(), row["ID"], row["Name"], "EUR", "NL")
        if at_coupa is not None:
            await company.coupa.act("create_supplier", **at_coupa)
    book, special = company.book, company.special
    for what, reasons, case in (
        ("unknown", ("supplier-unknown-in-target",), "unknown to Coupa"),
        ("contradicts", ("supplier-not-linked",), "its number in Coupa is another firm's"),
    ):
        book.expect("supplier", special[what].id, special[what].code, Fate.BLOCKED, *reasons, case=case)
    for what, case in (
        ("renamed", "renamed in the middle of the month"),
        ("bare", "has no account for its costs"),
        ("leaving", "no more bought from at the end of the month"),
    ):
        book.expect("supplier", special[what].id, special[what].code, case=case)


async def _new(company: Company) -> None:
    """One that Coupa does not know, in the division whose flow makes suppliers."""
    of = company.other
    row = await company.exact.act("create_supplier", division=of.code, **_account("3005", "Splinternieuw BV", 905))
    new = company.special["new"] = Supplier(row["Code"].strip(), row["ID"], row["Name"], "EUR", "NL")
    company.book.expect("supplier", new.id, of.in_coupa(new.code), case="made in Coupa")


async def part_with_supplier(company: Company) -> None:
    """A supplier is bought from no more; all of its documents are in Coupa by now."""
    leaving = company.special["leaving"]
    await company.exact.act("edit_supplier", division=company.main.code, id=leaving.id, Blocked=True)
    company.book.turn("supplier", leaving.id, Fate.ENDED)
