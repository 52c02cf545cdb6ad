"""Rules of a purchase order: lines, sum and net. VAT on orders is information: no rule runs on it."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from connector.domain.documents.money import round_amount
from connector.domain.documents.purchase_order import LineKind, PurchaseOrder
from connector.domain.reasons import Reason

OrderRule = Callable[[PurchaseOrder], Iterator[Reason]]

_ZERO = Decimal(0)
_FIX = "Correct the order in its source system; it is read again by itself."


def lines_less_allowances_give_net(order: PurchaseOrder) -> Iterator[Reason]:
    """The lines' net amounts, less header allowances, plus charges, are the order's net."""
    net = order.totals.net
    if net is None:
        return
    total = _ZERO
    for line in order.lines:
        if line.net_amount is None:
            return
        total += line.net_amount
    total -= sum((allowance.amount for allowance in order.allowances), _ZERO)
    total += sum((charge.amount for charge in order.charges), _ZERO)
    if total != net:
        yield Reason(
            code="order-sum",
            message=f"The lines less the header discount give {total:f}, the order says {net:f} net.",
            fix=_FIX,
            field="totals.net",
        )


def lines_total_is_their_sum(order: PurchaseOrder) -> Iterator[Reason]:
    stated = order.totals.lines
    if stated is None:
        return
    total = _ZERO
    for line in order.lines:
        if line.net_amount is None:
            return
        total += line.net_amount
    if total != stated:
        yield Reason(
            code="order-lines-sum",
            message=f"The lines' net amounts sum to {total:f}, their total says {stated:f}.",
            fix=_FIX,
            field="totals.lines",
        )


def line_net_is_quantity_times_price(order: PurchaseOrder) -> Iterator[Reason]:
    """Warns: a booked net may have been overridden; targets that recompute it must keep the residual."""
    for line in order.lines:
        if line.net_amount is None or line.quantity is None or line.price is None or line.kind is not LineKind.QUANTITY:
            continue
        expected = round_amount(line.quantity * line.price / line.price_base, order.currency)
        if expected != line.net_amount:
            yield Reason(
                code="order-line-net",
                message=f"Line {line.line_number}: quantity times price is {expected:f}, booked {line.net_amount:f}.",
                fix=_FIX,
                field=f"lines[{line.line_number}].net_amount",
                severity="warn",
            )


def line_ids_are_unique(order: PurchaseOrder) -> Iterator[Reason]:
    seen: set[str] = set()
    for line in order.lines:
        if line.line_id in seen:
            yield Reason(
                code="order-line-twice",
                message=f"Line id {line.line_id} stands on the order more than once.",
                field=f"lines[{line.line_number}].line_id",
            )
        seen.add(line.line_id)


RULES: tuple[OrderRule, ...] = (
    lines_less_allowances_give_net,
    lines_total_is_their_sum,
    line_net_is_quantity_times_price,
    line_ids_are_unique,
)


def order_findings(order: PurchaseOrder) -> list[Reason]:
    """Every broken rule at once."""
    return [reason for rule in RULES for reason in rule(order)]
