"""The reference data every company starts with, so that the sandbox is useful alone."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .auth import App
from .desk import Desk, Payload
from .entities import ACCOUNTS
from .reference_entities import (
    COST_CENTERS,
    COST_UNITS,
    CURRENCIES,
    FINANCIAL_PERIODS,
    GL_ACCOUNTS,
    ITEM_GROUPS,
    ITEMS,
    JOURNALS,
    PAYMENT_CONDITIONS,
    PROJECTS,
    SUPPLIER_ITEM,
    UNITS,
    VAT_CODES,
    WAREHOUSES,
)
from .schema import Entity
from .site import Site
from .store import Actor, Division, User, World

_CURRENCIES = (
    ("EUR", "Euro", "0.01"),
    ("USD", "US dollar", "0.01"),
    ("JPY", "Yen", "1"),
    ("GBP", "Pound sterling", "0.01"),
)
_RATES = {"EUR": "1.08", "USD": "0.92", "JPY": "0.0061", "GBP": "1.17"}
_UNITS = (("stuk", "Piece"), ("doos", "Box"), ("uur", "Hour"), ("kg", "Kilogram"))
_CONDITIONS = (("00", "At once", 0), ("14", "14 days", 14), ("30", "30 days", 30), ("60", "60 days", 60))
_VAT = (
    ("0", "No VAT", {"Type": "N", "Percentage": 0}),
    ("1", "9 % excluding", {"Percentage": "0.09"}),
    ("2", "21 % excluding", {"Percentage": "0.21"}),
    ("3", "21 % including", {"Type": "I", "Percentage": "0.21"}),
    ("4", "21 % reverse charge", {"Percentage": "0.21", "Charged": True}),
    ("5", "0 %", {"Percentage": 0}),
    ("6", "21 %, half deductible", {"Percentage": "0.21", "VATTransactionType": "P"}),
    ("7", "21 % sales", {"Percentage": "0.21", "VATTransactionType": "S"}),
    ("8", "19 % blocked", {"Percentage": "0.19", "IsBlocked": True}),
)
_GL: tuple[tuple[str, str, int, Payload], ...] = (
    ("1100", "Bank", 12, {}),
    ("1500", "VAT to claim", 24, {}),
    ("1600", "Creditors", 22, {}),
    ("3000", "Stock", 40, {}),
    ("4000", "Subcontracting", 120, {"VATCode": "2", "UseCostcenter": 1}),
    ("4100", "Housing", 120, {"VATCode": "2"}),
    ("4200", "Office supplies", 120, {"VATCode": "2"}),
    ("4300", "Cars", 120, {"VATCode": "2", "UseCostcenter": 1, "UseCostunit": 1}),
    ("4500", "Representation", 120, {"VATCode": "6", "VATNonDeductiblePercentage": "0.5"}),
    ("4600", "General expenses", 121, {"UseCostcenter": 2}),
    ("4900", "Closed account", 120, {"IsBlocked": True}),
    ("7000", "Cost of goods", 111, {"VATCode": "2"}),
)
_JOURNALS: tuple[tuple[str, str, int, Payload], ...] = (
    ("20", "Sales", 20, {}),
    ("70", "Purchase", 22, {}),
    ("71", "Purchase, own currency only", 22, {"AllowVariableCurrency": False}),
    ("75", "Purchase, closed", 22, {"IsBlocked": True}),
    ("90", "General", 90, {}),
)
_ITEMS: tuple[tuple[str, str, Payload], ...] = (
    ("PURCHASE", "Any purchase", {"GLCosts": "4200", "Unit": "stuk"}),
    ("PAPER", "Paper A4", {"GLCosts": "4200", "Unit": "stuk"}),
    ("HOURS", "Consultancy", {"GLCosts": "4000", "Unit": "uur", "IsFractionAllowedItem": 1}),
    ("STEEL", "Steel profile", {"IsStockItem": True, "GLStock": "3000", "Unit": "kg", "IsFractionAllowedItem": 1}),
    ("SALESONLY", "Not bought", {"IsPurchaseItem": False, "IsSalesItem": True, "Unit": "stuk"}),
)
_SUPPLIERS: tuple[Payload, ...] = (
    {"Name": "Kantoorgroothandel Noord", "Code": "1", "VATNumber": "NL009999991B01", "ChamberOfCommerce": "11111111",
     "Country": "NL", "City": "Groningen", "PurchaseVATCode": "2", "PaymentConditionPurchase": "30",
     "GLAccountPurchase": "4200"},
    {"Name": "Staalbedrijf De Boer", "Code": "2", "VATNumber": "NL009999992B01", "ChamberOfCommerce": "22222222",
     "Country": "NL", "City": "Delft", "PurchaseVATCode": "2", "PaymentConditionPurchase": "14"},
    {"Name": "Pacific Parts Inc.", "Code": "3", "Country": "US", "City": "Portland", "PurchaseVATCode": "0",
     "PurchaseCurrency": "USD", "PaymentConditionPurchase": "60"},
)  # fmt: skip


def populate(site: Site) -> None:
    """Two companies with the same codes, two apps, and users with different rights."""
    world = site.world
    first = 100_000 + world.random.randrange(800_000)
    codes = [first, first + 1 + world.random.randrange(900)]
    for name, full_name, language in (("service", "Service Account", "EN"), ("beperkt", "Beperkte Gebruiker", "NL")):
        user = User(world.new_id(), name, full_name, list(codes), first, language)
        world.users[user.id] = user
    for code, description in zip(codes, ("Voorbeeld Bouw", "Voorbeeld Handel"), strict=True):
        add_division(world, code, description, "EUR")
    limited = world.user("beperkt")
    limited.divisions = codes[:1]
    limited.denied = {("purchaseentry/purchaseentries", "*"), ("purchaseentry/purchaseentrylines", "*"),
                      ("crm/accounts", "POST"), ("crm/accounts", "PUT"), ("crm/accounts", "DELETE")}  # fmt: skip
    for name in ("Connector", "Other app"):
        secret, webhook_secret = world.random.randbytes(16).hex(), world.random.randbytes(16).hex()
        uri = "https://connector.example/oauth/callback"
        site.authority.add_app(App(world.new_id(), secret, webhook_secret, name, [uri]))


def add_division(world: World, code: int, description: str, currency: str) -> Division:
    """A company with reference data, three years of periods and three suppliers."""
    division = world.divisions[code] = Division(code, description, currency, "NL", world)
    desk = Desk(world)

    def add(entity: Entity, **record: Any) -> None:
        desk.create(entity, {"division": code, **record})

    for name, text, precision in _CURRENCIES:
        add(CURRENCIES, Code=name, Description=text, AmountPrecision=precision)
    division.rates = {name: Decimal(rate) for name, rate in _RATES.items() if name != currency}
    for unit, text in _UNITS:
        add(UNITS, Code=unit, Description=text)
    for condition, text, days in _CONDITIONS:
        add(PAYMENT_CONDITIONS, Code=condition, Description=text, PaymentDays=days, PaymentMethod="B")
    division.payment_condition = "30"
    for vat, text, more in _VAT:
        add(VAT_CODES, Code=vat, Description=text, **more)
    for center, text in (("CC1", "Works"), ("CC2", "Office"), ("A-12", "Site with a hyphen")):
        add(COST_CENTERS, Code=center, Description=text, Active=True)
    add(COST_CENTERS, Code="OLD", Description="Ended", EndDate="2020-12-31", Active=False)
    for cost_unit, text in (("CU1", "Material"), ("CU2", "Labour")):
        add(COST_UNITS, Code=cost_unit, Description=text)
    for account, text, kind, more in _GL:
        add(GL_ACCOUNTS, Code=account, Description=text, Type=kind, **more)
    for journal, text, kind, more in _JOURNALS:
        add(JOURNALS, Code=journal, Description=text, Type=kind, **more)
    add(ITEM_GROUPS, Code="DEFAULT", Description="Default", GLCosts="7000", GLStock="3000", IsDefault=1)
    for item, text, more in _ITEMS:
        add(ITEMS, Code=item, Description=text, **more)
    add(WAREHOUSES, Code="1", Description="Main", Main=1)
    for project, text in (("P-001", "Bridge"), ("P-002", "Office building")):
        add(PROJECTS, Code=project, Description=text)
    for supplier in _SUPPLIERS:
        add(ACCOUNTS, IsSupplier=True, **supplier)
    add(ACCOUNTS, Name="Only a customer", Code="50", Status="C")
    boxes = {"ItemUnit": "stuk", "PurchaseUnit": "doos", "PurchasePrice": "24", "PurchaseUnitFactor": 12}
    add(
        SUPPLIER_ITEM,
        Item="PAPER",
        Supplier="1",
        PurchaseVATCode="2",
        SupplierItemCode="NG-A4",
        MainSupplier=True,
        **boxes,
    )
    for year in range(world.local_now().year - 2, world.local_now().year + 2):
        add_financial_year(division, year)
    return division


def add_financial_year(division: Division, year: int) -> int:
    """Twelve monthly periods; returns their number."""
    actor = Actor(next(iter(division.world.users.values())))
    for month in range(1, 13):
        start = datetime(year, month, 1)  # noqa: DTZ001
        following = datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001
        period = {"ID": division.world.new_id(), "FinYear": year, "FinPeriod": month, "StartDate": start,
                  "EndDate": following - timedelta(days=1)}  # fmt: skip
        division.save(FINANCIAL_PERIODS, period, actor)
    return 12
