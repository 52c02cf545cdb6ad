"""Invoices as direct costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from connector.domain.documents.invoice import Invoice
from connector.domain.identity import EntityRef
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

from .naming import DIRECT_COSTS, document_of, is_ours, origin_of, part_name, resource, split, stamp
from .rendering import Place, Rendering, Share
from .requisitions import billable_lines
from .settings import EndState, ExactProcoreOptions
from .steps import codes_of, deleted, line_items, plan_deletion, plan_replacement, step, sync
from .values import ZERO, changed, decimal, inner, number, plain, shortened

DRAFT = "draft"
STATUS = {EndState.DRAFT: DRAFT, EndState.SUBMITTED: "pending", EndState.APPROVED: "approved"}
INVOICE, SUBCONTRACTOR_INVOICE = "invoice", "subcontractor_invoice"
HEADER = ("vendor_id", "invoice_number", "direct_cost_date", "received_date", "terms", "description")
SMALL = 10
"""Lines up to which a direct cost shares its requests: a hundred of them stay within a sync's thousand items."""


def direct_cost(
    rendering: Rendering,
    invoice: Invoice,
    place: Place,
    shares: Sequence[Share],
    vendor: int | None,
    *,
    commitment: LinkedObject | None,
    unlinked: bool,
) -> Part:
    """`commitment`: what it bills (cost model B). `unlinked`: it names no order, so it must not be of a vendor with an
    open commitment in the project."""
    origin = stamp(rendering.ref, place.number)
    issued = invoice.issue_date or invoice.booking_date
    terms = invoice.payment_terms
    wanted = {
        "header": {
            "vendor_id": vendor,
            "invoice_number": invoice.invoice_number,
            "direct_cost_date": issued.isoformat() if issued else None,
            "received_date": invoice.booking_date.isoformat() if invoice.booking_date else None,
            "terms": shortened(terms.description or terms.code) if terms else None,
            "description": shortened(invoice.description),
        },
        "type": INVOICE if commitment is None else SUBCONTRACTOR_INVOICE,
        "lines": {
            share.origin: {
                "wbs_code_id": share.wbs_code_id,
                "amount": plain(share.amount),
                "description": shortened(share.line.description),
            }
            for share in shares
        },
        "status": STATUS[rendering.options.invoice_end_state],
        "undecided": {"record": rendering.ref.native_id, "project": place.number} if unlinked else None,
    }
    return Part(
        name=part_name(place.number),
        natural_key=_key(place.id, origin, vendor, invoice.invoice_number),
        stamp=origin,
        wanted=wanted,
        measure=Measure(net=sum((share.amount for share in shares), ZERO), currency=place.currency, lines=len(shares)),
        frozen={
            share.origin: {**rendering.frozen[share.origin], **_bills(rendering, share, commitment)} for share in shares
        },
    )


def _bills(rendering: Rendering, share: Share, commitment: LinkedObject | None) -> Json:
    """What the share bills is kept by us alone: a direct cost does not say which commitment it is on."""
    if commitment is None:
        return {}
    lines: Mapping[str, Json] = commitment.extra.get("lines", {})
    on = billable_lines(rendering, share, lines) or list(lines)
    return {"bills": {"commitment": commitment.target_id, "amount": plain(share.amount), "lines": on}}


def withdrawn_direct_cost(ref: EntityRef, name: str, known: TargetObject) -> Part:
    origin = stamp(ref, name.removeprefix(part_name("")))
    key = _key(int(known.extra["project_id"]), origin, None, None)
    return Part(name, key, origin, {}, Measure(), gone=True, frozen=known.frozen)


def _key(project_id: int, origin: str, vendor: int | None, invoice_number: str | None) -> NaturalKey:
    """Procore holds a vendor's invoice number only once, so it is looked for too."""
    fields = [("origin_id", origin)]
    if vendor is not None and invoice_number:
        fields += [("vendor_id", str(vendor)), ("invoice_number", invoice_number)]
    return NaturalKey(resource(DIRECT_COSTS, project_id), tuple(fields))


