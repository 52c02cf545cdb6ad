"""Direct costs: inline and separate lines, the origin_id lock, one write at a time."""

import asyncio
from typing import Any

import httpx
import pytest

from connector.sandbox.core.clock import SandboxClock

from .conftest import Start, Vendor


def v11(procore: Vendor) -> str:
    return f"/rest/v1.1/projects/{procore.project()}/direct_costs"


def v10(procore: Vendor) -> str:
    return f"/rest/v1.0/projects/{procore.project()}/direct_costs"


async def header(procore: Vendor, number: str = "F-1", **values: Any) -> dict[str, Any]:
    return {
        "direct_cost_type": "invoice",
        "vendor_id": await procore.vendor(),
        "invoice_number": number,
        "direct_cost_date": "2026-03-31",
        "status": "approved",
        **values,
    }


async def test_v11_takes_lines_inline(procore: Vendor) -> None:
    wbs = await procore.wbs()
    lines = [
        {"ref": "1", "wbs_code_id": wbs, "quantity": 10, "unit_cost": 12.5, "uom": "ea", "origin_id": "L1"},
        {"ref": "2", "wbs_code_id": wbs, "description": "Freight", "manual_amount": 40},
    ]
    body = {"direct_cost": await header(procore, origin_id="EXO:PI:1", line_items=lines)}
    response = await procore.call("POST", v11(procore), json=body)
    assert response.status_code == 201
    cost = response.json()
    assert (cost["grand_total"], cost["line_items_count"], cost["vendor_name"]) == ("165.0", 2, "Acme Formwork BV")
    assert [(line["ref"], line["amount"]) for line in cost["line_items"]] == [("1", "125.0"), ("2", "40.0")]
    assert cost["line_items"][0]["holder"]["holder_type"] == "DirectCost::Item"
    stored = await procore.get(f"{v11(procore)}/{cost['id']}")
    assert "ref" not in stored["line_items"][0]


async def test_more_than_a_hundred_inline_lines_are_refused(procore: Vendor) -> None:
    line = {"wbs_code_id": await procore.wbs(), "manual_amount": 1}
    body = {"direct_cost": await header(procore, line_items=[line] * 101)}
    assert (await procore.call("POST", v11(procore), json=body)).status_code == 422


async def test_a_bad_line_leaves_no_header_behind(procore: Vendor) -> None:
    body = {"direct_cost": await header(procore, line_items=[{"wbs_code_id": 1, "manual_amount": 1}])}
    assert (await procore.call("POST", v11(procore), json=body)).status_code == 422
    assert await procore.get(v11(procore)) == []


async def test_v10_syncs_headers_and_then_lines_of_many_direct_costs(procore: Vendor) -> None:
    items = [await header(procore, f"F-{n}", origin_id=f"EXO:PI:{n}") for n in range(3)]
    created = (await procore.call("PATCH", f"{v10(procore)}/sync", json={"updates": items})).json()
    assert created["errors"] == []
    wbs = await procore.wbs()
    lines = [
        {
            "direct_cost_id": entity["id"],
            "wbs_code_id": wbs,
            "amount": 40,
            "extended_type": "manual",
            "origin_id": entity["origin_id"] + ":1",
        }
        for entity in created["entities"]
    ]
    for _ in range(2):
        result = (await procore.call("PATCH", f"{v10(procore)}/line_items/sync", json={"updates": lines})).json()
        assert result["errors"] == []
    costs = await procore.get(v10(procore))
    assert [(cost["grand_total"], cost["line_items_count"]) for cost in costs] == [("40.0", 1)] * 3
    assert len(await procore.get(f"{v10(procore)}/line_items")) == 3


async def test_an_invoice_needs_a_vendor_and_a_number_unique_per_vendor(procore: Vendor) -> None:
    sync = f"{v10(procore)}/sync"
    nobody = {"origin_id": "EXO:1", "direct_cost_type": "invoice", "invoice_number": "F-1"}
    result = (await procore.call("PATCH", sync, json={"updates": [nobody]})).json()
    assert result["errors"] == [{**nobody, "errors": {"vendor": ["can't be blank"]}}]
    first, second = await header(procore, origin_id="EXO:1"), await header(procore, origin_id="EXO:2")
    result = (await procore.call("PATCH", sync, json={"updates": [first, second]})).json()
    assert result["errors"][0]["errors"] == {"invoice_number": ["has already been taken"]}
    other = await header(procore, origin_id="EXO:3", vendor_id=await procore.vendor("Delta Concrete NV"))
    assert (await procore.call("PATCH", sync, json={"updates": [other]})).json()["errors"] == []
    expense = {"origin_id": "EXO:4", "direct_cost_type": "expense"}
    assert (await procore.call("PATCH", sync, json={"updates": [expense]})).json()["errors"] == []


async def test_a_deleted_invoice_frees_its_number(procore: Vendor) -> None:
    body = {"direct_cost": await header(procore)}
    cost = (await procore.call("POST", v11(procore), json=body)).json()
    assert (await procore.call("POST", v11(procore), json=body)).status_code == 422
    assert (await procore.call("DELETE", f"{v11(procore)}/{cost['id']}")).status_code == 200
    assert (await procore.call("POST", v11(procore), json=body)).status_code == 201


