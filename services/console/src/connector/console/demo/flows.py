"""What the demo has to know of each flow beyond its story: how a customer would connect those systems."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Connecting:
    """A tenant for a story: its configuration, and the environment its secrets come from."""

    configuration: Json
    secrets: Mapping[str, str]
    logins: Sequence[str] = ()
    """Connections that a person has to log in for."""


@dataclass(frozen=True, slots=True)
class DemoFlow:
    """`services` are those it runs through. `connect` is given the story's facts and what each sandbox printed when it
    started, by system; `caller` names the connection that made a request, from the system and the request's path (None:
    none of a document's)."""

    name: str
    services: Sequence[str]
    connect: Callable[[Mapping[str, Any], Mapping[str, Json]], Connecting]
    caller: Callable[[str, str], str | None]


TENANT = "demo"
_DIVISION = re.compile(r"/api/v1/(\d+)/")


def _exact_coupa(facts: Mapping[str, Any], sandboxes: Mapping[str, Json]) -> Connecting:
    exact, coupa = sandboxes["exact"], sandboxes["coupa"]
    secrets = {
        "COUPA_CLIENT_ID": coupa["credentials"]["client_id"],
        "COUPA_CLIENT_SECRET": coupa["credentials"]["client_secret"],
        "COUPA_WEBHOOK_SECRET": coupa["credentials"]["webhook_secret"],
    }
    connections: Json = {
        "coupa": {
            "system": "coupa",
            "settings": {"base_url": coupa["base_url"], "login": coupa["credentials"]["login"]},
            "secrets": _from_environment("COUPA", ("client_id", "client_secret", "webhook_secret")),
            "call_deadline_s": 5,
            "processing_s": 2,
        }
    }
    flows: Json = {}
    # each division has an app of its own: one user's login for an app ends the login before it
    for division, app in zip(facts["divisions"], exact["credentials"]["apps"], strict=True):
        code = division["code"]
        name = f"EXACT_{code}"
        fields = ("client_id", "client_secret", "webhook_secret")
        secrets |= {f"{name}_{field.upper()}": app[field] for field in fields}
        connections[f"exact-{code}"] = {
            "system": "exact",
            "settings": _exact_settings(exact["base_url"], code),
            "secrets": _from_environment(name, fields),
            "call_deadline_s": 5,
            "processing_s": 2,
        }
        flows[f"exact-coupa-{code}"] = _exact_coupa_flow(facts, division, coupa["credentials"])
    logins = [name for name in connections if name.startswith("exact-")]
    return Connecting({"tenant": TENANT, "connections": connections, "flows": flows}, secrets, logins)


def _from_environment(prefix: str, fields: Sequence[str]) -> Json:
    return {field: f"env:{prefix}_{field.upper()}" for field in fields}


def _exact_settings(base_url: str, division: int) -> Json:
    return {
        "base_url": base_url,
        "division": division,
        "purchase_invoices": True,
        "call_deadline_s": 5,
        "minute_s": 6,
        "catch_up_s": 5,
        "company": {
            "currency": "EUR",
            "vat": {
                "0": {"category": "O"}, "1": {"category": "S"}, "2": {"category": "S"}, "3": {"category": "S"},
                "4": {"category": "AE"}, "5": {"category": "Z"}, "6": {"category": "S", "non_deductible": 50},
            },
        },
    }  # fmt: skip


def _exact_coupa_flow(facts: Mapping[str, Any], division: Json, coupa: Json) -> Json:
    return {
        "kind": "exact-coupa",
        "source": f"exact-{division['code']}",
        "target": "coupa",
        "start_date": facts["start_date"],
        "references": ["cost-center"],
        "wait_s": 10,
        "options": {
            "chart_of_accounts": coupa["account_type"],
            "accounts": {
                "form": "segments",
                "segments": [{"kind": "cost-center", "default": "NONE"}, {"kind": "gl-account"}],
            },
            "lookups": {"cost-center": "Cost Center", "gl-account": "GL Account"},
            "ship_to_user": coupa["ship_to_user"],
            "ship_to_address": coupa["ship_to_address"],
            "po_number": f"{division['prefix']}{{number}}",
            "supplier_number": f"{division['prefix']}{{number}}",
            "shared": ["lookup-values"],
            "code_authority": True,
            "orders": "all",
            "invoice_end_state": "submitted",
            "settlement": "source",
            "original_unknown": "negative-invoice",
            "default_unit": "EA",
        },
        "mappings": {
            "payment-terms": {"00": "Net 0", "14": "Net 14", "30": "Net 30", "60": "Net 60"},
            "tax-codes": {
                "0": "", "1": "NL9@NL", "2": "NL21@NL", "3": "NL21@NL", "4": "NLRC@NL", "5": "NL0@NL", "6": "NL21@NL",
            },
            "units": {"stuk": "EA", "doos": "BX", "uur": "HR", "kg": "KG"},
        },
    }  # fmt: skip


def _exact_coupa_caller(system: str, path: str) -> str | None:
    if system == "exact":
        found = _DIVISION.match(path)
        return f"exact-{found[1]}" if found else None
    return "coupa" if path.startswith("/api/") else None


SHARED = ("ingest", "poller", "mapper")
FLOWS: Mapping[str, DemoFlow] = {
    flow.name: flow
    for flow in (
        DemoFlow("exact-coupa", (*SHARED, "exact-fetcher", "coupa-writer"), _exact_coupa, _exact_coupa_caller),
    )
}


def calls_by_connection(flow: DemoFlow, calls: Mapping[str, Sequence[Json]]) -> dict[str, int]:
    """Requests by connection, from each sandbox's own log; logins and token requests are not counted."""
    counted: Counter[str] = Counter()
    for system, of in calls.items():
        for call in of:
            caller = flow.caller(system, call["path"])
            if caller is not None:
                counted[caller] += 1
    return dict(sorted(counted.items()))
