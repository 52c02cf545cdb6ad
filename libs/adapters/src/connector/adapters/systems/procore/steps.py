"""Steps and reasons that commitments, direct costs and requisitions have in common."""

from collections.abc import Mapping
from typing import Any

from connector.domain.ports.target import Found, Json, Part, Plan, Step, TargetObject, Verb
from connector.domain.reasons import Reason

from .naming import split

LINES_PER_CALL = 500
DELETE = "delete"


def sync(name: str, part: Part, found: Found | None, item: Json, *, irreversible: bool = False) -> Step:
    """One item of a sync: those of many objects of one project travel together. A new one is looked at beforehand for
    what it needs."""
    collection, project_id = split(part.natural_key.resource)
    needs = _needs(part) if found is None else {"vendor_id": item.get("vendor_id")}
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


def _needs(part: Part) -> dict[str, Any]:
    """What a new one needs in Procore. The schedule of values that a requisition bills has all of it already."""
    if "lines" not in part.wanted:
        return {}
    return {
        "vendor_id": part.wanted["header"].get("vendor_id"),
        "wbs_code_ids": sorted({line["wbs_code_id"] for line in part.wanted["lines"].values()}),
        "undecided": part.wanted.get("undecided"),
    }


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


def codes_of(part: Part) -> dict[int, str]:
    """The project's WBS codes that its lines are on, by their ids; none where it is brought down to what is billed."""
    return {
        line["wbs_code_id"]: part.frozen[origin]["code"].partition(":")[2]
        for origin, line in part.wanted.get("lines", {}).items()
        if origin in part.frozen
    }


def plan_deletion(part: Part, found: Found | None) -> Plan:
    if found is None or not found.live:
        return Plan(Verb.NONE)
    return Plan(Verb.CANCEL, [_deletion(part, found, None)])


def plan_replacement(part: Part, found: Found) -> Plan:
    """Nothing turns it into what is wanted: it is deleted, unless what is to come after it lacks something, and made
    anew once it is gone."""
    return Plan(Verb.REPLACE, [_deletion(part, found, {"needs": _needs(part)})])


def _deletion(part: Part, found: Found, body: Json | None) -> Step:
    """Where it is, which is not where a part of another kind is wanted."""
    return Step(DELETE, part.name, "DELETE", found.natural_key.resource, body, found.target_id)


def deleted(kind: str, part: Part, known: TargetObject | None, *, record: str) -> Reason | None:
    """People deleted what we made: it is not made again, unless they say so. What we deleted ourselves, to replace it
    or because it was withdrawn for a time, is."""
    if known is None or known.step_reached == DELETE:
        return None
    return Reason(
        code="refused-in-target",
        message=f"{kind} {known.target_id} was deleted in Procore.",
        fix=f"Restore it in Procore, or cancel the {record} at the source.",
        field=part.name,
    )
