"""Orders as commitments: purchase order contracts, one for each project that an order's lines belong to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector.domain.documents.purchase_order import OrderLifecycle, OrderLine, PurchaseOrder
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import (
    Found,
    Json,
    Measure,
    NaturalKey,
    Part,
    Plan,
    Rendered,
    TargetObject,
    Verb,
)
from connector.domain.reasons import Reason

from .amounts import order_amounts, ordered_lines
from .naming import COMMITMENTS, DIRECT_COSTS, document_of, is_ours, origin_of, part_name, resource, stamp
from .rendering import Place, Rendering, Share, by_project
from .settings import CostModel, ExactProcoreOptions
from .steps import codes_of, deleted, line_items, step, sync
from .values import TEXT_LIMIT, ZERO, changed, decimal, inner, number, plain, shortened

DRAFT, APPROVED, CLOSED = "Draft", "Approved", "Closed"
FROZEN = frozenset((APPROVED, "Complete", CLOSED))
"""Procore: approval freezes a commitment's vendor and schedule of values, and keeps it from being deleted."""
HEADER = (
    "number",
    "origin_code",
    "title",
    "vendor_id",
    "contract_date",
    "delivery_date",
    "payment_terms",
    "description",
)
AMOUNT_FIELDS = ("wbs_code_id", "amount", "description")
UNIT_FIELDS = (*AMOUNT_FIELDS, "quantity", "unit_cost", "uom")
"""Procore: a commitment by amounts keeps neither quantity nor price."""
PRICE_PLACES = Decimal("0.01")
"""How closely prices are compared: how many places Procore keeps is not documented."""


def render_commitments(rendering: Rendering, order: PurchaseOrder | None) -> Rendered:
    """One part a project; together they are the order."""
    known = rendering.wanted.known
    if order is None:
        return Rendered(parts=[_withdrawn(rendering, name) for name in sorted(known)])
    excluded = _excluded(rendering, order)
    if excluded is not None:
        return Rendered(excluded=excluded)
    if order.lifecycle is OrderLifecycle.CANCELLED:
        return Rendered(parts=[_withdrawn(rendering, name) for name in sorted(known)])
    vendor = rendering.vendor(order.supplier)
    shares = rendering.shares(*_amounts(rendering, order), order.currency)
    grouped = by_project(shares)
    parts = [
        part
        for project, group in grouped.items()
        if (part := _part(rendering, order, project, group, vendor, len(grouped))) is not None
    ]
    left = sorted(known.keys() - {part.name for part in parts})
    parts += [_withdrawn(rendering, name) for name in left if not rendering.findings]
    return Rendered(parts=parts, findings=rendering.findings)


def _excluded(rendering: Rendering, order: PurchaseOrder) -> Reason | None:
    if rendering.wanted.known:
        return None  # what was written once follows its source; a later un-approval keeps the last version
    if order.lifecycle is OrderLifecycle.AWAITING:
        return Reason(code="unapproved", message="The order is not approved at the source.", severity="warn")
    if order.lifecycle is OrderLifecycle.CLOSED and rendering.options.orders == "open-only":
        return Reason(code="not-open", message="The order was complete before it was first written.", severity="warn")
    if order.lifecycle is OrderLifecycle.CANCELLED:
        return Reason(
            code="gone-before-first-write", message="The order was cancelled before it was written.", severity="warn"
        )
    return None


def _amounts(rendering: Rendering, order: PurchaseOrder) -> tuple[list[OrderLine], dict[str, Decimal]]:
    """Lines that cost something, with their net amounts after header discount and freight."""
    lines, amounts = ordered_lines(order), order_amounts(order)
    for line in lines:
        if line.net_amount is None:
            fix = "Give the line its amount in the source system."
            rendering.find("order-sum", f"Line {line.line_number} has no net amount.", fix=fix)
        elif line.net_amount < 0 and rendering.options.credit_mode == "block":
            rendering.find(
                "negative-line",
                f"Line {line.line_number} has the negative amount {line.net_amount}.",
                fix="Try a negative line in Procore; if it holds, set options.credit_mode to negative.",
                field=f"lines[{line.line_number}].net_amount",
            )
    total = sum(amounts.values(), ZERO)
    if order.totals.net is not None and total != order.totals.net:
        fix = "Correct the order in the source system, or its VAT codes in the connection's settings."
        message = f"The lines sum to {plain(total)}, the order says {plain(order.totals.net)}."
        rendering.find("order-sum", message, fix=fix)
    if not lines:
        fix = "Add a line to the order in the source system."
        rendering.find("order-without-lines", "The order has no line that costs something.", fix=fix)
    return lines, amounts


