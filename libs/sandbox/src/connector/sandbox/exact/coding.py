"""Money and coding rules that orders, entries and invoices share: VAT, exchange rates, cost centers, periods."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from .errors import FunctionalError
from .records import check_references
from .schema import Entity, Row
from .store import Division, rounded

ZERO = Decimal(0)
ONE = Decimal(1)


class Taxed(NamedTuple):
    """An amount by its parts, in the document's currency."""

    net: Decimal
    vat: Decimal
    """Owed to the supplier: zero under a reverse-charge code."""
    self_assessed: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.vat


def taxed(
    amount: Decimal, vat: Row | None, smallest: Decimal, override: Decimal | None = None, *, follow_type: bool = True
) -> Taxed:
    """Split an amount by its VAT code: type I includes the VAT, B and N bear none, Charged moves it to the buyer."""
    amount = rounded(amount, smallest)
    percentage = (vat or {}).get("Percentage") or ZERO
    if vat is None or vat["Type"] in ("B", "N"):
        return Taxed(amount, override or ZERO, ZERO)
    if vat.get("Charged"):
        return Taxed(amount, ZERO, rounded(amount * percentage, smallest))
    if vat["Type"] == "I" and follow_type:
        tax = override if override is not None else amount - rounded(amount / (ONE + percentage), smallest)
        return Taxed(amount - tax, tax, ZERO)
    return Taxed(amount, override if override is not None else rounded(amount * percentage, smallest), ZERO)


def check_supplier(division: Division, row: Row) -> Row:
    """The supplier of a document: flagged as one and active."""
    supplier = division.tables["crm/Accounts"].rows.get(row["Supplier"])
    if supplier is None:
        raise FunctionalError("Invalid reference: Supplier")
    if not supplier.get("IsSupplier"):
        raise FunctionalError("Supplier (type)")
    today = division.world.local_now()
    ended = supplier.get("EndDate") is not None and supplier["EndDate"] < today
    if supplier.get("Blocked") or ended or (supplier.get("StartDate") or today) > today:
        raise FunctionalError("Not allowed: Supplier (blocked)")
    return supplier


def complete_currency(division: Division, row: Row, supplier: Row, rate_field: str) -> None:
    """Fill currency and exchange rate (division currency per unit of the document's) and check them."""
    row["Currency"] = row.get("Currency") or supplier.get("PurchaseCurrency") or division.currency
    if division.by_code("general/Currencies", row["Currency"]) is None:
        raise FunctionalError("Invalid reference: Currency")
    rate = row.get(rate_field)
    if row["Currency"] == division.currency:
        if rate not in (None, ONE):
            raise FunctionalError("Not allowed: Exchange rate")
        row[rate_field] = ONE
    elif rate is None:
        row[rate_field] = division.rates.get(row["Currency"], ONE)
    elif rate <= 0:
        raise FunctionalError("Not allowed: Exchange rate")


def complete_payment_condition(division: Division, row: Row, supplier: Row) -> Row:
    code = row.get("PaymentCondition") or supplier.get("PaymentConditionPurchase") or division.payment_condition
    condition = division.by_code("cashflow/PaymentConditions", code)
    if condition is None:
        raise FunctionalError("Invalid reference: Payment condition" if code else "Mandatory: Payment condition")
    row["PaymentCondition"] = code
    return condition


def complete_vat(division: Division, line: Row, default: str | None) -> Row | None:
    """The VAT code of a line, filled from its default; its percentage must be the code's."""
    wanted = line.get("VATPercentage")
    line["VATCode"] = line.get("VATCode") or default
    vat = division.by_code("vat/VATCodes", line["VATCode"])
    if vat is None:
        if wanted:
            raise FunctionalError(f"Invalid: VAT percentage [{wanted}]")
        return None
    if vat.get("IsBlocked") or vat.get("VATTransactionType") not in ("P", "B"):
        raise FunctionalError("Not allowed: VAT code")
    if wanted is not None and wanted != (vat.get("Percentage") or ZERO):
        raise FunctionalError(f"Invalid: VAT percentage [{wanted}]")
    line["VATPercentage"] = vat.get("Percentage") or ZERO
    return vat


def check_coding(division: Division, entity: Entity, line: Row, on: datetime, gl_account: Row | None = None) -> None:
    """Cost center, cost unit and project exist and are open; the ledger account demands or forbids them."""
    check_references(division, entity, line)
    texts = []
    for name, label, use in (("CostCenter", "Cost center", "UseCostcenter"), ("CostUnit", "Cost unit", "UseCostunit")):
        target = division.referred(entity, line, name)
        if target is not None and target.get("EndDate") is not None and target["EndDate"] < on:
            texts.append(f"Not allowed: {label}")
        rule = (gl_account or {}).get(use) or 0
        if rule == 1 and target is None:
            texts.append(f"Mandatory: {label}")
        if rule == 2 and target is not None:
            texts.append(f"Invalid: {label} link")
    if texts:
        raise FunctionalError(*texts)


def purchase_journal(division: Division, code: str, currency: str) -> Row:
    journal = division.by_code("financial/Journals", code)
    if journal is None:
        raise FunctionalError("Invalid reference: Journal")
    if journal.get("Type") != 22:
        raise FunctionalError("Invalid: Journal (type)")
    if journal.get("IsBlocked"):
        raise FunctionalError("Not allowed: Journal")
    if journal.get("Currency") and journal["Currency"] != currency and not journal.get("AllowVariableCurrency"):
        raise FunctionalError("Not allowed: Currency")
    return journal


def complete_period(division: Division, row: Row, date_field: str, year_field: str, period_field: str) -> None:
    """Fill year and period from the date; the period must exist and be open for the journal."""
    periods = division.tables["financial/FinancialPeriods"].rows.values()
    if row.get(year_field) is None or row.get(period_field) is None:
        period = next((p for p in periods if p["StartDate"] <= row[date_field] <= p["EndDate"]), None)
        if period is None:
            raise FunctionalError("Unknown: Financial year (Period-date table)")
        row[year_field], row[period_field] = period["FinYear"], period["FinPeriod"]
    elif not any((p["FinYear"], p["FinPeriod"]) == (row[year_field], row[period_field]) for p in periods):
        raise FunctionalError("Unknown: Financial year (Period-date table)")
    if (row["Journal"], row[year_field], row[period_field]) in division.closed_periods:
        raise FunctionalError("Not allowed: Reporting period")


def supplier_item(division: Division, item: str, supplier: str) -> Row | None:
    """The purchasing terms of an item at a supplier: unit, factor, price, VAT code."""
    rows = division.tables["logistics/SupplierItem"].where("Item", item)
    return next((row for row in rows if row["Supplier"] == supplier), None)


def due_date(start: datetime, condition: Mapping[str, Any]) -> datetime:
    months = condition.get("PaymentEndOfMonths") or 0
    if months:
        index = start.month - 1 + months
        first_after = datetime(start.year + index // 12, index % 12 + 1, 1)  # noqa: DTZ001
        start = first_after - timedelta(days=1)
    return start + timedelta(days=condition.get("PaymentDays") or 0)


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
