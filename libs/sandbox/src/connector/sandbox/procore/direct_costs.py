"""Direct costs: cost outside a commitment. Their type never changes, an origin_id locks them against people."""

from typing import Any

from .commitments import require_project_vendor
from .errors import Invalid
from .fields import Spec, choice, day, integer, money, number, opaque, text
from .lines import Draft, check_line, show_line, store_line
from .store import ZERO, DirectCost, Line, Project
from .sync import Item
from .world import Actor, World

TYPES = ("invoice", "expense", "payroll", "subcontractor_invoice")
INVOICE_TYPES = {"invoice", "subcontractor_invoice"}
STATUSES = ("draft", "pending", "revise_and_resubmit", "approved")

SPEC: Spec = {
    "direct_cost_type": text(),
    "vendor_id": integer,
    "invoice_number": text(255),
    "direct_cost_date": day,
    "received_date": day,
    "payment_date": day,
    "status": choice(*STATUSES),
    "terms": text(),
    "description": text(),
    "employee_id": integer,
    "origin_id": text(),
    "origin_data": text(),
    "currency_iso_code": text(3),
    "currency_exchange_rate": number,
    "currency_configuration": opaque,
}
_ROW_FIELDS = {"direct_cost_type", "vendor_id", "invoice_number", "status", "origin_id", "origin_data"}
_CURRENCY_FIELDS = {"currency_iso_code", "currency_exchange_rate", "currency_configuration"}
HOLDER = "DirectCost::Item"


def create_direct_cost(world: World, project: Project, values: Item, lines: list[Item], actor: Actor) -> DirectCost:
    """A header with the lines sent inline (v1.1) or none. Nothing is stored where any part is refused."""
    store = world.store
    kind = values.get("direct_cost_type")
    if kind not in TYPES or (kind == "subcontractor_invoice" and not world.settings.subcontractor_invoice_enabled):
        raise Invalid(direct_cost_type="is not included in the list" if kind else "can't be blank")
    world.check_origin(store.direct_costs, project.company_id, values.get("origin_id"))
    _check_header(world, project, kind, values, None)
    origins = [line["origin_id"] for line in lines if line.get("origin_id")]
    if len(set(origins)) != len(origins):
        raise Invalid(origin_id="has already been taken")
    drafts = [_checked_line(world, project, line, None) for line in lines]
    row = DirectCost(**world.base(project.company_id, project.id), direct_cost_type=kind, currency=project.currency)
    store.direct_costs.add(row)
    _fill(world, project, row, values, actor)
    for draft in drafts:
        _keep_line(world, project, row, draft, None, actor)
    world.tell("Direct Costs", "create", row, actor)
    return row


def update_direct_cost(world: World, row: DirectCost, values: Item, actor: Actor) -> DirectCost:
    project = world.project(row.project_id or 0)
    if values.get("direct_cost_type", row.direct_cost_type) != row.direct_cost_type:
        raise Invalid(direct_cost_type="cannot be changed")
    world.check_origin(world.store.direct_costs, row.company_id, values.get("origin_id"), row)
    _check_header(world, project, row.direct_cost_type, values, row)
    status = values.get("status", row.status)
    if project.workflow_on_commitments and not actor.is_person and status != row.status:
        raise Invalid(status="is controlled by a workflow")
    _fill(world, project, row, values, actor)
    world.tell("Direct Costs", "update", row, actor)
    return row


def delete_direct_cost(world: World, row: DirectCost, actor: Actor) -> DirectCost:
    for line in row.lines.values():
        world.mark_deleted(world.store.direct_cost_lines, line)
    row.lines.clear()
    row.total = ZERO
    _forget_number(world, row)
    world.mark_deleted(world.store.direct_costs, row)
    world.tell("Direct Costs", "delete", row, actor)
    return row


def _check_header(world: World, project: Project, kind: str, values: Item, row: DirectCost | None) -> None:
    vendor_id = values.get("vendor_id", row.vendor_id if row else None)
    invoice_number = values.get("invoice_number", row.invoice_number if row else None)
    if kind in INVOICE_TYPES:
        if vendor_id is None:
            raise Invalid(vendor="can't be blank")
        if not invoice_number:
            raise Invalid(invoice_number="can't be blank")
        holder = world.store.invoice_numbers.get((project.id, vendor_id, invoice_number))
        if holder is not None and (row is None or holder != row.id):
            raise Invalid(invoice_number="has already been taken")
    if vendor_id is not None and (row is None or vendor_id != row.vendor_id):
        require_project_vendor(world, project, vendor_id)


def _forget_number(world: World, row: DirectCost) -> None:
    assert row.project_id is not None
    if row.invoice_number is not None:
        world.store.direct_costs_of_number[row.project_id, row.invoice_number].discard(row.id)
        if row.vendor_id is not None and row.direct_cost_type in INVOICE_TYPES:
            world.store.invoice_numbers.pop((row.project_id, row.vendor_id, row.invoice_number), None)


