"""Suppliers as vendors of the company directory."""

from collections.abc import Iterable
from typing import Any

from connector.domain.documents.supplier import Supplier
from connector.domain.ports.target import Found, Measure, NaturalKey, Part, Plan, Rendered, Step, TargetObject, Verb
from connector.domain.reasons import Reason

from .naming import VENDORS, is_ours
from .rendering import Rendering
from .settings import ExactProcoreOptions
from .values import Json, changed, inner, shortened

PART = "vendor"
FIELDS = ("name", "address", "city", "zip", "country_code", "email_address", "business_phone", "website")


def render_vendor(rendering: Rendering, supplier: Supplier | None) -> Rendered:
    """A supplier that is gone or inactive at the source stays: documents of it may be on their way."""
    if supplier is None:
        reason = Reason(code="not-sent-type", message="Vendors are not removed from Procore.", severity="warn")
        return Rendered(excluded=reason)
    main = supplier.addresses[0] if supplier.addresses else None
    content = {
        "name": shortened(supplier.name),
        "origin_code": supplier.number,
        "address": shortened(", ".join(main.lines)) if main else None,
        "city": main.city if main else None,
        "zip": main.postal_code if main else None,
        "country_code": main.country if main else None,
        "email_address": supplier.email,
        "business_phone": supplier.phone,
        "website": supplier.website,
    }
    stamp = rendering.ref.key
    key = NaturalKey(VENDORS, (("origin_id", stamp), ("name", content["name"] or "")))
    sent = {name: value for name, value in content.items() if value is not None}
    part = Part(PART, key, stamp, {**sent, "vat_id": supplier.vat_id}, measure=Measure())
    return Rendered(parts=[part], findings=rendering.findings)


def found_vendor(row: Json, key: NaturalKey) -> Found:
    return Found(
        target_id=str(row["id"]),
        natural_key=key,
        stamp=row.get("origin_id"),
        status="active" if row.get("is_active", True) else "inactive",
        live=True,
        projection={**{name: row.get(name) for name in (*FIELDS, "origin_code")}, "vat_id": tax_id(row)},
        created_at=row.get("created_at"),
    )


def tax_id(row: Json) -> str | None:
    value = inner(row, "business_register", "identifier")
    return str(value) if value else None


def hits(key: NaturalKey, rows: Iterable[Json]) -> list[Found]:
    """The vendor with our origin id, else those of the same name."""
    fields = dict(key.fields)
    ours = [row for row in rows if row.get("origin_id") == fields["origin_id"]]
    named = [row for row in rows if _same_text(row.get("name"), fields["name"])]
    return [found_vendor(row, key) for row in ours or named]


def plan_vendor(part: Part, known: TargetObject | None, found: Found | None, options: ExactProcoreOptions) -> Plan:
    wanted = {name: value for name, value in part.wanted.items() if name != "vat_id"}
    if found is None and known is not None:
        reason = Reason(
            code="refused-in-target",
            message=f"Vendor {known.target_id} was deleted in Procore.",
            fix="Restore it there, or link the supplier to another vendor: connector link.",
        )
        return Plan(Verb.NONE, reason=reason)
    if found is None:
        if options.create_vendors:
            return Plan(Verb.CREATE, [_step("create", part, {**wanted, "origin_id": part.stamp}, None)])
        reason = Reason(
            code="vendor-unknown-in-target",
            message=f"The company directory has no vendor {wanted['name']!r}.",
            fix="Create it in Procore, or allow the flow to (options.create_vendors); then: connector release.",
        )
        return Plan(Verb.NONE, reason=reason)
    body = changed(wanted, found.projection)
    if found.stamp is None:
        body["origin_id"] = part.stamp
    return Plan(Verb.UPDATE, [_step("update", part, body, found.target_id)]) if body else Plan(Verb.NONE)


def same_vendor(part: Part, found: Found) -> Reason | None:
    """A name match needs the same country, a second key, and nothing that contradicts."""
    if found.stamp is not None:
        owner = "another supplier of ours" if is_ours(found.stamp) else "another integration"
        return _undecided(part, found, f"its origin id {found.stamp} belongs to {owner}")
    wanted, shown = part.wanted, found.projection
    if wanted.get("vat_id") and shown["vat_id"] and wanted["vat_id"] != shown["vat_id"]:
        return _undecided(part, found, f"its tax id is {shown['vat_id']}, the supplier's {wanted['vat_id']}")
    if wanted.get("country_code") and shown["country_code"] and wanted["country_code"] != shown["country_code"]:
        return _undecided(part, found, f"it is in {shown['country_code']}, the supplier in {wanted['country_code']}")
    second = ("vat_id", "origin_code", "zip", "email_address", "business_phone")
    if any(wanted.get(name) and _same_text(shown[name], wanted[name]) for name in second):
        return None
    return _undecided(part, found, "nothing but the name says so")


def _undecided(part: Part, found: Found, why: str) -> Reason:
    return Reason(
        code="vendor-not-proven",
        message=f"Procore has a vendor {part.wanted['name']!r} ({found.target_id}), but {why}.",
        fix=f"If both are the same: connector link {part.stamp} {found.target_id}. Else rename one of them.",
        field=part.name,
    )


def _same_text(one: Any, other: Any) -> bool:
    return one is not None and other is not None and str(one).strip().casefold() == str(other).strip().casefold()


def _step(name: str, part: Part, body: Json, target_id: str | None) -> Step:
    return Step(
        name=name,
        part=part.name,
        method="PATCH",
        resource=VENDORS,
        body=body,
        target_id=target_id,
        natural_key=part.natural_key,
        creates=target_id is None,
        batch_key=VENDORS,
    )
