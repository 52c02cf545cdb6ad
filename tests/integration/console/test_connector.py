"""The `connector` command on real parts and sandboxes, in the order a person would use it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.adapters.parts.part import checkout, free_port
from connector.console.processes import Processes
from connector.console.services import Platform, new_key_ring, service
from tests.parts import Addresses, database_at, execute

EXAMPLE = checkout() / "contracts" / "examples" / "tenant.yaml"


@dataclass
class Vendor:
    base_url: str
    control_url: str
    credentials: Mapping[str, Any]


@contextmanager
def vendor(system: str) -> Iterator[Vendor]:
    command = [sys.executable, "-m", "connector.console.main", "sandbox", system]
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


@dataclass
class Desk:
    """Somebody at a terminal, with the environment a platform team would give them."""

    exact: Vendor
    coupa: Vendor
    file: Path
    environment: Mapping[str, str]

    def connector(self, *arguments: str, exits: int = 0) -> Any:
        command = [sys.executable, "-m", "connector.console.main", *arguments, "--json"]
        done = subprocess.run(
            command, env=dict(self.environment), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == exits, (arguments, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def desk(parts: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("console")
    database = f"console_{folder.name.replace('-', '_')}"
    execute(parts.server_url, "create database {}", database)
    database_url = database_at(parts.server_url, database)
    address = f"http://127.0.0.1:{free_port()}"
    platform = Platform(parts.kafka_bootstrap, database_url, address, new_key_ring(folder))
    with ExitStack() as stack:
        exact, coupa = stack.enter_context(vendor("exact")), stack.enter_context(vendor("coupa"))
        text = EXAMPLE.read_text().replace("http://127.0.0.1:8101", exact.base_url)
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
    link = desk.connector("authorize", "exact-nl", "--no-wait")["link"]
    callback = f"{desk.environment['PUBLIC_BASE_URL']}/oauth/callback"
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


def test_pausing_shows_everywhere_until_resumed(desk: Desk) -> None:
    desk.connector("pause", "coupa", "--reason", "maintenance")
    assert desk.connector("status")["connections"]["coupa"]["paused"] == "maintenance"
    assert "connector resume" in desk.connector("ping", "coupa", exits=1)["acme/coupa"][0]["fix"]
    desk.connector("resume", "coupa")
    assert desk.connector("status")["connections"]["coupa"]["paused"] is None
    assert "no connection or flow 'cupoa'" in desk.connector("pause", "cupoa", "--reason", "x", exits=2)["error"]


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
    assert desk.connector("keys", "rotate")["done"] >= 6
    ring.write_text(json.dumps({"active": "local-2", "keys": {"local-2": held["keys"]["local-2"]}}))
    assert all(check["passed"] for check in desk.connector("ping", "exact-nl")["acme/exact-nl"])
