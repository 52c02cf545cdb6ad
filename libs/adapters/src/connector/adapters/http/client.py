"""One HTTP request to a vendor: a deadline, a size cap, exact numbers, and the truth about whether it was sent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import jiter
from httpx_aiohttp import AiohttpTransport

from connector.adapters.http.redaction import redact_url
from connector.adapters.telemetry.tracing import vendor_span
from connector.domain.vendor_error import UnknownOutcome, VendorError, VendorNotReached, VendorUnavailable

BODY_CAP_BYTES = 40 * 1024 * 1024
"""Above the largest answer a vendor promises (Exact: 38 MB)."""
HEADER_CAP_BYTES = 64 * 1024
"""A header Link repeats a request's address up to four times, and filters make addresses of kilobytes."""
_KEEP_ALIVE_S = 3.0  # below the 5 s after which common servers close: a request on a closing connection is lost

BeforeSend = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class _Departure:
    """Whether the current request has left; `before_send` runs on the open connection right before it does."""

    before_send: BeforeSend | None = None
    sent: bool = False


_departure: ContextVar[_Departure | None] = ContextVar("departure", default=None)


@dataclass(frozen=True, slots=True)
class VendorAnswer:
    """Status, headers (case-insensitive) and the whole body. `url` is fit for logs."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str

    def json(self) -> Any:
        """The body as JSON, fractions as Decimal and never float; raises VendorUnavailable where it is none."""
        try:
            return jiter.from_json(self.body, float_mode="decimal")
        except ValueError as error:
            kind = self.headers.get("content-type", "no content type")
            raise VendorUnavailable(
                f"{self.url} answered {self.status} with {kind} of {len(self.body)} bytes that is not JSON",
                status=self.status,
            ) from error

    def text(self, limit: int = 500) -> str:
        return self.body[: limit * 4].decode("utf-8", "replace")[:limit]


async def _on_headers_sent(_: object, __: SimpleNamespace, ___: object) -> None:
    departure = _departure.get()
    if departure is None:
        return
    if departure.before_send is not None:
        await departure.before_send()
    departure.sent = True


def _session(limit: int) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_on_headers_sent)  # aiohttp calls it before it writes the first byte
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=_KEEP_ALIVE_S),
        trace_configs=[trace],
        cookie_jar=aiohttp.DummyCookieJar(),
        max_field_size=HEADER_CAP_BYTES,
        skip_auto_headers=("User-Agent",),
    )
    session._retry_connection = False  # else aiohttp repeats a PUT or DELETE by itself, behind our back
    return session


@asynccontextmanager
async def vendor_http(*, max_connections: int = 64) -> AsyncIterator[httpx.AsyncClient]:
    """An httpx client on the aiohttp transport: no redirects, no proxies from the environment, no cookies kept."""
    transport = AiohttpTransport(client=lambda: _session(max_connections))
    async with httpx.AsyncClient(
        transport=transport, follow_redirects=False, trust_env=False, headers={"user-agent": "ml-connector"}
    ) as client:
        yield client


async def request(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    content: bytes | None = None,
    deadline_s: float = 30.0,
    body_cap_bytes: int = BODY_CAP_BYTES,
    before_send: BeforeSend | None = None,
) -> VendorAnswer:
    """Send one request and read its whole answer within `deadline_s`, connecting included.

    `before_send` runs when the connection is open and nothing is written yet; what it raises goes to the caller and the
    request does not leave. Raises VendorNotReached where nothing left, UnknownOutcome where it left and no whole answer
    came (a reader treats that as transient), VendorUnavailable for an answer above `body_cap_bytes`.
    """
    departure = _Departure(before_send)
    token = _departure.set(departure)
    shown = redact_url(url)
    with vendor_span(method, shown) as span:
        try:
            async with asyncio.timeout(deadline_s):
                answer = await _exchange(
                    client, httpx.Request(method, url, headers=headers, params=params, data=form, content=content),
                    shown, deadline_s, body_cap_bytes,
                )  # fmt: skip
        except TimeoutError as error:
            raise _lost(departure, f"{method} {shown}: no answer within {deadline_s:g} s") from error
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            cause = error.__cause__ or error  # httpx's own name for it may be that of another failure
            raise _lost(departure, f"{method} {shown}: {type(cause).__name__}") from error
        finally:
            _departure.reset(token)
        span.set_attribute("http.response.status_code", answer.status)
        return answer


def _lost(departure: _Departure, message: str) -> VendorError:
    return UnknownOutcome(message) if departure.sent else VendorNotReached(message)


async def _exchange(
    client: httpx.AsyncClient, message: httpx.Request, shown: str, deadline_s: float, body_cap_bytes: int
) -> VendorAnswer:
    message.headers.update({name: value for name, value in client.headers.items() if name not in message.headers})
    message.extensions = {"timeout": httpx.Timeout(deadline_s).as_dict()}
    answer = await client.send(message, stream=True)
    try:
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > body_cap_bytes:
                raise VendorUnavailable(
                    f"{shown} answered more than {body_cap_bytes} bytes: ask for less at once",
                    status=answer.status_code,
                )
        return VendorAnswer(answer.status_code, answer.headers, bytes(body), shown)
    finally:
        await answer.aclose()
