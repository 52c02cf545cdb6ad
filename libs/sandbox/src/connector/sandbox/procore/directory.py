"""Companies, projects, and the company's and the projects' directories of vendors."""

from typing import Any

from .api import Call, Endpoint, Reply
from .errors import ApiError, Invalid
from .fields import flag, integer, opaque, text
from .query import ordered, within
from .store import Company, Project, Vendor
from .sync import Item, Sync, updates_of
from .world import Actor, World

VENDOR_TEXTS = (
    "trade_name",
    "abbreviated_name",
    "address",
    "city",
    "zip",
    "state_code",
    "country_code",
    "business_phone",
    "mobile_phone",
    "fax_number",
    "email_address",
    "website",
)
VENDOR_SPEC = {
    "name": text(255),
    "is_active": flag,
    "origin_id": text(),
    "origin_code": text(),
    "origin_data": text(),
    "parent_id": integer,
    "primary_contact_id": integer,
    "business_register": opaque,
    **{name: text(255) for name in VENDOR_TEXTS},
}
VENDOR_SYNC_SPEC = VENDOR_SPEC | {"business_register_attributes": opaque, "origin_custom_fields": opaque}
_ROW_FIELDS = ("name", "is_active", "origin_id", "origin_code", "origin_data")


# Operations


def create_vendor(world: World, company: Company, values: Item, actor: Actor) -> Vendor:
    if not values.get("name"):
        raise Invalid(name="can't be blank")
    world.check_origin(world.store.vendors, company.id, values.get("origin_id"))
    row = Vendor(**world.base(company.id), name=values["name"])
    _fill_vendor(world, row, values, actor)
    world.store.vendors.add(row)
    world.tell("Company Vendors", "create", row, actor)
    return row


def update_vendor(world: World, row: Vendor, values: Item, actor: Actor) -> Vendor:
    if "name" in values and not values["name"]:
        raise Invalid(name="can't be blank")
    world.check_origin(world.store.vendors, row.company_id, values.get("origin_id"), row)
    _fill_vendor(world, row, values, actor)
    world.tell("Company Vendors", "update", row, actor)
    return row


def _fill_vendor(world: World, row: Vendor, values: Item, actor: Actor) -> None:
    row.name = values.get("name", row.name)
    row.is_active = values.get("is_active", row.is_active)
    row.values.update({name: value for name, value in values.items() if name not in _ROW_FIELDS})
    row.updated_at = world.stamp()
    world.set_origin(world.store.vendors, row, values, actor)


def add_to_project(world: World, project: Project, vendor: Vendor, actor: Actor) -> None:
    if vendor.id not in project.vendors:
        project.vendors[vendor.id] = world.stamp()
        _tell_membership(world, project, vendor, "create", actor)


def remove_from_project(world: World, project: Project, vendor: Vendor, actor: Actor) -> None:
    if project.vendors.pop(vendor.id, None) is not None:
        _tell_membership(world, project, vendor, "delete", actor)


def _tell_membership(world: World, project: Project, vendor: Vendor, event: str, actor: Actor) -> None:
    world.webhooks.emit(
        company_id=project.company_id,
        project_id=project.id,
        resource="Project Vendors",
        event=event,
        resource_id=vendor.id,
        user_id=actor.user_id,
        application_id=actor.application_id,
        related=(),
    )


# What is shown


