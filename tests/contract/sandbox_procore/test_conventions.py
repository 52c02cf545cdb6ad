"""What v1 and v2 requests and answers look like: ids, money, pages, filters, errors."""

import re

import pytest

from .conftest import Start, Vendor

PATH = "/rest/v1.0/purchase_order_contracts"


async def test_ids_exceed_32_bits_in_one_company_and_not_in_another(procore: Vendor) -> None:
    assert procore.company > 2**32
    assert min(row["id"] for row in procore.sandbox.dump()["companies"]) < 2**31


async def test_project_id_is_taken_from_the_body_or_the_query(procore: Vendor) -> None:
    body = {"purchase_order_contract": {"title": "In the query"}}
    by_query = await procore.call("POST", PATH, params={"project_id": procore.project()}, json=body)
    by_body = await procore.call("POST", PATH, json={"project_id": procore.project(), **body})
    assert (by_query.status_code, by_body.status_code) == (201, 201)
    assert (await procore.call("POST", PATH, json=body)).status_code == 400


async def test_money_is_a_decimal_string_and_stamps_are_utc(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "1000", "12.5")
    assert order["grand_total"] == "1012.5"
    assert order["line_items"][0]["amount"] == "1000.0"
    assert order["created_at"] == "2026-06-09T10:13:20Z"
    assert isinstance(order["id"], int)


async def test_an_empty_purchase_order_is_a_draft_with_a_number_of_its_own(procore: Vendor) -> None:
    body = {"project_id": procore.project(), "purchase_order_contract": {"no_such_field": 1}}
    order = (await procore.call("POST", PATH, json=body)).json()
    assert (order["status"], order["number"], order["grand_total"]) == ("Draft", "PO-P-100-001", "0.0")


async def test_unknown_keys_may_be_switched_to_an_error(start: Start) -> None:
    procore = await start(unknown_keys="reject")
    body = {"project_id": procore.project(), "purchase_order_contract": {"no_such_field": 1}}
    assert (await procore.call("POST", PATH, json=body)).status_code == 406


async def test_pages_are_told_by_link_headers_with_absolute_addresses(procore: Vendor) -> None:
    await procore.sync([{"origin_id": f"EXO:{n}"} for n in range(5)])
    params = {"project_id": procore.project(), "per_page": 2, "page": 2}
    response = await procore.call("GET", PATH, params=params)
    assert len(response.json()) == 2
    assert (response.headers["total"], response.headers["per-page"]) == ("5", "2")
    links: dict[str, str] = {}
    for part in response.headers["link"].split(", "):
        match = re.fullmatch(r'<(.*)>; rel="(\w+)"', part)
        assert match is not None, part
        links[match[2]] = match[1]
    assert list(links) == ["first", "prev", "next", "last"]
    assert links["next"].startswith("http://procore.test/rest/v1.0/purchase_order_contracts?")
    last = await procore.call("GET", links["last"])
    assert len(last.json()) == 1
    assert 'rel="next"' not in last.headers["link"]


async def test_page_sizes_differ_by_endpoint(procore: Vendor) -> None:
    await procore.sync([{"origin_id": f"EXO:{n}"} for n in range(130)])
    assert len(await procore.get(PATH, project_id=procore.project())) == 100
    assert len(await procore.get(PATH, project_id=procore.project(), per_page=2000)) == 130
    v2 = f"/rest/v2.0/companies/{procore.company}/projects/{procore.project()}/commitment_contracts"
    assert len((await procore.get(v2))["data"]) == 10
    assert len((await procore.get(v2, per_page=2000))["data"]) == 100


@pytest.mark.parametrize(
    "query",
    [
        "filters[origin_id]=[EXO:1,EXO:2]",
        "filters[origin_id]=EXO:1,EXO:2",
        "filters[origin_id][]=EXO:1&filters[origin_id][]=EXO:2",
        "filters%5Borigin_id%5D%5B%5D=EXO%3A1&filters%5Borigin_id%5D%5B%5D=EXO%3A2",
        'filters[origin_id]=["EXO:1","EXO:2"]',
    ],
)
async def test_array_filters_are_read_in_every_spelling(procore: Vendor, query: str) -> None:
    await procore.sync([{"origin_id": f"EXO:{n}"} for n in range(4)])
    response = await procore.call("GET", f"{PATH}?project_id={procore.project()}&{query}")
    assert [row["origin_id"] for row in response.json()] == ["EXO:1", "EXO:2"]


