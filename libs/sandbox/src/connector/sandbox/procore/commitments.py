"""Commitments: purchase order contracts and work order contracts, their lines, states and locks."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .budget import INVOICED
from .errors import Invalid
from .fields import CUSTOM_FIELDS, Spec, choice, day, flag, integer, money, number, opaque, percent, text
from .lines import check_line, show_line, store_line
from .store import ZERO, Contract, Line, Project, Store, Table
from .sync import Item
from .world import Actor, World

_COMMON: Spec = {
    "number": text(255),
    "title": text(255),
    "description": text(),
    "vendor_id": integer,
    "contract_date": day,
    "issued_on_date": day,
    "execution_date": day,
    "letter_of_intent_date": day,
    "approval_letter_date": day,
    "returned_date": day,
    "executed": flag,
    "private": flag,
    "retainage_percent": percent,
    "accounting_method": choice("amount", "unit"),
    "origin_id": text(),
    "origin_code": text(),
    "origin_data": text(),
}
_ONLY_SINGLE: Spec = {
    "invoice_contact_user_ids": opaque,
    "upload_ids": opaque,
    "currency_iso_code": text(3),
    "currency_exchange_rate": number,
    CUSTOM_FIELDS: opaque,
}
"""Attributes that a sync does not take."""

_ROW_FIELDS = {
    "number",
    "title",
    "status",
    "vendor_id",
    "accounting_method",
    "private",
    "executed",
    "retainage_percent",
}
_ORIGIN_FIELDS = {"origin_id", "origin_code", "origin_data"}
_CURRENCY_FIELDS = {"currency_iso_code", "currency_exchange_rate"}


@dataclass(frozen=True)
class Kind:
    """One of the two types of commitment."""

    name: str
    resource: str
    holder_type: str
    statuses: tuple[str, ...]
    own_fields: Spec
    number_prefix: str

    @property
    def sync_spec(self) -> Spec:
        return {**_COMMON, "status": choice(*self.statuses), **self.own_fields}

    @property
    def spec(self) -> Spec:
        return {**self.sync_spec, **_ONLY_SINGLE}

    def contracts(self, store: Store) -> Table[Contract]:
        return store.purchase_orders if self is PURCHASE_ORDER else store.work_orders

    def lines(self, store: Store) -> Table[Line]:
        return store.purchase_order_lines if self is PURCHASE_ORDER else store.work_order_lines


PURCHASE_ORDER = Kind(
    "purchase_order_contract",
    "Purchase Order Contract",
    "PurchaseOrderContract",
    ("Draft", "Processing", "Submitted", "Partially Received", "Received", "Approved", "Closed"),
    {
        "assignee_id": integer,
        "delivery_date": day,
        "payment_terms": text(),
        "bill_to_address": text(),
        "ship_to_address": text(),
        "ship_via": text(),
    },
    "PO",
)
WORK_ORDER = Kind(
    "work_order_contract",
    "Work Order Contract",
    "WorkOrderContract",
    ("Draft", "Out For Bid", "Out For Signature", "Approved", "Complete", "Terminated", "Void"),
    {
        "inclusions": text(),
        "exclusions": text(),
        "contract_start_date": day,
        "contract_estimated_completion_date": day,
        "actual_completion_date": day,
    },
    "SC",
)
KINDS = {kind.name: kind for kind in (PURCHASE_ORDER, WORK_ORDER)}
LOCKING = {"Approved", "Complete"}


def is_locked(world: World, contract: Contract) -> bool:
    """Approved and Complete freeze the vendor and the schedule of values, and block deletion."""
    return world.settings.approved_locks and contract.status in LOCKING


# Headers


def create_contract(world: World, project: Project, kind: Kind, values: Item, actor: Actor) -> Contract:
    """No field is required: an empty one is a Draft with a number of its own."""
    table = kind.contracts(world.store)
    _check_header(world, project, values, table, None)
    row = Contract(
        **world.base(project.company_id, project.id),
        kind=kind.name,
        number=values.get("number") or _next_number(world, project, kind),
        accounting_method=project.accounting_method,
        private=project.private_commitments,
        currency=project.currency,
        created_by_id=actor.user_id,
    )
    table.add(row)
    world.store.contracts_of_number[row.company_id, row.number].add(row.id)
    _fill(world, project, row, values, table, actor)
    world.tell(f"{kind.resource}s", "create", row, actor)
    return row


def update_contract(world: World, row: Contract, values: Item, actor: Actor) -> Contract:
    project, kind = world.project(row.project_id or 0), KINDS[row.kind]
    table = kind.contracts(world.store)
    _check_header(world, project, values, table, row)
    _check_locks(world, project, row, values, actor)
    if "number" in values:
        numbers = world.store.contracts_of_number
        numbers[row.company_id, row.number].discard(row.id)
        row.number = values["number"] or row.number
        numbers[row.company_id, row.number].add(row.id)
    _fill(world, project, row, values, table, actor)
    world.tell(f"{kind.resource}s", "update", row, actor)
    return row


def delete_contract(world: World, row: Contract, actor: Actor) -> Contract:
    kind = KINDS[row.kind]
    if is_locked(world, row):
        raise Invalid(base=f"The contract is {row.status} and cannot be deleted")
    if any(world.store.requisitions.find(id_) for id_ in row.requisitions):
        raise Invalid(base="The contract has invoices and cannot be deleted")
    for line in list(row.lines.values()):
        _drop_line(world, row, kind, line)
    world.mark_deleted(kind.contracts(world.store), row)
    world.store.contracts_of_number[row.company_id, row.number].discard(row.id)
    world.tell(f"{kind.resource}s", "delete", row, actor)
    return row


def _check_header(world: World, project: Project, values: Item, table: Table[Contract], row: Contract | None) -> None:
    world.check_origin(table, project.company_id, values.get("origin_id"), row)
    vendor_id = values.get("vendor_id")
    if vendor_id is not None and (row is None or vendor_id != row.vendor_id):
        require_project_vendor(world, project, vendor_id)
    number_ = values.get("number")
    if world.settings.refuse_duplicate_number and number_:
        others = world.store.contracts_of_number[project.company_id, number_] - {row.id if row else 0}
        if others:
            raise Invalid(number="has already been taken")


def require_project_vendor(world: World, project: Project, vendor_id: int) -> None:
    vendor = world.store.vendors.find(vendor_id)
    if vendor is None or vendor.company_id != project.company_id:
        raise Invalid(vendor="must exist")
    if vendor_id not in project.vendors:
        raise Invalid(vendor="must be in the project directory")


def _check_locks(world: World, project: Project, row: Contract, values: Item, actor: Actor) -> None:
    if is_locked(world, row) and "vendor_id" in values and values["vendor_id"] != row.vendor_id:
        raise Invalid(vendor=f"cannot be changed while the contract is {row.status}")
    method = values.get("accounting_method", row.accounting_method)
    if method != row.accounting_method and row.lines:
        raise Invalid(accounting_method="cannot be changed once line items exist")
    status = values.get("status", row.status)
    if project.workflow_on_commitments and not actor.is_person and status != row.status:
        raise Invalid(status="is controlled by a workflow")


def _fill(world: World, project: Project, row: Contract, values: Item, table: Table[Contract], actor: Actor) -> None:
    for name in _ROW_FIELDS - {"number"}:
        if name in values and (values[name] is not None or name in ("vendor_id", "title")):
            setattr(row, name, values[name])
    if project.multicurrency:
        row.currency = values.get("currency_iso_code") or row.currency
        row.exchange_rate = values.get("currency_exchange_rate") or row.exchange_rate
    kept = {n: v for n, v in values.items() if n not in _ROW_FIELDS | _ORIGIN_FIELDS | _CURRENCY_FIELDS}
    row.values.update(kept)
    row.updated_at = world.stamp()
    world.set_origin(table, row, values, actor)


def _next_number(world: World, project: Project, kind: Kind) -> str:
    count = len(kind.contracts(world.store).of_project[project.id]) + 1
    return f"{kind.number_prefix}-{project.number}-{count:03d}"


# Schedule of values


def write_line(world: World, row: Contract, values: Item, line: Line | None, actor: Actor) -> Line:
    """Create a line, or update the one given. Refused while the contract is locked."""
    kind, project = KINDS[row.kind], world.project(row.project_id or 0)
    require_open(world, row)
    table = kind.lines(world.store)
    draft = check_line(world, project, values, table, line, lump_sum=row.accounting_method == "amount")
    before, event = (line.amount, "update") if line else (ZERO, "create")
    line = store_line(world, project, row.id, draft, table, line, actor)
    if event == "create":
        line.position = len(row.lines) + 1
        row.lines[line.id] = line
    row.total += line.amount - before
    row.updated_at = line.updated_at
    _tell_line(world, row, kind, line, event, actor)
    return line


def delete_line(world: World, row: Contract, line: Line, actor: Actor) -> Line:
    require_open(world, row)
    if any(item.this_period or item.stored for item in world.store.billings[line.id].values()):
        raise Invalid(base="The line item has been invoiced and cannot be deleted")
    kind = KINDS[row.kind]
    _drop_line(world, row, kind, line)
    row.updated_at = world.stamp()
    _tell_line(world, row, kind, line, "delete", actor)
    return line


def require_open(world: World, row: Contract) -> None:
    if is_locked(world, row):
        raise Invalid(base=f"The schedule of values cannot be changed while the contract is {row.status}")


def _drop_line(world: World, row: Contract, kind: Kind, line: Line) -> None:
    del row.lines[line.id]
    row.total -= line.amount
    world.mark_deleted(kind.lines(world.store), line)


def _tell_line(world: World, row: Contract, kind: Kind, line: Line, event: str, actor: Actor) -> None:
    world.tell(f"{kind.resource} Line Items", event, line, actor, [(row.id, f"{kind.resource}s")])


def billed(world: World, line_id: int, before: Iterable[int] | None = None) -> Decimal:
    """What requisitions bill of a line: all live ones, or only the requisitions given."""
    items = world.store.billings[line_id]
    ids = items.keys() if before is None else [id_ for id_ in before if id_ in items]
    return sum((items[id_].this_period + items[id_].stored for id_ in ids), ZERO)


# What is shown


def show_contract(world: World, row: Contract, *, extended: bool = False) -> Item:
    store, kind, project = world.store, KINDS[row.kind], world.project(row.project_id or 0)
    vendor = store.vendors.rows.get(row.vendor_id or 0)
    assignee = row.values.get("assignee_id")
    requisitions = [r for id_ in row.requisitions if (r := store.requisitions.find(id_)) is not None]
    invoiced = sum(
        (item.this_period + item.stored for r in requisitions if r.status in INVOICED for item in r.items.values()),
        ZERO,
    )
    paid = sum((payment.amount for payment in store.payments_of[row.id] if payment.deleted_at is None), ZERO)
    body: dict[str, Any] = {
        "id": row.id,
        "project": {"id": project.id, "name": project.name},
        "vendor": {
            "id": vendor.id,
            "company": vendor.name,
            "origin_id": vendor.origin_id,
            "origin_data": vendor.origin_data,
        }
        if vendor
        else None,
        "assignee": {"id": assignee} if assignee else None,
        "number": row.number,
        "title": row.title,
        "status": row.status,
        "accounting_method": row.accounting_method,
        "executed": row.executed,
        "private": row.private,
        "retainage_percent": money(row.retainage_percent),
        "origin_id": row.origin_id,
        "origin_code": row.origin_code,
        "origin_data": row.origin_data,
        **{name: _plain(row.values.get(name)) for name in kind.spec if name not in _HIDDEN},
        **{name: _plain(value) for name, value in row.values.items() if name.startswith("custom_field_")},
        "grand_total": money(row.total),
        "approved_change_orders": "0.0",
        "pending_change_orders": "0.0",
        "draft_change_orders_amount": "0.0",
        "revised_contract": money(row.total),
        "pending_revised_contract": money(row.total),
        "percentage_paid": money((paid * 100 / row.total).quantize(Decimal("0.01"))) if row.total else "0.0",
        "remaining_balance_outstanding": money(row.total - paid),
        "total_payments": money(paid),
        "total_draw_requests_amount": money(invoiced),
        "total_requisitions_amount": money(invoiced),
        "requisitions_are_enabled": row.requisitions_are_enabled,
        "billing_schedule_of_values_status": "approved",
        "show_line_items_to_non_admins": False,
        "signed_contract_received_date": None,
        "currency_configuration": {
            "currency_iso_code": row.currency,
            "base_currency_iso_code": world.company(row.company_id).currency,
            "currency_exchange_rate": money(row.exchange_rate),
        },
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "deleted_at": row.deleted_at,
        "created_by_id": row.created_by_id,
    }
    if extended:
        body["line_items"] = [show_line(world, line, kind.holder_type) for line in row.lines.values()]
    return body


_HIDDEN = (
    _ROW_FIELDS
    | _ORIGIN_FIELDS
    | _CURRENCY_FIELDS
    | {
        "assignee_id",
        "upload_ids",
        "invoice_contact_user_ids",
        CUSTOM_FIELDS,
    }
)


def _plain(value: Any) -> Any:
    return money(value) if isinstance(value, Decimal) else value
