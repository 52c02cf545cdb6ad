"""PurchaseOrder -> Exact's purchase order, where a flow mirrors orders.

Exact knows no order line without an item, and no accounting on lines: each coding row becomes a line of its own, with
the item that stands for its GL account. What the lines can't show to the minor unit becomes one piece at its amount.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector.domain.digest import digest
from connector.domain.documents.common import Coding
from connector.domain.documents.money import round_amount, spread
from connector.domain.documents.purchase_order import LineKind, OrderLifecycle, OrderLine, PurchaseOrder
from connector.domain.identity import TrafficClass
from connector.domain.ports.target import (
    Found,
    Json,
    Measure,
    NaturalKey,
    Part,
    Plan,
    Rendered,
    Step,
    TargetObject,
    Verb,
)
from connector.domain.reasons import Reason

from .client import ExactClient, Query, Row, guid, text
from .fields import ORDER_LINES, ORDERS, nested
from .references import attribute
from .translate.order import in_purchase_units

if TYPE_CHECKING:
    from .rendering import Rendering

PART, RESOURCE, LINES = "order", ORDERS, ORDER_LINES
ZERO, ONE = Decimal(0), Decimal(1)
PRICE_PLACES = Decimal("0.000001")
NOTHING_YET = 10
"""Exact's ReceiptStatus and InvoiceStatus of an order of which nothing came and nothing was invoiced."""
FIELDS = (
    "PurchaseOrderID", "OrderNumber", "Supplier", "YourRef", "Currency", "OrderDate", "ReceiptDate", "Description",
    "Remarks", "PaymentCondition", "AmountFCExclVat", "OrderStatus", "ReceiptStatus", "InvoiceStatus", "Creator",
)  # fmt: skip
LINE_FIELDS = (
    "ID", "LineNumber", "ItemCode", "QuantityInPurchaseUnits", "NetPrice", "VATCode", "CostCenter", "CostUnit",
    "Quantity", "ReceivedQuantity", "InvoicedQuantity",
)  # fmt: skip
UPDATABLE = ("OrderDate", "ReceiptDate", "PaymentCondition")


def natural_key(supplier: str, reference: str) -> NaturalKey:
    return NaturalKey(RESOURCE, (("Supplier", supplier), ("YourRef", reference)))


# rendering


def render(r: "Rendering", order: PurchaseOrder) -> Rendered:
    excluded = _excluded(r, order)
    if excluded is not None:
        return Rendered(excluded=excluded)
    if order.lifecycle is OrderLifecycle.CANCELLED:
        return Rendered(parts=r.gone({PART: RESOURCE}))
    supplier = r.supplier(order.supplier)
    lines = [made for line in order.lines for made in _line(r, order, line)]
    header = {
        "Supplier": supplier.target_id if supplier else None,
        "YourRef": order.order_number,
        "Currency": order.currency,
        "OrderDate": order.issue_date.isoformat() if order.issue_date else None,
        "ReceiptDate": _delivery(order),
        "PaymentCondition": r.payment_condition(order.payment_terms.code if order.payment_terms else None),
        "Description": order.description or order.order_number,
    }
    wanted = {"header": {name: value for name, value in header.items() if value is not None}, "lines": lines}
    net = sum((Decimal(line["net"]) for line in lines), ZERO)
    measure = Measure(net=net, currency=order.currency, lines=len(lines))
    key = natural_key(str(header["Supplier"]), order.order_number)
    return Rendered(parts=[Part(PART, key, r.stamp, wanted, measure)], findings=r.findings)


def _excluded(r: "Rendering", order: PurchaseOrder) -> Reason | None:
    record = r.wanted.document
    if PART in r.wanted.known:
        return None
    if r.options.orders == "off":
        return Reason(code="not-sent-type", message="The flow does not mirror orders.", severity="warn")
    if record.company not in r.options.companies:
        unknown = any(finding.code == "company-unknown" for finding in record.findings)
        message = f"It belongs to company {record.company}, which this flow does not carry."
        return None if unknown else Reason(code="other-company", message=message, severity="warn")
    if order.lifecycle is not OrderLifecycle.OPEN:
        code = "unapproved" if order.lifecycle is OrderLifecycle.AWAITING else "gone-before-first-write"
        return Reason(code=code, message=f"The order is {order.lifecycle}.", severity="warn")
    if order.order_type == "Blanket":
        message = "Blanket orders are not sent; their releases are."
        return Reason(code="not-sent-type", message=message, severity="warn")
    return None


