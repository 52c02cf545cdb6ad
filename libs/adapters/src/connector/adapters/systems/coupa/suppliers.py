"""Supplier -> Coupa's supplier: rendering, reading, planning, and when two records are the same party."""

from collections.abc import Mapping
from typing import Any

from connector.domain.digest import digest
from connector.domain.documents.common import Address
from connector.domain.documents.supplier import AccountRole, Supplier
from connector.domain.ports.target import Found, Json, Measure, NaturalKey, Part, Plan, Rendered, Step, Verb
from connector.domain.reasons import Reason

from .rendering import Rendering, not_taken
from .settings import CoupaOptions, Settings
from .steps import step
from .values import MADE_BY, custom, differences, inner, instant

RESOURCE = "suppliers"
PART = "supplier"
NAME_LIMIT = 100
NUMBER_LIMIT = 255

FIELDS: list[Any] = [
    "id", "number", "name", "status", "tax_id", "website", {"payment_term": ["code"]}, {"custom_fields": {}}, *MADE_BY,
    {"primary_address": ["street1", "street2", "street3", "city", "postal_code", {"country": ["code"]}]},
]  # fmt: skip


def natural_key(number: str | None, name: str) -> NaturalKey:
    return NaturalKey(RESOURCE, (*((("number", number),) if number else ()), ("name", name)))


# rendering


def render(r: Rendering, supplier: Supplier) -> Rendered:
    if supplier.roles and AccountRole.SUPPLIER not in supplier.roles and not r.wanted.known:
        message = "The account is no supplier in its source system."
        return Rendered(excluded=Reason(code="not-sent-type", message=message, severity="warn"))
    number = r.key(r.options.supplier_number, supplier.number, NUMBER_LIMIT, "number") if supplier.number else None
    name = r.key("{number}", supplier.name, NAME_LIMIT, "name")
    owned: dict[str, Any] = {"tax-id": supplier.vat_id, "payment-term": r.payment_term(supplier.payment_terms)}
    party: dict[str, Any] = {
        "name": name,
        "status": "active" if supplier.status.active else "inactive",
        "primary-address": _address(supplier.addresses),
    }
    contact = _contact(supplier)
    once = {"primary-contact": contact} if contact else {}
    if AccountRole.CUSTOMER in supplier.roles:
        once |= party  # the account serves the sales side too: what is shared is written once and then left to people
    else:
        owned |= party
    wanted = {
        "fields": {field: value for field, value in {"number": number, **owned}.items() if value is not None},
        "once": once,
        "stamp": r.stamp,
    }
    return Rendered(parts=[Part(PART, natural_key(number, name), r.stamp, wanted, Measure())], findings=r.findings)


def _address(addresses: list[Address]) -> dict[str, str] | None:
    """The address of the party itself; Coupa needs street, city and country to keep one."""
    address = next(iter(addresses), None)
    if address is None or not address.lines or not address.city or not address.country:
        return None
    lines = {f"street{position}": line for position, line in enumerate(address.lines[:3], 1)}
    return {**lines, "city": address.city, "postal-code": address.postal_code or "", "country": address.country}


def _contact(supplier: Supplier) -> dict[str, str] | None:
    """Written once: contacts are kept in Coupa from then on."""
    main = next((contact for contact in supplier.contacts if contact.main), None)
    email = (main.email if main else None) or supplier.email
    if not email:
        return None
    names = {"name-given": main.first_name, "name-family": main.last_name} if main else {}
    return {"email": email, **{field: value for field, value in names.items() if value}}


# reading


def found(row: Json, settings: Settings) -> Found:
    address = row.get("primary-address") or {}
    country = address.get("country")
    shown = {
        "number": row.get("number"),
        "name": row.get("name"),
        "status": row.get("status"),
        "tax-id": row.get("tax-id"),
        "payment-term": inner(row, "payment-term", "code"),
        "primary-address": {
            **{name: address.get(name) for name in ("street1", "street2", "street3", "city", "postal-code")},
            "country": country.get("code") if isinstance(country, Mapping) else country,
        },
    }
    stamp = custom(row, settings.stamp_field)
    return Found(
        target_id=str(row["id"]),
        natural_key=natural_key(row.get("number"), str(row.get("name"))),
        stamp=stamp,
        status=str(row.get("status")),
        live=True,
        projection={"fields": shown, "once": {}, "stamp": stamp},
        created_by_us=settings.login is not None and inner(row, "created-by", "login") == settings.login,
        created_at=instant(row.get("created-at")),
    )


# linking


