"""The query language, the shapes of an answer, paging, and what updated-at does."""

import json

import pytest

from .conftest import Bodies, Office


@pytest.fixture
async def stocked(office: Office, bodies: type[Bodies]) -> Office:
    for n in range(1, 6):
        await office.supplier(
            f"V-{n}", **{"account-number": f"acc{n}", "payment-term": {"code": "Net 30"} if n % 2 else None}
        )
        office.later(10)
    await office.order("PO-1", "V-1")
    await office.order(
        "PO-2",
        "V-2",
        **{"order-lines": [bodies.order_line(account={"code": "200-4100", "account-type": {"name": "Company Chart"}})]},
    )
    return office


NUMBERS = [
    ({"number": "V-2"}, "2"),
    ({"account-number[contains]": "cc4"}, "4"),
    ({"account_number[starts_with]": "acc"}, "12345"),
    ({"number[ends_with]": "-5"}, "5"),
    ({"number[in]": "V-1,V-3"}, "13"),
    ({"number[not_in]": "V-1,V-3"}, "245"),
    ({"number[not_eq]": "V-1"}, "2345"),
    ({"number[gt]": "V-3"}, "45"),
    ({"payment-term[blank]": "true"}, "24"),
    ({"payment_term[code]": "Net 30"}, "135"),
    ({"payment-term[code][not_eq]": "Net 30", "number[lt_or_eq]": "V-2"}, "2"),
    ({"updated-at[gt]": "2026-01-01T00:00:20Z"}, "45"),
    ({"updated_at[gt_or_eq]": "2025-12-31T16:00:20-08:00", "updated-at[lt]": "2026-01-01T00:00:40"}, "34"),
    ({"updated-at[gt]": "2026-01-01"}, "2345"),
    ({"custom_fields[erp-source-id][blank]": "true"}, "12345"),
]


@pytest.mark.parametrize(("query", "expected"), NUMBERS)
async def test_operators_and_both_spellings(stocked: Office, query: dict[str, str], expected: str) -> None:
    found = await stocked.get("suppliers", **query)
    assert "".join(s["number"][-1] for s in found) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"supplier[number]": "V-1"}, ["PO-1"]),
        ({"supplier[name][contains]": "V-2"}, ["PO-2"]),
        ({"supplier[payment-term][code]": "Net 30"}, ["PO-1"]),
        ({"order-lines[account][code]": "200-4100"}, ["PO-2"]),
        ({"order_lines[account][account-type][name]": "Company Chart", "po_number": "PO-1"}, ["PO-1"]),
        ({"exported": "false", "status[in]": "draft,issued"}, ["PO-1", "PO-2"]),
        ({"exported": "true"}, []),
    ],
)
async def test_conditions_reach_three_levels_deep_and_into_lists(
    stocked: Office, query: dict[str, str], expected: list[str]
) -> None:
    assert [o["po-number"] for o in await stocked.get("purchase_orders", **query)] == expected


async def test_flattened_ids_and_custom_fields_find_records(stocked: Office) -> None:
    supplier = (await stocked.get("suppliers", number="V-1"))[0]
    assert len(await stocked.get("purchase_orders", supplier_id=supplier["id"])) == 1
    await stocked.put(f"suppliers/{supplier['id']}", {"custom-fields": {"erp-source-id": "E:1"}})
    assert [s["number"] for s in await stocked.get("suppliers", **{"custom_fields[erp-source-id]": "E:1"})] == ["V-1"]


async def test_an_invalid_query_is_refused_but_junk_is_not(stocked: Office) -> None:
    for query in (
        {"updated-at[gt]": "2026-01-01T00:00:00 02:00"},
        {"nonsense": "1"},
        {"custom_fields[undeclared]": "1"},
        {"created-at[contains]": "2026"},
        {"limit": "x"},
    ):
        body = await stocked.get("suppliers", 400, **query)
        assert "Invalid query" in body["errors"]["base"][0]
    assert (await stocked.http.get('/api/suppliers?{"limit":5}')).status_code == 200
    # a raw + in an offset arrives as a space
    assert (await stocked.http.get("/api/suppliers?updated-at[gt]=2026-01-01T00:00:00+02:00")).status_code == 400
    stocked.settings.reject_unknown_query_attribute = False
    assert len(await stocked.get("suppliers", nonsense="1")) == 5


