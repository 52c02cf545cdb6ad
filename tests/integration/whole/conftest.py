"""The whole platform, a process a service, between the sandboxes of Exact and Coupa: a company for each test file."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from connector.console.demo import watching
from connector.console.demo.flows import FLOWS
from connector.console.demo.stage import Stage, log_in, stage, write_configuration
from tests.integration.whole.collector import Collector, collecting
from tests.parts import Addresses

WITHIN_S = 60.0
START = "2026-01-01"
MINUTE_S = 1.5
"""Of Exact, shortened at both ends."""
ORDER, INVOICE, SUPPLIER = "purchase-order", "invoice", "supplier"


@dataclass
class Company:
    """A company that is connected, and the platform at work on it. Its flow is live and makes suppliers."""

    on: Stage
    division: int

    @property
    def source(self) -> str:
        return f"exact-{self.division}"

    async def exact(self, act: str, /, **given: Any) -> Any:
        """Somebody works at Exact's screens."""
        return await self.on.sandboxes["exact"].act(act, division=self.division, **given)

    async def coupa(self, act: str, /, **given: Any) -> Any:
        return await self.on.sandboxes["coupa"].act(act, **given)

    async def row(self, native_id: str) -> dict[str, Any] | None:
        """How the document stands in the desired state."""
        query = text("select state, reasons, number from desired where native_id = :id")
        async with self.on.run.engine.connect() as db:
            found = (await db.execute(query, {"id": native_id})).mappings().one_or_none()
        return None if found is None else dict(found)

    async def until(self, native_id: str, *states: str, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Its row, once it is in one of these states."""
        row: dict[str, Any] | None = None
        for _ in range(int(within_s / 0.25)):
            row = await self.row(native_id)
            if row is not None and row["state"] in states:
                return row
            await asyncio.sleep(0.25)
        raise AssertionError(f"{native_id} is {row}, not {' or '.join(states)}, after {within_s:g} s")

    async def story(self, native_id: str) -> list[str]:
        """The names of the events in its story, in order."""
        query = text("select event from audit where native_id = :id order by at")
        async with self.on.run.engine.connect() as db:
            return list((await db.execute(query, {"id": native_id})).scalars())

    async def unread(self) -> dict[str, str]:
        """What the reader says of keys that it could not read."""
        query = text("select native_id, error from source_key where attempts > 0")
        async with self.on.run.engine.connect() as db:
            return {row.native_id: row.error for row in await db.execute(query)}

    async def webhook_url(self) -> str:
        endpoints = {str(of): endpoint for endpoint, of in (await self.on.run.configuration.endpoints()).items()}
        return f"{self.on.platform.public_base_url}/webhooks/{endpoints[f'demo/{self.source}']}"

    def signed(self, topic: str, key: str, action: str = "Update") -> bytes:
        """A notice as Exact delivers it."""
        app = self.on.addresses["exact"]["credentials"]["apps"][0]
        told = {"Topic": topic, "ClientId": app["client_id"], "Division": self.division, "Action": action, "Key": key}
        content = json.dumps(told, separators=(",", ":")).encode()
        signature = hmac.new(app["webhook_secret"].encode(), content, hashlib.sha256).hexdigest().upper().encode()
        return b'{"Content":' + content + b',"HashCode":"' + signature + b'"}'

    async def settled(self) -> None:
        left = await watching.settled(self.on, WITHIN_S)
        assert not left, str(left)

    async def in_coupa(self, kind: str, mark: str) -> list[dict[str, Any]]:
        """Coupa's records that carry the mark of this document."""
        store = await self.on.sandboxes["coupa"].store()
        return [row for row in store[kind] if str((row.get("custom-fields") or {}).get("erp-source-id")).endswith(mark)]


async def _connect(on: Stage) -> None:
    divisions = on.addresses["exact"]["credentials"]["divisions"]
    facts = {"start_date": START, "divisions": [{"code": code, "prefix": f"D{n}-"} for n, code in enumerate(divisions)]}
    connecting = on.flow.connect(facts, on.addresses)
    company, *others = divisions  # the others have suppliers of the same names
    connections, flows = connecting.configuration["connections"], connecting.configuration["flows"]
    for division in others:
        del connections[f"exact-{division}"], flows[f"exact-coupa-{division}"]
    connecting = replace(connecting, logins=[f"exact-{company}"])
    connections[f"exact-{company}"]["settings"]["minute_s"] = MINUTE_S
    flows[f"exact-coupa-{company}"]["options"]["create_suppliers"] = True
    file = write_configuration(on.platform.key_ring.parent, connecting)
    await on.connector("apply", "-f", str(file), "--yes", secrets=connecting.secrets)
    await log_in(on, connecting.logins)
    await on.connector("release", "--flow", f"exact-coupa-{company}", "--yes")


async def _set_up(on: Stage) -> None:
    """What the flow's mappings name, and the accounts, in Coupa."""
    coupa = on.sandboxes["coupa"]
    accounts = [{"name": code, "external-ref-num": code, "lookup": {"name": "GL Account"}} for code in ("4200", "4300")]
    none = {"name": "No cost center", "external-ref-num": "NONE", "lookup": {"name": "Cost Center"}}
    await coupa.many("create_lookup_value", [*accounts, none])
    terms = [{"code": f"Net {days}", "days-for-net-payment": days} for days in (0, 14, 60)]
    await coupa.many("create_payment_term", terms)
    rates = [("NL21", "21.0"), ("NL9", "9.0"), ("NL0", "0.0"), ("NLRC", "0.0")]
    await coupa.many(
        "create_tax_code", [{"code": code, "percentage": rate, "country": {"code": "NL"}} for code, rate in rates]
    )
    await coupa.act("create_uom", code="BX", name="Box", **{"allowable-precision": 0})
    await on.sandboxes["exact"].switch(minute_s=MINUTE_S)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as receiving:
        yield receiving


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def company(
    parts: Addresses, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Company]:
    folder: Path = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAFKA_BOOTSTRAP_SERVERS", parts.kafka_bootstrap)
        patch.setenv("DATABASE_URL", parts.server_url)
        patch.setenv("CONNECTOR_PARTS", "env")
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        async with stage(FLOWS["exact-coupa"], seed=3, say=print, build=folder) as on:
            await asyncio.gather(_set_up(on), on.ready())
            await _connect(on)
            company = Company(on, on.addresses["exact"]["credentials"]["divisions"][0])
            await company.settled()
            accounts = (await on.sandboxes["exact"].store())["crm/Accounts"]
            for account in accounts:
                if account["IsSupplier"] and account["Division"] == company.division:
                    await company.until(account["ID"], "synced")
            yield company
