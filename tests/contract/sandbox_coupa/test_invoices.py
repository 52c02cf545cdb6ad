"""Invoices and credit notes: totals, links to orders, approval, voiding, payment."""

from typing import Any

import pytest

from .conftest import Bodies, Office


@pytest.fixture
async def desk(office: Office) -> Office:
    await office.supplier()
    return office


async def test_an_invoice_starts_as_draft_with_computed_totals_and_due_dates(
    desk: Office, bodies: type[Bodies]
) -> None:
    lines = [
        bodies.invoice_line(**{"tax-lines": [{"amount": "52.50", "rate": "21.0"}]}),
        bodies.invoice_line(
            type="InvoiceAmountLine", price="10", quantity=None, **{"tax-lines": {"tax-line": {"rate": 9}}}
        ),
    ]
    charge = {"type": "InvoiceShippingCharge", "line-num": 1, "total": "5", "currency": {"code": "EUR"}}
    invoice = await desk.invoice(**{
        "invoice-lines": lines, "invoice-charges": [charge], "payment-term": {"code": "2/10 Net 30"},
        "gross-total": "1", "total-with-taxes": "1",
    })  # fmt: skip
    assert (invoice["status"], invoice["document-type"]) == ("draft", "Invoice")
    assert [line["total"] for line in invoice["invoice-lines"]] == ["250.00", "10.00"]
    assert invoice["invoice-lines"][1]["tax-lines"][0]["amount"] == "0.90"
    assert (invoice["gross-total"], invoice["total-with-taxes"]) == ("318.40", "318.40")
    assert invoice["invoice-date"] == "2026-01-31T00:00:00-08:00"
    assert invoice["net-due-date"][:10] == "2026-03-02"
    assert invoice["discount-due-date"][:10] == "2026-02-10"
    desk.settings.gross_total_includes_tax = False
    assert (await desk.invoice("INV-2", **{"invoice-lines": lines}))["gross-total"] == "260.00"


async def test_header_tax_counts_only_without_line_level_taxation(desk: Office) -> None:
    by_header = await desk.invoice(**{"line-level-taxation": False, "tax-rate": "21"})
    by_amount = await desk.invoice("INV-2", **{"line-level-taxation": False, "tax-amount": "50"})
    by_line = await desk.invoice("INV-3", **{"tax-amount": "50"})
    assert [i["total-with-taxes"] for i in (by_header, by_amount, by_line)] == ["302.50", "300.00", "250.00"]


async def test_what_an_invoice_must_have(desk: Office, bodies: type[Bodies]) -> None:
    refused = await desk.post("invoices", {}, 400)
    wanted = {"invoice-number", "invoice-date", "supplier", "account-type", "line-level-taxation", "invoice-lines"}
    assert set(refused["errors"]) == wanted
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"invoice-number": "9" * 41}, "invoice-number"),
        ({"invoice-date": "yesterday"}, "invoice-date"),
        ({"currency": {"code": "XYZ"}}, "currency"),
        ({"invoice-lines": [bodies.invoice_line(account=None)]}, "account"),
        ({"invoice-lines": [bodies.invoice_line(description="x" * 1551)]}, "invoice-line.description"),
        (
            {"invoice-lines": [bodies.invoice_line(**{"tax-lines": [{"rate": 21, "tax-code": {"code": "NL21"}}]})]},
            "tax-line.tax-code",
        ),
    ]
    for fields, attribute in wrong:
        assert list((await desk.post("invoices", bodies.invoice(**fields), 400))["errors"]) == [attribute]
    desk.settings.accounting_required_at = "submit"
    draft = await desk.invoice(**{"invoice-lines": [bodies.invoice_line(account=None)]})
    await desk.put(f"invoices/{draft['id']}/submit", expected=400)


