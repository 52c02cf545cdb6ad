"""Between the platform's processes and the sandboxes: requests that outlive their senders, get lost, come late."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import httpx

from connector.adapters.http.client import _on_headers_sent
from connector.domain.identity import ConnectionId, TrafficClass
from connector.sandbox.core.faults import App
from connector.sandbox.core.sandbox import Sandbox
from tests.simulation.process import Process
from tests.simulation.shop import WriteFault

READS = ("GET", "HEAD")


@dataclass(slots=True)
class Vendor:
    """One vendor's server, and what is wrong with it or with the way to it."""

    sandbox: Sandbox
    random: random.Random
    covered: Counter[str]
    deadline_s: float
    processing_s: float
    faults: list[WriteFault] = field(default_factory=list)
    """Taken by the next writes, in order."""
    away_until_s: float = 0.0
    storm_until_s: float = 0.0
    locked_until_s: float = 0.0
    blind_until_s: float = 0.0
    poisoned: set[str] = field(default_factory=set)
    app: App | None = None
    """Where it is not the sandbox's first origin."""
    prefix: str = ""
    """Of what is counted of its faults."""
    under_way: int = 0
    _carrying: list[asyncio.Task[None]] = field(default_factory=list)

    def send(self, request: httpx.Request) -> "asyncio.Future[httpx.Response]":
        """A request on its way: what happens to it no longer depends on the life of its sender."""
        answer: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        writes = request.method not in READS and "oauth" not in request.url.path
        self.under_way += writes
        task = asyncio.get_running_loop().create_task(self._carry(request, answer, writes=writes))
        self._carrying = [known for known in self._carrying if not known.done()]
        self._carrying.append(task)
        return answer

    async def _carry(self, request: httpx.Request, answer: "asyncio.Future[httpx.Response]", *, writes: bool) -> None:
        fault = self.faults.pop(0) if writes and self.faults else None
        if fault is not None:
            self.covered[f"{self.prefix}{fault}"] += 1
        try:
            if fault is WriteFault.LATE:
                await asyncio.sleep(self.random.uniform(self.deadline_s, self.deadline_s + 0.98 * self.processing_s))
            else:
                await asyncio.sleep(self.random.uniform(0.02, 0.3))
            refusal = self._turned_away(fault)
            if refusal is None and fault is not WriteFault.LOST_BEFORE:
                response = await self.answer(request)
                await asyncio.sleep(self.random.uniform(0.02, 0.3))
                if fault is not WriteFault.LOST_AFTER and not answer.done():
                    answer.set_result(response)
            elif refusal is not None and not answer.done():
                answer.set_result(refusal)
        finally:
            self.under_way -= writes

    def _turned_away(self, fault: WriteFault | None) -> httpx.Response | None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self.away_until_s or fault is WriteFault.UNAVAILABLE:
            return httpx.Response(503, text="<html>Service Unavailable</html>", headers={"content-type": "text/html"})
        if now_s < self.storm_until_s:
            return httpx.Response(429, json={}, headers={"retry-after": "1"})
        return None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """As the vendor's server answers; whole, so that nothing of it is read later."""
        transport = httpx.ASGITransport(app=self.app or self.sandbox.app)
        copied = httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        response = await transport.handle_async_request(copied)
        body = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=body)


class Line(httpx.AsyncBaseTransport):
    """One process's way to the vendors, by host name."""

    def __init__(self, process: Process, vendors: dict[str, Vendor]) -> None:
        self._process = process
        self._vendors = vendors

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        await self._process.point()
        await _on_headers_sent(None, SimpleNamespace(), None)  # what the transport in production calls before it writes
        answer = await self._vendors[request.url.host].send(request)
        await self._process.point()
        return answer


@dataclass(slots=True)
class Permit:
    authorization: dict[str, str]

    def learn(self, status: int, headers: object) -> None:
        """Nobody else is to know."""


@dataclass(slots=True)
class OpenGate:
    """A token for each connection and no quota to share: the gate has proofs of its own."""

    tokens: dict[ConnectionId, str]

    @asynccontextmanager
    async def call(
        self, connection: ConnectionId, traffic: TrafficClass, *, endpoint: str, flow: str = ""
    ) -> AsyncIterator[Permit]:
        yield Permit({"authorization": f"Bearer {self.tokens[connection]}"})
