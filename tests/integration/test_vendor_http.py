"""One request to a vendor over a real socket: what was sent, what was not, and what is shown of it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from connector.adapters.http import redact_url, request, vendor_http
from connector.adapters.telemetry import tracing
from connector.domain.vendor_error import UnknownOutcome, VendorNotReached, VendorUnavailable


class Vendor:
    """A socket that answers with given bytes, or resets once it has read a request."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answer: bytes | None = b""
        self.delay_s = 0.0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:
            writer.close()
            return
        await asyncio.sleep(self.delay_s)
        if self.answer is not None:
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(self.answer)}\r\n\r\n"
            writer.write(head.encode() + self.answer)
        writer.close()


@pytest.fixture
async def vendor() -> AsyncIterator[tuple[Vendor, str]]:
    behaviour = Vendor()
    server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
    async with server:
        yield behaviour, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with vendor_http() as client:
        yield client


async def test_amounts_keep_the_digits_of_the_wire(vendor: tuple[Vendor, str], client: httpx.AsyncClient) -> None:
    behaviour, url = vendor
    behaviour.answer = b'{"AmountFC": 1234567890123456.10}'
    assert (await request(client, "GET", url)).json() == {"AmountFC": Decimal("1234567890123456.10")}


async def test_a_reset_after_the_request_left_is_an_unknown_outcome_and_not_repeated(
    vendor: tuple[Vendor, str], client: httpx.AsyncClient
) -> None:
    behaviour, url = vendor
    behaviour.answer = None
    for method in ("GET", "PUT", "POST"):
        behaviour.requests.clear()
        with pytest.raises(UnknownOutcome):
            await request(client, method, url, content=b"{}")
        assert len(behaviour.requests) == 1


async def test_a_refused_connection_says_that_nothing_left(client: httpx.AsyncClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(VendorNotReached):
            await request(client, "POST", f"http://127.0.0.1:{taken.getsockname()[1]}/", content=b"{}")


async def test_a_deadline_after_sending_is_unknown(vendor: tuple[Vendor, str], client: httpx.AsyncClient) -> None:
    behaviour, url = vendor
    behaviour.delay_s = 1.0
    with pytest.raises(UnknownOutcome, match=r"within 0\.5 s"):
        await request(client, "POST", url, content=b"{}", deadline_s=0.5)
    await asyncio.sleep(1.0)


async def test_what_before_send_raises_keeps_the_request_from_leaving(
    vendor: tuple[Vendor, str], client: httpx.AsyncClient
) -> None:
    behaviour, url = vendor

    async def too_late() -> None:
        raise RuntimeError("half of the time has passed")

    with pytest.raises(RuntimeError, match="half"):
        await request(client, "POST", url, content=b"{}", before_send=too_late)
    await asyncio.sleep(0.02)
    assert behaviour.requests == []


async def test_an_answer_above_the_cap_is_refused(vendor: tuple[Vendor, str], client: httpx.AsyncClient) -> None:
    behaviour, url = vendor
    behaviour.answer = b"x" * 2000
    with pytest.raises(VendorUnavailable, match="more than 1000 bytes"):
        await request(client, "GET", url, body_cap_bytes=1000)


def test_secrets_of_a_url_are_not_shown() -> None:
    shown = redact_url("https://user:pw@host/api?code=abc&$filter=Code eq '1'&client_secret=s3cr3t")
    assert "abc" not in shown
    assert "s3cr3t" not in shown
    assert "pw" not in shown
    assert "$filter=Code+eq+'1'" in shown


async def test_each_request_is_a_span_that_tells_how_it_ended_and_no_secret(
    vendor: tuple[Vendor, str], client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    monkeypatch.setattr(tracing, "_TRACER", provider.get_tracer("test"))
    behaviour, url = vendor
    behaviour.answer = b"{}"
    await request(client, "GET", f"{url}/orders?access_token=hunter2", headers={"authorization": "Bearer hunter2"})
    behaviour.answer = None
    with pytest.raises(UnknownOutcome):
        await request(client, "POST", f"{url}/orders", content=b"hunter2")
    answered, lost = exported.get_finished_spans()
    assert answered.attributes is not None
    assert answered.attributes["http.response.status_code"] == 200
    assert lost.attributes is not None
    assert lost.attributes["error.type"] == "UnknownOutcome"
    assert (answered.status.status_code, lost.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert not any("hunter2" in span.to_json() for span in (answered, lost))
