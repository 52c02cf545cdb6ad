"""Requests about commitments: v1.0 for reading and writing, v2.0 for reading."""

from functools import partial
from typing import Any

from .api import Call, Endpoint, Reply
from .commitments import (
    KINDS,
    PURCHASE_ORDER,
    Kind,
    create_contract,
    delete_contract,
    delete_line,
    show_contract,
    update_contract,
    write_line,
)
from .errors import ApiError, Invalid
from .fields import choice, day, integer, money, number, text
from .lines import LINE_SPEC, show_line
from .query import Filters, within
from .store import Contract, Line, Payment, Project, Table
from .sync import Item, Sync, updates_of

PAYMENT_SPEC = {
    "date": day,
    "amount": number,
    "invoice_number": text(),
    "check_number": text(),
    "payment_method": choice("check", "credit_card", "electronic"),
    "requisition_id": integer,
    "origin_id": text(),
    "origin_data": text(),
}


# Headers


def _candidates(call: Call, table: Table[Contract], project: Project, filters: Filters) -> list[Contract]:
    """By the keyed filter if there is one, else the project's; deleted ones included."""
    ids, origins = filters.ids("id"), filters.texts("origin_id")
    if ids is not None:
        return [row for id_ in ids if (row := table.find(id_, project=project.id, deleted=True)) is not None]
    if origins is not None and filters.one("include_deleted") is None:
        hits = [table.of_origin.get((project.company_id, origin)) for origin in origins]
        return [row for row in hits if row is not None and row.project_id == project.id]
    rows = list(table.of_project[project.id].values())
    return rows if origins is None else [row for row in rows if row.origin_id in origins]


def _filtered(call: Call, kinds: list[Kind]) -> list[Contract]:
    project, filters = call.project("commitments"), call.filters()
    rows = [row for kind in kinds for row in _candidates(call, kind.contracts(call.world.store), project, filters)]
    deleted = filters.one("include_deleted")
    if deleted == "only":
        rows = [row for row in rows if row.deleted_at is not None]
    elif deleted != "with":
        rows = [row for row in rows if row.deleted_at is None]
    if (statuses := filters.texts("status")) is not None:
        rows = [row for row in rows if row.status in statuses]
    if (vendors := filters.ids("vendor_id")) is not None:
        rows = [row for row in rows if row.vendor_id in vendors]
    for name in ("created_at", "updated_at"):
        if (bounds := filters.range(name)) is not None:
            rows = [row for row in rows if within(getattr(row, name), bounds)]
    return rows


def _list(kind: Kind, call: Call) -> Reply:
    extended = call.query.get("view") == "extended"
    return call.page(_filtered(call, [kind]), lambda row: show_contract(call.world, row, extended=extended))


def _contract(kind: Kind, call: Call, name: str = "id") -> Contract:
    project = call.project("commitments")
    row = kind.contracts(call.world.store).find(call.id(name), project=project.id)
    if row is None:
        raise ApiError(404, f"{kind.resource} not found")
    return row


def _show(kind: Kind, call: Call) -> Item:
    return show_contract(call.world, _contract(kind, call), extended=True)


def _attributes(kind: Kind, call: Call, row: Contract | None) -> Item:
    values = call.fields(kind.spec, call.wrapped(kind.name))
    if str(call.query.get("run_configurable_validations", "")).lower() == "true":
        project = call.project()
        kept = {} if row is None else show_contract(call.world, row) | {"vendor_id": row.vendor_id}
        missing = [f for f in project.required_fields.get(kind.name, []) if not values.get(f, kept.get(f))]
        if missing:
            raise Invalid(**dict.fromkeys(missing, "can't be blank"))
    return values


def _create(kind: Kind, call: Call) -> Item:
    project = call.project("commitments")
    row = create_contract(call.world, project, kind, _attributes(kind, call, None), call.actor)
    return show_contract(call.world, row, extended=True)


def _update(kind: Kind, call: Call) -> Item:
    row = _contract(kind, call)
    update_contract(call.world, row, _attributes(kind, call, row), call.actor)
    return show_contract(call.world, row, extended=True)


