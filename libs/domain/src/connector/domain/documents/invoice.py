"""Invoice and credit note: EN 16931, with the business-term number in each field's schema.

`basis` says what the source holds: a `document` (the supplier's invoice with items) or a `booking` (its financial
entry: lines with amount and accounting, and null quantity, price and item, to which item rules do not apply).
A credit note (type 381) has positive totals and `effect` -1; lines of mixed sign are allowed.
"""

from datetime import date
from enum import StrEnum

from pydantic import Field

from .common import AllowanceCharge, Coding, FinancialPeriod, Item, PaymentTerms, Period, SupplierRef, Vat, VatCategory
from .money import Amount, Canonical, Percent, Quantity, Rate, UnitPrice


class InvoiceType(StrEnum):
    """UNTDID 1001."""

    INVOICE = "380"
    CREDIT_NOTE = "381"
    PREPAYMENT = "386"


class Basis(StrEnum):
    DOCUMENT = "document"
    BOOKING = "booking"


class InvoiceStatus(StrEnum):
    OPEN = "open"
    BOOKED = "booked"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class TaxStatus(StrEnum):
    """Whether the source states VAT at all; `unknown` makes every VAT rule not applicable."""

    STATED = "stated"
    UNKNOWN = "unknown"


class LinkStrength(StrEnum):
    LINE = "line"
    HEADER = "header"
    NONE = "none"


class OrderLink(Canonical):
    """How surely an invoice line belongs to an order: only `line` with a quantity counts as matched."""

    strength: LinkStrength = LinkStrength.NONE
    order_id: str | None = None
    order_number: str | None = None
    line_id: str | None = None


class PrecedingInvoice(Canonical):
    number: str | None = Field(default=None, description="BT-25")
    issue_date: date | None = Field(default=None, description="BT-26")
    native_id: str | None = None


class VatBreakdown(Canonical):
    """BG-23: one row a category and rate."""

    category: VatCategory = Field(description="BT-118")
    rate: Percent | None = Field(default=None, description="BT-119")
    taxable_amount: Amount = Field(description="BT-116")
    tax_amount: Amount = Field(description="BT-117")


class InvoiceTotals(Canonical):
    """In document currency; None is unknown. payable = gross - prepaid - withholding + rounding."""

    lines: Amount | None = Field(default=None, description="BT-106")
    allowances: Amount | None = Field(default=None, description="BT-107")
    charges: Amount | None = Field(default=None, description="BT-108")
    net: Amount | None = Field(default=None, description="BT-109")
    vat: Amount | None = Field(default=None, description="BT-110")
    gross: Amount | None = Field(default=None, description="BT-112")
    prepaid: Amount | None = Field(default=None, description="BT-113")
    rounding: Amount | None = Field(default=None, description="BT-114")
    payable: Amount | None = Field(default=None, description="BT-115")
    withholding: Amount | None = None
    self_assessed_vat: Amount | None = None
    accounting_net: Amount | None = None
    accounting_vat: Amount | None = Field(default=None, description="BT-111")
    accounting_gross: Amount | None = None


class InvoiceLine(Canonical):
    """BG-25. `cost_amount` = net + non-deductible VAT: what the line costs the buyer's books."""

    line_id: str = Field(description="BT-126")
    line_number: int | None = None
    description: str | None = Field(default=None, description="BT-153")
    item: Item | None = None
    quantity: Quantity | None = Field(default=None, description="BT-129")
    unit: str | None = Field(default=None, description="BT-130")
    price: UnitPrice | None = Field(default=None, description="BT-146")
    price_base: Quantity | None = Field(default=None, description="BT-149")
    net_amount: Amount | None = Field(default=None, description="BT-131")
    vat: Vat = Vat()
    non_deductible_vat: Amount | None = None
    self_assessed_vat: Amount | None = None
    cost_amount: Amount | None = None
    accounting: list[Coding] = []
    order_link: OrderLink = OrderLink()
    period: Period | None = None


class Attachment(Canonical):
    id: str
    name: str | None = None
    content_type: str | None = None


class Invoice(Canonical):
    """A supplier's invoice or credit note as its source system holds it."""

    invoice_number: str | None = Field(default=None, description="BT-1")
    booking_number: str | None = None
    type_code: InvoiceType = Field(description="BT-3")
    effect: int = Field(description="1, or -1 for a credit note")
    basis: Basis
    status: InvoiceStatus
    issue_date: date | None = Field(default=None, description="BT-2")
    due_date: date | None = Field(default=None, description="BT-9")
    booking_date: date | None = None
    period: FinancialPeriod | None = None
    currency: str = Field(description="BT-5")
    accounting_currency: str | None = Field(default=None, description="BT-6")
    exchange_rate: Rate | None = None
    supplier: SupplierRef = Field(description="BG-4")
    payment_terms: PaymentTerms | None = Field(default=None, description="BT-20")
    payment_reference: str | None = Field(default=None, description="BT-83")
    payee_account: str | None = Field(default=None, description="keyed hash of BT-84")
    payee_account_last4: str | None = None
    payment_block: bool | None = None
    order_refs: list[OrderLink] = []
    preceding_invoice: PrecedingInvoice | None = Field(default=None, description="BG-3")
    description: str | None = Field(default=None, description="BT-22")
    allowances: list[AllowanceCharge] = []
    charges: list[AllowanceCharge] = []
    totals: InvoiceTotals = InvoiceTotals()
    vat_breakdown: list[VatBreakdown] = []
    tax_status: TaxStatus = TaxStatus.STATED
    paid_to_date: Amount | None = None
    attachments: list[Attachment] = []
    lines: list[InvoiceLine] = []
