"""A Procore sandbox in-process, on a clock that stands still until a test moves it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.procore import ProcoreSandbox, create

START = 1_781_000_000.0  # 2026-06-09T10:13:20Z


@dataclass
class Vendor:
    """The sandbox as a client sees it: authenticated requests, acts, and a few ready-made objects."""

    sandbox: ProcoreSandbox
    clock: SandboxClock
    http: httpx.AsyncClient
    credentials: dict[str, Any]
    headers: dict[str, str]

    @property
    def company(self) -> int:
        return int(self.credentials["company_id"])

    def project(self, number: str = "P-100") -> int:
        return int(self.credentials["projects"][number])

    async def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {**self.headers, **arguments.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **arguments)

    async def get(self, path: str, **params: Any) -> Any:
        response = await self.call("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def token(self, client: dict[str, str] | None = None) -> str:
        body = {"grant_type": "client_credentials"} | {
            name: (client or self.credentials)[name] for name in ("client_id", "client_secret")
        }
        response = await self.http.post("/oauth/token", data=body)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    async def act(self, name: str, /, **data: Any) -> Any:
        return await self.sandbox.acts[name](data)

    async def wbs(self, flat_code: str = "03-100.M", number: str = "P-100") -> int:
        path = f"/rest/v1.0/projects/{self.project(number)}/work_breakdown_structure/wbs_codes"
        codes = await self.get(path, query=flat_code)
        return int(next(code["id"] for code in codes if code["flat_code"] == flat_code))

    async def vendor(self, name: str = "Acme Formwork BV") -> int:
        rows = await self.get("/rest/v1.0/vendors", company_id=self.company, **{"filters[search]": name})
        return int(rows[0]["id"])

    async def sync(self, updates: list[dict[str, Any]], number: str = "P-100") -> Any:
        """Purchase order contracts by sync."""
        body = {"project_id": self.project(number), "updates": updates}
        response = await self.call("PATCH", "/rest/v1.0/purchase_order_contracts/sync", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def sync_lines(self, contract: int, updates: list[dict[str, Any]], number: str = "P-100") -> Any:
        path = f"/rest/v1.0/purchase_order_contracts/{contract}/line_items/sync"
        response = await self.call(
            "PATCH", path, params={"project_id": self.project(number)}, json={"updates": updates}
        )
        assert response.status_code == 200, response.text
        return response.json()

    async def order(self, origin_id: str, *amounts: str, status: str = "Draft", number: str = "P-100") -> Any:
        """A purchase order with a line per amount, written as the flow of a client: header, lines, status."""
        header = {"origin_id": origin_id, "title": origin_id, "vendor_id": await self.vendor(), "status": "Draft"}
        entity = (await self.sync([header], number))["entities"][0]
        wbs = await self.wbs(number=number)
        lines = [
            {"origin_id": f"{origin_id}:{n}", "wbs_code_id": wbs, "amount": amount, "extended_type": "manual"}
            for n, amount in enumerate(amounts)
        ]
        if lines:
            result = await self.sync_lines(entity["id"], lines, number)
            assert result["errors"] == []
        if status != "Draft":
            await self.sync([{"origin_id": origin_id, "status": status}], number)
        return await self.get(f"/rest/v1.0/purchase_order_contracts/{entity['id']}", project_id=self.project(number))


Start = Callable[..., Awaitable[Vendor]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a sandbox with the given switches; quotas are lifted and writes take no time unless a test says so."""
    clients: list[httpx.AsyncClient] = []

    async def begin(*, clock: SandboxClock | None = None, seed: int = 1, **settings: Any) -> Vendor:
        quiet = {"hour_limit": None, "spike_limit": None, "direct_cost_write_s": 0.0}
        clock = clock or SandboxClock(source=lambda: START)
        sandbox = create(clock=clock, seed=seed, **{**quiet, **settings})
        transport = httpx.ASGITransport(sandbox.faults.wrap(sandbox.app))
        http = httpx.AsyncClient(transport=transport, base_url="http://procore.test")
        clients.append(http)
        credentials = dict(sandbox.credentials("http://procore.test"))
        vendor = Vendor(sandbox, clock, http, credentials, {})
        vendor.headers["Authorization"] = f"Bearer {await vendor.token()}"
        vendor.headers["Procore-Company-Id"] = str(vendor.company)
        return vendor

    yield begin
    for client in clients:
        await client.aclose()


@pytest.fixture
async def procore(start: Start) -> Vendor:
    return await start()
