"""Cost codes, budget codes, the project directory, and what rolls up into the budget."""

from typing import Any

import pytest

from .conftest import Start, Vendor


def wbs_path(procore: Vendor, number: str = "P-100") -> str:
    return f"/rest/v1.0/projects/{procore.project(number)}/work_breakdown_structure"


async def budget(procore: Vendor, flat_code: str = "03-100.M") -> Any:
    rows = await procore.act("budget", project_number="P-100")
    return next((row for row in rows if row["wbs_code"]["flat_code"] == flat_code), None)


async def test_cost_codes_are_read_per_project_only(procore: Vendor) -> None:
    codes = await procore.get("/rest/v1.0/cost_codes", project_id=procore.project())
    assert "03-100" in [code["full_code"] for code in codes]
    response = await procore.call("GET", f"/rest/v1.0/projects/{procore.project()}/cost_codes")
    assert response.status_code == 404
    assert (await procore.call("GET", "/rest/v1.0/cost_codes")).status_code == 400


async def test_cost_codes_sync_with_the_project_in_the_query(procore: Vendor) -> None:
    body = {"updates": [{"origin_id": "C1", "code": "900", "name": "Extras"}, {"code": "901"}]}
    params = {"project_id": procore.project()}
    result = (await procore.call("PATCH", "/rest/v1.0/cost_codes/sync", params=params, json=body)).json()
    assert result["entities"][0]["full_code"] == "900"
    assert result["errors"][0]["errors"] == {"name": ["can't be blank"]}
    found = await procore.get("/rest/v1.0/cost_codes", **params, **{"filters[origin_id]": "C1"})
    assert len(found) == 1


async def test_there_are_seven_cost_types(procore: Vendor) -> None:
    types = await procore.get("/rest/v1.0/line_item_types", company_id=procore.company)
    assert [row["code"] for row in types] == ["L", "E", "M", "S", "OC", "SVC", "O"]
    assert {row["base_type"] for row in types} >= {"labor", "equipment", "materials", "commitment", "other"}


async def test_creating_an_existing_budget_code_only_changes_its_description(procore: Vendor) -> None:
    segments = {segment["type"]: segment["id"] for segment in await procore.get(f"{wbs_path(procore)}/segments")}
    codes = await procore.get(f"{wbs_path(procore)}/segments/{segments['cost_code']}/segment_items")
    types = await procore.get(f"{wbs_path(procore)}/segments/{segments['line_item_type']}/segment_items")
    items = [
        {
            "segment_id": segments["cost_code"],
            "segment_item_id": next(code["id"] for code in codes if code["path_code"] == "03-100"),
        },
        {
            "segment_id": segments["line_item_type"],
            "segment_item_id": next(row["id"] for row in types if row["code"] == "E"),
        },
    ]
    body = {"description": "Cranes", "segment_items": items}
    first = (await procore.call("POST", f"{wbs_path(procore)}/wbs_codes", json=body)).json()
    assert first["flat_code"] == "03-100.E"
    body["description"] = "Cranes and lifts"
    again = await procore.call("POST", f"{wbs_path(procore)}/wbs_codes", json=body)
    assert (again.status_code, again.json()["id"], again.json()["description"]) == (
        201,
        first["id"],
        "Cranes and lifts",
    )
    bulk = {"bulk": [body, {"description": "x", "segment_items": [{"segment_id": 1, "segment_item_id": 1}]}]}
    result = await procore.call("PATCH", f"{wbs_path(procore)}/wbs_codes/bulk_create", json=bulk)
    assert (result.status_code, len(result.json()["entities"]), len(result.json()["errors"])) == (201, 1, 1)


async def test_the_pattern_of_budget_codes_differs_by_project(procore: Vendor) -> None:
    await procore.act("create_wbs_code", project_number="P-200", cost_code="03-100", cost_type="M", sub_job="N")
    codes = await procore.get(f"{wbs_path(procore, 'P-200')}/wbs_codes", query="N.")
    assert codes[0]["flat_code"] == "N.03-100.M"
    pattern = await procore.get(f"{wbs_path(procore, 'P-200')}/patterns")
    assert [segment["type"] for segment in pattern["segments"]] == ["sub_job", "cost_code", "line_item_type"]


async def test_a_deactivated_cost_code_takes_no_new_lines(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "10")
    wbs = await procore.wbs()
    await procore.act("deactivate_cost_code", project_number="P-100", cost_code="03-100")
    active = await procore.get(f"{wbs_path(procore)}/wbs_codes", **{"filters[status][]": "active"})
    assert "03-100.M" not in [code["flat_code"] for code in active]
    result = await procore.sync_lines(order["id"], [{"wbs_code_id": wbs, "amount": "1"}])
    assert result["errors"][0]["errors"] == {"wbs_code": ["is not active"]}
    kept = await procore.sync_lines(order["id"], [{"origin_id": "EXO:1:0", "amount": "11"}])
    assert kept["errors"] == []


async def test_a_deleted_cost_code_takes_its_budget_codes_along(procore: Vendor) -> None:
    order = await procore.order("EXO:1")
    wbs = await procore.wbs()
    await procore.act("delete_cost_code", project_number="P-100", cost_code="03-100")
    result = await procore.sync_lines(order["id"], [{"wbs_code_id": wbs, "amount": "1"}])
    assert result["errors"][0]["errors"] == {"wbs_code": ["must belong to the project"]}


