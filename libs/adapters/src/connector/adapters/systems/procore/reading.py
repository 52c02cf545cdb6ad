"""Reading back what was written: many objects of one project in one request."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

from connector.domain.identity import TrafficClass
from connector.domain.ports.target import Found, NaturalKey

from . import direct_costs, vendors
from .client import ProcoreClient, Row
from .commitments import found_commitment
from .naming import COMMITMENTS, DECISIONS, DIRECT_COSTS, REQUISITIONS, VENDORS, split
from .requisitions import found_requisition
from .values import decimal


async def look_up(
    client: ProcoreClient, keys: Sequence[NaturalKey], traffic: TrafficClass
) -> dict[NaturalKey, list[Found]]:
    """One list a resource for all its keys."""
    by_resource: defaultdict[str, list[NaturalKey]] = defaultdict(list)
    for key in keys:
        by_resource[key.resource].append(key)
    found: dict[NaturalKey, list[Found]] = {}
    for resource, group in by_resource.items():
        if resource == VENDORS:
            found |= await _look_up_vendors(client, group, traffic)
            continue
        collection, project_id = split(resource)
        look = {
            COMMITMENTS: _look_up_commitments,
            DIRECT_COSTS: _look_up_direct_costs,
            REQUISITIONS: _look_up_requisitions,
        }
        found |= await look[collection](client, project_id, group, traffic)
    return found


async def read(client: ProcoreClient, resource: str, ids: Sequence[str], traffic: TrafficClass) -> dict[str, Found]:
    if resource == VENDORS:
        rows = await client.rows_of("v1.0/vendors", "id", ids, _company(client), traffic)
        key = NaturalKey(VENDORS, ())
        return {str(row["id"]): vendors.found_vendor(row, key) for row in rows if str(row["id"]) in ids}
    if resource.startswith(f"{DECISIONS}/"):
        return {id: Found(id, NaturalKey(resource, ()), None, "linked", True, {}) for id in ids}
    collection, project_id = split(resource)
    reader = {COMMITMENTS: read_commitments, DIRECT_COSTS: read_direct_costs, REQUISITIONS: read_requisitions}
    shown = await reader[collection](client, project_id, "id", ids, traffic)
    return {one.target_id: one for one in shown if one.target_id in ids}


async def _look_up_vendors(
    client: ProcoreClient, keys: Sequence[NaturalKey], traffic: TrafficClass
) -> dict[NaturalKey, list[Found]]:
    """By origin id; then the directory for those that carry none yet, who are found by name."""
    origins = [dict(key.fields)["origin_id"] for key in keys]
    rows = await client.rows_of("v1.0/vendors", "origin_id", origins, _company(client), traffic)
    if {row.get("origin_id") for row in rows} < set(origins):
        rows = await client.rows("v1.0/vendors", _company(client), traffic)
    return {key: vendors.hits(key, rows) for key in keys}


def _company(client: ProcoreClient) -> dict[str, str]:
    return {"company_id": str(client.company_id), "view": "extended"}


async def read_commitments(
    client: ProcoreClient, project_id: str, field: str, values: Iterable[str], traffic: TrafficClass
) -> list[Found]:
    query = {"project_id": project_id, "view": "extended"}
    rows = await client.rows_of(f"v1.0/{COMMITMENTS}", field, values, query, traffic)
    billed = [str(row["id"]) for row in rows if decimal(row.get("total_requisitions_amount"))]
    items = await _billed(client, project_id, billed, traffic) if billed else {}
    return [found_commitment(row, project_id, items) for row in rows]


async def _look_up_commitments(
    client: ProcoreClient, project_id: str, keys: Sequence[NaturalKey], traffic: TrafficClass
) -> dict[NaturalKey, list[Found]]:
    """By origin id; where that finds none, whatever has the number. Procore filters by no number: all are listed."""
    fields = {key: dict(key.fields) for key in keys}
    shown = await read_commitments(
        client, project_id, "origin_id", [of["origin_id"] for of in fields.values()], traffic
    )
    found = {key: [one for one in shown if one.stamp == of["origin_id"]] for key, of in fields.items()}
    numbers = {of["number"]: key for key, of in fields.items() if "number" in of and not found[key]}
    if numbers:
        for row in await client.rows(f"v1.0/{COMMITMENTS}", {"project_id": project_id}, traffic):
            if row.get("number") in numbers:
                found[numbers[row["number"]]].append(found_commitment(row, project_id, {}))
    return found


async def _billed(
    client: ProcoreClient, project_id: str, ids: Iterable[str], traffic: TrafficClass
) -> dict[str, dict[str, Decimal]]:
    """By id of a commitment's line: what each requisition bills, by its origin id."""
    billed: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    for row in await _requisition_rows(client, project_id, "commitment_id", ids, traffic):
        for item in row.get("items") or ():
            amount = decimal(item.get("work_completed_this_period"))
            if amount:
                billed[str(item["line_item_id"])][str(row.get("origin_id") or row["id"])] = amount
    return billed


