"""PurchaseOrders with PurchaseOrderLines -> PurchaseOrder."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.purchase_order import LineKind, OrderLifecycle, Progress, PurchaseOrder
from connector.domain.documents.translation import Translated
from connector.domain.reasons import Reason
from connector.domain.rules.purchase_order import order_findings

from .accounts import account_of, no_account
from .terms import payment_terms
from .values import (
    HUNDRED,
    ZERO,
    Json,
    amount,
    company_value,
    currency_of,
    day,
    decimal,
    exchange_rate,
    instant,
    joined,
    minor_unit,
    percent,
    plain_decimal,
    quantity,
    supplier_of,
    total,
)
from .vat import VatCodes, vat_codes

REST_API = 11
"""Source of orders made through Exact's REST interface."""
PROGRESS = {10: Progress.NONE, 20: Progress.PARTIAL, 30: Progress.COMPLETE}
_PRICE_PLACES = Decimal("1e-10")

Reading = Callable[[Json, Decimal, VatCodes], Decimal | None]


def translate_order(source: SourceDocument, record: Json) -> Translated:
    resolved = source.resolved
    currency = currency_of(record)
    supplier = supplier_of(record)
    unit = minor_unit(currency)
    findings: list[Reason] = []
    rows: Sequence[Json] = record["PurchaseOrderLines"]
    net = amount(record.get("AmountFCExclVat"), unit)
    discount = header_discount(record, unit)
    codes = vat_codes(rows, resolved)
    nets = line_nets(rows, net, discount, unit, codes)
    lifecycle = lifecycle_of(record)
    lines = [
        order_line(row, line_net, lifecycle, supplier, unit, codes, resolved, findings)
        for row, line_net in zip(rows, nets, strict=True)
    ]
    gross = amount(record.get("AmountFC"), unit)
    accounting_currency = company_value(resolved, "currency")
    accounting_gross = amount(record.get("AmountDC"), minor_unit(accounting_currency or currency))
    delivery = day(record.get("ReceiptDate"))
    order = PurchaseOrder.model_validate(
        {
            "order_number": str(record["OrderNumber"]),
            "issue_date": day(record.get("OrderDate")),
            "requested_delivery": {"start": delivery, "end": delivery} if delivery else None,
            "lifecycle": lifecycle,
            "receipt_status": PROGRESS.get(record["ReceiptStatus"]),
            "invoice_status": PROGRESS.get(record["InvoiceStatus"]),
            "currency": currency,
            "accounting_currency": accounting_currency,
            "exchange_rate": exchange_rate(record.get("ExchangeRate"), gross, accounting_gross),
            "supplier": {"id": supplier, "number": record.get("SupplierCode"), "name": record.get("SupplierName")},
            "payment_terms": payment_terms(record, "PaymentCondition", resolved),
            "reference": record.get("YourRef") or None,
            "buyer": record.get("PurchaseAgentFullName") or record.get("PurchaseAgent"),
            "description": record.get("Description") or None,
            "ship_to": ship_to(record),
            "allowances": [{"reason": "discount", "amount": discount}] if discount else [],
            "charges": [],
            "totals": {
                "lines": total(nets),
                "net": net,
                "vat": amount(record.get("VATAmount"), unit),
                "gross": gross,
                "accounting_gross": accounting_gross,
            },
            "lines": lines,
        }
    )
    findings.extend(order_findings(order))
    return Translated(
        order,
        company=str(record["Division"]) if record.get("Division") else None,
        native_number=order.order_number,
        native_version=record.get("Modified"),
        modified_at=instant(record.get("Modified")),
        provenance="connector:rest-api" if record.get("Source") == REST_API else "native",
        extras={"source": record.get("Source"), "approval_status": record["ApprovalStatus"]},
        findings=findings,
    )


def lifecycle_of(record: Json) -> OrderLifecycle:
    """Exact: OrderStatus 40 cancelled, 30 complete; ApprovalStatus 0 awaiting, 1 automatic, 2 approved."""
    if record["OrderStatus"] == 40:
        return OrderLifecycle.CANCELLED
    if record["ApprovalStatus"] == 0:
        return OrderLifecycle.AWAITING
    return OrderLifecycle.CLOSED if record["OrderStatus"] == 30 else OrderLifecycle.OPEN


def header_discount(record: Json, unit: Decimal) -> Decimal:
    """The discount on the whole order, net of VAT."""
    return amount(record.get("AmountDiscountExclVat"), unit) or ZERO


def _by_vat_type(row: Json, unit: Decimal, codes: VatCodes) -> Decimal | None:
    """Amounts follow the VAT code's Type: I includes the VAT, E does not."""
    return _less_vat(row, unit, codes) if codes[row.get("VATCode")].included else _as_is(row, unit, codes)


def _as_is(row: Json, unit: Decimal, codes: VatCodes) -> Decimal | None:
    return amount(row.get("AmountFC"), unit)


def _less_vat(row: Json, unit: Decimal, codes: VatCodes) -> Decimal | None:
    gross, vat = amount(row.get("AmountFC"), unit), amount(row.get("VATAmount"), unit)
    return None if gross is None or vat is None else gross - vat


