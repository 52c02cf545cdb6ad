"""Basware's field tables: accounting documents, exported purchase orders and the answers a client posts to them."""

from .schema import coded, numbered, part, rows, table, with_suffixes

_CURRENCIES = ("Company", "Organization")
_DIMENSION_WORDS = coded(
    "project projectSub profitCenter businessUnit businessArea internalOrder employee salesOrder customer budget"
    " service product fixedAsset fixedAssetSub workOrder accAssignmentCategory"
)
_LISTED_DIMENSIONS = f"{numbered('dimCode', 1, 10)} {numbered('dimName', 1, 10)}"

INVOICE_STATES = (
    "New|InDocumentFilter|DocumentFilterReleased"
    "|WaitingForPrebook|PrebookInProgress|Prebooked|PrebookFailed"
    "|WaitingForTransfer|TransferInProgress|Transferred|TransferFailed|Paid"
    "|WaitingForPrebookCancelation|PrebookCancelationInProgress|PrebookCanceled|PrebookCancelFailed"
    "|WaitingToBeRemoved|Removed|RemoveFailed|WaitingToBeReturned|Returned|ReturnFailed"
    "|WaitingToBeCompleted|CompletionInProgress|Completed|CompletionFailed"
    "|WaitingForEnrichmentTransfer|EnrichmentTransferInProgress|EnrichmentTransferred|EnrichmentTransferFailed"
)

TRANSFER_RESPONSE = table(
    "externalCode*:36 success*:b responseMessage*:250 paymentBlock*:b sourceSystem:32 voucherNumber1:25"
    " voucherNumber2:25 transferDate:t"
)
PREBOOK_RESPONSE = table(
    "externalCode*:36 success*:b responseMessage*:250 paymentBlock*:b sourceSystem:32 voucherNumber1:25"
    " voucherNumber2:25 prebookDate:t"
)
ENRICHMENT_RESPONSE = table(
    "externalCode*:36 success*:b responseMessage*:250 sourceSystem:32 transferDate:t"
)  # fmt: skip
PAYMENT_RESPONSE = table(
    "externalCode*:36 success*:b paymentBlock*:b responseMessage:250 sourceSystem:32 paymentDate:t paymentTermCode"
    " paymentMethod paidTotal:n cashDiscount:n checkNumber paymentMessage paymentNumber paymentDocument"
    " paymentReversalDocument"
)

