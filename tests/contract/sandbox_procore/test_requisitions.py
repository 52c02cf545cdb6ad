"""Requisitions: periods, one commitment, amounts of this period, overbilling, locks."""

from typing import Any

import httpx
import pytest

from .conftest import Start, Vendor

PATH = "/rest/v1.1/requisitions"


async def create(procore: Vendor, order: dict[str, Any], *amounts: str, **values: Any) -> httpx.Response:
    lines = [line["id"] for line in order["line_items"]]
    items = [
        {"item_type": "contract_item", "line_item_id": line, "work_completed_this_period": amount}
        for line, amount in zip(lines, amounts, strict=False)
    ]
    body = {
        "project_id": procore.project(),
        "commitment_id": order["id"],
        "requisition": {"requisition_start": "2026-06-01", "requisition_end": "2026-06-30", "items": items, **values},
    }
    return await procore.call("POST", PATH, params={"view": "extended"}, json=body)


async def patch(procore: Vendor, requisition: dict[str, Any], **values: Any) -> httpx.Response:
    body = {"project_id": procore.project(), "requisition": values}
    return await procore.call("PATCH", f"{PATH}/{requisition['id']}", json=body)


async def close_periods(procore: Vendor) -> None:
    path = f"/rest/v1.0/projects/{procore.project()}/billing_periods"
    for period in await procore.get(path, **{"filters[status]": "open"}):
        await procore.act("close_billing_period", period_id=period["id"])


