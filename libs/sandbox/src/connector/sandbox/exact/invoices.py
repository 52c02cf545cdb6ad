"""Logistic purchase invoices: matched to order lines or items, and booked as an entry when processed."""

from collections import defaultdict
from decimal import Decimal

from . import entries, orders
from .coding import (
    ONE,
    ZERO,
    check_coding,
    check_supplier,
    complete_currency,
    complete_payment_condition,
    complete_period,
    complete_vat,
    due_date,
    midnight,
    purchase_journal,
    supplier_item,
    taxed,
)
from .entities import PURCHASE_ENTRIES, PURCHASE_INVOICE_LINES, PURCHASE_INVOICES, PURCHASE_ORDER_LINES, PURCHASE_ORDERS
from .errors import FunctionalError
from .records import Body, Handler, check_mandatory, check_references, lines_in, parsed
from .schema import Row
from .store import Actor, Division, rounded

DRAFT, OPEN, PROCESSED = 10, 20, 50
CREDITS = (8034, 8031)
DIRECT = (8030, 8031)
TYPES = (8033, 8034, 8030, 8031)


def lines_of(division: Division, invoice: Row) -> list[Row]:
    rows = division.table(PURCHASE_INVOICE_LINES).where("InvoiceID", invoice["ID"])
    return sorted(rows, key=lambda line: line["LineNumber"])


def create(division: Division, body: Body, actor: Actor) -> Row:
    invoice = parsed(PURCHASE_INVOICES, body)
    check_mandatory(PURCHASE_INVOICES, invoice)
    bodies = lines_in(PURCHASE_INVOICES, body)
    invoice.update(
        ID=division.world.new_id(), Status=OPEN if actor.through_api else DRAFT, Source=5 if actor.through_api else 1
    )
    _complete(division, invoice)
    lines = [_new_line(division, invoice, line, n) for n, line in enumerate(bodies, start=1)]
    _store(division, invoice, lines, actor)
    return invoice


def update(division: Division, old: Row, body: Body, actor: Actor) -> Row:
    _refuse_processed(old)
    if "PurchaseInvoiceLines" in body:
        raise FunctionalError("Not allowed: Purchase invoice lines")
    changes = parsed(PURCHASE_INVOICES, body)
    invoice = {**old, **changes}
    if "InvoiceDate" in changes:
        invoice["FinancialYear"] = invoice["FinancialPeriod"] = None
    _complete(division, invoice)
    _store(division, invoice, [dict(line) for line in lines_of(division, old)], actor)
    return invoice


def delete(division: Division, invoice: Row, actor: Actor) -> None:
    _refuse_processed(invoice)
    for line in lines_of(division, invoice):
        division.table(PURCHASE_INVOICE_LINES).remove(line["ID"])
    division.table(PURCHASE_INVOICES).remove(invoice["ID"])


def process(division: Division, old: Row, actor: Actor) -> Row:
    """Book the invoice: an entry with the same journal and entry number, and invoiced quantities on the orders."""
    _refuse_processed(old)
    lines = lines_of(division, old)
    entry = entries.create(division, _entry_body(division, old, lines), actor)
    entries.set_status(division, division.table(PURCHASE_ENTRIES).rows[entry["EntryID"]], entries.PROCESSED, actor)
    invoice = {**old, "Status": PROCESSED, "EntryNumber": entry["EntryNumber"]}
    _store(division, invoice, [dict(line) for line in lines], actor)
    for order, quantities in _invoiced(division, invoice, lines):
        orders.move(division, order, quantities, "InvoicedQuantity", actor)
    return invoice


def cost_account(division: Division, item: Row, supplier: Row) -> str:
    """The ledger account an item's purchase is booked on: stock, else the item's costs, its group's, the supplier's."""
    group = division.tables["logistics/ItemGroups"].rows.get(item.get("ItemGroup")) or {}
    stock = item.get("GLStock") or group.get("GLStock") if item.get("IsStockItem") else None
    account = stock or item.get("GLCosts") or group.get("GLCosts") or supplier.get("GLAccountPurchase")
    if account is None:
        raise FunctionalError("Mandatory: G/L account")
    return str(account)