def _delete(kind: Kind, call: Call) -> Reply:
    delete_contract(call.world, _contract(kind, call), call.actor)
    return call.deleted()


def _sync(kind: Kind, call: Call) -> Any:
    project = call.project("commitments")
    spec, world = kind.sync_spec, call.world
    sync = Sync(
        kind.contracts(world.store),
        project.id,
        create=lambda item: create_contract(world, project, kind, call.fields(spec, item), call.actor),
        update=lambda row, item: update_contract(world, row, call.fields(spec, item), call.actor),
        render=lambda row: show_contract(world, row),
    )
    return sync.run(call, updates_of(call))


# Lines


def _list_lines(kind: Kind, call: Call) -> Reply:
    row, filters = _contract(kind, call), call.filters()
    lines = list(row.lines.values())
    if (ids := filters.ids("id")) is not None:
        lines = [line for line in lines if line.id in ids]
    for name in ("cost_code_id", "line_item_type_id"):
        if (wanted := filters.ids(name)) is not None:
            codes = call.world.store.wbs_codes.rows
            lines = [line for line in lines if getattr(codes[line.wbs_code_id], name) in wanted]
    for name in ("created_at", "updated_at"):
        if (bounds := filters.range(name)) is not None:
            lines = [line for line in lines if within(getattr(line, name), bounds)]
    return call.page(lines, lambda line: show_line(call.world, line, kind.holder_type))


def _line(call: Call, row: Contract) -> Line:
    line = row.lines.get(call.id("line_id"))
    if line is None:
        raise ApiError(404, "Line item not found")
    return line


def _show_line(kind: Kind, call: Call) -> Item:
    return show_line(call.world, _line(call, _contract(kind, call)), kind.holder_type)


def _create_line(kind: Kind, call: Call) -> Item:
    row, values = _contract(kind, call), call.fields(LINE_SPEC, call.wrapped("line_item"))
    return show_line(call.world, write_line(call.world, row, values, None, call.actor), kind.holder_type)


def _update_line(kind: Kind, call: Call) -> Item:
    row = _contract(kind, call)
    line, values = _line(call, row), call.fields(LINE_SPEC, call.wrapped("line_item"))
    return show_line(call.world, write_line(call.world, row, values, line, call.actor), kind.holder_type)


def _delete_line(kind: Kind, call: Call) -> Reply:
    row = _contract(kind, call)
    delete_line(call.world, row, _line(call, row), call.actor)
    return call.deleted()


def _sync_lines(kind: Kind, call: Call) -> Any:
    row, world = _contract(kind, call), call.world
    sync = Sync(
        kind.lines(world.store),
        row.project_id,
        create=lambda item: write_line(world, row, call.fields(LINE_SPEC, item), None, call.actor),
        update=lambda line, item: write_line(world, row, call.fields(LINE_SPEC, item), line, call.actor),
        render=lambda line: show_line(world, line, kind.holder_type),
        within=lambda line: line.holder_id == row.id,
    )
    return sync.run(call, updates_of(call))


# Payments


def _contract_of_payment(call: Call) -> Contract:
    raw = str(call.params.get("contract_id"))
    project = call.project("commitments")
    row = call.world.store.commitment(int(raw) if raw.isdecimal() else 0, project.id)
    if row is None:
        raise ApiError(404, "Contract not found")
    return row


def _list_payments(call: Call) -> Reply:
    row = _contract_of_payment(call)
    rows = call.world.store.payments_of[row.id]
    if (origins := call.filters().texts("origin_id")) is not None:
        rows = [payment for payment in rows if payment.origin_id in origins]
    return call.page([payment for payment in rows if payment.deleted_at is None], show_payment)


def _create_payment(call: Call) -> Item:
    row, world = _contract_of_payment(call), call.world
    values = call.fields(PAYMENT_SPEC, call.wrapped("contract_payment"))
    if values.get("amount") is None:
        raise Invalid(amount="can't be blank")
    world.check_origin(world.store.payments, row.company_id, values.get("origin_id"))
    base = world.base(row.company_id, row.project_id)
    payment = Payment(**base, contract_id=row.id, amount=values["amount"], values=values)
    world.set_origin(world.store.payments, payment, values, call.actor)
    world.store.payments.add(payment)
    world.store.payments_of[row.id].append(payment)
    world.tell("Contract Payments", "create", payment, call.actor)
    return show_payment(payment)


