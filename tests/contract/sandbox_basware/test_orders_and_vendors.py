"""Exported orders, vendors and the other tables, and deleting what a test left behind."""

from typing import Any

import pytest

from .conftest import Basware, order


async def exported(basware: Basware, code: str) -> dict[str, Any]:
    orders = (await basware.get(f"/v1/exportedPurchaseOrders/{code}")).json()["exportedPurchaseOrders"]
    return dict(orders[0])


async def test_an_order_waits_for_export_until_it_is_acknowledged(basware: Basware) -> None:
    code = (await basware.act("create_order", **order()))["externalCode"]
    listed = await basware.get("/v1/exportedPurchaseOrders", orderStatus="WaitingForExport")
    shown = listed.json()["exportedPurchaseOrders"][0]
    assert (shown["externalCode"], shown["netSum"], shown["taxSum"], shown["grossSum"]) == (code, 125.0, 26.25, 151.25)
    assert (shown["supplierName"], shown["orderStatus"]) == ("Acme Supplies", "Ordered")
    await basware.time.pass_(1)
    path = f"/v1/exportedPurchaseOrders/{code}/acknowledge"
    assert (await basware.api.post(path)).json() == "OK"
    acknowledged = await exported(basware, code)
    assert acknowledged["processingStatus"] == "Exported"
    assert acknowledged["lastUpdated"] > shown["lastUpdated"]
    assert acknowledged["orderExportTimestamp"] == shown["orderExportTimestamp"]
    again = await basware.api.post(path)
    assert (again.status_code, again.content) == (405, b"")


async def test_a_change_exports_the_order_again_with_a_timestamp_of_its_own(basware: Basware) -> None:
    code = (await basware.act("create_order", **order()))["externalCode"]
    first = await exported(basware, code)
    await basware.api.post(f"/v1/exportedPurchaseOrders/{code}/acknowledge")
    await basware.act("change_order", externalCode=code, orderLines=[{"orderLineNumber": 1, "quantity": "4"}])
    second = await exported(basware, code)
    assert second["processingStatus"] == "WaitingForExport"
    assert second["orderExportTimestamp"] > first["orderExportTimestamp"]
    assert (second["netSum"], second["orderLines"][0]["quantity"]) == (50.0, 4.0)
    assert second["orderLines"][0]["externalCode"] == first["orderLines"][0]["externalCode"]


async def test_an_acknowledge_hides_the_version_that_came_between(basware: Basware) -> None:
    code = (await basware.act("create_order", **order()))["externalCode"]
    read = await exported(basware, code)
    await basware.act("change_order", externalCode=code, purpose="changed")
    assert (await basware.api.post(f"/v1/exportedPurchaseOrders/{code}/acknowledge")).status_code == 200
    now = await exported(basware, code)
    assert now["processingStatus"] == "Exported"
    assert now["orderExportTimestamp"] != read["orderExportTimestamp"]


async def test_cancelling_receiving_and_removing_lines_show_in_the_statuses(basware: Basware) -> None:
    lines = [{"quantity": "2", "netPrice": "10"}, {"quantity": "3", "netPrice": "10"}]
    code = (await basware.act("create_order", **order(orderLines=lines)))["externalCode"]
    await basware.act("receive_goods", externalCode=code, orderLineNumber=1, receivedQuantity="2")
    shown = await exported(basware, code)
    assert shown["orderStatus"] == "PartiallyReceived"
    assert shown["orderLines"][0]["goodsReceipts"][0]["receivedQuantity"] == 2.0
    changes = [{"orderLineNumber": 2, "lineStatus": "Deleted"}]
    await basware.act("change_order", externalCode=code, orderLines=changes)
    assert (await exported(basware, code))["netSum"] == 20.0
    await basware.act("cancel_order", externalCode=code, cancellationNote="no longer needed")
    shown = await exported(basware, code)
    assert shown["orderStatus"] == "Canceled"
    assert [line["lineStatus"] for line in shown["orderLines"]] == ["Canceled", "Deleted"]


async def test_the_scale_of_a_split_follows_the_switch(basware: Basware) -> None:
    halves = [{"accountCode": "4400", "splitPercent": "50"}, {"accountCode": "4500", "splitPercent": "50"}]
    lines = [{"quantity": "1", "netPrice": "10", "codingRows": halves}]
    code = (await basware.act("create_order", **order(orderLines=lines)))["externalCode"]

    async def splits() -> list[float]:
        return [row["splitPercent"] for row in (await exported(basware, code))["orderLines"][0]["codingRows"]]

    assert await splits() == [50.0, 50.0]
    basware.settings.split_percent_scale = "fraction"
    assert await splits() == [0.5, 0.5]


