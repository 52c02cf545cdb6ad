"""Row versions, the flat order feed, transaction lines, and what the deleted feed proves."""

from typing import Any

ORDERS, ENTRIES = "sync/PurchaseOrder/PurchaseOrders", "sync/Financial/TransactionLines"
DELETED = "sync/Deleted"
FIELDS = "Timestamp,ID,PurchaseOrderID,LineNumber"


async def since(exact: Any, feed: str, version: int = 1, **options: Any) -> tuple[list[dict[str, Any]], int]:
    rows = await exact.rows(feed, filter=f"Timestamp gt {version}L", **options)
    return rows, max((int(row["Timestamp"]) for row in rows), default=version)


async def test_an_order_is_a_header_and_its_lines_and_any_change_moves_them_all(exact: Any) -> None:
    order = await exact.order(PurchaseOrderLines=[
        {"Item": "PAPER", "QuantityInPurchaseUnits": 2, "CostCenter": "CC1", "CostUnit": "CU1"},
        {"Item": "PAPER", "QuantityInPurchaseUnits": 5}])  # fmt: skip
    rows, version = await since(exact, ORDERS, select=f"{FIELDS},CostCenter,CostCenterCode,SupplierCode")
    assert [row["LineNumber"] for row in rows] == [0, 1, 2]
    assert {row["PurchaseOrderID"] for row in rows} == {order["PurchaseOrderID"]}
    assert all(isinstance(row["Timestamp"], str) for row in rows)
    assert rows[1]["CostCenterCode"] == "CC1"
    assert rows[1]["CostCenter"] == await exact.guid("hrm/Costcenters", "CC1")
    await exact.act("edit_purchase_order_line", id=order["PurchaseOrderLines"][0]["ID"], NetPrice=1)
    assert [row["LineNumber"] for row in (await since(exact, ORDERS, version, select=FIELDS))[0]] == [0, 1, 2]
    assert (await exact.call("GET", f"{ORDERS}?$select=*")).status_code == 400


async def test_a_feed_filters_by_timestamp_only_and_pages_by_it(exact: Any) -> None:
    exact.settings.bulk_page_size = 3
    await exact.order()
    await exact.order()
    other = await exact.call("GET", f"{ORDERS}?$filter=OrderNumber eq 1&$select=ID")
    assert exact.error(other) == "Filtering on these fields is not supported: OrderNumber"
    page = await exact.get(ORDERS, filter="Timestamp gt 1", select=FIELDS)
    assert len(page["results"]) == 3
    assert page["__next"].endswith(f"$skiptoken={page['results'][-1]['Timestamp']}L")
    await exact.order()
    rest = (await exact.call("GET", page["__next"])).json()["d"]["results"]
    assert int(rest[0]["Timestamp"]) > int(page["results"][-1]["Timestamp"])


async def test_an_entry_is_one_header_row_and_a_row_per_line(exact: Any) -> None:
    entry = await exact.entry()
    rows, version = await since(exact, ENTRIES)
    assert [row["LineNumber"] for row in rows] == [0, 1, 2]
    assert {row["EntryID"] for row in rows} == {entry["EntryID"]}
    assert {row["Type"] for row in rows} == {30}
    assert [row["ID"] for row in rows[1:]] == [line["ID"] for line in entry["PurchaseEntryLines"]]
    assert rows[0]["ID"] not in [entry["EntryID"], *(row["ID"] for row in rows[1:])]
    assert sum(row["AmountFC"] + row["AmountVATFC"] for row in rows) == 0
    await exact.act("process_purchase_entry", id=entry["EntryNumber"])
    assert {row["Status"] for row in (await since(exact, ENTRIES, version))[0]} == {50}


