"""Requests about requisitions and billing periods. Requisitions have no sync: look up by origin_id, then create."""

from functools import partial
from typing import Any

from .api import Call, Endpoint, Reply
from .errors import ApiError, Invalid
from .fields import day
from .query import within
from .requisitions import (
    ITEM_SPEC,
    PERIOD_SPEC,
    SPEC,
    create_period,
    create_requisition,
    delete_requisition,
    show_items,
    show_period,
    show_requisition,
    update_requisition,
)
from .store import BillingPeriod, Requisition
from .sync import Item


def _filtered(call: Call) -> list[Requisition]:
    project, filters, table = call.project("invoicing"), call.filters(), call.world.store.requisitions
    ids, origins, commitments = filters.ids("id"), filters.texts("origin_id"), filters.ids("commitment_id")
    if ids is not None:
        rows = [row for id_ in ids if (row := table.find(id_, project=project.id)) is not None]
    elif origins is not None:
        hits = [table.of_origin.get((project.company_id, origin)) for origin in origins]
        rows = [row for row in hits if row is not None and row.project_id == project.id and not row.deleted_at]
    elif commitments is not None:
        contracts = [call.world.store.commitment(id_, project.id) for id_ in commitments]
        found = [table.find(id_) for contract in contracts if contract is not None for id_ in contract.requisitions]
        rows = [row for row in found if row is not None]
    else:
        rows = list(table.live(project.id))
    if commitments is not None:
        rows = [row for row in rows if row.commitment_id in commitments]
    if (periods := filters.ids("period_id")) is not None:
        rows = [row for row in rows if row.period_id in periods]
    if (statuses := filters.texts("status")) is not None:
        rows = [row for row in rows if row.status in statuses]
    if (is_last := filters.one("is_last")) is not None:
        rows = [row for row in rows if show_requisition(call.world, row)["is_last"] == (is_last == "true")]
    for name in ("created_at", "updated_at"):
        if (bounds := filters.range(name)) is not None:
            rows = [row for row in rows if within(getattr(row, name), bounds)]
    return rows


def _list(version: str, call: Call) -> Reply:
    view = call.query.get("view", "default")
    show = partial(show_requisition, call.world, view=view, version=version)
    return call.page(_filtered(call), lambda row: show(row), default=30)


def _row(call: Call) -> Requisition:
    project = call.project("invoicing")
    row = call.world.store.requisitions.find(call.id(), project=project.id)
    if row is None:
        raise ApiError(404, "Invoice not found")
    return row


def _show(version: str, call: Call) -> Item:
    return show_requisition(call.world, _row(call), view=call.query.get("view", "default"), version=version)


def _read(version: str, call: Call) -> tuple[Item, list[Item]]:
    """The header's fields and the items; v1.0 takes no items."""
    attributes = call.wrapped("requisition")
    raw = (attributes.get("items") or []) if version == "v1.1" else []
    values = call.fields(SPEC, {name: value for name, value in attributes.items() if name != "items"})
    return values, [call.fields(ITEM_SPEC, item) for item in raw]


def _create(version: str, call: Call) -> Item:
    project, raw = call.project("invoicing"), call.params.get("commitment_id")
    if raw is None:
        raise ApiError(400, "commitment_id is required", {"commitment_id": ["is missing"]})
    contract = call.world.store.commitment(int(raw) if str(raw).isdecimal() else 0, project.id)
    if contract is None:
        raise Invalid(commitment="must exist")
    values, items = _read(version, call)
    row = create_requisition(call.world, project, contract, values, items, call.actor)
    return show_requisition(call.world, row, view=call.query.get("view", "items"), version=version)


def _update(version: str, call: Call) -> Item:
    row = _row(call)
    values, items = _read(version, call)
    update_requisition(call.world, row, values, items, call.actor)
    return show_requisition(call.world, row, view=call.query.get("view", "items"), version=version)


def _delete(call: Call) -> Reply:
    delete_requisition(call.world, _row(call), call.actor)
    return call.deleted()


def _list_items(call: Call) -> Reply:
    return call.page(show_items(call.world, _row(call)), lambda item: item)


def _bulk_item_update(call: Call) -> Any:
    raw = call.body.get("requisition_items")
    if not isinstance(raw, list):
        raise ApiError(400, "requisition_items is required", {"requisition_items": ["is missing"]})
    items = [call.fields(ITEM_SPEC, item) for item in raw]
    row = update_requisition(call.world, _row(call), {}, items, call.actor)
    return {"requisition_items": show_items(call.world, row)}


def _payment_details(call: Call) -> Item:
    row = _row(call)
    row.values |= call.fields({"due_date": day}, call.body)
    row.updated_at = call.world.stamp()
    return {"data": {"id": str(row.id), "due_date": row.values.get("due_date")}}


# Billing periods


def _list_periods(call: Call) -> Reply:
    rows: list[BillingPeriod] = list(call.world.store.billing_periods.live(call.project().id))
    if (statuses := call.filters().texts("status")) is not None:
        rows = [row for row in rows if row.status in statuses]
    return call.page(rows, show_period)


def _create_period(call: Call) -> Item:
    project = call.project("invoicing")
    values = call.fields(PERIOD_SPEC, call.wrapped("billing_period"))
    return show_period(create_period(call.world, project, values))


def _endpoints(version: str) -> list[Endpoint]:
    base = f"/rest/{version}/requisitions"
    return [
        Endpoint("GET", base, partial(_list, version), "requisitions"),
        Endpoint("POST", base, partial(_create, version), "requisitions", 201),
        Endpoint("GET", f"{base}/{{id}}", partial(_show, version), "requisitions"),
        Endpoint("PATCH", f"{base}/{{id}}", partial(_update, version), "requisitions"),
        Endpoint("DELETE", f"{base}/{{id}}", _delete, "requisitions"),
    ]


_V2 = "/rest/v2.0/companies/{company_id}/projects/{project_id}/requisitions"
ENDPOINTS = [
    *_endpoints("v1.0"),
    *_endpoints("v1.1"),
    Endpoint("GET", "/rest/v1.0/requisitions/{id}/contract_items", _list_items, "requisitions"),
    Endpoint("PATCH", "/rest/v1.0/requisitions/{id}/bulk_item_update", _bulk_item_update, "requisitions"),
    Endpoint("PATCH", f"{_V2}/{{id}}/payment_details", _payment_details, "v2"),
    Endpoint("GET", "/rest/v1.0/projects/{project_id}/billing_periods", _list_periods, "requisitions"),
    Endpoint("POST", "/rest/v1.0/projects/{project_id}/billing_periods", _create_period, "requisitions", 201),
]
