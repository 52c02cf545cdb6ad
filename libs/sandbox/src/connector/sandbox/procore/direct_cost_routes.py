"""Requests about direct costs: v1.1 with inline lines, v1.0 with lines and sync of their own."""

from collections.abc import Hashable
from typing import Any

from .api import Call, Endpoint, Reply
from .direct_costs import (
    HOLDER,
    SPEC,
    create_direct_cost,
    delete_direct_cost,
    delete_line,
    require_writable,
    show_direct_cost,
    update_direct_cost,
    write_line,
)
from .errors import ApiError, Invalid
from .fields import integer, number, opaque
from .lines import LINE_SPEC, show_line
from .query import within
from .store import DirectCost, Line
from .sync import Item, Sync, updates_of

INLINE_LIMIT = 100
INLINE_SPEC = {n: p for n, p in LINE_SPEC.items() if n not in ("amount", "extended_type")} | {
    "manual_amount": number,
    "ref": opaque,
}
"""A line inside a v1.1 direct cost: its amount is manual_amount, or quantity times unit_cost."""
PATCH_11_SPEC = {name: parser for name, parser in SPEC.items() if name != "invoice_number"}
SYNC_LINE_SPEC = LINE_SPEC | {"direct_cost_id": integer}


# Headers


def _filtered(call: Call) -> list[DirectCost]:
    project, filters, table = call.project("direct_costs"), call.filters(), call.world.store.direct_costs
    ids, origins = filters.ids("id"), filters.texts("origin_id")
    numbers = filters.texts("invoice_number", comma=False)
    if ids is not None:
        rows = [row for id_ in ids if (row := table.find(id_, project=project.id)) is not None]
    elif origins is not None:
        hits = [table.of_origin.get((project.company_id, origin)) for origin in origins]
        rows = [row for row in hits if row is not None and row.project_id == project.id and not row.deleted_at]
    elif numbers is not None:
        found = [call.world.store.direct_costs_of_number[project.id, text] for text in numbers]
        rows = [table.rows[id_] for group in found for id_ in sorted(group)]
    else:
        rows = list(table.live(project.id))
    if numbers is not None:
        rows = [row for row in rows if row.invoice_number in numbers]
    for name in ("created_at", "updated_at"):
        if (bounds := filters.range(name)) is not None:
            rows = [row for row in rows if within(getattr(row, name), bounds)]
    for name in ("payment_date", "received_date"):
        if (bounds := filters.range(name)) is not None:
            days = (bounds[0][:10], bounds[1][:10])
            rows = [row for row in rows if within(row.values.get(name), days)]
    return rows


def _list(call: Call) -> Reply:
    return call.page(_filtered(call), lambda row: show_direct_cost(call.world, row))


def _row(call: Call) -> DirectCost:
    project = call.project("direct_costs")
    row = call.world.store.direct_costs.find(call.id(), project=project.id)
    if row is None:
        raise ApiError(404, "Direct cost not found")
    return row


def _show(call: Call) -> Item:
    return show_direct_cost(call.world, _row(call), with_lines=True)


async def _create_11(call: Call) -> Item:
    project, attributes = call.project("direct_costs"), call.wrapped("direct_cost")
    raw = attributes.get("line_items") or []
    if len(raw) > INLINE_LIMIT:
        raise Invalid(line_items=f"at most {INLINE_LIMIT} line items per request")
    values = call.fields(SPEC, {n: v for n, v in attributes.items() if n != "line_items"})
    lines = [call.fields(INLINE_SPEC, line) for line in raw]
    refs = [line.pop("ref", None) for line in lines]
    if any(line.get("wbs_code_id") is None for line in lines):
        raise Invalid(wbs_code="can't be blank")
    async with call.world.alone(_origin_keys(call, [attributes])):
        row = create_direct_cost(call.world, project, values, lines, call.actor)
    body = show_direct_cost(call.world, row, with_lines=True)
    for shown, ref in zip(body["line_items"], refs, strict=True):
        shown["ref"] = ref
    return body


async def _create_10(call: Call) -> Item:
    project, attributes = call.project("direct_costs"), call.wrapped("item")
    values = call.fields(SPEC, attributes)
    async with call.world.alone(_origin_keys(call, [attributes])):
        return show_direct_cost(call.world, create_direct_cost(call.world, project, values, [], call.actor))


async def _update_11(call: Call) -> Item:
    row, values = _row(call), call.fields(PATCH_11_SPEC, call.wrapped("direct_cost"))
    return await _updated(call, row, values, with_lines=True)


async def _update_10(call: Call) -> Item:
    row, values = _row(call), call.fields(SPEC, call.wrapped("item"))
    return await _updated(call, row, values, with_lines=False)


async def _updated(call: Call, row: DirectCost, values: Item, *, with_lines: bool) -> Item:
    async with call.world.alone({row.id}):
        require_writable(call.world, row, call.actor, by_sync=False)
        update_direct_cost(call.world, row, values, call.actor)
    return show_direct_cost(call.world, row, with_lines=with_lines)


async def _delete(call: Call) -> Reply:
    row = _row(call)
    async with call.world.alone({row.id}):
        require_writable(call.world, row, call.actor, by_sync=False, deleting=True)
        delete_direct_cost(call.world, row, call.actor)
    return call.deleted()


def _origin_keys(call: Call, items: list[Item]) -> set[Hashable]:
    """Two requests that create the same direct cost overlap too."""
    return {("origin", call.company_id, item["origin_id"]) for item in items if item.get("origin_id")}


