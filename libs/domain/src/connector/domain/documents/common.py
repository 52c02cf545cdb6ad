"""Parts that several canonical documents share."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from .money import Amount, Canonical, Percent


class SupplierRef(Canonical):
    """The supplier as the source knows it: `id` is the native id (the key of its canonical supplier)."""

    id: str | None = None
    number: str | None = None
    name: str | None = None


class Coding(Canonical):
    """One accounting row of a line; shares of a line's rows sum to 100. Codes are the company's own."""

    share: Percent = Decimal(100)
    gl_account: str | None = None
    cost_center: str | None = None
    cost_unit: str | None = None
    project: str | None = None
    dimensions: dict[str, str] = {}


class Item(Canonical):
    buyer_id: str | None = None
    seller_id: str | None = None
    name: str | None = None


class VatCategory(StrEnum):
    """UNTDID 5305, as far as the platform knows it (EN 16931 BT-151)."""

    STANDARD = "S"
    ZERO = "Z"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    INTRA_COMMUNITY = "K"
    EXPORT = "G"
    OUTSIDE_SCOPE = "O"


class Vat(Canonical):
    """VAT of a line. `amount` is what the supplier is owed: 0 under AE, K, G and O."""

    code: str | None = None
    category: VatCategory | None = None
    rate: Percent | None = None
    amount: Amount | None = None


class AllowanceCharge(Canonical):
    """A header discount (allowance) or freight and the like (charge), net of VAT."""

    reason: str
    amount: Amount
    vat: Vat | None = None


class PaymentTerms(Canonical):
    code: str | None = None
    description: str | None = None
    days: int | None = None


class Address(Canonical):
    name: str | None = None
    lines: list[str] = []
    city: str | None = None
    postal_code: str | None = None
    region: str | None = None
    country: str | None = None
    kind: str | None = None


class Contact(Canonical):
    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    main: bool = False


class Period(Canonical):
    start: date | None = None
    end: date | None = None


class FinancialPeriod(Canonical):
    year: int
    period: int


class BankAccount(Canonical):
    """Never the clear value: a keyed hash and the last four characters; `vault_id` where a flow writes it."""

    hash: str
    last4: str
    holder: str | None = None
    vault_id: str | None = None
    main: bool = False
