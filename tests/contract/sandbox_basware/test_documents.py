"""Redirects to the second origin, paging, filters and representation of lists."""

import json
from decimal import Decimal

from connector.sandbox.core.faults import FaultRule

from .conftest import BLOB, Basware, invoice, order, row

TOKEN = "x-amz-meta-continuationtoken"


async def test_documents_come_by_redirect_from_an_origin_that_refuses_the_authorization_header(
    basware: Basware,
) -> None:
    made = await basware.act("create_invoice", **invoice())
    placed = await basware.act("create_order", **order())
    for path in (
        "/v1/accountingDocuments",
        f"/v1/accountingDocuments/{made['invoiceId']}",
        "/v1/exportedPurchaseOrders",
        f"/v1/exportedPurchaseOrders/{placed['externalCode']}",
    ):
        sent = await basware.api.get(path)
        assert sent.status_code == 302
        target = sent.headers["location"]
        assert target.startswith(f"{BLOB}/")
        with_header = await basware.api.get(target)
        assert with_header.status_code == 400
        assert "<Code>InvalidArgument</Code>" in with_header.text
        plain = await basware.http.get(target)
        assert plain.status_code == 200
        assert len(next(iter(plain.json().values()))) == 1


async def test_a_link_ends_after_fifteen_minutes_and_cannot_be_altered(basware: Basware) -> None:
    made = await basware.act("create_invoice", **invoice())
    link = (await basware.api.get(f"/v1/accountingDocuments/{made['invoiceId']}")).headers["location"]
    altered = link.replace("X-Amz-Expires=900", "X-Amz-Expires=9000")
    assert altered != link
    assert (await basware.http.get(altered)).status_code == 403
    await basware.time.pass_(899)
    assert (await basware.http.get(link)).status_code == 200
    await basware.time.pass_(2)
    late = await basware.http.get(link)
    assert late.status_code == 403
    assert "expired" in late.text


async def test_a_link_shows_the_document_as_it_was_when_the_redirect_was_given(basware: Basware) -> None:
    made = await basware.act("create_invoice", **invoice())
    link = (await basware.api.get(f"/v1/accountingDocuments/{made['invoiceId']}")).headers["location"]
    await basware.acknowledge(made["invoiceId"])
    assert (await basware.http.get(link)).json()["accountingDocuments"][0]["processingStatus"] == "WaitingForTransfer"


async def test_redirects_can_be_switched_off(basware: Basware) -> None:
    await basware.act("create_invoice", **invoice())
    basware.settings.redirects = False
    direct = await basware.api.get("/v1/accountingDocuments")
    assert (direct.status_code, len(direct.json()["accountingDocuments"])) == (200, 1)


async def test_an_empty_list_is_a_404_without_a_body(basware: Basware) -> None:
    for path in ("/v1/accountingDocuments", "/v1/exportedPurchaseOrders", "/v1/requestStatus", "/v1/matchingOrders"):
        answer = await basware.api.get(path)
        assert (answer.status_code, answer.content) == (404, b"")


async def test_pages_follow_a_header_token_on_the_final_answer(basware: Basware) -> None:
    await basware.act("create_invoice", invoices=[invoice(invoiceNumber=f"INV-{n}") for n in range(25)])
    seen: list[str] = []
    sizes: list[int] = []
    headers: dict[str, str] = {}
    while True:
        first = await basware.api.get("/v1/accountingDocuments", params={"pageSize": 10}, headers=headers)
        assert TOKEN not in first.headers
        page = await basware.http.get(first.headers["location"])
        seen += [document["invoiceNumber"] for document in page.json()["accountingDocuments"]]
        sizes.append(len(page.json()["accountingDocuments"]))
        if TOKEN not in page.headers:
            break
        headers = {TOKEN: page.headers[TOKEN]}
    assert sizes == [10, 10, 5]
    assert seen == [f"INV-{n}" for n in range(25)]


async def test_the_token_moves_to_the_redirect_by_switch(basware: Basware) -> None:
    await basware.act("create_invoice", invoices=[invoice(), invoice()])
    basware.settings.continuation_on = "redirect"
    first = await basware.api.get("/v1/accountingDocuments", params={"pageSize": 1})
    assert TOKEN in first.headers
    assert TOKEN not in (await basware.http.get(first.headers["location"])).headers


async def test_a_token_belongs_to_its_query_and_works_in_the_header_only(basware: Basware) -> None:
    await basware.act("create_invoice", invoices=[invoice(), invoice(), invoice()])
    token = (await basware.get("/v1/accountingDocuments", pageSize=1)).headers[TOKEN]
    other = await basware.get("/v1/accountingDocuments", pageSize=2, headers={TOKEN: token})
    assert (other.status_code, other.json()["errors"][0]["code"]) == (400, "PARAMETER_VALIDATION_ERROR")
    forged = await basware.get("/v1/accountingDocuments", pageSize=1, headers={TOKEN: token[:-6] + "AAAAAA"})
    assert forged.status_code == 400
    first = (await basware.get("/v1/accountingDocuments", pageSize=1)).json()["accountingDocuments"][0]["invoiceId"]
    in_query = await basware.get("/v1/accountingDocuments", pageSize=1, **{TOKEN: token})
    assert in_query.json()["accountingDocuments"][0]["invoiceId"] == first


async def test_acknowledging_between_pages_skips_nothing(basware: Basware) -> None:
    await basware.act("create_invoice", invoices=[invoice() for _ in range(12)])
    seen: list[str] = []
    headers: dict[str, str] = {}
    while True:
        query = {"ProcessingStatus": "WaitingForTransfer", "pageSize": 5}
        page = await basware.get("/v1/accountingDocuments", headers=headers, **query)
        for document in page.json()["accountingDocuments"]:
            seen.append(document["invoiceId"])
            assert (await basware.acknowledge(document["invoiceId"])).status_code == 200
        if TOKEN not in page.headers:
            break
        headers = {TOKEN: page.headers[TOKEN]}
    assert len(set(seen)) == len(seen) == 12