async def test_a_datetime_as_invoice_date_can_land_on_the_day_before(desk: Office) -> None:
    invoice = await desk.invoice(**{"invoice-date": "2026-01-31T00:00:00Z"})
    assert invoice["invoice-date"] == "2026-01-30T00:00:00-08:00"
    assert [i["id"] for i in await desk.get("invoices", **{"invoice-date": "2026-01-30"})] == [invoice["id"]]


async def test_tax_codes_exist_once_somebody_made_them(desk: Office, bodies: type[Bodies]) -> None:
    await desk.act("create_tax_code", records=[{"code": "21", "country": c} for c in ("NL", "BE")])
    line = bodies.invoice_line(**{"tax-lines": [{"amount": 1, "tax-code": {"code": "21", "country": {"code": "BE"}}}]})
    invoice = await desk.invoice(**{"invoice-lines": [line]})
    belgian = (await desk.get("tax_codes", **{"country[code]": "BE"}))[0]
    assert invoice["invoice-lines"][0]["tax-lines"][0]["tax-code"]["id"] == belgian["id"]


async def test_a_line_linked_to_an_order_line_takes_its_number_and_coding(desk: Office, bodies: type[Bodies]) -> None:
    order = await desk.issued_order()
    order_line = order["order-lines"][0]
    line = bodies.invoice_line(account=None, **{"order-line-id": order_line["id"]})
    by_id = (await desk.invoice(**{"invoice-lines": [line]}))["invoice-lines"][0]
    assert (by_id["po-number"], by_id["order-line-num"], by_id["account"]["code"]) == ("PO-1", "1", "100-4000")
    numbers = bodies.invoice_line(account=None, order_header_num="PO-1", order_line_num=1)
    by_number = (await desk.invoice("INV-2", **{"invoice-lines": [numbers]}))["invoice-lines"][0]
    assert by_number["order-line-id"] == order_line["id"]
    assert len(await desk.get("invoices", **{"invoice-lines[order-line-id]": order_line["id"]})) == 2
    desk.settings.link_by_order_numbers = False
    await desk.post("invoices", bodies.invoice("INV-3", **{"invoice-lines": [numbers]}), 400)


async def test_a_link_needs_the_same_kind_the_same_supplier_and_an_open_order(
    desk: Office, bodies: type[Bodies]
) -> None:
    order = await desk.issued_order()
    line = {"order-line-id": order["order-lines"][0]["id"]}
    amount = bodies.invoice_line(type="InvoiceAmountLine", quantity=None, **line)
    refused = await desk.post("invoices", bodies.invoice(**{"invoice-lines": [amount]}), 400)
    assert "OrderQuantityLine" in refused["errors"]["order-line-id"][0]
    await desk.supplier("V-2")
    other = bodies.invoice("INV-1", "V-2", **{"invoice-lines": [bodies.invoice_line(**line)]})
    assert "another supplier" in (await desk.post("invoices", other, 400))["errors"]["order-line-id"][0]
    unknown = bodies.invoice(**{"invoice-lines": [bodies.invoice_line(**{"order-line-id": 5})]})
    assert (await desk.post("invoices", unknown, 400))["errors"] == {"order-line-id": ["is not known"]}
    await desk.put(f"purchase_orders/{order['id']}/close")
    closed = bodies.invoice(**{"invoice-lines": [bodies.invoice_line(**line)]})
    assert "soft_closed" in (await desk.post("invoices", closed, 400))["errors"]["order-line-id"][0]
    await desk.post("invoices", {**closed, "is-credit-note": True})


