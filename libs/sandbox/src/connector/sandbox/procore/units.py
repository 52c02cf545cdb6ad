"""Units of measure, taxes and currencies of a company and its projects."""

from typing import Any

from .api import Call, Endpoint, Reply
from .fields import money
from .query import within
from .sync import Item


def _list_uoms(call: Call) -> Reply:
    units = list(enumerate(call.company.uoms, start=1))
    return call.page(
        units,
        lambda unit: {
            "id": unit[0],
            "name": unit[1],
            "description": unit[1],
            "is_standard": True,
            "uom_category": "Quantity",
        },
    )


def _list_tax_codes(call: Call) -> Reply:
    company, filters = call.named_company(), call.filters()
    rows = [row for row in call.world.store.tax_codes.live() if row.company_id == company.id]
    if (origins := filters.texts("origin_id")) is not None:
        rows = [row for row in rows if row.origin_id in origins]
    bounds = filters.range("updated_at")
    return call.page(
        [row for row in rows if within(row.updated_at, bounds)],
        lambda row: {
            "id": row.id,
            "code": row.code,
            "description": row.description,
            "rate1": money(row.rate),
            "archived": row.archived,
            "default_tax_code": False,
            "origin_id": row.origin_id,
        },
        default=100,
        maximum=100,
    )


def _list_tax_types(call: Call) -> Reply:
    company = call.named_company()
    taxed = any(row.company_id == company.id for row in call.world.store.tax_codes.live())
    return call.page([{"id": company.id, "name": "VAT"}] if taxed else [], lambda row: row)


def _configuration(currency: str, base: str, multicurrency: bool) -> Item:
    return {
        "currency_iso_code": currency,
        "base_currency_iso_code": base,
        "multicurrency_enabled": multicurrency,
        "currency_exchange_rate": "1.0",
    }


def _company_currency(call: Call) -> Item:
    return _configuration(call.company.currency, call.company.currency, call.company.multicurrency)


def _project_currency(call: Call) -> Item:
    project = call.project()
    return _configuration(project.currency, call.company.currency, project.multicurrency)


def _exchange_rates(call: Call) -> Any:
    return call.page([{"currency_iso_code": call.company.currency, "rate": "1.0"}], lambda row: row)


_COMPANY = "/rest/v1.0/companies/{company_id}"
ENDPOINTS = [
    Endpoint("GET", f"{_COMPANY}/uoms", _list_uoms, "costs"),
    Endpoint("GET", "/rest/v1.0/tax_codes", _list_tax_codes, "taxes"),
    Endpoint("GET", "/rest/v1.0/tax_types", _list_tax_types, "taxes"),
    Endpoint("GET", f"{_COMPANY}/currency_configuration", _company_currency, "costs"),
    Endpoint("GET", f"{_COMPANY}/currency_configuration/exchange_rates", _exchange_rates, "costs"),
    Endpoint("GET", f"{_COMPANY}/projects/{{project_id}}/currency_configuration", _project_currency, "costs"),
]