def _entry_body(division: Division, invoice: Row, lines: list[Row]) -> Body:
    sign = -1 if invoice["Type"] in CREDITS else 1
    supplier = division.tables["crm/Accounts"].rows[invoice["Supplier"]]
    numbers = {order["OrderNumber"] for order in _orders(division, lines)}
    copied = (
        "Journal",
        "Supplier",
        "YourRef",
        "Description",
        "Currency",
        "PaymentCondition",
        "PaymentReference",
        "Document",
    )
    body = {name: invoice[name] for name in copied if invoice.get(name) is not None}
    return {
        **body,
        "EntryDate": invoice["InvoiceDate"].isoformat(), "DueDate": invoice["DueDate"].isoformat(),
        **({"Rate": invoice["ExchangeRate"]} if invoice["Currency"] != division.currency else {}),
        **({"OrderNumber": numbers.pop()} if len(numbers) == 1 else {}),
        "ReportingYear": invoice["FinancialYear"], "ReportingPeriod": invoice["FinancialPeriod"],
        "PurchaseEntryLines": [_entry_line(division, line, supplier, sign) for line in lines],
    }  # fmt: skip


def _entry_line(division: Division, line: Row, supplier: Row, sign: int) -> Body:
    item = division.tables["logistics/Items"].rows[line["Item"]]
    vat = division.by_code("vat/VATCodes", line.get("VATCode")) or {}
    inclusive = vat.get("Type") == "I" and division.world.settings.entry_lines_follow_vat_type
    amount = line["Amount"] + (line["VATAmount"] if inclusive else ZERO)
    copied = ("VATCode", "CostCenter", "CostUnit", "Project", "Description")
    return {
        **{name: line[name] for name in copied if line.get(name) is not None},
        "GLAccount": cost_account(division, item, supplier), "AmountFC": sign * amount,
        "VATAmountFC": sign * line["VATAmount"],
        "Quantity": line["Quantity"],
    }  # fmt: skip


def _orders(division: Division, lines: list[Row]) -> list[Row]:
    found = {}
    for line in lines:
        order_line = division.table(PURCHASE_ORDER_LINES).rows.get(line.get("PurchaseOrderLine"))
        if order_line is not None:
            found[order_line["PurchaseOrderID"]] = division.table(PURCHASE_ORDERS).rows[order_line["PurchaseOrderID"]]
    return list(found.values())


def _invoiced(division: Division, invoice: Row, lines: list[Row]) -> list[tuple[Row, dict[str, Decimal]]]:
    """Orders with the quantities, in item units, that the invoice takes or (a credit) gives back."""
    sign = -1 if invoice["Type"] in CREDITS else 1
    by_order: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for line in lines:
        order_line = division.table(PURCHASE_ORDER_LINES).rows.get(line.get("PurchaseOrderLine"))
        if order_line is not None:
            moved = by_order[order_line["PurchaseOrderID"]]
            moved[order_line["ID"]] = moved.get(order_line["ID"], ZERO) + sign * line["QuantityInDefaultUnits"]
    return [(division.table(PURCHASE_ORDERS).rows[key], moved) for key, moved in by_order.items()]


def _refuse_processed(invoice: Row) -> None:
    if invoice["Status"] == PROCESSED:
        raise FunctionalError("Not allowed: Invoice is already processed")


def _complete(division: Division, invoice: Row) -> None:
    check_references(division, PURCHASE_INVOICES, invoice)
    if invoice["Type"] not in TYPES:
        raise FunctionalError("Invalid: Type")
    if invoice["Type"] in DIRECT and not invoice.get("Warehouse"):
        raise FunctionalError("Mandatory: Warehouse")
    supplier = check_supplier(division, invoice)
    complete_currency(division, invoice, supplier, "ExchangeRate")
    purchase_journal(division, invoice["Journal"], invoice["Currency"])
    condition = complete_payment_condition(division, invoice, supplier)
    invoice["InvoiceDate"] = midnight(invoice.get("InvoiceDate") or division.world.local_now())
    invoice["DueDate"] = invoice.get("DueDate") or due_date(invoice["InvoiceDate"], condition)
    complete_period(division, invoice, "InvoiceDate", "FinancialYear", "FinancialPeriod")