async def test_a_first_use_adds_a_budget_line_of_zero_except_in_older_projects(procore: Vendor) -> None:
    assert await budget(procore) is None
    order = await procore.order("EXO:1", "10")
    lines = await procore.get("/rest/v1.1/budget_line_items", project_id=procore.project())
    assert [(row["wbs_code"]["flat_code"], row["original_budget_amount"]) for row in lines] == [("03-100.M", "0.0")]
    await procore.act("edit_project", project_number="P-100", auto_budget_lines=False)
    unbudgeted = {"wbs_code_id": await procore.wbs("03-300.M"), "amount": "1"}
    result = await procore.sync_lines(order["id"], [unbudgeted])
    assert result["errors"][0]["errors"] == {"wbs_code": ["is not in the budget of the project"]}


@pytest.mark.parametrize(
    ("status", "committed", "pending", "projected"),
    [
        ("Draft", "0.0", "0.0", "0.0"),
        ("Submitted", "0.0", "100.0", "0.0"),
        ("Processing", "0.0", "100.0", "100.0"),
        ("Received", "0.0", "100.0", "100.0"),
        ("Partially Received", "100.0", "0.0", "100.0"),
        ("Approved", "100.0", "0.0", "100.0"),
        ("Closed", "0.0", "0.0", "0.0"),
    ],
)
async def test_the_status_of_an_order_decides_its_budget_column(
    procore: Vendor, status: str, committed: str, pending: str, projected: str
) -> None:
    await procore.order("EXO:1", "100", status=status)
    row = await budget(procore)
    columns = ("committed_costs", "pending_cost_changes", "projected_costs")
    assert tuple(row[name] for name in columns) == (committed, pending, projected)


async def test_invoices_roll_up_and_a_subcontractor_invoice_projects_twice(start: Start) -> None:
    procore = await start(subcontractor_invoice_enabled=True)
    order = await procore.order("EXO:1", "100", status="Approved")
    cost = {
        "project_number": "P-100",
        "direct_cost_type": "subcontractor_invoice",
        "vendor_id": await procore.vendor(),
        "lines": [{"flat_code": "03-100.M", "amount": 40}],
    }
    await procore.act("create_direct_cost", **cost, invoice_number="F-1", status="approved")
    await procore.act("create_direct_cost", **cost, invoice_number="F-2", status="draft")
    line = order["line_items"][0]["id"]
    bill = {"commitment_id": order["id"], "lines": [{"line_item_id": line, "work_completed_this_period": "30"}]}
    draft = await procore.act("create_requisition", **bill)
    row = await budget(procore)
    assert (row["direct_costs"], row["commitment_invoiced"]) == ("40.0", "0.0")
    await procore.act("edit_requisition", id=draft["id"], status="approved")
    row = await budget(procore)
    assert (row["commitment_invoiced"], row["job_to_date_costs"], row["projected_costs"]) == ("30.0", "70.0", "140.0")
    await procore.act("edit_project", project_number="P-100", excludes_subcontractor_invoices=True)
    assert (await budget(procore))["projected_costs"] == "100.0"


async def test_the_rolled_up_budget_is_read_through_a_budget_view(procore: Vendor) -> None:
    await procore.order("EXO:1", "100", status="Approved")
    params = {"project_id": procore.project()}
    view = (await procore.get("/rest/v1.0/budget_views", **params))[0]
    rows = await procore.get(f"/rest/v1.0/budget_views/{view['id']}/detail_rows", **params)
    assert [(row["cost_code"]["full_code"], row["committed_costs"]) for row in rows] == [("03-100", "100.0")]


async def test_budget_sync_is_a_post_that_answers_with_a_plain_array(procore: Vendor) -> None:
    item = {"wbs_code_id": await procore.wbs(), "original_budget_amount": 5000, "origin_id": "B1"}
    body = {"project_id": procore.project(), "budget_line_items": [item]}
    response = await procore.call("POST", "/rest/v1.0/budget_line_items/sync", json=body)
    assert response.json()[0]["original_budget_amount"] == "5000.0"
    await procore.act("edit_project", project_number="P-100", budget_locked=True)
    locked = await procore.call("POST", "/rest/v1.0/budget_line_items/sync", json=body)
    assert (locked.status_code, "locked" in locked.json()["message"]) == (422, True)


async def test_vendors_come_in_views_and_projects_have_their_own_directory(procore: Vendor) -> None:
    compact = await procore.get("/rest/v1.0/vendors", company_id=procore.company, view="compact", sort="-name")
    assert [set(row) for row in compact] == [{"id", "name"}] * 3
    assert [row["name"] for row in compact] == ["Noord Staal BV", "Delta Concrete NV", "Acme Formwork BV"]
    path = f"/rest/v1.0/projects/{procore.project()}/vendors"
    assert [row["name"] for row in await procore.get(path)] == ["Acme Formwork BV", "Delta Concrete NV"]
    acme = await procore.vendor()
    assert (await procore.call("DELETE", f"{path}/{acme}/actions/remove")).status_code == 200
    assert [row["name"] for row in await procore.get(path)] == ["Delta Concrete NV"]


async def test_units_taxes_and_currencies(procore: Vendor) -> None:
    units = await procore.get(f"/rest/v1.0/companies/{procore.company}/uoms")
    assert "ea" in [unit["name"] for unit in units]
    taxes = await procore.get("/rest/v1.0/tax_codes", company_id=procore.company, per_page=1000)
    assert taxes[0]["rate1"] == "21.0"
    company = f"/rest/v1.0/companies/{procore.company}"
    assert (await procore.get(f"{company}/currency_configuration"))["currency_iso_code"] == "EUR"
    project = await procore.get(f"{company}/projects/{procore.project()}/currency_configuration")
    assert project == {
        "currency_iso_code": "EUR",
        "base_currency_iso_code": "EUR",
        "multicurrency_enabled": False,
        "currency_exchange_rate": "1.0",
    }
