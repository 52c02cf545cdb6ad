"""The whole store as plain JSON, deleted records included, for comparisons that share no code with a client."""

from typing import Any

from .budget import budget_rows, show_budget_line
from .commitment_routes import show_payment
from .commitments import KINDS, Kind, show_contract
from .costs import show_cost_code, show_line_item_type, show_wbs_code
from .direct_costs import HOLDER, show_direct_cost
from .directory import show_project, show_vendor
from .lines import show_line
from .requisitions import show_period, show_requisition
from .store import Record, Table
from .sync import Item
from .world import World


def dump(world: World) -> dict[str, list[Item]]:
    """Collections by their API names. `origin_owner` tells who wrote an origin_id; `deleted_at` marks deletions."""
    store = world.store
    return {
        "companies": [
            {"id": row.id, "name": row.name, "connected": row.connected} for row in store.companies.rows.values()
        ],
        "projects": [
            show_project(world, row)
            | {
                "permitted": row.permitted,
                "tools": sorted(row.tools),
                "vendor_ids": sorted(row.vendors),
                "currency_iso_code": row.currency,
                "accounting_method": row.accounting_method,
            }
            for row in store.projects.rows.values()
        ],
        "vendors": _rows(store.vendors, show_vendor),
        "line_item_types": _rows(store.line_item_types, show_line_item_type),
        "cost_codes": _rows(store.cost_codes, lambda row: show_cost_code(world, row) | {"active": row.active}),
        "wbs_codes": _rows(store.wbs_codes, lambda row: show_wbs_code(world, row)),
        "budget_line_items": _rows(store.budget_lines, lambda row: show_budget_line(world, row)),
        **{name: rows for kind in KINDS.values() for name, rows in _commitments(world, kind).items()},
        "direct_costs": _rows(store.direct_costs, lambda row: show_direct_cost(world, row, with_lines=True)),
        "direct_cost_line_items": _rows(store.direct_cost_lines, lambda row: show_line(world, row, HOLDER)),
        "billing_periods": _rows(store.billing_periods, show_period),
        "requisitions": _rows(store.requisitions, lambda row: show_requisition(world, row, view="items")),
        "contract_payments": _rows(store.payments, show_payment),
        "budget": [
            {"project_id": project.id, "project_number": project.number, **row}
            for project in store.projects.rows.values()
            for row in budget_rows(world, project)
        ],
        "webhook_deliveries": [
            {"hook_id": hook.id, "status": notice.status, "attempts": notice.attempts, "event": notice.body}
            for hook in world.webhooks.hooks.values()
            for notice in hook.deliveries
        ],
    }


def _commitments(world: World, kind: Kind) -> dict[str, list[Item]]:
    return {
        f"{kind.name}s": _rows(kind.contracts(world.store), lambda row: show_contract(world, row, extended=True)),
        f"{kind.name}_line_items": _rows(kind.lines(world.store), lambda row: show_line(world, row, kind.holder_type)),
    }


def _rows(table: Table[Any], show: Any) -> list[Item]:
    return [show(row) | _marks(row) for row in table.rows.values()]


def _marks(row: Record) -> Item:
    return {"project_id": row.project_id, "origin_owner": row.origin_owner, "deleted_at": row.deleted_at}