async def test_fields_shape_the_answer_of_reads_and_writes(stocked: Office) -> None:
    fields = json.dumps(
        [
            "id",
            "po_number",
            "nonsense",
            "supplier",
            {"order_lines": ["line_num", {"account": ["code"]}]},
            {"custom_fields": {}},
        ]
    )
    order = (await stocked.get("purchase_orders", fields=fields, **{"po-number": "PO-1"}))[0]
    assert set(order) == {"id", "po-number", "supplier", "order-lines", "custom-fields"}
    assert order["supplier"]["number"] == "V-1"
    assert order["order-lines"] == [{"line-num": "1", "account": {"code": "100-4000"}}]
    assert order["custom-fields"] == {"erp-source-id": None}
    written = await stocked.http.put(
        f"/api/purchase_orders/{order['id']}", params={"fields": '["id"]'}, json={"classification": "x"}
    )
    assert written.json() == {"id": order["id"]}
    await stocked.get("suppliers", 400, fields="[nonsense")


async def test_return_object_reduces_or_empties_the_answer(stocked: Office) -> None:
    limited = await stocked.get("suppliers", return_object="limited")
    assert all(set(s) == {"id"} for s in limited)
    shallow = (await stocked.get("purchase_orders", return_object="shallow"))[0]
    assert set(shallow["order-lines"][0]) == {"id", "line-num", "description"}
    silent = await stocked.http.post(
        "/api/suppliers?return_object=none", json={"name": "S", "invoice-matching-level": "none"}
    )
    assert (silent.status_code, silent.content) == (201, b"")


async def test_pages_are_capped_at_50_and_counted_from_0(office: Office) -> None:
    await office.act(
        "create_supplier",
        records=[{"name": f"S{n:03}", "number": f"N{n:03}", "invoice-matching-level": "none"} for n in range(120)],
    )
    first = await office.get("suppliers", limit=500)
    assert [s["number"] for s in first] == [f"N{n:03}" for n in range(50)]
    assert [s["number"] for s in await office.get("suppliers", offset=50, limit=2)] == ["N050", "N051"]
    assert len(await office.get("suppliers", offset=100)) == 20
    assert await office.get("suppliers", offset=120) == []
    last = await office.get("suppliers", order_by="number", dir="desc", limit=1)
    assert last[0]["number"] == "N119"
    assert len(await office.get("suppliers", **{"id[gt]": first[-1]["id"]})) == 50


async def test_updated_at_has_seconds_ties_and_moves_rows_while_paging(office: Office) -> None:
    await office.act(
        "create_supplier", records=[{"name": f"S{n:03}", "invoice-matching-level": "none"} for n in range(60)]
    )
    page = await office.get("suppliers", order_by="updated_at", dir="asc")
    assert len({s["updated-at"] for s in page}) == 1  # a tie across the page boundary
    assert page[0]["updated-at"] == "2025-12-31T16:00:00-08:00"
    office.later(0.4)
    await office.put(f"suppliers/{page[0]['id']}", {"website": "x.test"})
    assert (await office.get(f"suppliers/{page[0]['id']}"))["updated-at"] == page[0]["updated-at"]
    office.later(5)
    await office.put(f"suppliers/{page[0]['id']}", {"website": "y.test"})
    moved = await office.get("suppliers", order_by="updated_at", offset=50)
    assert moved[-1]["id"] == page[0]["id"]  # every row behind it moved one place forward
    office.later(5)
    before = await office.get(f"suppliers/{page[0]['id']}")
    assert (await office.put(f"suppliers/{page[0]['id']}", {"website": "y.test"}))["updated-at"] == before["updated-at"]
    office.settings.shuffle_ties = True
    orders = {tuple(s["id"] for s in await office.get("suppliers", order_by="updated_at")) for _ in range(3)}
    assert len(orders) == 3
