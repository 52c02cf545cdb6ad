"""A site with a clock that only tests move, and a client that has logged in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.exact import ExactSandbox, create

BASE_URL = "https://start.exactonline.nl"
NOON = 1_750_000_000.0 - 1_750_000_000.0 % 3600
"""A full hour in June 2025."""


class Time:
    """Seconds that pass only when somebody sleeps or a test says so."""

    def __init__(self) -> None:
        self.now = NOON
        self.clock = SandboxClock(lambda: self.now, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Exact:
    """One site as a test sees it: its API over HTTP, its screens as acts."""

    def __init__(self, **settings: Any) -> None:
        self.time = Time()
        self.sandbox: ExactSandbox = create(clock=self.time.clock, seed=1, **settings)
        self.settings = self.sandbox.settings
        self.sandbox.set_base_url(BASE_URL)
        self.credentials = self.sandbox.credentials(BASE_URL)
        self.division, self.other_division = self.credentials["divisions"]
        transport = httpx.ASGITransport(app=self.sandbox.faults.wrap(self.sandbox.app))
        self.http = httpx.AsyncClient(transport=transport, base_url=BASE_URL)
        self.token = ""

    async def log_in(self, **who: Any) -> str:
        answer = await self.act("log_in", **who)
        self.token = answer["access_token"]
        return self.token

    async def act(self, name: str, **payload: Any) -> Any:
        return await self.sandbox.acts[name](payload)

    async def call(self, method: str, path: str, *, division: int | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **more.pop("headers", {})}
        if not path.startswith(("/", "http")):
            path = f"/api/v1/{division or self.division}/{path}"
        return await self.http.request(method, path, headers=headers, **more)

    async def get(self, path: str, **options: Any) -> Any:
        """The `d` of a successful read; options without their dollar sign."""
        params = {f"${name}": value for name, value in options.items()}
        answer = await self.call("GET", path, params=params or None)
        assert answer.status_code == 200, answer.text
        return answer.json()["d"]

    async def rows(self, path: str, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(path, **options))["results"]
        return found

    async def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        headers = {"Prefer": "return=representation", **more.pop("headers", {})}
        return await self.call("POST", path, json=body, headers=headers, **more)

    async def guid(self, path: str, code: str) -> str:
        """The ID behind a code of reference data."""
        table = self.sandbox.site.world.divisions[self.division].tables[path]
        row = next(row for row in table.rows.values() if row["Code"].strip() == code)
        return str(row["ID"])

    async def order(self, **fields: Any) -> Any:
        lines = [
            {"Item": "PAPER", "QuantityInPurchaseUnits": 2},
            {"Item": "HOURS", "QuantityInPurchaseUnits": 3, "NetPrice": 80},
        ]
        return await self.act("create_purchase_order", **{"Supplier": "1", "PurchaseOrderLines": lines, **fields})

    async def entry(self, **fields: Any) -> Any:
        lines = [{"GLAccount": "4200", "AmountFC": 100}, {"GLAccount": "4100", "AmountFC": 50, "VATCode": "1"}]
        body = {"Supplier": "1", "Journal": "70", "YourRef": "INV-1", "PurchaseEntryLines": lines, **fields}
        return await self.act("create_purchase_entry", **body)

    def error(self, answer: httpx.Response) -> str:
        text: str = answer.json()["error"]["message"]["value"]
        return text


@pytest.fixture
async def exact() -> AsyncIterator[Exact]:
    site = Exact(minute_limit=10_000, day_limit=100_000)
    await site.log_in()
    async with site.http:
        yield site


@pytest.fixture
def build() -> type[Exact]:
    """For tests that need other settings."""
    return Exact
