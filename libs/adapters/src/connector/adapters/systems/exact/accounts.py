"""Supplier -> Exact's account: rendering, reading, planning, and when two records are the same party."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from connector.domain.digest import digest
from connector.domain.documents.supplier import Supplier
from connector.domain.identity import TrafficClass
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import (
    Found,
    Json,
    Measure,
    NaturalKey,
    Part,
    Plan,
    Rendered,
    Step,
    TargetObject,
    Verb,
)
from connector.domain.reasons import Reason

from .client import ExactClient, Query, Row, guid, text
from .fields import ACCOUNTS

if TYPE_CHECKING:
    from .options import BaswareExactOptions
    from .rendering import Rendering

PART, RESOURCE = "account", ACCOUNTS
FIELDS = (
    "ID", "Code", "Name", "IsSupplier", "Status", "Blocked", "StartDate", "EndDate", "VATNumber", "ChamberOfCommerce",
    "AddressLine1", "AddressLine2", "AddressLine3", "Postcode", "City", "State", "Country", "Email", "Phone", "Website",
    "PurchaseCurrency", "PaymentConditionPurchase", "Remarks", "Created", "Creator",
)  # fmt: skip
OWNED = (
    "Name", "Email", "Phone", "Website", "AddressLine1", "AddressLine2", "AddressLine3", "Postcode", "City", "Country",
    "VATNumber", "ChamberOfCommerce", "PurchaseCurrency", "PaymentConditionPurchase",
)  # fmt: skip
"""What an account that we made keeps from its source. One that people made stays theirs."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What tells a supplier from others. `authority`: its number is meant to be the account's code."""

    number: str
    vat: str
    registration: str
    country: str
    postcode: str
    name: str
    authority: bool

    @property
    def code(self) -> str:
        """As the code of a reference of kind `account`."""
        return json.dumps(list(asdict(self).values()), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def of_code(cls, code: str) -> "Wanted":
        return cls(*json.loads(code))

    @classmethod
    def of_supplier(cls, supplier: Supplier, authority: bool) -> "Wanted":
        address = supplier.addresses[0] if supplier.addresses else None
        return cls(
            number=supplier.number or "",
            vat=supplier.vat_id or "",
            registration=supplier.registration or "",
            country=(address.country if address else None) or "",
            postcode=(address.postal_code if address else None) or "",
            name=supplier.name,
            authority=authority,
        )

    @property
    def key(self) -> NaturalKey:
        return NaturalKey(RESOURCE, (("identity", self.code),))


# rendering


def render(r: "Rendering", supplier: Supplier) -> Rendered:
    if not supplier.status.active and not r.wanted.known:
        message = "The vendor is inactive at its source and has no account in Exact yet."
        return Rendered(excluded=Reason(code="not-sent-type", message=message, severity="warn"))
    companies = set(supplier.companies)
    if companies and not companies & set(r.options.companies) and not r.wanted.known:
        message = f"It belongs to {', '.join(sorted(companies))}, which this flow does not carry."
        return Rendered(excluded=Reason(code="other-company", message=message, severity="warn"))
    wanted = Wanted.of_supplier(supplier, r.options.code_authority)
    condition = r.payment_condition(supplier.payment_terms.code if supplier.payment_terms else None)
    if not r.options.create_suppliers and not r.wanted.known:
        _expect(r, wanted)
    address = supplier.addresses[0] if supplier.addresses else None
    lines = address.lines if address else []
    fields = {
        "Name": supplier.name,
        "VATNumber": supplier.vat_id,
        "ChamberOfCommerce": supplier.registration,
        **{f"AddressLine{n}": line for n, line in enumerate(lines[:3], 1)},
        "Postcode": address.postal_code if address else None,
        "City": address.city if address else None,
        "Country": address.country if address else None,
        "Email": supplier.email,
        "Phone": supplier.phone,
        "Website": supplier.website,
        "PurchaseCurrency": supplier.currency,
        "PaymentConditionPurchase": condition,
    }
    body = {"fields": {name: value for name, value in fields.items() if value}, "identity": wanted.code}
    return Rendered(parts=[Part(PART, wanted.key, r.stamp, body, Measure())], findings=r.findings)


def _expect(r: "Rendering", wanted: Wanted) -> None:
    """Where accounts are made by people, one has to be there; once it is, the supplier goes on by itself."""
    found = r.lookup.reference(r.wanted.target, "account", wanted.code)
    if found is None:
        r.find(
            "supplier-unknown-in-target",
            f"Exact has no account that is provably supplier {wanted.number} {wanted.name!r}.",
            missing=str(ReferenceKey(r.wanted.target, "account", wanted.code)),
            fix=f"Create the account in Exact with its VAT number, link it (connector link {r.stamp} <id>), or set the "
            "flow's create_suppliers.",
            field=PART,
        )


# reading


async def candidates(client: ExactClient, wanted: Sequence[Wanted], traffic: TrafficClass) -> list[Row]:
    """Every account that shares a number, a name or a registration with one of these. Exact pads codes to 18."""
    query = Query(RESOURCE, FIELDS)
    found: dict[str, Row] = {}
    values = {
        "Code": [f"{one.number:>18}" for one in wanted if one.number and one.authority],
        "VATNumber": [one.vat for one in wanted if one.vat],
        "ChamberOfCommerce": [one.registration for one in wanted if one.registration],
        "Name": [one.name for one in wanted],
    }
    for field, literals in values.items():
        distinct = sorted({text(value) for value in literals})
        for row in await client.rows_of(query, field, distinct, traffic):
            found[row["ID"]] = row
    return list(found.values())


async def look_up(
    client: ExactClient, keys: Sequence[NaturalKey], traffic: TrafficClass
) -> dict[NaturalKey, Sequence[Found]]:
    """Accounts that are provably the party; where there are none, those that may be, for a person to decide."""
    wanted = {key: Wanted.of_code(dict(key.fields)["identity"]) for key in keys}
    rows = await candidates(client, list(wanted.values()), traffic)
    hits: dict[NaturalKey, Sequence[Found]] = {}
    for key, one in wanted.items():
        near = [row for row in rows if _alike(one, row)]
        proven = [row for row in near if proof(one, row) is None]
        hits[key] = [found(row) for row in proven or near]
    return hits


async def read(client: ExactClient, ids: Sequence[str], traffic: TrafficClass) -> dict[str, Found]:
    rows = await client.rows_of(Query(RESOURCE, FIELDS), "ID", [guid(one) for one in ids], traffic)
    return {row["ID"]: found(row) for row in rows}


def found(row: Row) -> Found:
    remarks = str(row.get("Remarks") or "")
    return Found(
        target_id=row["ID"],
        natural_key=NaturalKey(RESOURCE, (("Code", str(row.get("Code"))), ("Name", str(row.get("Name"))))),
        stamp=remarks if remarks.count("/") >= 3 and " " not in remarks else None,
        status="blocked" if row.get("Blocked") else "active" if row.get("IsSupplier") else "no supplier",
        live=True,
        projection={name: row.get(name) for name in FIELDS if name not in ("ID", "Created", "Creator")},
        extra={"code": row.get("Code")},
    )


# linking


def proof(wanted: Wanted, row: Json) -> str | None:
    """None where the account is provably this supplier, else why it can't be taken for it.

    A code counts under a declared authority; a VAT number or a registration by itself; a name with the same country and
    postcode. Nothing may contradict.
    """
    pairs = {
        "VAT numbers": (_plain(wanted.vat), _plain(row.get("VATNumber"))),
        "registrations": (_plain(wanted.registration), _plain(row.get("ChamberOfCommerce"))),
        "countries": (_plain(wanted.country), _plain(row.get("Country"))),
    }
    for what, (ours, theirs) in pairs.items():
        if ours and theirs and ours != theirs:
            return f"their {what} differ ({ours}, {theirs})"
    equal = {what for what, (ours, theirs) in pairs.items() if ours and ours == theirs}
    if wanted.authority and wanted.number and _plain(wanted.number) == _plain(row.get("Code")):
        return None
    if equal & {"VAT numbers", "registrations"}:
        return None
    postcode = _plain(wanted.postcode)
    if _same_name(wanted, row) and "countries" in equal and postcode and postcode == _plain(row.get("Postcode")):
        return None
    return "only their names agree"


def same(part: Part, candidate: Found) -> Reason | None:
    wanted = Wanted.of_code(part.wanted["identity"])
    if candidate.stamp is not None and candidate.stamp != part.stamp:
        return _not_linked(part, candidate, f"it is linked to {candidate.stamp}")
    against = proof(wanted, candidate.projection)
    return None if against is None else _not_linked(part, candidate, against)


def _not_linked(part: Part, candidate: Found, why: str) -> Reason:
    return Reason(
        code="supplier-not-linked",
        message=f"Exact has account {candidate.extra['code']} {candidate.projection['Name']!r}, but {why}.",
        fix=f"If both are the same party: connector link {part.stamp} {candidate.target_id}. Else change one of them.",
        field=part.name,
    )


def _alike(wanted: Wanted, row: Row) -> bool:
    by_code = wanted.authority and bool(wanted.number) and _plain(wanted.number) == _plain(row.get("Code"))
    by_vat = bool(wanted.vat) and _plain(wanted.vat) == _plain(row.get("VATNumber"))
    registration = _plain(wanted.registration)
    by_registration = bool(registration) and registration == _plain(row.get("ChamberOfCommerce"))
    return by_code or by_vat or by_registration or _same_name(wanted, row)


def _same_name(wanted: Wanted, row: Json) -> bool:
    return bool(wanted.name) and _plain(wanted.name) == _plain(row.get("Name"))


def _plain(value: Any) -> str:
    return "".join(character for character in str(value or "").casefold() if character.isalnum())


# planning


def plan(part: Part, known: TargetObject | None, now: Found | None, options: "BaswareExactOptions") -> Plan:
    if part.gone:
        return Plan(Verb.NONE)  # an account outlives its vendor: entries are booked on it
    if now is None and not options.create_suppliers:
        return Plan(Verb.NONE, reason=_unknown(part))
    if now is None:
        return Plan(Verb.CREATE, [_step(part, "create", None, _created(part))])
    changes = _changes(part, now)
    step = f"update-{digest(changes)[:8]}"
    if changes and known is not None and known.step_reached == step:
        message = f"Exact does not keep {', '.join(sorted(changes))} as sent."
        return Plan(Verb.FROZEN, reason=Reason(code="target-differs", message=message, field=part.name))
    return Plan(Verb.UPDATE, [_step(part, step, now, changes)]) if changes else Plan(Verb.NONE)


def _created(part: Part) -> dict[str, Any]:
    """Without a code Exact gives the next one. Status is for customers and stays out."""
    wanted = Wanted.of_code(part.wanted["identity"])
    code = {"Code": f"{wanted.number:>18}"} if wanted.authority and wanted.number else {}
    return {**part.wanted["fields"], **code, "IsSupplier": True, "Remarks": part.stamp}


def _changes(part: Part, now: Found) -> dict[str, Any]:
    changes: dict[str, Any] = {} if now.projection.get("IsSupplier") else {"IsSupplier": True}
    if now.stamp == part.stamp:
        fields = part.wanted["fields"]
        changes |= {
            name: fields[name] for name in OWNED if name in fields and fields[name] != (now.projection[name] or None)
        }
    return changes


def _unknown(part: Part) -> Reason:
    wanted = Wanted.of_code(part.wanted["identity"])
    return Reason(
        code="supplier-unknown-in-target",
        message=f"Exact has no account of supplier {wanted.number} {wanted.name!r}.",
        fix=f"Create it in Exact, link it (connector link {part.stamp} <id>), or set the flow's create_suppliers.",
        field=part.name,
    )


def _step(part: Part, name: str, now: Found | None, body: Json) -> Step:
    return Step(
        name=name,
        part=part.name,
        method="POST" if now is None else "PUT",
        resource=RESOURCE,
        body=body,
        target_id=None if now is None else now.target_id,
        natural_key=part.natural_key,
        creates=now is None,
    )