async def _sync(call: Call) -> Any:
    project, world, items = call.project("direct_costs"), call.world, updates_of(call)
    table = world.store.direct_costs

    def update(row: DirectCost, item: Item) -> DirectCost:
        require_writable(world, row, call.actor, by_sync=True)
        return update_direct_cost(world, row, call.fields(SPEC, item), call.actor)

    sync = Sync(
        table,
        project.id,
        create=lambda item: create_direct_cost(world, project, call.fields(SPEC, item), [], call.actor),
        update=update,
        render=lambda row: show_direct_cost(world, row),
    )
    origins = [str(item["origin_id"]) for item in items if item.get("origin_id")]
    known = [world.by_origin(table, project.company_id, project.id, origin) for origin in origins]
    keys = _origin_keys(call, items) | {row.id for row in known if row} | {_integer(item.get("id")) for item in items}
    async with world.alone(keys - {None}):
        return sync.run(call, items)


# Lines


def _list_all_lines(call: Call) -> Reply:
    project, filters = call.project("direct_costs"), call.filters()
    rows = call.world.store.direct_costs
    if (holders := filters.ids("direct_cost_id")) is not None:
        found = [rows.find(id_, project=project.id) for id_ in holders]
        lines = [line for row in found if row is not None for line in row.lines.values()]
    else:
        lines = [line for row in rows.live(project.id) for line in row.lines.values()]
    return call.page(lines, lambda line: show_line(call.world, line, HOLDER))


def _list_lines(call: Call) -> Reply:
    return call.page(list(_row(call).lines.values()), lambda line: show_line(call.world, line, HOLDER))


def _line(call: Call, row: DirectCost) -> Line:
    line = row.lines.get(call.id("line_id"))
    if line is None:
        raise ApiError(404, "Line item not found")
    return line


async def _create_line(call: Call) -> Item:
    row, values = _row(call), call.fields(LINE_SPEC, call.wrapped("line_item"))
    async with call.world.alone({row.id}):
        require_writable(call.world, row, call.actor, by_sync=False)
        return show_line(call.world, write_line(call.world, row, values, None, call.actor), HOLDER)


async def _update_line(call: Call) -> Item:
    row = _row(call)
    line, values = _line(call, row), call.fields(LINE_SPEC, call.wrapped("line_item"))
    async with call.world.alone({row.id}):
        require_writable(call.world, row, call.actor, by_sync=False)
        return show_line(call.world, write_line(call.world, row, values, line, call.actor), HOLDER)


async def _delete_line(call: Call) -> Reply:
    row = _row(call)
    line = _line(call, row)
    async with call.world.alone({row.id}):
        require_writable(call.world, row, call.actor, by_sync=False, deleting=True)
        delete_line(call.world, row, line, call.actor)
    return call.deleted()


async def _sync_lines(call: Call) -> Any:
    """Lines of many direct costs in one batch: each names its direct_cost_id."""
    project, world, items = call.project("direct_costs"), call.world, updates_of(call)

    def holder(item: Item) -> DirectCost:
        row = world.store.direct_costs.find(_integer(item.get("direct_cost_id")), project=project.id)
        if row is None:
            raise Invalid(direct_cost="must exist")
        require_writable(world, row, call.actor, by_sync=True)
        return row

    def update(line: Line, item: Item) -> Line:
        row = holder({"direct_cost_id": line.holder_id} | item)
        if row.id != line.holder_id:
            raise Invalid(direct_cost="is not the direct cost of this line item")
        return write_line(world, row, call.fields(SYNC_LINE_SPEC, item), line, call.actor)

    sync = Sync(
        world.store.direct_cost_lines,
        project.id,
        create=lambda item: write_line(world, holder(item), call.fields(SYNC_LINE_SPEC, item), None, call.actor),
        update=update,
        render=lambda line: show_line(world, line, HOLDER),
    )
    holders: set[Hashable] = {_integer(item.get("direct_cost_id")) for item in items}
    async with world.alone(holders - {None}):
        return sync.run(call, items)


def _integer(value: Any) -> int | None:
    try:
        return integer(value)
    except ValueError:
        return None


_V10 = "/rest/v1.0/projects/{project_id}/direct_costs"
_V11 = "/rest/v1.1/projects/{project_id}/direct_costs"
ENDPOINTS = [
    Endpoint("GET", _V11, _list, "direct_costs"),
    Endpoint("POST", _V11, _create_11, "direct_costs", 201),
    Endpoint("GET", f"{_V11}/{{id}}", _show, "direct_costs"),
    Endpoint("PATCH", f"{_V11}/{{id}}", _update_11, "direct_costs"),
    Endpoint("DELETE", f"{_V11}/{{id}}", _delete, "direct_costs"),
    Endpoint("GET", _V10, _list, "direct_costs"),
    Endpoint("POST", _V10, _create_10, "direct_costs", 201),
    Endpoint("PATCH", f"{_V10}/sync", _sync, "direct_costs"),
    Endpoint("PATCH", f"{_V10}/line_items/sync", _sync_lines, "direct_costs"),
    Endpoint("GET", f"{_V10}/line_items", _list_all_lines, "direct_costs"),
    Endpoint("GET", f"{_V10}/{{id}}", _show, "direct_costs"),
    Endpoint("PATCH", f"{_V10}/{{id}}", _update_10, "direct_costs"),
    Endpoint("DELETE", f"{_V10}/{{id}}", _delete, "direct_costs"),
    Endpoint("GET", f"{_V10}/{{id}}/line_items", _list_lines, "direct_costs"),
    Endpoint("POST", f"{_V10}/{{id}}/line_items", _create_line, "direct_costs", 201),
    Endpoint("PATCH", f"{_V10}/{{id}}/line_items/{{line_id}}", _update_line, "direct_costs"),
    Endpoint("DELETE", f"{_V10}/{{id}}/line_items/{{line_id}}", _delete_line, "direct_costs"),
]
