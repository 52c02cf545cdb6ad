"""The field tables: purchasing, bookings, accounts and documents. Reference data and feeds are in their own modules."""

from collections.abc import Iterable, Mapping

from .schema import Entity, Joined, Lines, Reference, fields

STAMPS = "Division:i Created:t Creator:g CreatorFullName Modified:t Modifier:g ModifierFullName"
ALL = frozenset({"GET", "POST", "PUT", "DELETE"})
READ = frozenset({"GET"})

ACCOUNT = Reference("crm/Accounts", "Supplier")
PAYMENT_CONDITION = Reference("cashflow/PaymentConditions", "Payment condition", "Code")
CURRENCY = Reference("general/Currencies", "Currency", "Code")
CODING = {
    "CostCenter": Reference("hrm/Costcenters", "Cost center", "Code"),
    "CostUnit": Reference("hrm/Costunits", "Cost unit", "Code"),
    "Project": Reference("project/Projects", "Project"),
    "VATCode": Reference("vat/VATCodes", "VAT code", "Code"),
}
CODING_JOINS = {
    "CostCenterDescription": Joined("CostCenter", "Description"),
    "CostUnitDescription": Joined("CostUnit", "Description"),
    "ProjectDescription": Joined("Project", "Description"),
}


def entity(
    path: str,
    *,
    writable: str = "",
    read: str = "",
    key: str = "ID",
    stamps: str = STAMPS,
    mandatory: str | Mapping[str, str] = "",
    methods: frozenset[str] = ALL,
    model: str = "",
    scope: str = "",
    topic: str | None = None,
    quiet: str = "",
    lines: Lines | None = None,
    references: Mapping[str, Reference] | None = None,
    joined: Mapping[str, Joined] | None = None,
    unique: Iterable[str] = (),
    indexed: str = "",
    flagged: str | None = None,
    star_refused: bool = False,
    deleted_type: int | None = None,
) -> Entity:
    spec = {**fields(f"{key}:g"), **fields(f"{writable} {read} {stamps}")}
    references = references or {}
    if not isinstance(mandatory, Mapping):
        mandatory = {name: f"Mandatory: {name}" for name in mandatory.split()}
    return Entity(
        path=path, key=key, fields=spec, writable=frozenset(fields(writable)), mandatory=mandatory, methods=methods,
        model=f"Exact.Web.Api.Models.{model or path.rpartition('/')[2].removesuffix('s')}", scope=scope, topic=topic,
        quiet=frozenset(quiet.split()), lines=lines, references=references, joined=joined or {}, unique=tuple(unique),
        indexed=frozenset((*indexed.split(), *references, *unique)), table=path,
        flagged=frozenset(flagged.split()) if flagged else None, star_refused=star_refused, deleted_type=deleted_type,
    )  # fmt: skip


