"""Suppliers, items, reference data and documents: checks beyond those every record passes; all handlers by entity."""

import re
from decimal import Decimal

from .coding import ZERO
from .entities import (
    ACCOUNTS,
    ADDRESSES,
    BANK_ACCOUNTS,
    CONTACTS,
    DOCUMENT_ATTACHMENTS,
    DOCUMENTS,
    PURCHASE_ENTRIES,
    PURCHASE_ENTRY_LINES,
    PURCHASE_INVOICES,
    PURCHASE_ORDER_LINES,
    PURCHASE_ORDERS,
)
from .entries import ENTRY_HANDLER, ENTRY_LINE_HANDLER
from .errors import FunctionalError
from .invoices import INVOICE_HANDLER
from .orders import ORDER_HANDLER, ORDER_LINE_HANDLER
from .records import Handler, generic
from .reference_entities import (
    COST_CENTERS,
    COST_UNITS,
    CURRENCIES,
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
from .schema import Row
from .store import Actor, Division

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _check_account(division: Division, row: Row, old: Row | None) -> None:
    if row.get("Email") and not _EMAIL.fullmatch(row["Email"]):
        raise FunctionalError(f"Invalid: Email [{row['Email']}]")
    if division.by_code("general/Currencies", row.get("PurchaseCurrency")) is None:
        row["PurchaseCurrency"] = None  # an unknown currency is emptied without a word
    row["Code"] = row.get("Code") or _next_account_code(division)
    number = row["Code"].strip()
    if number.isdigit():
        division.numbers["account"] = max(division.numbers["account"], int(number))
    row.setdefault("Type", "A")
    for flag in ("IsSupplier", "Blocked", "IsSales"):
        row[flag] = bool(row.get(flag))


def _next_account_code(division: Division) -> str:
    return ACCOUNTS.fields["Code"].padded(str(division.numbers["account"] + 1))


def _check_bank_account(division: Division, row: Row, old: Row | None) -> None:
    row.setdefault("Type", "A")
    row["Blocked"] = bool(row.get("Blocked"))
    first = not any(
        other["ID"] != row["ID"] for other in division.table(BANK_ACCOUNTS).where("Account", row["Account"])
    )
    row["Main"] = bool(row.get("Main")) or first


def _check_contact(division: Division, row: Row, old: Row | None) -> None:
    row["FullName"] = " ".join(filter(None, (row.get("FirstName"), row.get("LastName"))))


def _check_gl_account(division: Division, row: Row, old: Row | None) -> None:
    for name in ("UseCostcenter", "UseCostunit"):
        if (row.get(name) or 0) not in (0, 1, 2):
            raise FunctionalError(f"Invalid: {name}")
        row[name] = row.get(name) or 0
    row["IsBlocked"] = bool(row.get("IsBlocked"))
    row["Type"] = row.get("Type") or 90


def _check_coded(division: Division, row: Row, old: Row | None) -> None:
    if old is not None and old["Code"] != row["Code"]:
        raise FunctionalError("Not allowed: Code")


def _check_vat_code(division: Division, row: Row, old: Row | None) -> None:
    row["Type"] = row.get("Type") or "E"
    row["VATTransactionType"] = row.get("VATTransactionType") or "B"
    if row["Type"] not in ("B", "E", "I", "N") or row["VATTransactionType"] not in ("B", "P", "S"):
        raise FunctionalError("Invalid: VAT code (type)")
    row["Percentage"] = row.get("Percentage") or ZERO
    row["Charged"], row["IsBlocked"] = bool(row.get("Charged")), bool(row.get("IsBlocked"))


def _check_journal(division: Division, row: Row, old: Row | None) -> None:
    row["IsBlocked"] = bool(row.get("IsBlocked"))
    row["Currency"] = row.get("Currency") or division.currency
    if row.get("AllowVariableCurrency") is None:
        row["AllowVariableCurrency"] = True


def _check_item(division: Division, row: Row, old: Row | None) -> None:
    if len(row["Description"]) > 60:
        raise FunctionalError("Invalid: Description (maximum length 60)")
    for flag, default in (("IsPurchaseItem", True), ("IsSalesItem", False), ("IsStockItem", False)):
        row[flag] = default if row.get(flag) is None else row[flag]
    if row.get("ItemGroup") is None:
        groups = division.table(ITEM_GROUPS).rows.values()
        row["ItemGroup"] = next((group["ID"] for group in groups if group.get("IsDefault")), None)


def _check_supplier_item(division: Division, row: Row, old: Row | None) -> None:
    row["PurchaseUnitFactor"] = row.get("PurchaseUnitFactor") or Decimal(1)
    if row["PurchaseUnitFactor"] <= 0:
        raise FunctionalError("Invalid: Purchase unit factor")
    row["Currency"] = row.get("Currency") or division.currency


def _check_currency(division: Division, row: Row, old: Row | None) -> None:
    row["AmountPrecision"] = row.get("AmountPrecision") or Decimal("0.01")
    row["PricePrecision"] = row.get("PricePrecision") or Decimal("0.0001")


def _check_document(division: Division, row: Row, old: Row | None) -> None:
    if row.get("HID") is None:
        division.numbers["document"] += 1
        row["HID"] = division.numbers["document"]
    row["DocumentDate"] = row.get("DocumentDate") or division.world.local_now()


def _check_attachment(division: Division, row: Row, old: Row | None) -> None:
    row["FileSize"] = Decimal(len(row["Attachment"]))
    row["Url"] = f"{division.world.base_url}/docs/SysAttachment.aspx?ID={row['ID']}&_Division_={division.code}"


def _delete_with_attachments(division: Division, row: Row, actor: Actor) -> None:
    for attachment in division.table(DOCUMENT_ATTACHMENTS).where("Document", row["ID"]):
        HANDLERS[DOCUMENT_ATTACHMENTS.path].delete(division, attachment, actor)
    generic(DOCUMENTS).delete(division, row, actor)


_document = generic(DOCUMENTS, _check_document)

HANDLERS: dict[str, Handler] = {
    PURCHASE_ORDERS.path: ORDER_HANDLER,
    PURCHASE_ORDER_LINES.path: ORDER_LINE_HANDLER,
    PURCHASE_ENTRIES.path: ENTRY_HANDLER,
    PURCHASE_ENTRY_LINES.path: ENTRY_LINE_HANDLER,
    PURCHASE_INVOICES.path: INVOICE_HANDLER,
    ACCOUNTS.path: generic(ACCOUNTS, _check_account),
    BANK_ACCOUNTS.path: generic(BANK_ACCOUNTS, _check_bank_account),
    CONTACTS.path: generic(CONTACTS, _check_contact),
    ADDRESSES.path: generic(ADDRESSES),
    DOCUMENTS.path: Handler(_document.create, _document.update, _delete_with_attachments),
    DOCUMENT_ATTACHMENTS.path: generic(DOCUMENT_ATTACHMENTS, _check_attachment),
    GL_ACCOUNTS.path: generic(GL_ACCOUNTS, _check_gl_account),
    COST_CENTERS.path: generic(COST_CENTERS, _check_coded),
    COST_UNITS.path: generic(COST_UNITS, _check_coded),
    VAT_CODES.path: generic(VAT_CODES, _check_vat_code, at_screen=frozenset({"Percentage"})),
    PAYMENT_CONDITIONS.path: generic(PAYMENT_CONDITIONS),
    JOURNALS.path: generic(JOURNALS, _check_journal),
    ITEMS.path: generic(ITEMS, _check_item),
    ITEM_GROUPS.path: generic(ITEM_GROUPS),
    SUPPLIER_ITEM.path: generic(SUPPLIER_ITEM, _check_supplier_item),
    UNITS.path: generic(UNITS),
    WAREHOUSES.path: generic(WAREHOUSES),
    PROJECTS.path: generic(PROJECTS),
    CURRENCIES.path: generic(CURRENCIES, _check_currency),
}
"""The writes of every entity that people or apps can change, by path."""
