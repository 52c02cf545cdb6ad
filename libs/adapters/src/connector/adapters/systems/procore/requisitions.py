"""Invoices on an order as requisitions (Procore's screens: subcontractor invoices) on its commitment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from connector.domain.digest import digest
from connector.domain.documents.invoice import Invoice, LinkStrength
from connector.domain.identity import EntityRef
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import (
    Found,
    Json,
    LinkedObject,
    Measure,
    NaturalKey,
    Part,
    Plan,
    Step,
    TargetObject,
    Verb,
)
from connector.domain.reasons import Reason

from .naming import REQUISITIONS, document_of, line_origin, part_name, resource, stamp
from .rendering import Place, Rendering, Share
from .settings import EndState, ExactProcoreOptions
from .steps import deleted, plan_deletion, plan_replacement, step
from .values import ZERO, changed, decimal, plain

DRAFT = "draft"
STATUS = {EndState.DRAFT: DRAFT, EndState.SUBMITTED: "under_review", EndState.APPROVED: "approved"}
ITEM = "contract_item"
NUMBERS = "numbers"
PERIOD = ("period_id", "requisition_start", "requisition_end")
HEADER = (*PERIOD, "billing_date", "invoice_number")


def requisition(
    rendering: Rendering, invoice: Invoice, place: Place, shares: Sequence[Share], commitment: LinkedObject
) -> Part | None:
    """This period's amounts on the lines of the commitment's schedule of values."""
    amounts = _on_lines(rendering, place, shares, commitment)
    day = invoice.issue_date or invoice.booking_date
    known = rendering.wanted.known.get(part_name(place.number))
    period = _kept_period(known, day) or _period(rendering, place, day)
    if amounts is None or period is None:
        return None
    origin = stamp(rendering.ref, place.number)
    number = _number(place.id, commitment, invoice.invoice_number)
    wanted = {
        "commitment_id": int(commitment.target_id),
        "invoice_number": invoice.invoice_number,
        "billing_date": (day or date.min).isoformat(),
        "period": period,
        "items": {line: plain(amount) for line, amount in sorted(amounts.items())},
        "status": STATUS[rendering.options.invoice_end_state],
    }
    return Part(
        name=part_name(place.number),
        natural_key=NaturalKey(number.resource, (("origin_id", origin), *number.fields)),
        stamp=origin,
        wanted=wanted,
        measure=Measure(net=sum(amounts.values(), ZERO)),
        frozen={share.origin: rendering.frozen[share.origin] for share in shares} | _numbers(known, wanted),
        alone=number if number.fields else None,
    )


def _numbers(known: TargetObject | None, wanted: Json) -> dict[str, Any]:
    """Every number it was to have: any other that Procore shows is one of its automatic numbering."""
    before = known.frozen.get(NUMBERS, []) if known is not None else []
    return {NUMBERS: [*(one for one in before if one != wanted["invoice_number"]), wanted["invoice_number"]]}


def _number(project_id: int, commitment: LinkedObject, invoice_number: str | None) -> NaturalKey:
    """A vendor's invoice billed twice, be it on two commitments, would be paid twice; Procore does not mind."""
    vendor = commitment.extra.get("vendor_id")  # a commitment linked by hand is read once it is looked at
    fields = (("vendor_id", str(vendor)), ("invoice_number", invoice_number)) if vendor and invoice_number else ()
    return NaturalKey(resource(REQUISITIONS, project_id), fields)


def _on_lines(
    rendering: Rendering, place: Place, shares: Sequence[Share], commitment: LinkedObject
) -> dict[str, Decimal] | None:
    """The SOV line that each share bills: its own order line, else the lines of its WBS code, in their order, up to
    what is left of them, and the last one beyond. Never by amount or text."""
    lines: Mapping[str, Json] = commitment.extra["lines"]
    billed = _billed_by_others(rendering, place, commitment)
    left = {origin: Decimal(line["amount"]) - billed[line["id"]] for origin, line in lines.items()}
    amounts: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for share in shares:
        targets = billable_lines(rendering, share, lines)
        if not targets:
            rendering.find(
                "no-line-to-bill",
                f"Line {share.line.line_number} bills a WBS code that commitment {commitment.target_id} does not have.",
                fix="Add the cost to the order, or correct the invoice's coding or the table costs.",
                field=f"lines[{share.line.line_number}].accounting",
            )
            return None
        rest = share.amount
        for origin in targets[:-1]:
            taken = max(ZERO, min(rest, left[origin]))
            left[origin] -= taken
            amounts[lines[origin]["id"]] += taken
            rest -= taken
        left[targets[-1]] -= rest
        amounts[lines[targets[-1]]["id"]] += rest
    return {line: amount for line, amount in amounts.items() if amount}