PURCHASE_ORDERS = entity(
    "purchaseorder/PurchaseOrders",
    key="PurchaseOrderID",
    writable="Supplier:g OrderNumber:i OrderDate:t ReceiptDate:t Currency ExchangeRate:d Description YourRef Remarks"
    " Document:g PaymentCondition PurchaseAgent:g SupplierContact:g SupplierContactPersonFullName Warehouse:g"
    " ShippingMethod:g SelectionCode:g Discount:d AmountDiscount:d AmountDiscountExclVat:d IncotermCode IncotermAddress"
    " IncotermVersion:i",
    read="AmountDC:d AmountFC:d AmountFCExclVat:d VATAmount:d SupplierCode:p18 SupplierName OrderStatus:i"
    " ReceiptStatus:i"
    " InvoiceStatus:i ApprovalStatus:i ApprovalStatusDescription Approved:t Approver:g ApproverFullName Source:i"
    " DropShipment:b PurchaseOrderLineCount:i DocumentSubject PaymentConditionDescription PurchaseAgentFullName"
    " DeliveryAccount:g DeliveryAccountName DeliveryAddress:g SalesOrder:g SalesOrderNumber:i WarehouseCode"
    " WarehouseDescription ShippingMethodCode ShippingMethodDescription SelectionCodeCode SelectionCodeDescription",
    mandatory={"Supplier": "Mandatory: Supplier"},
    scope="Purchase orders",
    topic="PurchaseOrders",
    lines=Lines("PurchaseOrderLines", "purchaseorder/PurchaseOrderLines", "PurchaseOrderID"),
    references={
        "Supplier": ACCOUNT,
        "Currency": CURRENCY,
        "PaymentCondition": PAYMENT_CONDITION,
        "Document": Reference("documents/Documents", "Document"),
        "Warehouse": Reference("inventory/Warehouses", "Warehouse"),
    },
    joined={
        "SupplierCode": Joined("Supplier", "Code"),
        "SupplierName": Joined("Supplier", "Name"),
        "PaymentConditionDescription": Joined("PaymentCondition", "Description"),
        "DocumentSubject": Joined("Document", "Subject"),
        "WarehouseCode": Joined("Warehouse", "Code"),
        "WarehouseDescription": Joined("Warehouse", "Description"),
    },
    indexed="OrderNumber YourRef",
)

PURCHASE_ORDER_LINES = entity(
    "purchaseorder/PurchaseOrderLines",
    writable="PurchaseOrderID:g Item:g QuantityInPurchaseUnits:d NetPrice:d UnitPrice:d Discount:d VATCode:r3"
    " VATPercentage:d Description Notes ReceiptDate:t CostCenter CostUnit Project:g Rebill:b",
    read="LineNumber:i Quantity:d AmountDC:d AmountFC:d VATAmount:d ItemCode ItemDescription ItemDivisable:b"
    " SupplierItemCode Unit:r8 UnitDescription ReceivedQuantity:d InvoicedQuantity:d InStock:d ProjectedStock:d"
    " CostCenterDescription CostUnitDescription ProjectCode ProjectDescription Expense:g ExpenseDescription"
    " VATDescription"
    " SalesOrder:g SalesOrderLine:g ShopOrder:g IsBatchNumberItem:y IsSerialNumberItem:y",
    mandatory={"Item": "Mandatory: Item", "QuantityInPurchaseUnits": "Mandatory: Quantity"},
    scope="Purchase orders",
    references={"PurchaseOrderID": Reference("purchaseorder/PurchaseOrders", "Purchase order", "PurchaseOrderID"),
                "Item": Reference("logistics/Items", "Item"), **CODING},
    joined={
        "ItemCode": Joined("Item", "Code"),
        "ItemDescription": Joined("Item", "Description"),
        "ItemDivisable": Joined("Item", "IsFractionAllowedItem"),
        "Unit": Joined("Item", "Unit"),
        "UnitDescription": Joined("Item", "UnitDescription"),
        "ProjectCode": Joined("Project", "Code"),
        "VATDescription": Joined("VATCode", "Description"),
        **CODING_JOINS,
    },
)  # fmt: skip

