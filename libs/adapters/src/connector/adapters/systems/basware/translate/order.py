"""exportedPurchaseOrders -> PurchaseOrder."""

from decimal import Decimal
from typing import Any

from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.purchase_order import LineKind, OrderLifecycle, PurchaseOrder
from connector.domain.documents.translation import Translated
from connector.domain.rules.purchase_order import order_findings

from .values import (
    HUNDRED,
    ZERO,
    Json,
    amount,
    coding,
    company_findings,
    currency_of,
    day,
    instant,
    number,
    supplier_of,
)

LIFECYCLES = {
    "OrderCreated": OrderLifecycle.AWAITING,
    "ReadyForOrder": OrderLifecycle.AWAITING,
    "Ordered": OrderLifecycle.OPEN,
    "SupplierRejected": OrderLifecycle.AWAITING,
    "SupplierConfirmed": OrderLifecycle.OPEN,
    "ModifiedBySupplier": OrderLifecycle.AWAITING,
    "Confirmed": OrderLifecycle.OPEN,
    "PartiallyReceived": OrderLifecycle.OPEN,
    "Received": OrderLifecycle.OPEN,
    "Canceled": OrderLifecycle.CANCELLED,
    "Closed": OrderLifecycle.CLOSED,
}
GONE_LINES = frozenset(("Canceled", "Deleted"))


def translate_order(source: SourceDocument, record: Json) -> Translated:
    resolved = source.resolved
    company = record.get("companyCode") or None
    currency = currency_of(record, "purchaseCurrency")
    lines = [line_of(line, currency, resolved) for line in lines_of(record)]
    net = sum((line["net_amount"] or ZERO for line in lines), ZERO)
    order = PurchaseOrder.model_validate(
        {
            "order_number": record["orderNumber"],
            "order_type": record.get("orderType"),
            "issue_date": day(record.get("orderCreationTime")),
            "requested_delivery": {
                "start": day(record.get("desiredDeliveryDate")),
                "end": day(record.get("desiredDeliveryDateEndDate")),
            }
            if record.get("desiredDeliveryDate")
            else None,
            "lifecycle": LIFECYCLES.get(record.get("orderStatus") or "", OrderLifecycle.AWAITING),
            "currency": currency,
            "accounting_currency": record.get("companyCurrency") or None,
            "exchange_rate": number(record.get("exchangeRateComp")),
            "supplier": supplier_of(record, resolved),
            "payment_terms": {"code": record["paymentTermCode"], "description": record.get("paymentTermName")}
            if record.get("paymentTermCode")
            else None,
            "reference": record.get("extOrderNumber") or None,
            "buyer": (record.get("owner") or {}).get("userName"),
            "description": record.get("purpose") or None,
            "ship_to": address_of(record.get("deliveryAddress") or {}),
            "totals": {
                "lines": net,
                "net": net if gone(record) else amount(record.get("netSum"), currency),
                "vat": amount(record.get("taxSum"), currency),
                "gross": amount(record.get("grossSum"), currency),
                "accounting_net": amount(record.get("netSumComp"), currency),
                "accounting_gross": amount(record.get("grossSumComp"), currency),
            },
            "lines": lines,
        }
    )
    return Translated(
        order,
        company=company,
        native_number=order.order_number,
        native_version=record.get("orderExportTimestamp"),
        modified_at=instant(record.get("lastUpdated")),
        findings=[*company_findings(source, company), *order_findings(order)],
    )


def gone(record: Json) -> bool:
    """With lines taken out, the header's sums may or may not count them: the lines that are left do."""
    return any(line.get("lineStatus") in GONE_LINES for line in record.get("orderLines", ()))


def lines_of(record: Json) -> list[Json]:
    kept = [line for line in record.get("orderLines", ()) if line.get("lineStatus") not in GONE_LINES]
    return sorted(kept, key=lambda line: int(line["orderLineNumber"]))


def line_of(line: Json, currency: str, resolved: Json) -> dict[str, Any]:
    """netPrice is after discount, per unit. A cost line has an amount and no countable quantity."""
    amount_line = line.get("lineType") == "CostLine"
    return {
        "line_id": line["externalCode"],
        "line_number": int(line["orderLineNumber"]),
        "kind": LineKind.AMOUNT if amount_line else LineKind.QUANTITY,
        "description": line.get("description") or line.get("supplierProductName") or None,
        "item": {
            "buyer_id": line.get("buyerProductCode"),
            "seller_id": line.get("supplierProductCode"),
            "name": line.get("supplierProductName"),
        },
        "quantity": number(line.get("quantity")),
        "unit": line.get("quantityUnit") or None,
        "price": number(line.get("netPrice")),
        "price_includes_vat": False,
        "net_amount": amount(line.get("netSum"), currency),
        "vat": {
            "code": line.get("taxCode") or None,
            "rate": number(line.get("taxPercent")),
            "amount": amount(line.get("taxTotal"), currency),
        },
        "accounting": accounting_of(line, resolved),
        "received_quantity": number(line.get("receivedQuantity")),
        "need_by": day(line.get("desiredDeliveryDate")),
    }


def accounting_of(line: Json, resolved: Json) -> list[dict[str, Any]]:
    """Basware does not say whether splitPercent counts to 1 or to 100: the rows of a line tell."""
    rows = sorted(line.get("codingRows", ()), key=lambda row: int(row["rowIndex"]))
    splits = [Decimal(row.get("splitPercent") or 0) for row in rows]
    scale = HUNDRED if sum(splits, ZERO) <= 1 else Decimal(1)
    if len(rows) == 1 and not splits[0]:
        return [coding(rows[0], resolved)]
    return [coding(row, resolved, (split * scale).normalize()) for row, split in zip(rows, splits, strict=True)]


def address_of(address: Json) -> dict[str, Any] | None:
    if not address:
        return None
    street = " ".join(str(address[name]) for name in ("streetName", "buildingNumber") if address.get(name))
    return {
        "name": address.get("name"),
        "lines": [street] if street else [],
        "city": address.get("city"),
        "postal_code": address.get("postalZone"),
        "region": address.get("region") or address.get("countrySubEntity"),
        "country": address.get("countryCode"),
        "kind": "delivery",
    }