@pytest.mark.parametrize(
    "bounds",
    [
        "2026-06-09T11:00:00Z...2026-06-09T12:00:00Z",
        '"2026-06-09T11:00:00Z...2026-06-09T12:00:00Z"',
        "2026-06-09T13:00:00+02:00...2026-06-09T14:00:00+02:00",
    ],
)
async def test_ranges_take_quotes_and_offsets(start: Start, bounds: str) -> None:
    procore = await start(token_life_s=100_000)
    await procore.sync([{"origin_id": "before"}])
    procore.clock.advance(3600)
    await procore.sync([{"origin_id": "within"}])
    procore.clock.advance(7200)
    await procore.sync([{"origin_id": "after"}])
    rows = await procore.get(PATH, project_id=procore.project(), **{"filters[updated_at]": bounds})
    assert [row["origin_id"] for row in rows] == ["within"]


async def test_an_unsupported_filter_is_ignored(procore: Vendor) -> None:
    await procore.sync([{"origin_id": "EXO:1"}])
    rows = await procore.get(PATH, project_id=procore.project(), **{"filters[colour]": "red"})
    assert len(rows) == 1


async def test_deleted_records_are_listed_only_on_demand(procore: Vendor) -> None:
    order = await procore.order("EXO:1")
    params = {"project_id": procore.project()}
    response = await procore.call("DELETE", f"{PATH}/{order['id']}", params=params)
    assert (response.status_code, response.json()) == (200, {})
    assert (await procore.call("GET", f"{PATH}/{order['id']}", params=params)).status_code == 404
    assert await procore.get(PATH, **params) == []
    gone = await procore.get(PATH, **params, **{"filters[include_deleted]": "only"})
    assert gone[0]["deleted_at"] is not None


async def test_a_delete_may_answer_with_an_empty_body_as_documented(start: Start) -> None:
    procore = await start(empty_delete_body=True)
    order = await procore.order("EXO:1")
    response = await procore.call("DELETE", f"{PATH}/{order['id']}", params={"project_id": procore.project()})
    assert (response.status_code, response.content) == (200, b"")


async def test_error_bodies_have_the_shape_of_their_endpoint(procore: Vendor) -> None:
    project = procore.project()
    financial = await procore.call("GET", f"{PATH}/1", params={"project_id": project})
    assert financial.json()["code"] == 404
    directory = await procore.call("GET", "/rest/v1.0/vendors/1", params={"company_id": procore.company})
    assert directory.json()["error"]["message"]
    refused = await procore.call(
        "POST", "/rest/v1.0/vendors", json={"company_id": procore.company, "vendor": {"city": "Breda"}}
    )
    assert (refused.status_code, list(refused.json()["error"])) == (422, ["reason"])
    body = {"direct_cost": {"direct_cost_type": "invoice", "invoice_number": "F-1"}}
    invalid = await procore.call("POST", f"/rest/v1.1/projects/{project}/direct_costs", json=body)
    assert (invalid.status_code, invalid.json()) == (422, {"errors": {"vendor": ["can't be blank"]}})
    v2 = await procore.call("GET", f"/rest/v2.0/companies/{procore.company}/projects/{project}/commitment_contracts/1")
    assert v2.json()["error"]["code"] == "NOT_FOUND"
    assert v2.json()["error"]["details"][0]["message"]
    budget = await procore.call(
        "POST", "/rest/v1.1/budget_line_items", json={"project_id": project, "budget_line_item": {"wbs_code_id": 1}}
    )
    assert set(budget.json()) == {"message", "error"}
    for response in (financial, directory, refused, invalid, v2, budget):
        assert response.headers["x-request-id"]


@pytest.mark.parametrize("shape", ["a", "b", "c", "e", "f", "list", "text"])
async def test_any_v1_endpoint_can_be_made_to_answer_in_any_shape(start: Start, shape: str) -> None:
    procore = await start(error_shape=shape)
    body = {"direct_cost": {"direct_cost_type": "invoice", "invoice_number": "F-1"}}
    response = await procore.call("POST", f"/rest/v1.1/projects/{procore.project()}/direct_costs", json=body)
    assert response.status_code == 422
    assert "can't be blank" in response.text
    assert "vendor" in response.text


async def test_v2_reads_what_v1_wrote(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "100", status="Approved")
    base = f"/rest/v2.0/companies/{procore.company}/projects/{procore.project()}/commitment_contracts"
    listed = (await procore.get(base, **{"filters[type][]": "PurchaseOrderContract"}))["data"]
    assert [row["id"] for row in listed] == [str(order["id"])]
    assert "origin_id" not in listed[0]
    assert (await procore.get(f"{base}/{order['id']}"))["data"]["status"] == "Approved"
    lines = (await procore.get(f"{base}/{order['id']}/line_items"))["data"]
    assert lines[0]["amount"] == "100.0"
    assert (await procore.get(f"{base}/{order['id']}/summary"))["data"]["grand_total"] == "100.0"
