"""The budget: lines per budget code, and what commitments, invoices and direct costs roll up into."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .api import Call, Endpoint, Reply
from .costs import brief_cost_code, brief_wbs_code, show_line_item_type, wbs_code_of
from .errors import ApiError, Invalid
from .fields import choice, integer, money, number, text
from .store import ZERO, BudgetLine, Contract, Project, WbsCode
from .sync import Item, updates_of
from .world import Actor, World

BUDGET_SPEC = {
    "wbs_code_id": integer,
    "cost_code_id": integer,
    "line_item_type_id": integer,
    "original_budget_amount": number,
    "uom": text(),
    "quantity": number,
    "unit_cost": number,
    "calculation_strategy": choice("automatic", "manual"),
    "origin_id": text(),
    "origin_data": text(),
}

COMMITTED = {"Partially Received", "Approved", "Complete"}
PENDING = {"Processing", "Submitted", "Received", "Out For Bid", "Out For Signature"}
PENDING_AND_PROJECTED = {"Processing", "Received", "Out For Signature"}
INVOICED = {"approved", "approved_as_noted"}
"""Requisitions in these states are job-to-date cost."""


@dataclass(slots=True)
class Totals:
    """One budget code's columns of the standard budget view."""

    original: Decimal = ZERO
    committed: Decimal = ZERO
    pending: Decimal = ZERO
    pending_projected: Decimal = ZERO
    invoiced_on_commitments: Decimal = ZERO
    direct_costs: Decimal = ZERO
    subcontractor_invoices: Decimal = ZERO
    """The part of direct_costs of type subcontractor_invoice, which doubles what a commitment already projects."""


def roll_up(world: World, project: Project) -> dict[int, Totals]:
    """Totals by WBS code. Draft and Closed commitments and draft direct costs have no effect."""
    totals: defaultdict[int, Totals] = defaultdict(Totals)
    store = world.store
    for budget_line in store.budget_lines.live(project.id):
        totals[budget_line.wbs_code_id].original += budget_line.amount
    for contracts in (store.purchase_orders, store.work_orders):
        for contract in contracts.live(project.id):
            _add_contract(totals, contract)
    for requisition in store.requisitions.live(project.id):
        if requisition.status in INVOICED:
            for item in requisition.items.values():
                line = store.purchase_order_lines.rows.get(item.line_item_id)
                line = line or store.work_order_lines.rows[item.line_item_id]
                totals[line.wbs_code_id].invoiced_on_commitments += item.this_period + item.stored
    for cost in store.direct_costs.live(project.id):
        if cost.status != "draft":
            for line in cost.lines.values():
                totals[line.wbs_code_id].direct_costs += line.amount
                if cost.direct_cost_type == "subcontractor_invoice":
                    totals[line.wbs_code_id].subcontractor_invoices += line.amount
    return totals


def _add_contract(totals: defaultdict[int, Totals], contract: Contract) -> None:
    if contract.status not in COMMITTED and contract.status not in PENDING:
        return
    for line in contract.lines.values():
        row = totals[line.wbs_code_id]
        if contract.status in COMMITTED:
            row.committed += line.amount
        else:
            row.pending += line.amount
            if contract.status in PENDING_AND_PROJECTED:
                row.pending_projected += line.amount


def columns(project: Project, totals: Totals) -> dict[str, str | None]:
    """The standard view's columns. Projected Costs count a subcontractor_invoice twice unless the view excludes it."""
    counted = totals.direct_costs
    if project.excludes_subcontractor_invoices:
        counted -= totals.subcontractor_invoices
    return {
        "original_budget_amount": money(totals.original),
        "committed_costs": money(totals.committed),
        "pending_cost_changes": money(totals.pending),
        "direct_costs": money(totals.direct_costs),
        "commitment_invoiced": money(totals.invoiced_on_commitments),
        "job_to_date_costs": money(totals.direct_costs + totals.invoiced_on_commitments),
        "projected_costs": money(totals.committed + totals.pending_projected + counted),
    }


def budget_rows(world: World, project: Project) -> list[Item]:
    rows = []
    for id_, totals in sorted(roll_up(world, project).items()):
        code = world.store.wbs_codes.rows[id_]
        budget_line = world.store.budget_of_wbs.get(id_)
        rows.append(
            {
                "id": budget_line.id if budget_line else None,
                "cost_code": brief_cost_code(world.store.cost_codes.rows[code.cost_code_id]),
                "line_item_type": show_line_item_type(world.store.line_item_types.rows[code.line_item_type_id]),
                "wbs_code": brief_wbs_code(code),
                **columns(project, totals),
            }
        )
    return rows


# Budget lines


def require_budget_line(world: World, project: Project, code: WbsCode) -> None:
    """A code used for the first time gets a $0 budget line; older projects refuse instead."""
    if code.id in world.store.budget_of_wbs:
        return
    if not project.auto_budget_lines:
        raise Invalid(wbs_code="is not in the budget of the project")
    _add(world, project, BudgetLine(**world.base(project.company_id, project.id), wbs_code_id=code.id))


def _add(world: World, project: Project, row: BudgetLine) -> BudgetLine:
    world.store.budget_lines.add(row)
    world.store.budget_of_wbs[row.wbs_code_id] = row
    return row