PURCHASE_ENTRIES = entity(
    "purchaseentry/PurchaseEntries",
    key="EntryID",
    model="PurchaseEntry",
    writable="Journal Supplier:g EntryDate:t DueDate:t YourRef Description Currency Rate:d PaymentCondition"
    " PaymentReference"
    " Document:g EntryNumber:i InvoiceNumber:i OrderNumber:i ExternalLinkReference ReportingYear:i ReportingPeriod:i"
    " VATAmountFC:d GAccountAmountFC:d Reversal:b BatchNumber:i ProcessNumber:i",
    read="AmountDC:d AmountFC:d VATAmountDC:d Status:i StatusDescription Type:i TypeDescription SupplierName"
    " JournalDescription DocumentNumber:i DocumentSubject PaymentConditionDescription PaymentConditionPaymentMethod"
    " ExternalLinkDescription CustomField",
    mandatory={"Supplier": "Mandatory: Relationship", "Journal": "Required: Journal"},
    scope="Financial accounting",
    topic="PurchaseEntries",
    lines=Lines("PurchaseEntryLines", "purchaseentry/PurchaseEntryLines", "EntryID"),
    references={
        "Journal": Reference("financial/Journals", "Journal", "Code"),
        "Supplier": ACCOUNT,
        "Currency": CURRENCY,
        "PaymentCondition": PAYMENT_CONDITION,
        "Document": Reference("documents/Documents", "Document"),
    },
    joined={
        "SupplierName": Joined("Supplier", "Name"),
        "JournalDescription": Joined("Journal", "Description"),
        "DocumentNumber": Joined("Document", "HID"),
        "DocumentSubject": Joined("Document", "Subject"),
        "PaymentConditionDescription": Joined("PaymentCondition", "Description"),
        "PaymentConditionPaymentMethod": Joined("PaymentCondition", "PaymentMethod"),
    },
    indexed="EntryNumber YourRef OrderNumber ExternalLinkReference",
)

PURCHASE_ENTRY_LINES = entity(
    "purchaseentry/PurchaseEntryLines",
    writable="EntryID:g GLAccount:g AmountFC:d Description CostCenter CostUnit VATCode:r3 VATAmountFC:d"
    " VATBaseAmountFC:d"
    " VATPercentage:d VATNonDeductiblePercentage:d PrivateUsePercentage:d Project:g Expense:g Asset:g Quantity:d Notes"
    " From:t To:t TrackingNumber:g SerialNumber Subscription:g IntraStatArea IntraStatCountry:r3 IntraStatDeliveryTerm"
    " IntraStatTransactionA IntraStatTransactionB IntraStatTransportMethod StatisticalNetWeight:d StatisticalNumber"
    " StatisticalQuantity:d StatisticalValue:d WithholdingTax WithholdingAmountDC:d",
    read="LineNumber:i AmountDC:d VATAmountDC:d VATBaseAmountDC:d GLAccountCode GLAccountDescription"
    " CostCenterDescription"
    " CostUnitDescription ProjectDescription VATCodeDescription Type:i",
    stamps="Division:i",
    mandatory={"GLAccount": "Mandatory: G/L account", "AmountFC": "Mandatory: Amount"},
    model="PurchaseEntryLine",
    scope="Financial accounting",
    references={"EntryID": Reference("purchaseentry/PurchaseEntries", "Entry", "EntryID"),
                "GLAccount": Reference("financial/GLAccounts", "G/L account"), **CODING},
    joined={
        "GLAccountCode": Joined("GLAccount", "Code"),
        "GLAccountDescription": Joined("GLAccount", "Description"),
        "VATCodeDescription": Joined("VATCode", "Description"),
        **CODING_JOINS,
    },
)  # fmt: skip

PURCHASE_INVOICES = entity(
    "purchase/PurchaseInvoices",
    writable="Journal Supplier:g Type:i InvoiceDate:t DueDate:t YourRef Currency ExchangeRate:d Description Remarks"
    " Document:g"
    " PaymentCondition PaymentReference FinancialYear:i FinancialPeriod:i ContactPerson:g Discount:d AmountDiscount:d"
    " AmountDiscountExclVat:d Warehouse:g",
    read="Amount:d AmountDC:d AmountFCExclVat:d VATAmount:d EntryNumber:i Source:i Status:i",
    stamps="Modified:t",
    mandatory={"Supplier": "Mandatory: Supplier", "Journal": "Required: Journal", "Type": "Mandatory: Type"},
    scope="Purchase invoices",
    lines=Lines("PurchaseInvoiceLines", "purchase/PurchaseInvoiceLines", "InvoiceID"),
    references={
        "Journal": Reference("financial/Journals", "Journal", "Code"),
        "Supplier": ACCOUNT,
        "Currency": CURRENCY,
        "PaymentCondition": PAYMENT_CONDITION,
        "Document": Reference("documents/Documents", "Document"),
        "Warehouse": Reference("inventory/Warehouses", "Warehouse"),
    },
    indexed="EntryNumber YourRef",
)