def _new_line(division: Division, invoice: Row, body: Body, number: int) -> Row:
    line = parsed(PURCHASE_INVOICE_LINES, body)
    line.update(ID=division.world.new_id(), LineNumber=number, Currency=invoice["Currency"])
    order_line = division.table(PURCHASE_ORDER_LINES).rows.get(line.get("PurchaseOrderLine"))
    if line.get("PurchaseOrderLine") and order_line is None:
        raise FunctionalError("Invalid reference: Purchase order line")
    if order_line is not None:
        _copy_order_line(line, order_line)
    item = division.tables["logistics/Items"].rows.get(line.get("Item"))
    if item is None:
        raise FunctionalError("Mandatory: Item" if not line.get("Item") else "Invalid reference: Item")
    supplier = division.tables["crm/Accounts"].rows[invoice["Supplier"]]
    terms = supplier_item(division, line["Item"], invoice["Supplier"]) or {}
    line["Quantity"] = ONE if line.get("Quantity") is None else line["Quantity"]
    line["QuantityInDefaultUnits"] = line["Quantity"] * (terms.get("PurchaseUnitFactor") or ONE)
    line["Unit"] = terms.get("PurchaseUnit") or item.get("Unit")
    line["Description"] = line.get("Description") or item.get("Description")
    vat = complete_vat(division, line, terms.get("PurchaseVATCode") or supplier.get("PurchaseVATCode"))
    check_coding(division, PURCHASE_INVOICE_LINES, line, invoice["InvoiceDate"])
    line["InvoiceID"] = invoice["ID"]
    _price(division, invoice, line, vat, terms.get("PurchasePrice") or ZERO)
    return line


def _copy_order_line(line: Row, order_line: Row) -> None:
    left = order_line["Quantity"] - order_line["InvoicedQuantity"]
    factor = (
        order_line["Quantity"] / order_line["QuantityInPurchaseUnits"] if order_line["QuantityInPurchaseUnits"] else ONE
    )
    copied = {
        "Item": order_line["Item"], "Quantity": left / factor, "UnitPrice": order_line["UnitPrice"],
        "NetPrice": order_line["NetPrice"], "VATCode": order_line.get("VATCode"),
        "CostCenter": order_line.get("CostCenter"),
        "CostUnit": order_line.get("CostUnit"), "Project": order_line.get("Project"),
        "Description": order_line.get("Description"),
    }  # fmt: skip
    for name, value in copied.items():
        if line.get(name) is None:
            line[name] = value


def _price(division: Division, invoice: Row, line: Row, vat: Row | None, default: Decimal) -> None:
    """Amount as posted follows the VAT code's type; as stored and read it is without VAT."""
    smallest = division.decimals(invoice["Currency"])
    if line.get("NetPrice") is None:
        line["UnitPrice"] = default if line.get("UnitPrice") is None else line["UnitPrice"]
        line["NetPrice"] = line["UnitPrice"] * (ONE - (line.get("Discount") or ZERO))
    amount = line["Quantity"] * line["NetPrice"] if line.get("Amount") is None else line["Amount"]
    parts = taxed(amount, vat, smallest, line.get("VATAmount"))
    line["Amount"], line["VATAmount"] = parts.net, parts.vat


def _store(division: Division, invoice: Row, lines: list[Row], actor: Actor) -> None:
    smallest, home = division.decimals(invoice["Currency"]), division.decimals(division.currency)
    net, vat = sum((line["Amount"] for line in lines), ZERO), sum((line["VATAmount"] for line in lines), ZERO)
    share = invoice.get("Discount") or ZERO
    invoice["AmountDiscountExclVat"] = rounded(net * share, smallest)
    invoice["AmountFCExclVat"] = net - invoice["AmountDiscountExclVat"]
    invoice["VATAmount"] = rounded(vat * (ONE - share), smallest)
    invoice["Amount"] = invoice["AmountFCExclVat"] + invoice["VATAmount"]
    invoice["AmountDC"] = rounded(invoice["Amount"] * invoice["ExchangeRate"], home)
    division.save(PURCHASE_INVOICES, invoice, actor)
    for line in lines:
        line["AmountDC"] = rounded(line["Amount"] * invoice["ExchangeRate"], home)
        division.save(PURCHASE_INVOICE_LINES, line, actor)


INVOICE_HANDLER = Handler(create, update, delete)
