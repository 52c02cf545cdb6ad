"""Reference -> a value of one of Coupa's lookups: the GL accounts, cost centers and the like that accounts are made of.

Coupa: under a dynamic chart accounts come into being from lookup values; accounts themselves are not posted.
"""

from typing import Any

from connector.domain.digest import digest
from connector.domain.documents.reference import Reference
from connector.domain.ports.target import Found, Json, Measure, NaturalKey, Part, Plan, Rendered, Verb
from connector.domain.reasons import Reason

from .rendering import Rendering, not_taken
from .settings import CoupaOptions, Settings
from .steps import step
from .values import MADE_BY, custom, differences, inner, instant, shortened

RESOURCE = "lookup_values"
PART = "value"
CODE_LIMIT = 255
NAME_LIMIT = 255

FIELDS: list[Any] = [
    "id", "name", "external_ref_num", "active", {"lookup": ["name"]}, {"custom_fields": {}}, *MADE_BY,
]  # fmt: skip


def natural_key(lookup: str, code: str) -> NaturalKey:
    return NaturalKey(RESOURCE, (("lookup", lookup), ("external-ref-num", code)))


def render(r: Rendering, reference: Reference) -> Rendered:
    lookup = r.options.lookups.get(reference.kind)
    if lookup is None:
        message = f"The flow names no lookup that holds the values of {reference.kind}."
        return Rendered(excluded=Reason(code="not-sent-type", message=message, severity="warn"))
    if not reference.active and not r.wanted.known:
        message = "The code was no longer in use before it was ever written."
        return Rendered(excluded=Reason(code="gone-before-first-write", message=message, severity="warn"))
    code = r.key("{number}", reference.code, CODE_LIMIT, "external-ref-num")
    r.reference("lookup", lookup, "lookup-unknown-in-target", "lookup", f"lookups.{reference.kind}")
    fields = {
        "name": shortened(f"{code} {reference.name or ''}", NAME_LIMIT),
        "external-ref-num": code,
        "active": reference.active,
        "lookup": lookup,
    }
    wanted = {"fields": fields, "stamp": r.stamp}
    return Rendered(parts=[Part(PART, natural_key(lookup, code), r.stamp, wanted, Measure())], findings=r.findings)


def found(row: Json, settings: Settings) -> Found:
    stamp = custom(row, settings.stamp_field)
    fields = {
        "name": row.get("name"),
        "external-ref-num": row.get("external-ref-num"),
        "active": row.get("active"),
        "lookup": inner(row, "lookup", "name"),
    }
    return Found(
        target_id=str(row["id"]),
        natural_key=natural_key(str(fields["lookup"]), str(fields["external-ref-num"])),
        stamp=stamp,
        status="active" if fields["active"] else "inactive",
        live=True,
        projection={"fields": fields, "stamp": stamp},
        created_by_us=settings.login is not None and inner(row, "created-by", "login") == settings.login,
        created_at=instant(row.get("created-at")),
    )


def same(part: Part, candidate: Found, options: CoupaOptions) -> Reason | None:
    """An equal code in the same lookup is the same value, unless it belongs to another source and is not shared."""
    if not _is_anothers(part, candidate) or "lookup-values" in options.shared:
        return None
    return Reason(
        code="value-linked-elsewhere",
        message=f"{part.natural_key} in Coupa belongs to {candidate.stamp}.",
        fix="Give this flow a lookup of its own, or set shared: [lookup-values] on both if equal codes are one value.",
        field=part.name,
    )


def _is_anothers(part: Part, found: Found) -> bool:
    return found.stamp not in (None, part.stamp)


def plan(part: Part, now: Found | None, options: CoupaOptions, settings: Settings) -> Plan:
    """A shared value is kept by the source that marked it first; the others only use it."""
    if now is not None and _is_anothers(part, now):
        return Plan(Verb.NONE)
    if part.gone:
        if now is None or now.status == "inactive":
            return Plan(Verb.NONE)
        return Plan(Verb.CLOSE, [step(RESOURCE, part, "inactivate", now, {"active": False})])
    if now is None:
        body = {**_as_sent(part.wanted["fields"]), "custom-fields": {settings.stamp_field: part.stamp}}
        return Plan(Verb.CREATE, [step(RESOURCE, part, "create", None, body)])
    body = _changes(part, now, settings)
    if body and now.extra.get("tried") == digest(body):
        return Plan(Verb.FROZEN, reason=not_taken(part, now.projection))
    return Plan(Verb.UPDATE, [step(RESOURCE, part, "update", now, body)]) if body else Plan(Verb.NONE)


def _changes(part: Part, now: Found, settings: Settings) -> dict[str, Any]:
    shown = now.projection["fields"]
    changed = {
        name: value
        for name, value in part.wanted["fields"].items()
        if list(differences({name: value}, {name: shown[name]}))
    }
    body = _as_sent(changed)
    if now.stamp != part.stamp:
        body["custom-fields"] = {settings.stamp_field: part.stamp}
    return body


def _as_sent(fields: Json) -> dict[str, Any]:
    body = dict(fields)
    if "lookup" in body:
        body["lookup"] = {"name": body["lookup"]}
    return body
