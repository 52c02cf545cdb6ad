"""Steps and reasons that commitments, direct costs and requisitions have in common."""

from collections.abc import Mapping
from typing import Any

from connector.domain.ports.target import Found, Json, Part, Plan, Step, TargetObject, Verb
from connector.domain.reasons import Reason

from .naming import split

LINES_PER_CALL = 500


def sync(name: str, part: Part, found: Found | None, item: Json, *, irreversible: bool = False) -> Step:
    """One item of a sync: those of many objects of one project travel together. A new one is looked at beforehand for
    what it needs."""
    collection, project_id = split(part.natural_key.resource)
    needs = {"vendor_id": item.get("vendor_id")}
    if found is None:
        needs["wbs_code_ids"] = sorted({line["wbs_code_id"] for line in part.wanted["lines"].values()})
        if "undecided" in part.wanted:
            needs["undecided"] = part.wanted["undecided"]
    return Step(
        name=name,
        part=part.name,
        method="PATCH",
        resource=part.natural_key.resource,
        body={"item": dict(item), "needs": needs},
        target_id=found.target_id if found else None,
        natural_key=part.natural_key,
        creates=found is None,
        irreversible=irreversible,
        batch_key=f"{collection} {project_id} {'new' if found is None else 'known'}",
    )


def step(name: str, part: Part, found: Found, method: str, body: Json | None, *, irreversible: bool = False) -> Step:
    """A request of its own about an object that is there."""
    return Step(name, part.name, method, part.natural_key.resource, body, found.target_id, irreversible=irreversible)


def line_items(found: Found, lines: Mapping[str, Json]) -> list[dict[str, Any]]:
    """As many lines as one call takes, known ones by id: a sync by origin id alone would make a line again that people
    removed meanwhile."""
    items = []
    for origin, line in list(lines.items())[:LINES_PER_CALL]:
        identity = {"id": int(found.sub_ids[origin])} if origin in found.sub_ids else {"origin_id": origin}
        items.append({**identity, **line, "extended_type": "manual"})
    return items


def plan_deletion(part: Part, found: Found | None) -> Plan:
    if found is None or not found.live:
        return Plan(Verb.NONE)
    return Plan(Verb.CANCEL, [step("delete", part, found, "DELETE", None)])


def deleted(kind: str, part: Part, known: TargetObject, *, record: str) -> Reason:
    """People deleted what we made: it is not made again, unless they say so."""
    return Reason(
        code="refused-in-target",
        message=f"{kind} {known.target_id} was deleted in Procore.",
        fix=f"Restore it in Procore, or cancel the {record} at the source.",
        field=part.name,
    )
