"""Cost codes, cost types, sub jobs and the work breakdown structure (budget codes) of a project."""

from typing import Any

from .api import Call, Endpoint, Reply
from .errors import ApiError, Invalid
from .fields import integer, text
from .query import within
from .store import Company, CostCode, LineItemType, Project, SubJob, WbsCode
from .sync import Item, Sync, updates_of
from .world import Actor, World

COST_CODE_SPEC = {
    "code": text(255),
    "name": text(255),
    "parent_id": integer,
    "standard_cost_code_id": integer,
    "origin_id": text(),
    "origin_data": text(),
}
SEGMENTS = {
    "cost_code": ("Cost Code", "tiered"),
    "line_item_type": ("Cost Type", "flat"),
    "sub_job": ("Sub Job", "flat"),
}


# Operations


def create_cost_code(world: World, project: Project, values: Item, actor: Actor) -> CostCode:
    for name in ("code", "name"):
        if not values.get(name):
            raise Invalid(**{name: "can't be blank"})
    parent = _parent(world, project, values.get("parent_id"))
    full_code = f"{parent.full_code}-{values['code']}" if parent else values["code"]
    if any(row.full_code == full_code for row in world.store.cost_codes.live(project.id)):
        raise Invalid(code="has already been taken")
    world.check_origin(world.store.cost_codes, project.company_id, values.get("origin_id"))
    row = CostCode(
        **world.base(project.company_id, project.id),
        code=values["code"],
        name=values["name"],
        parent_id=parent.id if parent else None,
        full_code=full_code,
        standard_cost_code_id=values.get("standard_cost_code_id"),
        position=len(world.store.cost_codes.of_project[project.id]) + 1,
    )
    world.set_origin(world.store.cost_codes, row, values, actor)
    world.store.cost_codes.add(row)
    world.tell("Cost Codes", "create", row, actor)
    return row


def _parent(world: World, project: Project, parent_id: int | None) -> CostCode | None:
    if parent_id is None:
        return None
    parent = world.store.cost_codes.find(parent_id, project=project.id)
    if parent is None:
        raise Invalid(parent="must exist")
    return parent


def update_cost_code(world: World, row: CostCode, values: Item, actor: Actor) -> CostCode:
    world.check_origin(world.store.cost_codes, row.company_id, values.get("origin_id"), row)
    row.name = values.get("name") or row.name
    world.set_origin(world.store.cost_codes, row, values, actor)
    row.updated_at = world.stamp()
    world.tell("Cost Codes", "update", row, actor)
    return row


def set_cost_code_active(world: World, row: CostCode, active: bool, actor: Actor) -> CostCode:
    """Deactivating a cost code deactivates its budget codes with it."""
    row.active = active
    row.updated_at = world.stamp()
    for code in world.store.wbs_of_cost_code[row.id]:
        code.status = "active" if active else "inactive"
        code.updated_at = row.updated_at
    world.tell("Cost Codes", "update", row, actor)
    return row


def delete_cost_code(world: World, row: CostCode, actor: Actor) -> CostCode:
    world.mark_deleted(world.store.cost_codes, row)
    for code in world.store.wbs_of_cost_code[row.id]:
        forget_wbs_code(world, code)
    world.tell("Cost Codes", "delete", row, actor)
    return row


def forget_wbs_code(world: World, code: WbsCode) -> None:
    code.status = "inactive"
    world.mark_deleted(world.store.wbs_codes, code)
    assert code.project_id is not None
    world.store.wbs_of_items.pop((code.project_id, code.items), None)
    world.store.wbs_of_pair.pop((code.project_id, code.cost_code_id, code.line_item_type_id), None)