def same(part: Part, candidate: Found, options: CoupaOptions) -> Reason | None:
    """A number counts under a declared authority, a name with the same country and one more key; and nothing may
    contradict."""
    ours, theirs = part.wanted["fields"] | part.wanted["once"], candidate.projection["fields"]
    for name, mine, other in _identifiers(ours, theirs):
        if mine and other and mine != other:
            return _not_linked(part, candidate, f"their {name} differ ({mine}, {other})")
    if options.code_authority and ours.get("number") == theirs["number"]:
        return None
    keys = {name for name, mine, other in _identifiers(ours, theirs) if mine and mine == other}
    postcode = inner(ours, "primary-address", "postal-code")
    second = "tax ids" in keys or "numbers" in keys or _equal(postcode, theirs["primary-address"]["postal-code"])
    if _plain(ours["name"]) == _plain(theirs["name"]) and "countries" in keys and second:
        return None
    return _not_linked(part, candidate, "nothing but their names or numbers agree")


def _identifiers(ours: Mapping[str, Any], theirs: Json) -> list[tuple[str, str, str]]:
    return [
        ("tax ids", _plain(ours.get("tax-id")), _plain(theirs["tax-id"])),
        ("countries", _plain(inner(ours, "primary-address", "country")), _plain(theirs["primary-address"]["country"])),
        ("numbers", _plain(ours.get("number")), _plain(theirs["number"])),
    ]


def _plain(value: Any) -> str:
    return "".join(character for character in str(value or "").casefold() if character.isalnum())


def _equal(one: Any, other: Any) -> bool:
    return bool(_plain(one)) and _plain(one) == _plain(other)


def _not_linked(part: Part, candidate: Found, why: str) -> Reason:
    theirs = candidate.projection["fields"]
    return Reason(
        code="supplier-not-linked",
        message=f"Coupa has supplier {theirs['number'] or candidate.target_id} {theirs['name']!r}, but {why}.",
        fix=f"If both are the same party: connector link {part.stamp} {candidate.target_id}. Else change one of them.",
        field=part.name,
    )


# planning


def plan(part: Part, now: Found | None, options: CoupaOptions, settings: Settings) -> Plan:
    if part.gone:
        return _inactivate(part, now)
    if now is None and not options.create_suppliers:
        return Plan(Verb.NONE, reason=_unknown(part))
    if now is None:
        fields = {**part.wanted["once"], **part.wanted["fields"]}
        fields = {name: value for name, value in fields.items() if value is not None}
        body = {**_defaults(options), **_as_sent(fields), "custom-fields": {settings.stamp_field: part.stamp}}
        return Plan(Verb.CREATE, [_step(part, "create", None, body)])
    if now.stamp not in (None, part.stamp):
        return Plan(Verb.NONE)  # several accounts are one supplier here: the one it is marked with owns its fields
    body = _changes(part, now, settings)
    if body and now.extra.get("tried") == digest(body):
        return Plan(Verb.FROZEN, reason=not_taken(part, now.projection))
    return Plan(Verb.UPDATE, [_step(part, "update", now, body)]) if body else Plan(Verb.NONE)


def _inactivate(part: Part, now: Found | None) -> Plan:
    if now is None or now.status == "inactive" or now.stamp not in (None, part.stamp):
        return Plan(Verb.NONE)
    return Plan(Verb.CLOSE, [_step(part, "inactivate", now, {"status": "inactive"})])


def _unknown(part: Part) -> Reason:
    fields = part.wanted["fields"] | part.wanted["once"]
    return Reason(
        code="supplier-unknown-in-target",
        message=f"Coupa has no supplier {fields.get('number') or ''} {fields['name']!r}.",
        fix=f"Create it in Coupa, link it (connector link {part.stamp} <id>), or set the flow's create_suppliers.",
        field=part.name,
    )


def _defaults(options: CoupaOptions) -> dict[str, Any]:
    """What Coupa needs of a new supplier and no source has."""
    return {
        "po-method": options.po_method,
        "po-change-method": options.po_method,
        "payment-method": "invoice",
        "invoice-matching-level": options.match_type,
    }


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


def _as_sent(fields: Mapping[str, Any]) -> dict[str, Any]:
    body = dict(fields)
    if "payment-term" in body:
        body["payment-term"] = {"code": body["payment-term"]}
    if "primary-address" in body:
        body["primary-address"] = {**body["primary-address"], "country": {"code": body["primary-address"]["country"]}}
    return body


def _step(part: Part, name: str, now: Found | None, body: Json) -> Step:
    ends = now is not None and body.get("status") == "inactive"
    return step(RESOURCE, part, name, now, body, ends=ends)
