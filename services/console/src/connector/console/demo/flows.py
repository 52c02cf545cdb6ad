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
class Kill:
    """A service killed and started again while the month goes on, when a vendor has carried out such a request and its
    answer is on the way."""

    service: str
    system: str
    method: str
    path: str
    """A regular expression."""


@dataclass(frozen=True, slots=True)
class DemoFlow:
    """`services` are those it runs through. `connect` is given the story's facts and what each sandbox printed when it
    started, by system; `caller` names the connection that made a request, from the system and the request's path (None:
    none of a document's)."""

    name: str
    services: Sequence[str]
    connect: Callable[[Mapping[str, Any], Mapping[str, Json]], Connecting]
    caller: Callable[[str, str], str | None]
    correct: Callable[[Mapping[str, Any], Json], Json] | None = None
    """The configuration with what was forgotten at first, from the story's facts."""
    kills: Sequence[Kill] = ()


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
        "catch_up_s": 3,
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
            "orders": "open-only" if division["prefix"] else "all",
            "create_suppliers": bool(division["prefix"]),
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


def _basware_exact(facts: Mapping[str, Any], sandboxes: Mapping[str, Json]) -> Connecting:
    """One Basware tenant; a division of Exact for each of its companies. The first has what can't be booked refused and
    lets accounts be made; the second has it held and makes its accounts by hand."""
    basware, exact = sandboxes["basware"], sandboxes["exact"]
    fields = ("client_id", "client_secret", "webhook_secret")
    secrets = {f"BASWARE_{field.upper()}": basware["credentials"][field] for field in fields}
    connections: Json = {
        "basware": {
            "system": "basware",
            "settings": {
                "base_url": basware["base_url"],
                "tenant_id": basware["credentials"]["bwcid"],
                "company": {company: {} for company in facts["divisions"]},
                "cost_unit": "dimCode1",
                "images": True,
                "calls_per_s": 50,
                "catch_up_s": 3,
                "vendors_s": 3,
                "confirm_after_s": 1,
                "call_deadline_s": 5,
            },
            "secrets": _from_environment("BASWARE", fields),
            "call_deadline_s": 5,
            "processing_s": 2,
        }
    }
    flows: Json = {}
    for (company, division), app in zip(facts["divisions"].items(), exact["credentials"]["apps"], strict=True):
        name = f"EXACT_{division}"
        secrets |= {f"{name}_{field.upper()}": app[field] for field in fields}
        connections[f"exact-{division}"] = {
            "system": "exact",
            "settings": _exact_settings(exact["base_url"], division),
            "secrets": _from_environment(name, fields),
            "call_deadline_s": 5,
            "processing_s": 2,
        }
        flows[f"basware-{company.lower()}"] = _basware_exact_flow(facts, company, division, first=not flows)
    logins = [name for name in connections if name.startswith("exact-")]
    return Connecting({"tenant": TENANT, "connections": connections, "flows": flows}, secrets, logins)


def _basware_exact_flow(facts: Mapping[str, Any], company: str, division: int, *, first: bool) -> Json:
    return {
        "kind": "basware-exact",
        "source": "basware",
        "target": f"exact-{division}",
        "start_date": facts["start_date"],
        "on_block": "reject" if first else "hold",
        "wait_s": 5,
        "options": {"companies": [company], "journal": "70", "no_tax_code": "5", "create_suppliers": first},
        "mappings": {
            "vat-codes": {"V21": "2", "V09": "1", "V00": "5"},
            "payment-terms": {"30D": "30"},
        },
    }


def _basware_exact_caller(system: str, path: str) -> str | None:
    if system == "exact":
        return _exact_coupa_caller(system, path)
    return "basware" if path.startswith("/v1/") and path != "/v1/tokens" else None


def _exact_procore(facts: Mapping[str, Any], sandboxes: Mapping[str, Json]) -> Connecting:
    exact, procore = sandboxes["exact"], sandboxes["procore"]
    credentials = procore["credentials"]
    app = exact["credentials"]["apps"][0]
    fields = ("client_id", "client_secret", "webhook_secret")
    secrets = {f"EXACT_{field.upper()}": app[field] for field in fields}
    secrets |= {f"PROCORE_{field.upper()}": credentials[field] for field in fields[:2]}
    connections: Json = {
        "exact": {
            "system": "exact",
            "settings": _exact_settings(exact["base_url"], facts["division"]),
            "secrets": _from_environment("EXACT", fields),
            "call_deadline_s": 5,
            "processing_s": 2,
        },
        "procore": {
            "system": "procore",
            "settings": {
                **{name: credentials[name] for name in ("company_id", "login_url", "api_url")},
                "calls_per_hour": 100_000,
                "spike_s": 2,
            },
            "secrets": _from_environment("PROCORE", fields[:2]),
            "call_deadline_s": 5,
            "processing_s": 2,
        },
    }
    flow = _exact_procore_flow(facts)
    return Connecting(
        {"tenant": TENANT, "connections": connections, "flows": {"exact-procore": flow}}, secrets, ["exact"]
    )


def _exact_procore_flow(facts: Mapping[str, Any]) -> Json:
    """One project for each cost model."""
    projects: Json = {number: {"cost_model": model} for number, model in facts["cost_models"].items()}
    for rules in projects.values():
        if rules["cost_model"] == "B":
            rules["budget_view_excludes"] = "confirmed"
    return {
        "kind": "exact-procore",
        "source": "exact",
        "target": "procore",
        "start_date": facts["start_date"],
        "wait_s": 10,
        "options": {
            "projects": {**projects, facts["closed"]: {"cost_model": "C"}},
            "orders": "open-only",
            "invoice_end_state": "approved",
            "credit_mode": "negative",
        },
        "mappings": {"costs": dict(facts["costs"])},
    }


def _exact_procore_corrected(facts: Mapping[str, Any], configuration: Json) -> Json:
    flow = configuration["flows"]["exact-procore"]
    corrected = {**flow, "mappings": {"costs": dict(facts["corrected_costs"])}}
    return {**configuration, "flows": {"exact-procore": corrected}}


def _exact_procore_caller(system: str, path: str) -> str | None:
    if system == "exact":
        return "exact" if _DIVISION.match(path) else None
    return "procore" if path.startswith("/rest/") else None


_PROCORE_KILLS = (
    Kill("procore-writer", "procore", "PATCH", "/purchase_order_contracts/sync$"),
    Kill("procore-writer", "procore", "PATCH", r"/purchase_order_contracts/\d+/line_items/sync$"),
    Kill("procore-writer", "procore", "PATCH", "/direct_costs/line_items/sync$"),
    Kill("procore-writer", "procore", "POST", "/requisitions$"),
)
"""Between header and lines, and between lines and status, of orders and of invoices."""

SHARED = ("ingest", "poller", "mapper")
FLOWS: Mapping[str, DemoFlow] = {
    flow.name: flow
    for flow in (
        DemoFlow("exact-coupa", (*SHARED, "exact-fetcher", "coupa-writer"), _exact_coupa, _exact_coupa_caller),
        DemoFlow(
            "exact-procore",
            (*SHARED, "exact-fetcher", "procore-writer"),
            _exact_procore,
            _exact_procore_caller,
            _exact_procore_corrected,
            _PROCORE_KILLS,
        ),
        DemoFlow("basware-exact", (*SHARED, "basware-fetcher", "exact-writer"), _basware_exact, _basware_exact_caller),
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
