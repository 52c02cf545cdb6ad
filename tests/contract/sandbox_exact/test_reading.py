"""Reads: envelopes, pages, query options, padded codes, wall-clock dates, rights."""

from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

ORDERS, LINES = "purchaseorder/PurchaseOrders", "purchaseorder/PurchaseOrderLines"


async def test_me_is_one_result_and_costs_no_quota(exact: Any) -> None:
    answer = await exact.call("GET", "/api/v1/Current/Me?Select=CurrentDivision")
    row = answer.json()["d"]["results"][0]
    assert row["CurrentDivision"] == exact.division
    assert row["__metadata"]["type"] == "Exact.Web.Api.System.Me"
    assert row["ServerUtcOffset"] == 7200
    assert "x-ratelimit-limit" not in answer.headers


async def test_divisions_are_those_of_the_user(exact: Any) -> None:
    assert {row["Code"] for row in await exact.rows("system/Divisions")} == {exact.division, exact.other_division}
    one = await exact.rows("system/Divisions", filter=f"Code eq {exact.division}", select="Code,Hid,Currency")
    assert isinstance(one[0]["Hid"], str)
    assert one[0]["Currency"] == "EUR"
    await exact.log_in(user="beperkt")
    assert [row["Code"] for row in await exact.rows("hrm/Divisions")] == [exact.division]
    refused = await exact.call("GET", ORDERS, division=exact.other_division)
    assert (refused.status_code, refused.headers["reason"]) == (403, "NoDivisionAccess")


async def test_two_companies_hold_equal_codes_under_different_ids(exact: Any) -> None:
    here = (await exact.call("GET", "hrm/Costcenters?$filter=Code eq 'CC1'")).json()["d"]["results"]
    there = (await exact.call("GET", "hrm/Costcenters?$filter=Code eq 'CC1'", division=exact.other_division)).json()[
        "d"
    ]
    assert here[0]["ID"] != there["results"][0]["ID"]


async def test_two_regions_are_two_sites_with_their_own_apps_and_companies(build: Any) -> None:
    dutch, belgian = build(region="nl"), build(region="be")
    assert dutch.credentials["client_id"] != belgian.credentials["client_id"]
    assert not set(dutch.credentials["divisions"]) & set(belgian.credentials["divisions"])
    refused = await belgian.call(
        "GET", "/api/v1/current/Me", headers={"Authorization": f"Bearer {await dutch.log_in()}"}
    )
    assert refused.status_code == 401


async def test_lists_keys_and_top_come_in_three_envelopes(exact: Any) -> None:
    order = await exact.order()
    guid = order["PurchaseOrderID"]
    listed = await exact.get(ORDERS)
    assert set(listed) == {"results"}
    row = listed["results"][0]
    assert row["__metadata"]["uri"].endswith(f"/api/v1/{exact.division}/{ORDERS}(guid'{guid}')")
    assert row["PurchaseOrderLines"]["__deferred"]["uri"] == row["__metadata"]["uri"] + "/PurchaseOrderLines"
    single = await exact.get(f"PURCHASEORDER/purchaseorders(guid'{guid}')/")
    assert single["OrderNumber"] == order["OrderNumber"]
    assert [row["PurchaseOrderID"] for row in await exact.get(ORDERS, top=1)] == [guid]
    exact.settings.top_is_bare_array = False
    assert list(await exact.get(ORDERS, top=1)) == ["results"]


async def test_deferred_lines_can_be_followed_and_expanded_lines_selected(exact: Any) -> None:
    guid = (await exact.order())["PurchaseOrderID"]
    assert len(await exact.rows(f"{ORDERS}(guid'{guid}')/PurchaseOrderLines")) == 2
    row = (
        await exact.rows(
            ORDERS,
            expand="PurchaseOrderLines",
            select="OrderNumber,PurchaseOrderLines/LineNumber,PurchaseOrderLines/ItemCode",
        )
    )[0]
    assert set(row) == {"__metadata", "OrderNumber", "PurchaseOrderLines"}
    lines = row["PurchaseOrderLines"]["results"]
    assert [(line["LineNumber"], line["ItemCode"]) for line in lines] == [(1, "PAPER"), (2, "HOURS")]
    assert "AmountFC" not in lines[0]
    exact.settings.expand_cut = 1
    assert len((await exact.rows(ORDERS, expand="PurchaseOrderLines"))[0]["PurchaseOrderLines"]["results"]) == 1