def _part(
    rendering: Rendering, order: PurchaseOrder, project: str, shares: Sequence[Share], vendor: int | None, parts: int
) -> Part | None:
    place = rendering.place(project)
    if place is None:
        return None
    rendering.in_currency_of(place, order.currency)
    shown = _number(rendering, order, project, several=parts > 1)
    title = order.description or f"Order {order.order_number}"
    terms = order.payment_terms
    lines = {share.origin: _line(rendering, place, share) for share in shares}
    wanted = {
        "header": {
            "number": shown,
            "origin_code": order.order_number,
            "title": shortened(f"{title} ({parts} projects)" if parts > 1 else title),
            "vendor_id": vendor,
            "contract_date": order.issue_date.isoformat() if order.issue_date else None,
            "delivery_date": _delivery(order),
            "payment_terms": shortened(terms.description or terms.code) if terms else None,
        },
        "lines": lines,
        "accounting_method": place.rules.accounting_method,
        "retainage_percent": plain(rendering.options.retainage_percent),
        "status": DRAFT if place.rules.cost_model is CostModel.DIRECT_COSTS else APPROVED,
        "billed": _billed_by_costs(rendering, project, lines),
    }
    net = sum((share.amount for share in shares), ZERO)
    origin = stamp(rendering.ref, project)
    return Part(
        name=part_name(project),
        natural_key=NaturalKey(resource(COMMITMENTS, place.id), (("origin_id", origin), ("number", shown))),
        stamp=origin,
        wanted=wanted,
        measure=Measure(net=net, currency=place.currency, lines=len(shares)),
        frozen={share.origin: rendering.frozen[share.origin] for share in shares},
    )


def _number(rendering: Rendering, order: PurchaseOrder, project: str, *, several: bool) -> str:
    """Keys are never cut: one that is too long is blocked."""
    shown = rendering.options.po_number.replace("{number}", order.order_number)
    shown = f"{shown}-{project}" if several else shown
    if len(shown) > TEXT_LIMIT:
        fix = "Shorten options.po_number, or the number in the source system."
        rendering.find("key-too-long", f"Number {shown!r} is longer than {TEXT_LIMIT} characters.", fix=fix)
    return shown


def _delivery(order: PurchaseOrder) -> str | None:
    day = order.requested_delivery.start if order.requested_delivery else None
    return day.isoformat() if day else None


def _line(rendering: Rendering, place: Place, share: Share) -> dict[str, Any]:
    line: OrderLine = share.line
    content: dict[str, Any] = {
        "wbs_code_id": share.wbs_code_id,
        "amount": plain(share.amount),
        "description": shortened(line.description or line.item.name),
    }
    if place.rules.accounting_method == "amount":
        return content
    quantity = line.quantity if line.quantity and not share.of_several else Decimal(1)
    unit = rendering.lookup.mapping("units", line.unit) if line.unit else None
    content["quantity"] = plain(quantity)
    content["unit_cost"] = plain((share.amount / quantity).quantize(Decimal("1e-10")))
    content["uom"] = unit or rendering.options.default_unit
    if rendering.lookup.reference(rendering.wanted.target, "unit", content["uom"]) is None:
        rendering.find(
            "unit-unknown-in-target",
            f"Procore's list has no unit of measure {content['uom']!r}.",
            missing=str(ReferenceKey(rendering.wanted.target, "unit", content["uom"])),
            fix=f"Add the unit in Procore, or map {line.unit!r} in the flow's table units.",
            field=f"lines[{line.line_number}].unit",
        )
    return content


def _withdrawn(rendering: Rendering, name: str) -> Part:
    """A commitment whose order, or share of it, is gone: closed, or brought down to what is billed."""
    known = rendering.wanted.known[name]
    project = name.removeprefix(part_name(""))
    origin = stamp(rendering.ref, project)
    place_id = int(known.extra["project_id"])
    key = NaturalKey(resource(COMMITMENTS, place_id), (("origin_id", origin),))
    wanted = {"billed": _billed_by_costs(rendering, project, {})}
    return Part(name, key, origin, wanted, Measure(), gone=True, frozen=known.frozen)


