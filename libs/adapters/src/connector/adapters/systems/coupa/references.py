"""Coupa's own codes that documents refer to, by kind. Inactive ones count as absent: Coupa takes no new use of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.domain.identity import TrafficClass
from connector.domain.ports.target import Json

from .client import CoupaClient, Fields

LOOKUP_VALUE = "lookup-value:"
"""Kinds `lookup-value:<lookup>` are the values of one lookup."""


@dataclass(frozen=True, slots=True)
class _Kind:
    resource: str
    code: str
    """The attribute that is the code."""
    fields: Fields


_KINDS: Mapping[str, _Kind] = {
    "payment-term": _Kind("payment_terms", "code", ("id", "code", "active")),
    "currency": _Kind("currencies", "code", ("id", "code", "decimals")),
    "uom": _Kind("uoms", "code", ("id", "code", "active")),
    "tax-code": _Kind("tax_codes", "code", ("id", "code", "active", {"country": ["code"]})),
    "account-type": _Kind("account_types", "name", ("id", "name", "active", "dynamic_flag")),
    "lookup": _Kind("lookups", "name", ("id", "name", "active")),
    "address": _Kind("addresses", "location-code", ("id", "location_code", "active")),
    "user": _Kind("users", "login", ("id", "login", "active")),
}
_VALUE_FIELDS: Fields = ("id", "name", "external_ref_num", "active")


async def read_references(
    client: CoupaClient, kind: str, codes: Sequence[str] | None, traffic: TrafficClass
) -> Mapping[str, Json]:
    """The active ones of these codes, or all of the kind. Raises KeyError for a kind that Coupa does not have."""
    known, where = _KINDS.get(kind), {}
    if kind.startswith(LOOKUP_VALUE):
        known = _Kind("lookup_values", "external-ref-num", _VALUE_FIELDS)
        where = {"lookup[name]": kind.removeprefix(LOOKUP_VALUE)}
    if known is None:
        raise KeyError(f"Coupa has no references of kind {kind!r}")
    attribute = known.code.replace("-", "_")
    if codes is None:
        rows = await client.rows(known.resource, where, known.fields, traffic)
    else:
        asked = [code.partition("@")[0] for code in codes] if kind == "tax-code" else codes
        rows = await client.rows_of(known.resource, attribute, asked, known.fields, traffic, where)
    found: dict[str, Json] = {}
    for row in rows:
        if row.get("active") is not False:
            found |= dict.fromkeys(_names(kind, known.code, row), row)
    return found


def _names(kind: str, code: str, row: Json) -> list[str]:
    """A tax code is known by itself and with its country."""
    name = str(row[code])
    country = row.get("country") or {}
    return [name, f"{name}@{country['code']}"] if kind == "tax-code" and country.get("code") else [name]