async def test_vendors_are_polled_by_company_and_by_change(basware: Basware) -> None:
    await basware.act(
        "create_vendor", vendorCode="V900", name="Dunes", companies=[{"companyCode": "DE01"}], externalCode="v900"
    )
    german = (await basware.get("/v1/vendors", companyCode="DE01")).json()["vendorEntities"]
    assert len(german) == 4
    assert len((await basware.get("/v1/vendors", companyCode="NL01")).json()["vendorEntities"]) == 3
    await basware.time.pass_(1)
    since = german[-1]["lastUpdated"]
    await basware.act("edit_vendor", vendorCode="V900", name="Dunes BV")
    changed = (await basware.get("/v1/vendors", lastUpdated=since)).json()["vendorEntities"]
    assert [vendor["name"] for vendor in changed] == ["Dunes BV"]
    await basware.act("deactivate_vendor", externalCode="v900")
    assert (await basware.get("/v1/vendors/v900")).json()["processingStatus"] == {
        "active": False, "paymentDenied": False
    }  # fmt: skip


async def test_a_vendor_typed_in_p2p_may_be_missing_from_the_api(basware: Basware) -> None:
    basware.settings.ui_vendors_in_api = False
    given: dict[str, Any] = {"vendorCode": "V901", "name": "Hidden", "companies": [{"companyCode": "NL01"}]}
    made = await basware.act("create_vendor", **given)
    assert (await basware.api.get(f"/v1/vendors/{made['externalCode']}")).status_code == 404
    stored = {vendor["vendorCode"]: vendor["inApi"] for vendor in basware.sandbox.dump()["vendors"]}
    assert stored["V901"] is False


async def test_the_vendor_list_comes_wrapped_or_bare(basware: Basware) -> None:
    assert set((await basware.api.get("/v1/vendors")).json()) == {"vendorEntities"}
    basware.settings.vendor_list_shape = "bare"
    assert len((await basware.api.get("/v1/vendors")).json()) == 3


async def test_posting_overwrites_the_whole_record_patching_merges_and_a_null_clears_nothing(basware: Basware) -> None:
    vendor = {
        "externalCode": "vendor-V100",
        "vendorCode": "V100",
        "name": "New",
        "companies": [{"companyCode": "NL01"}],
    }
    posted = await basware.api.post("/v1/vendors", json=[vendor])
    assert (posted.status_code, posted.json()) == (200, [vendor])
    shown = (await basware.api.get("/v1/vendors/vendor-V100")).json()
    assert "paymentTerms" not in shown
    await basware.api.patch("/v1/vendors/vendor-V100", json={"description": "short", "name": None})
    shown = (await basware.api.get("/v1/vendors/vendor-V100")).json()
    assert (shown["name"], shown["description"]) == ("New", "short")
    wrong = await basware.api.patch("/v1/vendors/vendor-V100", json={"externalCode": "other"})
    assert wrong.json()["errors"][0]["code"] == "EXTERNAL_CODE_MISMATCH"


async def test_an_identical_record_is_not_processed_again(basware: Basware) -> None:
    vendor = {"externalCode": "v1", "vendorCode": "V1", "name": "One", "companies": [{"companyCode": "NL01"}]}
    await basware.api.post("/v1/vendors", json=[vendor])
    stamp = (await basware.api.get("/v1/vendors/v1")).json()["lastUpdated"]
    await basware.time.pass_(3)
    request_id = (await basware.api.post("/v1/vendors", json=[vendor])).headers["x-amzn-RequestId"]
    await basware.time.pass_(3)
    result = (await basware.api.get(f"/v1/requestStatus/{request_id}")).json()["requestStatus"][0]
    assert result["systems"][0]["items"][0]["status"] == "NotProcessed"
    assert (await basware.api.get("/v1/vendors/v1")).json()["lastUpdated"] == stamp


