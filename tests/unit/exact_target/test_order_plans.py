"""From an order as Exact shows it to what a cancellation leaves of it: pure plans."""

from typing import Any

import pytest

from connector.adapters.systems.exact import orders
from connector.domain.ports.target import Found, Measure, Part, Plan, TargetObject, Verb


def shown(*lines: dict[str, Any], received: int = 20, invoiced: int = 10) -> Found:
    usual = {"ItemCode": "PAPER", "NetPrice": "2.5", "VATCode": "2", "ReceivedQuantity": "0", "InvoicedQuantity": "0"}
    rows = [
        {"ID": f"line-{number}", "LineNumber": number, "Quantity": line["QuantityInPurchaseUnits"], **usual, **line}
        for number, line in enumerate(lines, 1)
    ]
    header = {"PurchaseOrderID": "o1", "Supplier": "s1", "YourRef": "PO-1", "Currency": "EUR", "OrderNumber": 7}
    statuses = {"OrderStatus": 20, "ReceiptStatus": received, "InvoiceStatus": invoiced}
    return orders.found({**header, **statuses, "PurchaseOrderLines": rows}, None)


def line(ordered: str, received: str = "0", invoiced: str = "0", **given: str) -> dict[str, Any]:
    return {
        "QuantityInPurchaseUnits": ordered, "ReceivedQuantity": received, "InvoicedQuantity": invoiced, **given,
    }  # fmt: skip


def cancelled(now: Found, reached: str | None = None) -> Plan:
    part = Part("order", orders.natural_key("s1", "PO-1"), "acme/basware/purchase-order/o", {}, Measure(), gone=True)
    return orders.plan(part, TargetObject("o1", {}, 0, "w", reached), now)


@pytest.mark.parametrize(
    ("lines", "method", "body"),
    [
        pytest.param([line("4", "4"), line("10")], "DELETE", None, id="a-line-of-which-nothing-came"),
        pytest.param([line("4", "4"), line("10", "3")], "PUT", "3", id="a-line-that-came-in-part"),
        pytest.param([line("4", "0", "4"), line("10", "0", "6")], "PUT", "6", id="invoiced-and-nothing-came"),
        pytest.param([line("4", "4"), line("10", "5", "2")], "PUT", "5", id="less-invoiced-than-came"),
        pytest.param([line("4", "4"), line("10", "36", Quantity="120")], "PUT", "3", id="counted-in-item-units"),
    ],
)
def test_what_is_still_open_of_a_cancelled_order_is_taken_off(
    lines: list[dict[str, Any]], method: str, body: str | None
) -> None:
    plan = cancelled(shown(*lines))
    (step,) = plan.steps
    assert (plan.verb, step.method, step.target_id) == (Verb.CLOSE, method, "line-2")
    assert (step.body and str(step.body["QuantityInPurchaseUnits"])) == body


def test_a_cancelled_order_that_came_or_was_invoiced_in_full_stays_as_it_is() -> None:
    assert cancelled(shown(line("4", "4"), line("10", "0", "10"))).verb is Verb.NONE


def test_a_cancelled_order_keeps_its_last_line() -> None:
    """Exact says that it is received in part, and shows it of no line: deleting them all is no answer."""
    plan = cancelled(shown(line("4"), line("10")))
    assert plan.reason is not None
    assert plan.reason.code == "order-frozen-in-target"


def test_a_line_that_exact_keeps_is_not_deleted_for_ever() -> None:
    now = shown(line("4", "4"), line("10"))
    (step,) = cancelled(now).steps
    again = cancelled(now, step.name)
    assert again.reason is not None
    assert again.reason.code == "target-differs"
