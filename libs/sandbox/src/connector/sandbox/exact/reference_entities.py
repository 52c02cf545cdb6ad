"""The field tables of reference data: accounts of the ledger, cost centers, VAT, terms, journals, items."""

from .entities import READ, STAMPS, entity
from .schema import Entity, Joined, Reference

_GL = Reference("financial/GLAccounts", "G/L account")
_CODED = {"Code": "Mandatory: Code", "Description": "Mandatory: Description"}

GL_ACCOUNTS = entity(
    "financial/GLAccounts",
    model="GLAccount",
    writable="Code Description Type:i BalanceSide BalanceType UseCostcenter:y UseCostunit:y Costcenter Costunit"
    " VATCode:r3"
    " IsBlocked:b SearchCode:r20 ReportingCode Matching:y Compress:b VATNonDeductiblePercentage:d",
    read="TypeDescription VATDescription",
    mandatory=_CODED,
    scope="Financial generalledgers",
    topic="GLAccounts",
    references={
        "VATCode": Reference("vat/VATCodes", "VAT code", "Code"),
        "Costcenter": Reference("hrm/Costcenters", "Cost center", "Code"),
        "Costunit": Reference("hrm/Costunits", "Cost unit", "Code"),
    },
    joined={"VATDescription": Joined("VATCode", "Description")},
    unique=("Code",),
    indexed="Type",
    deleted_type=7,
)

COST_CENTERS = entity(
    "hrm/Costcenters",
    writable="Code Description EndDate:t Active:b",
    mandatory=_CODED,
    scope="Financial costcenters",
    unique=("Code",),
)
COST_UNITS = entity(
    "hrm/Costunits",
    writable="Code Description Account:g EndDate:t",
    mandatory=_CODED,
    scope="Financial costcenters",
    unique=("Code",),
)

VAT_CODES = entity(
    "vat/VATCodes",
    writable="Code:r3 Description Type VATTransactionType IsBlocked:b Charged:b Account:g GLToClaim:g GLToPay:g"
    " EUSalesListing IntraStat:b VatDocType CalculationBasis:y",
    read="Percentage:d",
    mandatory=_CODED,
    scope="Financial accounting",
    references={"GLToClaim": _GL, "GLToPay": _GL},
    unique=("Code",),
)

PAYMENT_CONDITIONS = entity(
    "cashflow/PaymentConditions",
    writable="Code Description PaymentDays:i PaymentEndOfMonths:i PaymentMethod DiscountPaymentDays:i"
    " DiscountPercentage:d DiscountCalculation Percentage:d",
    methods=frozenset({"GET", "POST"}),
    mandatory=_CODED,
    scope="Financial cashflow",
    unique=("Code",),
)

JOURNALS = entity(
    "financial/Journals",
    writable="Code Description Type:i Currency AllowVariableCurrency:b AllowVariableExchangeRate:b AllowVAT:b"
    " AutoSave:b"
    " IsBlocked:b GLAccount:g",
    mandatory=_CODED,
    scope="Financial generalledgers",
    references={"GLAccount": _GL},
    unique=("Code",),
)

FINANCIAL_PERIODS = entity(
    "financial/FinancialPeriods",
    read="FinYear:i FinPeriod:i StartDate:t EndDate:t",
    methods=READ,
    scope="Financial generalledgers",
)

JOURNAL_STATUS_LIST = entity(
    "read/financial/JournalStatusList",
    read="Journal JournalDescription JournalType:i Year:i Period:i Status:i StatusDescription",
    stamps="",
    methods=READ,
    scope="Financial generalledgers",
)

ITEMS = entity(
    "logistics/Items",
    writable="Code Description ExtraDescription IsPurchaseItem:b IsSalesItem:b IsStockItem:b IsFractionAllowedItem:y"
    " Unit:r8"
    " ItemGroup:g GLCosts:g GLStock:g GLRevenue:g SalesVatCode:r3 StartDate:t EndDate:t SearchCode:r20 Barcode Class_01"
    " Class_02 Class_03 Class_04 Class_05 Class_06 Class_07 Class_08 Class_09 Class_10 Notes FreeTextField_01"
    " FreeTextField_02 FreeTextField_03 FreeTextField_04 FreeTextField_05 FreeTextField_06 FreeTextField_07"
    " FreeTextField_08 FreeTextField_09 FreeTextField_10",
    read="GLCostsCode GLCostsDescription GLStockCode GLRevenueCode ItemGroupCode ItemGroupDescription UnitDescription",
    mandatory=_CODED,
    scope="Logistics items",
    topic="Items",
    references={
        "Unit": Reference("logistics/Units", "Unit", "Code"),
        "ItemGroup": Reference("logistics/ItemGroups", "Item group"),
        "GLCosts": _GL,
        "GLStock": _GL,
        "GLRevenue": _GL,
    },
    joined={
        "GLCostsCode": Joined("GLCosts", "Code"),
        "GLCostsDescription": Joined("GLCosts", "Description"),
        "GLStockCode": Joined("GLStock", "Code"),
        "GLRevenueCode": Joined("GLRevenue", "Code"),
        "ItemGroupCode": Joined("ItemGroup", "Code"),
        "ItemGroupDescription": Joined("ItemGroup", "Description"),
        "UnitDescription": Joined("Unit", "Description"),
    },
    unique=("Code",),
    flagged="ID Code Created Modified Description IsPurchaseItem IsSalesItem IsStockItem ItemGroup StartDate EndDate"
    " SearchCode"
    " Barcode",
    deleted_type=9,
)

