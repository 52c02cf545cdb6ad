"""Invoices as cost: which of them become direct costs, which requisitions, and of which commitment."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector.domain.documents.invoice import Invoice, InvoiceStatus, LinkStrength
from connector.domain.identity import Entity, EntityRef
from connector.domain.ports.target import LinkedObject, Part, Rendered
from connector.domain.sync.lookup import link_key

from .amounts import cost_amounts
from .direct_costs import direct_cost, withdrawn_direct_cost
from .naming import BILLS, DIRECT_COSTS, NO_COMMITMENT, REQUISITIONS, part_name
from .rendering import Place, Rendering, Share, by_project
from .requisitions import requisition, withdrawn_requisition
from .settings import CostModel
from .values import plain


@dataclass(frozen=True, slots=True)
class Billed:
    """What an invoice bills in one project: an order's commitment, or none."""

    commitment: LinkedObject | None
    decided: bool
    """False where nothing but the absence of an order says that it bills none."""


def render_costs(rendering: Rendering, invoice: Invoice | None) -> Rendered:
    """One part a project; together they are the invoice."""
    known = {name: kept for name, kept in rendering.wanted.known.items() if not name.startswith(BILLS)}
    if invoice is None or invoice.status in (InvoiceStatus.CANCELLED, InvoiceStatus.REJECTED):
        return Rendered(parts=[_withdrawn(rendering, name) for name in sorted(known)])
    vendor = rendering.vendor(invoice.supplier)
    if not invoice.invoice_number:
        fix = "Enter the supplier's invoice number (your reference) in the source system."
        rendering.find("invoice-number-missing", "The invoice has no number.", fix=fix, field="invoice_number")
    grouped = by_project(rendering.shares(invoice.lines, _amounts(rendering, invoice), invoice.currency))
    rendered = [
        part
        for project, shares in grouped.items()
        if (part := _part(rendering, invoice, project, shares, vendor)) is not None
    ]
    if not rendering.findings:
        rendered += [_withdrawn(rendering, name) for name in sorted(known.keys() - {part.name for part in rendered})]
    return Rendered(parts=rendered, findings=rendering.findings)


def _amounts(rendering: Rendering, invoice: Invoice) -> dict[str, Decimal]:
    """What each line costs, credit notes negative, with header discount and freight spread over them."""
    amounts = cost_amounts(invoice)
    for line in invoice.lines:
        if line.cost_amount is None:
            rendering.find(
                "cost-unknown",
                f"What line {line.line_number} costs is not known: its net or non-deductible VAT is missing.",
                fix="Set how its VAT code counts in the source connection's company.vat.",
                field=f"lines[{line.line_number}].cost_amount",
            )
    negative = [plain(amount) for amount in amounts.values() if amount < 0]
    if negative and rendering.options.credit_mode == "block":
        rendering.find(
            "credit-not-allowed",
            f"A credit note or negative lines ({', '.join(negative[:5])}): whether Procore takes them is not known.",
            fix="Try a negative amount in Procore; if it holds, set options.credit_mode to negative.",
        )
    return amounts


def _part(
    rendering: Rendering, invoice: Invoice, project: str, shares: Sequence[Share], vendor: int | None
) -> Part | None:
    place = rendering.place(project)
    if place is None:
        return None
    rendering.in_currency_of(place, invoice.currency)
    if place.rules.cost_model is CostModel.DIRECT_COSTS:
        return direct_cost(rendering, invoice, place, shares, vendor, commitment=None, unlinked=False)
    billed = _billed(rendering, place, shares)
    if billed is None:
        return None
    if billed.commitment is not None and place.rules.cost_model is CostModel.REQUISITIONS:
        return requisition(rendering, invoice, place, shares, billed.commitment)
    return direct_cost(
        rendering, invoice, place, shares, vendor, commitment=billed.commitment, unlinked=not billed.decided
    )


def _billed(rendering: Rendering, place: Place, shares: Sequence[Share]) -> Billed | None:
    """By the lines' order links, else by a person's decision; None (and findings) where it can't be said yet."""
    links = [share.line.order_link for share in shares]
    orders = sorted({link.order_id for link in links if link.strength is not LinkStrength.NONE and link.order_id})
    unlinked = any(link.strength is LinkStrength.NONE for link in links)
    if len(orders) > 1 or (orders and unlinked and place.rules.cost_model is CostModel.REQUISITIONS):
        rendering.find(
            "bills-several-commitments",
            f"In project {place.number!r} the invoice bills {len(orders)} orders"
            f"{' and cost without one' if unlinked else ''}; Procore's invoices belong to one commitment.",
            fix="Split the invoice by order in the source system, or choose cost model C for the project.",
            field="lines",
        )
        return None
    if orders:
        commitment = _commitment_of(rendering, place, orders[0])
        return Billed(commitment, decided=True) if commitment is not None else None
    decision = rendering.wanted.known.get(f"{BILLS}{place.number}")
    if decision is None or decision.target_id == NO_COMMITMENT:
        return Billed(None, decided=decision is not None)
    shown = rendering.lookup.reference(rendering.wanted.target, "commitment", f"{place.id}/{decision.target_id}")
    if shown is None:
        rendering.find(
            "commitment-unknown-in-target",
            f"Project {place.number!r} has no commitment {decision.target_id}.",
            missing=f"reference:{rendering.wanted.target}/commitment/{place.id}/{decision.target_id}",
            fix="Decide again: connector link, with the commitment's id in Procore or `none`.",
        )
        return None
    return Billed(LinkedObject(decision.target_id, {}, shown["status"], shown), decided=True)


def _commitment_of(rendering: Rendering, place: Place, order_id: str) -> LinkedObject | None:
    linked = rendering.linked(Entity.PURCHASE_ORDER, order_id)
    commitment = linked.parts.get(part_name(place.number)) if linked is not None else None
    ref = EntityRef(rendering.wanted.source, Entity.PURCHASE_ORDER, order_id)
    if commitment is None:
        rendering.find(
            "commitment-not-there",
            f"The order it bills has no commitment in project {place.number!r} yet.",
            missing=link_key(ref),
            fix=f"See why order {ref.key} is not synced into that project: connector audit {order_id}.",
            field="lines",
        )
    elif commitment.state != "Approved":
        rendering.find(
            "commitment-not-approved",
            f"The commitment it bills is {commitment.state}; Procore takes cost on approved ones.",
            missing=link_key(ref),
            fix=f"See why commitment {commitment.target_id} is not approved; the invoice goes on once it is.",
        )
    return commitment


def _withdrawn(rendering: Rendering, name: str) -> Part:
    known = rendering.wanted.known[name]
    if known.extra["collection"] == REQUISITIONS:
        return withdrawn_requisition(rendering.ref, name, known)
    assert known.extra["collection"] == DIRECT_COSTS
    return withdrawn_direct_cost(rendering.ref, name, known)
