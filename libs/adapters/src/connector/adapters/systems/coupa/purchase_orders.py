"""PurchaseOrder -> Coupa's external purchase order: rendering, reading, planning.

Coupa: the external system is the source of truth for these; they are not approved or edited by people in Coupa.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.domain.digest import digest
from connector.domain.documents.common import Coding
from connector.domain.documents.money import round_amount, spread
from connector.domain.documents.purchase_order import LineKind, OrderLifecycle, OrderLine, PurchaseOrder
from connector.domain.ports.target import Found, Json, Measure, NaturalKey, Part, Plan, Rendered, Step, Verb
from connector.domain.reasons import Reason

from .pricing import price_for
from .rendering import Rendering, freeze, not_taken
from .settings import CoupaOptions, Settings
from .steps import step
from .values import (
    ACCOUNT_FIELDS,
    MADE_BY,
    ZERO,
    account_body,
    accounts_shown,
    custom,
    day_of_instant,
    differences,
    inner,
    instant,
    noon,
    number,
    plain,
    share_ids,
    shortened,
    text_id,
    total,
)

RESOURCE = "purchase_orders"
PART = "order"
NUMBER_LIMIT = 20
DESCRIPTION_LIMIT = 255
QUANTITY_LINE, AMOUNT_LINE = "OrderQuantityLine", "OrderAmountLine"
CANCELLED = frozenset(("cancelled", "canceled"))
"""Coupa's documents spell it both ways."""
DRAFT = "draft"
CLOSED = frozenset(("closed", "soft_closed"))
SLACK = Decimal("0.05")
"""How far a line's invoices may stay below its part of the order's amount: each of them is rounded by itself."""

FIELDS: list[Any] = [
    "id", "po_number", "status", "exported", "version", "transmission_method_override",
    {"supplier": ["id"]}, {"currency": ["code"]}, {"payment_term": ["code"]},
    {"ship_to_address": ["location_code"]}, {"ship_to_user": ["login"]}, {"custom_fields": {}}, *MADE_BY,
    {"order_lines": [
        "id", "line_num", "type", "status", "description", "price", "quantity", "total", "invoiced", "need_by_date",
        "source_part_num", "match_type", {"uom": ["code"]}, {"currency": ["code"]}, {"custom_fields": {}},
        *ACCOUNT_FIELDS,
    ]},
]  # fmt: skip


def natural_key(po_number: str) -> NaturalKey:
    return NaturalKey(RESOURCE, (("po-number", po_number),))


# rendering


def render(r: Rendering, order: PurchaseOrder) -> Rendered:
    """One part, or why the order is not sent."""
    excluded = _not_sent(r, order)
    if excluded is not None:
        return Rendered(excluded=excluded)
    if order.lifecycle is OrderLifecycle.AWAITING:
        return Rendered()  # un-approved later: what was written stays as it is
    if order.lifecycle is OrderLifecycle.CANCELLED:
        return Rendered(parts=r.gone())
    supplier = r.supplier(order.supplier)
    po_number = r.key(r.options.po_number, order.order_number, NUMBER_LIMIT, "po-number")
    lines, done = list(_lines(r, order)), _is_done(order)
    wanted = {
        "header": {
            "po-number": po_number,
            "supplier": supplier.target_id if supplier else None,
            "currency": r.currency(order.currency),
            "payment-term": r.payment_term(order.payment_terms),
            "ship-to-address": _ship_to_address(r),
            "ship-to-user": _ship_to_user(r),
            "transmission-method-override": "do_not_transmit",
        },
        "stamp": r.stamp,
        "lines": {line.source.line_id: line.wanted for line in lines},
        "state": "closed" if done else "issued",
        "invoiced": {line.source.line_id: plain(_invoiced(line)) for line in lines} if done else {},
        "exported": True,
    }
    measure = Measure(
        net=sum((line.net for line in lines), ZERO),
        currency=order.currency,
        lines=len(lines),
        references=_references(wanted),
    )
    frozen = {
        "lines": {line.source.line_id: freeze(line.coding, line.source.item.buyer_id) for line in lines},
        "done": wanted["invoiced"] if done else None,
    }
    part = Part(PART, natural_key(po_number), r.stamp, wanted, measure, frozen=frozen)
    return Rendered(parts=[part], findings=r.findings)


