"""What each line of a document counts for in the project's books, header discount and freight spread over the lines."""

from decimal import Decimal

from connector.domain.documents.invoice import Invoice
from connector.domain.documents.purchase_order import LineKind, OrderLine, PurchaseOrder

from .rendering import spread_header
from .values import ZERO


def ordered_lines(order: PurchaseOrder) -> list[OrderLine]:
    return [line for line in order.lines if line.kind is not LineKind.COMMENT]


def order_amounts(order: PurchaseOrder) -> dict[str, Decimal]:
    """Net amounts by line; unknown ones count as 0, and are a finding of their own."""
    amounts = {line.line_id: line.net_amount or ZERO for line in ordered_lines(order)}
    extra = sum((charge.amount for charge in order.charges), ZERO) - sum((a.amount for a in order.allowances), ZERO)
    return spread_header(amounts, extra, order.currency) if amounts else amounts


def cost_amounts(invoice: Invoice) -> dict[str, Decimal]:
    """What each line costs, negative on credit notes."""
    amounts = {line.line_id: invoice.effect * (line.cost_amount or ZERO) for line in invoice.lines}
    charges = sum((charge.amount for charge in invoice.charges), ZERO)
    extra = invoice.effect * (charges - sum((allowance.amount for allowance in invoice.allowances), ZERO))
    return spread_header(amounts, extra, invoice.currency) if amounts else amounts
