"""The company's figures: VAT, currencies, purchase units, statuses, and invoices that become entries."""

from decimal import Decimal
from typing import Any

import pytest


def line_of(record: dict[str, Any], collection: str, number: int = 1) -> dict[str, Any]:
    return next(line for line in record[collection] if line["LineNumber"] == number)


@pytest.mark.parametrize(
    ("vat", "gross", "vat_amount"),
    [
        ("2", "121.00", "21.00"), ("1", "109.00", "9.00"), ("3", "100.00", "17.36"),
        ("4", "100.00", "0"), ("5", "100.00", "0"), ("0", "100.00", "0"),
    ],
)  # fmt: skip
async def test_an_entry_owes_the_vat_its_code_says(exact: Any, vat: str, gross: str, vat_amount: str) -> None:
    entry = await exact.entry(PurchaseEntryLines=[{"GLAccount": "4200", "AmountFC": 100, "VATCode": vat}])
    assert (Decimal(entry["AmountFC"]), Decimal(entry["VATAmountFC"])) == (Decimal(gross), Decimal(vat_amount))


async def test_reverse_charge_may_show_its_vat_on_the_line_never_on_the_header(exact: Any) -> None:
    exact.settings.charged_vat_on_lines = True
    entry = await exact.entry(PurchaseEntryLines=[{"GLAccount": "4200", "AmountFC": 100, "VATCode": "4"}])
    assert Decimal(line_of(entry, "PurchaseEntryLines")["VATAmountFC"]) == 21
    assert Decimal(entry["AmountFC"]) == 100


async def test_a_ledger_account_gives_its_vat_code_and_deductible_half(exact: Any) -> None:
    line = line_of(await exact.entry(PurchaseEntryLines=[{"GLAccount": "4500", "AmountFC": 100}]), "PurchaseEntryLines")
    assert (line["VATCode"], line["VATNonDeductiblePercentage"], line["VATAmountFC"]) == ("6  ", "0.5", "21.00")


async def test_foreign_amounts_carry_their_rate_and_yen_have_no_cents(exact: Any) -> None:
    await exact.act("set_exchange_rate", currency="USD", rate="0.9")
    line = [{"GLAccount": "4200", "AmountFC": "33.335", "VATCode": "0"}]
    dollars = await exact.entry(Supplier="3", PurchaseEntryLines=line)
    assert (dollars["Currency"], dollars["AmountFC"], dollars["AmountDC"]) == ("USD", "33.34", "30.01")
    yen = await exact.entry(
        Currency="JPY", Rate="0.0061", PurchaseEntryLines=[{"GLAccount": "4200", "AmountFC": 999, "VATCode": "2"}]
    )
    assert (yen["AmountFC"], yen["VATAmountFC"]) == ("1209", "210")
    order = await exact.order(
        Currency="JPY", PurchaseOrderLines=[{"Item": "PAPER", "QuantityInPurchaseUnits": 3, "NetPrice": "33.3333"}]
    )
    assert order["AmountFCExclVat"] == "100"
    assert line_of(order, "PurchaseOrderLines")["NetPrice"] == "33.3333"


async def test_a_purchase_unit_holds_several_item_units(exact: Any) -> None:
    order = await exact.order()
    line = line_of(order, "PurchaseOrderLines")
    assert (line["QuantityInPurchaseUnits"], line["Quantity"], line["UnitPrice"], line["Unit"]) == (
        "2",
        "24",
        "24",
        "stuk    ",
    )
    received = await exact.act(
        "receive_purchase_order", id=order["PurchaseOrderID"], lines=[{"LineNumber": 1, "quantity": 1}]
    )
    assert line_of(received, "PurchaseOrderLines")["ReceivedQuantity"] == "12"
    assert (received["ReceiptStatus"], received["InvoiceStatus"], received["OrderStatus"]) == (20, 10, 20)


async def test_a_header_discount_lowers_net_and_vat(exact: Any) -> None:
    order = await exact.order(Discount="0.1")
    assert (order["AmountFCExclVat"], order["VATAmount"], order["AmountFC"]) == ("259.20", "54.43", "313.63")
    edited = await exact.act("edit_purchase_order", id=order["OrderNumber"], AmountDiscountExclVat=8)
    assert (edited["AmountFCExclVat"], edited["VATAmount"]) == ("280.00", "58.80")


async def test_a_price_including_vat_keeps_the_net_apart(exact: Any) -> None:
    order = await exact.order(
        PurchaseOrderLines=[{"Item": "PAPER", "QuantityInPurchaseUnits": 1, "NetPrice": 121, "VATCode": "3"}]
    )
    assert (order["AmountFCExclVat"], order["VATAmount"], order["AmountFC"]) == ("100.00", "21.00", "121.00")
    assert line_of(order, "PurchaseOrderLines")["AmountFC"] == "121.00"


