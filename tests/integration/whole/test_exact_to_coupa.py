"""Exact Online to Coupa through every service: one trace, replays, long documents, and answers that are none."""

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.integration.whole.collector import Collector, Span
from tests.integration.whole.conftest import SUPPLIER, Company

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.ci]


async def test_from_a_webhook_to_coupas_answer_all_spans_are_of_one_trace(
    company: Company, collector: Collector
) -> None:
    supplier = await company.exact("create_supplier", Name="Spoor BV", Country="NL", VATNumber="NL001234567B01")
    await company.until(supplier["ID"], "synced")
    passed = {
        ("ingest", "webhook exact"),
        ("exact-fetcher", "process webhooks.exact"),
        ("exact-fetcher", f"read {SUPPLIER}"),
        ("exact-fetcher", "GET"),
        ("mapper", "process documents.exact"),
        ("coupa-writer", f"process canonical.{SUPPLIER}.v1"),
        ("coupa-writer", "dispatch"),
        ("coupa-writer", "POST"),
    }
    spans = await asyncio.to_thread(collector.until, lambda spans: passed <= _names(_of_a_webhook(spans)))
    trace = _of_a_webhook(spans)
    assert passed <= _names(trace), _names(trace)
    assert [span.name for span in trace if not span.parent] == ["webhook exact"]


def _names(spans: Iterable[Span]) -> set[tuple[str, str]]:
    return {(span.service, span.name) for span in spans}


def _of_a_webhook(spans: Sequence[Span]) -> Sequence[Span]:
    """The trace of a webhook that a request to Coupa is of; each service sends its spans when it likes."""
    begun = {span.trace for span in spans if span.name == "webhook exact"}
    writes = (s for s in spans if (s.service, s.name) == ("coupa-writer", "POST") and s.trace in begun)
    written = next((span for span in writes if "/api/suppliers" in span.attributes["url.full"]), None)
    return [] if written is None else [span for span in spans if span.trace == written.trace]


async def test_every_service_shows_that_it_lives_is_ready_and_what_it_counts(company: Company) -> None:
    async with httpx.AsyncClient(trust_env=False) as probe:
        for name in company.on.flow.services:
            address = str(company.on.processes[name].spec.ready_url).removesuffix("/readyz")
            assert (await probe.get(f"{address}/livez")).status_code == 200, name
            ready = await probe.get(f"{address}/readyz")
            assert (ready.status_code, ready.json()) == (200, {}), name
            assert "process_resident_memory_bytes" in (await probe.get(f"{address}/metrics")).text, name


def _order(*lines: dict[str, Any], **header: Any) -> dict[str, Any]:
    plain = {"Item": "PURCHASE", "QuantityInPurchaseUnits": 2, "NetPrice": 12.5, "VATCode": "2"}
    return {"Supplier": "1", "PurchaseOrderLines": [{**plain, **line} for line in lines or ({},)], **header}


def _entry(*lines: dict[str, Any], **header: Any) -> dict[str, Any]:
    plain = {"GLAccount": "4200", "AmountFC": 100, "VATCode": "2"}
    booked = [{**plain, **line} for line in lines or ({},)]
    return {"Supplier": "1", "Journal": "70", "PurchaseEntryLines": booked, **header}


async def test_a_delivery_that_is_replayed_ends_as_it_ended_before(company: Company) -> None:
    order = await company.exact("create_purchase_order", **_order())
    key = order["PurchaseOrderID"]
    await company.until(key, "synced")
    await company.settled()
    told, written = await company.story(key), await _writes(company)
    url = await company.webhook_url()
    async with httpx.AsyncClient(trust_env=False) as vendor:
        answers = [await vendor.post(url, content=company.signed("PurchaseOrders", key)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    await company.settled()
    assert await company.story(key) == told, "it was read again, and was what it had been"
    assert await _writes(company) == written
    assert len(await company.in_coupa("purchase_orders", key)) == 1


async def test_documents_of_five_thousand_lines_arrive_whole(company: Company) -> None:
    lines = 5_000
    order = await company.exact(
        "create_purchase_order", **_order(*({"NetPrice": n / 100} for n in range(1, lines + 1)))
    )
    entry = await company.exact(
        "create_purchase_entry", **_entry(*({"AmountFC": n} for n in range(1, lines + 1)), YourRef="L5000")
    )
    for native_id in (order["PurchaseOrderID"], entry["EntryID"]):
        await company.until(native_id, "synced", within_s=240.0)
    (mirrored,) = await company.in_coupa("purchase_orders", order["PurchaseOrderID"])
    assert len(mirrored["order-lines"]) == lines
    assert sum(Decimal(line["total"]) for line in mirrored["order-lines"]) == Decimal(order["AmountFCExclVat"])
    (invoice,) = await company.in_coupa("invoices", entry["EntryID"])
    assert len(invoice["invoice-lines"]) == lines
    assert Decimal(invoice["total-with-taxes"]) == Decimal(entry["AmountFC"])


async def test_texts_over_coupas_limits_are_cut_and_keys_over_them_are_blocked(company: Company) -> None:
    wordy = await company.exact("create_purchase_order", **_order({"Description": "very " * 100 + "long"}))
    numbered = await company.exact("create_purchase_entry", **_entry(YourRef="N" * 60))
    named = await company.exact("create_supplier", Name="S" * 120, Country="NL", VATNumber="NL001234599B01")
    await company.until(wordy["PurchaseOrderID"], "synced")
    (mirrored,) = await company.in_coupa("purchase_orders", wordy["PurchaseOrderID"])
    (line,) = mirrored["order-lines"]
    assert len(line["description"]) == 255
    assert line["description"].endswith("…")
    for native_id in (numbered["EntryID"], named["ID"]):
        row = await company.until(native_id, "blocked")
        assert [reason["code"] for reason in row["reasons"]] == ["key-too-long"]


ANSWERS: dict[str, dict[str, Any]] = {
    "HTML": {"action": "respond", "status": 200, "body": "<html>busy</html>", "content_type": "text/html"},
    "truncated JSON": {"action": "truncate"},
    "a wrong type": {"action": "respond", "status": 200, "body": '{"d":"no"}', "content_type": "application/json"},
    "200 with an error": {
        "action": "respond",
        "status": 200,
        "body": '{"error":{"code":"","message":{"lang":"","value":"A problem has occurred"}}}',
        "content_type": "application/json",
    },
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_an_answer_that_is_none_is_named_while_other_documents_go_on_and_nothing_is_lost(
    company: Company, kind: str
) -> None:
    """As long as it lasts, every read of entries is answered so."""
    await company.on.sandboxes["exact"].fault(path="/purchaseentry/PurchaseEntries$", times=None, **ANSWERS[kind])
    try:
        entry = await company.exact("create_purchase_entry", **_entry(YourRef=kind))
        order = await company.exact("create_purchase_order", **_order())
        await company.until(order["PurchaseOrderID"], "synced")
        named = {}
        while entry["EntryID"] not in named:
            named = await company.unread()
            await asyncio.sleep(0.2)
        assert "PurchaseEntries" in named[entry["EntryID"]]
        assert await company.row(entry["EntryID"]) is None
    finally:
        await company.on.sandboxes["exact"].mend()
    await company.until(entry["EntryID"], "synced")
    assert entry["EntryID"] not in await company.unread()


async def _writes(company: Company) -> int:
    calls = await company.on.sandboxes["coupa"].calls()
    return sum(call["method"] != "GET" and call["path"].startswith("/api/") for call in calls)
