"""Commitments: states and locks, the schedule of values, and who may be its vendor."""

from typing import Any

import httpx
import pytest

from .conftest import Start, Vendor

PATH = "/rest/v1.0/purchase_order_contracts"


async def patch(procore: Vendor, order: dict[str, Any], **values: Any) -> httpx.Response:
    body = {"project_id": procore.project(), "purchase_order_contract": values}
    return await procore.call("PATCH", f"{PATH}/{order['id']}", json=body)


async def delete(procore: Vendor, path: str) -> httpx.Response:
    return await procore.call("DELETE", path, params={"project_id": procore.project()})


async def test_the_vendor_must_be_in_the_project_directory(procore: Vendor) -> None:
    outsider = await procore.vendor("Noord Staal BV")
    header = {"origin_id": "EXO:1", "vendor_id": outsider}
    result = await procore.sync([header])
    assert result["errors"][0]["errors"] == {"vendor": ["must be in the project directory"]}
    add = f"/rest/v1.0/projects/{procore.project()}/vendors/{outsider}/actions/add"
    assert (await procore.call("POST", add)).status_code == 201
    entity = (await procore.sync([header]))["entities"][0]
    assert entity["vendor"] == {
        "id": outsider,
        "company": "Noord Staal BV",
        "origin_id": None,
        "origin_data": None,
    }


async def test_a_status_outside_the_list_is_refused(procore: Vendor) -> None:
    order = await procore.order("EXO:1")
    response = await patch(procore, order, status="Partially received")
    assert (response.status_code, response.json()) == (422, {"errors": {"status": ["is not included in the list"]}})


async def test_approved_freezes_vendor_lines_and_deletion_until_it_is_draft_again(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    line = order["line_items"][0]["id"]
    other = await procore.vendor("Delta Concrete NV")
    assert (await patch(procore, order, vendor_id=other)).status_code == 422
    assert (await patch(procore, order, title="Titles stay editable")).status_code == 200
    frozen = await procore.sync_lines(order["id"], [{"id": line, "amount": "200"}])
    assert "cannot be changed while the contract is Approved" in frozen["errors"][0]["errors"]["base"][0]
    assert (await delete(procore, f"{PATH}/{order['id']}/line_items/{line}")).status_code == 422
    assert (await delete(procore, f"{PATH}/{order['id']}")).status_code == 422

    await procore.sync([{"origin_id": "EXO:1", "status": "Draft"}])
    edited = await procore.sync_lines(order["id"], [{"id": line, "amount": "200"}])
    assert edited["entities"][0]["amount"] == "200.0"
    assert (await delete(procore, f"{PATH}/{order['id']}")).status_code == 200


async def test_the_lock_on_approved_is_a_switch(start: Start) -> None:
    procore = await start(approved_locks=False)
    order = await procore.order("EXO:1", "100", status="Approved")
    line = order["line_items"][0]["id"]
    assert (await procore.sync_lines(order["id"], [{"id": line, "amount": "200"}]))["errors"] == []


async def test_the_accounting_method_is_frozen_by_the_first_line(procore: Vendor) -> None:
    order = await procore.order("EXO:1")
    assert order["accounting_method"] == "amount"
    assert (await patch(procore, order, accounting_method="unit")).status_code == 200
    await procore.sync_lines(order["id"], [{"wbs_code_id": await procore.wbs(), "amount": "1"}])
    refused = await patch(procore, order, accounting_method="amount")
    assert refused.json()["errors"] == {"accounting_method": ["cannot be changed once line items exist"]}


async def test_a_unit_line_is_calculated_and_a_manual_one_keeps_its_amount(procore: Vendor) -> None:
    order = (await procore.sync([{"origin_id": "EXO:1", "accounting_method": "unit"}]))["entities"][0]
    base = {"wbs_code_id": await procore.wbs(), "quantity": "3", "unit_cost": "0.3333", "uom": "ea"}
    result = await procore.sync_lines(
        order["id"],
        [
            {**base, "origin_id": "c", "extended_type": "calculated"},
            {**base, "origin_id": "m", "extended_type": "manual", "amount": "0.99"},
        ],
    )
    lines = {line["origin_id"]: line for line in result["entities"]}
    assert (lines["c"]["amount"], lines["m"]["amount"]) == ("1.0", "0.99")
    assert (lines["m"]["quantity"], lines["m"]["unit_cost"], lines["m"]["uom"]) == ("3.0", "0.3333", "ea")
    order = await procore.get(f"{PATH}/{order['id']}", project_id=procore.project())
    assert order["grand_total"] == "1.99"


async def test_an_amount_contract_drops_or_refuses_quantities(start: Start) -> None:
    procore = await start()
    order = await procore.order("EXO:1")
    line = {"wbs_code_id": await procore.wbs(), "quantity": "2", "unit_cost": "5", "amount": "10", "uom": "ea"}
    kept = (await procore.sync_lines(order["id"], [line]))["entities"][0]
    assert (kept["quantity"], kept["unit_cost"], kept["uom"], kept["amount"]) == (None, None, None, "10.0")
    procore.sandbox.settings.amount_contract_quantity = "reject"
    assert "quantity" in (await procore.sync_lines(order["id"], [line]))["errors"][0]["errors"]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"amount": "1"}, "wbs_code"),
        ({"wbs_code_id": 5, "amount": "1"}, "wbs_code"),
        ({"uom": "furlong", "amount": "1"}, "uom"),
        ({"tax_code_id": 5, "amount": "1"}, "tax_code"),
        ({"amount": "a lot"}, "amount"),
    ],
)
async def test_bad_lines_are_refused_by_field(procore: Vendor, line: dict[str, Any], field: str) -> None:
    order = (await procore.sync([{"origin_id": "EXO:1", "accounting_method": "unit"}]))["entities"][0]
    if field in ("uom", "tax_code", "amount"):
        line = {"wbs_code_id": await procore.wbs(), **line}
    assert list((await procore.sync_lines(order["id"], [line]))["errors"][0]["errors"]) == [field]


