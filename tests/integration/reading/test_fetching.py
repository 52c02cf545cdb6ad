"""Fetcher and poller as processes: from a company at Exact to documents in the log, whoever of them is killed."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from connector.adapters.configuration.tenant_file import load
from connector.adapters.gate.authorize import Outcome
from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.part import checkout, free_port
from connector.adapters.runtime import runtime
from connector.adapters.systems import names
from connector.console.processes import Processes, health_port
from connector.console.services import Platform, new_key_ring, service
from connector.domain.identity import ConnectionId
from connector.domain.ports.log import catalogue, documents_topic

CONNECTION = ConnectionId("acme", "exact-nl")
EXAMPLE = checkout() / "contracts" / "examples" / "tenant.yaml"
WITHIN_S = 40.0


@dataclass
class Vendor:
    base_url: str
    control_url: str
    credentials: Mapping[str, Any]

    def act(self, name: str, **body: Any) -> Any:
        return httpx.post(f"{self.control_url}/act/{name}", json=body).raise_for_status().json()


@dataclass
class Site:
    """A vendor, and the platform's readers at work on it."""

    vendor: Vendor
    processes: Processes
    settings: KafkaSettings

    def documents(self) -> list[dict[str, Any]]:
        """All of documents.exact, in the order of each partition."""
        topic = self.settings.topic(documents_topic("exact"))
        consumer = Consumer({**self.settings.client(), "group.id": "look", "enable.auto.commit": False})
        try:
            numbers = consumer.list_topics(topic).topics[topic].partitions
            places = [TopicPartition(topic, number, 0) for number in numbers]
            ends = sum(consumer.get_watermark_offsets(place)[1] for place in places)
            consumer.assign(places)
            found: list[Any] = []
            while len(found) < ends:
                found += consumer.consume(ends - len(found), timeout=10)
            return [json.loads(message.value()) for message in found]
        finally:
            consumer.close()

    def until_read(self, native_id: str) -> list[dict[str, Any]]:
        """The documents with this id, once there is one."""
        give_up_at_s = time.monotonic() + WITHIN_S
        while time.monotonic() < give_up_at_s:
            found = [document for document in self.documents() if document["native_id"] == native_id]
            if found:
                return found
            time.sleep(0.5)
        raise AssertionError(f"{native_id} was not read within {WITHIN_S} s")


@contextmanager
def vendor(system: str) -> Iterator[Vendor]:
    command = [sys.executable, "-m", "connector.sandbox", system, "--set", "minute_s=6.0"]
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


async def set_up(file: Path, exact: Vendor) -> None:
    """Apply the tenant and log in, as people do with the command."""
    async with runtime("test") as run:
        tenant = load(file, loopback_http=True)
        for name in tenant.connections:
            secrets = {field: secret.reveal() for (of, field), secret in tenant.secrets.items() if of == name}
            await run.vault.put(ConnectionId("acme", name), secrets)
        await run.configuration.apply(tenant, "test", {})
        callback = str(run.settings.callback_address)
        exact.act("edit_app", redirect_uris=[callback])
        authorisations = run.authorisations()
        started = await authorisations.start_authorization(CONNECTION, callback)
        async with httpx.AsyncClient() as browser:
            sent_back = httpx.URL((await browser.get(started.url)).headers["location"]).params
        result = await authorisations.finish_authorization(sent_back["state"], sent_back["code"], started.browser)
        assert result.outcome is Outcome.AUTHORISED, result.message


@pytest.fixture(scope="module")
def site(kafka: str, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two fetchers, of which one stands by, and a poller; webhooks reach nobody, so sweeps must find everything."""
    folder = tmp_path_factory.mktemp("reading")
    platform = Platform(kafka, database_url, f"http://127.0.0.1:{free_port()}", new_key_ring(folder))
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"{folder.name}.")
    apply_topics(settings, catalogue(names()))
    with ExitStack() as stack:
        exact = stack.enter_context(vendor("exact"))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        fields = ("client_id", "client_secret", "webhook_secret")
        given = {f"EXACT_{name.upper()}": exact.credentials[name] for name in fields}
        unused = {"COUPA_CLIENT_ID": "unused", "COUPA_CLIENT_SECRET": "unused"}
        for name, value in {**platform.environment, **given, **unused}.items():
            patch.setenv(name, value)
        file = folder / "tenant.yaml"
        hurried = f"division: {exact.credentials['divisions'][0]}\n      catch_up_s: 2\n      minute_s: 6"
        text = EXAMPLE.read_text().replace("http://127.0.0.1:8101", exact.base_url)
        file.write_text(text.replace("division: 674359", hurried))
        asyncio.run(set_up(file, exact))
        processes = stack.enter_context(Processes(folder))
        for ordinal, name in enumerate(("exact-fetcher", "standby", "poller")):
            spec = service("poller" if name == "poller" else "exact-fetcher", platform)
            environment, ready_url = health_port()
            environment |= {"KAFKA_TOPIC_PREFIX": settings.topic_prefix, "KAFKA_GROUP_PREFIX": settings.topic_prefix}
            environment["CONNECTOR_ORDINAL"] = str(ordinal)
            environment = {**spec.environment, **environment}
            processes.start(replace(spec, name=name, environment=environment, ready_url=ready_url))
        processes.wait_ready()
        yield Site(exact, processes, settings)


def test_a_company_is_read_whole_without_a_single_webhook(site: Site) -> None:
    supplier = site.vendor.act("create_account", Name="Bakkerij Jansen", IsSupplier=True)
    (document,) = site.until_read(supplier["ID"])
    assert (document["entity"], document["record"]["Name"]) == ("supplier", "Bakkerij Jansen")
    assert {"gl-account", "vat-code"} <= {one["native_id"].partition("/")[0] for one in site.documents()}


def test_when_the_reader_is_killed_another_goes_on_and_order_is_kept(site: Site) -> None:
    """SIGKILL: the epoch is not given back, so the standby follows when it is over."""
    supplier = site.vendor.act("create_account", Name="Before", IsSupplier=True)
    site.until_read(supplier["ID"])
    site.processes.kill("exact-fetcher")
    second = site.vendor.act("create_account", Name="After", IsSupplier=True)
    site.until_read(second["ID"])
    by_key: dict[str, list[str]] = {}
    for document in site.documents():
        by_key.setdefault(document["native_id"], []).append(document["read_at"])
    assert all(stamps == sorted(stamps) for stamps in by_key.values())


def test_told_to_end_it_gives_the_connection_back_at_once(site: Site) -> None:
    site.processes["standby"].signal(signal.SIGTERM)
    assert site.processes["standby"].wait(10.0)
    site.processes.restart("exact-fetcher")
    third = site.vendor.act("create_account", Name="Third", IsSupplier=True)
    began = time.monotonic()
    site.until_read(third["ID"])
    assert time.monotonic() - began < 14
