"""No planted secret shows in anything that comes out of a demo; the search finds one in each place where it looks."""

import base64
import json
import logging
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from connector.console.demo.play import play
from connector.console.demo.stage import Stage
from connector.sandbox.demo import Size
from tests.e2e.planted import FLOW, Planted, listening, messages, outputs, rows

SECRET = "planted+secret/4711-zz"
SECRETS_PLANTED = 21
"""Of the environment, the configuration, the logins and the vault."""
KINDS = ("log ", "topic ", "table ", "metrics of ", "connector ", "traces", "the demo's lines", "the report")


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.timeout(900)
async def test_no_secret_shows_in_anything_that_comes_out_of_a_demo(planted: Planted) -> None:
    shown: dict[str, bytes] = {}

    async def gather(stage: Stage) -> None:
        shown.update(await outputs(stage, planted))

    played = await play(FLOW, seed=7, size=Size.SMALL, progress=planted, afterwards=gather)
    shown["the report"] = json.dumps(played.as_json()).encode()
    assert len(planted.secrets) >= SECRETS_PLANTED
    for kind in KINDS:
        assert sum(len(output) for name, output in shown.items() if name.startswith(kind)) > 1000, kind
    assert planted.found_in(shown) == []


@pytest.fixture
def knowing() -> Planted:
    planted = Planted("")
    planted.plant("ours", SECRET)
    return planted


@pytest.mark.parametrize(
    "shown",
    [
        SECRET.encode(),
        b'{"a": "planted%2Bsecret%2F4711-zz"}',
        base64.b64encode(b"Basic client:" + SECRET.encode() + b"!"),
        base64.urlsafe_b64encode(b"xy" + SECRET.encode()),
        SECRET.encode().hex().encode(),
    ],
)
def test_a_secret_is_found_in_any_form(knowing: Planted, shown: bytes) -> None:
    assert knowing.found_in({"there": b"before " + shown + b" after", "here": b"nothing"}) == ["ours in there"]


@pytest.mark.parametrize("kind", ["text", "jsonb", "bytea", "text[]"])
def test_a_secret_is_found_in_a_column(knowing: Planted, database_url: str, kind: str) -> None:
    value = {
        "text": SECRET,
        "jsonb": f'{{"a": ["{SECRET}"]}}',
        "bytea": SECRET.encode(),
        "text[]": [SECRET],
    }[kind]
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute(f"create table leaking (id int, it {kind})")
        assert knowing.found_in(rows(database_url)) == []
        db.execute("insert into leaking values (1, %s)", (value,))
        assert knowing.found_in(rows(database_url)) == ["ours in table leaking"]
        db.execute("drop table leaking")


@pytest.mark.parametrize("part", ["key", "value", "headers"])
def test_a_secret_is_found_in_a_message(
    knowing: Planted, kafka: str, topic_prefix: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    topic = f"{topic_prefix}leaking"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 3)])[topic].result(20)
    producer = Producer({"bootstrap.servers": kafka, "compression.type": "zstd"})
    message: dict[str, Any] = {"key": b"k", "value": b"v", "headers": [("h", b"x")]}
    told = {"key": SECRET.encode(), "value": SECRET.encode(), "headers": [("h", SECRET.encode())]}[part]
    producer.produce(topic, **(message | {part: told}))
    producer.produce(topic, **message)
    assert producer.flush(20) == 0
    assert knowing.found_in(messages(topic_prefix)) == [f"ours in topic {topic}"]


def test_a_secret_is_found_in_a_span(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with listening() as planted:
        planted.plant("ours", SECRET)
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{planted.listener}/v1/traces")))
        provider.get_tracer("test").start_span("GET", attributes={"url.full": f"http://x/?token={SECRET}"}).end()
        provider.shutdown()
        assert planted.found_in({"spans": b"".join(planted.heard)}) == ["ours in spans"]
