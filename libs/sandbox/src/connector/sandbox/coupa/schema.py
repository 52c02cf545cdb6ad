"""Every kind of object, field by field. Order of fields is the order of the answer."""

from .fields import (
    Children,
    Country,
    Day,
    Embedded,
    Field,
    Flag,
    Float,
    Integer,
    Kind,
    Moment,
    Number,
    Plain,
    Ref,
    Text,
    kind,
)

SUPPLIER_STATUSES = ("active", "inactive", "draft", "onboarding")
PO_METHODS = ("cxml", "xml", "email", "prompt", "mark_as_sent", "buy_online")
LINE_MATCH = ("direct_matching", "3-way-fifo", "3-way", "2-way", "none")
SEGMENTS = tuple(f"segment-{n}" for n in range(1, 21))


def texts(names: str) -> list[Field]:
    return [Text(name) for name in names.split()]


def flags(names: str, *, read_only: bool = False) -> list[Field]:
    return [Flag(name, default=False, read_only=read_only) for name in names.split()]


def address_fields() -> list[Field]:
    return [
        *texts("name location-code street1 street2 street3 street4 city state state-iso-code postal-code attention"),
        Country("country"),
        Flag("active", default=True),
        *texts("vat-number vat-country local-tax-number external-src-ref external-src-name"),
    ]


CONTACT = kind(
    "contacts", "contact", "Contact",
    *texts("email name-prefix name-given name-additional name-family name-suffix"),
    Text("name-fullname", read_only=True),
    Text("notes"),
    Plain("phone-work"), Plain("phone-mobile"), Plain("phone-fax"), Plain("purposes"),
    summary=("email", "name-given", "name-family"),
)  # fmt: skip

SUPPLIER_ADDRESS = kind(
    "supplier_addresses", "supplier-address", "Address", *address_fields(), Plain("purposes"),
    summary=("name", "location-code"), ids="addresses",
)  # fmt: skip

REMIT_TO = kind(
    "remit_to_addresses", "remit-to-address", "RemitToAddress",
    Text("remit-to-code"), *address_fields(),
    keys=("remit-to-code",), unique=(("remit-to-code",),), ids="addresses",
    verbs="index show create update delete",
)  # fmt: skip

SUPPLIER_SITE = kind(
    "supplier_sites", "supplier-site", "SupplierSite", *texts("code name"), Flag("active", default=True),
    keys=("code",), custom=True,
)  # fmt: skip

SUPPLIER = kind(
    "suppliers", "supplier", "Supplier",
    Text("name", length=100, required=True),
    Text("number", length=255),
    Text("display-name"),
    Text("status", choices=SUPPLIER_STATUSES, default="draft",
         message="Supplier status must be one of active, inactive, onboarding."),
    *texts("account-number tax-id tax-code duns website corporate-url"),
    Ref("parent", to="suppliers"), Ref("commodity", to="commodities"),
    Text("po-method", choices=PO_METHODS, message=f"PO method must be one of {', '.join(PO_METHODS)}."),
    Text("po-change-method", choices=PO_METHODS, message=f"PO change method must be one of {', '.join(PO_METHODS)}."),
    Text("po-email"),
    Text("payment-method", default="invoice",
         choices=("invoice", "pcard", "invoice_only", "pcard_only", "virtual_card")),
    Ref("payment-term", to="payment_terms"), Ref("shipping-term", to="shipping_terms"),
    Text("invoice-matching-level", required=True, choices=("2-way", "3-way", "3-way-direct", "none")),
    *flags("on-hold buyer-hold hold-invoices-for-ap-review one-time-supplier"),
    *texts("default-locale enterprise online-store business-entity-id"),
    Embedded("primary-contact", of="contacts"),
    Children("contacts", of="contacts"),
    Embedded("primary-address", of="supplier_addresses"),
    Children("supplier-addresses", of="supplier_addresses"),
    Children("remit-to-addresses", of="remit_to_addresses"),
    Children("supplier-sites", of="supplier_sites"),
    Plain("content-groups"), Plain("restricted-account-types"), Plain("taggings"),
    keys=("number", "name"), summary=("name", "display-name", "number", "status"),
    unique=(("number",), ("name",)), custom=True,
)  # fmt: skip

ALLOCATION = kind(
    "account_allocations", "account-allocation", "AccountAllocation",
    Ref("account", to="accounts"), Number("pct", required=True), Number("amount"), Plain("period"),
)  # fmt: skip