async def _look_up_requisitions(
    client: ProcoreClient, project_id: str, keys: Sequence[NaturalKey], traffic: TrafficClass
) -> dict[NaturalKey, list[Found]]:
    """By origin id; where that finds none, whatever has the vendor's number. Procore filters by neither: all are
    listed, without their items."""
    fields = {key: dict(key.fields) for key in keys}
    shown = await read_requisitions(
        client, project_id, "origin_id", [of["origin_id"] for of in fields.values()], traffic
    )
    found = {key: [one for one in shown if one.stamp == of["origin_id"]] for key, of in fields.items()}
    numbers: defaultdict[tuple[str, str], list[NaturalKey]] = defaultdict(list)
    for key, of in fields.items():
        if "invoice_number" in of and not found[key]:
            numbers[of["vendor_id"], of["invoice_number"]].append(key)
    if numbers:
        rows = await client.rows(f"v1.1/{REQUISITIONS}", {"project_id": project_id}, traffic)
        taken = {str(row["id"]): number for row in rows if (number := number_of(row)) in numbers}
        for one in await read_requisitions(client, project_id, "id", taken, traffic):
            for key in numbers[taken[one.target_id]]:
                found[key].append(one)
    return found


def number_of(requisition: Row) -> tuple[str, str]:
    return str(requisition.get("vendor_id")), str(requisition.get("invoice_number"))


async def read_requisitions(
    client: ProcoreClient, project_id: str, field: str, values: Iterable[str], traffic: TrafficClass
) -> list[Found]:
    rows = await _requisition_rows(client, project_id, field, values, traffic)
    return [found_requisition(row, project_id) for row in rows]


async def _requisition_rows(
    client: ProcoreClient, project_id: str, field: str, values: Iterable[str], traffic: TrafficClass
) -> list[Row]:
    query = {"project_id": project_id, "view": "extended"}
    return await client.rows_of(f"v1.1/{REQUISITIONS}", field, values, query, traffic)


async def read_direct_costs(
    client: ProcoreClient, project_id: str, field: str, values: Iterable[str], traffic: TrafficClass
) -> list[Found]:
    rows = await client.rows_of(f"v1.0/projects/{project_id}/{DIRECT_COSTS}", field, values, {}, traffic)
    lines = await _lines_of(client, project_id, rows, traffic)
    return [direct_costs.found_direct_cost(row, project_id, lines) for row in rows]


async def _lines_of(client: ProcoreClient, project_id: str, rows: Sequence[Row], traffic: TrafficClass) -> list[Row]:
    ids = [str(row["id"]) for row in rows if row.get("line_items_count") != 0]
    if not ids:
        return []
    path = f"v1.0/projects/{project_id}/{DIRECT_COSTS}/line_items"
    return await client.rows_of(path, "direct_cost_id", ids, {}, traffic)


async def _look_up_direct_costs(
    client: ProcoreClient, project_id: str, keys: Sequence[NaturalKey], traffic: TrafficClass
) -> dict[NaturalKey, list[Found]]:
    fields = [dict(key.fields) for key in keys]
    path = f"v1.0/projects/{project_id}/{DIRECT_COSTS}"
    rows = await client.rows_of(path, "origin_id", [one["origin_id"] for one in fields], {}, traffic)
    numbers = [one["invoice_number"] for one in fields if "invoice_number" in one and "," not in one["invoice_number"]]
    seen = {row["id"] for row in rows}
    rows += [row for row in await client.rows_of(path, "invoice_number", numbers, {}, traffic) if row["id"] not in seen]
    lines = await _lines_of(client, project_id, rows, traffic)
    return {key: direct_costs.hits(key, rows, project_id, lines) for key in keys}
