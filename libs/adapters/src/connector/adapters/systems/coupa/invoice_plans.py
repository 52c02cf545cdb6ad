"""From the invoice Coupa has to the one that is wanted: what is sent, and in which order.

Reversible first: draft, content and export mark, then submit. A submitted invoice is not changed but replaced: voided,
and made anew under the number with `-R1`, `-R2`...
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from connector.domain.digest import digest
from connector.domain.ports.target import Found, Json, Part, Plan, Step, TargetObject, Verb
from connector.domain.reasons import Reason

from . import purchase_orders
from .invoices import NUMBER_LIMIT, RESOURCE, numbered, replacement
from .rendering import not_taken
from .settings import CoupaOptions, EndState, Settings
from .steps import step
from .values import account_body, children, differences

VOIDABLE = frozenset(("draft", "pending_receipt", "approved"))
"""Coupa: what the buyer may void."""
ABANDONABLE = frozenset(("rejected", "disputed", "ap_hold", "on_hold", "pending_action", "invalid"))
"""What may be abandoned instead. Not documented."""
REFUSED = frozenset(("rejected", "disputed", "invalid"))
"""Statuses by which people in Coupa say no."""
CLOSE_ORDER = "close-order "
"""Steps of this name and an order's id. Their body is not sent: it says which amounts must have been invoiced."""
REOPEN_ORDERS = "reopen-orders"
"""Beside what is sent of a late invoice: the orders to open for it, if they are closed."""
_ACTIONS = {"submit": "submit", "approve": "bypass_approvals", "void": "void", "abandon": "abandon"}


def plan(part: Part, known: TargetObject | None, now: Found | None, options: CoupaOptions, settings: Settings) -> Plan:
    if part.gone:
        return _take_back(part, now)
    if now is None:
        return Plan(Verb.CREATE, [_create(part, 0, options, settings)])
    base = part.wanted["header"]["invoice-number"]
    successor = replacement(base, str(now.extra["number"]))
    if not now.live:
        if _was_replaced(known, now):
            return Plan(Verb.REPLACE, [_create(part, (successor or 0) + 1, options, settings)])
        return Plan(Verb.FROZEN, reason=_refused(part, now))
    body = _body(part, now, options, settings, number=base if successor is None else None)
    if now.status != "draft":
        return _replace(part, now, successor or 0) if body else _commit(part, known, now)
    if body and now.extra.get("tried") == digest(body):
        return Plan(Verb.FROZEN, reason=not_taken(part, now.projection))
    if body:
        return Plan(Verb.UPDATE, [_step(part, "update", now, {**body, **_reopening(part)})])
    return _commit(part, known, now)


def _commit(part: Part, known: TargetObject | None, now: Found) -> Plan:
    """Marked as exported while it is a draft: nobody must export what the source pays."""
    if now.status in REFUSED:
        return Plan(Verb.FROZEN, reason=_refused(part, now))
    if not now.projection["exported"]:
        return Plan(Verb.UPDATE, [_step(part, "mark-exported", now)])
    state = part.wanted["state"]
    if now.status == "draft" and state != EndState.DRAFT:
        return Plan(Verb.UPDATE, [_step(part, "submit", now)])
    if now.status == "pending_approval" and state == EndState.APPROVED:
        return Plan(Verb.UPDATE, [_step(part, "approve", now)])
    return _close_orders(part, known)


def _close_orders(part: Part, known: TargetObject | None) -> Plan:
    """The last invoice of an order that is done at the source closes it; one step an order, once after each write."""
    reached = known.step_reached if known else None
    orders = sorted(part.frozen.get("done_orders", {}))
    if reached is None or not orders:
        return Plan(Verb.NONE)
    last = reached.removeprefix(CLOSE_ORDER)
    left = orders[orders.index(last) + 1 :] if last in orders else orders
    steps = [_closing(part, order) for order in left]
    return Plan(Verb.UPDATE if steps else Verb.NONE, steps)


def _closing(part: Part, order: str) -> Step:
    return Step(
        name=f"{CLOSE_ORDER}{order}",
        part=part.name,
        method="PUT",
        resource=f"{purchase_orders.RESOURCE}/{order}/close",
        target_id=order,
        body={"invoiced": part.frozen["done_orders"][order]},
    )


def _was_replaced(known: TargetObject | None, now: Found) -> bool:
    """It was us who voided it; what people void stays void."""
    return bool(now.extra["changed_by_us"]) or (known is not None and known.step_reached in ("void", "abandon"))


def _replace(part: Part, now: Found, successor: int) -> Plan:
    number = numbered(part.wanted["header"]["invoice-number"], successor + 1)
    if len(number) > NUMBER_LIMIT:
        message = f"Its replacement would be {number}, which is longer than the {NUMBER_LIMIT} characters Coupa holds."
        return Plan(Verb.FROZEN, reason=_stuck(part, now, message))
    taken_back = _take_back(part, now)
    return replace(taken_back, verb=Verb.REPLACE) if taken_back.steps else taken_back


