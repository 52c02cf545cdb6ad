"""Reference data of a small instance, so that it is useful alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from .fields import Record
from .schema import SCHEMA
from .service import Service

Rows = Sequence[Mapping[str, Any]]
CHART = "Company Chart"
USERS: Rows = (
    {"login": "integration", "email": "integration@buyer.test", "firstname": "Integration", "lastname": "User"},
    {
        "login": "jane.doe",
        "email": "jane.doe@buyer.test",
        "employee-number": "1001",
        "firstname": "Jane",
        "lastname": "Doe",
    },
    {
        "login": "receiving",
        "email": "receiving@buyer.test",
        "employee-number": "1002",
        "firstname": "Rene",
        "lastname": "Ivo",
    },
)
CURRENCIES: Rows = tuple(
    {"code": code, "decimals": decimals}
    for code, decimals in (
        ("EUR", 2),
        ("USD", 2),
        ("GBP", 2),
        ("CHF", 2),
        ("JPY", 0),
        ("SEK", 2),
        ("DKK", 2),
        ("PLN", 2),
    )
)
UOMS: Rows = (
    {"code": "EA", "name": "Each", "allowable-precision": 0},
    {"code": "HR", "name": "Hour", "allowable-precision": 2},
    {"code": "KG", "name": "Kilogram", "allowable-precision": 3},
)
TERMS: Rows = (
    {"code": "Net 30", "description": "30 days net", "days-for-net-payment": 30},
    {
        "code": "2/10 Net 30", "description": "2% within 10 days, 30 days net", "days-for-net-payment": 30,
        "days-for-discount-payment": 10, "discount-rate": "2.0",
    },
)  # fmt: skip
LOOKUPS: Rows = ({"name": "Cost Center"}, {"name": "GL Account"})
CHARTS: Rows = (
    {
        "name": CHART, "currency": {"code": "EUR"}, "dynamic-flag": True,
        "segments": [{"name": "Cost Center", "lookup": "Cost Center"}, {"name": "GL Account", "lookup": "GL Account"}],
    },
)  # fmt: skip
VALUES: Rows = tuple(
    {"name": f"{number} {name}", "external-ref-num": number, "lookup": {"name": lookup}}
    for lookup, number, name in (
        ("Cost Center", "100", "Operations"),
        ("Cost Center", "200", "Sales"),
        ("GL Account", "4000", "Supplies"),
        ("GL Account", "4100", "Services"),
    )
)
ADDRESSES: Rows = (
    {
        "name": "Main Warehouse", "location-code": "MAIN", "street1": "1 Dock Road", "city": "Rotterdam",
        "postal-code": "3011 AA", "country": {"code": "NL"},
    },
)  # fmt: skip
EVERYTHING: Mapping[str, Rows] = {
    "users": USERS, "currencies": CURRENCIES, "uoms": UOMS, "payment_terms": TERMS, "lookups": LOOKUPS,
    "account_types": CHARTS, "lookup_values": VALUES, "addresses": ADDRESSES,
    "shipping_terms": ({"code": "DAP", "description": "Delivered at place"},),
    "commodities": ({"name": "Office Supplies"},), "departments": ({"name": "Purchasing"},),
}  # fmt: skip


def seed(service: Service) -> None:
    admin: Record | None = None
    for path, rows in EVERYTHING.items():
        for row in rows:
            record = service.create(SCHEMA[path], row, admin, person=True)
            admin = admin or record
