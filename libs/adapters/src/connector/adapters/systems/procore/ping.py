"""What has to be right in Procore before a flow can write there."""

from collections.abc import AsyncIterator, Sequence

from connector.adapters.systems import Check, RoomParts
from connector.adapters.systems.checks import gathered
from connector.domain.identity import TrafficClass
from connector.domain.vendor_error import VendorError

from .client import ProcoreClient
from .naming import COMMITMENTS, DIRECT_COSTS
from .references import read_reference

LIVE = TrafficClass.LIVE


async def checks(parts: RoomParts) -> Sequence[Check]:
    """Token and company, then each permitted project: its tools, its state, and who owns its origin ids."""
    return await gathered(_checks(parts))


async def _checks(parts: RoomParts) -> AsyncIterator[Check]:
    client = ProcoreClient(parts.settings, parts.connection, parts.gate, parts.http)
    try:
        me = await client.one("v1.0/me", {}, LIVE)
        companies = await client.rows("v1.0/companies", {}, LIVE)
        projects = await read_reference(client, "project", None, LIVE)
    except VendorError as error:
        fix = "Check client id and secret, login_url and api_url, and that the app is installed in the company."
        yield Check("service account", False, str(error), fix)
        return
    yield Check("service account", True, f"acts as {me.get('login')}")
    connected = any(row.get("id") == client.company_id for row in companies)
    fix = "Correct company_id, or install the app in that company."
    yield Check("company", connected, f"company {client.company_id}", None if connected else fix)
    fix = "Permit the projects for the service account; new projects are not permitted by themselves."
    yield Check(
        "projects", bool(projects), ", ".join(sorted(projects)) or "none is permitted", None if projects else fix
    )
    for number, project in sorted(projects.items()):
        async for check in _project(client, number, str(project["id"]), project["foreign"]):
            yield check


async def _project(client: ProcoreClient, number: str, project_id: str, foreign: str | None) -> AsyncIterator[Check]:
    fix = f"End the sync of {foreign}: Procore allows one integration to own origin ids." if foreign else None
    yield Check(f"{number}: origin ids", foreign is None, foreign or "no other integration's", fix)
    tools = {
        "commitments": (f"v1.0/{COMMITMENTS}", {"project_id": project_id}),
        "direct costs": (f"v1.0/projects/{project_id}/{DIRECT_COSTS}", {}),
        "directory": (f"v1.0/projects/{project_id}/vendors", {}),
        "budget codes": (f"v1.0/projects/{project_id}/work_breakdown_structure/wbs_codes", {}),
        "billing periods": (f"v1.0/projects/{project_id}/billing_periods", {}),
    }
    for tool, (path, query) in tools.items():
        try:
            await client.send("GET", path, LIVE, {**query, "per_page": "1"})
        except VendorError as error:
            fix = f"Switch the tool on in project {number}, and give the service account admin rights to it."
            yield Check(f"{number}: {tool}", False, str(error), fix)
