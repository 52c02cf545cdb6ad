"""External purchase orders: creation, versions, export mark, and the actions."""

from typing import Any

import pytest

from .conftest import Bodies, Office


@pytest.fixture
async def desk(office: Office) -> Office:
    await office.supplier()
    return office


async def test_an_external_order_is_created_as_draft_with_totals_and_accounts_from_lookup_values(desk: Office) -> None:
    order = await desk.order()
    line = order["order-lines"][0]
    assert (order["type"], order["status"], order["version"], order["exported"]) == (
        "ExternalOrderHeader",
        "draft",
        1,
        False,
    )
    assert (line["price"], line["quantity"], line["total"], line["line-num"]) == ("2.50", "100.0", "250.00", "1")
    assert (line["account"]["segment-1"], line["account"]["segment-2"]) == ("100", "4000")
    assert order["currency"]["code"] == "EUR"


async def test_what_an_order_must_have(desk: Office, bodies: type[Bodies]) -> None:
    refused = await desk.post("purchase_orders", {"type": "ExternalOrderHeader"}, 400)
    assert set(refused["errors"]) == {"po-number", "supplier", "ship-to-address", "ship-to-user", "order-lines"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"po-number": "X" * 21}, "po-number"),
        ({"type": "OrderHeader"}, "type"),
        ({"supplier": {"number": "nobody"}}, "supplier"),
        ({"order-lines": [bodies.order_line(price=None)]}, "order-line.price"),
        ({"order-lines": [bodies.order_line(currency=None)]}, "order-line.currency"),
        ({"order-lines": [bodies.order_line(description="x" * 256)]}, "order-line.description"),
        ({"order-lines": [bodies.order_line(quantity=None)]}, "order-line.quantity"),
        ({"order-lines": [bodies.order_line(type="OrderAmountLine")]}, "order-line.quantity"),
        (
            {"order-lines": [bodies.order_line(currency={"code": "USD"})], "currency": {"code": "EUR"}},
            "order-line.currency",
        ),
        (
            {"order-lines": [bodies.order_line(**{"line-num": 1}), bodies.order_line(**{"line-num": "1"})]},
            "order-line.line-num",
        ),
    ]
    for fields, attribute in wrong:
        body = await desk.post("purchase_orders", bodies.order(**fields), 400)
        assert list(body["errors"]) == [attribute]
    assert await desk.get("purchase_orders") == []
    desk.settings.external_orders_enabled = False
    await desk.post("purchase_orders", bodies.order(), 400)


async def test_the_supplier_must_be_active_and_the_ship_to_a_company_address(
    desk: Office, bodies: type[Bodies]
) -> None:
    draft = await desk.supplier("V-2", status="draft")
    assert (await desk.post("purchase_orders", bodies.order("PO-1", "V-2"), 400))["errors"] == {
        "supplier": ["must be active"]
    }
    remit = await desk.post(f"suppliers/{draft['id']}/addresses", {"street1": "Bank St"})
    refused = await desk.post("purchase_orders", bodies.order(**{"ship-to-address": {"id": remit["id"]}}), 400)
    assert refused["errors"] == {"ship-to-address": ["Invalid Ship-To Address"]}


async def test_a_po_number_is_taken_for_ever(desk: Office, bodies: type[Bodies]) -> None:
    order = await desk.order("PO-1")
    await desk.put(f"purchase_orders/{order['id']}/cancel")
    refused = await desk.post("purchase_orders", bodies.order("PO-1"), 400)
    assert refused["errors"] == {"po-number": ["has already been taken"]}
    foreign = await desk.act("create_purchase_order", **bodies.order("PO-2", type="OrderHeader"))
    assert foreign["created-by"]["login"] == "jane.doe"
    await desk.post("purchase_orders", bodies.order("PO-2"), 400)


async def test_issue_sends_to_the_supplier_and_issue_without_send_does_not(desk: Office) -> None:
    await desk.supplier("V-2", **{"po-method": "email", "po-email": "o@v2.test"})
    quiet, loud = await desk.order("PO-1", "V-2"), await desk.order("PO-2", "V-2")
    override = await desk.order("PO-3", "V-2", **{"transmission-method-override": "do_not_transmit"})
    assert (await desk.put(f"purchase_orders/{quiet['id']}/issue_without_send"))["status"] == "issued"
    sent = await desk.put(f"purchase_orders/{loud['id']}/issue")
    assert (sent["status"], sent["transmission-status"]) == ("issued", "scheduled_for_email")
    await desk.put(f"purchase_orders/{override['id']}/issue")
    assert [t["po_number"] for t in desk.sandbox.dump()["transmissions"]] == ["PO-2"]
    await desk.put(f"purchase_orders/{loud['id']}/issue")  # again: a second mail
    assert len(desk.sandbox.dump()["transmissions"]) == 2
    desk.settings.issue_again = False
    await desk.put(f"purchase_orders/{loud['id']}/issue", expected=400)