def _delivery(order: PurchaseOrder) -> str | None:
    days = [line.need_by for line in order.lines if line.need_by]
    start = order.requested_delivery.start if order.requested_delivery else None
    day = start or (min(days) if days else None)
    return day.isoformat() if day else None


def _line(r: "Rendering", order: PurchaseOrder, line: OrderLine) -> Iterator[dict[str, Any]]:
    """One line a coding row; amounts by largest remainder, so that they sum to the order line."""
    at = f"lines[{line.line_number}]"
    rows = line.accounting or [Coding()]
    amounts = _shares(line, rows, order.currency)
    for position, (row, net) in enumerate(zip(rows, amounts, strict=True), 1):
        quantity = None if line.quantity is None else line.quantity * row.share / 100
        counted = line.kind is LineKind.QUANTITY and quantity
        quantity, price = _priced(quantity if counted else None, net, order.currency)
        gl = r.mapped("gl-accounts", row.gl_account)
        account = r.code("gl-account", gl, f"{at}.accounting") if gl else None
        item = _item(r, gl, at)
        yield {
            "line": f"{line.line_id}/{position}",
            "item": item["code"] if item else None,
            "Item": item.get("source_id") if item else None,
            "QuantityInPurchaseUnits": f"{quantity:f}",
            "NetPrice": f"{price:f}",
            "VATCode": _vat(r, line, at),
            "CostCenter": r.dimension(account, "cost-center", r.mapped("cost-centers", row.cost_center), at),
            "CostUnit": r.dimension(account, "cost-unit", r.mapped("cost-units", row.cost_unit), at),
            "Description": line.description,
            "net": f"{net:f}",
        }


def _shares(line: OrderLine, rows: Sequence[Coding], currency: str) -> list[Decimal]:
    net = line.net_amount or ZERO
    weights = [row.share for row in rows]
    return spread(net, weights, currency) if len(rows) > 1 and sum(weights, ZERO) else [net, *[ZERO] * (len(rows) - 1)]


def _priced(quantity: Decimal | None, net: Decimal, currency: str) -> tuple[Decimal, Decimal]:
    """Quantity and price that give the amount; one piece at the amount where no price does."""
    if quantity:
        price = (net / quantity).quantize(PRICE_PLACES).normalize()
        if round_amount(quantity * price, currency) == net:
            return quantity.normalize(), price
    return ONE, net


def _item(r: "Rendering", gl: str | None, at: str) -> Json | None:
    code = r.options.items.get(gl or "", r.options.catch_all_item)
    if code is None:
        r.find(
            "item-missing",
            f"No item stands for GL account {gl} on orders.",
            fix="Name one in the flow's options: items or catch_all_item.",
            field=f"{at}.item",
        )
        return None
    return r.code("item", code, f"{at}.item")


def _vat(r: "Rendering", line: OrderLine, at: str) -> str | None:
    """Without a tax code Exact takes the item's; net prices need a code of type E."""
    code = r.mapped("vat-codes", line.vat.code) if line.vat.code else r.options.no_tax_code
    vat = r.code("vat-code", code, f"{at}.vat") if code else None
    if vat is not None and attribute(vat, "type") == "I":
        fix = "Map the source's tax code to a VAT code of type E."
        r.find("vat-code-type", f"VAT code {code} is of type I: the order has net prices.", fix=fix, field=f"{at}.vat")
    return code


# reading


def query() -> Query:
    select = (*FIELDS, *nested("PurchaseOrderLines", LINE_FIELDS))
    return Query(RESOURCE, select, expand=("PurchaseOrderLines",))