ITEM_GROUPS = entity(
    "logistics/ItemGroups",
    writable="Code Description GLCosts:g GLStock:g GLRevenue:g GLPurchaseAccount:g IsDefault:y",
    read="GLCostsCode GLStockCode",
    mandatory=_CODED,
    methods=READ,
    scope="Logistics items",
    references={"GLCosts": _GL, "GLStock": _GL, "GLRevenue": _GL, "GLPurchaseAccount": _GL},
    joined={"GLCostsCode": Joined("GLCosts", "Code"), "GLStockCode": Joined("GLStock", "Code")},
    unique=("Code",),
)

SUPPLIER_ITEM = entity(
    "logistics/SupplierItem",
    writable="Item:g Supplier:g ItemUnit:g PurchaseUnit:r8 PurchasePrice:d Currency PurchaseUnitFactor:d"
    " PurchaseVATCode:r3"
    " SupplierItemCode MainSupplier:b PurchaseLeadTime:i",
    read="ItemCode ItemDescription SupplierCode:p18 SupplierDescription PurchaseUnitDescription",
    mandatory={
        "Item": "Mandatory: Item",
        "Supplier": "Mandatory: Supplier",
        "ItemUnit": "Mandatory: Item unit",
        "PurchaseUnit": "Mandatory: Purchase unit",
        "PurchasePrice": "Mandatory: Purchase price",
    },
    scope="Logistics items",
    references={
        "Item": Reference("logistics/Items", "Item"),
        "Supplier": Reference("crm/Accounts", "Supplier"),
        "PurchaseUnit": Reference("logistics/Units", "Unit", "Code"),
        "ItemUnit": Reference("logistics/Units", "Unit"),
        "Currency": Reference("general/Currencies", "Currency", "Code"),
        "PurchaseVATCode": Reference("vat/VATCodes", "VAT code", "Code"),
    },
    joined={
        "ItemCode": Joined("Item", "Code"),
        "ItemDescription": Joined("Item", "Description"),
        "SupplierCode": Joined("Supplier", "Code"),
        "SupplierDescription": Joined("Supplier", "Name"),
        "PurchaseUnitDescription": Joined("PurchaseUnit", "Description"),
    },
)

UNITS = entity(
    "logistics/Units",
    writable="Code:r8 Description Active:b Main:y",
    methods=READ,
    stamps="Division:i",
    scope="Logistics items",
    mandatory=_CODED,
    unique=("Code",),
)
WAREHOUSES = entity(
    "inventory/Warehouses",
    writable="Code Description Main:y",
    mandatory=_CODED,
    scope="Logistics wms",
    unique=("Code",),
)
PROJECTS = entity(
    "project/Projects",
    writable="Code Description Account:g Type:i StartDate:t EndDate:t Notes",
    mandatory=_CODED,
    scope="Projects projects",
    references={"Account": Reference("crm/Accounts", "Account")},
    unique=("Code",),
    deleted_type=21,
)
CURRENCIES = entity(
    "general/Currencies",
    writable="Code Description AmountPrecision:d PricePrecision:d",
    methods=READ,
    stamps=STAMPS,
    mandatory=_CODED,
    unique=("Code",),
)

REFERENCES: tuple[Entity, ...] = (
    GL_ACCOUNTS, COST_CENTERS, COST_UNITS, VAT_CODES, PAYMENT_CONDITIONS, JOURNALS, FINANCIAL_PERIODS,
    JOURNAL_STATUS_LIST,
    ITEMS, ITEM_GROUPS, SUPPLIER_ITEM, UNITS, WAREHOUSES, PROJECTS, CURRENCIES,
)  # fmt: skip
