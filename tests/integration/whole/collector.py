"""A receiver of spans: OTLP over HTTP, as an observability back end takes it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    trace: str
    parent: str
    id: str
    links: Sequence[str]
    """Ids of the traces it is linked to."""
    attributes: dict[str, str]


@dataclass
class Collector:
    address: str
    spans: list[Span] = field(default_factory=list)

    def until(self, wanted: Callable[[Sequence[Span]], bool], within_s: float = 20.0) -> Sequence[Span]:
        """All spans, once they are as wanted, or after the time-out."""
        give_up_at_s = time.monotonic() + within_s
        while not wanted(self.spans) and time.monotonic() < give_up_at_s:
            time.sleep(0.1)
        return list(self.spans)


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            zipped = self.headers.get("content-encoding") == "gzip"
            request = ExportTraceServiceRequest.FromString(decompress(body) if zipped else body)
            collector.spans += _spans(request)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Not of interest."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service,
                    span.name,
                    span.trace_id.hex(),
                    span.parent_span_id.hex(),
                    span.span_id.hex(),
                    [link.trace_id.hex() for link in span.links],
                    {a.key: a.value.string_value or str(a.value.int_value) for a in span.attributes},
                )