def _billed_by_costs(rendering: Rendering, project: str, wanted: Mapping[str, Json]) -> dict[str, str]:
    """Cost model B: by line of its schedule of values, what direct costs bill on it. Procore does not say; their own
    rows do. Those that know the order only fill its lines in turn, as requisitions do, those first that are still
    wanted, as they are wanted now: nothing in Procore ties them to a line."""
    known, rules = rendering.wanted.known.get(part_name(project)), rendering.options.project(project)
    if known is None or rules is None or rules.cost_model is not CostModel.SUBCONTRACTOR_COSTS:
        return {}
    left = {origin: Decimal(line["amount"]) for origin, line in known.extra.get("lines", {}).items()}
    left |= {origin: Decimal(line["amount"]) for origin, line in wanted.items()}
    written = rendering.on_commitment(project, known.extra["project_id"], known.target_id, left)
    costs = [one for one in written if one.extra.get("collection") == DIRECT_COSTS]
    kept = [line["bills"] for cost in costs for line in cost.frozen.values() if "bills" in line]
    billed: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for bills in sorted((bills for bills in kept if bills["commitment"] == known.target_id), key=_certainty):
        rest = Decimal(bills["amount"])
        lines = sorted((origin for origin in bills["lines"] if origin in left), key=lambda one: one not in wanted)
        for origin in lines:
            last = origin == lines[-1]
            taken = rest if last else max(ZERO, min(rest, left[origin] - billed[origin]))
            billed[origin] += taken
            rest -= taken
    return {origin: plain(amount) for origin, amount in sorted(billed.items()) if amount}


def _certainty(bills: Json) -> int:
    """What names its line goes before what may be on any of several."""
    return len(bills["lines"])


def found_commitment(row: Json, project_id: str, billed: Mapping[str, Mapping[str, Decimal]]) -> Found:
    """`row` is in the extended view; `billed` says by line id what each requisition bills. Lines that are not ours are
    under their own id: they count, but stay untouched."""
    lines = row.get("line_items") or []
    key = NaturalKey(resource(COMMITMENTS, int(project_id)), (("origin_id", str(row.get("origin_id") or "")),))
    shown = {origin_of(line): _shown_line(line) for line in lines}
    ids = {origin_of(line): str(line["id"]) for line in lines}
    return Found(
        target_id=str(row["id"]),
        natural_key=key,
        stamp=row.get("origin_id"),
        document=document_of(row.get("origin_id")),
        status=row["status"],
        live=row.get("deleted_at") is None,
        projection={
            "header": {**{name: row.get(name) for name in HEADER}, "vendor_id": inner(row, "vendor", "id")},
            "lines": shown,
            "accounting_method": row.get("accounting_method"),
            "status": row["status"],
        },
        sub_ids=ids,
        measure=Measure(
            net=decimal(row.get("grand_total")),
            currency=inner(row, "currency_configuration", "currency_iso_code"),
            lines=len(lines),
        ),
        created_at=row.get("created_at"),
        extra={
            "project_id": project_id,
            "vendor_id": inner(row, "vendor", "id"),
            "lines": {
                origin: {"id": ids[origin], "wbs_code_id": line["wbs_code_id"], "amount": line["amount"]}
                for origin, line in shown.items()
            },
            "billed": {
                origin: {by: plain(amount) for by, amount in billed[id].items()}
                for origin, id in ids.items()
                if billed.get(id)
            },
        },
    )


def _ours(origin: str) -> bool:
    return is_ours(origin.partition("#")[0])


def _shown_line(line: Json) -> dict[str, Any]:
    return {
        "wbs_code_id": inner(line, "wbs_code", "id"),
        "amount": number(line.get("amount")),
        "description": line.get("description"),
        "quantity": number(line.get("quantity")),
        "unit_cost": number(line.get("unit_cost")),
        "uom": line.get("uom"),
    }


def plan_commitment(part: Part, known: TargetObject | None, found: Found | None, options: ExactProcoreOptions) -> Plan:
    if part.gone:
        return _plan_withdrawal(part, found, options)
    wanted = part.wanted
    if found is None:
        gone = deleted("Commitment", part, known, record="order")
        if gone is not None:
            return Plan(Verb.NONE, reason=gone)
        return Plan(Verb.CREATE, [sync("create", part, None, _new(part))])
    if known is not None and known.step_reached == "status" and found.status == CLOSED != wanted["status"]:
        return Plan(Verb.FROZEN, reason=_closed_at_once(part, found))
    return _plan_update(part, found, options, changed(wanted["header"], found.projection["header"]), wanted["lines"])


def _new(part: Part) -> dict[str, Any]:
    wanted = part.wanted
    return {
        **wanted["header"],
        "origin_id": part.stamp,
        "status": DRAFT,
        "accounting_method": wanted["accounting_method"],
        "retainage_percent": wanted["retainage_percent"],
        "private": False,
    }