ORDER_LINE = kind(
    "purchase_order_lines", "order-line", "OrderLine",
    Text("type", choices=("OrderQuantityLine", "OrderAmountLine"), default="OrderQuantityLine"),
    Text("line-num", length=255),
    Text("order-header-number", read_only=True), Integer("order-header-id", read_only=True),
    Text("status", read_only=True),
    Text("description", length=255, required=True),
    Number("price", required=True), Number("quantity", places=1),
    Number("total", read_only=True), Number("invoiced", read_only=True), Number("received", read_only=True, places=1),
    Ref("uom", to="uoms"), Ref("currency", to="currencies", required=True),
    Ref("account", to="accounts"), Children("account-allocations", of="account_allocations"),
    Moment("need-by-date"), Ref("commodity", to="commodities"), Ref("item", to="items"),
    *texts("source-part-num supp-aux-part-num manufacturer-name manufacturer-part-number"),
    Ref("department", to="departments"), Plain("contract"),
    Text("external-reference-number"),
    Text("external-reference-type", choices=("staff_augmentation", "sow_project")),
    Text("match-type", choices=LINE_MATCH),
    Number("savings-pct", places=1),
    summary=("line-num", "description"), indexed=("line-num", "order-header-number", "order-header-id"),
    verbs="index show delete", custom=True,
)  # fmt: skip

ORDER = kind(
    "purchase_orders", "order-header", "ExternalOrderHeader",
    Text("type", choices=("ExternalOrderHeader", "OrderHeader"), default="ExternalOrderHeader"),
    Text("po-number", length=20, required=True),
    Text("status", read_only=True), Text("transmission-status", read_only=True),
    Integer("version"), Integer("internal-revision", read_only=True),
    Flag("exported", default=False), Moment("last-exported-at", read_only=True),
    Ref("supplier", to="suppliers", required=True), Ref("supplier-site", to="supplier_sites"),
    Ref("ship-to-address", to="addresses", required=True), Ref("ship-to-user", to="users", required=True),
    Text("ship-to-attention"),
    Ref("currency", to="currencies"), Ref("payment-term", to="payment_terms"), Text("payment-method"),
    Ref("shipping-term", to="shipping_terms"), Ref("requester", to="users"), Text("classification"),
    Text("transmission-method-override", default="supplier_default",
         choices=("supplier_default", "email", "do_not_transmit")),
    Text("transmission-emails"), *flags("hide-price acknowledged-flag"),
    Text("order-confirmation-level", choices=("header", "line")), Integer("confirm-by-hrs"), Plain("milestones"),
    Children("order-lines", of="purchase_order_lines"),
    keys=("po-number",), summary=("po-number", "status"), unique=(("po-number",),),
    indexed=("supplier", "status", "exported"), custom=True,
)  # fmt: skip

TAX_LINE = kind(
    "tax_lines", "tax-line", "TaxLine",
    Number("amount"), Number("rate", places=1), Ref("tax-code", to="tax_codes"), Text("description"),
    Number("taxable-amount"),
)  # fmt: skip

CHARGE = kind(
    "invoice_charges", "invoice-charge", "InvoiceCharge",
    Text("type", required=True, choices=("InvoiceShippingCharge", "InvoiceHandlingCharge", "InvoiceMiscCharge")),
    Integer("line-num"), Number("total", required=True), Ref("currency", to="currencies"),
)  # fmt: skip

PAYMENT = kind(
    "payments", "payment", "Payment", Number("amount-paid", required=True), Moment("payment-date"), Text("notes")
)

INVOICE_LINE = kind(
    "invoice_lines", "invoice-line", "InvoiceLine",
    Text("type", choices=("InvoiceQuantityLine", "InvoiceAmountLine"), default="InvoiceQuantityLine"),
    Integer("line-num"), Text("status", read_only=True),
    Text("description", length=1550, required=True),
    Number("price", required=True), Number("quantity", places=1),
    Number("total", read_only=True), Number("accounting-total", read_only=True),
    Ref("uom", to="uoms"), Ref("currency", to="currencies"),
    Ref("account", to="accounts"), Children("account-allocations", of="account_allocations"),
    Integer("order-line-id"),
    Text("po-number", read_only=True), Text("order-header-num", read_only=True), Text("order-line-num", read_only=True),
    Children("tax-lines", of="tax_lines"), Number("tax-rate", places=1), Number("tax-amount"),
    Ref("commodity", to="commodities"), Ref("item", to="items"),
    *texts("source-part-num billing-note match-reference"), Plain("contract"),
    summary=("line-num", "description"), indexed=("order-line-id", "po-number"), custom=True,
)  # fmt: skip

