"""Traces from webhook to target write: the W3C context rides in the `traceparent` header of every message."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from connector.domain.ports.log import Record

_CONTEXT = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("connector")
_LINKS_AT_MOST = 128
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_on = False


@contextmanager
def tracing(service: str) -> Iterator[None]:
    """Export spans for the time of the context, where `OTEL_EXPORTER_OTLP_ENDPOINT` says to whom; else record none."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    global _on  # asked for each webhook: the library's own answer looks at the environment
    _on = True
    try:
        yield
    finally:
        _on = False
        provider.shutdown()


def recording() -> bool:
    """Whether this process records spans."""
    return _on


def traceparent() -> str | None:
    """The current span's context as a `traceparent`, None outside of a recorded trace."""
    if not _on:
        return None
    carrier: dict[str, str] = {}
    _CONTEXT.inject(carrier)
    return carrier.get("traceparent")


def begun_trace(sent: str | None) -> str | None:
    """The `traceparent` that somebody else sent, where it is one: anything else would travel on to all services."""
    return sent if sent is not None and _TRACEPARENT.fullmatch(sent) else None


@contextmanager
def webhook_span(system: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    """A span over one delivery with these headers: where a trace of ours begins, unless the sender began one."""
    sent = next((value.decode("latin-1") for name, value in headers if name == b"traceparent"), None)
    attributes = {"http.request.method": "POST", "http.route": "/webhooks/{endpoint}", "connector.system": system}
    with _TRACER.start_as_current_span(
        f"webhook {system}", context=_context(begun_trace(sent)), kind=SpanKind.SERVER, attributes=attributes
    ):
        yield


@contextmanager
def traced(name: str, traceparents: Sequence[str | None]) -> Iterator[None]:
    """See the port `Traced`."""
    if not _on:
        yield
        return
    parents = [parent for parent in dict.fromkeys(traceparents) if parent is not None]
    with _TRACER.start_as_current_span(name, context=_only(parents), links=_links(parents)):
        yield


@contextmanager
def batch_span(group: str, records: Sequence[Record]) -> Iterator[None]:
    """A span over a batch: a part of its records' trace where they are of one, linked to each where they are of several
    (messaging conventions: operation `process`)."""
    if not _on:
        yield
        return
    topic = records[0].topic if records else ""
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": group,
        "messaging.batch.message_count": len(records),
        "messaging.destination.name": topic,
    }
    found = dict.fromkeys(record.header("traceparent") for record in records)
    parents = [parent for parent in found if parent is not None]
    with _TRACER.start_as_current_span(
        f"process {topic}",
        context=_only(parents),
        kind=SpanKind.CONSUMER,
        attributes=attributes,
        links=_links(parents),
    ):
        yield


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


def _context(traceparent: str | None) -> Context | None:
    """What a span of this trace is begun in; None for the present one."""
    return None if traceparent is None else _CONTEXT.extract({"traceparent": traceparent})


def _only(parents: Sequence[str]) -> Context | None:
    """The context of the one trace there is; the present one where they are several, or where we are in it already."""
    if len(parents) != 1:
        return None
    context = _context(parents[0])
    wanted = trace.get_current_span(context).get_span_context()
    return None if wanted.trace_id == trace.get_current_span().get_span_context().trace_id else context


def _links(parents: Sequence[str]) -> list[Link]:
    """To each of several traces, as many as a span may have."""
    if len(parents) < 2:
        return []
    contexts = [trace.get_current_span(_context(parent)).get_span_context() for parent in parents[:_LINKS_AT_MOST]]
    return [Link(found) for found in contexts if found.is_valid]
