"""Exact's REST interface: queries, pages, envelopes, and values as they are meant.

Exact answers in OData v2 style JSON: rows under `d` (a list, `d.results`, or one object), instants as `/Date(ms)/`,
codes padded to fixed widths, fractions as numbers. Rows leave here with Exact's field names and plain values: fractions
as text exactly as on the wire, instants as naive ISO text in Exact's own wall-clock time (Amsterdam), codes stripped,
expanded collections as lists.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from connector.adapters.http import Caller, VendorAnswer
from connector.adapters.http.client import BeforeSend
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.gate import Gate
from connector.domain.printable import printable
from connector.domain.vendor_error import UnknownOutcome, VendorUnavailable

from .errors import classify, functional_class, message_in
from .settings import Settings

Row = dict[str, Any]

KEYS_PER_FILTER = 40
"""Exact: 60 to 80 GUID conditions fit into a URL; 40 leave room for the selection."""
URL_LIMIT = 6000
"""Exact: characters of a URL, encoded."""
NOTHING_DONE = (429, 503)
"""Answers to a write which say that it was not carried out; any other outage may hide that it was."""
_QUERY_SAFE = "$',()/:=*"
_NUMBER_MARK = "\ue000number:"  # a private character: no text of a document has it
_NUMBER = re.compile(f'"{_NUMBER_MARK}(\\d+)"')
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - Exact's milliseconds are wall-clock time dressed as an epoch
_PADDED = frozenset(
    """
    Code SupplierCode AccountCode ItemCode SupplierItemCode ProjectCode WarehouseCode SearchCode Country Language
    VATCode PurchaseVATCode SalesVatCode Unit PurchaseUnit CostCenter CostUnit CostCenterCode CostUnitCode
    PaymentCondition PaymentConditionPurchase Journal JournalCode Currency PurchaseCurrency
    GLAccountCode GLCostsCode GLStockCode
    """.split()  # noqa: SIM905 - a list of names reads better without quotes
)
"""Fixed-width strings: Account Code is padded to 18 on the left, VAT codes to 3 and units to 8 on the right."""


class GarbledRow(VendorUnavailable):
    """An answer that is one, but for a value in a row of it: asked for alone, each other row can be read."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask of one endpoint. `select` is always sent: Exact discourages `*` and refuses it on some feeds."""

    endpoint: str
    select: Sequence[str]
    where: str | None = None
    expand: Sequence[str] = ()
    top: int | None = None

    def text(self) -> str:
        options = [f"$select={','.join(self.select)}"]
        if self.where:
            options.append(f"$filter={self.where}")
        if self.expand:
            options.append(f"$expand={','.join(self.expand)}")
        if self.top is not None:
            options.append(f"$top={self.top}")
        return "&".join(quote(option, safe=_QUERY_SAFE) for option in options)


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row]
    next_url: str | None


def guid(value: str) -> str:
    return f"guid'{value}'"


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def moment(naive_iso: str) -> str:
    """A naive wall-clock time as Exact's filters take it, to the second."""
    return f"datetime'{naive_iso[:19]}'"


def any_of(field: str, literals: Iterable[str]) -> str:
    return " or ".join(f"{field} eq {literal}" for literal in literals)


