"""What people do at the screens, and what the dump tells afterwards."""

import json
import time
from typing import Any

import pytest

from .conftest import Start, Vendor


async def test_a_project_is_set_up_in_one_act(procore: Vendor) -> None:
    vendor = await procore.act("create_vendor", name="Zuid Hout", origin_id="EXO:S:9")
    project = await procore.act(
        "create_project",
        name="Tower",
        project_number="P-900",
        cost_codes=[{"code": "10-100", "name": "Hoists"}, {"code": "10-200", "name": "Lifts"}],
        cost_types=["M", "L"],
        vendor_ids=[vendor["id"]],
        billing_periods=[
            {"start_date": "2026-01-01", "end_date": "2026-01-31", "due_date": "2026-02-10", "status": "open"}
        ],
    )
    assert set(project["wbs_codes"]) == {"10-100.M", "10-100.L", "10-200.M", "10-200.L"}
    order = await procore.act(
        "create_purchase_order",
        project_number="P-900",
        vendor_id=vendor["id"],
        status="Approved",
        lines=[{"flat_code": "10-100.M", "amount": "25"}],
    )
    assert (order["status"], order["grand_total"]) == ("Approved", "25.0")
    listed = await procore.get("/rest/v1.0/purchase_order_contracts", project_id=project["id"])
    assert [row["id"] for row in listed] == [order["id"]]


async def test_an_act_takes_a_list_of_items(procore: Vendor) -> None:
    made = await procore.act("create_vendor", city="Breda", items=[{"name": "One"}, {"name": "Two", "city": "Delft"}])
    assert [(row["name"], row["city"]) for row in made] == [("One", "Breda"), ("Two", "Delft")]


async def test_people_obey_the_same_locks(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "10", status="Approved")
    with pytest.raises(ValueError, match="cannot be deleted"):
        await procore.act("delete_purchase_order", id=order["id"])
    await procore.act("edit_purchase_order", id=order["id"], status="Draft")
    line = order["line_items"][0]["id"]
    edited = await procore.act("edit_purchase_order_line", id=order["id"], line_id=line, amount="12")
    assert edited["grand_total"] == "12.0"
    await procore.act("add_purchase_order_line", id=order["id"], flat_code="03-100.L", amount="8")
    await procore.act("delete_purchase_order_line", id=order["id"], line_id=line)
    approved = await procore.act("approve_purchase_order", id=order["id"])
    assert (approved["status"], approved["grand_total"]) == ("Approved", "8.0")
    assert (await procore.act("close_purchase_order", id=order["id"]))["status"] == "Closed"
    await procore.act("delete_purchase_order", id=order["id"])


@pytest.mark.parametrize(
    ("act", "data", "message"),
    [
        ("close_project", {"project_number": "P-999"}, "no project P-999"),
        ("approve_purchase_order", {"id": 5}, "no commitment 5"),
        ("create_foreign_commitment", {"project_number": "P-100"}, "origin_id is required"),
        ("deactivate_cost_code", {"project_number": "P-100", "cost_code": "99-999"}, "no cost code 99-999"),
    ],
)
async def test_an_act_about_nothing_says_what_is_missing(
    procore: Vendor, act: str, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await procore.act(act, **data)


async def test_people_edit_direct_costs_that_are_not_synced(procore: Vendor) -> None:
    cost = await procore.act(
        "create_direct_cost",
        project_number="P-100",
        direct_cost_type="invoice",
        vendor_id=await procore.vendor(),
        invoice_number="F-1",
        lines=[{"flat_code": "03-100.M", "amount": 5}],
    )
    assert cost["grand_total"] == "5.0"
    assert (await procore.act("edit_direct_cost", id=cost["id"], status="approved"))["status"] == "approved"
    assert (await procore.act("delete_direct_cost", id=cost["id"]))["deleted_at"] is not None


async def test_the_dump_is_plain_json_and_keeps_the_deleted(procore: Vendor) -> None:
    order = await procore.order("EXO:1", "10")
    await procore.act("delete_purchase_order", id=order["id"])
    store = json.loads(json.dumps(procore.sandbox.dump()))
    contract = store["purchase_order_contracts"][0]
    assert (contract["origin_id"], contract["origin_owner"]) == ("EXO:1", procore.credentials["client_id"])
    assert contract["deleted_at"] is not None
    line = store["purchase_order_contract_line_items"][0]
    assert (line["amount"], line["deleted_at"]) == ("10.0", contract["deleted_at"])


async def test_equal_seeds_give_equal_worlds(start: Start) -> None:
    first, second = await start(seed=7), await start(seed=7)
    for procore in (first, second):
        await procore.order("EXO:1", "10", status="Approved")
    assert first.sandbox.dump() == second.sandbox.dump()
    assert first.headers == second.headers


async def test_keyed_reads_stay_quick_among_ten_thousand_documents(procore: Vendor) -> None:
    vendor, project = await procore.vendor(), procore.project()
    lines = [{"flat_code": "03-100.M", "amount": 1}]
    shared = {"project_number": "P-100", "direct_cost_type": "invoice", "vendor_id": vendor, "lines": lines}
    await procore.act("create_direct_cost", **shared, items=[{"invoice_number": f"F-{n}"} for n in range(10_000)])
    await procore.sync([{"origin_id": f"EXO:{n}"} for n in range(1000)])
    reads: list[tuple[str, dict[str, Any]]] = [
        (f"/rest/v1.1/projects/{project}/direct_costs", {"filters[invoice_number]": "F-7777"}),
        ("/rest/v1.0/purchase_order_contracts", {"project_id": project, "filters[origin_id]": "EXO:777"}),
    ]
    for path, params in reads:
        began = time.process_time()
        for _ in range(50):
            assert len(await procore.get(path, **params)) == 1
        # The client in the same process is most of it; a scan of the table would cost several times as much.
        assert (time.process_time() - began) / 50 < 0.004