async def test_a_budget_code_of_another_project_is_refused(procore: Vendor) -> None:
    order = await procore.order("EXO:1")
    result = await procore.sync_lines(order["id"], [{"wbs_code_id": await procore.wbs(number="P-200"), "amount": "1"}])
    assert result["errors"][0]["errors"] == {"wbs_code": ["must belong to the project"]}


async def test_a_line_may_name_cost_code_and_cost_type_instead(procore: Vendor) -> None:
    order = await procore.order("EXO:1")
    project = procore.project()
    codes = await procore.get("/rest/v1.0/cost_codes", project_id=project)
    types = await procore.get("/rest/v1.0/line_item_types", project_id=project)
    pair = {
        "cost_code_id": next(code["id"] for code in codes if code["full_code"] == "03-300"),
        "line_item_type_id": next(row["id"] for row in types if row["code"] == "M"),
    }
    line = (await procore.sync_lines(order["id"], [{**pair, "amount": "7"}]))["entities"][0]
    assert line["wbs_code"]["flat_code"] == "03-300.M"
    pair["line_item_type_id"] = next(row["id"] for row in types if row["code"] == "SVC")
    unlinked = await procore.sync_lines(order["id"], [{**pair, "amount": "7"}])
    assert unlinked["errors"][0]["errors"] == {"wbs_code": ["does not exist for this cost code and cost type"]}


async def test_lines_have_no_origin_id_filter_but_sync_finds_them(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "10", "20")
    path = f"{PATH}/{order['id']}/line_items"
    listed = await procore.get(path, project_id=procore.project(), **{"filters[origin_id]": "EXO:1:0"})
    assert len(listed) == 2
    line = (await procore.sync_lines(order["id"], [{"origin_id": "EXO:1:0", "amount": "15"}]))["entities"][0]
    assert line["id"] == order["line_items"][0]["id"]
    assert line["holder"] == {"id": order["id"], "holder_type": "PurchaseOrderContract"}


