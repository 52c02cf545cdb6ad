"""What the poller shows of a company's connections and flows, from the real tables."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from connector.adapters.configuration.tenant_file import load
from connector.adapters.parts.part import checkout
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.quota import PostgresQuotaStore
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.postgres.transfers import PostgresTransfers
from connector.adapters.runtime import Runtime, runtime
from connector.adapters.systems.exact.quota import ERRORS_PER_HOUR, QUOTA
from connector.console.services import Platform, new_key_ring
from connector.domain.documents.envelope import RecordStatus
from connector.domain.identity import ConnectionId, Entity, FlowId, Revision, RowRef, TrafficClass
from connector.domain.ports.desired import Desired, Origin
from connector.domain.ports.quota import Ask, Lesson, Reading, Settlement, WindowReading
from connector.domain.ports.tokens import NewPair
from connector.domain.ports.vault import Sealed
from connector.poller.observing import observe
from tests.support import running, until
from tests.virtual import START

EXAMPLE = checkout() / "contracts" / "examples" / "tenant.yaml"
EXACT, COUPA = ConnectionId("acme", "exact-nl"), ConnectionId("acme", "coupa")
FLOW = FlowId("acme", "exact-to-coupa")
EXACT_LABELS = {"connection": "acme/exact-nl", "system": "exact"}
COUPA_LABELS = {"connection": "acme/coupa", "system": "coupa"}


@pytest.fixture
async def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    platform = Platform("unused:9092", database_url, "http://127.0.0.1:1", new_key_ring(tmp_path))
    secrets = (
        "EXACT_CLIENT_ID",
        "EXACT_CLIENT_SECRET",
        "EXACT_WEBHOOK_SECRET",
        "COUPA_CLIENT_ID",
        "COUPA_CLIENT_SECRET",
    )
    for name, value in {**platform.environment, **dict.fromkeys(secrets, "planted")}.items():
        monkeypatch.setenv(name, value)
    async with runtime("poller") as opened:
        await opened.configuration.apply(load(EXAMPLE, loopback_http=True), "test", {})
        yield opened


async def spend(run: Runtime) -> None:
    """Exact says that 37 calls of the minute are left, and refuses one endpoint until its error budget is spent."""
    rules = QUOTA.rules((await run.connection(EXACT)).settings)
    store = PostgresQuotaStore(run.engine)
    for _ in range(ERRORS_PER_HOUR):
        answer = await store.ask(EXACT, rules, Ask("test", TrafficClass.LIVE, "", 1, 0.0))
        reading = Reading((WindowReading("minute", 60, 37, answer.now + 50), WindowReading("day", 5000, 4000, None)))
        lesson = Lesson("crm/Accounts", 403, reading, answer.now, answer.now)
        await store.settle(EXACT, rules, Settlement("test", answer.turn, lessons=(lesson,)))


async def take_one_invoice(run: Runtime) -> None:
    row = Desired(
        row=RowRef(FLOW, Entity.INVOICE, "1"),
        source=EXACT,
        target=COUPA,
        number="N-1",
        revision=Revision(START, 1),
        content_digest="c",
        resolved_digest="r",
        status=RecordStatus.OK,
        traffic=TrafficClass.LIVE,
        payload="{}",
        origin=Origin("canonical.invoice.v1", 0, 1),
    )
    await PostgresDesiredRows(run.engine).upsert([row])


async def connect_basware(run: Runtime, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASWARE_SECRET", "planted")
    connection = """  basware:
    system: basware
    settings: {region: eu, company: {NL01: {}}, stuck_after_s: 1}
    secrets: {client_id: env:BASWARE_SECRET, client_secret: env:BASWARE_SECRET, webhook_secret: env:BASWARE_SECRET}
"""
    file = folder / "tenant.yaml"
    file.write_text(EXAMPLE.read_text().replace("connections:\n", f"connections:\n{connection}", 1))
    await run.configuration.apply(load(file, loopback_http=True), "test", {})


async def test_documents_taken_over_and_never_answered_are_shown(
    run: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect_basware(run, tmp_path, monkeypatch)
    basware, transfers = ConnectionId("acme", "basware"), PostgresTransfers(run.engine)
    await transfers.open(basware, {"taken": 0, "offered": 0})
    await transfers.acknowledging(basware, ["taken"])
    await asyncio.sleep(1.1)
    shown = CollectorRegistry()

    def unanswered() -> float | None:
        return shown.get_sample_value("connector_unanswered", {"connection": "acme/basware", "system": "basware"})

    async with running(observe(run, shown)):
        await until(lambda: unanswered() is not None)
        assert unanswered() == 1


async def test_tokens_quota_degraded_endpoints_and_rows_are_shown(run: Runtime) -> None:
    tokens = PostgresTokenStore(run.engine)
    await tokens.adopt(EXACT, NewPair(Sealed("local-1", b"sealed"), life_s=600, refresh_after_s=570))
    await tokens.pause(COUPA, "maintenance")
    await spend(run)
    await take_one_invoice(run)
    shown = CollectorRegistry()

    def value(name: str, **labels: str) -> float | None:
        return shown.get_sample_value(name, labels)

    async with running(observe(run, shown)):
        await until(lambda: value("connector_observed_timestamp_seconds") is not None)
        age_s = value("connector_token_age_seconds", **EXACT_LABELS)
        assert age_s is not None
        assert 0 <= age_s < 60
        assert value("connector_token_state", **EXACT_LABELS, state="valid") == 1
        assert value("connector_token_state", **COUPA_LABELS, state="none") == 1
        assert value("connector_token_age_seconds", **COUPA_LABELS) is None
        assert value("connector_connection_paused", **EXACT_LABELS) == 0
        assert value("connector_connection_paused", **COUPA_LABELS) == 1
        assert value("connector_quota_left", **EXACT_LABELS, window="minute") == 37
        assert value("connector_quota_limit", **EXACT_LABELS, window="day") == 5000
        assert value("connector_endpoint_degraded", **EXACT_LABELS, endpoint="crm/Accounts") == 1
        assert value("connector_rows", flow=str(FLOW), entity="invoice", state="due") == 1
        assert value("connector_oldest_due_seconds", flow=str(FLOW)) is not None
