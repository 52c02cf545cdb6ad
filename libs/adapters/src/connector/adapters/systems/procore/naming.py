"""How our objects are told from others': resources with their project, origin ids with their source."""

import re
from collections.abc import Mapping
from typing import Any

from connector.domain.identity import EntityRef

VENDORS = "vendors"
COMMITMENTS, DIRECT_COSTS, REQUISITIONS = "purchase_order_contracts", "direct_costs", "requisitions"
DECISIONS, BILLS = "decisions", "bills-"
"""What people decide by `connector link` is kept under a resource of its own that Procore knows nothing of: the part
`bills-<project>` of an invoice leads to the commitment it bills, or to `none`."""
NO_COMMITMENT = "none"

_OURS = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*/(supplier|purchase-order|invoice)/.+")


def resource(collection: str, project_id: int) -> str:
    """Ids alone find nothing in Procore: most calls need the project too."""
    return f"projects/{project_id}/{collection}"


def split(resource: str) -> tuple[str, str]:
    """Collection and project id."""
    _, project_id, collection = resource.split("/")
    return collection, project_id


def part_name(project: str) -> str:
    return f"project-{project}"


def stamp(ref: EntityRef, project: str) -> str:
    """The origin id of a document's object in one project: unique in the company, and it says whose it is."""
    return f"{ref.key}:{project}"


def document_of(origin_id: Any) -> str | None:
    """The key of the document that an origin id of ours names: all of it but the project."""
    return str(origin_id).rpartition(":")[0] if is_ours(origin_id) else None


def line_origin(ref: EntityRef, line: str, share: int) -> str:
    """The origin id of one coded share of a line."""
    return f"{ref.key}#{line}" + (f".{share}" if share else "")


def origin_of(line: Mapping[str, Any]) -> str:
    """What a line Procore shows is known by: its origin id, or a name of its own that is nobody's origin id."""
    return str(line.get("origin_id") or f"id {line['id']}")


def is_ours(origin_id: Any) -> bool:
    """Whether this platform wrote the origin id; any other belongs to another integration."""
    return isinstance(origin_id, str) and _OURS.fullmatch(origin_id) is not None
