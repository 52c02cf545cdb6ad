"""Recognisable secrets wherever one can enter a demo, and a search for them in everything that comes out."""

import asyncio
import base64
import gzip
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url

from connector.adapters.runtime import kafka_settings
from connector.console.demo.flows import FLOWS, TENANT, Connecting
from connector.console.demo.stage import BUILD, Stage
from connector.console.processes import module
from connector.domain.identity import ConnectionId
from connector.domain.ports.vault import TOKEN_FIELD
from tests.parts import Addresses

FLOW = "exact-coupa"
PUBLIC = ("client_id",)
"""Kept with the secrets, and no secret: Exact names it in each notice."""
_SHORT = 12


@dataclass
class Planted:
    """Secrets by what they are, and what was heard of the demo meanwhile. Also the demo's `Progress`."""

    listener: str
    secrets: dict[str, str] = field(default_factory=dict)
    heard: list[bytes] = field(default_factory=list)
    """What was sent to the address that takes traces and reminders."""
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        print(line)
        self.lines.append(line)

    def now(self, what: str) -> None:
        self.lines.append(what)

    def plant(self, name: str, value: str) -> str:
        assert len(value) >= _SHORT, f"{name} is too short to be told from other text"
        self.secrets[name] = value
        return value

    def found_in(self, outputs: Mapping[str, bytes]) -> list[str]:
        """Where a secret shows, in whatever form."""
        forms = {name: list(forms_of(value)) for name, value in self.secrets.items()}
        return [
            f"{name} in {where}"
            for where, output in outputs.items()
            for name, known in forms.items()
            if any(form in output for form in known)
        ]


