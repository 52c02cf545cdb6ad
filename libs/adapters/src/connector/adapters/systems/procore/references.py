"""Procore's own codes: projects, budget codes, units, billing periods and commitments, as rendering needs them."""

from collections.abc import Sequence
from typing import Any

from connector.domain.identity import TrafficClass
from connector.domain.vendor_error import Rejected

from .client import ProcoreClient, Row
from .naming import COMMITMENTS, DIRECT_COSTS, is_ours
from .reading import read_commitments
from .values import Json, inner

FOREIGN_SAMPLE = 100
"""How many of a project's newest objects are looked at for origin ids of another integration."""


async def read_reference(
    client: ProcoreClient, kind: str, codes: Sequence[str] | None, traffic: TrafficClass
) -> dict[str, Json]:
    """By code. A project's is its number, a unit's its name, a WBS code's `project id/flat code`, a commitment's
    `project id/id`, and billing periods' the project id."""
    match kind:
        case "project":
            return await _projects(client, codes, traffic)
        case "wbs-code":
            return await _wbs_codes(client, codes or (), traffic)
        case "unit":
            rows = await client.rows(f"v1.0/companies/{client.company_id}/uoms", {}, traffic)
            return {row["name"]: {"name": row["name"]} for row in rows if codes is None or row["name"] in codes}
        case "billing-periods":
            return {project_id: await _periods(client, project_id, traffic) for project_id in codes or ()}
        case "commitment":
            return await _commitments(client, codes or (), traffic)
    return {}


async def _projects(client: ProcoreClient, codes: Sequence[str] | None, traffic: TrafficClass) -> dict[str, Json]:
    """Lists only what the service account is permitted to see."""
    path, query = "v1.1/projects", {"company_id": str(client.company_id)}
    rows = await client.rows(path, query, traffic, page_size=300)
    wanted = [row for row in rows if codes is None or row.get("project_number") in codes]
    return {row["project_number"]: await _project(client, row, traffic) for row in wanted}


async def _project(client: ProcoreClient, row: Row, traffic: TrafficClass) -> Json:
    path = f"v1.0/companies/{client.company_id}/projects/{row['id']}/currency_configuration"
    return {
        "id": row["id"],
        "name": row.get("name"),
        "active": bool(row.get("active", True)),
        "currency": (await client.one(path, {}, traffic)).get("currency_iso_code"),
        "foreign": await _foreign(client, row["id"], traffic),
    }


async def _foreign(client: ProcoreClient, project_id: int, traffic: TrafficClass) -> str | None:
    """An origin id of another integration among the project's commitments and direct costs."""
    project = {"project_id": str(project_id)}
    lists: tuple[tuple[str, dict[str, str]], ...] = (
        (f"v1.0/{COMMITMENTS}", project),
        (f"v1.0/projects/{project_id}/{DIRECT_COSTS}", {}),
    )
    for path, query in lists:
        async for page in client.pages(path, query, traffic, FOREIGN_SAMPLE):
            taken = [row["origin_id"] for row in page if row.get("origin_id") and not is_ours(row["origin_id"])]
            if taken:
                return str(taken[0])
            break
    return None


async def wbs_codes(client: ProcoreClient, project_id: str, traffic: TrafficClass) -> list[Row]:
    """All of a project's budget codes; there is no filter by code."""
    return await client.rows(f"v1.0/projects/{project_id}/work_breakdown_structure/wbs_codes", {}, traffic)


async def _wbs_codes(client: ProcoreClient, codes: Sequence[str], traffic: TrafficClass) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for project_id in sorted({code.partition("/")[0] for code in codes}):
        for row in await wbs_codes(client, project_id, traffic):
            key = f"{project_id}/{row['flat_code']}"
            if key in codes:
                found[key] = {"id": row["id"], "status": row.get("status", "active")}
    return found


async def _periods(client: ProcoreClient, project_id: str, traffic: TrafficClass) -> Json:
    path = f"v1.0/projects/{project_id}/billing_periods"
    rows = await client.rows(path, {"filters[status]": "open"}, traffic)
    periods: list[dict[str, Any]] = [
        {"id": row["id"], "start": row["start_date"], "end": row["end_date"]}
        for row in rows
        if row.get("status") == "open"
    ]
    return {"open": sorted(periods, key=lambda period: str(period["start"]))}


async def _commitments(client: ProcoreClient, codes: Sequence[str], traffic: TrafficClass) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for project_id in sorted({code.partition("/")[0] for code in codes}):
        ids = [code.partition("/")[2] for code in codes if code.partition("/")[0] == project_id]
        try:
            shown = await read_commitments(client, project_id, "id", [id for id in ids if id.isdigit()], traffic)
        except Rejected:
            continue
        for one in shown:
            found[f"{project_id}/{one.target_id}"] = {"status": one.status, **one.extra}
    return found


async def open_vendors(client: ProcoreClient, project_id: str, traffic: TrafficClass) -> dict[int, str]:
    """Vendors with a commitment in the project that is not closed, each with such a commitment's number."""
    rows = await client.rows(f"v1.0/{COMMITMENTS}", {"project_id": project_id}, traffic)
    return {
        inner(row, "vendor", "id"): str(row.get("number"))
        for row in rows
        if row.get("deleted_at") is None and row.get("status") != "Closed" and inner(row, "vendor", "id")
    }