async def test_where_submit_leads_depends_on_matching_or_a_switch(desk: Office, bodies: type[Bodies]) -> None:
    assert (await desk.submitted_invoice("I-1"))["status"] == "pending_approval"
    order = await desk.issued_order(**{"order-lines": [bodies.order_line(**{"match-type": "3-way"})]})
    line = bodies.invoice_line(**{"order-line-id": order["order-lines"][0]["id"]})
    waiting = await desk.submitted_invoice("I-2", **{"invoice-lines": [line]})
    assert waiting["status"] == "pending_receipt"
    await desk.act("receive_purchase_order_line", id=order["order-lines"][0]["id"], quantity=100)
    assert (await desk.get(f"invoices/{waiting['id']}"))["status"] == "pending_approval"
    desk.settings.invoice_status_after_submit = "approved"
    approved = await desk.submitted_invoice("I-3")
    assert approved["status"] == "approved"
    await desk.put(f"invoices/{approved['id']}/submit", expected=400)


async def test_void_is_for_drafts_pending_receipt_and_approved_only(desk: Office) -> None:
    pending = await desk.submitted_invoice("I-1")
    assert "pending_approval" in (await desk.put(f"invoices/{pending['id']}/void", expected=400))["errors"]["status"][0]
    await desk.act("approve_invoice", id=pending["id"])
    voided = await desk.put(f"invoices/{pending['id']}/void")
    assert (voided["status"], voided["canceled"]) == ("voided", True)
    await desk.put(f"invoices/{pending['id']}/void", expected=400)
    draft = await desk.invoice("I-2")
    await desk.put(f"invoices/{draft['id']}/void")
    paid = await desk.invoice("I-3")
    await desk.act("pay_invoice", **{"id": paid["id"], "amount-paid": "250"})
    await desk.put(f"invoices/{paid['id']}/void", expected=400)
    assert [i["status"] for i in desk.sandbox.dump()["invoices"]] == ["voided", "voided", "draft"]


async def test_people_reject_dispute_abandon_and_hold(desk: Office) -> None:
    rejected = await desk.submitted_invoice("I-1")
    assert (await desk.act("reject_invoice", **{"invoice-number": "I-1", "comment": "not ours"}))[
        "comments"
    ] == "not ours"
    assert (await desk.put(f"invoices/{rejected['id']}/abandon"))["status"] == "abandoned"
    disputed = await desk.submitted_invoice("I-2")
    body = {"dispute-reason": {"code": "price"}, "comment": "too dear"}
    assert (await desk.put(f"invoices/{disputed['id']}/dispute", body))["dispute-reason"] == {"code": "price"}
    assert (await desk.put(f"invoices/{disputed['id']}/withdraw_dispute"))["status"] == "pending_approval"
    assert (await desk.act("dispute_invoice", id=disputed["id"]))["status"] == "disputed"
    held = await desk.submitted_invoice("I-3")
    assert (await desk.act("hold_invoice", id=held["id"]))["status"] == "ap_hold"
    bypassed = await desk.submitted_invoice("I-4")
    assert (await desk.put(f"invoices/{bypassed['id']}/bypass_approvals"))["status"] == "approved"


async def test_only_a_new_invoice_can_be_deleted_and_stays_in_the_dump(desk: Office, bodies: type[Bodies]) -> None:
    draft = await desk.invoice("I-1")
    assert (await desk.http.delete(f"/api/invoices/{draft['id']}")).status_code == 400
    new = await desk.act("new_invoice", **bodies.invoice("I-2"))
    assert (await desk.http.delete(f"/api/invoices/{new['id']}")).status_code == 200
    await desk.get(f"invoices/{new['id']}", 404)
    assert [(i["invoice-number"], i.get("deleted")) for i in desk.sandbox.dump()["invoices"]] == [
        ("I-1", None),
        ("I-2", True),
    ]


async def test_a_submitted_invoice_is_locked_but_for_payment_export_and_notes(desk: Office) -> None:
    invoice = await desk.submitted_invoice()
    path = f"invoices/{invoice['id']}"
    assert "invoice-number" in (await desk.put(path, {"invoice-number": "I-9"}, 400))["errors"]
    line = invoice["invoice-lines"][0]["id"]
    assert "invoice-lines" in (await desk.put(path, {"invoice-lines": [{"id": line, "price": "9"}]}, 400))["errors"]
    assert (await desk.get(path))["invoice-lines"][0]["price"] == "2.50"
    await desk.put(path, {"invoice-lines": [{"id": line, "price": "2.5"}], "internal-note": "seen", "paid": True})
    assert (await desk.http.put(f"/api/{path}?exported=true")).json()["exported"] is True
    desk.settings.lock_submitted_invoices = False
    assert (await desk.put(path, {"invoice-lines": [{"id": line, "price": "9"}]}))["total-with-taxes"] == "900.00"


