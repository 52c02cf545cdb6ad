"""Basware's API: lists with continuation tokens, documents by key, redirects, writes.

Rows leave here with Basware's field names; fractions are text exactly as on the wire; what is null is left out, since
Basware may leave it out as well.
"""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from connector.adapters.http import BODY_CAP_BYTES, Caller, VendorAnswer, request
from connector.adapters.http.client import BeforeSend
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.gate import Gate
from connector.domain.vendor_error import Rejected, VendorUnavailable

from .errors import classify
from .settings import Settings

Row = dict[str, Any]

TOKEN = "x-amz-meta-continuationtoken"  # noqa: S105 - a header's name
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row]
    following: str | None
    """The continuation token; None on the last page. A short page is not the last one."""


class LinkExpired(VendorUnavailable):
    """A download link is too old: ask for the document again."""


class TooLarge(Exception):
    """The document is larger than was asked for."""


class BaswareClient:
    """One tenant, every call through the gate; the second leg of a redirect is not Basware's API and needs none."""

    def __init__(self, settings: Settings, connection: ConnectionId, gate: Gate, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._calls = Caller(connection, gate, http, settings.call_deadline_s, _headers)

    async def pages(
        self, resource: str, query: Mapping[str, str], traffic: TrafficClass, following: str | None = None
    ) -> AsyncIterator[Page]:
        """Every page of a list. Basware: the token goes in a header, the same query goes with every page."""
        while True:
            page = await self.page(resource, query, traffic, following)
            yield page
            if page.following is None:
                return
            following = page.following

    async def page(
        self, resource: str, query: Mapping[str, str], traffic: TrafficClass, following: str | None = None
    ) -> Page:
        """One page of a list. Basware: 404 on a list means that it is empty."""
        headers = {} if following is None else {TOKEN: following}
        answers = await self._get(resource, f"/v1/{resource}", query, headers, traffic)
        last = answers[-1]
        if last.status == 404:
            return Page([], None)
        token = next((found for answer in reversed(answers) if (found := answer.headers.get(TOKEN))), None)
        return Page(_rows(last), token)

    async def one(self, resource: str, key: str, traffic: TrafficClass) -> Row | None:
        """A document by its key, None where Basware has none. It comes bare, or as a list of one."""
        answers = await self._get(resource, f"/v1/{resource}/{quote(key, safe='')}", {}, {}, traffic)
        if answers[-1].status == 404:
            return None
        rows = _rows(answers[-1])
        return rows[0] if rows else None

    async def binary(self, resource: str, path: str, cap_bytes: int, traffic: TrafficClass) -> bytes:
        """A file behind a download link; a link that is too old is asked for once more. Raises TooLarge."""
        for last_try in (False, True):
            try:
                answers = await self._get(resource, f"/v1/{path}", {}, {}, traffic, cap_bytes=cap_bytes)
            except LinkExpired:
                if last_try:
                    raise
                continue
            if answers[-1].status == 404:
                raise Rejected(f"{answers[-1].url} is not there", status=404)
            return answers[-1].body
        raise AssertionError("unreachable")

    async def post(
        self,
        resource: str,
        path: str,
        body: Any,
        traffic: TrafficClass,
        *,
        before_send: BeforeSend | None = None,
    ) -> VendorAnswer:
        """Send one write. Raises GateError or VendorError."""
        content = None if body is None else json.dumps(body).encode()
        answer = await self._send("POST", resource, f"/v1/{path}", {}, {}, traffic, content, before_send)
        error = classify(answer)
        if error is not None:
            raise error
        return answer

    async def delete(self, resource: str, query: Mapping[str, str], traffic: TrafficClass) -> None:
        answer = await self._send("DELETE", resource, f"/v1/{resource}", query, {}, traffic)
        error = classify(answer)
        if error is not None and answer.status != 404:
            raise error

    async def _get(
        self,
        resource: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        traffic: TrafficClass,
        cap_bytes: int | None = None,
    ) -> list[VendorAnswer]:
        """The answer and, where it is a redirect, the one behind it. 404 is an answer here, other errors raise."""
        answer = await self._send("GET", resource, path, query, headers, traffic)
        answers = [answer]
        if answer.status in REDIRECTS:
            answers.append(await self._follow(answer, f"{self._settings.base_url}{path}", cap_bytes))
        last = answers[-1]
        if len(answers) > 1 and last.status in (400, 403):
            raise LinkExpired(f"{last.url} answered {last.status}: the link is not good any more", status=last.status)
        error = classify(last)
        if error is not None and last.status != 404:
            raise error
        return answers

    async def _follow(self, answer: VendorAnswer, asked: str, cap_bytes: int | None) -> VendorAnswer:
        """Basware: documents lie elsewhere, behind a signed link that refuses any other credential."""
        where = urljoin(asked, answer.headers.get("location", ""))
        if urlsplit(where).scheme != "https" and not self._settings.base_url.startswith("http:"):
            raise VendorUnavailable(f"{answer.url} redirects to an address that is not https", status=answer.status)
        try:
            found = await request(
                self._http,
                "GET",
                where,
                headers={"accept": "*/*" if cap_bytes else "application/json"},
                deadline_s=self._settings.call_deadline_s,
                body_cap_bytes=cap_bytes or BODY_CAP_BYTES,
            )
        except VendorUnavailable as error:
            if cap_bytes and error.status == 200:
                raise TooLarge(f"larger than {cap_bytes} bytes") from error
            raise
        return found

    async def _send(
        self,
        method: str,
        resource: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        traffic: TrafficClass,
        content: bytes | None = None,
        before_send: BeforeSend | None = None,
    ) -> VendorAnswer:
        """One request through the gate, a refused token tried once more."""
        typed = {} if content is None else {"content-type": "application/json"}
        return await self._calls.send(
            method,
            f"{self._settings.base_url}{path}",
            traffic,
            endpoint=resource,
            params=query or None,
            headers={**headers, **typed},
            content=content,
            before_send=before_send,
        )


def _headers() -> Mapping[str, str]:
    return {"accept": "application/json", "x-bw-request-id": str(uuid.uuid4())}


def _rows(answer: VendorAnswer) -> list[Row]:
    """Basware: a list is an object with one list in it, or bare; one entity is bare, or a list of one."""
    body = plain(answer.json())
    if isinstance(body, dict):
        lists = [value for value in body.values() if isinstance(value, list)]
        body = lists[0] if len(body) == 1 and lists else [body]
    if isinstance(body, list) and all(isinstance(row, dict) for row in body):
        return body
    raise VendorUnavailable(f"{answer.url} answered {answer.status} without rows", status=answer.status)


def plain(value: Any) -> Any:
    """Fractions as text, nulls left out, at any depth."""
    if type(value) is Decimal:
        return str(value)
    if type(value) is dict:
        return {name: plain(item) for name, item in value.items() if item is not None}
    if type(value) is list:
        return [plain(item) for item in value]
    return value