def create_wbs_code(world: World, project: Project, chosen: dict[str, int], description: str = "") -> WbsCode:
    """`chosen` maps segment types to item ids. An existing combination only gets the new description."""
    store = world.store
    cost_code = store.cost_codes.find(chosen.get("cost_code"), project=project.id)
    cost_type = store.line_item_types.find(chosen.get("line_item_type"))
    sub_job = store.sub_jobs.find(chosen.get("sub_job"), project=project.id)
    if cost_code is None:
        raise Invalid(cost_code="must be a cost code of the project")
    if cost_type is None or cost_type.company_id != project.company_id:
        raise Invalid(line_item_type="must be a cost type of the company")
    if "sub_job" in chosen and sub_job is None:
        raise Invalid(sub_job="must be a sub job of the project")
    parts: dict[str, tuple[int, str, str]] = {
        "cost_code": (cost_code.id, cost_code.full_code, cost_code.name),
        "line_item_type": (cost_type.id, cost_type.code, cost_type.name),
    }
    if sub_job is not None:
        parts["sub_job"] = (sub_job.id, sub_job.code, sub_job.name)
    items = tuple(parts[segment][0] if segment in parts else 0 for segment in project.segments)
    existing = store.wbs_of_items.get((project.id, items))
    if existing is not None:
        existing.description = description
        existing.updated_at = world.stamp()
        return existing
    present = [parts[segment] for segment in project.segments if segment in parts]
    row = WbsCode(
        **world.base(project.company_id, project.id),
        items=items,
        cost_code_id=cost_code.id,
        line_item_type_id=cost_type.id,
        sub_job_id=sub_job.id if sub_job else None,
        flat_code=project.delimiter.join(code for _, code, _ in present),
        flat_name=project.delimiter.join(name for _, _, name in present),
        description=description or f"{cost_code.name}.{cost_type.name}",
    )
    store.wbs_codes.add(row)
    store.wbs_of_items[project.id, items] = row
    store.wbs_of_cost_code[cost_code.id].append(row)
    if sub_job is None:
        store.wbs_of_pair[project.id, cost_code.id, cost_type.id] = row
    return row


def wbs_code_of(world: World, project: Project, values: Item, kept: int | None = None) -> WbsCode:
    """The budget code a line names, by wbs_code_id or by cost code and cost type. `kept`: the one it already has.

    Raises Invalid where it is absent, of another project, deleted or inactive; a line may keep an inactive one.
    """
    store = world.store
    if values.get("wbs_code_id") is not None:
        code = store.wbs_codes.find(values["wbs_code_id"], project=project.id)
        if code is None:
            raise Invalid(wbs_code="must belong to the project")
    elif values.get("cost_code_id") is not None and values.get("line_item_type_id") is not None:
        if store.cost_codes.find(values["cost_code_id"], project=project.id) is None:
            raise Invalid(cost_code="must belong to the project")
        code = store.wbs_of_pair.get((project.id, values["cost_code_id"], values["line_item_type_id"]))
        if code is None:
            raise Invalid(wbs_code="does not exist for this cost code and cost type")
    elif kept is not None:
        return store.wbs_codes.rows[kept]
    else:
        raise Invalid(wbs_code="can't be blank")
    if code.status != "active" and code.id != kept:
        raise Invalid(wbs_code="is not active")
    return code


# What is shown