async def look_up(
    client: ExactClient, keys: Sequence[NaturalKey], user: str | None, traffic: TrafficClass
) -> dict[NaturalKey, Sequence[Found]]:
    references = sorted({text(dict(key.fields)["YourRef"]) for key in keys})
    shown = [found(row, user) for row in await client.rows_of(query(), "YourRef", references, traffic)]
    return {key: [one for one in shown if one.natural_key == key] for key in keys}


async def read(client: ExactClient, ids: Sequence[str], user: str | None, traffic: TrafficClass) -> dict[str, Found]:
    rows = await client.rows_of(query(), "PurchaseOrderID", [guid(one) for one in ids], traffic)
    return {row["PurchaseOrderID"]: found(row, user) for row in rows}


def found(row: Row, user: str | None) -> Found:
    currency = str(row.get("Currency"))
    lines: list[Row] = sorted(row.get("PurchaseOrderLines") or (), key=lambda line: int(line["LineNumber"]))
    remarks = str(row.get("Remarks") or "")
    status = int(row.get("OrderStatus") or 0)
    touched = any(int(row.get(name) or NOTHING_YET) != NOTHING_YET for name in ("ReceiptStatus", "InvoiceStatus"))
    dates = {name: (row.get(name) or "")[:10] or None for name in ("OrderDate", "ReceiptDate")}
    return Found(
        target_id=row["PurchaseOrderID"],
        natural_key=natural_key(str(row.get("Supplier")), str(row.get("YourRef"))),
        stamp=remarks if remarks.count("/") >= 3 and " " not in remarks else None,
        status="touched" if touched else str(status),
        live=status != 40,
        projection={
            "header": {
                **{name: row.get(name) for name in ("Supplier", "YourRef", "Currency", "PaymentCondition")},
                **dates,
            },
            "lines": [
                {
                    "ID": line["ID"],
                    "item": line.get("ItemCode"),
                    "QuantityInPurchaseUnits": str(line.get("QuantityInPurchaseUnits")),
                    "NetPrice": str(line.get("NetPrice")),
                    "VATCode": line.get("VATCode") or None,
                    "CostCenter": line.get("CostCenter") or None,
                    "CostUnit": line.get("CostUnit") or None,
                    "moved": f"{_moved(line):f}",
                }
                for line in lines
            ],
        },
        measure=Measure(
            net=round_amount(Decimal(row.get("AmountFCExclVat") or 0), currency), currency=currency, lines=len(lines)
        ),
        created_by_us=user is not None and row.get("Creator") == user,
        extra={"number": str(row.get("OrderNumber") or "")},
    )


def _moved(line: Row) -> Decimal:
    """What came or was invoiced, whichever is more, in purchase units; all of it where Exact shows no ratio."""
    ordered = Decimal(line.get("QuantityInPurchaseUnits") or 0)
    counts = [line.get(name) or 0 for name in ("ReceivedQuantity", "InvoicedQuantity")]
    converted = [in_purchase_units(count, line, ordered) for count in counts]
    return max(ordered if count is None else count for count in converted)


# planning


def plan(part: Part, known: TargetObject | None, now: Found | None) -> Plan:
    if part.gone:
        return _cancel(part, known, now)
    if now is None:
        return Plan(Verb.CREATE, [_create(part)])
    header = {
        name: value
        for name, value in part.wanted["header"].items()
        if name != "Description" and value != now.projection["header"].get(name)
    }
    lines = list(_changed_lines(part, now))
    if not header and not lines and part.measure.net == now.measure.net:
        return Plan(Verb.NONE)
    if known is not None and known.extra.get("tried") == digest(_body(part)):
        told = f"{sorted(header)} {lines} net {part.measure.net} shown {now.measure.net}"
        return _frozen(part, "target-differs", f"Exact shows another order than was sent: {told}.")
    if set(header) <= set(UPDATABLE) and len(part.wanted["lines"]) == len(now.projection["lines"]):
        return _update(part, known, now, header, lines)
    if now.status == "touched":
        message = f"Order {now.extra['number']} is received or invoiced in part: its lines can't be replaced."
        return _frozen(part, "order-frozen-in-target", message)
    return Plan(Verb.REPLACE, [_step(part, "replace", "DELETE", RESOURCE, now.target_id, None)])