async def test_close_is_soft_then_hard_and_reopen_undoes_only_the_soft_one(desk: Office) -> None:
    order = await desk.issued_order()
    path = f"purchase_orders/{order['id']}"
    assert (await desk.put(f"{path}/close"))["status"] == "soft_closed"
    desk.settings.reopen_needs_reason = True
    await desk.put(f"{path}/reopen", expected=400)
    assert (await desk.put(f"{path}/reopen", {"reason_insight_code": "late"}))["status"] == "issued"
    await desk.put(f"{path}/close")
    assert (await desk.put(path, {"_close": True}))["status"] == "closed"
    await desk.put(f"{path}/reopen", {"reason-insight-id": 1}, expected=400)
    await desk.put(f"{path}/cancel", expected=400)


async def test_moves_that_do_not_exist_are_refused(desk: Office) -> None:
    order = await desk.order()
    path = f"purchase_orders/{order['id']}"
    for action in ("close", "reopen", "release_from_buyer_hold"):
        assert "status" in (await desk.put(f"{path}/{action}", expected=400))["errors"]
    assert (await desk.put(path, {"_cancel": True}))["status"] == "cancelled"
    for action in ("issue", "issue_without_send", "cancel", "close"):
        await desk.put(f"{path}/{action}", expected=400)
    refused = await desk.put(path, {"order-lines": [{"id": order["order-lines"][0]["id"], "price": "9"}]}, 400)
    assert refused["errors"] == {"status": ["an order that is cancelled can't be changed"]}
    assert (await desk.put(path, {"custom-fields": {"erp-source-id": "E"}}))["custom-fields"]["erp-source-id"] == "E"


async def test_holds_keep_an_order_from_being_issued(desk: Office) -> None:
    supplier = (await desk.get("suppliers"))[0]
    await desk.put(f"suppliers/{supplier['id']}", {"buyer-hold": True})
    order = await desk.order()
    assert (await desk.put(f"purchase_orders/{order['id']}/issue"))["status"] == "buyer_hold"
    released = await desk.put(f"purchase_orders/{order['id']}/release_from_buyer_hold")
    assert released["status"] == "issued"
    held = await desk.act("hold_purchase_order", **{"po-number": "PO-1", "status": "supplier_window_hold"})
    assert held["status"] == "supplier_window_hold"


async def test_a_new_quantity_price_or_line_makes_a_version_and_resets_exported_but_accounting_does_not(
    desk: Office, bodies: type[Bodies]
) -> None:
    order = await desk.issued_order()
    path, line = f"purchase_orders/{order['id']}", order["order-lines"][0]["id"]
    exported = (await desk.http.put(f"/api/{path}", params={"exported": "true"})).json()
    assert (exported["exported"], exported["last-exported-at"]) == (True, exported["updated-at"])
    revision = exported["internal-revision"]
    account = {"code": "200-4100", "account-type": {"name": "Company Chart"}}
    coded = await desk.put(path, {"order-lines": [{"id": line, "account": account}]})
    assert (coded["version"], coded["exported"], coded["internal-revision"]) == (1, True, revision + 1)
    more = await desk.put(path, {"order-lines": [{"id": line, "quantity": "120"}]})
    assert (more["version"], more["exported"], more["order-lines"][0]["total"]) == (2, False, "300.00")
    added = await desk.put(path, {"order-lines": [bodies.order_line()]})
    assert (added["version"], [one["line-num"] for one in added["order-lines"]]) == (3, ["1", "2"])
    same = await desk.put(path, {"order-lines": [{"id": line, "quantity": 120}]})
    assert (same["version"], same["internal-revision"]) == (3, added["internal-revision"])
    assert (await desk.put(path, {"version": 2}, 400))["errors"] == {"version": ["must be at least 3"]}
    assert (await desk.put(path, {"version": 7}))["version"] == 7


async def test_a_draft_changes_without_new_versions(desk: Office) -> None:
    order = await desk.order()
    changed = await desk.put(
        f"purchase_orders/{order['id']}", {"order-lines": [{"id": order["order-lines"][0]["id"], "price": "3"}]}
    )
    assert (changed["version"], changed["internal-revision"]) == (1, 2)


async def test_the_export_call_ignores_its_body_and_may_leave_updated_at(desk: Office) -> None:
    order = await desk.issued_order()
    desk.settings.exporting_touches_updated_at = False
    desk.later(60)
    marked = (
        await desk.http.put(f"/api/purchase_orders/{order['id']}?exported=true", json={"classification": "x"})
    ).json()
    assert (marked["exported"], marked["classification"], marked["updated-at"]) == (True, None, order["updated-at"])
    assert (await desk.put(f"purchase_orders/{order['id']}", {"exported": False}))["exported"] is False