class ExactClient:
    """One division of one Exact site, every call through the gate."""

    def __init__(self, settings: Settings, connection: ConnectionId, gate: Gate, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._calls = Caller(connection, gate, http, settings.call_deadline_s, _headers)
        self._root = f"{settings.base_url}/api/v1/{settings.division}"

    async def rows(self, query: Query, traffic: TrafficClass) -> list[Row]:
        """All rows of a query, page after page. Raises GateError or VendorError."""
        page = await self.page(query, traffic)
        rows = page.rows
        while page.next_url is not None:
            page = await self.next_page(query, page.next_url, traffic)
            rows.extend(page.rows)
        return rows

    async def rows_of(
        self, query: Query, field: str, literals: Sequence[str], traffic: TrafficClass, *, extra: str = ""
    ) -> list[Row]:
        """Rows whose `field` is one of `literals`, in as few calls as URLs allow. `extra` is joined by `and`."""
        rows: list[Row] = []
        for chunk in self.chunks(query, field, literals, extra):
            rows.extend(await self.rows(chunk, traffic))
        return rows

    def chunks(self, query: Query, field: str, literals: Sequence[str], extra: str = "") -> Iterable[Query]:
        """The queries it takes to ask for all of `literals`, none of them too long for a URL."""
        size = KEYS_PER_FILTER
        start = 0
        while start < len(literals):
            where = any_of(field, literals[start : start + size])
            chunk = replace(query, where=f"{extra} and ({where})" if extra else where)
            if size > 1 and len(self.url(chunk)) > URL_LIMIT:
                size //= 2
                continue
            start += size
            yield chunk

    def url(self, query: Query) -> str:
        return f"{self._root}/{query.endpoint}?{query.text()}"

    async def page(self, query: Query, traffic: TrafficClass) -> Page:
        return await self._page(query.endpoint, self.url(query), traffic)

    async def next_page(self, query: Query, next_url: str, traffic: TrafficClass) -> Page:
        """Exact: follow `__next` verbatim; but never to another host, whatever an answer says."""
        if urlsplit(next_url)[:2] != urlsplit(self._root)[:2]:
            raise VendorUnavailable(f"{query.endpoint}: the next page is on another host ({urlsplit(next_url).netloc})")
        return await self._page(query.endpoint, next_url, traffic)

    async def _page(self, endpoint: str, url: str, traffic: TrafficClass) -> Page:
        return _unwrap(await self.send("GET", endpoint, url, traffic))

    async def create(self, endpoint: str, body: Mapping[str, Any], traffic: TrafficClass) -> Row:
        """POST one row and give it back as Exact stored it."""
        answer = await self.send("POST", endpoint, f"{self._root}/{endpoint}", traffic, body)
        rows = _unwrap(answer).rows
        return rows[0] if rows else {}

    async def delete(self, endpoint: str, key: str, traffic: TrafficClass) -> None:
        await self.send("DELETE", endpoint, f"{self._root}/{endpoint}({guid(key)})", traffic)

    async def write(
        self,
        method: str,
        endpoint: str,
        key: str | None,
        body: Mapping[str, Any] | None,
        traffic: TrafficClass,
        *,
        before_send: BeforeSend,
        flow: str,
    ) -> Row:
        """One write of a document, announced right before it leaves; the row as the answer shows it, empty where it
        shows none (Exact: PUT and DELETE). Raises UnknownOutcome for an answer that may or may not be Exact's own."""
        url = f"{self._root}/{endpoint}" + ("" if key is None else f"({guid(key)})")
        try:
            answer = await self.send(method, endpoint, url, traffic, body, before_send=before_send, flow=flow)
            if not answer.body.strip():
                return {}
            rows = _unwrap(answer).rows
        except VendorUnavailable as error:
            if error.status is None or error.status in NOTHING_DONE:
                raise
            raise UnknownOutcome(error.message, status=error.status, request_id=error.request_id) from error
        return rows[0] if rows else {}

    async def me(self, traffic: TrafficClass) -> Row:
        """Who the token belongs to. Exact does not count this call."""
        query = Query("current/Me", ("UserID", "UserName", "CurrentDivision", "ServerUtcOffset"))
        answer = await self.send(
            "GET", query.endpoint, f"{self._settings.base_url}/api/v1/current/Me?{query.text()}", traffic
        )
        return _unwrap(answer).rows[0]

    async def has_rights(self, endpoint: str, traffic: TrafficClass, *, action: str = "GET") -> bool:
        """Exact's own answer whether this user may read an endpoint (without the right lists are silently empty), or
        use another method of it."""
        resource = "users/UserHasRights"
        asked = quote(f"endpoint={text(endpoint)}&action={text(action)}", safe=_QUERY_SAFE + "&")
        answer = await self.send("GET", resource, f"{self._root}/{resource}?{asked}", traffic)
        return _says_true(_parse(answer))

    async def send(
        self,
        method: str,
        endpoint: str,
        url: str,
        traffic: TrafficClass,
        body: Mapping[str, Any] | None = None,
        *,
        before_send: BeforeSend | None = None,
        flow: str = "",
    ) -> VendorAnswer:
        """One request through the gate, a refused token tried once more. Raises GateError or VendorError."""
        typed = {} if body is None else {"Content-Type": "application/json", "Prefer": "return=representation"}
        answer = await self._calls.send(
            method,
            url,
            traffic,
            endpoint=endpoint,
            flow=flow,
            headers=typed,
            content=None if body is None else dumped(body),
            before_send=before_send,
        )
        error = classify(answer)
        if error is not None:
            raise error
        return answer


def _headers() -> Mapping[str, str]:
    return {"Accept": "application/json"}


def dumped(body: Mapping[str, Any]) -> bytes:
    """JSON with decimals as numbers of the same digits: a float would not keep them."""
    numbers: list[str] = []

    def number(value: object) -> str:
        if not isinstance(value, Decimal):
            raise TypeError(f"{type(value).__name__} is no JSON")
        numbers.append(f"{value:f}")
        return f"{_NUMBER_MARK}{len(numbers) - 1}"

    text = json.dumps(body, default=number, ensure_ascii=False)
    return _NUMBER.sub(lambda found: numbers[int(found[1])], text).encode()


def _parse(answer: VendorAnswer) -> Any:
    body = answer.json()
    words = message_in(body)
    if words:
        raise functional_class(words)(
            f"{answer.url} answered {answer.status} with an error: {words}", status=answer.status
        )
    return body


def _unwrap(answer: VendorAnswer) -> Page:
    """Exact: a list is `d.results`, or with $top a bare array under `d`; one row by key or by POST is `d` itself."""
    body = _parse(answer)
    data = body.get("d") if isinstance(body, dict) else None
    if isinstance(data, list):
        return Page(_rows(answer, data), None)
    if isinstance(data, dict) and "results" in data:
        following = data.get("__next")
        return Page(_rows(answer, data["results"]), following if isinstance(following, str) else None)
    if isinstance(data, dict):
        return Page(_rows(answer, [data]), None)
    raise VendorUnavailable(f"{answer.url} answered {answer.status} without rows under 'd'", status=answer.status)


def _rows(answer: VendorAnswer, data: object) -> list[Row]:
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise VendorUnavailable(f"{answer.url} answered rows that are no objects", status=answer.status)
    try:
        return [plain(row) for row in data]
    except (ValueError, OverflowError, AttributeError) as error:
        raise GarbledRow(f"{answer.url} answered a value of a wrong type: {error}", status=answer.status) from error


def plain(row: Mapping[str, Any]) -> Row:
    """One row without its envelope; see the module for what becomes of values. Unexpanded collections are left out."""
    out: Row = {}
    for name, value in row.items():
        if type(value) is str:
            out[name] = _text(name, value)
        elif type(value) is Decimal:
            out[name] = str(value)
        elif type(value) is dict:
            if isinstance(value.get("results"), list):
                out[name] = [plain(item) for item in value["results"]]
        elif type(value) is list:
            out[name] = [plain(item) for item in value]
        else:
            out[name] = value
    return out


def _text(name: str, value: str) -> str:
    if value.startswith("/Date(") and value.endswith(")/"):
        return (_EPOCH + timedelta(milliseconds=int(value[6:-2]))).isoformat()
    return printable(value.strip()) if name in _PADDED else value


def _says_true(body: Any) -> bool:
    """UserHasRights has no documented envelope: the one boolean in it counts."""
    if isinstance(body, bool):
        return body
    if isinstance(body, dict):
        return any(_says_true(value) for value in body.values())
    if isinstance(body, list):
        return any(_says_true(value) for value in body)
    return False