def show_payment(row: Payment) -> Item:
    return {
        "id": row.id,
        "contract_id": row.contract_id,
        **{name: row.values.get(name) for name in PAYMENT_SPEC},
        "amount": money(row.amount),
        "origin_id": row.origin_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


# v2.0, reading


def _v2(call: Call, row: Contract) -> Item:
    body = show_contract(call.world, row)
    for name in ("origin_id", "origin_code", "origin_data"):
        del body[name]
    vendor = {"id": str(row.vendor_id), "name": body["vendor"]["company"]} if body["vendor"] else None
    kind = KINDS[row.kind].holder_type
    return body | {"id": str(row.id), "type": kind, "project": {"id": str(row.project_id)}, "vendor": vendor}


def _v2_contract(call: Call) -> Contract:
    project = call.project("commitments")
    row = call.world.store.commitment(call.id(), project.id)
    if row is None:
        raise ApiError(404, "Commitment contract not found")
    return row


def _v2_list(call: Call) -> Reply:
    wanted = call.filters().texts("type")
    kinds = [kind for kind in KINDS.values() if wanted is None or kind.holder_type in wanted]
    return call.page(_filtered(call, kinds), lambda row: _v2(call, row), default=10, maximum=100, envelope=True)


def _v2_show(call: Call) -> Item:
    return {"data": _v2(call, _v2_contract(call))}


def _v2_lines(call: Call) -> Reply:
    row = _v2_contract(call)

    def show(line: Line) -> Item:
        body = show_line(call.world, line, KINDS[row.kind].holder_type)
        return body | {"id": str(line.id), "wbs_code_id": str(line.wbs_code_id)}

    return call.page(list(row.lines.values()), show, default=10, maximum=100, envelope=True)


def _v2_summary(call: Call) -> Item:
    body = show_contract(call.world, _v2_contract(call))
    names = ("grand_total", "revised_contract", "total_payments", "percentage_paid", "remaining_balance_outstanding")
    return {"data": {name: body[name] for name in names}}


def _endpoints(kind: Kind) -> list[Endpoint]:
    base = f"/rest/v1.0/{kind.name}s"
    lines = f"{base}/{{id}}/line_items"
    table = [
        ("GET", base, _list, 200),
        ("POST", base, _create, 201),
        ("PATCH", f"{base}/sync", _sync, 200),
        ("GET", f"{base}/{{id}}", _show, 200),
        ("PATCH", f"{base}/{{id}}", _update, 200),
        ("DELETE", f"{base}/{{id}}", _delete, 200),
        ("GET", lines, _list_lines, 200),
        ("POST", lines, _create_line, 201),
        ("PATCH", f"{lines}/sync", _sync_lines, 200),
        ("GET", f"{lines}/{{line_id}}", _show_line, 200),
        ("PATCH", f"{lines}/{{line_id}}", _update_line, 200),
        ("DELETE", f"{lines}/{{line_id}}", _delete_line, 200),
    ]
    return [Endpoint(method, path, partial(act, kind), "commitments", status) for method, path, act, status in table]


_V2 = "/rest/v2.0/companies/{company_id}/projects/{project_id}/commitment_contracts"
ENDPOINTS = [
    *_endpoints(PURCHASE_ORDER),
    *_endpoints(KINDS["work_order_contract"]),
    Endpoint("GET", "/rest/v1.0/contract_payments", _list_payments, "commitments"),
    Endpoint("POST", "/rest/v1.0/contract_payments", _create_payment, "commitments", 201),
    Endpoint("GET", _V2, _v2_list, "v2"),
    Endpoint("GET", f"{_V2}/{{id}}", _v2_show, "v2"),
    Endpoint("GET", f"{_V2}/{{id}}/line_items", _v2_lines, "v2"),
    Endpoint("GET", f"{_V2}/{{id}}/summary", _v2_summary, "v2"),
]
