"""A Coupa instance in the test's own process, with a clock the test moves and a client that holds a token."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.coupa import CoupaSandbox, create

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""


class Office:
    """One instance, its API and its people."""

    def __init__(self, **settings: Any) -> None:
        self.seconds = START
        self.slept: list[float] = []
        clock = SandboxClock(source=lambda: self.seconds, sleeper=self._sleep)
        self.sandbox: CoupaSandbox = create(clock=clock, seed=7, **{"rate_burst": 1e9, **settings})
        self.settings = self.sandbox.settings
        self.credentials = dict(self.sandbox.credentials("http://coupa.test"))
        transport = httpx.ASGITransport(self.sandbox.faults.wrap(self.sandbox.app))
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://coupa.test", headers={"Accept": "application/json"}
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def later(self, seconds: float) -> None:
        self.seconds += seconds

    async def token(self, path: str = "/oauth2/token", **form: str) -> httpx.Response:
        keys = {name: self.credentials[name] for name in ("client_id", "client_secret")}
        return await self.http.post(path, data={**keys, "grant_type": "client_credentials", **form})

    async def sign_in(self, **form: str) -> None:
        answer = await self.token(**form)
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def act(self, name: str, /, **body: Any) -> Any:
        return json.loads(json.dumps(await self.sandbox.acts[name](body), default=str))

    async def get(self, path: str, expected: int = 200, /, **parameters: Any) -> Any:
        answer = await self.http.get(f"/api/{path}", params=parameters or None)
        assert answer.status_code == expected, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, expected: int = 201) -> Any:
        answer = await self.http.post(f"/api/{path}", json=body)
        assert answer.status_code == expected, answer.text
        return answer.json()

    async def put(self, path: str, body: Any = None, expected: int = 200) -> Any:
        answer = await self.http.put(f"/api/{path}", json=body)
        assert answer.status_code == expected, answer.text
        return answer.json()

    async def supplier(self, number: str = "V-1001", /, **fields: Any) -> Any:
        body = {"name": f"Supplier {number}", "number": number, "status": "active", "invoice-matching-level": "2-way"}
        return await self.post("suppliers", {**body, **fields})

    async def order(self, number: str = "PO-1", supplier: str = "V-1001", /, **fields: Any) -> Any:
        return await self.post("purchase_orders", order_body(number, supplier, **fields))

    async def issued_order(self, number: str = "PO-1", supplier: str = "V-1001", /, **fields: Any) -> Any:
        order = await self.order(number, supplier, **fields)
        return await self.put(f"purchase_orders/{order['id']}/issue_without_send")

    async def invoice(self, number: str = "INV-1", supplier: str = "V-1001", /, **fields: Any) -> Any:
        return await self.post("invoices", invoice_body(number, supplier, **fields))

    async def submitted_invoice(self, number: str = "INV-1", /, **fields: Any) -> Any:
        invoice = await self.invoice(number, **fields)
        return await self.put(f"invoices/{invoice['id']}/submit")


ACCOUNT = {"code": "100-4000", "account-type": {"name": "Company Chart"}}


def order_line(**fields: Any) -> dict[str, Any]:
    line = {
        "type": "OrderQuantityLine",
        "description": "Bolts",
        "price": "2.50",
        "quantity": "100",
        "uom": {"code": "EA"},
    }
    return {**line, "currency": {"code": "EUR"}, "account": ACCOUNT, **fields}


def order_body(number: str = "PO-1", supplier: str = "V-1001", /, **fields: Any) -> dict[str, Any]:
    return {
        "type": "ExternalOrderHeader",
        "po-number": number,
        "supplier": {"number": supplier},
        "ship-to-address": {"location-code": "MAIN"},
        "ship-to-user": {"login": "receiving"},
        "order-lines": [order_line()],
        **fields,
    }


def invoice_line(**fields: Any) -> dict[str, Any]:
    line = {
        "type": "InvoiceQuantityLine",
        "description": "Bolts",
        "price": "2.50",
        "quantity": "100",
        "account": ACCOUNT,
    }
    return {**line, **fields}


def invoice_body(number: str = "INV-1", supplier: str = "V-1001", /, **fields: Any) -> dict[str, Any]:
    return {
        "invoice-number": number,
        "invoice-date": "2026-01-31",
        "supplier": {"number": supplier},
        "account-type": {"name": "Company Chart"},
        "currency": {"code": "EUR"},
        "line-level-taxation": True,
        "invoice-lines": [invoice_line()],
        **fields,
    }


class Bodies:
    """The smallest payloads the instance accepts."""

    order = staticmethod(order_body)
    order_line = staticmethod(order_line)
    invoice = staticmethod(invoice_body)
    invoice_line = staticmethod(invoice_line)


@pytest.fixture
def bodies() -> type[Bodies]:
    return Bodies


@pytest.fixture
def office_with() -> type[Office]:
    return Office


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    one = Office()
    await one.sign_in()
    yield one
    await one.http.aclose()