def create_budget_line(world: World, project: Project, values: Item, actor: Actor) -> BudgetLine:
    if project.budget_locked:
        raise Invalid(base="The budget is locked")
    code = wbs_code_of(world, project, values)
    row = world.store.budget_of_wbs.get(code.id)
    if row is not None:
        raise Invalid(wbs_code="already has a budget line item")
    world.check_origin(world.store.budget_lines, project.company_id, values.get("origin_id"))
    row = _add(world, project, BudgetLine(**world.base(project.company_id, project.id), wbs_code_id=code.id))
    _fill(world, row, values, actor)
    world.tell("Budget Line Items", "create", row, actor)
    return row


def update_budget_line(world: World, project: Project, row: BudgetLine, values: Item, actor: Actor) -> BudgetLine:
    if project.budget_locked:
        raise Invalid(base="The budget is locked")
    world.check_origin(world.store.budget_lines, project.company_id, values.get("origin_id"), row)
    _fill(world, row, values, actor)
    world.tell("Budget Line Items", "update", row, actor)
    return row


def _fill(world: World, row: BudgetLine, values: Item, actor: Actor) -> None:
    row.quantity = values.get("quantity", row.quantity)
    row.unit_cost = values.get("unit_cost", row.unit_cost)
    row.uom = values.get("uom", row.uom)
    row.calculation_strategy = values.get("calculation_strategy", row.calculation_strategy)
    if row.calculation_strategy == "automatic":
        row.amount = (row.quantity or ZERO) * (row.unit_cost or ZERO)
    elif values.get("original_budget_amount") is not None:
        row.amount = values["original_budget_amount"]
    row.updated_at = world.stamp()
    world.set_origin(world.store.budget_lines, row, values, actor)


def show_budget_line(world: World, row: BudgetLine) -> Item:
    code = world.store.wbs_codes.rows[row.wbs_code_id]
    return {
        "id": row.id,
        "wbs_code": brief_wbs_code(code),
        "cost_code": brief_cost_code(world.store.cost_codes.rows[code.cost_code_id]),
        "line_item_type": show_line_item_type(world.store.line_item_types.rows[code.line_item_type_id]),
        "original_budget_amount": money(row.amount),
        "uom": row.uom,
        "quantity": money(row.quantity),
        "unit_cost": money(row.unit_cost),
        "calculation_strategy": row.calculation_strategy,
        "origin_id": row.origin_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


# Requests


def _list_lines(call: Call) -> Reply:
    rows = list(call.world.store.budget_lines.live(call.project("budget").id))
    return call.page(rows, lambda row: show_budget_line(call.world, row))


def _line(call: Call, project: Project) -> BudgetLine:
    row = call.world.store.budget_lines.find(call.id(), project=project.id)
    if row is None:
        raise ApiError(404, "Budget line item not found")
    return row


def _show(call: Call) -> Item:
    return show_budget_line(call.world, _line(call, call.project("budget")))


def _create(call: Call) -> Item:
    project = call.project("budget")
    values = call.fields(BUDGET_SPEC, call.wrapped("budget_line_item"))
    return show_budget_line(call.world, create_budget_line(call.world, project, values, call.actor))


def _update(call: Call) -> Item:
    project = call.project("budget")
    row, values = _line(call, project), call.fields(BUDGET_SPEC, call.wrapped("budget_line_item"))
    return show_budget_line(call.world, update_budget_line(call.world, project, row, values, call.actor))


def _sync(call: Call) -> Any:
    """POST, array `budget_line_items`, and a plain array back: unlike every other sync."""
    project, world = call.project("budget"), call.world
    result = []
    for item in updates_of(call, "budget_line_items"):
        values = call.fields(BUDGET_SPEC, item)
        row = world.store.budget_lines.find(item.get("id"), project=project.id)
        if row is None and item.get("origin_id"):
            row = world.by_origin(world.store.budget_lines, project.company_id, project.id, str(item["origin_id"]))
        if row is None:
            row = create_budget_line(world, project, values, call.actor)
        else:
            update_budget_line(world, project, row, values, call.actor)
        result.append(show_budget_line(world, row))
    return result


def _list_views(call: Call) -> Reply:
    project = call.project("budget")
    return call.page([project], lambda row: {"id": row.view_id, "name": "Standard Budget View", "project_id": row.id})


def _detail_rows(call: Call) -> Reply:
    project = call.project("budget")
    if call.id() != project.view_id:
        raise ApiError(404, "Budget view not found")
    return call.page(budget_rows(call.world, project), lambda row: row)


ENDPOINTS = [
    Endpoint("POST", "/rest/v1.0/budget_line_items/sync", _sync, "budget"),
    *(
        endpoint
        for version in ("v1.0", "v1.1")
        for endpoint in (
            Endpoint("GET", f"/rest/{version}/budget_line_items", _list_lines, "budget"),
            Endpoint("POST", f"/rest/{version}/budget_line_items", _create, "budget", 201),
            Endpoint("GET", f"/rest/{version}/budget_line_items/{{id}}", _show, "budget"),
            Endpoint("PATCH", f"/rest/{version}/budget_line_items/{{id}}", _update, "budget"),
        )
    ),
    Endpoint("GET", "/rest/v1.0/budget_views", _list_views, "budget"),
    Endpoint("GET", "/rest/v1.0/budget_views/{id}/detail_rows", _detail_rows, "budget"),
]