async def test_a_page_of_many_coding_rows_is_shorter_than_asked(basware: Basware) -> None:
    basware.settings.page_row_limit = 50
    await basware.act("create_invoice", invoices=[invoice(codingRows=[row()] * 30) for _ in range(3)])
    page = await basware.get("/v1/accountingDocuments", pageSize=100)
    assert len(page.json()["accountingDocuments"]) == 1
    assert TOKEN in page.headers


async def test_page_sizes_have_a_range_per_resource(basware: Basware) -> None:
    for path, most in (("accountingDocuments", 100), ("exportedPurchaseOrders", 100), ("vendors", 500)):
        for size in ("0", str(most + 1), "many"):
            refused = await basware.api.get(f"/v1/{path}", params={"pageSize": size})
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "PARAMETER_VALIDATION_ERROR")
        assert (await basware.api.get(f"/v1/{path}", params={"pageSize": most})).status_code in (200, 404)


async def test_names_of_parameters_and_a_trailing_slash_are_taken_leniently_and_unknown_ones_ignored(
    basware: Basware,
) -> None:
    made = await basware.act("create_invoice", invoices=[invoice(), invoice(processingStatus="New")])
    page = await basware.get("/v1/accountingDocuments/", processingstatus="waitingfortransfer", system="P2P")
    assert [document["invoiceId"] for document in page.json()["accountingDocuments"]] == [made[0]["invoiceId"]]


async def test_last_updated_is_strictly_after_with_milliseconds_and_a_zoneless_filter_is_utc(basware: Basware) -> None:
    first, second = (f"vendor-{code}" for code in ("V100", "V200"))
    await basware.time.pass_(10)
    await basware.act("edit_vendor", externalCode=first, description="x")
    await basware.time.pass_(10)
    await basware.act("edit_vendor", externalCode=second, description="x")
    stamp = (await basware.api.get(f"/v1/vendors/{first}")).json()["lastUpdated"]
    assert stamp.endswith(".250Z")

    async def later_than(value: str) -> list[str]:
        page = await basware.get("/v1/vendors", lastUpdated=value)
        return [vendor["externalCode"] for vendor in page.json()["vendorEntities"]]

    assert await later_than(stamp) == [second]
    assert await later_than(stamp.removesuffix("Z")) == [second]
    assert await later_than(stamp.replace(".250Z", ".249Z")) == [first, second]
    basware.settings.last_updated_inclusive = True
    assert await later_than(stamp) == [first, second]
    assert (await basware.api.get("/v1/vendors", params={"lastUpdated": "yesterday"})).status_code == 400


async def test_amounts_are_json_doubles_on_the_wire_and_exact_in_the_store(basware: Basware) -> None:
    made = await basware.act("create_invoice", **invoice(codingRows=[row("0.10", "0.02"), row("0.20", "0.04")]))
    assert (made["netSum"], made["taxSum1"], made["grossSum"]) == ("0.30", "0.06", "0.36")
    raw = await basware.get(f"/v1/accountingDocuments/{made['invoiceId']}")
    document = json.loads(raw.text, parse_float=Decimal)["accountingDocuments"][0]
    assert document["netSum"] == Decimal("0.3")
    assert document["codingRows"][0]["grossTotal"] == Decimal("0.12")
    assert document["paymentBlock"] is False


async def test_absent_fields_are_absent_or_null_and_dates_zoned_or_not_by_switch(basware: Basware) -> None:
    made = await basware.act("create_invoice", **invoice(invoiceDate="2026-03-02"))
    document = await basware.invoice(made["invoiceId"])
    assert "voucherNumber1" not in document
    assert document["invoiceDate"] == "2026-03-02T00:00:00Z"
    basware.settings.null_fields = basware.settings.zoneless_dates = True
    document = await basware.invoice(made["invoiceId"])
    assert document["voucherNumber1"] is document["text60"] is document["codingRows"][0]["dimCode10"] is None
    assert document["invoiceDate"] == "2026-03-02T00:00:00"


async def test_enrichment_invoices_are_a_result_set_of_their_own(basware: Basware) -> None:
    await basware.act(
        "create_invoice",
        **invoice(p2pProcessingMode="InvoiceEnrichment", processingStatus="WaitingForEnrichmentTransfer"),
    )
    assert (await basware.get("/v1/accountingDocuments")).status_code == 404
    assert (await basware.get("/v1/accountingDocuments", p2pProcessingMode="InvoiceEnrichment")).status_code == 200


async def test_a_new_document_may_be_announced_before_it_can_be_read(basware: Basware) -> None:
    basware.settings.store_lag_s = 3
    made = await basware.act("create_invoice", **invoice())
    assert (await basware.get(f"/v1/accountingDocuments/{made['invoiceId']}")).status_code == 404
    await basware.time.pass_(3)
    assert (await basware.invoice(made["invoiceId"]))["invoiceNumber"] == "INV-1"


async def test_faults_can_be_planned_on_either_origin(basware: Basware) -> None:
    made = await basware.act("create_invoice", **invoice())
    basware.sandbox.faults.add(
        FaultRule("/v1/accountingDocuments", when="before", action="respond", status=429, headers={"Retry-After": "7"}),
        FaultRule("^/documents/", when="before", action="respond", status=503),
    )
    limited = await basware.api.get("/v1/accountingDocuments")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert (await basware.get(f"/v1/accountingDocuments/{made['invoiceId']}")).status_code == 503
    assert (await basware.get(f"/v1/accountingDocuments/{made['invoiceId']}")).status_code == 200