def _plan_update(
    part: Part, found: Found, options: ExactProcoreOptions, header: Json, lines: Json, status: str | None = None
) -> Plan:
    """Header and lines while it is Draft, then its status, which is only restored once what was read back agrees."""
    status = status or part.wanted["status"]
    shown, billed = found.projection["lines"], _billed(part, found)
    left = {origin: Decimal(lines[origin]["amount"]) if origin in lines else ZERO for origin in shown if _ours(origin)}
    below = sorted(origin for origin in billed.keys() & left.keys() if left[origin] < Decimal(billed[origin]))
    if below:
        return Plan(Verb.NONE, reason=_below_billed(part, below, billed))
    fields = AMOUNT_FIELDS if found.projection["accounting_method"] == "amount" else UNIT_FIELDS
    write = {origin: line for origin, line in lines.items() if _differs(line, shown.get(origin, {}), fields)}
    remove = sorted(left.keys() - lines.keys())
    if (write or remove or "vendor_id" in header) and found.status in FROZEN:
        if options.on_frozen == "block":
            return Plan(Verb.FROZEN, reason=_frozen(part, found))
        return Plan(Verb.UPDATE, [sync("reopen", part, found, {"status": DRAFT})])
    if header:
        return Plan(Verb.UPDATE, [sync("header", part, found, dict(header))])
    if write:
        body = {"items": line_items(found, write), "codes": codes_of(part)}
        return Plan(Verb.UPDATE, [step("lines", part, found, "PATCH", body)])
    if remove:
        return Plan(Verb.UPDATE, [step("remove-line", part, found, "DELETE", {"line_id": found.sub_ids[remove[0]]})])
    if found.status != status:
        return Plan(Verb.UPDATE, [sync("status", part, found, {"status": status}, irreversible=status == APPROVED)])
    return Plan(Verb.NONE)


def _plan_withdrawal(part: Part, found: Found | None, options: ExactProcoreOptions) -> Plan:
    """Unbilled: closed, which takes it out of committed cost. Part-billed: lines go down to what is billed."""
    if found is None or not found.live:
        return Plan(Verb.NONE)
    billed = _billed(part, found)
    if not billed:
        if found.status == CLOSED:
            return Plan(Verb.NONE)
        return Plan(Verb.CANCEL, [sync("close", part, found, {"status": CLOSED})])
    left = {origin: {"amount": billed[origin]} for origin in billed}
    return _plan_update(part, found, options, {}, left, APPROVED)


def _billed(part: Part, found: Found) -> dict[str, str]:
    """What each line has been billed in all, by requisitions or by direct costs; lines billed nothing are left out."""
    by_costs: Json = part.wanted["billed"]
    requisitions: Mapping[str, Mapping[str, str]] = found.extra["billed"]
    sums = {
        origin: sum(map(Decimal, requisitions.get(origin, {}).values()), Decimal(by_costs.get(origin, "0")))
        for origin in requisitions.keys() | (by_costs.keys() & found.projection["lines"].keys())
    }
    return {origin: plain(amount) for origin, amount in sums.items() if amount}


def _differs(wanted: Json, shown: Json, fields: Iterable[str]) -> bool:
    return any(_unlike(name, wanted[name], shown.get(name)) for name in fields if name in wanted)


def _unlike(name: str, wanted: Any, shown: Any) -> bool:
    if name == "unit_cost" and shown is not None:
        return abs(Decimal(wanted) - Decimal(shown)) >= PRICE_PLACES
    return bool(wanted != shown)


def _closed_at_once(part: Part, found: Found) -> Reason:
    return Reason(
        code="refused-in-target",
        message=f"Commitment {found.target_id} was closed in Procore as soon as it was approved.",
        fix="Approve it in Procore, then: connector release. Or cancel the order at the source.",
        field=part.name,
    )


def _frozen(part: Part, found: Found) -> Reason:
    return Reason(
        code="frozen-in-target",
        message=f"Commitment {found.target_id} is {found.status}: its lines and vendor can't be changed.",
        fix="Set it to Draft in Procore, then: connector release. Or let the flow do so: options.on_frozen: reopen.",
        field=part.name,
    )


def _below_billed(part: Part, origins: Sequence[str], billed: Mapping[str, str]) -> Reason:
    shown = ", ".join(f"{origin.rpartition('#')[2]} (billed {billed[origin]})" for origin in origins)
    return Reason(
        code="below-billed",
        message=f"Lines would fall below what is billed on them in Procore: {shown}.",
        fix="Raise the order's lines, or credit the invoices first.",
        field=part.name,
    )