async def test_pages_are_followed_by_an_absolute_next_link_without_loss(exact: Any) -> None:
    exact.settings.page_size = 7
    await exact.act("create_purchase_order", records=[{"Supplier": "1", "YourRef": f"R{n}"} for n in range(20)],
                    PurchaseOrderLines=[{"Item": "PAPER", "QuantityInPurchaseUnits": 1}])  # fmt: skip
    for options in ({}, {"orderby": "YourRef desc"}, {"filter": "startswith(YourRef,'R')"}):
        seen, pages = [], 0
        page = await exact.get(ORDERS, select="YourRef", **options)
        while True:
            pages += 1
            seen += [row["YourRef"] for row in page["results"]]
            if "__next" not in page:
                break
            assert urlsplit(page["__next"]).netloc == "start.exactonline.nl"
            assert "$skiptoken=" in page["__next"]
            page = (await exact.call("GET", page["__next"])).json()["d"]
        assert (pages, len(seen), len(set(seen))) == (3, 20, 20)
        if options.get("orderby"):
            assert seen == sorted(seen, reverse=True)


async def test_a_page_holds_sixty_rows(exact: Any) -> None:
    await exact.act("create_cost_center", records=[{"Code": f"N{n}", "Description": "x"} for n in range(100)])
    page = await exact.get("hrm/Costcenters", select="Code")
    assert len(page["results"]) == 60
    assert (await exact.call("GET", "hrm/Costcenters/$count", headers={"Accept": "*/*"})).text == "104"
    counted = await exact.get("hrm/Costcenters", top=0, inlinecount="allpages")
    assert (counted["__count"], counted["results"]) == ("104", [])


async def test_without_asking_for_json_one_gets_atom_or_nothing(exact: Any) -> None:
    await exact.order()
    answer = await exact.call("GET", ORDERS, headers={"Accept": "*/*"})
    assert "atom+xml" in answer.headers["content-type"]
    data = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"
    assert ElementTree.fromstring(answer.content).find(f".//{data}OrderNumber") is not None
    exact.settings.no_accept = "406"
    assert (await exact.call("GET", ORDERS, headers={"Accept": "*/*"})).status_code == 406


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("YourRef eq 'O''Brien'", 1), ("YourRef eq 'o''brien'", 0), ("AmountFC gt 100.5 and AmountFC lt 1000", 1),
        ("AmountFC ge -8500 or OrderNumber eq 999", 2), ("OrderNumber eq 1L", 1), ("not (OrderNumber eq 1)", 1),
        ("OrderDate ge datetime'2025-06-01T00:00:00'", 2), ("OrderDate lt DateTime'2020-01-01'", 0),
        ("Description eq null", 1), ("Description ne null and (DropShipment eq false)", 1),
        ("startswith(Description,'Spec')", 1), ("trim(SupplierCode) eq '2'", 1),
        ("SupplierName eq 'Staalbedrijf De Boer'", 1),
    ],
)  # fmt: skip
async def test_filters_take_the_documented_literals_and_operators(exact: Any, condition: str, found: int) -> None:
    await exact.order(YourRef="O'Brien")
    await exact.order(
        Supplier="2", Description="Special", PurchaseOrderLines=[{"Item": "STEEL", "QuantityInPurchaseUnits": 1}]
    )
    assert len(await exact.rows(ORDERS, filter=condition, select="OrderNumber")) == found


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"filter": "YourRef eq"}, "Error in query syntax"),
        ({"filter": "Nonsense eq 1"}, "Error in query syntax"),
        ({"filter": "PurchaseOrderID eq '22222222-2222-2222-2222-222222222222'"}, "Error in query syntax"),
        ({"filter": "OrderNumber eq 'x'"}, "Error in query syntax"),
        ({"filter": "PurchaseOrderLines/ItemCode eq 'x'"}, "not supported for this resource"),
        ({"select": "Nonsense"}, "Error in query syntax"),
        ({"expand": "Supplier"}, "Error in query syntax"),
        ({"select": "PurchaseOrderLines/ItemCode"}, "Error in query syntax"),
        ({"orderby": "Nonsense"}, "Error in query syntax"),
        ({"skiptoken": "5L"}, "Error in query syntax"),
    ],
)
async def test_a_wrong_query_is_a_400_that_says_so(exact: Any, options: dict[str, str], text: str) -> None:
    answer = await exact.call("GET", ORDERS, params={f"${name}": value for name, value in options.items()})
    assert answer.status_code == 400
    assert text in exact.error(answer)
    assert answer.json()["error"]["code"] == answer.json()["error"]["message"]["lang"] == ""
    assert answer.headers["content-type"].startswith("application/json")


async def test_accounts_and_items_are_read_by_a_flagged_field_only(exact: Any) -> None:
    bare = await exact.call("GET", "crm/Accounts?$select=ID")
    assert bare.status_code == 400
    assert "mandatory filtering applied" in exact.error(bare)
    other = await exact.call("GET", "crm/Accounts?$filter=Language eq 'NL'")
    assert exact.error(other) == "Filtering on these fields is not supported: Language"
    assert len(await exact.rows("crm/Accounts", filter="IsSupplier eq true", select="ID")) == 3
    assert (await exact.call("GET", "logistics/Items?$select=ID")).status_code == 400