READINGS: tuple[Reading, ...] = (_by_vat_type, _as_is, _less_vat)
"""Exact does not say whether a line's AmountFC includes VAT: the reading that gives the order's net is right."""


def line_nets(
    rows: Sequence[Json], net: Decimal | None, discount: Decimal, unit: Decimal, codes: VatCodes
) -> list[Decimal | None]:
    """Net amounts of the lines: the first reading under which they, less the header discount, give the order's net.

    Where none does, the first reading stands and the rule `order-sum` finds it.
    """
    first: list[Decimal | None] | None = None
    for reading in READINGS:
        nets = [reading(row, unit, codes) for row in rows]
        lines = total(nets)
        if net is None or (lines is not None and lines - discount == net):
            return nets
        first = first if first is not None else nets
    return first or []


def order_line(
    row: Json, net: Decimal | None, lifecycle: OrderLifecycle, supplier: str, unit: Decimal, codes: VatCodes,
    resolved: Json, findings: list[Reason],
) -> dict[str, Any]:  # fmt: skip
    number: int = row["LineNumber"]
    ordered = quantity(row.get("QuantityInPurchaseUnits"))
    invoiced = in_purchase_units(row.get("InvoicedQuantity"), row, ordered)
    vat = codes[row.get("VATCode")]
    vat_amount = amount(row.get("VATAmount"), unit)
    account = account_of(row.get("Item"), supplier, resolved)
    if account is None:
        findings.append(no_account(number, row.get("ItemCode"), joined(resolved, "account", supplier).get("Code")))
    return {
        "line_id": row["ID"],
        "line_number": number,
        "kind": LineKind.QUANTITY,
        "status": line_status(lifecycle, ordered, invoiced),
        "description": row.get("Description") or row.get("ItemDescription") or None,
        "item": {
            "buyer_id": row.get("ItemCode"),
            "seller_id": row.get("SupplierItemCode") or None,
            "name": row.get("ItemDescription") or None,
        },
        "quantity": ordered,
        "unit": purchase_unit(row, supplier, ordered, resolved, findings),
        "price": unit_price(net, ordered),
        "discount": percent(row.get("Discount"), resolved),
        "net_amount": net,
        "vat": {
            "code": vat.code,
            "category": vat.category,
            "rate": vat.rate,
            "amount": vat_amount if vat.owed or vat_amount is None else ZERO,
        },
        "accounting": [
            {
                "share": HUNDRED,
                "gl_account": account,
                "cost_center": row.get("CostCenter") or None,
                "cost_unit": row.get("CostUnit") or None,
                "project": row.get("ProjectCode") or None,
                "dimensions": {},
            }
        ],
        "received_quantity": in_purchase_units(row.get("ReceivedQuantity"), row, ordered),
        "invoiced_quantity": invoiced,
        "need_by": day(row.get("ReceiptDate")),
    }


def unit_price(net: Decimal | None, ordered: Decimal | None) -> Decimal | None:
    """Net per purchase unit, unrounded to ten places."""
    if net is None or not ordered:
        return None
    return plain_decimal((net / ordered).quantize(_PRICE_PLACES))


def in_purchase_units(value: str | int | None, row: Json, ordered: Decimal | None) -> Decimal | None:
    """Exact counts received and invoiced in item units, the order in purchase units: Quantity gives the ratio."""
    counted, in_item_units = decimal(value), decimal(row.get("Quantity"))
    if counted is None or ordered is None:
        return None
    if counted == 0:
        return ZERO
    if not in_item_units:
        return None
    return plain_decimal(round(counted * ordered / in_item_units, 10))


def purchase_unit(
    row: Json, supplier: str, ordered: Decimal | None, resolved: Json, findings: list[Reason]
) -> str | None:
    """The supplier item's purchase unit; the line's own unit is the item's, right only where both quantities agree."""
    unit = joined(resolved, "supplier-item", f"{row.get('Item')}/{supplier}").get("PurchaseUnit")
    if unit:
        return str(unit)
    if ordered is not None and ordered == decimal(row.get("Quantity")):
        return row.get("Unit") or None
    findings.append(
        Reason(
            code="purchase-unit-unknown",
            message=f"Line {row['LineNumber']}: item {row.get('ItemCode')} is bought in another unit than its own, "
            "and the supplier's item does not say which.",
            missing=f"supplier-item:{row.get('ItemCode')}",
            fix="Enter the purchase unit of the item with this supplier in Exact.",
            field=f"lines[{row['LineNumber']}].unit",
            severity="warn",
        )
    )
    return None


def line_status(lifecycle: OrderLifecycle, ordered: Decimal | None, invoiced: Decimal | None) -> OrderLifecycle:
    if lifecycle is OrderLifecycle.OPEN and ordered and invoiced is not None and invoiced >= ordered:
        return OrderLifecycle.CLOSED
    return lifecycle


def ship_to(record: Json) -> dict[str, Any] | None:
    name = record.get("WarehouseDescription") or record.get("WarehouseCode")
    return {"name": name, "kind": "warehouse"} if name else None