def show_cost_code(world: World, row: CostCode) -> Item:
    codes = [code for code in world.store.wbs_of_cost_code[row.id] if code.deleted_at is None]
    types = {code.line_item_type_id for code in codes if code.status == "active"}
    return brief_cost_code(row) | {
        "sortable_code": row.full_code,
        "parent": {"id": row.parent_id},
        "budgeted": any(code.id in world.store.budget_of_wbs for code in codes),
        "biller": world.project(row.project_id or 0).name,
        "biller_id": row.project_id,
        "biller_type": "Project",
        "position": row.position,
        "origin_id": row.origin_id,
        "origin_data": row.origin_data,
        "standard_cost_code_id": row.standard_cost_code_id,
        "line_item_types": [show_line_item_type(world.store.line_item_types.rows[id_]) for id_ in sorted(types)],
        "deleted_at": row.deleted_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def brief_cost_code(row: CostCode) -> Item:
    return {"id": row.id, "code": row.code, "full_code": row.full_code, "name": row.name}


def show_line_item_type(row: LineItemType) -> Item:
    names = ("id", "name", "code", "base_type", "origin_id", "origin_data")
    return {name: getattr(row, name) for name in names}


def show_wbs_code(world: World, row: WbsCode) -> Item:
    store, project = world.store, world.project(row.project_id or 0)
    items = []
    for segment, id_ in zip(project.segments, row.items, strict=True):
        if id_ == 0:
            continue
        if segment == "cost_code":
            code = store.cost_codes.rows[id_]
            item = {"id": id_, "code": code.code, "path_code": code.full_code, "name": code.name}
        else:
            flat: LineItemType | SubJob = (
                store.line_item_types.rows[id_] if segment == "line_item_type" else store.sub_jobs.rows[id_]
            )
            item = {"id": id_, "code": flat.code, "path_code": flat.code, "name": flat.name}
        items.append(item | {"segment": _segment(project, segment)})
    return brief_wbs_code(row) | {
        "flat_name": row.flat_name,
        "status": row.status,
        "segment_items": items,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def brief_wbs_code(row: WbsCode) -> Item:
    return {"id": row.id, "flat_code": row.flat_code, "description": row.description}


def _segment(project: Project, segment: str) -> Item:
    name, structure = SEGMENTS[segment]
    return {
        "id": project.segment_ids[segment],
        "name": name,
        "type": segment,
        "position": project.segments.index(segment),
        "delimiter": project.delimiter,
        "required": segment != "sub_job",
        "structure": structure,
    }


# Requests


def _list_cost_codes(call: Call) -> Reply:
    project = call.project()
    filters = call.filters()
    rows = list(call.world.store.cost_codes.live(project.id))
    if (wanted := filters.texts("origin_id")) is not None:
        rows = [row for row in rows if row.origin_id in wanted]
    if (ids := filters.ids("id")) is not None:
        rows = [row for row in rows if row.id in ids]
    bounds = filters.range("updated_at")
    return call.page(
        [row for row in rows if within(row.updated_at, bounds)], lambda row: show_cost_code(call.world, row)
    )


def _show_cost_code(call: Call) -> Item:
    row = call.world.store.cost_codes.find(call.id(), project=call.project().id)
    if row is None:
        raise ApiError(404, "Cost code not found")
    return show_cost_code(call.world, row)


def _create_cost_code(call: Call) -> Item:
    project = call.project()
    values = call.fields(COST_CODE_SPEC, call.wrapped("cost_code"))
    return show_cost_code(call.world, create_cost_code(call.world, project, values, call.actor))


def _sync_cost_codes(call: Call) -> Any:
    project = call.project()
    sync = Sync(
        call.world.store.cost_codes,
        project.id,
        create=lambda item: create_cost_code(call.world, project, call.fields(COST_CODE_SPEC, item), call.actor),
        update=lambda row, item: update_cost_code(call.world, row, call.fields(COST_CODE_SPEC, item), call.actor),
        render=lambda row: show_cost_code(call.world, row),
    )
    return sync.run(call, updates_of(call))


def _list_line_item_types(call: Call) -> Reply:
    company: Company = call.company
    if "company_id" not in call.query:
        call.project()
    else:
        call.named_company()
    rows = [row for row in call.world.store.line_item_types.live() if row.company_id == company.id]
    if (wanted := call.filters().texts("origin_id")) is not None:
        rows = [row for row in rows if row.origin_id in wanted]
    return call.page(rows, show_line_item_type)


def _list_sub_jobs(call: Call) -> Reply:
    rows = list(call.world.store.sub_jobs.live(call.project().id))
    return call.page(rows, lambda row: {"id": row.id, "code": row.code, "name": row.name, "origin_id": row.origin_id})


def _list_segments(call: Call) -> Reply:
    project = call.project()
    return call.page(list(project.segments), lambda segment: _segment(project, segment))


def _show_pattern(call: Call) -> Item:
    project = call.project()
    return {"id": project.id, "segments": [_segment(project, segment) for segment in project.segments]}


def _list_segment_items(call: Call) -> Reply:
    project, store = call.project(), call.world.store
    segment = next((name for name, id_ in project.segment_ids.items() if id_ == call.id("segment_id")), None)
    if segment == "cost_code":
        items = [(row.id, row.code, row.full_code, row.name) for row in store.cost_codes.live(project.id) if row.active]
    elif segment == "line_item_type":
        types = [row for row in store.line_item_types.live() if row.company_id == project.company_id]
        items = [(row.id, row.code, row.code, row.name) for row in types]
    elif segment == "sub_job":
        items = [(row.id, row.code, row.code, row.name) for row in store.sub_jobs.live(project.id)]
    else:
        raise ApiError(404, "Segment not found")
    return call.page(items, lambda item: dict(zip(("id", "code", "path_code", "name"), item, strict=True)))


def _list_wbs_codes(call: Call) -> Reply:
    rows = _filtered_wbs_codes(call)
    return call.page(rows, lambda row: show_wbs_code(call.world, row))


def _list_wbs_codes_v2(call: Call) -> Reply:
    rows = _filtered_wbs_codes(call)
    show = lambda row: show_wbs_code(call.world, row) | {"id": str(row.id)}  # noqa: E731
    return call.page(rows, show, default=10, maximum=100, envelope=True)


def _filtered_wbs_codes(call: Call) -> list[WbsCode]:
    filters = call.filters()
    rows = list(call.world.store.wbs_codes.live(call.project().id))
    if (statuses := filters.texts("status")) is not None:
        rows = [row for row in rows if row.status in statuses]
    if (ids := filters.ids("id")) is not None:
        rows = [row for row in rows if row.id in ids]
    if sought := call.query.get("query", "").lower():
        rows = [row for row in rows if sought in row.flat_code.lower() or sought in row.description.lower()]
    bounds = filters.range("updated_at")
    return [row for row in rows if within(row.updated_at, bounds)]


def _wbs_from_body(call: Call, project: Project, body: Item) -> WbsCode:
    chosen: dict[str, int] = {}
    for item in body.get("segment_items") or []:
        segment = next((s for s, id_ in project.segment_ids.items() if id_ == item.get("segment_id")), None)
        if segment is None:
            raise Invalid(segment_items="segment must belong to the project")
        if not isinstance(item.get("segment_item_id"), int):
            raise Invalid(segment_items="segment_item_id is not an integer")
        chosen[segment] = item["segment_item_id"]
    return create_wbs_code(call.world, project, chosen, str(body.get("description") or ""))


def _create_wbs_code(call: Call) -> Item:
    return show_wbs_code(call.world, _wbs_from_body(call, call.project(), call.body))


def _bulk_create_wbs_codes(call: Call) -> Any:
    project = call.project()
    entities, errors = [], []
    for item in updates_of(call, "bulk"):
        try:
            entities.append(show_wbs_code(call.world, _wbs_from_body(call, project, item)))
        except Invalid as refusal:
            errors.append({**item, "errors": refusal.errors})
    return {"entities": entities, "errors": errors}


_WBS = "/rest/v1.0/projects/{project_id}/work_breakdown_structure"
ENDPOINTS = [
    Endpoint("GET", "/rest/v1.0/cost_codes", _list_cost_codes, "costs"),
    Endpoint("POST", "/rest/v1.0/cost_codes", _create_cost_code, "costs", 201),
    Endpoint("PATCH", "/rest/v1.0/cost_codes/sync", _sync_cost_codes, "costs"),
    Endpoint("GET", "/rest/v1.0/cost_codes/{id}", _show_cost_code, "costs"),
    Endpoint("GET", "/rest/v1.0/line_item_types", _list_line_item_types, "costs"),
    Endpoint("GET", "/rest/v1.0/sub_jobs", _list_sub_jobs, "costs"),
    Endpoint("GET", f"{_WBS}/wbs_codes", _list_wbs_codes, "costs"),
    Endpoint("POST", f"{_WBS}/wbs_codes", _create_wbs_code, "costs", 201),
    Endpoint("PATCH", f"{_WBS}/wbs_codes/bulk_create", _bulk_create_wbs_codes, "costs", 201),
    Endpoint("GET", f"{_WBS}/segments", _list_segments, "costs"),
    Endpoint("GET", f"{_WBS}/patterns", _show_pattern, "costs"),
    Endpoint("GET", f"{_WBS}/segments/{{segment_id}}/segment_items", _list_segment_items, "costs"),
    Endpoint("GET", "/rest/v2.0/companies/{company_id}/projects/{project_id}/wbs/codes", _list_wbs_codes_v2, "v2"),
]