def _billed_by_others(rendering: Rendering, place: Place, commitment: LinkedObject) -> Mapping[str, Decimal]:
    """By the id of the commitment's line. What Procore showed is as old as the order's last write: of requisitions of
    ours, our own rows know better."""
    lines: Mapping[str, Json] = commitment.extra["lines"]
    by: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for origin, shown in commitment.extra["billed"].items():
        for whose, amount in shown.items():
            by[whose][lines[origin]["id"]] = amount
    for one in rendering.on_commitment(place.number, place.id, commitment.target_id, lines):
        if one.extra.get("commitment_id") is not None:
            on_it = one.extra["commitment_id"] == int(commitment.target_id)
            by[one.extra["origin_id"]] = one.extra["items"] if on_it else {}
    billed: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for whose, items in by.items():
        for line, amount in items.items() if whose != stamp(rendering.ref, place.number) else ():
            billed[line] += Decimal(amount)
    return billed


def billable_lines(rendering: Rendering, share: Share, lines: Mapping[str, Json]) -> list[str]:
    """Its own order line's, else those on its WBS code."""
    return _own_line(rendering, share, lines) or [
        origin for origin, line in lines.items() if line["wbs_code_id"] == share.wbs_code_id
    ]


def _own_line(rendering: Rendering, share: Share, lines: Mapping[str, Json]) -> list[str]:
    link = share.line.order_link
    if link.strength is not LinkStrength.LINE or link.line_id is None:
        return []
    order = EntityRef.parse(f"{rendering.wanted.source}/purchase-order/{link.order_id}")
    own = line_origin(order, link.line_id, 0)
    return [origin for origin in lines if origin == own or origin.startswith(f"{own}.")]


def _kept_period(known: TargetObject | None, day: date | None) -> Json | None:
    """The one it is in, which may be closed by now, while its date stays."""
    if known is None or day is None or known.extra.get("billing_date") != day.isoformat():
        return None
    period: Json | None = known.extra.get("period")
    return period


def _period(rendering: Rendering, place: Place, day: date | None) -> Json | None:
    """The open billing period that contains the day; else as the flow says: the next open one, a new month, or none."""
    shown = rendering.lookup.reference(rendering.wanted.target, "billing-periods", str(place.id))
    periods = sorted(shown["open"], key=lambda period: str(period["start"])) if shown is not None else []
    when = day.isoformat() if day else ""
    for period in periods:
        if period["start"] <= when <= period["end"]:
            return dict(period)
    rule = rendering.options.no_open_period
    later = [period for period in periods if period["start"] > when]
    if rule == "next-open" and later:
        return dict(later[0])
    if rule == "create" and day is not None:
        return {"id": None, "start": day.replace(day=1).isoformat(), "end": _last_day(day).isoformat()}
    rendering.find(
        "no-open-period",
        f"Project {place.number!r} has no open billing period for {when or 'an invoice without date'}.",
        missing=str(ReferenceKey(rendering.wanted.target, "billing-periods", str(place.id))),
        fix="Open a billing period in Procore; the invoice goes on by itself.",
    )
    return None


def _last_day(day: date) -> date:
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)


def withdrawn_requisition(ref: EntityRef, name: str, known: TargetObject) -> Part:
    origin = stamp(ref, name.removeprefix(part_name("")))
    key = NaturalKey(resource(REQUISITIONS, int(known.extra["project_id"])), (("origin_id", origin),))
    return Part(name, key, origin, {}, Measure(), gone=True, frozen=known.frozen)


def found_requisition(row: Json, project_id: str) -> Found:
    """`row` is in the extended view: it has an item for every line of the commitment, most of them 0."""
    items = row.get("items") or []
    billed = {str(item["line_item_id"]): decimal(item.get("work_completed_this_period")) for item in items}
    key = NaturalKey(resource(REQUISITIONS, int(project_id)), (("origin_id", str(row.get("origin_id") or "")),))
    return Found(
        target_id=str(row["id"]),
        natural_key=key,
        stamp=row.get("origin_id"),
        document=document_of(row.get("origin_id")),
        status=row["status"],
        live=row.get("deleted_at") is None,
        projection={
            "commitment_id": row.get("commitment_id"),
            "header": {name: row[name] for name in HEADER if row.get(name) is not None},
            "items": {line: plain(amount) for line, amount in sorted(billed.items()) if amount},
            "status": row["status"],
        },
        sub_ids={str(item["line_item_id"]): str(item["id"]) for item in items},
        measure=Measure(net=sum(billed.values(), ZERO)),
        created_at=row.get("created_at"),
        extra={
            "project_id": project_id,
            "collection": REQUISITIONS,
            "commitment_id": row.get("commitment_id"),
            "origin_id": row.get("origin_id"),
            "items": {line: plain(amount) for line, amount in sorted(billed.items()) if amount},
            "billing_date": row.get("billing_date"),
            "period": {"id": row["period_id"], "start": row["requisition_start"], "end": row["requisition_end"]}
            if all(row.get(name) is not None for name in PERIOD)
            else None,
        },
    )