PURCHASE_INVOICE_LINES = entity(
    "purchase/PurchaseInvoiceLines",
    writable="Item:g PurchaseOrderLine:g Quantity:d UnitPrice:d NetPrice:d Discount:d Amount:d VATAmount:d VATCode:r3"
    " CostCenter CostUnit Project:g Expense:g Rebill:b Description Notes InvoiceType:i",
    read="InvoiceID:g LineNumber:i AmountDC:d Currency Unit:r8 ItemUnit:r8 QuantityInDefaultUnits:d VATPercentage:d",
    stamps="Modified:t",
    methods=READ,
    scope="Purchase invoices",
    references={
        "InvoiceID": Reference("purchase/PurchaseInvoices", "Invoice"),
        "Item": Reference("logistics/Items", "Item"),
        "PurchaseOrderLine": Reference("purchaseorder/PurchaseOrderLines", "Purchase order line"),
        **CODING,
    },
    joined={"ItemUnit": Joined("Item", "Unit")},
)

ACCOUNTS = entity(
    "crm/Accounts",
    writable="Name Code:p18 SearchCode:r20 IsSupplier:b Status Email Phone PhoneExtension Fax Website AddressLine1"
    " AddressLine2 AddressLine3 Postcode City State Country:r3 VATNumber ChamberOfCommerce RSIN OINNumber GlnNumber"
    " EORINumber PeppolIdentifier PeppolIdentifierType:i Language PurchaseCurrency PurchaseVATCode:r3"
    " PaymentConditionPurchase PurchaseLeadDays:i GLAccountPurchase:g GLAP:g CreditLinePurchase:d DiscountPurchase:d"
    " CodeAtSupplier Blocked:b StartDate:t EndDate:t Remarks Parent:g MainContact:g TradeName Classification1:g"
    " Classification2:g Classification3:g Classification4:g Classification5:g Classification6:g Classification7:g"
    " Classification8:g SecurityLevel:i IncotermCodePurchase IncotermAddressPurchase IncotermVersionPurchase:i"
    " DatevCreditorCode Accountant:g AccountManager:g BRIN BSN Classification InvoiceAccount:g IsAccountant:y"
    " IsReseller:b"
    " PriceList:g Reseller:g",
    read="Type CountryName StateName PurchaseCurrencyDescription PurchaseVATCodeDescription"
    " PaymentConditionPurchaseDescription IsSales:b IsPurchase:b",
    mandatory={"Name": "Mandatory: Name"},
    scope="Crm accounts",
    topic="Accounts",
    quiet="Remarks",
    lines=Lines("BankAccounts", "crm/BankAccounts", "Account"),
    references={
        "PurchaseVATCode": Reference("vat/VATCodes", "VAT code", "Code"),
        "PaymentConditionPurchase": PAYMENT_CONDITION,
        "GLAccountPurchase": Reference("financial/GLAccounts", "G/L account"),
        "GLAP": Reference("financial/GLAccounts", "G/L account"),
        "Parent": Reference("crm/Accounts", "Parent"),
    },
    joined={
        "PurchaseVATCodeDescription": Joined("PurchaseVATCode", "Description"),
        "PaymentConditionPurchaseDescription": Joined("PaymentConditionPurchase", "Description"),
    },
    unique=("Code",),
    indexed="Name VATNumber ChamberOfCommerce",
    flagged="ID Accountant AccountManager AddressLine1 AddressLine2 AddressLine3 Blocked BRIN BSN ChamberOfCommerce"
    " City"
    " Classification Classification1 Classification2 Classification3 Classification4 Classification5 Classification6"
    " Classification7 Classification8 Code CodeAtSupplier Country Created Email EndDate EORINumber Fax InvoiceAccount"
    " IsAccountant IsReseller IsSales IsSupplier MainContact Modified Name Parent Phone Postcode PriceList Reseller"
    " RSIN"
    " SearchCode StartDate Status Type VATNumber",
    deleted_type=2,
)