def _not_sent(r: Rendering, order: PurchaseOrder) -> Reason | None:
    if r.wanted.known:
        return None
    if order.lifecycle is OrderLifecycle.AWAITING:
        return Reason(code="unapproved", message="The order awaits approval in its source system.", severity="warn")
    if order.lifecycle is OrderLifecycle.CANCELLED:
        message = "The order was cancelled before it was ever written."
        return Reason(code="gone-before-first-write", message=message, severity="warn")
    if _is_done(order) and r.options.orders == "open-only":
        message = "The order was closed before it was ever written, and the flow sends open orders only."
        return Reason(code="not-sent-type", message=message, severity="warn")
    return None


def _is_done(order: PurchaseOrder) -> bool:
    sent = [line for line in order.lines if line.kind is not LineKind.COMMENT]
    all_done = bool(sent) and all(line.status is OrderLifecycle.CLOSED for line in sent)
    return order.lifecycle is OrderLifecycle.CLOSED or all_done


@dataclass(frozen=True, slots=True)
class _Line:
    source: OrderLine
    wanted: Mapping[str, Any]
    net: Decimal
    """What Coupa computes from price and quantity."""
    coding: Sequence[Coding]
    """The accounting it is written with."""


def _invoiced(line: _Line) -> Decimal:
    """The part of the line's amount that the source has invoiced; all of it where the source does not say how much."""
    ordered, invoiced = line.source.quantity, line.source.invoiced_quantity
    if not ordered or invoiced is None:
        return line.net
    return min(line.net, round(line.net * invoiced / ordered, 2))


def _lines(r: Rendering, order: PurchaseOrder) -> Iterator[_Line]:
    """Lines as Coupa's; header discount and freight are spread over them, as orders have no charge fields."""
    sent = [line for line in order.lines if line.kind is not LineKind.COMMENT and line.quantity != 0]
    nets = _nets_with_header_share(r, order, sent)
    for line, net in zip(sent, nets, strict=True):
        if net is None:
            r.find(
                "amount-unknown",
                f"Line {line.line_number} has no net amount.",
                fix="Enter the line's amount in the source system.",
                field=f"lines[{line.line_number}].net_amount",
            )
            continue
        yield _line(r, line, net, order.currency)


def _nets_with_header_share(r: Rendering, order: PurchaseOrder, sent: Sequence[OrderLine]) -> list[Decimal | None]:
    nets = [line.net_amount for line in sent]
    header = sum((charge.amount for charge in order.charges), ZERO)
    header -= sum((allowance.amount for allowance in order.allowances), ZERO)
    known = [net for net in nets if net is not None]
    if not header or len(known) < len(nets):
        return nets
    if not sum(known, ZERO):
        r.find(
            "discount-without-lines",
            f"The order's discount or freight of {plain(header)} cannot be spread: its lines sum to 0.",
            fix="Put the discount or freight on a line in the source system.",
            field="allowances",
        )
        return nets
    return [net + share for net, share in zip(known, spread(header, known, order.currency), strict=True)]