async def test_extended_lists_embed_the_lines(procore: Vendor) -> None:
    await procore.order("EXO:1", "10", "20")
    compact = await procore.get(PATH, project_id=procore.project())
    extended = await procore.get(PATH, project_id=procore.project(), view="extended")
    assert "line_items" not in compact[0]
    assert [line["amount"] for line in extended[0]["line_items"]] == ["10.0", "20.0"]


async def test_configurable_required_fields_count_only_when_asked(procore: Vendor) -> None:
    required = {"purchase_order_contract": ["delivery_date"]}
    await procore.act("edit_project", project_number="P-100", required_fields=required)
    body = {"project_id": procore.project(), "purchase_order_contract": {"title": "Undated"}}
    refused = await procore.call("POST", PATH, params={"run_configurable_validations": "true"}, json=body)
    assert refused.json() == {"errors": {"delivery_date": ["can't be blank"]}}
    assert (await procore.call("POST", PATH, json=body)).status_code == 201


async def test_duplicate_numbers_are_taken_unless_the_switch_says_so(procore: Vendor) -> None:
    await procore.sync([{"origin_id": "EXO:1", "number": "26001"}])
    assert (await procore.sync([{"origin_id": "EXO:2", "number": "26001"}], "P-200"))["errors"] == []
    procore.sandbox.settings.refuse_duplicate_number = True
    result = await procore.sync([{"origin_id": "EXO:3", "number": "26001"}])
    assert result["errors"][0]["errors"] == {"number": ["has already been taken"]}


async def test_a_workflow_owns_the_status(procore: Vendor) -> None:
    await procore.act("edit_project", project_number="P-100", workflow_on_commitments=True)
    await procore.sync([{"origin_id": "EXO:1"}])
    result = await procore.sync([{"origin_id": "EXO:1", "status": "Approved"}])
    assert result["errors"][0]["errors"] == {"status": ["is controlled by a workflow"]}


async def test_currency_counts_only_with_multicurrency(procore: Vendor) -> None:
    body = {"project_id": procore.project(), "purchase_order_contract": {"currency_iso_code": "USD"}}
    plain = (await procore.call("POST", PATH, json=body)).json()
    assert plain["currency_configuration"]["currency_iso_code"] == "EUR"
    await procore.act("edit_project", project_number="P-100", multicurrency=True)
    multi = (await procore.call("POST", PATH, json=body)).json()
    assert multi["currency_configuration"]["currency_iso_code"] == "USD"


async def test_payments_reduce_what_is_outstanding(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "200", status="Approved")
    body = {
        "project_id": procore.project(),
        "contract_id": order["id"],
        "contract_payment": {"date": "2026-06-01", "amount": 50, "payment_method": "electronic", "origin_id": "P1"},
    }
    assert (await procore.call("POST", "/rest/v1.0/contract_payments", json=body)).status_code == 201
    order = await procore.get(f"{PATH}/{order['id']}", project_id=procore.project())
    assert (order["total_payments"], order["percentage_paid"]) == ("50.0", "25.0")
    assert order["remaining_balance_outstanding"] == "150.0"


async def test_work_orders_have_their_own_statuses(procore: Vendor) -> None:
    body = {
        "project_id": procore.project(),
        "updates": [{"origin_id": "W1", "status": "Complete"}, {"status": "Closed"}],
    }
    result = (await procore.call("PATCH", "/rest/v1.0/work_order_contracts/sync", json=body)).json()
    assert result["entities"][0]["status"] == "Complete"
    assert result["errors"][0]["errors"] == {"status": ["is not included in the list"]}
    refused = await delete(procore, f"/rest/v1.0/work_order_contracts/{result['entities'][0]['id']}")
    assert refused.status_code == 422