async def test_bulk_wants_a_selection(exact: Any) -> None:
    refused = await exact.call("GET", "bulk/Financial/GLAccounts")
    assert exact.error(refused) == "Please add a $select or a $top=1 statement to the query string."
    assert len(await exact.rows("bulk/Financial/GLAccounts", select="Code")) == 12


async def test_codes_come_padded_and_account_codes_must_be_asked_for_padded(exact: Any) -> None:
    supplier = (await exact.rows("crm/Accounts", filter="Name eq 'Staalbedrijf De Boer'"))[0]
    assert (supplier["Code"], supplier["Country"]) == ("                 2", "NL ")
    assert await exact.rows("crm/Accounts", filter="Code eq '2'", select="ID") == []
    assert len(await exact.rows("crm/Accounts", filter="Code eq '                 2'", select="ID")) == 1
    assert len(await exact.rows("crm/Accounts", filter="trim(Code) eq '2'", select="ID")) == 1
    assert (await exact.rows("vat/VATCodes", filter="Code eq '2'"))[0]["Code"] == "2  "


async def test_dates_are_wall_clock_time_dressed_as_epoch(exact: Any) -> None:
    order = (await exact.rows(ORDERS, filter=f"PurchaseOrderID eq guid'{(await exact.order())['PurchaseOrderID']}'"))[0]
    assert order["Modified"] == f"/Date({int(exact.time.now + 7200) * 1000})/"
    midnight = int(exact.time.now + 7200) // 86400 * 86400
    assert order["OrderDate"] == f"/Date({midnight * 1000})/"
    exact.settings.dates_follow_dst = False
    changed = await exact.order()
    again = (await exact.rows(ORDERS, filter=f"OrderNumber eq {changed['OrderNumber']}"))[0]
    assert again["Modified"] == f"/Date({int(exact.time.now + 3600) * 1000})/"


async def test_a_missing_right_on_reading_looks_like_an_empty_company(exact: Any) -> None:
    await exact.entry()
    await exact.log_in(user="beperkt")
    assert await exact.rows("purchaseentry/PurchaseEntries") == []
    asked = "users/UserHasRights?endpoint='purchaseentry/PurchaseEntries'&action='GET'"
    assert (await exact.get(asked))["UserHasRights"] is False
    await exact.act("set_right", user="beperkt", endpoint="purchaseentry/PurchaseEntries", action="*", allowed=True)
    assert (await exact.get(asked))["UserHasRights"] is True
    assert len(await exact.rows("purchaseentry/PurchaseEntries")) == 1


async def test_a_missing_scope_module_or_licence_is_a_403(exact: Any) -> None:
    await exact.act("edit_app", scopes=["Purchase orders"])
    assert "Application Scope Violated" in exact.error(await exact.call("GET", "system/Divisions"))
    await exact.act("edit_app", scopes=["Purchase orders", "Purchase invoices"])
    await exact.act("edit_division", purchase_module=False)
    assert exact.error(await exact.call("GET", "purchase/PurchaseInvoices")) == "Division not accessible"
    await exact.act("edit_division", blocked_reason="DivisionBlocked")
    assert (await exact.call("GET", ORDERS)).headers["reason"] == "DivisionBlocked"


async def test_metadata_lists_the_types_of_a_service(exact: Any) -> None:
    answer = await exact.call("GET", "purchaseentry/$metadata")
    assert 'Name="GLAccount" Type="Edm.Guid"' in answer.text


async def test_a_keyed_read_stays_quick_among_many_documents(exact: Any) -> None:
    line = [{"Item": "PAPER", "QuantityInPurchaseUnits": 1}]
    orders = await exact.act("create_purchase_order", records=[{"Supplier": "1"}] * 3000, PurchaseOrderLines=line)
    table = exact.sandbox.site.world.divisions[exact.division].tables[ORDERS]
    scans = len(table.rows)

    class Guarded(dict):  # type: ignore[type-arg]
        def values(self) -> Any:
            raise AssertionError(f"a filtered read went through all {scans} rows")

    table.rows = Guarded(table.rows)
    for condition in (
        f"PurchaseOrderID eq guid'{orders[5]['PurchaseOrderID']}'",
        " or ".join(f"PurchaseOrderID eq guid'{order['PurchaseOrderID']}'" for order in orders[:40]),
        f"OrderNumber eq {orders[7]['OrderNumber']} and Description eq null",
        "Modified ge datetime'2030-01-01T00:00:00'",
    ):
        await exact.rows(ORDERS, filter=condition, select="OrderNumber")
