"""Financial lines: what a schedule-of-values line and a direct cost line have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from .budget import require_budget_line
from .costs import brief_cost_code, brief_wbs_code, show_line_item_type, wbs_code_of
from .errors import Invalid
from .fields import CENT, choice, integer, money, number, text
from .store import ZERO, Line, Project, Table, WbsCode
from .world import Actor, World

LINE_SPEC = {
    "wbs_code_id": integer,
    "cost_code_id": integer,
    "line_item_type_id": integer,
    "description": text(),
    "quantity": number,
    "unit_cost": number,
    "amount": number,
    "uom": text(),
    "extended_type": choice("manual", "calculated"),
    "tax_code_id": integer,
    "origin_id": text(),
    "origin_data": text(),
}
_MEASURES = ("quantity", "unit_cost", "uom")


@dataclass(frozen=True, slots=True)
class Draft:
    """A line checked against every rule, not yet stored: applying it cannot fail."""

    code: WbsCode
    values: dict[str, Any]
    quantity: Decimal | None
    unit_cost: Decimal | None
    uom: str | None
    extended_type: str
    amount: Decimal


def check_line(
    world: World,
    project: Project,
    values: dict[str, Any],
    table: Table[Line],
    line: Line | None = None,
    *,
    lump_sum: bool = False,
) -> Draft:
    """Raises Invalid on a bad budget code, unit, tax code or origin_id. `lump_sum`: accounting method `amount`."""
    if lump_sum:
        values = _without_measures(world, values)
    code = wbs_code_of(world, project, values, line.wbs_code_id if line else None)
    require_budget_line(world, project, code)
    world.check_origin(table, project.company_id, values.get("origin_id"), line)
    uom = values.get("uom", line.uom if line else None)
    if uom is not None and uom not in world.company(project.company_id).uoms:
        raise Invalid(uom="is not included in the list")
    tax = world.store.tax_codes.find(values.get("tax_code_id"))
    if values.get("tax_code_id") is not None and (tax is None or tax.company_id != project.company_id):
        raise Invalid(tax_code="must exist")
    quantity = values.get("quantity", line.quantity if line else None)
    unit_cost = values.get("unit_cost", line.unit_cost if line else None)
    extended_type = _extended_type(values, line)
    if extended_type == "calculated":
        amount = ((quantity or ZERO) * (unit_cost or ZERO)).quantize(CENT, ROUND_HALF_UP)
    else:
        given = values.get("amount", line.amount if line else ZERO)
        amount = (given if given is not None else ZERO).quantize(CENT, ROUND_HALF_UP)
    return Draft(code, values, quantity, unit_cost, uom, extended_type, amount)


def _without_measures(world: World, values: Mapping[str, Any]) -> dict[str, Any]:
    if world.settings.amount_contract_quantity == "reject":
        for name in _MEASURES:
            if values.get(name) is not None:
                raise Invalid(**{name: "is only accepted on unit-based contracts"})
    return {name: value for name, value in values.items() if name not in _MEASURES} | {"extended_type": "manual"}


def _extended_type(values: Mapping[str, Any], line: Line | None) -> str:
    """Stated, or kept, or decided by what was sent: quantity and unit cost without an amount are calculated."""
    if values.get("extended_type"):
        return str(values["extended_type"])
    if line is not None:
        return line.extended_type
    measured = values.get("quantity") is not None and values.get("unit_cost") is not None
    return "calculated" if measured and values.get("amount") is None else "manual"


def store_line(
    world: World, project: Project, holder_id: int, draft: Draft, table: Table[Line], line: Line | None, actor: Actor
) -> Line:
    """Write a checked draft into a new line, or into the one given."""
    if line is None:
        line = Line(**world.base(project.company_id, project.id), holder_id=holder_id, wbs_code_id=draft.code.id)
        table.add(line)
    line.wbs_code_id = draft.code.id
    line.quantity, line.unit_cost, line.uom = draft.quantity, draft.unit_cost, draft.uom
    line.extended_type, line.amount = draft.extended_type, draft.amount
    line.description = draft.values.get("description", line.description)
    line.tax_code_id = draft.values.get("tax_code_id", line.tax_code_id)
    line.updated_at = world.stamp()
    world.set_origin(table, line, draft.values, actor)
    return line


def show_line(world: World, line: Line, holder_type: str) -> dict[str, Any]:
    store = world.store
    project, code = world.project(line.project_id or 0), store.wbs_codes.rows[line.wbs_code_id]
    company = world.company(line.company_id)
    return {
        "id": line.id,
        "amount": money(line.amount),
        "total_amount": money(line.amount),
        "extended_amount": money(line.amount),
        "quantity": money(line.quantity),
        "unit_cost": money(line.unit_cost),
        "extended_type": line.extended_type,
        "uom": line.uom,
        "position": line.position,
        "description": line.description,
        "tax_code_id": line.tax_code_id,
        "origin_id": line.origin_id,
        "origin_data": line.origin_data,
        "holder": {"id": line.holder_id, "holder_type": holder_type},
        "company": {"id": company.id, "name": company.name},
        "project": {"id": project.id, "name": project.name},
        "cost_code": brief_cost_code(store.cost_codes.rows[code.cost_code_id]),
        "line_item_type": show_line_item_type(store.line_item_types.rows[code.line_item_type_id]),
        "wbs_code": brief_wbs_code(code),
        "currency_configuration": {"currency_iso_code": project.currency},
        "created_at": line.created_at,
        "updated_at": line.updated_at,
    }