def _changed_lines(part: Part, now: Found) -> Iterator[tuple[str, Json]]:
    """(line id in Exact, wanted line) of lines that differ, matched by their place."""
    for ours, theirs in zip(part.wanted["lines"], now.projection["lines"], strict=False):
        plain = all(ours[name] == theirs[name] for name in ("item", "VATCode", "CostCenter", "CostUnit"))
        amounts = all(Decimal(ours[name]) == Decimal(theirs[name]) for name in ("QuantityInPurchaseUnits", "NetPrice"))
        if not plain or not amounts:
            yield theirs["ID"], ours


def _update(
    part: Part, known: TargetObject | None, now: Found, header: Json, lines: Sequence[tuple[str, Json]]
) -> Plan:
    """The header, then line by line: each is a request of its own."""
    changes: list[tuple[str, str, Json]] = [(RESOURCE, now.target_id, header)] if header else []
    changes += [(LINES, line_id, _sent(wanted)) for line_id, wanted in lines]
    if not changes:
        message = f"Exact computes {now.measure.net} net, the order has {part.measure.net}."
        return _frozen(part, "target-differs", message)
    resource, target_id, body = changes[0]
    name = f"update-{digest([target_id, dict(body)])[:8]}"
    if known is not None and known.step_reached == name:
        return _frozen(part, "target-differs", f"Exact does not keep {', '.join(sorted(body))} as sent.")
    return Plan(Verb.UPDATE, [_step(part, name, "PUT", resource, target_id, body)])


def _cancel(part: Part, known: TargetObject | None, now: Found | None) -> Plan:
    """Exact has no cancellation by API: an untouched order is deleted, of another the rest is taken off, line by line.

    What is invoiced and has not come yet stays on order; an order must keep a line (`vendors/exact-online.md` 7).
    """
    if now is None or not now.live:
        return Plan(Verb.NONE)
    if now.status != "touched":
        return Plan(Verb.CANCEL, [_step(part, "delete", "DELETE", RESOURCE, now.target_id, None)])
    lines = now.projection["lines"]
    rest = [line for line in lines if Decimal(line["moved"]) < Decimal(line["QuantityInPurchaseUnits"])]
    if not rest:
        return Plan(Verb.NONE)
    if not any(Decimal(line["moved"]) for line in lines):
        message = f"Order {now.extra['number']} is received or invoiced in part: Exact does not show which lines."
        return _frozen(part, "order-frozen-in-target", message)
    line_id, moved = rest[0]["ID"], Decimal(rest[0]["moved"])
    body = {"QuantityInPurchaseUnits": moved} if moved else None
    step = _step(part, f"reduce-{line_id[:8]}", "PUT" if moved else "DELETE", LINES, line_id, body)
    if known is not None and known.step_reached == step.name:
        message = f"Exact keeps what is still open of order {now.extra['number']}, although it was taken off."
        return _frozen(part, "target-differs", message)
    return Plan(Verb.CLOSE, [step])


def _body(part: Part) -> dict[str, Any]:
    return {
        **part.wanted["header"],
        "Remarks": part.stamp,
        "PurchaseOrderLines": [_sent(line) for line in part.wanted["lines"]],
    }


def _sent(line: Json) -> dict[str, Any]:
    plain = {name: line[name] for name in ("Item", "VATCode", "CostCenter", "CostUnit", "Description") if line[name]}
    return {**plain, **{name: Decimal(line[name]) for name in ("QuantityInPurchaseUnits", "NetPrice")}}


def _create(part: Part) -> Step:
    return Step(
        name="create",
        part=part.name,
        method="POST",
        resource=RESOURCE,
        body=_body(part),
        natural_key=part.natural_key,
        creates=True,
    )


def _step(part: Part, name: str, method: str, resource: str, target_id: str, body: Json | None) -> Step:
    return Step(name, part.name, method, resource, body, target_id=target_id, natural_key=part.natural_key)


def _frozen(part: Part, code: str, message: str) -> Plan:
    fix = "Put the order right in Exact, or in its source, then: connector release."
    return Plan(Verb.FROZEN, reason=Reason(code=code, message=message, fix=fix, field=part.name))