def hits(key: NaturalKey, rows: Sequence[Json], project_id: str, lines: Sequence[Json]) -> list[Found]:
    """The direct cost with our origin id, else whatever has the vendor's invoice number."""
    fields = dict(key.fields)
    ours = [row for row in rows if row.get("origin_id") == fields["origin_id"]]
    same = [
        row
        for row in rows
        if row.get("invoice_number") == fields.get("invoice_number")
        and str(inner(row, "vendor", "id")) == fields.get("vendor_id")
    ]
    return [found_direct_cost(row, project_id, lines) for row in ours or same]


def found_direct_cost(row: Json, project_id: str, lines: Sequence[Json]) -> Found:
    """`lines` may hold lines of other direct costs too."""
    own = [line for line in lines if inner(line, "holder", "id") == row["id"]]
    key = NaturalKey(resource(DIRECT_COSTS, int(project_id)), (("origin_id", str(row.get("origin_id") or "")),))
    return Found(
        target_id=str(row["id"]),
        natural_key=key,
        stamp=row.get("origin_id"),
        document=document_of(row.get("origin_id")),
        status=row["status"],
        live=row.get("deleted_at") is None,
        projection={
            "header": {**{name: row.get(name) for name in HEADER}, "vendor_id": inner(row, "vendor", "id")},
            "type": row.get("direct_cost_type"),
            "lines": {origin_of(line): _shown_line(line) for line in own},
            "status": row["status"],
        },
        sub_ids={origin_of(line): str(line["id"]) for line in own},
        measure=Measure(
            net=decimal(row.get("grand_total")),
            currency=inner(row, "currency_configuration", "currency_iso_code"),
            lines=row.get("line_items_count"),
        ),
        created_at=row.get("created_at"),
        extra={"project_id": project_id, "collection": DIRECT_COSTS},
    )


def _shown_line(line: Json) -> dict[str, Any]:
    return {
        "wbs_code_id": inner(line, "wbs_code", "id"),
        "amount": number(line.get("amount")),
        "description": line.get("description"),
    }


def plan_direct_cost(part: Part, known: TargetObject | None, found: Found | None, options: ExactProcoreOptions) -> Plan:
    """Header as draft, lines, and its status once what was read back agrees: a draft does not count as cost."""
    if part.gone:
        return plan_deletion(part, found)
    wanted = part.wanted
    if found is None:
        gone = deleted("Direct cost", part, known, record="invoice")
        if gone is not None:
            return Plan(Verb.NONE, reason=gone)
        item = {**wanted["header"], "direct_cost_type": wanted["type"], "status": DRAFT, "origin_id": part.stamp}
        return Plan(Verb.CREATE, [sync("create", part, None, item)])
    if found.natural_key.resource != part.natural_key.resource or found.projection["type"] != wanted["type"]:
        return plan_replacement(part, found)
    header = changed(wanted["header"], found.projection["header"])
    shown, lines = found.projection["lines"], wanted["lines"]
    write = {origin: line for origin, line in lines.items() if changed(line, shown.get(origin, {}))}
    remove = sorted(origin for origin in shown if is_ours(origin.partition("#")[0]) and origin not in lines)
    if (write or remove) and found.status != DRAFT:
        return Plan(Verb.UPDATE, [sync("reopen", part, found, {"status": DRAFT})])
    if header:
        return Plan(Verb.UPDATE, [sync("header", part, found, header)])
    if write:
        return Plan(Verb.UPDATE, [_lines(part, found, write)])
    if remove:
        return Plan(Verb.UPDATE, [step("remove-line", part, found, "DELETE", {"line_id": found.sub_ids[remove[0]]})])
    if found.status != wanted["status"]:
        committing = wanted["status"] != DRAFT
        return Plan(Verb.UPDATE, [sync("status", part, found, {"status": wanted["status"]}, irreversible=committing)])
    return Plan(Verb.NONE)


def _lines(part: Part, found: Found, lines: dict[str, Json]) -> Step:
    """Amounts go as numbers here, unlike in commitments. Several direct costs' lines travel in one sync."""
    _, project_id = split(part.natural_key.resource)
    items = [{**item, "direct_cost_id": int(found.target_id)} for item in line_items(found, lines)]
    key = f"{DIRECT_COSTS} {project_id} lines" if len(items) <= SMALL else ""
    body = {"items": items, "codes": codes_of(part)}
    return Step("lines", part.name, "PATCH", part.natural_key.resource, body, found.target_id, batch_key=key)
