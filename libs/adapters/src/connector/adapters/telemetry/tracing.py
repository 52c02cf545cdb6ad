"""Traces from webhook to target write: the W3C context rides in the `traceparent` header of every message."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from connector.domain.ports.log import Record

_CONTEXT = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("connector")
_LINKS_AT_MOST = 128


@contextmanager
def tracing(service: str) -> Iterator[None]:
    """Export spans for the time of the context, where `OTEL_EXPORTER_OTLP_ENDPOINT` says to whom; else record none."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        yield
        return
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def traceparent() -> str | None:
    """The current span's context as a `traceparent`, None outside of a recorded trace."""
    carrier: dict[str, str] = {}
    _CONTEXT.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, *, parent: str | None = None, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[trace.Span]:
    """A span; `parent` is the traceparent it continues, None for the current one."""
    context = None if parent is None else _CONTEXT.extract({"traceparent": parent})
    with _TRACER.start_as_current_span(name, context=context, kind=kind) as current:
        yield current


@contextmanager
def batch_span(group: str, records: Sequence[Record]) -> Iterator[trace.Span]:
    """A span over a batch, linked to the traces of its records (messaging conventions: operation `process`)."""
    topic = records[0].topic if records else ""
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": group,
        "messaging.batch.message_count": len(records),
        "messaging.destination.name": topic,
    }
    with _TRACER.start_as_current_span(
        f"process {topic}",
        kind=SpanKind.CONSUMER,
        attributes=attributes,
        links=_links(records) if _recording() else (),
    ) as current:
        yield current


@contextmanager
def vendor_span(method: str, url: str) -> Iterator[trace.Span]:
    """A span over one request to a vendor (HTTP conventions); `url` is fit to be shown.

    Of what fails it shows the kind only: an exception's words and its causes may hold what the vendor was sent.
    """
    attributes = {"http.request.method": method, "url.full": url, "server.address": urlsplit(url).hostname or ""}
    with _TRACER.start_as_current_span(
        method, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(StatusCode.ERROR)
            raise


def _links(records: Sequence[Record]) -> list[Link]:
    parents = dict.fromkeys(record.header("traceparent") for record in records)
    contexts = [_CONTEXT.extract({"traceparent": parent}) for parent in parents if parent is not None]
    spans = [trace.get_current_span(context).get_span_context() for context in contexts[:_LINKS_AT_MOST]]
    return [Link(found) for found in spans if found.is_valid]


def _recording() -> bool:
    return isinstance(trace.get_tracer_provider(), TracerProvider)
