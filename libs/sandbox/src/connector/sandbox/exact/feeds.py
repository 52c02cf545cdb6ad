"""The sync and bulk feeds, the deleted feed, and the flat rows that orders and entries leave in them."""

from typing import Any

from .entities import (
    ACCOUNTS,
    ADDRESSES,
    BOOKS,
    CONTACTS,
    DOCUMENT_ATTACHMENTS,
    DOCUMENTS,
    PURCHASE_ORDER_LINES,
    PURCHASE_ORDERS,
    STAMPS,
)
from .reference_entities import GL_ACCOUNTS, ITEMS, PROJECTS, REFERENCES, SUPPLIER_ITEM
from .schema import Entity, Field, Kind, fields

_STAMP = {"Timestamp": Field("Timestamp", Kind.LONG)}


def _feed(source: Entity, path: str, kind: str = "sync", **changes: Any) -> Entity:
    spec = dict(source.fields)
    if kind == "sync":
        spec = {**_STAMP, **spec}
    settings: dict[str, Any] = {
        "path": path, "key": source.key, "fields": spec, "model": f"Exact.Web.Api.Models.Sync{source.name}",
        "scope": source.scope, "references": source.references, "joined": source.joined, "indexed": source.indexed,
        "table": source.path, "feed": kind, "flagged": source.flagged if kind == "bulk" else None,
    }  # fmt: skip
    return Entity(**{**settings, **changes})


_ORDER_LINE_FIELDS = {
    name: spec for name, spec in PURCHASE_ORDER_LINES.fields.items() if name not in ("PurchaseOrderID", "LineNumber")
}
SYNC_PURCHASE_ORDERS = Entity(
    path="sync/PurchaseOrder/PurchaseOrders",
    fields={
        **fields("Timestamp:l ID:g PurchaseOrderID:g LineNumber:i"),
        **PURCHASE_ORDERS.fields,
        **_ORDER_LINE_FIELDS,
        **fields("CostCenter:g CostCenterCode CostUnit:g CostUnitCode SendingMethod:i DocumentNumber:i"),
    },
    model="Exact.Web.Api.Models.SyncPurchaseOrder",
    scope="Purchase orders",
    table="sync/PurchaseOrder/PurchaseOrders",
    indexed=frozenset({"PurchaseOrderID"}),
    feed="sync",
    star_refused=True,
)

TRANSACTION_LINES = Entity(
    path="sync/Financial/TransactionLines",
    fields=fields(
        "Timestamp:l ID:g EntryID:g EntryNumber:i LineNumber:i LineType:i Type:i Status:i JournalCode"
        " JournalDescription"
        " Account:g AccountCode:p18 AccountName AmountDC:d AmountFC:d AmountVATFC:d AmountVATBaseFC:d Currency"
        " ExchangeRate:d"
        " GLAccount:g GLAccountCode GLAccountDescription CostCenter CostUnit Project:g ProjectCode Date:t DueDate:t"
        " FinancialYear:i FinancialPeriod:i InvoiceNumber:i OrderNumber:i YourRef PaymentReference Document:g"
        " Description"
        f" VATCode:r3 VATPercentage:d OffsetID:g Notes {STAMPS}"
    ),
    model="Exact.Web.Api.Models.SyncTransactionLine",
    scope="Financial accounting",
    table="sync/Financial/TransactionLines",
    indexed=frozenset({"EntryID"}),
    feed="sync",
)

DELETED = Entity(
    path="sync/Deleted",
    fields=fields("Timestamp:l ID:g EntityKey:g EntityType:i DeletedDate:t DeletedBy:g Division:i"),
    model="Exact.Web.Api.Models.SyncDeleted",
    scope="Organization administration",
    table="sync/Deleted",
    indexed=frozenset({"EntityType", "EntityKey"}),
    feed="sync",
)

TRANSACTION_LINE_DELETED = 1
ORDER_DELETED = 22

_FUNCTIONS = (
    Entity(
        path="read/sync/Sync/SyncTimestamp",
        fields=fields("Modified:t API TimeStampAsBigInt:l"),
        scope="Organization administration",
        service=True,
    ),
    Entity(
        path="users/UserHasRights",
        fields=fields("Endpoint Action UserHasRights:b"),
        scope="Organization administration",
        service=True,
    ),
)