def _line(r: Rendering, line: OrderLine, net: Decimal, currency: str) -> _Line:
    field = f"lines[{line.line_number}]"
    is_quantity = line.kind is LineKind.QUANTITY and line.quantity is not None
    coding = r.frozen_coding(PART, line.line_id, line.accounting, line.item.buyer_id)
    wanted: dict[str, Any] = {
        "line-num": str(line.line_number),
        "type": QUANTITY_LINE if is_quantity else AMOUNT_LINE,
        "description": shortened(line.description or line.item.name or f"Line {line.line_number}", DESCRIPTION_LIMIT),
        "currency": currency,
        "match-type": r.options.match_type,
        "need-by-date": line.need_by.isoformat() if line.need_by else None,
        "source-part-num": line.item.seller_id or line.item.buyer_id,
        "accounts": r.accounts(coding, field),
        "custom": r.coding_fields(coding, field),
    }
    if not is_quantity:
        return _Line(line, {**wanted, "price": plain(net)}, net, coding)
    assert line.quantity is not None
    own = None if line.price is None or line.price_includes_vat else line.price / line.price_base
    price = price_for(net, line.quantity, own, currency, r.settings.price_places)
    computed = round_amount(price * line.quantity, currency)
    if computed != net:
        r.warn(
            "order-line-residual",
            f"Line {line.line_number}: Coupa makes {plain(computed)} of {plain(line.quantity)} x {plain(price)}, "
            f"booked are {plain(net)}.",
            fix="Nothing needs to be done: invoices carry the booked amounts.",
            field=f"{field}.net_amount",
        )
    unit = r.unit(line.unit, f"{field}.unit")
    return _Line(
        line, {**wanted, "price": plain(price), "quantity": plain(line.quantity), "uom": unit}, computed, coding
    )


def _ship_to_address(r: Rendering) -> str:
    code = r.options.ship_to_address
    r.reference("address", code, "ship-to-address-unknown-in-target", "address with location code", "ship_to_address")
    return code


def _ship_to_user(r: Rendering) -> str:
    login = r.options.ship_to_user
    r.reference("user", login, "ship-to-user-unknown-in-target", "user", "ship_to_user")
    return login