async def test_the_type_is_create_only_and_subcontractor_invoice_must_be_enabled(procore: Vendor) -> None:
    body = {"direct_cost": await header(procore, direct_cost_type="subcontractor_invoice")}
    refused = await procore.call("POST", v11(procore), json=body)
    assert refused.json() == {"errors": {"direct_cost_type": ["is not included in the list"]}}
    procore.sandbox.settings.subcontractor_invoice_enabled = True
    cost = (await procore.call("POST", v11(procore), json=body)).json()
    change = {"item": {"direct_cost_type": "expense"}}
    refused = await procore.call("PATCH", f"{v10(procore)}/{cost['id']}", json=change)
    assert refused.json() == {"errors": {"direct_cost_type": ["cannot be changed"]}}


async def test_found_by_origin_id_and_by_invoice_number(procore: Vendor) -> None:
    for n in range(3):
        body = {"direct_cost": await header(procore, f"F,{n}", origin_id=f"EXO:{n}")}
        await procore.call("POST", v11(procore), json=body)
    by_origin = await procore.get(v11(procore), **{"filters[origin_id]": "EXO:1"})
    by_number = await procore.get(v11(procore), **{"filters[invoice_number]": "F,1"})
    assert [row["id"] for row in by_origin] == [row["id"] for row in by_number]
    assert len(by_origin) == 1


async def test_an_origin_id_locks_people_and_others_out_but_not_its_owners_sync(procore: Vendor) -> None:
    body = {"direct_cost": await header(procore, origin_id="EXO:1")}
    cost = (await procore.call("POST", v11(procore), json=body)).json()
    with pytest.raises(ValueError, match="locked"):
        await procore.act("edit_direct_cost", id=cost["id"], status="draft")
    person = {"Authorization": f"Bearer {await procore.token(procore.credentials['person'])}"}
    other = {"Authorization": f"Bearer {await procore.token(procore.credentials['other_integration'])}"}
    change = {"updates": [{"id": cost["id"], "status": "draft"}]}
    for headers in (person, other):
        result = await procore.call("PATCH", f"{v10(procore)}/sync", json=change, headers=headers)
        assert "locked" in result.json()["errors"][0]["errors"]["base"][0]
    mine = await procore.call("PATCH", f"{v10(procore)}/sync", json=change)
    assert mine.json()["entities"][0]["status"] == "draft"


async def test_patch_outside_sync_on_a_locked_direct_cost_is_a_switch(procore: Vendor) -> None:
    body = {"direct_cost": await header(procore, origin_id="EXO:1")}
    cost = (await procore.call("POST", v11(procore), json=body)).json()
    change = {"direct_cost": {"status": "draft"}}
    assert (await procore.call("PATCH", f"{v11(procore)}/{cost['id']}", json=change)).status_code == 422
    procore.sandbox.settings.patch_synced_direct_cost = True
    assert (await procore.call("PATCH", f"{v11(procore)}/{cost['id']}", json=change)).status_code == 200


async def test_v11_patch_does_not_take_the_invoice_number(procore: Vendor) -> None:
    cost = (await procore.call("POST", v11(procore), json={"direct_cost": await header(procore)})).json()
    change = {"direct_cost": {"invoice_number": "F-2"}}
    changed = await procore.call("PATCH", f"{v11(procore)}/{cost['id']}", json=change)
    assert changed.json()["invoice_number"] == "F-1"


async def test_overlapping_writes_to_one_direct_cost_get_409(start: Start) -> None:
    procore = await start(clock=SandboxClock(), direct_cost_write_s=0.05)
    costs = []
    for n in range(2):
        created = await procore.call("POST", v11(procore), json={"direct_cost": await header(procore, f"F-{n}")})
        costs.append(created.json()["id"])
    line = {"line_item": {"wbs_code_id": await procore.wbs(), "amount": 1}}

    async def add(cost: int) -> httpx.Response:
        return await procore.call("POST", f"{v10(procore)}/{cost}/line_items", json=line)

    same = await asyncio.gather(add(costs[0]), add(costs[0]))
    assert sorted(response.status_code for response in same) == [201, 409]
    refused = next(response for response in same if response.status_code == 409)
    assert list(refused.json()) == ["message"]
    apart = await asyncio.gather(add(costs[0]), add(costs[1]))
    assert [response.status_code for response in apart] == [201, 201]


async def test_two_requests_that_create_one_direct_cost_overlap_too(start: Start) -> None:
    procore = await start(clock=SandboxClock(), direct_cost_write_s=0.05)
    item = {"updates": [await header(procore, origin_id="EXO:1")]}
    answers = await asyncio.gather(*(procore.call("PATCH", f"{v10(procore)}/sync", json=item) for _ in range(2)))
    assert sorted(response.status_code for response in answers) == [200, 409]
    assert len(await procore.get(v10(procore))) == 1


async def test_negative_amounts_are_a_switch(procore: Vendor) -> None:
    line = {"wbs_code_id": await procore.wbs(), "manual_amount": -40}
    body = {"direct_cost": await header(procore, "CN-1", line_items=[line])}
    accepted = await procore.call("POST", v11(procore), json=body)
    assert accepted.json()["grand_total"] == "-40.0"
    procore.sandbox.settings.negative_amounts = "reject"
    body["direct_cost"]["invoice_number"] = "CN-2"
    assert (await procore.call("POST", v11(procore), json=body)).status_code == 422
