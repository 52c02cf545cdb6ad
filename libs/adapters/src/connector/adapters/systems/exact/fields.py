"""What is read of each of Exact's resources: the fields our documents need, and no others."""

from collections.abc import Sequence

ORDERS = "purchaseorder/PurchaseOrders"
ORDER_LINES = "purchaseorder/PurchaseOrderLines"
ENTRIES = "purchaseentry/PurchaseEntries"
ENTRY_LINES = "purchaseentry/PurchaseEntryLines"
INVOICES = "purchase/PurchaseInvoices"
INVOICE_LINES = "purchase/PurchaseInvoiceLines"
ACCOUNTS = "crm/Accounts"
BANK_ACCOUNTS = "crm/BankAccounts"

ORDER_FIELDS = (
    "PurchaseOrderID", "OrderNumber", "Division", "OrderDate", "ReceiptDate", "Supplier", "SupplierCode",
    "SupplierName", "Currency", "ExchangeRate", "AmountFC", "AmountDC", "AmountFCExclVat", "VATAmount",
    "AmountDiscountExclVat", "Description", "YourRef", "PaymentCondition", "PaymentConditionDescription",
    "PurchaseAgent", "PurchaseAgentFullName", "WarehouseCode", "WarehouseDescription", "OrderStatus", "ReceiptStatus",
    "InvoiceStatus", "ApprovalStatus", "Source", "PurchaseOrderLineCount", "Created", "Modified",
)  # fmt: skip
ORDER_LINE_FIELDS = (
    "ID", "LineNumber", "Item", "ItemCode", "ItemDescription", "SupplierItemCode", "Description", "Quantity",
    "QuantityInPurchaseUnits", "Unit", "UnitPrice", "NetPrice", "Discount", "AmountFC", "VATAmount", "VATCode",
    "CostCenter", "CostUnit", "Project", "ProjectCode", "ReceivedQuantity", "InvoicedQuantity", "ReceiptDate",
)  # fmt: skip
ENTRY_FIELDS = (
    "EntryID", "EntryNumber", "Division", "Journal", "Type", "Status", "Reversal", "EntryDate", "DueDate", "YourRef",
    "Supplier", "SupplierName", "Currency", "Rate", "AmountFC", "AmountDC", "VATAmountFC", "VATAmountDC",
    "Description", "PaymentCondition", "PaymentConditionDescription", "PaymentReference", "OrderNumber", "Document",
    "DocumentSubject", "ReportingYear", "ReportingPeriod", "ExternalLinkReference", "Created", "Modified",
)  # fmt: skip
ENTRY_LINE_FIELDS = (
    "ID", "LineNumber", "GLAccountCode", "GLAccountDescription", "Description", "AmountFC", "VATAmountFC", "VATCode",
    "VATNonDeductiblePercentage", "CostCenter", "CostUnit", "Project", "From", "To", "WithholdingAmountDC",
)  # fmt: skip
INVOICE_FIELDS = (
    "ID", "Journal", "EntryNumber", "Type", "YourRef", "Supplier", "Amount", "AmountFCExclVat",
    "AmountDiscountExclVat",
)  # fmt: skip
INVOICE_LINE_FIELDS = (
    "ID", "LineNumber", "Item", "PurchaseOrderLine", "Quantity", "Unit", "UnitPrice", "NetPrice", "Amount",
    "VATAmount", "VATCode", "CostCenter", "CostUnit", "Project", "Description",
)  # fmt: skip
ACCOUNT_FIELDS = (
    "ID", "Code", "Division", "Name", "SearchCode", "IsSupplier", "Status", "Blocked", "StartDate", "EndDate",
    "VATNumber", "ChamberOfCommerce", "PeppolIdentifier", "GlnNumber", "AddressLine1", "AddressLine2", "AddressLine3",
    "Postcode", "City", "State", "Country", "Email", "Phone", "Website", "Language", "PurchaseCurrency",
    "PurchaseVATCode", "PaymentConditionPurchase", "PaymentConditionPurchaseDescription", "GLAccountPurchase",
    "Created", "Modified",
)  # fmt: skip
"""No bank data: no flow of this source needs it."""

STAMPS = frozenset(("Created", "Modified"))


def nested(collection: str, names: Sequence[str]) -> tuple[str, ...]:
    """Fields of an expanded collection, as `$select` names them."""
    return tuple(f"{collection}/{name}" for name in names)