async def test_items_are_made_one_per_line_and_amounts_are_of_this_period(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", "50", status="Approved")
    first = (await create(procore, order, "60", invoice_number="F-1", origin_id="R1")).json()
    assert [item["work_completed_this_period"] for item in first["items"]] == ["60.0", "0.0"]
    assert first["summary"]["current_payment_due"] == "60.0"
    second = (await create(procore, order, "40", "50", origin_id="R2")).json()
    assert (second["number"], second["previous_requisition_id"]) == (2, first["id"])
    assert second["items"][0]["work_completed_from_previous_application"] == "60.0"
    assert second["items"][0]["balance_to_finish"] == "0.0"
    assert second["summary"]["total_completed_and_stored_to_date"] == "150.0"
    assert second["percent_complete"] == "100.0"


async def test_it_is_found_by_origin_id_and_by_commitment(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    made = (await create(procore, order, "60", origin_id="R1")).json()
    for name, value in (("origin_id", "R1"), ("commitment_id", order["id"])):
        rows = await procore.get(PATH, project_id=procore.project(), **{f"filters[{name}]": value})
        assert [row["id"] for row in rows] == [made["id"]]
    again = await create(procore, order, "1", origin_id="R1")
    assert (again.status_code, again.json()) == (422, {"errors": [{"origin_id": "has already been taken"}]})


async def test_without_an_open_period_only_an_admin_with_a_period_id_may_bill(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    await close_periods(procore)
    refused = await create(procore, order, "10")
    assert refused.status_code == 422
    assert "must have an open billing period" in refused.text
    path = f"/rest/v1.0/projects/{procore.project()}/billing_periods"
    closed = (await procore.get(path))[0]["id"]
    procore.sandbox.settings.invoicing_admin = False
    assert (await create(procore, order, "10", period_id=closed)).status_code == 422
    procore.sandbox.settings.invoicing_admin = True
    assert (await create(procore, order, "10", period_id=closed)).status_code == 201


async def test_a_period_is_created_with_all_its_dates(procore: Vendor) -> None:
    path = f"/rest/v1.0/projects/{procore.project()}/billing_periods"
    period = {"start_date": "2026-07-01", "end_date": "2026-07-31", "status": "open"}
    refused = await procore.call("POST", path, json={"billing_period": period})
    assert "due_date" in refused.text
    period["due_date"] = "2026-08-05"
    assert (await procore.call("POST", path, json={"billing_period": period})).status_code == 201


async def test_a_draft_commitment_cannot_be_billed(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100")
    assert (await create(procore, order, "10")).status_code == 422
    procore.sandbox.settings.requisition_needs_approved_commitment = False
    assert (await create(procore, order, "10")).status_code == 201


async def test_billing_beyond_the_line_is_refused_unless_allowed(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    await create(procore, order, "60")
    over = await create(procore, order, "40.01")
    assert (over.status_code, "exceeds the remaining amount" in over.text) == (422, True)
    assert len(await procore.get(PATH, project_id=procore.project())) == 1
    procore.sandbox.settings.overbilling = "allow"
    assert (await create(procore, order, "40.01")).status_code == 201


async def test_a_line_of_another_commitment_cannot_be_billed(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    other = await procore.order("EXO:2", "100", status="Approved")
    order["line_items"] = other["line_items"]
    assert (await create(procore, order, "10")).status_code == 422


async def test_amounts_change_in_bulk_and_status_by_patch(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", "50", status="Approved")
    made = (await create(procore, order, "60", origin_id="R1")).json()
    items = [
        {"id": item["id"], "item_type": "contract_item", "work_completed_this_period": "5.00"} for item in made["items"]
    ]
    path = f"/rest/v1.0/requisitions/{made['id']}"
    params = {"project_id": procore.project()}
    response = await procore.call("PATCH", f"{path}/bulk_item_update", params=params, json={"requisition_items": items})
    assert response.status_code == 200
    listed = await procore.get(f"{path}/contract_items", **params)
    assert [item["work_completed_this_period"] for item in listed] == ["5.0", "5.0"]
    approved = await patch(procore, made, status="approved")
    assert approved.json()["status"] == "approved"
    order = await procore.get(f"/rest/v1.0/purchase_order_contracts/{order['id']}", **params)
    assert order["total_requisitions_amount"] == "10.0"


async def test_non_admins_edit_only_the_latest_draft(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    first, second = [(await create(procore, order, "10")).json() for _ in range(2)]
    procore.sandbox.settings.invoicing_admin = False
    assert (await patch(procore, first, billing_date="2026-06-30")).status_code == 403
    assert (await patch(procore, second, billing_date="2026-06-30")).status_code == 200


async def test_a_billed_line_and_a_billed_commitment_cannot_be_deleted(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", "50", status="Approved")
    await create(procore, order, "60")
    await procore.sync([{"origin_id": "EXO:1", "status": "Draft"}])
    base, params = f"/rest/v1.0/purchase_order_contracts/{order['id']}", {"project_id": procore.project()}
    billed, unbilled = [line["id"] for line in order["line_items"]]
    assert (await procore.call("DELETE", f"{base}/line_items/{billed}", params=params)).status_code == 422
    assert (await procore.call("DELETE", f"{base}/line_items/{unbilled}", params=params)).status_code == 200
    assert (await procore.call("DELETE", base, params=params)).status_code == 422


async def test_people_cannot_edit_a_requisition_with_an_origin_id(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    made = (await create(procore, order, "60", origin_id="R1")).json()
    with pytest.raises(ValueError, match="locked"):
        await procore.act("edit_requisition", id=made["id"], status="approved")


async def test_v10_has_g702_and_takes_no_items(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    body = {"project_id": procore.project(), "commitment_id": order["id"], "requisition": {"status": "draft"}}
    made = (await procore.call("POST", "/rest/v1.0/requisitions", json=body)).json()
    assert made["g702"]["current_payment_due"] == "0.0"
    assert "summary" not in made


async def test_a_unit_contract_may_be_billed_by_quantity(procore: Vendor) -> None:
    order = (await procore.sync([{"origin_id": "EXO:1", "accounting_method": "unit"}]))["entities"][0]
    line = {"wbs_code_id": await procore.wbs(), "quantity": "10", "unit_cost": "12.5", "uom": "ea"}
    await procore.sync_lines(order["id"], [line])
    await procore.sync([{"origin_id": "EXO:1", "status": "Approved"}])
    order = await procore.get(f"/rest/v1.0/purchase_order_contracts/{order['id']}", project_id=procore.project())
    item = {
        "item_type": "contract_item",
        "line_item_id": order["line_items"][0]["id"],
        "work_completed_this_period_quantity": "4",
    }
    made = (await create(procore, order, items=[item])).json()
    assert made["items"][0]["work_completed_this_period"] == "50.0"


async def test_a_company_with_automatic_numbers_replaces_the_invoice_number(start: Start) -> None:
    procore = await start(requisition_automatic_numbers=True)
    order = await procore.order("EXO:1", "100", status="Approved")
    assert (await create(procore, order, "10", invoice_number="F-77")).json()["invoice_number"] == "1"


async def test_the_default_page_is_thirty(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    for _ in range(31):
        await create(procore, order, "1")
    assert len(await procore.get(PATH, project_id=procore.project())) == 30
