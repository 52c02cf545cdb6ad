"""Writes through the API: envelopes, partial updates, and the functional checks with their texts."""

import asyncio
import base64
from typing import Any

import pytest

ENTRIES, ORDERS = "purchaseentry/PurchaseEntries", "purchaseorder/PurchaseOrders"


async def entry_body(exact: Any, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    gl = await exact.guid("financial/GLAccounts", "4200")
    supplier = await exact.guid("crm/Accounts", "1")
    filled = [{"GLAccount": gl, "AmountFC": 100.0, **line} for line in lines or ({},)]
    return {"Journal": "70", "Supplier": supplier, "YourRef": "INV-9", "PurchaseEntryLines": filled, **fields}


async def test_a_created_entity_answers_201_with_location_and_nulls_unless_asked_for_itself(exact: Any) -> None:
    body = await entry_body(exact)
    bare = await exact.call("POST", ENTRIES, json=body)
    assert bare.status_code == 201
    shown = bare.json()["d"]
    assert shown["EntryID"] in bare.headers["location"]
    assert {name for name, value in shown.items() if value is not None} == {"__metadata", "EntryID"}
    full = (await exact.post(ENTRIES, {**body, "YourRef": "INV-9"})).json()["d"]
    assert (full["AmountFC"], full["VATAmountFC"], full["Type"], full["Status"]) == (121.0, 21.0, 30, 20)
    assert isinstance(full["EntryNumber"], int)
    assert "__deferred" in full["PurchaseEntryLines"]
    read = await exact.get(bare.headers["location"])
    assert read["YourRef"] == full["YourRef"], "the same invoice number at one supplier is not refused"


async def test_put_changes_only_the_fields_sent_and_delete_leaves_a_404(exact: Any) -> None:
    entry = (await exact.post(ENTRIES, await entry_body(exact))).json()["d"]
    path = f"{ENTRIES}(guid'{entry['EntryID']}')"
    exact.time.now += 5
    answer = await exact.call("PUT", path, json={"Description": "new"})
    assert (answer.status_code, answer.content) == (204, b"")
    after = await exact.get(path)
    assert (after["Description"], after["YourRef"]) == ("new", "INV-9")
    assert after["Modified"] > entry["Modified"]
    gone = await exact.call("DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await exact.call("GET", path)).status_code == 404
    assert await exact.rows(ENTRIES, filter=f"EntryID eq guid'{entry['EntryID']}'") == []


@pytest.mark.parametrize(
    ("fields", "line", "text"),
    [
        ({"Journal": None}, {}, "Required: Journal"),
        ({"Supplier": None}, {}, "Mandatory: Relationship"),
        ({"Supplier": None, "Journal": None}, {}, "Mandatory: Relationship\nRequired: Journal"),
        ({"Journal": "99"}, {}, "Invalid reference: Journal"),
        ({"Journal": "20"}, {}, "Invalid: Journal (type)"),
        ({"Journal": "75"}, {}, "Not allowed: Journal"),
        ({"Journal": "71", "Currency": "USD"}, {}, "Not allowed: Currency"),
        ({"Supplier": "22222222-2222-2222-2222-222222222222"}, {}, "Invalid reference: Supplier"),
        ({"PaymentCondition": "99"}, {}, "Invalid reference: Payment condition"),
        ({"Currency": "XXX"}, {}, "Invalid reference: Currency"),
        ({"Rate": 2.0}, {}, "Not allowed: Exchange rate"),
        ({"EntryDate": "1999-01-01"}, {}, "Unknown: Financial year (Period-date table)"),
        ({"PurchaseEntryLines": []}, {}, "Mandatory: Purchase entry lines"),
        ({}, {"AmountFC": None}, "Mandatory: Amount"),
        ({}, {"GLAccount": "22222222-2222-2222-2222-222222222222"}, "Invalid reference: G/L account"),
        ({}, {"CostCenter": "??"}, "Invalid reference: Cost center"),
        ({}, {"CostUnit": "??", "CostCenter": "??"}, "Invalid reference: Cost center\nInvalid reference: Cost unit"),
        ({}, {"CostCenter": "OLD"}, "Not allowed: Cost center"),
        ({}, {"VATCode": "7"}, "Not allowed: VAT code"),
        ({}, {"VATCode": "8"}, "Not allowed: VAT code"),
        ({}, {"VATCode": "99"}, "Invalid reference: VAT code"),
        ({}, {"VATPercentage": 0.5}, "Invalid: VAT percentage [0.5]"),
    ],
)
async def test_what_the_books_refuse_is_a_500_with_its_text(
    exact: Any, fields: dict[str, Any], line: dict[str, Any], text: str
) -> None:
    answer = await exact.post(ENTRIES, await entry_body(exact, line, **fields))
    assert (answer.status_code, exact.error(answer)) == (500, text)
    assert answer.headers["reason"].startswith(text.partition("\n")[0])
    assert await exact.rows(ENTRIES) == []


async def test_a_ledger_account_demands_or_forbids_a_cost_center_or_is_blocked(exact: Any) -> None:
    for code, extra, text in (
        ("4000", {}, "Mandatory: Cost center"),
        ("4300", {}, "Mandatory: Cost center\nMandatory: Cost unit"),
        ("4600", {"CostCenter": "CC1"}, "Invalid: Cost center link"),
        ("4900", {}, "Not allowed: G/L account"),
    ):
        gl = await exact.guid("financial/GLAccounts", code)
        answer = await exact.post(ENTRIES, await entry_body(exact, {"GLAccount": gl, **extra}))
        assert exact.error(answer) == text


async def test_a_closed_period_refuses_entries_and_shows_in_the_status_list(exact: Any) -> None:
    await exact.act("close_period", journal="70", year=2025, period=5)
    body = await entry_body(exact, EntryDate="2025-05-20")
    assert exact.error(await exact.post(ENTRIES, body)) == "Not allowed: Reporting period"
    closed = await exact.rows("read/financial/JournalStatusList", filter="Status eq 1", select="Journal,Year,Period")
    assert [(row["Journal"], row["Year"], row["Period"]) for row in closed] == [("70", 2025, 5)]
    assert (await exact.post(ENTRIES, {**body, "ReportingYear": 2025, "ReportingPeriod": 6})).status_code == 201


async def test_a_customer_or_blocked_account_is_no_supplier(exact: Any) -> None:
    body = await entry_body(exact, Supplier=await exact.guid("crm/Accounts", "50"))
    assert exact.error(await exact.post(ENTRIES, body)) == "Supplier (type)"
    await exact.act("edit_supplier", id="1", Blocked=True)
    assert exact.error(await exact.post(ENTRIES, await entry_body(exact))) == "Not allowed: Supplier (blocked)"


async def test_an_entry_number_that_exists_is_refused(exact: Any) -> None:
    number = (await exact.post(ENTRIES, await entry_body(exact))).json()["d"]["EntryNumber"]
    assert (
        exact.error(await exact.post(ENTRIES, await entry_body(exact, EntryNumber=number)))
        == "Already exists: Entry number"
    )


async def test_texts_follow_the_language_of_the_user_and_the_switch(exact: Any) -> None:
    body = await entry_body(exact, Journal="75")
    exact.settings.language = "NL"
    assert exact.error(await exact.post(ENTRIES, body)) == "Niet toegestaan: Journal"
    exact.settings.language = None
    await exact.act("edit_user", user="service", language="NL")
    assert exact.error(await exact.post(ENTRIES, body)) == "Niet toegestaan: Journal"


async def test_a_body_that_is_no_object_or_no_json_or_of_the_wrong_type_is_a_400(exact: Any) -> None:
    stream = "Error processing request stream. The request should be a valid top-level resource object."
    assert exact.error(await exact.call("POST", ENTRIES, json=[1])) == stream
    assert (
        exact.error(await exact.call("POST", ENTRIES, content=b"{", headers={"Content-Type": "application/json"}))
        == stream
    )
    assert (
        exact.error(await exact.call("POST", ENTRIES, content=b"{}", headers={"Content-Type": "text/plain"})) == stream
    )
    nested = await entry_body(exact, PurchaseEntryLines={"results": []})
    assert exact.error(await exact.call("POST", ENTRIES, json=nested)) == stream
    wrong = await exact.call("POST", ENTRIES, json=await entry_body(exact, EntryNumber="x"))
    assert wrong.status_code == 400
    assert "'EntryNumber' to type 'Int32'" in exact.error(wrong)
    assert "'Nonsense'" in exact.error(await exact.call("POST", ENTRIES, json=await entry_body(exact, Nonsense=1)))


async def test_expect_continue_breaks_and_unknown_paths_and_methods_are_named(exact: Any) -> None:
    assert (await exact.post(ENTRIES, await entry_body(exact), headers={"Expect": "100-continue"})).status_code == 500
    assert (await exact.call("GET", "nothing/Here")).status_code == 404
    assert (await exact.call("POST", "financial/FinancialPeriods", json={})).status_code == 405
    assert (await exact.call("GET", ORDERS + "?$filter=" + "x" * 6001)).status_code == 400


async def test_a_negative_total_makes_a_credit_note_and_a_posted_type_is_ignored(exact: Any) -> None:
    credit = (await exact.post(ENTRIES, await entry_body(exact, {"AmountFC": -100.0}))).json()["d"]
    assert (credit["Type"], credit["AmountFC"], credit["VATAmountFC"]) == (31, -121.0, -21.0)
    posted = (await exact.post(ENTRIES, await entry_body(exact, Type=31))).json()["d"]
    assert posted["Type"] == 30
    exact.settings.entry_type_on_post = "accept"
    assert (await exact.post(ENTRIES, await entry_body(exact, Type=31))).json()["d"]["Type"] == 31


async def test_a_processed_entry_is_closed_to_the_api(exact: Any) -> None:
    entry = (await exact.post(ENTRIES, await entry_body(exact))).json()["d"]
    await exact.act("process_purchase_entry", id=entry["EntryID"])
    path = f"{ENTRIES}(guid'{entry['EntryID']}')"
    for answer in (await exact.call("PUT", path, json={"Description": "x"}), await exact.call("DELETE", path)):
        assert (answer.status_code, exact.error(answer)) == (500, "Not allowed: Entry is already processed")


async def test_entry_lines_are_added_changed_and_removed_one_by_one(exact: Any) -> None:
    entry = (await exact.post(ENTRIES, await entry_body(exact))).json()["d"]
    gl = await exact.guid("financial/GLAccounts", "4100")
    line = await exact.post(
        "purchaseentry/PurchaseEntryLines", {"EntryID": entry["EntryID"], "GLAccount": gl, "AmountFC": 10}
    )
    path = f"purchaseentry/PurchaseEntryLines(guid'{line.json()['d']['ID']}')"
    assert line.json()["d"]["VATAmountFC"] == 2.1
    await exact.call("PUT", path, json={"VATAmountFC": 2.0})
    assert (await exact.get(f"{ENTRIES}(guid'{entry['EntryID']}')"))["AmountFC"] == 133.0
    assert exact.error(await exact.call("PUT", path, json={"AmountFC": None})) == "Mandatory: Amount"
    await exact.call("DELETE", path)
    assert (await exact.get(f"{ENTRIES}(guid'{entry['EntryID']}')"))["AmountFC"] == 121.0


async def test_an_order_made_through_the_api_has_source_11_and_needs_items(exact: Any) -> None:
    supplier, item = await exact.guid("crm/Accounts", "1"), await exact.guid("logistics/Items", "PURCHASE")
    lines = [{"Item": item, "QuantityInPurchaseUnits": 3, "NetPrice": 10.3333, "VATCode": "2", "CostCenter": "A-12"}]
    body = {"Supplier": supplier, "YourRef": "BW-1", "OrderDate": "2025-06-01", "PurchaseOrderLines": lines}
    order = (await exact.post(ORDERS, body)).json()["d"]
    assert (order["Source"], order["AmountFCExclVat"], order["VATAmount"], order["AmountFC"]) == (11, 31.0, 6.51, 37.51)
    assert (await exact.order())["Source"] == 1
    assert (await exact.post(ORDERS, body)).status_code == 201, "YourRef is not unique"
    without = await exact.post(ORDERS, {**body, "PurchaseOrderLines": [{"QuantityInPurchaseUnits": 1}]})
    assert exact.error(without) == "Mandatory: Item"
    unbought = await exact.guid("logistics/Items", "SALESONLY")
    refused = await exact.post(ORDERS, {**body, "PurchaseOrderLines": [{**lines[0], "Item": unbought}]})
    assert exact.error(refused) == "Invalid: Item (type)"


async def test_order_lines_are_not_posted_alone_and_the_last_one_stays(exact: Any) -> None:
    order = await exact.order(PurchaseOrderLines=[{"Item": "PAPER", "QuantityInPurchaseUnits": 1}])
    line, guid = order["PurchaseOrderLines"][0], order["PurchaseOrderID"]
    body = {"PurchaseOrderID": guid, "Item": line["Item"], "QuantityInPurchaseUnits": 1}
    assert (await exact.post("purchaseorder/PurchaseOrderLines", body)).status_code == 500
    assert (await exact.call("PUT", f"{ORDERS}(guid'{guid}')", json={"PurchaseOrderLines": []})).status_code == 500
    path = f"purchaseorder/PurchaseOrderLines(guid'{line['ID']}')"
    assert "last line" in exact.error(await exact.call("DELETE", path))
    exact.settings.order_line_post = "accept"
    assert (await exact.post("purchaseorder/PurchaseOrderLines", body)).status_code == 201
    assert (await exact.call("DELETE", path)).status_code == 204


async def test_a_received_order_cannot_be_deleted_nor_cut_below_what_came(exact: Any) -> None:
    order = await exact.order()
    await exact.act("receive_purchase_order", id=order["OrderNumber"], lines=[{"LineNumber": 1, "quantity": 1}])
    refused = await exact.call("DELETE", f"{ORDERS}(guid'{order['PurchaseOrderID']}')")
    assert exact.error(refused).startswith("Can't delete: Purchase order")
    line = f"purchaseorder/PurchaseOrderLines(guid'{order['PurchaseOrderLines'][0]['ID']}')"
    assert exact.error(await exact.call("PUT", line, json={"QuantityInPurchaseUnits": 0.5})) == "Not allowed: Quantity"
    assert (await exact.call("PUT", line, json={"QuantityInPurchaseUnits": 1})).status_code == 204


async def test_an_account_gets_the_next_code_and_keeps_its_rules(exact: Any) -> None:
    made = (await exact.post("crm/Accounts", {"Name": "New", "IsSupplier": True, "PurchaseCurrency": "XXX"})).json()[
        "d"
    ]
    assert (made["Code"], made["PurchaseCurrency"]) == ("                51", None)
    assert exact.error(await exact.post("crm/Accounts", {"Name": "N", "Email": "x"})) == "Invalid: Email [x]"
    assert exact.error(await exact.post("crm/Accounts", {"Name": "N", "Code": "51"})) == "Data already exists"
    assert exact.error(await exact.post("crm/Accounts", {"IsSupplier": True})) == "Mandatory: Name"
    await exact.entry()
    used = await exact.call("DELETE", f"crm/Accounts(guid'{await exact.guid('crm/Accounts', '1')}')")
    assert exact.error(used).startswith("Can't delete: Account 1 - Used in: ")
    assert (await exact.call("DELETE", f"crm/Accounts(guid'{made['ID']}')")).status_code == 204


async def test_an_image_is_attached_in_three_steps(exact: Any) -> None:
    document = (await exact.post("documents/Documents", {"Subject": "Scan", "Type": 20})).json()["d"]
    content = base64.b64encode(b"%PDF-1.7").decode()
    body = {"Document": document["ID"], "FileName": "scan.pdf", "Attachment": content}
    attachment = (await exact.post("documents/DocumentAttachments", body)).json()["d"]
    assert attachment["FileSize"] == 8.0
    fetched = await exact.call("GET", attachment["Url"] + "&Download=1")
    assert fetched.content == b"%PDF-1.7"
    entry = (await exact.post(ENTRIES, await entry_body(exact, Document=document["ID"]))).json()["d"]
    assert entry["DocumentSubject"] == "Scan"
    wrong = await exact.post("documents/DocumentAttachments", {**body, "Attachment": "~~"})
    assert "'Attachment' to type 'Byte[]'" in exact.error(wrong)


async def test_a_user_without_the_right_to_write_is_refused(exact: Any) -> None:
    await exact.log_in(user="beperkt")
    assert (await exact.post("crm/Accounts", {"Name": "X"})).status_code == 403


async def test_lines_inside_a_header_put_are_refused_ignored_or_replace_all_or_nothing(exact: Any) -> None:
    entry = (await exact.post(ENTRIES, await entry_body(exact))).json()["d"]
    path = f"{ENTRIES}(guid'{entry['EntryID']}')"
    gl = await exact.guid("financial/GLAccounts", "4200")
    change = {"PurchaseEntryLines": [{"GLAccount": gl, "AmountFC": 7}]}
    assert (await exact.call("PUT", path, json=change)).status_code == 500
    exact.settings.header_put_lines = "ignore"
    assert (await exact.call("PUT", path, json=change)).status_code == 204
    assert (await exact.get(path))["AmountFC"] == 121.0
    exact.settings.header_put_lines = "replace"
    broken = {"PurchaseEntryLines": [{"GLAccount": gl, "AmountFC": 7, "CostCenter": "??"}]}
    assert (await exact.call("PUT", path, json=broken)).status_code == 500
    assert (await exact.get(path))["AmountFC"] == 121.0
    assert (await exact.call("PUT", path, json=change)).status_code == 204
    assert (await exact.get(path))["AmountFC"] == 8.47


async def test_parallel_calls_to_one_company_are_noticed(exact: Any) -> None:
    exact.settings.commit_after_s = 1.0
    await asyncio.gather(*(exact.call("GET", "hrm/Costunits") for _ in range(3)))
    assert (await exact.act("counters"))["most_parallel"] == 3


async def test_absurd_amounts_are_refused_as_values(exact: Any) -> None:
    answer = await exact.post(ENTRIES, await entry_body(exact, {"AmountFC": 1e30}))
    assert (answer.status_code, "'AmountFC' to type 'Double'" in exact.error(answer)) == (400, True)
