"""Procore's REST API: pages, filters, syncs, and what its answers mean. Every call goes through the gate."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import httpx

from connector.adapters.http import Caller, VendorAnswer
from connector.adapters.http.client import BeforeSend
from connector.domain.identity import ConnectionId, FlowId, TrafficClass
from connector.domain.ports.gate import Gate
from connector.domain.vendor_error import UnknownOutcome, VendorUnavailable

from .errors import classify
from .settings import Settings

Row = dict[str, Any]

PAGE = 1000
"""Rows a page of v1 lists; Procore recommends no more than 2,000."""
KEYS_BYTES = 2400
"""How much of an address the values of one filter may take. Common servers refuse addresses above 8 KB, and proxies
headers of that size: the header Link repeats the address for the first, previous, next and last page."""


class ProcoreClient:
    """One Procore company."""

    def __init__(self, settings: Settings, connection: ConnectionId, gate: Gate, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._calls = Caller(connection, gate, http, settings.call_deadline_s, self._headers)

    @property
    def company_id(self) -> int:
        return self._settings.company_id

    @property
    def lost_for_s(self) -> float:
        """How long after its beginning a write whose answer was lost may still be carried out."""
        return self._settings.call_deadline_s + self._settings.processing_s

    async def rows(
        self, path: str, query: Mapping[str, str], traffic: TrafficClass, *, page_size: int = PAGE
    ) -> list[Row]:
        """All rows of a list that match. Raises GateError or VendorError."""
        return [row async for page in self.pages(path, query, traffic, page_size) for row in page]

    async def pages(
        self, path: str, query: Mapping[str, str], traffic: TrafficClass, page_size: int = PAGE
    ) -> AsyncIterator[list[Row]]:
        """Page by page: the header Link names a next one as long as there is one."""
        number = 1
        while True:
            asked = {**query, "page": str(number), "per_page": str(page_size)}
            answer = await self.send("GET", path, traffic, asked)
            body = answer.json()
            if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
                raise VendorUnavailable(f"{answer.url} answered no list", status=answer.status)
            yield body
            if 'rel="next"' not in answer.headers.get("link", ""):
                return
            number += 1

    async def rows_of(
        self, path: str, field: str, values: Iterable[str], query: Mapping[str, str], traffic: TrafficClass
    ) -> list[Row]:
        """Rows whose field is one of the values, many asked for at once.

        Procore may ignore a filter that an endpoint does not know, so callers compare the field themselves.
        """
        found: list[Row] = []
        for listed in _lists(values):
            found += await self.rows(path, {**query, f"filters[{field}]": listed}, traffic)
        return found

    async def one(self, path: str, query: Mapping[str, str], traffic: TrafficClass) -> Row:
        answer = await self.send("GET", path, traffic, query)
        body = answer.json()
        if not isinstance(body, dict):
            raise VendorUnavailable(f"{answer.url} answered no object", status=answer.status)
        return body

    async def write(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        traffic: TrafficClass,
        flow: FlowId,
        before_send: BeforeSend | None,
    ) -> tuple[Row, VendorAnswer]:
        """Send one write; the answer's object ({} where it has no body), and the answer.

        Raises GateError or VendorError; UnknownOutcome for an answer that may or may not be Procore's.
        """
        answer = await self.send(method, path, traffic, query, body, before_send=before_send, flow=flow.flow)
        if not answer.body.strip():
            return {}, answer
        try:
            shown = answer.json()
        except VendorUnavailable as error:
            raise UnknownOutcome(error.message, status=answer.status) from error
        if not isinstance(shown, dict):
            raise UnknownOutcome(f"{answer.url} answered {answer.status} without an object", status=answer.status)
        return shown, answer

    async def send(
        self,
        method: str,
        path: str,
        traffic: TrafficClass,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        before_send: BeforeSend | None = None,
        flow: str = "",
    ) -> VendorAnswer:
        """One request through the gate, a refused token tried once more. Raises GateError or VendorError."""
        answer = await self._calls.send(
            method,
            f"{self._settings.api_url}/rest/{path}",
            traffic,
            endpoint=_endpoint(path),
            flow=flow,
            params=query,
            content=None if body is None else json.dumps(body).encode(),
            before_send=before_send,
        )
        error = classify(answer, write=method != "GET")
        if error is not None:
            raise error
        return answer

    def _headers(self) -> Mapping[str, str]:
        return {
            "accept": "application/json",
            "content-type": "application/json",
            "procore-company-id": str(self._settings.company_id),
        }


def _endpoint(path: str) -> str:
    """The resource without ids: what the gate counts by."""
    return "/".join(part for part in path.split("/") if not part.isdigit())


def _lists(values: Iterable[str]) -> Iterator[str]:
    """`[a,b,c]`, as many values each as fit into an address."""
    batch: list[str] = []
    size = 0
    for value in sorted(set(values)):
        if batch and size + len(value) > KEYS_BYTES:
            yield f"[{','.join(batch)}]"
            batch, size = [], 0
        batch.append(value)
        size += len(value) + 3
    if batch:
        yield f"[{','.join(batch)}]"


def by_id(rows: Sequence[Row]) -> dict[str, Row]:
    return {str(row["id"]): row for row in rows}