async def test_a_line_without_id_is_added_and_a_deleted_one_can_be_shown(desk: Office, bodies: type[Bodies]) -> None:
    order = await desk.issued_order()
    path, line = f"purchase_orders/{order['id']}", order["order-lines"][0]["id"]
    await desk.put(path, {"order-lines": [bodies.order_line(description="Nuts")]})
    after = await desk.put(path, {"order-lines": [{"id": line, "_delete": True}]})
    assert [one["description"] for one in after["order-lines"]] == ["Nuts"]
    shown = await desk.get(path, show_deleted_lines="true")
    assert [one.get("deleted", False) for one in shown["order-lines"]] == [True, False]
    assert [one["description"] for one in await desk.get("purchase_order_lines")] == ["Nuts"]
    await desk.put(path, {"order-lines": [{"id": line, "price": "1"}]}, 400)
    last = after["order-lines"][0]["id"]
    assert (await desk.http.delete(f"/api/purchase_order_lines/{last}")).status_code == 400


async def test_lines_close_softly_for_invoicing_and_receiving(desk: Office) -> None:
    order = await desk.issued_order()
    path = f"purchase_order_lines/{order['order-lines'][0]['id']}"
    for purpose in ("invoicing", "receiving"):
        closed = await desk.put(f"{path}/soft_close_for_{purpose}")
        assert closed["status"] == f"soft_closed_for_{purpose}"
        await desk.put(f"{path}/soft_close_for_{purpose}", expected=400)
        assert (await desk.put(f"{path}/reopen_for_{purpose}"))["status"] == "issued"


async def test_an_invoiced_order_is_neither_cancelled_nor_stripped_of_its_line(
    desk: Office, bodies: type[Bodies]
) -> None:
    order = await desk.issued_order()
    line = order["order-lines"][0]["id"]
    await desk.submitted_invoice(
        **{"invoice-lines": [bodies.invoice_line(**{"order-line-id": line, "quantity": "40"})]}
    )
    path = f"purchase_orders/{order['id']}"
    assert (await desk.get(path))["order-lines"][0]["invoiced"] == "100.00"
    await desk.put(f"{path}/cancel", expected=400)
    await desk.put(path, {"order-lines": [bodies.order_line(), {"id": line, "_delete": True}]}, 400)
    assert len((await desk.get(path))["order-lines"]) == 1


async def test_the_screen_edits_internal_orders_only(desk: Office, bodies: type[Bodies]) -> None:
    await desk.order("PO-1")
    with pytest.raises(ValueError, match="can't be edited on screen"):
        await desk.act("edit_purchase_order", **{"po-number": "PO-1", "classification": "x"})
    foreign = await desk.act("create_purchase_order", **bodies.order("PO-2", type="OrderHeader"))
    await desk.http.put(f"/api/purchase_orders/{foreign['id']}?exported=true")
    assert (await desk.act("edit_purchase_order", id=foreign["id"], classification="x"))["exported"] is False


async def test_account_or_split_not_both_and_a_split_sums_to_100(desk: Office, bodies: type[Bodies]) -> None:
    account = bodies.order_line()["account"]
    split = [{"account": account, "pct": "60"}, {"account": {**account, "code": "200-4100"}, "pct": "40"}]
    both = bodies.order(**{"order-lines": [bodies.order_line(**{"account-allocations": split})]})
    await desk.post("purchase_orders", both, 400)
    short = bodies.order_line(account=None, **{"account-allocations": split[:1]})
    await desk.post("purchase_orders", bodies.order(**{"order-lines": [short]}), 400)
    order = await desk.order(**{"order-lines": [bodies.order_line(account=None, **{"account-allocations": split})]})
    assert [part["amount"] for part in order["order-lines"][0]["account-allocations"]] == ["150.00", "100.00"]


async def test_decimals_are_strings_kept_exactly_and_yen_has_none(desk: Office, bodies: type[Bodies]) -> None:
    lines = [bodies.order_line(price="0.1234", quantity=3), bodies.order_line(price=1.1, quantity="2.5")]
    order = await desk.order(**{"order-lines": lines})
    assert [(one["price"], one["quantity"], one["total"]) for one in order["order-lines"]] == [
        ("0.1234", "3.0", "0.37"), ("1.10", "2.5", "2.75"),
    ]  # fmt: skip
    yen = await desk.order(
        "PO-2", **{"order-lines": [bodies.order_line(price="10.5", quantity=3, currency={"code": "JPY"})]}
    )
    assert yen["order-lines"][0]["total"] == "32.00"


async def test_comments_and_attachments_hang_on_a_document(desk: Office) -> None:
    order = await desk.order()
    path = f"purchase_orders/{order['id']}"
    await desk.post(f"{path}/comments", {"comments": "Hurry"})
    assert [c["comments"] for c in await desk.get(f"{path}/comments")] == ["Hurry"]
    sent = await desk.http.post(
        f"/api/{path}/attachments", files={"attachment[file]": ("a.pdf", b"12345")}, data={"attachment[type]": "file"}
    )
    assert (sent.status_code, sent.json()["file"], sent.json()["size"]) == (201, "a.pdf", 5)
    await desk.post(f"{path}/attachments", {"x": 1}, 400)