def _references(wanted: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What must be on the object before it is committed: parties and accounts, by place."""
    named = [(name, wanted["header"][name]) for name in ("supplier", "payment-term", "ship-to-address", "ship-to-user")]
    named += [(f"account of {line_id}", digest(line["accounts"])) for line_id, line in wanted["lines"].items()]
    return tuple((name, str(value)) for name, value in named if value is not None)


# reading


def found(row: Json, settings: Settings) -> Found:
    lines = row.get("order-lines") or []
    by_key = {_line_key(line, settings): line for line in lines}
    shown: dict[str, Any] = {
        "header": {
            "po-number": row.get("po-number"),
            "supplier": text_id(inner(row, "supplier", "id")),
            "currency": inner(row, "currency", "code"),
            "payment-term": inner(row, "payment-term", "code"),
            "ship-to-address": inner(row, "ship-to-address", "location-code"),
            "ship-to-user": inner(row, "ship-to-user", "login"),
            "transmission-method-override": row.get("transmission-method-override"),
        },
        "stamp": custom(row, settings.stamp_field),
        "lines": {key: _line_shown(line) for key, line in by_key.items()},
        "state": _state(row),
        "exported": row.get("exported"),
    }
    return Found(
        target_id=str(row["id"]),
        natural_key=natural_key(str(row.get("po-number"))),
        stamp=custom(row, settings.stamp_field),
        status=str(row.get("status")),
        live=row.get("status") not in CANCELLED,
        projection=shown,
        sub_ids={key: str(line["id"]) for key, line in by_key.items()},
        measure=Measure(
            net=total(line.get("total") for line in lines),
            currency=shown["header"]["currency"],
            lines=len(lines),
            references=_references(shown),
        ),
        created_by_us=settings.login is not None and inner(row, "created-by", "login") == settings.login,
        created_at=instant(row.get("created-at")),
        extra={
            "number": row.get("po-number"),
            "children": {key: {"shares": share_ids(line)} for key, line in by_key.items()},
            "types": {key: line.get("type") for key, line in by_key.items()},
            "invoiced": {key: number(line.get("invoiced")) for key, line in by_key.items()},
        },
    )


def _line_key(line: Json, settings: Settings) -> str:
    """Our line id, from the line's custom field; a line that carries none is nobody's we know."""
    return str(custom(line, settings.stamp_field) or f"coupa:{line['id']}")


def _line_shown(line: Json) -> dict[str, Any]:
    custom_fields = line.get("custom-fields") or {}
    return {
        "line-num": text_id(line.get("line-num")),
        "type": line.get("type"),
        "description": line.get("description"),
        "currency": inner(line, "currency", "code"),
        "match-type": line.get("match-type"),
        "need-by-date": day_of_instant(line.get("need-by-date")),
        "source-part-num": line.get("source-part-num"),
        "accounts": accounts_shown(line),
        "custom": {**line, **custom_fields},
        "price": number(line.get("price")),
        "quantity": number(line.get("quantity")),
        "uom": inner(line, "uom", "code"),
    }


def _state(row: Json) -> str:
    status = row.get("status")
    return "closed" if status in CLOSED else "cancelled" if status in CANCELLED else str(status)


# planning


def plan(part: Part, now: Found | None, options: CoupaOptions, settings: Settings) -> Plan:
    """Reversible first: content and export mark on the draft, then issue. A closed order is reopened to be changed."""
    if part.gone:
        return _take_back(part, now)
    if now is None:
        return Plan(Verb.CREATE, [_step(part, "create", None, _body(part, None, options, settings))])
    if not now.live:
        return Plan(Verb.FROZEN, reason=_refused(part, now))
    body = _body(part, now, options, settings)
    if body or (now.status in CLOSED and part.wanted["state"] == "issued"):
        return _change(part, now, body)
    if not now.projection["exported"]:
        return Plan(Verb.UPDATE, [_step(part, "mark-exported", now)])
    if now.status == DRAFT:
        return Plan(Verb.UPDATE, [_step(part, "issue", now)])
    if part.wanted["state"] == "closed" and now.status not in CLOSED:
        closes = options.close_orders == "as-source" or has_all_invoices(now, part.wanted["invoiced"])
        return Plan(Verb.CLOSE, [_step(part, "close", now)]) if closes else Plan(Verb.NONE)
    return Plan(Verb.NONE)


def has_all_invoices(now: Found, invoiced: Json) -> bool:
    """Whether Coupa has invoices for what the source has invoiced: a closed order takes no more of them. The last one
    to come closes it."""
    shown = now.extra["invoiced"]
    return all(Decimal(shown.get(line_id) or 0) + SLACK >= Decimal(amount) for line_id, amount in invoiced.items())


def _take_back(part: Part, now: Found | None) -> Plan:
    """Cancel only what is not invoiced in Coupa; close the rest."""
    if now is None or not now.live or now.status in CLOSED:
        return Plan(Verb.NONE)
    if any(Decimal(value) for value in now.extra["invoiced"].values() if value is not None):
        return Plan(Verb.CLOSE, [_step(part, "close", now)])
    return Plan(Verb.CANCEL, [_step(part, "cancel", now)])


def _refused(part: Part, now: Found) -> Reason:
    return Reason(
        code="refused-in-target",
        message=f"Order {now.extra['number']} is {now.status} in Coupa, and open in its source system.",
        fix="Coupa reopens no cancelled order: cancel it at the source too, or order it anew under another number.",
        field=part.name,
    )


def _change(part: Part, now: Found, body: Json) -> Plan:
    if now.status == "closed":
        reason = Reason(
            code="frozen-in-target",
            message=f"Order {now.extra['number']} is finally closed in Coupa and cannot be changed any more.",
            fix="Put it right in Coupa by hand, or leave it: connector release takes the order as it is.",
            field=part.name,
        )
        return Plan(Verb.FROZEN, reason=reason)
    if now.status == "soft_closed":
        return Plan(Verb.UPDATE, [_step(part, "reopen", now)])
    if now.extra.get("tried") == digest(body):
        return Plan(Verb.FROZEN, reason=not_taken(part, now.projection))
    return Plan(Verb.UPDATE, [_step(part, "update", now, body)])


_ACTIONS = {
    "issue": "issue_without_send",
    "close": "close",
    "cancel": "cancel",
    "reopen": "reopen",
}


def _step(part: Part, name: str, now: Found | None, body: Json | None = None) -> Step:
    committing = name == "issue"
    return step(RESOURCE, part, name, now, body, action=_ACTIONS.get(name), irreversible=committing)


# what is sent


def _body(part: Part, now: Found | None, options: CoupaOptions, settings: Settings) -> dict[str, Any]:
    """All of a new order; of one that is there only what differs. Empty: nothing does."""
    wanted, shown = part.wanted, now.projection if now else {"header": {}, "lines": {}, "stamp": None}
    header = {
        name: value
        for name, value in wanted["header"].items()
        if value != shown["header"].get(name) and not (now is None and value is None)
    }
    body: dict[str, Any] = {name: _as_sent(name, value) for name, value in header.items()}
    if now is None:
        body["type"] = "ExternalOrderHeader"
    if wanted["stamp"] != shown["stamp"]:
        body["custom-fields"] = {settings.stamp_field: wanted["stamp"]}
    lines = [*_changed_lines(wanted, now, options, settings), *(_removed_lines(wanted, now) if now else ())]
    if lines:
        body["order-lines"] = lines
    return body


def _as_sent(name: str, value: Any) -> Any:
    if value is None:
        return None
    match name:
        case "supplier":
            return {"id": int(value)}
        case "currency" | "payment-term":
            return {"code": value}
        case "ship-to-address":
            return {"location-code": value}
        case "ship-to-user":
            return {"login": value}
    return value


def _changed_lines(
    wanted: Json, now: Found | None, options: CoupaOptions, settings: Settings
) -> Iterator[dict[str, Any]]:
    for line_id, line in wanted["lines"].items():
        shown = now.projection["lines"].get(line_id) if now else None
        if shown is not None and not list(differences(line, shown)):
            continue
        ids: Json = now.extra["children"].get(line_id, {}) if now else {}
        body = _line_body(line, options, settings, line_id, ids)
        if now and shown is not None:
            body["id"] = int(now.sub_ids[line_id])
        yield body


def _line_body(line: Json, options: CoupaOptions, settings: Settings, line_id: str, ids: Json) -> dict[str, Any]:
    body: dict[str, Any] = {
        name: line[name]
        for name in ("line-num", "type", "description", "price", "quantity", "match-type", "source-part-num")
        if line.get(name) is not None
    }
    if line.get("uom"):
        body["uom"] = {"code": line["uom"]}
    if line.get("need-by-date"):
        body["need-by-date"] = noon(line["need-by-date"])
    body["currency"] = {"code": line["currency"]}
    body |= account_body(line["accounts"], options.chart_of_accounts, ids.get("shares", ()))
    body["custom-fields"] = {settings.stamp_field: line_id, **line["custom"]}
    return body


def _removed_lines(wanted: Json, now: Found) -> Iterator[dict[str, Any]]:
    """A line the source no longer has is removed; one already invoiced goes down to what is invoiced."""
    for key, shown in now.projection["lines"].items():
        if key in wanted["lines"]:
            continue
        invoiced = Decimal(now.extra["invoiced"].get(key) or 0)
        if not invoiced:
            yield {"id": int(now.sub_ids[key]), "_delete": True}
        elif (reduced := _reduced(shown, invoiced)) is not None:
            yield {"id": int(now.sub_ids[key]), **reduced}


def _reduced(shown: Json, invoiced: Decimal) -> dict[str, str] | None:
    """Down to the invoiced amount; None where it is there already."""
    price = Decimal(shown["price"] or 0)
    if shown["type"] == AMOUNT_LINE or not price:
        return None if price == invoiced else {"price": plain(invoiced)}
    quantity = plain(round(invoiced / price, 6))
    return None if quantity == shown["quantity"] else {"quantity": quantity}