INVOICE = kind(
    "invoices", "invoice-header", "InvoiceHeader",
    Text("invoice-number", length=40, required=True), Day("invoice-date", required=True),
    Text("status", read_only=True), Text("document-type", read_only=True),
    Flag("is-credit-note", write_only=True, default=False),
    Text("original-invoice-number"), Day("original-invoice-date"),
    Ref("supplier", to="suppliers", required=True), Ref("account-type", to="account_types", required=True),
    Flag("line-level-taxation", required=True),
    Ref("currency", to="currencies"), Ref("payment-term", to="payment_terms"),
    Ref("bill-to-address", to="addresses"), Ref("ship-to-address", to="addresses"),
    Ref("remit-to-address", to="remit_to_addresses"), Ref("supplier-remit-to", to="remit_to_addresses"),
    Ref("invoice-from-address", to="remit_to_addresses"), Ref("ship-from-address", to="remit_to_addresses"),
    Number("tax-amount"), Number("tax-rate", places=1), Ref("tax-code", to="tax_codes"),
    Number("shipping-amount"), Number("handling-amount"), Number("misc-amount"), Number("discount-amount"),
    Number("supplier-total"), Number("gross-total", read_only=True), Number("total-with-taxes", read_only=True),
    Day("net-due-date", read_only=True), Day("discount-due-date", read_only=True),
    Flag("exported", default=False), Moment("last-exported-at", read_only=True),
    *flags("canceled compliant", read_only=True), Text("channel", read_only=True),
    Integer("lock-version-key", read_only=True),
    Ref("requested-by", to="users"), *texts("internal-note supplier-note comments payment-order-reference"),
    Plain("contract"), Plain("margin-scheme"), Number("exchange-rate"), Plain("taggings"), Plain("dispute-reason"),
    Flag("paid", default=False), Day("payment-date"), Text("payment-notes"),
    Children("invoice-lines", of="invoice_lines"),
    Children("invoice-charges", of="invoice_charges"),
    Children("payments", of="payments", append_only=True),
    keys=("invoice-number",), summary=("invoice-number", "status"),
    indexed=("supplier", "status", "exported"), verbs="index show create update delete", custom=True,
)  # fmt: skip

LOOKUP = kind(
    "lookups", "lookup", "Lookup",
    Text("name", required=True), Text("description"), Flag("active", default=True), Flag("fixed-depth", default=False),
    *texts(" ".join(f"level-{n}-name" for n in range(1, 11))),
    keys=("name",), unique=(("name",),),
)  # fmt: skip

LOOKUP_VALUE = kind(
    "lookup_values", "lookup-value", "LookupValue",
    Text("name", required=True), Ref("lookup", to="lookups", required=True),
    Text("external-ref-num", length=255), Text("external-ref-code", read_only=True),
    Ref("parent", to="lookup_values"), Flag("active", default=True), Text("description"),
    Flag("is-default", default=False), Ref("account-type", to="account_types"), Integer("depth", read_only=True),
    keys=("external-ref-code", "external-ref-num", "name"),
    summary=("name", "external-ref-num", "external-ref-code", "active"),
    unique=(("lookup", "parent", "name"), ("lookup", "parent", "external-ref-num")), indexed=("lookup",), custom=True,
)  # fmt: skip

ACCOUNT_TYPE = kind(
    "account_types", "account-type", "AccountType",
    Text("name", length=50, required=True), Ref("currency", to="currencies"), Flag("active", default=True),
    Flag("dynamic-flag", default=False), Text("legal-entity-name", read_only=True), Plain("segments", write_only=True),
    keys=("name",), unique=(("name",),), verbs="index show create",
)  # fmt: skip

ACCOUNT = kind(
    "accounts", "account", "Account",
    Text("name"), Text("code", read_only=True), Flag("active", default=True),
    Ref("account-type", to="account_types", required=True), *texts(" ".join(SEGMENTS)),
    keys=("code",), summary=("name", "code", "active", "account-type", *SEGMENTS[:4]),
    indexed=("account-type",),
)  # fmt: skip

ADDRESS = kind(
    "addresses", "address", "Address",
    Text("name"), Text("location-code"), Text("street1", required=True), *texts("street2 street3 street4"),
    Text("city", required=True), *texts("state state-iso-code"), Text("postal-code", required=True),
    Country("country", required=True), Text("attention"), Flag("active", default=True),
    *texts("vat-number vat-country local-tax-number external-src-ref external-src-name"),
    keys=("location-code", "name"), unique=(("location-code",),),
)  # fmt: skip

USER = kind(
    "users", "user", "User",
    Text("login", required=True), *texts("email employee-number firstname lastname"), Text("fullname", read_only=True),
    Text("salesforce-id"), Text("avatar-thumb-url"), Flag("active", default=True),
    keys=("login", "email", "employee-number"), unique=(("login",),),
    summary=("login", "email", "employee-number", "firstname", "lastname", "fullname", "salesforce-id",
             "avatar-thumb-url"),
)  # fmt: skip