def _fill(world: World, project: Project, row: DirectCost, values: Item, actor: Actor) -> None:
    _forget_number(world, row)
    row.vendor_id = values.get("vendor_id", row.vendor_id)
    row.invoice_number = values.get("invoice_number", row.invoice_number)
    row.status = values.get("status") or row.status
    if row.invoice_number is not None:
        world.store.direct_costs_of_number[project.id, row.invoice_number].add(row.id)
        if row.vendor_id is not None and row.direct_cost_type in INVOICE_TYPES:
            world.store.invoice_numbers[project.id, row.vendor_id, row.invoice_number] = row.id
    if project.multicurrency:
        nested = values.get("currency_configuration") or {}
        row.currency = values.get("currency_iso_code") or nested.get("currency_iso_code") or row.currency
    row.values.update({n: v for n, v in values.items() if n not in _ROW_FIELDS | _CURRENCY_FIELDS})
    row.updated_at = world.stamp()
    world.set_origin(world.store.direct_costs, row, values, actor)


# Lines


def write_line(world: World, row: DirectCost, values: Item, line: Line | None, actor: Actor) -> Line:
    project = world.project(row.project_id or 0)
    draft = _checked_line(world, project, values, line)
    event = "update" if line else "create"
    line = _keep_line(world, project, row, draft, line, actor)
    world.tell("Direct Cost Line Items", event, line, actor, [(row.id, "Direct Costs")])
    return line


def delete_line(world: World, row: DirectCost, line: Line, actor: Actor) -> Line:
    del row.lines[line.id]
    row.total -= line.amount
    row.updated_at = world.stamp()
    world.mark_deleted(world.store.direct_cost_lines, line)
    world.tell("Direct Cost Line Items", "delete", line, actor, [(row.id, "Direct Costs")])
    return line


def _checked_line(world: World, project: Project, values: Item, line: Line | None) -> Draft:
    """`manual_amount` is v1.1's word for an amount that is not quantity times unit cost."""
    if "manual_amount" in values:
        given = values["manual_amount"]
        values = {n: v for n, v in values.items() if n != "manual_amount"}
        if given is not None:
            values |= {"amount": given, "extended_type": "manual"}
    draft = check_line(world, project, values, world.store.direct_cost_lines, line)
    if draft.amount < 0 and world.settings.negative_amounts == "reject":
        raise Invalid(amount="must be greater than or equal to 0")
    return draft


def _keep_line(world: World, project: Project, row: DirectCost, draft: Draft, line: Line | None, actor: Actor) -> Line:
    before = line.amount if line else ZERO
    line = store_line(world, project, row.id, draft, world.store.direct_cost_lines, line, actor)
    line.position = line.position or len(row.lines) + 1
    row.lines[line.id] = line
    row.total += line.amount - before
    row.updated_at = line.updated_at
    return line


# Locks


def require_writable(world: World, row: DirectCost, actor: Actor, *, by_sync: bool, deleting: bool = False) -> None:
    """An origin_id locks the record for people; its owner writes it by sync (PATCH and DELETE are switches)."""
    if row.origin_id is None:
        return
    settings = world.settings
    if actor.is_person:
        if not settings.edit_synced_direct_costs:
            raise Invalid(base="This direct cost is locked because it is synced with another system")
        return
    if row.origin_owner != actor.owner and not settings.other_integration_may_edit_synced:
        raise Invalid(base="This direct cost is locked because it is synced by another integration")
    allowed = by_sync or (settings.delete_synced_direct_cost if deleting else settings.patch_synced_direct_cost)
    if not allowed:
        raise Invalid(base="This direct cost is locked because it has an origin_id; use sync")


# What is shown


def show_direct_cost(world: World, row: DirectCost, *, with_lines: bool = False) -> Item:
    vendor = world.store.vendors.rows.get(row.vendor_id or 0)
    project = world.project(row.project_id or 0)
    names = [n for n in SPEC if n not in _ROW_FIELDS | _CURRENCY_FIELDS]
    total = money(row.total)
    body: dict[str, Any] = {
        "id": row.id,
        "direct_cost_type": row.direct_cost_type,
        "status": row.status,
        "invoice_number": row.invoice_number,
        "vendor": {"id": vendor.id, "name": vendor.name} if vendor else None,
        "vendor_name": vendor.name if vendor else None,
        **{name: row.values.get(name) for name in names},
        "origin_id": row.origin_id,
        "origin_data": row.origin_data,
        "grand_total": total,
        "amount": total,
        "line_items_count": len(row.lines),
        "attachments": [],
        "synced": row.origin_id is not None,
        "has_workflows": project.workflow_on_commitments,
        "tax_breakdown": {"subtotal": total, "tax_total": "0.0", "grand_total": total, "tax_details": []},
        "currency_configuration": {"currency_iso_code": row.currency},
        "deleted_at": row.deleted_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
    if with_lines:
        body["line_items"] = [show_line(world, line, HOLDER) for line in row.lines.values()]
    return body