INVOICE_CODING_ROW = table(
    "externalCode*:36 rowIndex:i accountCode:50 accountName costCenterCode:200 costCenterName"
    f" {with_suffixes(('netTotal', 'grossTotal', 'taxSum', 'taxSum2'), _CURRENCIES)}"
    " taxCode taxPercent:n taxPercent2:n taxJurisdictionCode"
    f" {_LISTED_DIMENSIONS} {_DIMENSION_WORDS} vehicleNumber vehicleName"
    " partnerProfitCenter plant orderNumber:1000 orderLineNumber:2000 orderItemNumber orderCodingRowNumber"
    " orderLineDescription orderLineUOM orderedQuantity:n orderedNetPrice:n allocatedQuantity:n matchedQuantity:n"
    " matchedNetSum:n matchedGrossSum:n receivedQuantity:n receivedNetPrice:n receivedNetTotal:n goodsReceiptNumber"
    " deliveryNoteNumber matchingType:i plannedAdditionalCostType lastComment contractNumber"
    f" {numbered('num', 1, 5, ':n')} {numbered('text', 1, 5)} text84 text85 {numbered('date', 1, 5, ':t')}"
)
INVOICE_LINE = table(
    "externalCode rowIndex:i productCode productName quantity:n quantityUnit netPrice:n grossPrice:n netSum:n"
    " grossSum:n taxCode taxPercent:n taxSum:n taxPercent2:n taxSum2:n itemTotalSum:n additionalCost:n orderNumber"
    " orderRowNumber discountAmount:n discountPercent:n deliveryNoteNumber lineType"
    f" {numbered('text', 1, 10)} {numbered('numeric', 1, 10, ':n')} {numbered('date', 1, 5, ':t')}"
)
ATTACHMENT = table(
    "externalCode* category*:ORIGINALIMAGE|ATTACHMENT|EXPORTEDEMAIL filename* isConfidential:b creationTime:t"
)
INVOICE = table(
    "invoiceId*:36 bumid p2pProcessingMode:Standard|InvoiceEnrichment invoiceNumber:100 voucherNumber1:25"
    f" voucherNumber2:25 voucherDate:t processingStatus*:{INVOICE_STATES} originService:i companyCode*:32"
    " companyName organizationCode organizationName organizationElementCode organizationElementName supplierCode*:25"
    " supplierName:250 supplierSourceSystemId:36 currencyCode*:3"
    f" {with_suffixes(('netSum', 'grossSum', 'taxSum1', 'taxSum2', 'cashSum'), _CURRENCIES)}"
    " taxCode taxPercent1:n taxPercent2:n invoiceDate:t baseLineDate:t dueDate:t cashDate:t cashPercent:n"
    " referencePerson contractNumber description:250 invoiceTypeCode invoiceTypeName paymentMethod paymentBlock*:b"
    " paymentTermCode paymentTermName paymentTermExternalCode paymentPlanReference paymentRevelsalDocument"
    " paymentMessage codingDate:t prebooked:b referenceNumber:50 supplierBankIBAN supplierBankBBAN supplierBankBIC"
    " supplierBankName accountingPeriod accountingGroup removalReason removalReasonComment removedBeforeTransfer:b"
    " clearingReferenceId clearingCountry clearingDate:t parentInvoiceBumId invoiceImageURL invoiceImageToken"
    " orderNumbers:texts lastUpdated:t exchangeRateBaseDate:t exchangeRateCompany:n exchangeRateOrganization:n"
    " currencyCodeCompany currencyCodeOrganization"
    f" {numbered('text', 1, 60)} {numbered('numeric', 1, 30, ':n')} {numbered('date', 1, 10, ':t')}",
    disputeInfo=part(table("isDisputed:b disputeReason disputeDate:t")),
    codingRows=rows(INVOICE_CODING_ROW),
    invoiceLines=rows(INVOICE_LINE),
    attachments=rows(ATTACHMENT),
    transferParameters=rows(table("key* value")),
    prebookResponses=rows(PREBOOK_RESPONSE),
    transferResponses=rows(TRANSFER_RESPONSE),
    paymentResponses=rows(PAYMENT_RESPONSE),
    enrichmentResponses=rows(ENRICHMENT_RESPONSE),
    removeResponses=rows(TRANSFER_RESPONSE),
)

_PERSON = table("personCode userName loginAccount emailAddress externalCode")
_DELIVERY_ADDRESS = table(
    "name* pObox streetName buildingNumber postalZone city region countryCode countrySubEntity globalLocationNumber"
    " addressId"
)
_ORDER_CURRENCIES = ("Comp", "Org")