async def test_an_order_is_approved_unapproved_and_canceled(exact: Any) -> None:
    exact.settings.orders_await_approval = True
    order = await exact.order()
    assert order["ApprovalStatus"] == 0
    approved = await exact.act("approve_purchase_order", id=order["OrderNumber"])
    assert (approved["ApprovalStatus"], approved["ApproverFullName"]) == (2, "Service Account")
    assert (await exact.act("unapprove_purchase_order", id=order["OrderNumber"]))["ApprovalStatus"] == 0
    canceled = await exact.act("cancel_purchase_order", id=order["OrderNumber"])
    assert {canceled[name] for name in ("OrderStatus", "ReceiptStatus", "InvoiceStatus")} == {40}
    with pytest.raises(ValueError, match="canceled"):
        await exact.act("edit_purchase_order", id=order["OrderNumber"], Description="x")


async def test_a_processed_logistic_invoice_becomes_an_entry_and_moves_its_order(exact: Any) -> None:
    order = await exact.order()
    lines = [{"PurchaseOrderLine": line_of(order, "PurchaseOrderLines")["ID"], "Quantity": 1},
             {"PurchaseOrderLine": line_of(order, "PurchaseOrderLines", 2)["ID"], "CostCenter": "CC1"}]  # fmt: skip
    invoice = await exact.act(
        "create_purchase_invoice", Journal="70", Supplier="1", Type=8033, YourRef="F-7", PurchaseInvoiceLines=lines
    )
    assert (invoice["Status"], invoice["AmountFCExclVat"], invoice["EntryNumber"]) == (10, "264.00", None)
    processed = await exact.act("process_purchase_invoice", id=invoice["ID"])
    entry = processed["PurchaseEntry"]
    assert (processed["Status"], processed["EntryNumber"]) == (50, entry["EntryNumber"])
    assert (entry["Journal"], entry["Status"], entry["YourRef"], entry["OrderNumber"]) == (
        "70",
        50,
        "F-7",
        order["OrderNumber"],
    )
    assert (entry["AmountFC"], processed["Amount"]) == ("319.44", "319.44")
    assert [line["GLAccountCode"] for line in entry["PurchaseEntryLines"]] == ["4200", "4000"]
    moved = await exact.rows("purchaseorder/PurchaseOrders", expand="PurchaseOrderLines")
    assert [line["InvoicedQuantity"] for line in moved[0]["PurchaseOrderLines"]["results"]] == [12.0, 3.0]
    assert moved[0]["InvoiceStatus"] == 20


async def test_a_credited_logistic_invoice_is_a_credit_entry_and_gives_quantities_back(exact: Any) -> None:
    order = await exact.order(PurchaseOrderLines=[{"Item": "PAPER", "QuantityInPurchaseUnits": 2}])
    line = {"PurchaseOrderLine": line_of(order, "PurchaseOrderLines")["ID"]}
    for kind in (8033, 8034):
        body = {"Journal": "70", "Supplier": "1", "Type": kind, "PurchaseInvoiceLines": [{**line, "Quantity": 2}]}
        made = await exact.act("create_purchase_invoice", **body)
        entry = (await exact.act("process_purchase_invoice", id=made["ID"]))["PurchaseEntry"]
    assert (entry["Type"], entry["AmountFC"]) == (31, "-58.08")
    after = exact.sandbox.dump()["purchaseorder/PurchaseOrderLines"][0]
    assert Decimal(after["InvoicedQuantity"]) == 0


async def test_a_credit_note_turns_the_sign_of_its_entry(exact: Any) -> None:
    entry = await exact.entry()
    credit = await exact.act("credit_purchase_entry", id=entry["EntryNumber"], YourRef="CN-1")
    assert (credit["Type"], credit["YourRef"], Decimal(credit["AmountFC"])) == (31, "CN-1", -Decimal(entry["AmountFC"]))


async def test_joined_names_follow_a_rename_without_touching_the_order(exact: Any) -> None:
    order = await exact.order()
    exact.time.now += 60
    await exact.act("rename_supplier", id="1", Name="New name")
    read = await exact.rows("purchaseorder/PurchaseOrders", select="SupplierName,Modified")
    assert read[0]["SupplierName"] == "New name"
    table = exact.sandbox.site.world.divisions[exact.division].tables["purchaseorder/PurchaseOrders"]
    assert table.rows[order["PurchaseOrderID"]]["Modified"].isoformat() == order["Modified"]


async def test_the_dump_keeps_what_was_deleted_and_marks_it(exact: Any) -> None:
    entry = await exact.entry()
    await exact.act("delete_purchase_entry", id=entry["EntryID"])
    found = exact.sandbox.dump()["purchaseentry/PurchaseEntries"]
    assert [(row["EntryID"], row["AmountFC"], row["_deleted"]) for row in found] == [(entry["EntryID"], "175.50", True)]


async def test_a_wrong_act_says_what_is_wrong(exact: Any) -> None:
    with pytest.raises(ValueError, match="Unknown: Accounts 999"):
        await exact.order(Supplier="999")
    with pytest.raises(ValueError, match="Unknown: Field Nonsense of purchaseorder/PurchaseOrderLines"):
        await exact.act("create_purchase_order", Supplier="1", PurchaseOrderLines=[{"Item": "PAPER", "Nonsense": 1}])
