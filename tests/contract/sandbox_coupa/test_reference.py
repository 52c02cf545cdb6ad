"""Lookups, dynamic accounts, the other reference lists, integrations, and the seeded data."""

from typing import Any

from .conftest import Bodies, Office

CHART = {"name": "Company Chart"}


async def test_the_seeded_instance_is_useful_alone(office: Office) -> None:
    codes = {c["code"]: c["decimals"] for c in await office.get("currencies")}
    assert {"EUR", "USD", "JPY"} <= set(codes)
    assert codes["JPY"] == 0
    assert {u["code"] for u in await office.get("uoms")} >= {"EA", "HR"}
    terms = {t["code"]: t for t in await office.get("payment_terms")}
    assert terms["2/10 Net 30"]["discount-rate"] == 2.0
    assert {"Net 30", "2/10 Net 30"} <= set(terms)
    assert {v["name"] for v in await office.get("lookups")} == {"Cost Center", "GL Account"}
    assert (await office.get("account_types"))[0]["dynamic-flag"] is True
    assert [a["location-code"] for a in await office.get("addresses")] == ["MAIN"]
    assert len(await office.get("users", login="receiving")) == 1
    assert await office.get("tax_codes") == []


async def test_a_lookup_value_is_unique_per_lookup_and_parent_and_found_by_its_number(office: Office) -> None:
    body = {"name": "4200 Rent", "external-ref-num": "4200", "lookup": {"name": "GL Account"}}
    made = await office.post("lookup_values", body)
    assert (made["external-ref-code"], made["active"], made["depth"]) == ("4200", True, 1)
    refused = await office.post("lookup_values", body, 400)
    assert refused["errors"] == {"name": ["has already been taken"], "external-ref-num": ["has already been taken"]}
    await office.post("lookup_values", {**body, "lookup": {"name": "Cost Center"}})
    assert (await office.post("lookup_values", {**body, "lookup": {"name": "Nope"}}, 400))["errors"] == {
        "lookup": ["is not known"]
    }
    found = await office.get("lookup_values", **{"lookup[name]": "GL Account", "external-ref-num": "4200"})
    assert [v["id"] for v in found] == [made["id"]]
    child = {
        "name": "Sub",
        "external-ref-num": "01",
        "lookup": {"name": "GL Account"},
        "parent": {"external-ref-code": "4200"},
    }
    below = await office.post("lookup_values", child)
    assert (below["external-ref-code"], below["depth"]) == ("4200-01", 2)
    renamed = await office.put(f"lookup_values/{made['id']}", {"name": "4200 Lease", "active": False})
    assert (renamed["name"], renamed["active"]) == ("4200 Lease", False)


async def test_an_account_comes_into_being_when_its_active_segments_are_first_used(
    office: Office, bodies: type[Bodies]
) -> None:
    await office.supplier()
    assert await office.get("accounts") == []
    await office.order("PO-1")
    await office.order("PO-2")
    assert [(a["code"], a["segment-1"], a["segment-2"]) for a in await office.get("accounts")] == [
        ("100-4000", "100", "4000")
    ]

    def order_for(**account: Any) -> dict[str, Any]:
        return bodies.order("PO-3", **{"order-lines": [bodies.order_line(account={**account, "account-type": CHART})]})

    unknown = await office.post("purchase_orders", order_for(code="100-9999"), 400)
    assert unknown["errors"] == {"account": ["Segment 2 - GL Account 9999 is not a value of GL Account"]}
    blank = await office.post("purchase_orders", order_for(**{"segment-2": "4000"}), 400)
    assert blank["errors"] == {"account": ["Segment 1 - Cost Center can't be blank"]}
    await office.act("deactivate_lookup_value", **{"external-ref-num": "4000"})
    inactive = await office.post("purchase_orders", order_for(code="100-4000"), 400)
    assert inactive["errors"] == {"account": ["Segment 2 - GL Account 4000 is inactive"]}
    assert len(await office.get("accounts")) == 1


async def test_a_hyphen_inside_a_segment_needs_the_segments_themselves(office: Office, bodies: type[Bodies]) -> None:
    await office.supplier()
    await office.post("lookup_values", {"name": "North", "external-ref-num": "N-1", "lookup": {"name": "Cost Center"}})
    by_code = bodies.order_line(account={"code": "N-1-4000", "account-type": CHART})
    await office.post("purchase_orders", bodies.order(**{"order-lines": [by_code]}), 400)
    segments = {"code": "N-1-4000", "segment-1": "N-1", "segment-2": "4000", "account-type": CHART}
    order = await office.order(**{"order-lines": [bodies.order_line(account=segments)]})
    assert order["order-lines"][0]["account"]["segment-1"] == "N-1"