ORDER_CODING_ROW = table(
    "externalCode* rowIndex*:i splitPercent*:n accountCode:25 accountName costCenterCode:25 costCenterName"
    f" {numbered('dimCode', 1, 10, ':25')} {numbered('dimName', 1, 10)} {_DIMENSION_WORDS} vehicleNumber vehicleName"
)
GOODS_RECEIPT = table(
    "externalCode* goodsReceiptNumber goodsReceiptDocumentCreationTime*:t receivingDate*:t receivedQuantity*:n"
    " unitOfMeasure receivedNetSum*:n receivedGrossSum*:n notifyFault*:b referenceGRNumber"
)
ORDER_LINE = table(
    "externalCode* orderLineNumber*:i extOrderLineNumber parentOrderLineExternalCode"
    " lineStatus:ReadyForOrder|Ordered|SupplierRejected|SupplierConfirmed|PartiallyReceived|Received|Canceled|Deleted"
    "|AttachedToOrder|Closed lineType*:Catalog|FreeText|Punchout|CostLine|Marketplace categoryCode categoryName"
    " buyerProductCode supplierProductCode supplierProductName description:2000 quantity:n quantityUnit:10"
    " quantityUnitName priceType*:Net|Gross netPrice*:n grossPrice*:n netSum*:n grossSum*:n taxTotal*:n"
    f" {with_suffixes(('netUnitPrice', 'grossUnitPrice', 'tax1Sum', 'tax2Sum'), _ORDER_CURRENCIES)}"
    " netPriceComp:n netPriceOrg:n grossPriceComp:n grossPriceOrg:n netSumComp:n netSumOrg:n grossSumComp:n"
    " grossSumOrg:n taxTotalComp:n taxTotalOrg:n discountPercent:n taxCode:32 taxPercent:n taxPercent2:n taxCategory"
    " refundLine:b receivingRequired*:b receivedQuantity:n receivedNetSum:n receivalMethod:Quantity|NetSum|GrossSum"
    " desiredDeliveryDate:t promisedDeliveryDate:t unspsc plant storageLocation"
    f" {numbered('lineDataText', 1, 5)} {numbered('lineDataNum', 1, 5, ':n')} {numbered('lineDataDate', 1, 5, ':t')}",
    deliveryAddress=part(_DELIVERY_ADDRESS, required=True),
    codingRows=rows(ORDER_CODING_ROW),
    goodsReceipts=rows(GOODS_RECEIPT),
)
ORDER = table(
    "externalCode*:100 orderNumber*:32 extOrderNumber:100 parentOrderNumber parentOrderExternalCode"
    " parentOrderExtOrderNumber processingStatus*:WaitingForExport|Exported"
    " orderStatus:OrderCreated|ReadyForOrder|Ordered|SupplierRejected|SupplierConfirmed|ModifiedBySupplier|Confirmed"
    "|PartiallyReceived|Received|Canceled|Closed"
    " reasonForPendingAction:None|SendingFailed|ModifiedBySupplier|ModifiedByBuyer requisitionNumber*"
    " extRequisitionNumber organizationUnitCode organizationUnitName purchasingGroupCode purchasingGroupName purpose"
    " validityPeriodStartDate:t validityPeriodEndDate:t desiredDeliveryDate:t desiredDeliveryEndDate:t"
    " promisedDeliveryDate:t promisedDeliveryEndDate:t classification cancellationNote requisitionCreationTime*:t"
    " orderCreationTime*:t orderExportTimestamp*:t documentSource*:P2P|ImportedAsRequisition|ImportedAsOrder"
    " sendingMethod*:BaswareNetwork|Email|SmartOrder salesOrderNumber documentLink contractNumber"
    " orderType:Standard|Blanket|Release noteToSupplier noteFromSupplier companyCode:32 companyName supplierCode:32"
    " supplierName supplierContactName supplierOrderingEmail paymentTermCode paymentTermName releaseOrdersRequired*:b"
    " hidePricesFromSupplier*:b attachPdfToNetworkOrder:b orderRecipientType deliveryLocation deliveryTerm"
    " deliveryReceiverName purchaseCurrency companyCurrency groupCurrency exchangeRateComp:n exchangeRateOrg:n"
    f" {with_suffixes(('netSum', 'grossSum', 'taxSum'), _ORDER_CURRENCIES)}"
    f" {numbered('headerDataDate', 1, 5, ':t')} {numbered('headerDataNum', 1, 5, ':n')}"
    f" {numbered('headerDataText', 1, 5)} lastUpdated:t",
    creator=part(_PERSON, required=True),
    owner=part(_PERSON, required=True),
    deliveryAddress=part(_DELIVERY_ADDRESS, required=True),
    orderLines=rows(ORDER_LINE),
)
