"""The reference data a fresh sandbox starts with: two companies of one tenant, and a second tenant with nothing."""

from typing import Any

from .acts.masterdata import upsert
from .auth import Client
from .masterdata import (
    ACCOUNTS,
    COMPANIES,
    COST_CENTERS,
    PAYMENT_TERMS,
    PROJECTS,
    TAX_CODES,
    VENDORS,
    Resource,
)
from .tenant import Tenant
from .world import World

MAIN_TENANT = "100001-TEST1"
OTHER_TENANT = "100002-TEST1"
COMPANY_CODES = ("NL01", "DE01")
CLIENT_ID = "sandbox-client"
OTHER_CLIENT_ID = "sandbox-other-tenant"

_ACCOUNTS = {"4000": "Office supplies", "4400": "Consultancy", "4500": "Travel", "4600": "Maintenance", "7000": "Goods"}
_COST_CENTERS = {"CC10": "Administration", "CC20": "Production", "CC30": "Sales"}
_TAXES = {"V21": "21", "V19": "19", "V0": "0"}
_TERMS = {"30D": 30, "14D": 14}
_VENDORS = {"V100": "Acme Supplies", "V200": "Bolt Engineering", "V300": "Crane Logistics"}


def secret_of(client_id: str, seed: int) -> str:
    return f"{client_id}-secret-{seed}"


def add_tenants(world: World, seed: int) -> None:
    for bwcid, client_id in ((MAIN_TENANT, CLIENT_ID), (OTHER_TENANT, OTHER_CLIENT_ID)):
        world.tenants[bwcid] = Tenant(bwcid, world.changes)
        world.auth.clients[client_id] = Client(client_id, secret_of(client_id, seed), bwcid)


def add_reference_data(world: World) -> None:
    tenant = world.tenant(MAIN_TENANT)

    def load(resource: Resource, records: list[dict[str, Any]]) -> None:
        upsert(world, tenant, resource, resource.of(tenant), records)

    load(COMPANIES, [{"companyCode": code, "name": f"Company {code}", "active": True} for code in COMPANY_CODES])
    load(ACCOUNTS, [_named("account", code, name) for code, name in _ACCOUNTS.items()])
    load(COST_CENTERS, [_named("costCenter", code, name) for code, name in _COST_CENTERS.items()])
    load(TAX_CODES, [_named("tax", code, f"VAT {rate} %", taxPercentage=rate) for code, rate in _TAXES.items()])
    forever = {"validFrom": "2000-01-01", "validTo": "2099-12-31"}
    load(PAYMENT_TERMS, [_named("paymentTerm", c, f"{d} days", dueDateDays=d, **forever) for c, d in _TERMS.items()])
    load(PROJECTS, [_project("P100", "New warehouse"), _project("P200", "Website")])
    load(VENDORS, [_vendor(code, name) for code, name in _VENDORS.items()])


def _everywhere() -> list[dict[str, Any]]:
    return [{"companyCode": code, "inherit": False, "active": True} for code in COMPANY_CODES]


def _named(stem: str, code: str, name: str, **more: Any) -> dict[str, Any]:
    names = [{"language": "en-US", "translation": name}]
    own = {f"{stem}Code": code, f"{stem}{'CodeNames' if stem == 'tax' else 'Names'}": names}
    return {"externalCode": f"{stem}-{code}", **own, "companies": _everywhere(), **more}


def _project(code: str, name: str) -> dict[str, Any]:
    validity = {"validFrom": "2000-01-01", "validUntil": "2099-12-31"}
    own = {"externalCode": f"project-{code}", "projectCode": code, "projectName": name}
    return {**own, **validity, "companies": _everywhere()}


def _vendor(code: str, name: str) -> dict[str, Any]:
    return {
        "externalCode": f"vendor-{code}",
        "vendorCode": code,
        "name": name,
        "sourceSystem": "ERP",
        "companies": [{"companyCode": company} for company in COMPANY_CODES],
        "identifiers": [{"id": f"NL{code[1:]:0>9}B01", "schemeId": "EU:VAT", "defaultPartyId": True}],
        "addresses": [
            {
                "externalCode": f"address-{code}",
                "name": name,
                "addressType": "PostalAddress",
                "streetName": "Harbour Street 1",
                "cityName": "Rotterdam",
                "postalZone": "3011 AA",
                "countryId": "NL",
                "default": True,
            }
        ],
        "paymentMeans": [{"paymentMeansCode": "30", "currencyCode": "EUR", "default": True}],
        "paymentTerms": {"paymentTermCode": "30D"},
        "processingStatus": {"active": True, "paymentDenied": False},
    }
