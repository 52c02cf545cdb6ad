"""The upsert: its decision table, its limit, and errors that come with 200."""

import pytest

from .conftest import Start, Vendor

PATH = "/rest/v1.0/purchase_order_contracts"


async def test_nothing_supplied_creates_anew_each_time(procore: Vendor) -> None:
    for _ in range(2):
        entity = (await procore.sync([{"title": "No key"}]))["entities"][0]
        assert entity["origin_id"] is None
    assert len(await procore.get(PATH, project_id=procore.project())) == 2


async def test_an_origin_id_creates_once_and_then_updates(procore: Vendor) -> None:
    first = (await procore.sync([{"origin_id": "EXO:1", "title": "First", "origin_code": "26001"}]))["entities"][0]
    again = (await procore.sync([{"origin_id": "EXO:1", "title": "Second"}]))["entities"][0]
    assert again["id"] == first["id"]
    assert (again["title"], again["origin_code"]) == ("Second", "26001")


async def test_an_unknown_id_is_an_item_error(procore: Vendor) -> None:
    result = await procore.sync([{"id": 1, "title": "Nowhere"}])
    assert result["errors"] == [{"id": 1, "title": "Nowhere", "errors": {"id": ["Entity with this ID not found"]}}]


async def test_id_and_origin_id_together_change_the_origin_id(procore: Vendor) -> None:
    order = (await procore.sync([{"origin_id": "old"}]))["entities"][0]
    await procore.sync([{"id": order["id"], "origin_id": "new"}])
    assert await procore.get(PATH, project_id=procore.project(), **{"filters[origin_id]": "old"}) == []
    found = await procore.get(PATH, project_id=procore.project(), **{"filters[origin_id]": "new"})
    assert [row["id"] for row in found] == [order["id"]]


async def test_200_comes_with_errors_per_item_and_the_rest_is_done(procore: Vendor) -> None:
    good = {"origin_id": "EXO:1", "status": "Approved"}
    bad = {"origin_id": "EXO:2", "status": "approved", "contract_date": "tomorrow"}
    result = await procore.sync([good, bad])
    assert [entity["origin_id"] for entity in result["entities"]] == ["EXO:1"]
    assert result["errors"][0]["origin_id"] == "EXO:2"
    assert set(result["errors"][0]["errors"]) == {"status", "contract_date"}
    assert await procore.get(PATH, project_id=procore.project(), **{"filters[origin_id]": "EXO:2"}) == []


async def test_an_origin_id_is_unique_in_the_company_across_projects(procore: Vendor) -> None:
    await procore.sync([{"origin_id": "EXO:1"}])
    result = await procore.sync([{"origin_id": "EXO:1"}], "P-200")
    assert result["errors"][0]["errors"] == {"origin_id": ["has already been taken"]}


async def test_an_origin_id_may_be_used_again_per_type(procore: Vendor) -> None:
    await procore.sync([{"origin_id": "EXO:1"}])
    body = {"project_id": procore.project(), "updates": [{"origin_id": "EXO:1"}]}
    response = await procore.call("PATCH", "/rest/v1.0/work_order_contracts/sync", json=body)
    assert (len(response.json()["entities"]), response.json()["errors"]) == (1, [])


async def test_a_post_does_not_upsert(procore: Vendor) -> None:
    body = {"project_id": procore.project(), "purchase_order_contract": {"origin_id": "EXO:1"}}
    assert (await procore.call("POST", PATH, json=body)).status_code == 201
    again = await procore.call("POST", PATH, json=body)
    assert (again.status_code, again.json()) == (422, {"errors": {"origin_id": ["has already been taken"]}})


@pytest.mark.parametrize(("frees", "errors"), [(True, 0), (False, 1)])
async def test_whether_a_deleted_record_frees_its_origin_id_is_a_switch(start: Start, frees: bool, errors: int) -> None:
    procore = await start(deleted_frees_origin_id=frees)
    order = await procore.order("EXO:1")
    await procore.call("DELETE", f"{PATH}/{order['id']}", params={"project_id": procore.project()})
    assert len((await procore.sync([{"origin_id": "EXO:1"}]))["errors"]) == errors


async def test_a_thousand_items_are_taken_and_one_more_is_413(procore: Vendor) -> None:
    items = [{"origin_id": f"EXO:{n}"} for n in range(1001)]
    body = {"project_id": procore.project(), "updates": items}
    response = await procore.call("PATCH", f"{PATH}/sync", json=body)
    assert response.status_code == 413
    assert isinstance(response.json()["errors"], str)
    result = await procore.sync(items[:1000])
    assert len(result["entities"]) == 1000


async def test_entities_come_in_no_promised_order(procore: Vendor) -> None:
    sent = [f"EXO:{n}" for n in range(50)]
    result = await procore.sync([{"origin_id": origin} for origin in sent])
    got = [entity["origin_id"] for entity in result["entities"]]
    assert sorted(got) == sorted(sent)
    assert got != sent


async def test_a_batch_can_be_made_to_fail_in_part(start: Start) -> None:
    procore = await start(sync_item_fault_rate=0.5)
    result = await procore.sync([{"origin_id": f"EXO:{n}"} for n in range(100)])
    assert 20 < len(result["errors"]) < 80
    assert len(result["entities"]) + len(result["errors"]) == 100
    assert result["errors"][0]["errors"] == {"base": ["could not be processed"]}


async def test_a_sync_ignores_what_it_does_not_take(procore: Vendor) -> None:
    result = await procore.sync([{"origin_id": "EXO:1", "custom_field_12": "x", "currency_iso_code": "USD"}])
    entity = result["entities"][0]
    assert "custom_field_12" not in entity
    assert entity["currency_configuration"]["currency_iso_code"] == "EUR"


async def test_vendors_sync_by_company(procore: Vendor) -> None:
    body = {"company_id": procore.company, "updates": [{"origin_id": "EXO:S:1", "name": "Zuid Hout"}, {"name": ""}]}
    response = await procore.call("PATCH", "/rest/v1.0/vendors/sync", json=body)
    assert [row["name"] for row in response.json()["entities"]] == ["Zuid Hout"]
    assert response.json()["errors"][0]["errors"] == {"name": ["can't be blank"]}
    found = await procore.get("/rest/v1.0/vendors", company_id=procore.company, **{"filters[origin_id]": "EXO:S:1"})
    assert len(found) == 1


async def test_another_integrations_origin_ids_are_visible_before_a_first_write(procore: Vendor) -> None:
    await procore.act("create_foreign_commitment", project_number="P-100", origin_id="ERP-77", title="Theirs")
    rows = await procore.get(PATH, project_id=procore.project())
    assert [row["origin_id"] for row in rows] == ["ERP-77"]
    assert procore.sandbox.dump()["purchase_order_contracts"][0]["origin_owner"] == "other-erp-client"
    cost = {"project_number": "P-100", "direct_cost_type": "expense", "origin_id": "ERP-78"}
    await procore.act("create_foreign_direct_cost", **cost)
    costs = await procore.get(f"/rest/v1.1/projects/{procore.project()}/direct_costs")
    assert [(row["origin_id"], row["synced"]) for row in costs] == [("ERP-78", True)]
    await procore.act("create_vendor", name="Owned", synced_to_erp=True)
    vendors = await procore.get("/rest/v1.0/vendors", company_id=procore.company, **{"filters[search]": "Owned"})
    assert vendors[0]["synced_to_erp"]
