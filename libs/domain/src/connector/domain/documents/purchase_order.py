"""PurchaseOrder: UBL Order / Peppol ordering terms, with a lifecycle."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from .common import Address, AllowanceCharge, Coding, Item, PaymentTerms, Period, SupplierRef, Vat
from .money import Amount, Canonical, Percent, Quantity, Rate, UnitPrice


class OrderLifecycle(StrEnum):
    AWAITING = "awaiting"
    """Not yet approved: known, but not to be sent anywhere."""
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Progress(StrEnum):
    """How much of an order was received or invoiced."""

    NONE = "none"
    PARTIAL = "partial"
    COMPLETE = "complete"


class LineKind(StrEnum):
    QUANTITY = "quantity"
    AMOUNT = "amount"
    CHARGE = "charge"
    COMMENT = "comment"


class OrderTotals(Canonical):
    """AnticipatedMonetaryTotal, in document currency. None is unknown, not 0."""

    lines: Amount | None = None
    net: Amount | None = None
    vat: Amount | None = None
    gross: Amount | None = None
    accounting_net: Amount | None = None
    accounting_gross: Amount | None = None


class OrderLine(Canonical):
    """LineItem. `net_amount` is the booked net of the line in document currency, after line discount."""

    line_id: str
    line_number: int
    kind: LineKind = LineKind.QUANTITY
    status: OrderLifecycle | None = None
    description: str | None = None
    item: Item = Item()
    quantity: Quantity | None = None
    unit: str | None = None
    price: UnitPrice | None = None
    price_base: Quantity = Decimal(1)
    discount: Percent | None = None
    price_includes_vat: bool = False
    net_amount: Amount | None = None
    vat: Vat = Vat()
    accounting: list[Coding] = []
    received_quantity: Quantity | None = None
    invoiced_quantity: Quantity | None = None
    need_by: date | None = None


class PurchaseOrder(Canonical):
    """A purchase order as its source system holds it."""

    order_number: str
    order_type: str | None = None
    issue_date: date | None = None
    requested_delivery: Period | None = None
    lifecycle: OrderLifecycle
    receipt_status: Progress | None = None
    invoice_status: Progress | None = None
    currency: str
    accounting_currency: str | None = None
    exchange_rate: Rate | None = None
    supplier: SupplierRef
    payment_terms: PaymentTerms | None = None
    reference: str | None = None
    buyer: str | None = None
    description: str | None = None
    ship_to: Address | None = None
    allowances: list[AllowanceCharge] = []
    charges: list[AllowanceCharge] = []
    totals: OrderTotals = OrderTotals()
    lines: list[OrderLine] = []
