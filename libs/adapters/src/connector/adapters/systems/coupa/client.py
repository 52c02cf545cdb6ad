"""Coupa's Core API: queries, pages, writes, and what its answers mean.

Rows leave here with Coupa's hyphenated names. Decimals are text on the wire; one that came as a number is a Decimal.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
Fields = Sequence[Any]
"""Names, and {association: [names]} for what lies below: what Coupa shall answer."""

PAGE = 50
"""Coupa: the most rows a page holds."""
KEYS_PER_QUERY = 50


class CoupaClient:
    """One Coupa instance, every call through the gate."""

    def __init__(self, settings: Settings, connection: ConnectionId, gate: Gate, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._calls = Caller(connection, gate, http, settings.call_deadline_s, self._headers)

    async def rows(self, resource: str, where: Mapping[str, str], fields: Fields, traffic: TrafficClass) -> list[Row]:
        """All rows that match, by rising id. Raises GateError or VendorError."""
        found: list[Row] = []
        query = {**where, "fields": shape(fields), "order_by": "id", "dir": "asc", "limit": str(PAGE)}
        while True:
            page = await self._page(resource, query, traffic)
            found += page
            if len(page) < PAGE:
                return found
            query["id[gt]"] = str(page[-1]["id"])

    async def _page(self, resource: str, query: Mapping[str, str], traffic: TrafficClass) -> list[Row]:
        try:
            answer = await self.send("GET", resource, traffic, query)
        except UnknownOutcome as error:
            raise VendorUnavailable(error.message, status=error.status) from error  # a read changes nothing
        return _list(answer, resource)

    async def rows_of(
        self,
        resource: str,
        attribute: str,
        values: Iterable[str],
        fields: Fields,
        traffic: TrafficClass,
        where: Mapping[str, str] | None = None,
    ) -> list[Row]:
        """Rows whose attribute is one of the values, many asked for at once."""
        found: list[Row] = []
        for condition in any_of(attribute, values):
            found += await self.rows(resource, {**(where or {}), **condition}, fields, traffic)
        return found

    async def write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        fields: Fields,
        traffic: TrafficClass,
        *,
        query: Mapping[str, str] | None = None,
        before_send: BeforeSend | None = None,
        flow: FlowId | None = None,
    ) -> Row | None:
        """Send one write; the object as Coupa then shows it, None where the answer has no body.

        Raises GateError or VendorError; UnknownOutcome for an answer that may or may not be Coupa's.
        """
        asked = {**(query or {}), "fields": shape(fields)}
        answer = await self.send(
            method, path, traffic, asked, body, before_send=before_send, flow=flow.flow if flow else ""
        )
        if not answer.body.strip():
            return None
        try:
            shown = answer.json()
        except VendorUnavailable as error:
            raise UnknownOutcome(error.message, status=answer.status) from error
        if not isinstance(shown, dict) or "id" not in shown:
            raise UnknownOutcome(f"{answer.url} answered {answer.status} without an object", status=answer.status)
        return shown

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
            f"{self._settings.base_url}/api/{path}",
            traffic,
            endpoint=path.partition("/")[0],
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
        headers = {"accept": "application/json", "content-type": "application/json"}
        if self._settings.api_version:
            headers["x-coupa-api-version"] = self._settings.api_version
        return headers


def shape(fields: Fields) -> str:
    """The `fields` parameter: Coupa answers with full, deeply nested objects unless told otherwise."""
    return json.dumps(fields, separators=(",", ":"))


def any_of(attribute: str, values: Iterable[str]) -> Iterator[dict[str, str]]:
    """Conditions that together ask for every value. Coupa's lists are separated by commas, with no way to escape one:
    a value that has one is asked for by itself."""
    distinct = sorted(set(values))
    plain = [value for value in distinct if "," not in value]
    for start in range(0, len(plain), KEYS_PER_QUERY):
        yield {f"{attribute}[in]": ",".join(plain[start : start + KEYS_PER_QUERY])}
    for value in distinct:
        if "," in value:
            yield {attribute: value}


def _list(answer: VendorAnswer, resource: str) -> list[Row]:
    body = answer.json()
    if isinstance(body, list) and all(isinstance(row, dict) and "id" in row for row in body):
        return body
    raise VendorUnavailable(f"{answer.url} answered no list of {resource}", status=answer.status)