def show_vendor(row: Vendor, view: str = "extended") -> Item:
    body: Item = {"id": row.id, "name": row.name}
    if view == "compact":
        return body
    return body | {
        **{name: row.values.get(name) for name in VENDOR_TEXTS},
        "is_active": row.is_active,
        "origin_id": row.origin_id,
        "origin_code": row.origin_code,
        "origin_data": row.origin_data,
        "parent_id": row.values.get("parent_id"),
        "primary_contact_id": row.values.get("primary_contact_id"),
        "synced_to_erp": row.synced_to_erp,
        "business_register": row.values.get("business_register_attributes") or row.values.get("business_register"),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def show_project(world: World, row: Project) -> Item:
    company = world.company(row.company_id)
    return {
        "id": row.id,
        "name": row.name,
        "display_name": f"{row.number} - {row.name}",
        "project_number": row.number,
        "active": row.active,
        "origin_id": row.origin_id,
        "origin_code": row.origin_code,
        "origin_data": row.origin_data,
        "accounting_project_number": None,
        "company": {"id": company.id, "name": company.name},
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


# Requests


def _me(call: Call) -> Item:
    return {"id": call.actor.user_id, "login": call.actor.login, "name": call.actor.name}


def _companies(call: Call) -> Reply:
    rows = [row for row in call.world.store.companies.live() if row.connected]
    return call.page(rows, lambda row: {"id": row.id, "name": row.name, "is_active": True, "my_company": False})


def _projects_of(call: Call) -> list[Project]:
    rows = [row for row in call.world.store.projects.live() if row.company_id == call.company.id]
    if not call.actor.is_person:
        rows = [row for row in rows if row.permitted]
    filters = call.filters()
    if (ids := filters.ids("id")) is not None:
        rows = [row for row in rows if row.id in ids]
    if (origins := filters.texts("origin_id")) is not None:
        rows = [row for row in rows if row.origin_id in origins]
    if (numbers := filters.texts("project_number")) is not None:
        rows = [row for row in rows if row.number in numbers]
    if (names := filters.texts("name", comma=False)) is not None:
        rows = [row for row in rows if row.name in names]
    if (status := filters.one("by_status")) in ("Active", "Inactive"):
        rows = [row for row in rows if row.active == (status == "Active")]
    if (synced := filters.one("synced")) is not None:
        rows = [row for row in rows if (row.origin_id is not None) == (synced == "true")]
    bounds = filters.range("updated_at")
    rows = [row for row in rows if within(row.updated_at, bounds)]
    return ordered(rows, call.query.get("sort"), {"name": lambda row: row.name, "id": lambda row: row.id})


def _list_projects(call: Call) -> Reply:
    if "company_id" not in call.path:
        call.named_company()
    return call.page(_projects_of(call), lambda row: show_project(call.world, row))


def _list_projects_11(call: Call) -> Reply:
    call.named_company()
    view = call.query.get("view", "normal")
    if view == "ids":
        return call.page(_projects_of(call), lambda row: {"id": row.id}, default=100, maximum=300)
    return call.page(_projects_of(call), lambda row: show_project(call.world, row), default=100, maximum=300)


def _show_project(call: Call) -> Item:
    call.path["project_id"] = call.path["id"]
    return show_project(call.world, call.project())


def _filtered_vendors(call: Call, rows: list[Vendor]) -> list[Vendor]:
    filters = call.filters()
    if (ids := filters.ids("id")) is not None:
        rows = [row for row in rows if row.id in ids]
    if (origins := filters.texts("origin_id")) is not None:
        rows = [row for row in rows if row.origin_id in origins]
    if (parents := filters.ids("parent_id")) is not None:
        rows = [row for row in rows if row.values.get("parent_id") in parents]
    if sought := (filters.one("search") or "").lower():
        rows = [row for row in rows if sought in row.name.lower() or sought in (row.origin_code or "").lower()]
    created, updated = filters.range("created_at"), filters.range("updated_at")
    rows = [row for row in rows if within(row.created_at, created) and within(row.updated_at, updated)]
    return ordered(rows, call.query.get("sort"), {"name": lambda row: row.name})


def _list_vendors(call: Call) -> Reply:
    company, store = call.named_company(), call.world.store
    filters = call.filters()
    view = call.query.get("view", "extended")
    origins, ids = filters.texts("origin_id"), filters.ids("id")
    if origins is not None:
        hits = [store.vendors.of_origin.get((company.id, origin)) for origin in origins]
        rows = [row for row in hits if row is not None and row.deleted_at is None]
    elif ids is not None:
        found = [store.vendors.find(id_) for id_ in ids]
        rows = [row for row in found if row is not None and row.company_id == company.id]
    else:
        rows = [row for row in store.vendors.live() if row.company_id == company.id]
    return call.page(_filtered_vendors(call, rows), lambda row: show_vendor(row, view))


def _vendor(call: Call) -> Vendor:
    row = call.world.store.vendors.find(call.id())
    if row is None or row.company_id != call.company.id:
        raise ApiError(404, "Vendor not found")
    return row


def _show_vendor(call: Call) -> Item:
    return show_vendor(_vendor(call))


def _create_vendor(call: Call) -> Item:
    company = call.named_company()
    attributes = call.wrapped("vendor")
    return show_vendor(create_vendor(call.world, company, call.fields(VENDOR_SPEC, attributes), call.actor))


def _update_vendor(call: Call) -> Item:
    call.named_company()
    row, attributes = _vendor(call), call.wrapped("vendor")
    return show_vendor(update_vendor(call.world, row, call.fields(VENDOR_SPEC, attributes), call.actor))


def _sync_vendors(call: Call) -> Any:
    company = call.named_company()
    sync = Sync(
        call.world.store.vendors,
        None,
        create=lambda item: create_vendor(call.world, company, call.fields(VENDOR_SYNC_SPEC, item), call.actor),
        update=lambda row, item: update_vendor(call.world, row, call.fields(VENDOR_SYNC_SPEC, item), call.actor),
        render=show_vendor,
    )
    return sync.run(call, updates_of(call))


def _list_project_vendors(call: Call) -> Reply:
    project = call.project("directory")
    wanted, origins = call.filters().ids("id"), call.filters().texts("origin_id")
    if wanted is not None:
        ids = [id_ for id_ in wanted if id_ in project.vendors]
    elif origins is not None:
        hits = [call.world.store.vendors.of_origin.get((project.company_id, origin)) for origin in origins]
        ids = [row.id for row in hits if row is not None and row.id in project.vendors]
    else:
        ids = list(project.vendors)
    rows = [row for id_ in ids if (row := call.world.store.vendors.find(id_)) is not None and row.is_active]
    view = call.query.get("view", "extended")
    return call.page(_filtered_vendors(call, rows), lambda row: show_vendor(row, view))


def _create_project_vendor(call: Call) -> Item:
    project = call.project("directory")
    values = call.fields(VENDOR_SPEC, call.wrapped("vendor"))
    row = create_vendor(call.world, call.company, values, call.actor)
    add_to_project(call.world, project, row, call.actor)
    return show_vendor(row)


def _add_project_vendor(call: Call) -> Item:
    project, row = call.project("directory"), _vendor(call)
    add_to_project(call.world, project, row, call.actor)
    return show_vendor(row)


def _remove_project_vendor(call: Call) -> Reply:
    project, row = call.project("directory"), _vendor(call)
    remove_from_project(call.world, project, row, call.actor)
    return call.deleted()


ENDPOINTS = [
    Endpoint("GET", "/rest/v1.0/me", _me, "directory"),
    Endpoint("GET", "/rest/v1.0/companies", _companies, "directory"),
    Endpoint("GET", "/rest/v1.0/companies/{company_id}/projects", _list_projects, "directory"),
    Endpoint("GET", "/rest/v1.0/projects", _list_projects, "directory"),
    Endpoint("GET", "/rest/v1.1/projects", _list_projects_11, "directory"),
    Endpoint("GET", "/rest/v1.0/projects/{id}", _show_project, "directory"),
    Endpoint("GET", "/rest/v1.0/vendors", _list_vendors, "directory"),
    Endpoint("POST", "/rest/v1.0/vendors", _create_vendor, "directory", 201),
    Endpoint("PATCH", "/rest/v1.0/vendors/sync", _sync_vendors, "directory"),
    Endpoint("GET", "/rest/v1.0/vendors/{id}", _show_vendor, "directory"),
    Endpoint("PATCH", "/rest/v1.0/vendors/{id}", _update_vendor, "directory"),
    *(
        endpoint
        for base in ("/rest/v1.0/projects/{project_id}/vendors", "/rest/v1.1/projects/{project_id}/vendors")
        for endpoint in (
            Endpoint("GET", base, _list_project_vendors, "directory"),
            Endpoint("POST", base, _create_project_vendor, "directory", 201),
            Endpoint("POST", f"{base}/{{id}}/actions/add", _add_project_vendor, "directory", 201),
            Endpoint("DELETE", f"{base}/{{id}}/actions/remove", _remove_project_vendor, "directory"),
        )
    ),
]