_DIVISION_FIELDS = fields(
    "Code:i Description Hid:l Country:r3 Currency Customer:g CustomerCode CustomerName VATNumber"
    " ChamberOfCommerceNumber"
    " Legislation Status:i BlockingStatus:i Current:b IsMainDivision:b DivisionMoveDate:t DivisionHRLinkUnlinkDate:t"
    " Created:t Modified:t AddressLine1 Postcode City Email Phone Website"
)
DIVISIONS = Entity(
    path="system/Divisions", key="Code", fields=_DIVISION_FIELDS, scope="Organization administration",
    model="Exact.Web.Api.Models.Division", table="system/Divisions",
)  # fmt: skip
HRM_DIVISIONS = Entity(
    path="hrm/Divisions", key="Code", fields={**fields("Code:i HID:l Main:b"), **_DIVISION_FIELDS},
    model="Exact.Web.Api.Models.HRM.Division", table="system/Divisions",
)  # fmt: skip
ME = Entity(
    path="current/Me",
    key="UserID",
    fields=fields(
        "UserID:g UserName FullName FirstName LastName Email CurrentDivision:i AccountingDivision:i DivisionCustomer:g"
        " DivisionCustomerCode DivisionCustomerName DivisionCustomerVatNumber DivisionCustomerSiretNumber"
        " DossierDivision:i"
        " Language LanguageCode Legislation:l PackageCode ServerTime ServerUtcOffset:d EmployeeID:g CustomerCode Gender"
        " Initials IsClientUser:b Phone Mobile Title PictureUrl Nationality MiddleName"
    ),
    model="Exact.Web.Api.System.Me",
    table="current/Me",
)

FEEDS = (
    SYNC_PURCHASE_ORDERS,
    TRANSACTION_LINES,
    DELETED,
    _feed(ACCOUNTS, "sync/CRM/Accounts"),
    _feed(ADDRESSES, "sync/CRM/Addresses"),
    _feed(CONTACTS, "sync/CRM/Contacts"),
    _feed(GL_ACCOUNTS, "sync/Financial/GLAccounts"),
    _feed(ITEMS, "sync/Logistics/Items"),
    _feed(SUPPLIER_ITEM, "sync/Logistics/SupplierItem", star_refused=True),
    _feed(PROJECTS, "sync/Project/Projects"),
    _feed(DOCUMENTS, "sync/Documents/Documents"),
    _feed(DOCUMENT_ATTACHMENTS, "sync/Documents/DocumentAttachments"),
    _feed(ACCOUNTS, "bulk/CRM/Accounts", "bulk"),
    _feed(GL_ACCOUNTS, "bulk/Financial/GLAccounts", "bulk"),
    _feed(ITEMS, "bulk/Logistics/Items", "bulk"),
    _feed(DOCUMENTS, "bulk/Documents/Documents", "bulk"),
    Entity(
        path="bulk/Financial/TransactionLines",
        fields={name: spec for name, spec in TRANSACTION_LINES.fields.items() if name != "Timestamp"},
        model="Exact.Web.Api.Models.TransactionLine",
        scope="Financial accounting",
        table=TRANSACTION_LINES.path,
        indexed=TRANSACTION_LINES.indexed,
        feed="bulk",
    ),
)

ENTITIES: dict[str, Entity] = {
    entity.path.lower(): entity
    for entity in (*BOOKS, *REFERENCES, *FEEDS, *_FUNCTIONS, DIVISIONS, HRM_DIVISIONS)
}  # fmt: skip
"""Every endpoint below a division, by its path in lower case."""
ENTITIES["system/alldivisions"] = ENTITIES["system/getmostrecentlyuseddivisions"] = DIVISIONS

TIMESTAMP_ENDPOINTS = {"purchaseorders": SYNC_PURCHASE_ORDERS.path, "transactionlines": TRANSACTION_LINES.path,
                       "projects": PROJECTS.path}  # fmt: skip
"""endPoint values of SyncTimestamp that this sandbox has feeds for; Accounts, GLAccounts and Items are not allowed."""
