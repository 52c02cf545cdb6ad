"""Payment: money that left for a supplier's documents, one line a settled document."""

from datetime import date
from enum import StrEnum

from .money import Amount, Canonical, Rate


class PaymentState(StrEnum):
    POSTED = "posted"
    CANCELLED = "cancelled"


class PaymentLine(Canonical):
    """`applied` is in the currency of the settled document."""

    line_id: str
    document_kind: str
    document_native_id: str
    installment: int | None = None
    applied: Amount
    discount_taken: Amount | None = None
    effect: int = 1


class Payment(Canonical):
    payment_number: str | None = None
    payment_date: date | None = None
    method: str | None = None
    reference: str | None = None
    currency: str
    exchange_rate: Rate | None = None
    total: Amount
    state: PaymentState
    supplier_number: str | None = None
    lines: list[PaymentLine] = []
