"""The poller's loop over people's logins, on a real database and three Exact sandboxes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from structlog.testing import CapturingLogger

from connector.adapters.configuration.tenant_file import load
from connector.adapters.gate.authorize import Outcome
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.runtime import Runtime, runtime
from connector.console.services import Platform, new_key_ring
from connector.domain.identity import ConnectionId
from connector.domain.ports.tokens import TokenState
from connector.poller import logins
from tests.integration.gate.world import CALLBACK, VendorProcess, vendor_process
from tests.support import running, until

LIFE_S, EVERY_S = 3.0, 0.2
BROKEN, REVOKED, IDLE = (ConnectionId("acme", name) for name in ("a-broken", "b-revoked", "c-idle"))
"""In the order in which the loop comes to them."""


@pytest.fixture(scope="module")
def vendors() -> Iterator[dict[ConnectionId, VendorProcess]]:
    with ExitStack() as stack:
        yield {
            connection: stack.enter_context(vendor_process("exact", token_life_s=LIFE_S, refresh_not_before_ratio=0.95))
            for connection in (BROKEN, REVOKED, IDLE)
        }


@pytest.fixture
async def run(
    vendors: dict[ConnectionId, VendorProcess], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """The poller's, with every connection logged in."""
    platform = Platform("unused:9092", database_url, "http://127.0.0.1:1", new_key_ring(tmp_path))
    for name, value in platform.environment.items():
        monkeypatch.setenv(name, value)
    connections = {
        of.connection: {
            "system": "exact",
            "settings": {
                "base_url": vendor.base_url,
                "division": vendor.credentials["divisions"][0],
                "company": {"currency": "EUR"},
            },
            "secrets": dict.fromkeys(("client_id", "client_secret", "webhook_secret"), "env:UNUSED"),
        }
        for of, vendor in vendors.items()
    }
    file = tmp_path / "tenant.yaml"
    file.write_text(json.dumps({"tenant": "acme", "connections": connections, "flows": {}}))
    monkeypatch.setenv("UNUSED", "planted")
    async with runtime("poller") as run:
        await run.configuration.apply(load(file, loopback_http=True), "test", {})
        for connection, vendor in vendors.items():
            await run.vault.put(connection, {name: vendor.credentials[name] for name in ("client_id", "client_secret")})
            await log_in(run, connection)
        yield run


async def log_in(run: Runtime, connection: ConnectionId) -> None:
    authorisations = run.authorisations()
    started = await authorisations.start_authorization(connection, CALLBACK)
    async with httpx.AsyncClient() as browser:
        consent = await browser.get(started.url)
    answer = {name: values[0] for name, values in parse_qs(urlsplit(consent.headers["location"]).query).items()}
    done = await authorisations.finish_authorization(answer["state"], answer["code"], started.browser)
    assert done.outcome is Outcome.AUTHORISED, done.message


def refreshes(vendor: VendorProcess) -> int:
    counted: int = vendor.act("counters")["tokens"]["refreshes"]
    return counted


def looks(vendor: VendorProcess) -> int:
    return sum(call["path"].endswith("/system/Divisions") for call in vendor.calls())


async def test_an_idle_login_is_renewed_once_a_day_whatever_ails_the_others(
    run: Runtime,
    vendors: dict[ConnectionId, VendorProcess],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = CapturingLogger()
    monkeypatch.setattr(logins, "EVERY_S", EVERY_S)
    monkeypatch.setattr(logins, "log", said)
    idle, tokens = vendors[IDLE], PostgresTokenStore(run.engine)
    before = looks(idle)
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(
            "update sealed set data = set_byte(data, 20, 255 - get_byte(data, 20))"
            " where connection = %s and field = 'token'",
            (BROKEN.connection,),
        )
        async with running(logins.keep_logins(run)):
            await until(lambda: looks(idle) > before, "the idle login was not looked at behind a broken one")
            vendors[REVOKED].act("revoke")
            await asyncio.sleep(LIFE_S)
            looked, renewed = looks(idle), refreshes(idle)
            database.execute("update token set received_at = received_at - interval '25 hours'")
            await until(lambda: refreshes(idle) > renewed, "the idle login was not renewed")
            await asyncio.sleep(LIFE_S + 5 * EVERY_S)
    assert refreshes(idle) == renewed + 1, "it was used, as it were, a moment ago"
    assert looks(idle) == looked
    assert (await tokens.read(IDLE)).state is TokenState.VALID
    assert (await tokens.read(REVOKED)).state is TokenState.REAUTHORISE
    told = str(said.calls)
    assert f"connector authorize {BROKEN}" in told
    assert f"connector authorize {REVOKED}" in told


async def test_a_login_is_looked_at_anew_once_its_pause_is_lifted(
    run: Runtime, vendors: dict[ConnectionId, VendorProcess]
) -> None:
    tokens, looked_at_s = PostgresTokenStore(run.engine), dict[ConnectionId, float]()
    await logins.look(run, looked_at_s)
    before = looks(vendors[IDLE])
    await tokens.pause(IDLE, "wrong account: it may not open its company")
    await logins.look(run, looked_at_s)
    assert looks(vendors[IDLE]) == before
    await tokens.pause(IDLE, None)
    for _ in range(2):
        await logins.look(run, looked_at_s)
    assert looks(vendors[IDLE]) == before + 1