def _take_back(part: Part, now: Found | None) -> Plan:
    """Void or abandon, whichever its status allows; wait where that may change, block where money has left."""
    if now is None or not now.live:
        return Plan(Verb.NONE)
    if now.extra["paid"]:
        return Plan(Verb.FROZEN, reason=_stuck(part, now, "It is paid in Coupa."))
    if now.status in VOIDABLE:
        return Plan(Verb.CANCEL, [_step(part, "void", now)])
    if now.status in ABANDONABLE:
        return Plan(Verb.CANCEL, [_step(part, "abandon", now)])
    return Plan(Verb.FROZEN, reason=_stuck(part, now, "It can be voided once it is approved or rejected."), retry=True)


def _refused(part: Part, now: Found) -> Reason:
    return Reason(
        code="refused-in-target",
        message=f"Invoice {now.extra['number']} was {now.status} by people in Coupa.",
        fix="Settle it with them: correct or cancel it in the source system, or withdraw the refusal in Coupa.",
        field=part.name,
    )


def _stuck(part: Part, now: Found, why: str) -> Reason:
    return Reason(
        code="frozen-in-target",
        message=f"Invoice {now.extra['number']} is {now.status} in Coupa and must change. {why}",
        fix="Approve, reject or void it in Coupa, or undo the change in the source system.",
        field=part.name,
    )


def _create(part: Part, successor: int, options: CoupaOptions, settings: Settings) -> Step:
    number = numbered(part.wanted["header"]["invoice-number"], successor)
    body = _body(part, None, options, settings, number=number)
    return _step(part, "create", None, {**body, **_reopening(part)})


def _reopening(part: Part) -> dict[str, list[str]]:
    orders = sorted(part.frozen.get("done_orders", {}))
    return {REOPEN_ORDERS: orders} if orders else {}


def _step(part: Part, name: str, now: Found | None, body: Json | None = None) -> Step:
    committing = name in ("submit", "approve")
    return step(RESOURCE, part, name, now, body, action=_ACTIONS.get(name), irreversible=committing)


# what is sent


def _body(
    part: Part, now: Found | None, options: CoupaOptions, settings: Settings, *, number: str | None
) -> dict[str, Any]:
    """All of a new invoice; of one that is there only what differs. Empty: nothing does."""
    wanted, shown = part.wanted, now.projection if now else {"header": {}, "lines": {}, "stamp": None}
    header = {
        name: value
        for name, value in wanted["header"].items()
        if name != "invoice-number" and value != shown["header"].get(name) and not _needless(now, value)
    }
    body: dict[str, Any] = {name: _as_sent(name, value) for name, value in header.items()}
    if number is not None:
        body["invoice-number"] = number
    if wanted["stamp"] != shown["stamp"]:
        body["custom-fields"] = {settings.stamp_field: wanted["stamp"]}
    lines = [*_changed_lines(wanted, now, options), *(_removed_lines(wanted, now) if now else ())]
    if lines:
        body["invoice-lines"] = lines
    return body


def _needless(now: Found | None, value: Any) -> bool:
    return now is None and value in (None, "0")


def _as_sent(name: str, value: Any) -> Any:
    if value is None:
        return None
    match name:
        case "supplier":
            return {"id": int(value)}
        case "currency" | "payment-term":
            return {"code": value}
        case "account-type":
            return {"name": value}
    return value


def _changed_lines(wanted: Json, now: Found | None, options: CoupaOptions) -> Iterator[dict[str, Any]]:
    for num, line in wanted["lines"].items():
        shown = now.projection["lines"].get(num) if now else None
        if shown is not None and not list(differences(line, shown)):
            continue
        ids: Json = now.extra["children"].get(num, {}) if now else {}
        body = _line_body(num, line, options, ids)
        if now and shown is not None:
            body["id"] = int(now.sub_ids[num])
        yield body


def _line_body(num: str, line: Mapping[str, Any], options: CoupaOptions, ids: Json) -> dict[str, Any]:
    body: dict[str, Any] = {
        "line-num": int(num),
        "type": line["type"],
        "description": line["description"],
        "price": line["price"],
        "currency": {"code": line["currency"]},
        **account_body(line["accounts"], options.chart_of_accounts, ids.get("shares", ())),
    }
    if line["quantity"] is not None:
        body["quantity"] = line["quantity"]
    if line["uom"]:
        body["uom"] = {"code": line["uom"]}
    if line["order-line-id"]:
        body["order-line-id"] = int(line["order-line-id"])
    tax_lines = children([_tax_body(tax) for tax in line["tax"]], ids.get("tax", ()))
    if tax_lines:
        body["tax-lines"] = tax_lines
    custom = {name: value for name, value in line["custom"].items() if value is not None}
    if custom:
        body["custom-fields"] = custom
    return body


def _tax_body(tax: Mapping[str, str | None]) -> dict[str, Any]:
    body: dict[str, Any] = {"amount": tax["amount"]}
    if tax["rate"] is not None:
        body["rate"] = tax["rate"]
    if tax["tax-code"]:
        body["tax-code"] = {"code": tax["tax-code"]}
    return body


def _removed_lines(wanted: Json, now: Found) -> Iterator[dict[str, Any]]:
    for num in now.projection["lines"]:
        if num not in wanted["lines"]:
            yield {"id": int(now.sub_ids[num]), "_delete": True}