async def test_a_deleted_entry_shows_as_its_transaction_lines(exact: Any) -> None:
    entry = await exact.entry()
    lines = [row["ID"] for row in (await since(exact, ENTRIES))[0]]
    await exact.act("delete_purchase_entry", id=entry["EntryID"])
    deleted = (await since(exact, DELETED, 1))[0]
    assert sorted(row["EntityKey"] for row in deleted) == sorted(lines)
    assert {row["EntityType"] for row in deleted} == {1}
    assert (await since(exact, ENTRIES))[0] == []


async def test_a_deleted_order_and_supplier_carry_their_own_types_and_the_feed_forgets(exact: Any) -> None:
    order = await exact.order(PurchaseOrderLines=[{"Item": "PAPER", "QuantityInPurchaseUnits": 1}])
    await exact.act("delete_purchase_order", id=order["PurchaseOrderID"])
    account = await exact.act("create_supplier", Name="Gone")
    await exact.act("delete_supplier", id=account["ID"])
    keys = {(row["EntityType"], row["EntityKey"]) for row in (await since(exact, DELETED))[0]}
    line = order["PurchaseOrderLines"][0]["ID"]
    assert keys == {(22, order["PurchaseOrderID"]), (22, line), (2, account["ID"])}
    accounts = await exact.rows(DELETED, filter="Timestamp gt 1 and EntityType eq 2")
    assert [row["EntityKey"] for row in accounts] == [account["ID"]]
    exact.time.now += 62 * 86400
    await exact.log_in()
    assert (await since(exact, DELETED))[0] == []


async def test_a_rejected_entry_leaves_the_feed_without_a_trace_but_stays_readable(exact: Any) -> None:
    entry = await exact.entry()
    await exact.act("reject_purchase_entry", id=entry["EntryID"])
    assert (await since(exact, ENTRIES))[0] == (await since(exact, DELETED))[0] == []
    read = await exact.rows("purchaseentry/PurchaseEntries", filter=f"EntryID eq guid'{entry['EntryID']}'")
    assert read[0]["Status"] == 5


async def test_master_data_has_feeds_with_row_versions(exact: Any) -> None:
    _, version = await since(exact, "sync/CRM/Accounts", select="Timestamp,ID")
    await exact.act("rename_supplier", id="2", Name="Staal B.V.")
    rows, _ = await since(exact, "sync/CRM/Accounts", version, select="Timestamp,Name")
    assert [row["Name"] for row in rows] == ["Staal B.V."]
    assert (await exact.call("GET", "sync/Logistics/SupplierItem?$select=*")).status_code == 400


async def test_a_moved_company_starts_its_versions_anew_and_says_when(exact: Any) -> None:
    await exact.order()
    _, version = await since(exact, ORDERS, select=FIELDS)
    exact.time.now += 60
    await exact.act("move_division")
    assert (await since(exact, ORDERS, version, select=FIELDS))[0] == []
    assert len((await since(exact, ORDERS, 1, select=FIELDS))[0]) == 3
    divisions = await exact.rows("system/Divisions", select="Code,DivisionMoveDate")
    assert [row["DivisionMoveDate"] is not None for row in divisions].count(True) == 1


async def test_a_date_gives_the_version_to_start_from(exact: Any) -> None:
    await exact.order()
    exact.time.now += 300
    asked = "read/sync/Sync/SyncTimestamp?modified=datetime'{}'&endPoint='{}'"
    late = await exact.order()
    start = await exact.get(asked.format("2025-06-15T17:02:00", "PurchaseOrders"))
    rows, _ = await since(exact, ORDERS, int(start["TimeStampAsBigInt"]), select=FIELDS)
    assert {row["PurchaseOrderID"] for row in rows} == {late["PurchaseOrderID"]}
    assert (await exact.call("GET", asked.format("2025-06-15", "Accounts"))).status_code == 400


async def test_small_packages_have_no_order_feed(exact: Any) -> None:
    await exact.act("edit_division", order_feed=False)
    assert (await exact.call("GET", f"{ORDERS}?$select=ID")).status_code == 403
