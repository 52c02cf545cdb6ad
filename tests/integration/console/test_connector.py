"""The `connector` command on real parts and sandboxes, in the order a person would use it."""

import asyncio
import json
import re
import secrets
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry

from connector.adapters.http import request
from connector.adapters.parts.part import checkout, free_port
from connector.adapters.postgres.quota import PostgresQuotaStore
from connector.adapters.postgres.reminders import PostgresReminderStore
from connector.adapters.runtime import Runtime, runtime
from connector.adapters.systems.exact.quota import ERRORS_PER_HOUR, QUOTA
from connector.console.processes import Processes
from connector.console.services import Platform, new_key_ring, service
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.gate import GateError
from connector.domain.ports.quota import Ask, Lesson, Reading, Settlement
from connector.poller.observing import observe
from connector.poller.reminding import remind
from tests.parts import Addresses, database_at, execute
from tests.support import running, until

EXAMPLE = checkout() / "contracts" / "examples" / "tenant.yaml"


@dataclass
class Vendor:
    base_url: str
    control_url: str
    credentials: Mapping[str, Any]


@contextmanager
def vendor(system: str, *switches: str) -> Iterator[Vendor]:
    command = [sys.executable, "-m", "connector.console.main", "sandbox", system, *switches]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        yield Vendor(line["base_url"], line["control_url"], line["credentials"])
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def self_signed(folder: Path) -> Iterator[str]:
    """An https address on this machine whose certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "certificate.pem"
    unsealed = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unsealed)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass
class Desk:
    """Somebody at a terminal, with the environment a platform team would give them."""

    exact: Vendor
    coupa: Vendor
    file: Path
    environment: Mapping[str, str]

    def connector(self, *arguments: str, exits: int = 0, **variables: str) -> Any:
        return json.loads(self.said(*arguments, "--json", exits=exits, **variables).stdout)

    def said(self, *arguments: str, exits: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """As for people, unless asked for JSON."""
        command = [sys.executable, "-m", "connector.console.main", *arguments]
        environment = {**self.environment, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == exits, (arguments, done.returncode, done.stdout, done.stderr)
        return done


@pytest.fixture(scope="module")
def desk(parts: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("console")
    database = f"console_{folder.name.replace('-', '_')}"
    execute(parts.server_url, "create database {}", database)
    database_url = database_at(parts.server_url, database)
    address = f"http://127.0.0.1:{free_port()}"
    platform = Platform(parts.kafka_bootstrap, database_url, address, new_key_ring(folder))
    with ExitStack() as stack:
        exact, coupa = stack.enter_context(vendor("exact", "--set", "minute_s=3")), stack.enter_context(vendor("coupa"))
        text = EXAMPLE.read_text().replace("http://127.0.0.1:8101", exact.base_url)
        text = text.replace(
            "division: 674359", "division: 674359\n      minute_s: 3"
        )  # of 60 calls: each ping takes 20
        file = folder / "tenant.yaml"
        file.write_text(text.replace("http://127.0.0.1:8102", coupa.base_url))
        secrets = {
            f"{system}_{field}".upper(): of.credentials[field]
            for system, of in (("exact", exact), ("coupa", coupa))
            for field in ("client_id", "client_secret", "webhook_secret")
        }
        prefixes = {"KAFKA_TOPIC_PREFIX": f"{folder.name}.", "KAFKA_GROUP_PREFIX": f"{folder.name}."}
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **platform.environment, **secrets, **prefixes}
        desk = Desk(exact, coupa, file, environment)
        assert "run `connector migrate`" in desk.connector("status", exits=3)["error"]
        desk.connector("migrate")
        desk.connector("topics", "apply")
        processes = stack.enter_context(Processes(folder))
        processes.start(service("ingest", platform))
        processes.wait_ready()
        yield desk
    execute(parts.server_url, "drop database {} with (force)", database)


def test_applying_shows_the_difference_and_needs_a_yes(desk: Desk) -> None:
    refusal = desk.connector("apply", "-f", str(desk.file), exits=2)
    assert "Nobody is here to answer: give --yes" in refusal["error"]
    done = desk.connector("apply", "-f", str(desk.file), "--yes")
    assert done["applied"]
    assert {change["where"] for change in done["changes"]} >= {"connection exact-nl", "flow exact-to-coupa"}
    assert done["credentials"]["coupa"] == ["client_id", "client_secret"]
    assert desk.exact.credentials["client_secret"] not in json.dumps(done)
    again = desk.connector("apply", "-f", str(desk.file))
    assert (again["applied"], again["changes"], again["credentials"]) == (False, [], {})


def test_a_login_by_link_makes_the_connection_work(desk: Desk) -> None:
    before = desk.connector("ping", "exact-nl", exits=1)["acme/exact-nl"]
    assert any("connector authorize acme/exact-nl" in str(check) for check in before if not check["passed"])
    callback = f"{desk.environment['PUBLIC_BASE_URL']}/oauth/callback"
    invited = desk.connector("authorize", "exact-nl", "--no-wait")
    assert invited["redirect_uri"] == callback, "what has to be registered for the app"
    link = invited["link"]
    httpx.post(f"{desk.exact.control_url}/act/edit_app", json={"redirect_uris": [callback]}).raise_for_status()
    with httpx.Client(follow_redirects=True) as browser:
        page = browser.get(link)
    assert (page.status_code, "is authorised for company" in page.text) == (200, True)
    assert httpx.get(link).status_code == 400, "a link is good once"
    checks = desk.connector("ping")
    assert {check["name"] for check in checks["acme/exact-nl"]} >= {"token", "division", "currency", "clock"}
    in_coupa = {check["name"] for check in checks["acme/coupa"]}
    assert in_coupa >= {"token", "right to read suppliers", "custom field erp-source-id of invoices"}


def test_only_an_oauth_connection_can_be_authorised(desk: Desk) -> None:
    assert "needs no login" in desk.connector("authorize", "coupa", "--no-wait", exits=2)["error"]


def test_ping_names_the_right_that_is_missing_and_who_gives_it(desk: Desk) -> None:
    right = {"endpoint": "purchaseorder/PurchaseOrders"}
    httpx.post(f"{desk.exact.control_url}/act/set_right", json=right | {"allowed": False}).raise_for_status()
    failed = [check for check in desk.connector("ping", "exact-nl", exits=1)["acme/exact-nl"] if not check["passed"]]
    assert [check["name"] for check in failed] == ["right to read purchaseorder/PurchaseOrders"]
    assert "administrator" in failed[0]["fix"]
    httpx.post(f"{desk.exact.control_url}/act/set_right", json=right | {"allowed": True}).raise_for_status()


@pytest.mark.parametrize(
    ("address", "told"),
    [("https://127.0.0.1:1", "does not answer"), ("{exact}", "is not ingest"), ("{self-signed}", "Certificate")],
    ids=["nobody", "somebody-else", "self-signed"],
)
def test_ping_asks_for_ingest_where_vendors_deliver(desk: Desk, tmp_path: Path, address: str, told: str) -> None:
    with self_signed(tmp_path) as https:
        there = address.replace("{exact}", desk.exact.base_url).replace("{self-signed}", https)
        found = desk.connector("ping", "exact-nl", exits=1, PUBLIC_BASE_URL=there)["acme/exact-nl"]
    (webhooks,) = [check for check in found if not check["passed"]]
    assert (webhooks["name"], told in webhooks["detail"]) == ("webhooks", True), webhooks
    assert webhooks["fix"]


def test_vendors_are_given_no_plain_http_address(desk: Desk) -> None:
    refusal = desk.connector("ping", exits=2, PUBLIC_BASE_URL="http://connector.example")
    assert "PUBLIC_BASE_URL: http://connector.example is not https" in refusal["error"]
    switch = {"CONNECTOR_ALLOW_LOOPBACK_HTTP": "0"}
    assert "CONNECTOR_ALLOW_LOOPBACK_HTTP=1" in desk.connector("ping", exits=2, **switch)["error"]


async def test_a_login_unused_for_26_days_shows_in_status_and_as_a_metric(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(desk.environment["DATABASE_URL"], autocommit=True) as database:
        database.execute("update token set received_at = now() - interval '26 days' where connection = 'exact-nl'")
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    shown = CollectorRegistry()

    def age_s() -> float:
        labels = {"connection": "acme/exact-nl", "system": "exact"}
        return shown.get_sample_value("connector_token_age_seconds", labels) or 0.0

    async with runtime("poller") as run, running(remind(run)), running(observe(run, shown)):
        await until(lambda: age_s() > 25 * 86400)
        reminders = PostgresReminderStore(run.engine)
        while not (noted := await reminders.of_today("acme")):  # noqa: ASYNC110 (another task's doing)
            await asyncio.sleep(0.05)
    assert [one.kind for one in noted] == ["authorisation.expires"]
    (told,) = (await asyncio.to_thread(desk.connector, "status"))["reminders"]
    assert (told["kind"], told["payload"]["unused_days"]) == ("authorisation.expires", 26)
    said = (await asyncio.to_thread(desk.said, "status")).stdout
    assert "authorisation.expires (acme/exact-nl): connector authorize acme/exact-nl" in said


def test_pausing_shows_everywhere_until_resumed(desk: Desk) -> None:
    desk.connector("pause", "coupa", "--reason", "maintenance")
    assert desk.connector("status")["connections"]["coupa"]["paused"] == "maintenance"
    assert "connector resume" in desk.connector("ping", "coupa", exits=1)["acme/coupa"][0]["fix"]
    desk.connector("resume", "coupa")
    assert desk.connector("status")["connections"]["coupa"]["paused"] is None
    assert "no connection or flow 'cupoa'" in desk.connector("pause", "cupoa", "--reason", "x", exits=2)["error"]


async def test_an_endpoint_that_refused_too_often_shows_in_status(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    exact, endpoint = ConnectionId("acme", "exact-nl"), "documents/Documents"
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    async with runtime("poller") as run:
        store, rules = PostgresQuotaStore(run.engine), QUOTA.rules((await run.connection(exact)).settings)
        for _ in range(ERRORS_PER_HOUR):
            answer = await store.ask(exact, rules, Ask("test", TrafficClass.LIVE, "", 1, 0.0))
            lesson = Lesson(endpoint, 403, Reading(), answer.now, answer.now)
            await store.settle(exact, rules, Settlement("test", answer.turn, lessons=(lesson,)))
    shown = (await asyncio.to_thread(desk.connector, "status"))["connections"]
    assert {name: of["degraded"] for name, of in shown.items()} == {"exact-nl": [endpoint], "coupa": []}
    assert f"degraded: {endpoint}" in (await asyncio.to_thread(desk.said, "status", COLUMNS="300")).stdout


def test_resuming_lifts_a_wrong_account_only_where_the_login_may_open_its_company(desk: Desk) -> None:
    with psycopg.connect(desk.environment["DATABASE_URL"], autocommit=True) as database:
        paused = "update token set paused = 'wrong account: x' where connection = 'exact-nl'"
        database.execute(paused)
        exact = desk.exact.credentials["divisions"]
        user = {"current_division": exact[1], "divisions": exact[1:]}
        httpx.post(f"{desk.exact.control_url}/act/edit_user", json=user).raise_for_status()
        still = desk.connector("resume", "exact-nl", exits=1)["error"]
        assert f"may not open company {exact[0]}" in still
        assert "connector resume acme/exact-nl" in still
        assert "may not open" in desk.connector("status")["connections"]["exact-nl"]["paused"]
    user = {"current_division": exact[0], "divisions": exact}
    httpx.post(f"{desk.exact.control_url}/act/edit_user", json=user).raise_for_status()
    desk.connector("resume", "exact-nl")
    assert desk.connector("status")["connections"]["exact-nl"]["paused"] is None


def test_refused_credentials_are_tried_again_by_a_resume_and_by_changed_settings(desk: Desk, tmp_path: Path) -> None:
    def refused() -> str:
        """Coupa refuses a scope, once."""
        fault = {
            "path": "/oauth2/token", "method": "POST", "when": "before", "action": "respond", "status": 400,
            "content_type": "application/json", "body": '{"error": "invalid_scope"}', "times": 1,
        }  # fmt: skip
        httpx.post(f"{desk.coupa.control_url}/faults", json=fault).raise_for_status()
        with psycopg.connect(desk.environment["DATABASE_URL"], autocommit=True) as database:
            database.execute("update token set refresh_at = now(), expires_at = now() where connection = 'coupa'")
        told = json.dumps(desk.connector("ping", "coupa", exits=1))
        assert desk.connector("status")["connections"]["coupa"]["token"] == "refused"
        return told

    assert "connector resume acme/coupa" in refused()
    assert desk.connector("ping", "coupa", exits=1), "nothing is tried by itself"
    desk.connector("resume", "coupa")
    with psycopg.connect(desk.environment["DATABASE_URL"]) as database:
        (what,) = database.execute("select what from configuration_change order by epoch desc limit 1").fetchone() or ()
    assert what["resume"] == "connection coupa"
    desk.connector("ping", "coupa")
    refused()
    changed = tmp_path / "tenant.yaml"
    changed.write_text(desk.file.read_text().replace("system: coupa\n", "system: coupa\n    call_deadline_s: 29\n"))
    assert desk.connector("apply", "-f", str(changed), "--yes")["changes"]
    desk.connector("ping", "coupa")
    desk.connector("apply", "-f", str(desk.file), "--yes")


def test_a_flow_begins_in_dry_run_and_is_released_on_purpose(desk: Desk) -> None:
    assert desk.connector("status")["flows"]["exact-to-coupa"]["state"] == "dry-run"
    assert "give --yes" in desk.connector("release", "--flow", "exact-to-coupa", exits=2)["error"]
    released = desk.connector("release", "--flow", "exact-to-coupa", "--yes")
    assert (released["ended_dry_run"], released["released"]) == (True, 0)
    assert desk.connector("status")["flows"]["exact-to-coupa"]["state"] == "live"


def test_what_is_not_there_is_refused_with_what_is(desk: Desk) -> None:
    assert "there is acme/exact-to-coupa" in desk.connector("blocked", "--flow", "nothing", exits=2)["error"]
    assert "no record with id or number '4711'" in desk.connector("audit", "4711", exits=2)["error"]
    assert desk.connector("blocked") == []


def test_keys_are_rotated_under_the_secrets_in_use(desk: Desk) -> None:
    ring = Path(desk.environment["CONNECTOR_KEY_RING_LOCATION"].removeprefix("file:"))
    held = json.loads(ring.read_text())
    held["keys"]["local-2"] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    ring.write_text(json.dumps(held | {"active": "local-2"}))
    bar = desk.said("keys", "rotate").stderr
    assert "sealing anew" in bar
    assert re.search(r"(\d+)/\1", bar), f"all of so many: {bar}"
    assert desk.connector("keys", "rotate")["done"] == 0
    ring.write_text(json.dumps({"active": "local-2", "keys": {"local-2": held["keys"]["local-2"]}}))
    assert all(check["passed"] for check in desk.connector("ping", "exact-nl")["acme/exact-nl"])


def renewed_secret(coupa: Vendor) -> str:
    """Somebody gives the client another secret in Coupa."""
    renewed = secrets.token_hex(16)
    client = {"client_id": coupa.credentials["client_id"], "client_secret": renewed}
    httpx.post(f"{coupa.control_url}/act/create_oauth_client", json=client).raise_for_status()
    return renewed


async def suppliers_of_coupa(run: Runtime) -> int:
    """The status of one call through the gate."""
    coupa = await run.connection(ConnectionId("acme", "coupa"))
    async with run.gate.call(coupa.id, TrafficClass.LIVE, endpoint="suppliers") as call:
        address = f"{coupa.settings.base_url}/api/suppliers?limit=1"
        headers = {"accept": "application/json", **call.authorization}
        answer = await request(run.http, "GET", address, headers=headers, deadline_s=10.0)
        call.learn(answer.status, answer.headers)
    return answer.status


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("data = set_byte(data, 20, 255 - get_byte(data, 20))", "it was changed"),
        ("key_id = 'lost'", "which the key ring does not hold"),
    ],
    ids=["changed", "under-a-lost-key"],
)
async def test_a_secret_that_cannot_be_opened_is_replaced_by_apply_under_a_running_process(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, harm: str, told: str
) -> None:
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    apply = ("apply", "-f", str(desk.file), "--yes")
    await asyncio.to_thread(desk.connector, *apply)
    renewed = renewed_secret(desk.coupa)
    with psycopg.connect(desk.environment["DATABASE_URL"], autocommit=True) as database:
        database.execute("delete from token where connection = 'coupa'")
        database.execute(f"update sealed set {harm} where connection = 'coupa' and field = 'client_secret'")
    async with runtime("coupa-writer") as run:
        says = rf"'client_secret' of connection acme/coupa .*{told}.*apply the credential again"
        with pytest.raises(GateError, match=says):
            await suppliers_of_coupa(run)
        done = await asyncio.to_thread(desk.connector, *apply, COUPA_CLIENT_SECRET=renewed)
        assert done["credentials"] == {"coupa": ["client_secret"]}
        async with asyncio.timeout(10.0):
            assert await suppliers_of_coupa(run) == 200
