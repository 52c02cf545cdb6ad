"""Exact Online to Coupa through every service: one trace, replays, long documents, and answers that are none."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.integration.whole.collector import Collector, Span
from tests.integration.whole.conftest import SUPPLIER, Company

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.ci]


async def test_from_a_webhook_to_coupas_answer_all_spans_are_of_one_trace(
    company: Company, collector: Collector
) -> None:
    supplier = await company.exact("create_supplier", Name="Spoor BV", Country="NL", VATNumber="NL001234567B01")
    await company.until(supplier["ID"], "synced")
    spans = await asyncio.to_thread(collector.until, lambda spans: _written_for_a_webhook(spans) is not None)
    written = _written_for_a_webhook(spans)
    assert written is not None, "no write is of a webhook's trace"
    trace = [span for span in spans if span.trace == written.trace]
    told = {(span.service, span.name) for span in trace}
    assert {
        ("ingest", "webhook exact"),
        ("exact-fetcher", "process webhooks.exact"),
        ("exact-fetcher", f"read {SUPPLIER}"),
        ("exact-fetcher", "GET"),
        ("mapper", "process documents.exact"),
        ("coupa-writer", f"process canonical.{SUPPLIER}.v1"),
        ("coupa-writer", "dispatch"),
        ("coupa-writer", "POST"),
    } <= told, told
    assert [span.name for span in trace if not span.parent] == ["webhook exact"]


def _written_for_a_webhook(spans: Sequence[Span]) -> Span | None:
    """The request to Coupa that is of a webhook's trace."""
    begun = {span.trace for span in spans if span.name == "webhook exact"}
    writes = (s for s in spans if (s.service, s.name) == ("coupa-writer", "POST") and s.trace in begun)
    return next((span for span in writes if "/api/suppliers" in span.attributes["url.full"]), None)
