"""Requisitions (Subcontractor Invoices on screens) against a commitment, and billing periods."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from .commitments import KINDS, LOCKING, billed
from .costs import brief_cost_code, brief_wbs_code
from .errors import ApiError, Invalid
from .fields import CENT, Spec, choice, day, flag, integer, money, number, opaque, percent, text
from .store import ZERO, BillingPeriod, Contract, Line, Project, Requisition, RequisitionItem
from .sync import Item
from .world import Actor, World

STATUSES = ("draft", "under_review", "revise_and_resubmit", "approved", "approved_as_noted", "pending_owner_approval")
EDITABLE = {"draft", "revise_and_resubmit"}
NO_PERIOD = "The project must have an open billing period (or admin can specify a period_id) to create an invoice"

SPEC: Spec = {
    "period_id": integer,
    "requisition_start": day,
    "requisition_end": day,
    "billing_date": day,
    "invoice_number": text(255),
    "final": flag,
    "payment_date": day,
    "status": choice(*STATUSES),
    "submitted_at": text(),
    "origin_id": text(),
    "origin_data": text(),
    "upload_ids": opaque,
}
ITEM_SPEC: Spec = {
    "id": integer,
    "line_item_id": integer,
    "item_type": choice("contract_item", "contract_detail_item", "change_order_item"),
    "work_completed_this_period": number,
    "work_completed_this_period_quantity": number,
    "materials_presently_stored": number,
    "new_materials": number,
    "stored_materials": number,
    "work_completed_retainage_percent": percent,
    "subcontractor_claimed_amount": number,
    "status": choice("approved", "rejected", "no_action"),
    "comment": text(),
}
PERIOD_SPEC: Spec = {"start_date": day, "end_date": day, "due_date": day, "status": choice("open", "closed")}
_ROW_FIELDS = {"period_id", "invoice_number", "status", "origin_id", "origin_data", "upload_ids"}


# Billing periods


def create_period(world: World, project: Project, values: Item) -> BillingPeriod:
    missing = [name for name in ("start_date", "end_date", "due_date", "status") if not values.get(name)]
    if missing:
        raise Invalid(**dict.fromkeys(missing, "can't be blank"))
    if values["end_date"] < values["start_date"]:
        raise Invalid(end_date="must be after the start date")
    row = BillingPeriod(**world.base(project.company_id, project.id), **{name: values[name] for name in PERIOD_SPEC})
    return world.store.billing_periods.add(row)


def show_period(row: BillingPeriod) -> Item:
    return {name: getattr(row, name) for name in ("id", *PERIOD_SPEC, "created_at", "updated_at")}


def _period(world: World, project: Project, values: Item) -> int:
    """The period named, or the open one. Only an admin may name a closed one."""
    periods = world.store.billing_periods
    if values.get("period_id") is not None:
        row = periods.find(values["period_id"], project=project.id)
        if row is None:
            raise Invalid(period="must exist")
        if row.status != "open" and not world.settings.invoicing_admin:
            raise Invalid(base=NO_PERIOD)
        return row.id
    opened = [row for row in periods.live(project.id) if row.status == "open"]
    if not opened:
        raise Invalid(base=NO_PERIOD)
    return max(opened, key=lambda row: row.start_date).id


# Requisitions


def create_requisition(
    world: World, project: Project, contract: Contract, values: Item, items: list[Item], actor: Actor
) -> Requisition:
    """One item per line of the commitment, amounts of this period only; nothing is stored where a part is refused."""
    store = world.store
    _check_billable(world, contract)
    world.check_origin(store.requisitions, project.company_id, values.get("origin_id"))
    period_id = _period(world, project, values)
    previous = _live(world, contract)
    lines = list(contract.lines.values())
    base = world.base(project.company_id, project.id)
    row = Requisition(**base, commitment_id=contract.id, number=len(contract.requisitions) + 1, period_id=period_id)
    for line in lines:
        retainage = contract.retainage_percent
        row.items[line.id] = RequisitionItem(world.next_id(row.company_id), line.id, retainage_percent=retainage)
    changes = [(_item_of(row, item), item) for item in items]
    _check_amounts(world, contract, previous, changes)
    store.requisitions.add(row)
    contract.requisitions.append(row.id)
    for line_id, entry in row.items.items():
        store.billings[line_id][row.id] = entry
    for entry, item in changes:
        _apply(world, contract, entry, item)
    _fill(world, row, values, actor)
    _tell(world, row, "create", actor)
    return row


def _check_billable(world: World, contract: Contract) -> None:
    if not contract.requisitions_are_enabled:
        raise Invalid(base="Invoices are not enabled on this commitment")
    allowed = LOCKING | {"Partially Received"}
    if world.settings.requisition_needs_approved_commitment and contract.status not in allowed:
        raise Invalid(base="The commitment must be approved to create an invoice")


def _live(world: World, contract: Contract) -> list[int]:
    return [id_ for id_ in contract.requisitions if world.store.requisitions.find(id_) is not None]


def update_requisition(world: World, row: Requisition, values: Item, items: list[Item], actor: Actor) -> Requisition:
    contract = _contract(world, row)
    require_writable(world, row, actor)
    world.check_origin(world.store.requisitions, row.company_id, values.get("origin_id"), row)
    if values.get("period_id") is not None:
        _period(world, world.project(row.project_id or 0), values)
    changes = [(_item_of(row, item), item) for item in items]
    _check_amounts(world, contract, _live(world, contract), changes)
    for entry, item in changes:
        _apply(world, contract, entry, item)
    _fill(world, row, values, actor)
    _tell(world, row, "update", actor)
    return row


def delete_requisition(world: World, row: Requisition, actor: Actor) -> Requisition:
    require_writable(world, row, actor)
    for line_id in row.items:
        world.store.billings[line_id].pop(row.id, None)
    world.mark_deleted(world.store.requisitions, row)
    _tell(world, row, "delete", actor)
    return row


def require_writable(world: World, row: Requisition, actor: Actor) -> None:
    settings = world.settings
    if row.origin_id is not None:
        if actor.is_person:
            raise Invalid(base="This invoice is locked because it is synced with another system")
        if row.origin_owner != actor.owner and not settings.other_integration_may_edit_synced:
            raise Invalid(base="This invoice is locked because it is synced by another integration")
        if not settings.patch_synced_requisition:
            raise Invalid(base="This invoice is locked because it has an origin_id")
    latest = _live(world, _contract(world, row))[-1:]
    if not settings.invoicing_admin and (row.status not in EDITABLE or latest != [row.id]):
        raise ApiError(403, "Only the latest draft can be edited without admin permission")


def _contract(world: World, row: Requisition) -> Contract:
    store = world.store
    return store.purchase_orders.rows.get(row.commitment_id) or store.work_orders.rows[row.commitment_id]


def _item_of(row: Requisition, item: Item) -> RequisitionItem:
    """On create an item names its commitment line; later its own id does."""
    if not item.get("item_type"):
        raise Invalid(item_type="can't be blank")
    if item.get("line_item_id") is not None:
        entry = row.items.get(item["line_item_id"])
    else:
        entry = next((entry for entry in row.items.values() if entry.id == item.get("id")), None)
    if entry is None:
        raise Invalid(line_item="must be a line item of the commitment")
    return entry


def _line(world: World, entry: RequisitionItem) -> Line:
    store = world.store
    return store.purchase_order_lines.rows.get(entry.line_item_id) or store.work_order_lines.rows[entry.line_item_id]


def _amount(world: World, contract: Contract, entry: RequisitionItem, item: Item) -> tuple[Decimal, Decimal]:
    """Work of this period and stored materials after the change. Quantities count on unit contracts only."""
    work = entry.this_period
    quantity = item.get("work_completed_this_period_quantity")
    if quantity is not None and contract.accounting_method == "unit":
        work = (quantity * (_line(world, entry).unit_cost or ZERO)).quantize(CENT)
    if item.get("work_completed_this_period") is not None:
        work = item["work_completed_this_period"].quantize(CENT)
    given = [item.get(name) for name in ("materials_presently_stored", "stored_materials", "new_materials")]
    stored = next((value for value in given if value is not None), entry.stored)
    return work, stored


def _check_amounts(
    world: World, contract: Contract, live: Iterable[int], changes: list[tuple[RequisitionItem, Item]]
) -> None:
    settings, live = world.settings, list(live)
    for entry, item in changes:
        if item.get("work_completed_retainage_percent") is not None and not settings.invoicing_admin:
            raise Invalid(work_completed_retainage_percent="can only be set by an admin")
        work, stored = _amount(world, contract, entry, item)
        if work < 0 and settings.negative_amounts == "reject":
            raise Invalid(work_completed_this_period="must be greater than or equal to 0")
        amount = _line(world, entry).amount
        others = billed(world, entry.line_item_id, live) - _kept(world, entry)
        if settings.overbilling == "refuse" and abs(others + work + stored) > abs(amount):
            raise Invalid(work_completed_this_period="exceeds the remaining amount of the line item")


def _kept(world: World, entry: RequisitionItem) -> Decimal:
    """What this very item bills so far, if it is stored already."""
    is_stored = any(other is entry for other in world.store.billings[entry.line_item_id].values())
    return entry.this_period + entry.stored if is_stored else ZERO


def _apply(world: World, contract: Contract, entry: RequisitionItem, item: Item) -> None:
    entry.this_period, entry.stored = _amount(world, contract, entry, item)
    entry.quantity = item.get("work_completed_this_period_quantity", entry.quantity)
    if item.get("work_completed_retainage_percent") is not None:
        entry.retainage_percent = item["work_completed_retainage_percent"]
    entry.claimed = item.get("subcontractor_claimed_amount", entry.claimed)
    entry.status = item.get("status") or entry.status
    entry.comment = item.get("comment", entry.comment)


def _fill(world: World, row: Requisition, values: Item, actor: Actor) -> None:
    row.period_id = values.get("period_id") or row.period_id
    row.status = values.get("status") or row.status
    if world.settings.requisition_automatic_numbers:
        row.invoice_number = str(row.number)
    else:
        row.invoice_number = values.get("invoice_number", row.invoice_number)
    row.values.update({name: value for name, value in values.items() if name not in _ROW_FIELDS})
    row.updated_at = world.stamp()
    world.set_origin(world.store.requisitions, row, values, actor)


def _tell(world: World, row: Requisition, event: str, actor: Actor) -> None:
    if world.settings.requisition_webhooks:
        world.tell("Requisitions", event, row, actor)


# What is shown


def _before(world: World, contract: Contract, row: Requisition) -> list[int]:
    return [id_ for id_ in _live(world, contract) if world.store.requisitions.rows[id_].number < row.number]


def show_items(world: World, row: Requisition) -> list[Item]:
    contract = _contract(world, row)
    before = _before(world, contract, row)
    return [_show_item(world, contract, entry, before) for entry in row.items.values()]


def _show_item(world: World, contract: Contract, entry: RequisitionItem, before: list[int]) -> Item:
    line = _line(world, entry)
    code = world.store.wbs_codes.rows[line.wbs_code_id]
    previous = billed(world, line.id, before)
    done = previous + entry.this_period + entry.stored
    return {
        "id": entry.id,
        "item_type": "contract_item",
        "line_item_id": line.id,
        "description_of_work": line.description,
        "cost_code": brief_cost_code(world.store.cost_codes.rows[code.cost_code_id]),
        "wbs_code": brief_wbs_code(code),
        "scheduled_value": money(line.amount),
        "work_completed_from_previous_application": money(previous),
        "work_completed_this_period": money(entry.this_period),
        "work_completed_this_period_quantity": money(entry.quantity) if contract.accounting_method == "unit" else None,
        "materials_presently_stored": money(entry.stored),
        "total_completed_and_stored_to_date": money(done),
        "balance_to_finish": money(line.amount - done),
        "work_completed_retainage_percent": money(entry.retainage_percent),
        "work_completed_retainage_retained_this_period": money(_retained(entry)),
        "subcontractor_claimed_amount": money(entry.claimed),
        "status": entry.status,
        "comment": entry.comment,
    }


def _retained(entry: RequisitionItem) -> Decimal:
    return (entry.this_period * entry.retainage_percent / 100).quantize(CENT)


def _summary(world: World, contract: Contract, row: Requisition) -> Item:
    store = world.store
    earlier = [store.requisitions.rows[id_] for id_ in _before(world, contract, row)]

    def net(requisition: Requisition) -> Decimal:
        return sum((e.this_period + e.stored - _retained(e) for e in requisition.items.values()), ZERO)

    this_period = sum((entry.this_period + entry.stored for entry in row.items.values()), ZERO)
    done = this_period + sum(
        (entry.this_period + entry.stored for other in earlier for entry in other.items.values()), ZERO
    )
    retained = sum((_retained(entry) for other in (*earlier, row) for entry in other.items.values()), ZERO)
    previous = sum((net(other) for other in earlier), ZERO)
    return {
        "original_contract_sum": money(contract.total),
        "contract_sum_to_date": money(contract.total),
        "total_completed_and_stored_to_date": money(done),
        "completed_work_this_period": money(this_period),
        "total_retainage": money(retained),
        "total_earned_less_retainage": money(done - retained),
        "less_previous_certificates_for_payment": money(previous),
        "current_payment_due": money(net(row)),
        "balance_to_finish_including_retainage": money(contract.total - done + retained),
    }


def show_requisition(world: World, row: Requisition, *, view: str = "default", version: str = "v1.1") -> Item:
    contract = _contract(world, row)
    live = _live(world, contract)
    before = _before(world, contract, row)
    project = world.project(row.project_id or 0)
    summary = _summary(world, contract, row)
    done = Decimal(summary["total_completed_and_stored_to_date"])
    body: dict[str, Any] = {
        "id": row.id,
        "commitment_id": row.commitment_id,
        "commitment_type": KINDS[contract.kind].holder_type,
        "contract_name": contract.title,
        "project": {"id": project.id, "name": project.name},
        "vendor_id": contract.vendor_id,
        "number": row.number,
        "period_id": row.period_id,
        "status": row.status,
        "invoice_number": row.invoice_number,
        **{name: row.values.get(name) for name in SPEC if name not in _ROW_FIELDS},
        "is_last": live[-1:] == [row.id],
        "previous_requisition_id": before[-1] if before else None,
        "percent_complete": money((done * 100 / contract.total).quantize(CENT)) if contract.total else "0.0",
        "erp_status": None,
        "origin_id": row.origin_id,
        "origin_data": row.origin_data,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "deleted_at": row.deleted_at,
    }
    if version == "v1.0":
        body |= {"attachments": [], "g702": summary}
    else:
        body["summary"] = summary
    if view in ("extended", "items"):
        body["items"] = show_items(world, row)
    return body
