"""Basware's field tables of master data and of the documents that are imported into it."""

from .schema import numbered, part, rows, table

_NAMES = rows(table("language* translation*"), required=True)
_COMPANIES = rows(table("companyCode*:32 inherit:b inheritToChildUnits:b active:b"), required=True)
_OPTIONAL_COMPANIES = rows(table("companyCode*:32 inherit:b active:b"))

_FINANCIAL_ACCOUNT = table(
    "",
    financialInstitution=part(table("name* id*:20 schemeId*:BIC branchId countryId:2")),
    financialAccountIdentifiers=rows(
        table("schemeId*:IBAN|BBAN id:50 accountHolderName currencyCode:3 default:b linkedBbanOrIban")
    ),
)
VENDOR = table(
    "externalCode*:36 vendorCode*:25 name*:250 vendorParent buvid sourceSystem:36 description supplierAssignedAccountId"
    " eligibleForSourcing:b vendorClass lastUpdated:t tags:texts",
    companies=_COMPANIES,
    identifiers=rows(table("id*:36 schemeId*:32 defaultPartyId:b")),
    addresses=rows(
        table(
            "externalCode* name* description addressType:AdditionalAddress|VisitingAddress|RemittanceAddress"
            "|DeliveryAddress|PostalAddress|RegistrationAddress addressLine1 addressLine2 addressLine3 streetName:50"
            " cityName:50 postalZone poBox locality countrySubEntity countrySubEntityDescription countryId:2 default:b",
            additionalAddressFields=rows(table("key* value")),
        )
    ),
    contacts=rows(
        table(
            "name* description telephone telefax email website role:PrimaryContact|SecondaryContact|AdditionalContact"
        )
    ),
    paymentMeans=rows(
        table(
            "paymentMeansCode* description currencyCode:3 default:b", financialAccounts=rows(_FINANCIAL_ACCOUNT)
        )
    ),
    paymentTerms=part(table("paymentTermCode* description")),
    deliveryTerm=part(table("deliveryTermCode* description")),
    orderingDetails=part(table("orderingFormat orderEmail orderingMessageLanguage")),
    processingStatus=part(table("active:b paymentDenied:b")),
    customFields=rows(table("name* value* groupName")),
)  # fmt: skip

ACCOUNT = table(
    f"externalCode*:36 accountCode*:25 taxCode {numbered('text', 1, 5)} lastUpdated:t",
    accountNames=_NAMES,
    companies=_COMPANIES,
)
COST_CENTER = table(
    f"externalCode*:36 costCenterCode*:25 {numbered('text', 1, 10)} {numbered('date', 1, 5, ':t')}"
    f" {numbered('int', 1, 5, ':i')} lastUpdated:t",
    costCenterNames=_NAMES,
    companies=_COMPANIES,
)
TAX_CODE = table(
    "externalCode*:36 taxCode* taxGroup taxPercentage*:n taxPercentage2:n lastUpdated:t",
    taxCodeNames=_NAMES,
    companies=_COMPANIES,
)
PAYMENT_TERM = table(
    "externalCode*:36 paymentTermCode* validFrom*:t validTo*:t dueDateDays:i cashDiscount:n lastUpdated:t",
    paymentTermNames=_NAMES,
    companies=_COMPANIES,
)
EXCHANGE_RATE = table("externalCode*:36 sourceCurrency:3 targetCurrency:3 rate:n validFrom:t lastUpdated:t")
PROJECT = table(
    "externalCode*:36 projectCode* projectName* validFrom*:t validUntil*:t lastUpdated:t", companies=_COMPANIES
)
LIST_ITEM = table(
    f"externalCode*:36 {numbered('text_', 1, 25)} {numbered('number_', 1, 15, ':n')}"
    f" {numbered('dateValue_', 1, 15, ':t')} lastUpdated:t",
    companies=_OPTIONAL_COMPANIES,
)
COMPANY = table("companyCode*:32 name* active*:b homeCurrency lastUpdated:t", identifiers=rows(table("id* schemeId*")))

MATCHING_ORDER = table(
    "externalCode*:36 orderNumber* sourceSystem companyCode:32 organizationElementCode supplierCode orderStatus"
    " currencyCode:3 netSum:n grossSum:n lastUpdated:t"
)
MATCHING_ORDER_LINE = table(
    "externalCode*:36 orderExternalCode*:36 lineNumber* matchingMode*:Standard|Blanket|Return|Service quantity*:n"
    " productCode description netPrice:n netSum:n grossSum:n taxCode lastUpdated:t"
)
_IMPORT_STATES = "processingStatus:Uncompleted|ReadyForImport|ImportInProgress|Imported|ImportFailed"
IMPORTED_ORDER = table(
    f"externalCode*:100 extOrderNumber* extRequisitionNumber* companyCode:32 {_IMPORT_STATES} lastUpdated:t",
    orderLines=rows(table("externalCode* description quantity:n netPrice:n netSum:n")),
)
IMPORTED_RECEIPT = table(
    f"externalCode*:100 goodsReceiptNumber companyCode:32 {_IMPORT_STATES} lastUpdated:t"
)  # fmt: skip
IMPORTED_REQUISITION = table(
    f"externalCode*:100 extRequisitionNumber companyCode:32 {_IMPORT_STATES} lastUpdated:t"
)  # fmt: skip

SUBSCRIPTION = table(
    "taskType* taskSubType:WaitingForPrebook|WaitingForTransfer|WaitingForPrebookCancelation|WaitingToBeRemoved"
    "|WaitingToBeReturned|WaitingToBeCompleted|WaitingForExport|Error|Success|All"
    " subscriptionType*:Webhook notificationWebhookURL*:2083 webhookAuthenticationToken*"
)