def coded(path: str, root: str, object_type: str, *fields: Field, verbs: str = "index show create update") -> Kind:
    """A reference list identified by a unique code."""
    return kind(
        path, root, object_type, Text("code", required=True), *fields, keys=("code",), unique=(("code",),), verbs=verbs
    )


def named(path: str, root: str, object_type: str, *fields: Field) -> Kind:
    """A reference list identified by a unique name."""
    return kind(path, root, object_type, Text("name", required=True), *fields, keys=("name",), unique=(("name",),))


REFERENCE = (
    coded("payment_terms", "payment-term", "PaymentTerm", Text("description"),
          Integer("days-for-net-payment"), Integer("days-for-discount-payment"), Float("discount-rate"),
          Text("type", default="DaysAfterNetPaymentTerm"), Flag("active", default=True)),
    coded("shipping_terms", "shipping-term", "ShippingTerm", Text("description"), Flag("active", default=True)),
    coded("currencies", "currency", "Currency", Integer("decimals", default=2), verbs="index show"),
    kind("uoms", "uom", "Uom", Text("code", length=6, required=True), Text("name"), Integer("allowable-precision"),
         Flag("active", default=True), keys=("code",), unique=(("code",),), verbs="index show"),
    kind("tax_codes", "tax-code", "TaxCode", Text("code", required=True), Text("description"), Country("country"),
         Number("percentage", places=1), Flag("active", default=True), keys=("code",),
         unique=(("country", "code"),), verbs="index show"),
    named("departments", "department", "Department", Flag("active", default=True)),
    named("commodities", "commodity", "Commodity", Flag("active", default=True), Ref("parent", to="commodities")),
    named("legal_entities", "legal-entity", "LegalEntity", Flag("active", default=True)),
    kind("items", "item", "Item", Text("name", required=True), Text("description"), Ref("uom", to="uoms"),
         Text("item-number"), Flag("active", default=True), Ref("commodity", to="commodities"),
         keys=("item-number", "name"), unique=(("item-number",),), custom=True),
    kind("exchange_rates", "exchange-rate", "ExchangeRate", Ref("from-currency", to="currencies", required=True),
         Ref("to-currency", to="currencies", required=True), Number("rate", required=True, scale=9),
         Moment("rate-date", required=True), indexed=("from-currency", "to-currency")),
)  # fmt: skip

CONTACT_ALERT = ("Technical", "Functional", "Both")
INTEGRATION = (
    kind("integrations", "integration", "Integration", Text("code", required=True), Text("name", required=True),
         Text("direction", choices=("to_coupa", "from_coupa")), *texts("end-system end-system-type integration-type"),
         keys=("code", "name"), unique=(("code",), ("name",))),
    kind("integration_runs", "integration-run", "IntegrationRun", Ref("integration", to="integrations", required=True),
         Text("status", read_only=True), Integer("total-records"), Integer("records-processed"),
         Moment("start-time", read_only=True), Moment("end-time", read_only=True), Moment("max-updated-at"),
         summary=("status",), indexed=("integration",)),
    kind("integration_errors", "integration-error", "IntegrationError",
         Ref("integration-run", to="integration_runs", required=True),
         Text("contact-alert-type", required=True, choices=CONTACT_ALERT), Text("document-type"),
         Integer("document-id"), *texts("description status-code"),
         Flag("resolved", default=False, read_only=True), Plain("responses"), indexed=("integration-run",)),
    kind("integration_history_records", "integration-history-record", "IntegrationHistoryRecord",
         Ref("integration", to="integrations"), Ref("integration-run", to="integration_runs"),
         Text("document-type", required=True), Integer("document-id", required=True),
         Text("contact-alert-type", required=True, choices=CONTACT_ALERT), Text("status"), Plain("responses"),
         Flag("resolved", default=False, read_only=True), Flag("acknowledged", default=False, read_only=True),
         indexed=("document-id",)),
)  # fmt: skip

PARTS = (CONTACT, SUPPLIER_ADDRESS, REMIT_TO, SUPPLIER_SITE, ALLOCATION, TAX_LINE, CHARGE, PAYMENT, INVOICE_LINE)
"""Objects that live only inside another one; all else has its own path under /api."""

SCHEMA: dict[str, Kind] = {
    one.path: one
    for one in (
        SUPPLIER, ORDER, ORDER_LINE, INVOICE, LOOKUP, LOOKUP_VALUE, ACCOUNT_TYPE, ACCOUNT, ADDRESS, USER,
        *REFERENCE, *INTEGRATION, *PARTS,
    )
}  # fmt: skip