def plan_requisition(part: Part, known: TargetObject | None, found: Found | None, options: ExactProcoreOptions) -> Plan:
    if part.gone:
        return plan_deletion(part, found)
    wanted = part.wanted
    if found is None:
        gone = deleted("Requisition", part, known, record="invoice")
        if gone is not None:
            return Plan(Verb.NONE, reason=gone)
        return Plan(Verb.CREATE, [_create(part)])
    elsewhere = found.natural_key.resource != part.natural_key.resource
    if elsewhere or found.projection["commitment_id"] != wanted["commitment_id"]:
        return plan_replacement(part, found)
    header = _changed_header(part, known, found)
    if (header or found.projection["items"] != wanted["items"]) and found.status != DRAFT:
        return Plan(Verb.UPDATE, [step("reopen", part, found, "PATCH", {"status": DRAFT})])
    if header:
        name = f"header-{digest(header)[:8]}"
        if known is not None and known.step_reached == name:
            return Plan(Verb.NONE, reason=_not_taken(part, found, header))
        return Plan(Verb.UPDATE, [replace(step(name, part, found, "PATCH", header), natural_key=part.natural_key)])
    if found.projection["items"] != wanted["items"]:
        lines = {**dict.fromkeys(found.projection["items"], "0"), **wanted["items"]}
        items = [
            {"id": int(found.sub_ids[line]), "item_type": ITEM, "work_completed_this_period": amount}
            for line, amount in lines.items()
        ]
        return Plan(Verb.UPDATE, [step("items", part, found, "PATCH", {"items": items})])
    if found.status != wanted["status"]:
        committing = wanted["status"] != DRAFT
        status = {"status": wanted["status"]}
        return Plan(Verb.UPDATE, [step("status", part, found, "PATCH", status, irreversible=committing)])
    return Plan(Verb.NONE)


def _header(wanted: Json) -> dict[str, Any]:
    return {
        "requisition_start": wanted["period"]["start"],
        "requisition_end": wanted["period"]["end"],
        "period_id": wanted["period"]["id"],
        "billing_date": wanted["billing_date"],
        "invoice_number": wanted["invoice_number"],
    }


def _changed_header(part: Part, known: TargetObject | None, found: Found) -> dict[str, Any]:
    """What Procore shows otherwise. A period that is to be made has no id to compare, and a number of Procore's own
    automatic numbering stays."""
    wanted, shown = _header(part.wanted), found.projection["header"]
    header = changed({name: value for name, value in wanted.items() if name in shown and value is not None}, shown)
    if known is None or shown.get("invoice_number") not in known.frozen.get(NUMBERS, ()):
        header.pop("invoice_number", None)
    if header.keys() & set(PERIOD):
        header |= {name: wanted[name] for name in PERIOD}
    return header


def _not_taken(part: Part, found: Found, header: Json) -> Reason:
    shown = found.projection["header"]
    told = "; ".join(f"{name} expected {value}, actual {shown.get(name)}" for name, value in header.items())
    return Reason(
        code="target-differs",
        message=f"Requisition {found.target_id} shows other values than were sent: {told}.",
        fix="Correct it in Procore, or withdraw the change at the source.",
        field=part.name,
    )


def _create(part: Part) -> Step:
    wanted = part.wanted
    items: list[dict[str, Any]] = [
        {"item_type": ITEM, "line_item_id": int(line), "work_completed_this_period": amount}
        for line, amount in wanted["items"].items()
    ]
    body = {
        **_header(wanted),
        "status": DRAFT,
        "origin_id": part.stamp,
        "items": items,
    }
    return Step(
        name="create",
        part=part.name,
        method="POST",
        resource=part.natural_key.resource,
        body={"commitment_id": wanted["commitment_id"], "requisition": body},
        natural_key=part.natural_key,
        creates=True,
    )