async def test_payments_are_only_ever_added(desk: Office) -> None:
    invoice = await desk.submitted_invoice()
    path, payment = f"invoices/{invoice['id']}", {"amount-paid": "100", "payment-date": "2026-02-01", "notes": "P1"}
    first = await desk.put(path, {"payments": [payment], "payment-notes": "part"})
    again = await desk.put(path, {"payments": [payment]})
    assert [p["amount-paid"] for p in again["payments"]] == ["100.00", "100.00"]
    await desk.put(path, {"payments": [{"id": first["payments"][0]["id"], "amount-paid": "1"}]}, 400)
    await desk.put(path, {"payments": [{"id": first["payments"][0]["id"], "_delete": True}]}, 400)


async def test_a_credit_note_goes_in_as_a_flag_and_out_as_document_type(desk: Office, bodies: type[Bodies]) -> None:
    order = await desk.issued_order()
    link = {"order-line-id": order["order-lines"][0]["id"]}
    await desk.submitted_invoice("I-1", **{"invoice-lines": [bodies.invoice_line(**link)]})
    credit = await desk.submitted_invoice("C-1", **{
        "is-credit-note": True, "original-invoice-number": "I-1", "original-invoice-date": "2026-01-31",
        "invoice-lines": [bodies.invoice_line(quantity="40", **link)],
    })  # fmt: skip
    assert (credit["document-type"], "is-credit-note" in credit, credit["total-with-taxes"]) == (
        "Credit Note",
        False,
        "100.00",
    )
    assert (await desk.get(f"purchase_order_lines/{link['order-line-id']}"))["invoiced"] == "150.00"
    desk.settings.credit_note_totals_negative = True
    assert (await desk.invoice("C-2", **{"is-credit-note": True}))["total-with-taxes"] == "-250.00"


@pytest.mark.parametrize(
    ("mode", "created", "submitted"), [("never", 201, 200), ("create", 400, None), ("submit", 201, 400)]
)
async def test_whether_a_suppliers_invoice_number_is_unique_is_a_switch(
    desk: Office, bodies: type[Bodies], mode: str, created: int, submitted: int | None
) -> None:
    await desk.submitted_invoice("I-1")
    await desk.supplier("V-2")
    await desk.invoice("I-1", "V-2")
    desk.settings.invoice_number_unique = mode
    second = await desk.post("invoices", bodies.invoice("I-1"), created)
    if submitted:
        await desk.put(f"invoices/{second['id']}/submit", expected=submitted)


async def test_an_update_with_an_unknown_reference_keeps_the_old_one(desk: Office) -> None:
    draft = await desk.invoice()
    path, line = f"invoices/{draft['id']}", draft["invoice-lines"][0]["id"]
    gone = {"code": "999-4000", "account-type": {"name": "Company Chart"}}
    kept = await desk.put(path, {"supplier": {"number": "nobody"}, "invoice-lines": [{"id": line, "account": gone}]})
    assert (kept["supplier"]["number"], kept["invoice-lines"][0]["account"]["code"]) == ("V-1001", "100-4000")
    tripled = await desk.put(
        path,
        {
            "invoice-lines": [
                {
                    "description": "More",
                    "price": 1,
                    "quantity": 1,
                    "account": {"id": kept["invoice-lines"][0]["account"]["id"]},
                }
            ]
        },
    )
    assert [one["line-num"] for one in tripled["invoice-lines"]] == [1, 2]