BANK_ACCOUNTS = entity(
    "crm/BankAccounts",
    writable="Account:g BankAccount BICCode BankAccountHolderName Description Main:b Blocked:b",
    read="Type Format",
    mandatory={"Account": "Mandatory: Account", "BankAccount": "Mandatory: Bank account"},
    scope="Crm accounts",
    topic="BankAccounts",
    references={"Account": Reference("crm/Accounts", "Account")},
    deleted_type=48,
)

CONTACTS = entity(
    "crm/Contacts",
    writable="Account:g FirstName LastName Email Phone Mobile JobTitleDescription IsMainContact:b Language",
    read="FullName",
    mandatory={"Account": "Mandatory: Account", "LastName": "Mandatory: Last name"},
    scope="Crm accounts",
    topic="Contacts",
    references={"Account": Reference("crm/Accounts", "Account")},
    deleted_type=5,
)

ADDRESSES = entity(
    "crm/Addresses",
    model="Address",
    writable="Account:g Type:i Main:b AddressLine1 AddressLine2 AddressLine3 Postcode City State Country:r3 Phone Fax"
    " Notes",
    mandatory={"Account": "Mandatory: Account"},
    scope="Crm accounts",
    references={"Account": Reference("crm/Accounts", "Account")},
    deleted_type=3,
)

DOCUMENTS = entity(
    "documents/Documents",
    writable="Subject Type:i Account:g DocumentDate:t AmountFC:d Currency Body Category:g DocumentFolder:g"
    " FinancialTransactionEntryID:g ProposedEntryStatus:i HID:i",
    read="AccountCode:p18 AccountName TypeDescription",
    mandatory={"Subject": "Mandatory: Subject", "Type": "Mandatory: Type"},
    scope="Organization documents",
    topic="Documents",
    lines=Lines("Attachments", "documents/DocumentAttachments", "Document"),
    references={"Account": Reference("crm/Accounts", "Account"), "Currency": CURRENCY},
    joined={"AccountCode": Joined("Account", "Code"), "AccountName": Joined("Account", "Name")},
    indexed="HID",
    deleted_type=6,
)

DOCUMENT_ATTACHMENTS = entity(
    "documents/DocumentAttachments",
    writable="Attachment:x Document:g FileName",
    read="FileSize:d Url",
    stamps="",
    methods=frozenset({"GET", "POST", "DELETE"}),
    mandatory={
        "Attachment": "Mandatory: Attachment",
        "Document": "Mandatory: Document",
        "FileName": "Mandatory: File name",
    },
    scope="Organization documents",
    topic="DocumentAttachments",
    references={"Document": Reference("documents/Documents", "Document")},
    deleted_type=4,
)

WEBHOOK_SUBSCRIPTIONS = entity(
    "webhooks/WebhookSubscriptions",
    writable="CallbackURL Topic UserID:g",
    read="ClientID:g Description",
    stamps="Division:i Created:t Creator:g CreatorFullName",
    mandatory={"CallbackURL": "Mandatory: Callback URL", "Topic": "Mandatory: Topic"},
    scope="Organization administration",
)

BOOKS = (
    PURCHASE_ORDERS, PURCHASE_ORDER_LINES, PURCHASE_ENTRIES, PURCHASE_ENTRY_LINES, PURCHASE_INVOICES,
    PURCHASE_INVOICE_LINES,
    ACCOUNTS, BANK_ACCOUNTS, CONTACTS, ADDRESSES, DOCUMENTS, DOCUMENT_ATTACHMENTS, WEBHOOK_SUBSCRIPTIONS,
)  # fmt: skip