async def test_accounts_of_a_dynamic_chart_are_not_posted_those_of_a_static_one_are(office: Office) -> None:
    assert (
        "account"
        in (await office.post("accounts", {"account-type": CHART, "segment-1": "100", "segment-2": "4000"}, 400))[
            "errors"
        ]
    )
    await office.post("account_types", {"name": "Plain Chart"})
    body = {"name": "Rent", "account-type": {"name": "Plain Chart"}, "segment-1": "7", "segment-2": "70"}
    made = await office.post("accounts", body)
    assert made["code"] == "7-70"
    valid = await office.http.post(
        "/api/accounts/validate_account", json={"account": {"code": "7-70", "account-type": {"name": "Plain Chart"}}}
    )
    assert valid.status_code == 200
    await office.post("accounts/validate_account", {"code": "7-71", "account-type": {"name": "Plain Chart"}}, 400)


async def test_the_other_lists_are_kept_through_the_api_and_the_screen(office: Office) -> None:
    term = await office.post("payment_terms", {"code": "Net 45", "days-for-net-payment": 45})
    await office.post("payment_terms", {"code": "Net 45"}, 400)
    assert (await office.http.patch(f"/api/payment_terms/{term['id']}", json={"active": False})).json()[
        "active"
    ] is False
    address = await office.post(
        "addresses", {"location-code": "A2", "street1": "1", "city": "Y", "postal_code": "Z", "country": {"code": "DE"}}
    )
    await office.put(f"addresses/{address['id']}", {"active": False})
    await office.put(f"addresses/{address['id']}", {"name": "x"}, 400)
    await office.post(
        "addresses", {"location-code": "MAIN", "street1": "1", "city": "Y", "postal-code": "Z", "country": "DE"}, 400
    )
    await office.post("items", {"name": "Bolt", "item-number": "B1", "uom": {"code": "EA"}})
    await office.post("items", {"name": "Nut", "item-number": "B1"}, 400)
    rate = {
        "from-currency": {"code": "USD"},
        "to-currency": {"code": "EUR"},
        "rate": "0.912345678",
        "rate-date": "2026-01-01",
    }
    made = await office.post("exchange_rates", rate)
    assert made["rate"] == "0.912345678"
    usd = (await office.get("currencies", code="USD"))[0]["id"]
    assert len(await office.get("exchange_rates", from_currency_id=usd)) == 1
    await office.act("create_currency", code="NOK")
    await office.act("create_uom", code="BX", name="Box")
    await office.act("create_payment_term", code="Net 60")
    assert len(await office.get("currencies", code="NOK")) == 1
    assert (await office.http.post("/api/uoms", json={"code": "XX"})).status_code == 404
    await office.post("users", {"login": "bob", "firstname": "Bob", "lastname": "Ray"})
    assert (await office.get("users", login="bob"))[0]["fullname"] == "Bob Ray"


async def test_a_run_goes_from_pending_to_an_end_and_carries_errors_and_history(office: Office) -> None:
    await office.post("integrations", {"code": "ERP", "name": "ERP to Coupa", "direction": "to_coupa"})
    await office.post("integrations", {"code": "ERP", "name": "Other"}, 400)
    run = await office.post("integration_runs", {"integration": {"code": "ERP"}})
    assert run["status"] == "pending"
    path = f"integration_runs/{run['id']}"
    assert (await office.put(f"{path}/run"))["start-time"] is not None
    assert (await office.put(f"{path}/pause"))["status"] == "paused"
    error = await office.post(
        "integration_errors", {"integration-run": {"id": run["id"]}, "contact-alert-type": "Both"}
    )
    assert (await office.put(f"integration_errors/{error['id']}/resolve"))["resolved"] is True
    await office.post("integration_errors", {"integration-run": {"id": run["id"]}, "contact-alert-type": "Nobody"}, 400)
    done = await office.put(f"{path}/success", {"total_records": 5, "records-processed": 4})
    assert (done["status"], done["total-records"], done["records-processed"]) == ("successful", 5, 4)
    await office.put(f"{path}/fail", expected=400)
    record = {"document-type": "InvoiceHeader", "document-id": 1, "contact-alert-type": "Functional"}
    responses = [{"response-code": "400", "response-message": "no"}]
    history = await office.post("integration_history_records/mark_exported", {**record, "responses": responses})
    assert (history["status"], history["responses"]) == ("exported", responses)
    assert (await office.post("integration_history_records/acknowledge", record))["acknowledged"] is True
    await office.post("integration_history_records", {"document-id": 1}, 400)