async def test_a_bad_record_refuses_its_batch_and_a_batch_has_a_limit(basware: Basware) -> None:
    good = {"externalCode": "v1", "vendorCode": "V1", "name": "One", "companies": [{"companyCode": "NL01"}]}
    bad = {**good, "externalCode": "v2", "vendorCode": "x" * 26, "name": None}
    refused = await basware.api.post("/v1/vendors", json=[good, bad])
    assert refused.status_code == 400
    errors = refused.json()["errors"]
    assert [(error["externalCode"], error["code"]) for error in errors] == [("v2", "SCHEMA_VALIDATION_ERROR")]
    assert "vendorCode" in errors[0]["message"]
    assert "name" in errors[0]["message"]
    assert (await basware.api.get("/v1/vendors/v1")).status_code == 404
    too_many = await basware.api.post("/v1/vendors", json=[good] * 201)
    assert too_many.json()["errors"][0]["code"] == "PARAMETER_VALIDATION_ERROR"
    too_large = await basware.api.post("/v1/vendors", json=[{**good, "description": "x" * 6_300_000}])
    assert too_large.json()["errors"][0]["code"] == "PARAMETER_VALIDATION_ERROR"
    basware.settings.batch_atomic = False
    await basware.api.post("/v1/vendors", json=[good, bad])
    assert (await basware.api.get("/v1/vendors/v1")).status_code == 200


@pytest.mark.parametrize(
    ("path", "wrapper", "key"),
    [
        ("/v1/accounts", "accounts", "accountCode"),
        ("/v1/costCenters", "costCenters", "costCenterCode"),
        ("/v1/taxCodes", "taxCodes", "taxCode"),
        ("/v1/paymentTerms", "paymentTerms", "paymentTermCode"),
        ("/v2/projects", "projects", "projectCode"),
        ("/v1/companies", "companies", "companyCode"),
    ],
)
async def test_the_tables_of_codes_are_listed_and_read_singly(
    basware: Basware, path: str, wrapper: str, key: str
) -> None:
    first = (await basware.api.get(path)).json()[wrapper][0]
    identity = first.get("externalCode") or first["companyCode"]
    assert (await basware.api.get(f"{path}/{identity}")).json()[key] == first[key]
    assert (await basware.api.get(f"{path}/unknown")).status_code == 404


async def test_list_items_are_kept_per_known_list(basware: Basware) -> None:
    await basware.act("import_master_data", resource="lists", listKey="ACC_LIST_1", records=[{"externalCode": "a"}])
    listed = await basware.api.get("/v1/lists/ACC_LIST_1")
    assert [item["externalCode"] for item in listed.json()["listItems"]] == ["a"]
    assert (await basware.api.get("/v1/lists/ACC_LIST_2")).status_code == 404
    assert (await basware.api.get("/v1/lists/ACC_LIST_99")).status_code == 400


async def test_a_matching_order_appears_with_its_first_line(basware: Basware) -> None:
    line = {
        "externalCode": "l1",
        "orderExternalCode": "m1",
        "lineNumber": "1",
        "matchingMode": "Standard",
        "quantity": 1,
    }
    assert (await basware.api.post("/v1/matchingOrderLines", json=[line])).status_code == 400
    await basware.api.post("/v1/matchingOrders", json=[{"externalCode": "m1", "orderNumber": "PO-9"}])
    assert (await basware.api.get("/v1/matchingOrders")).status_code == 404
    assert (await basware.api.post("/v1/matchingOrderLines", json=[line])).status_code == 200
    assert len((await basware.api.get("/v1/matchingOrders")).json()["matchingOrders"]) == 1
    assert (await basware.api.get("/v1/matchingOrderLines")).status_code == 400
    lines = await basware.api.get("/v1/matchingOrderLines", params={"OrderExternalCode": "m1"})
    assert lines.json()["matchingOrderLines"][0]["externalCode"] == "l1"


async def test_deleting_runs_in_the_background_once_at_a_time(basware: Basware) -> None:
    async def delete() -> Any:
        return await basware.api.request("DELETE", "/v1/vendors", json={"lastUpdated": "0001-01-01"})

    started = await delete()
    assert (started.status_code, started.json()["taskStatus"]) == (202, "InProgress")
    assert (await delete()).status_code == 400
    await basware.time.pass_(2)
    followed = (await basware.api.get(started.json()["statusApiLink"])).json()
    assert followed == {"taskStatus": "Completed", "recordCount": 3}
    assert (await basware.api.get("/v1/vendors")).status_code == 404
    assert [vendor["deleted"] for vendor in basware.sandbox.dump()["vendors"]] == [True] * 3