def forms_of(secret: str) -> Iterator[bytes]:
    """As it is, as in an address, as hexadecimal digits, and as base64 wherever in a longer text it begins."""
    raw = secret.encode()
    yield raw
    yield quote(secret, safe="").encode()
    yield raw.hex().encode()
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + raw + b"\0\0\0")
        inner = coded[4 if lead else 0 : (lead + len(raw)) // 3 * 4]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


@contextmanager
def listening() -> Iterator[Planted]:
    """An address on this machine that takes whatever is posted to it."""

    planted: Planted

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            planted.heard.append(str(self.headers).encode() + body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    planted = Planted(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield planted
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def planted(own_parts: None, parts: Addresses, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    """A demo started now finds planted secrets in its environment and its configuration."""
    with listening() as planted:
        password = planted.plant("the database's password", "planted-database-password-3f9a")
        database = make_url(parts.server_url).set(password=password).render_as_string(hide_password=False)
        for name, value in {
            "CONNECTOR_PARTS": "env",
            "DATABASE_URL": database,
            "KAFKA_BOOTSTRAP_SERVERS": parts.kafka_bootstrap,
            "KAFKA_SASL_PASSWORD": planted.plant("Kafka's password", "planted-kafka-password-77c1"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": planted.listener,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(FLOWS, FLOW, replace(FLOWS[FLOW], connect=_connecting(planted)))
        yield planted


def _connecting(planted: Planted) -> Any:
    connect = FLOWS[FLOW].connect

    def with_reminders(facts: Mapping[str, Any], addresses: Mapping[str, Any]) -> Connecting:
        connecting = connect(facts, addresses)
        key = base64.b64encode(b"planted-reminders-secret-0123456").decode()
        configuration = connecting.configuration | {
            "reminders": {"url": f"{planted.listener}/hooks", "secret": "env:REMINDERS_SECRET"}
        }
        secrets = {**connecting.secrets, "REMINDERS_SECRET": f"whsec_{key}"}
        for name, value in secrets.items():
            if not name.lower().endswith(PUBLIC):
                planted.plant(name, value)
        return replace(connecting, configuration=configuration, secrets=secrets)

    return with_reminders


async def outputs(stage: Stage, planted: Planted) -> dict[str, bytes]:
    """Log in once more, fail once, and gather everything that anybody can read of the demo."""
    found = {"the result page": await _log_in(stage, planted), "the demo's lines": "\n".join(planted.lines).encode()}
    found |= await _commands(stage, planted)
    found |= await _metrics(stage)
    await _plant_what_is_held(stage, planted)
    found |= {f"log {file.name}": file.read_bytes() for file in (BUILD / "logs" / "demo").glob("*.log")}
    found |= await asyncio.to_thread(rows, stage.platform.database_url)
    found |= await asyncio.to_thread(messages, kafka_settings().topic_prefix)
    return found | {"traces and reminders": b"\n".join(planted.heard)}


async def _log_in(stage: Stage, planted: Planted) -> bytes:
    """As a browser does, step by step, each step's secret noted; the result page."""
    connection = next(name for name in await _connections(stage) if name.startswith("exact"))
    link = (await stage.connector("authorize", connection, "--no-wait", "--no-browser"))["link"]
    planted.plant("the invitation", link.rpartition("/")[2])
    async with httpx.AsyncClient(trust_env=False) as browser:
        started = await browser.get(link)
        planted.plant("the browser's cookie", started.cookies["connector_login"])
        agreed = (await browser.get(started.headers["location"])).headers["location"]
        said = parse_qs(urlsplit(agreed).query)
        planted.plant("the state", said["state"][0])
        planted.plant("the code", said["code"][0])
        cookie = {"cookie": f"connector_login={started.cookies['connector_login']}"}
        page = await browser.get(agreed, headers=cookie)
    assert page.status_code == 200, page.text
    return page.content


async def _connections(stage: Stage) -> list[str]:
    return [known.connection for known in (await stage.run.configuration.current()).connections]


async def _commands(stage: Stage, planted: Planted) -> dict[str, bytes]:
    """What people see, also of a connection whose secret is wrong."""
    async with stage.run.engine.connect() as db:
        number = (await db.execute(text("select native_id from desired limit 1"))).scalar_one()
    file = stage.platform.key_ring.parent / "tenant.yaml"
    asked = [("status",), ("blocked",), ("audit", number), ("ping",), ("apply", "-f", str(file), "--dry-run")]
    found = {}
    for arguments in asked:
        for form in ((), ("--json",)):
            found[f"connector {' '.join((*arguments, *form))}"] = await _said(stage, *arguments, *form)
    coupa = ConnectionId(TENANT, "coupa")
    right = (await stage.run.vault.credentials(coupa))["client_secret"]
    wrong = planted.plant("a wrong client secret", "planted-wrong-secret-b2d0")
    await stage.run.vault.put(coupa, {"client_secret": wrong})
    for arguments in (("ping", "coupa"), ("status", "--json")):
        found[f"connector {' '.join(arguments)}, refused"] = await _said(stage, *arguments)
    await stage.run.vault.put(coupa, {"client_secret": right})
    assert b"credentials are refused" in found["connector ping coupa, refused"].replace(b"\n", b" ")
    return found


async def _said(stage: Stage, *arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *module("connector.console.main", *arguments),
        env={**os.environ, **stage.platform.environment, "COLUMNS": "2000"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return out


async def _metrics(stage: Stage) -> dict[str, bytes]:
    found = {}
    async with httpx.AsyncClient(trust_env=False) as client:
        for name in stage.flow.services:
            url = str(stage.processes[name].spec.ready_url).replace("/readyz", "/metrics")
            found[f"metrics of {name}"] = (await client.get(url)).content
    return found


async def _plant_what_is_held(stage: Stage, planted: Planted) -> None:
    """The key ring, and what the vendors' token endpoints gave."""
    for key_id, key in json.loads(stage.platform.key_ring.read_text())["keys"].items():
        planted.plant(f"key {key_id}", key)
        planted.plant(f"key {key_id} itself", base64.b64decode(key).hex())
    for name in await _connections(stage):
        connection = ConnectionId(TENANT, name)
        sealed = (await stage.run.sealed.read(connection))[TOKEN_FIELD].sealed
        pair = json.loads(stage.run.vault.open(connection, TOKEN_FIELD, sealed))
        for kind, value in pair.items():
            if value:
                planted.plant(f"{name}'s {kind}", value)


def rows(database_url: str) -> dict[str, bytes]:
    """Every column of every table, as bytes."""
    found = {}
    with psycopg.connect(database_url) as db:
        tables = db.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        for (table,) in tables:
            cursor = db.execute(sql.SQL("select * from {}").format(sql.Identifier(table)))
            found[f"table {table}"] = b"\n".join(_bytes(value) for row in cursor for value in row)
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    return (json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)).encode()


def messages(prefix: str) -> dict[str, bytes]:
    """Keys, values and headers of every message in the topics of a prefix."""
    settings = kafka_settings()
    reading = {"group.id": f"{prefix}reads-all", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**settings.client(), **reading})
    try:
        topics = {name: topic for name, topic in consumer.list_topics(timeout=10).topics.items() if prefix in name}
        return {f"topic {name}": b"\n".join(_all(consumer, name, topic.partitions)) for name, topic in topics.items()}
    finally:
        consumer.close()


def _all(consumer: Consumer, topic: str, partitions: Mapping[int, Any]) -> Iterator[bytes]:
    for number in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
        if low == high:
            continue
        consumer.assign([TopicPartition(topic, number, low)])
        while (message := consumer.poll(20)) is not None and message.error() is None:
            yield b"\n".join([message.key() or b"", message.value() or b""])
            headers = message.headers() or ()
            for name, value in headers.items() if isinstance(headers, dict) else headers:
                yield f"{name}: ".encode() + _bytes(value or b"")
