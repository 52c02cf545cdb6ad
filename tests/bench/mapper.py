"""Speed of the mapper as its own process: orders, entries and suppliers of 2.3 KB on average, Exact's translation and
rules, exactly once."""

import asyncio
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import uvloop

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.lag import lag
from connector.adapters.kafka.log import kafka
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.part import checkout
from connector.adapters.parts.start import running_parts
from connector.adapters.systems import names
from connector.console.processes import Processes, Spec, health_port, module
from connector.domain.digest import digest
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.messages import document_message
from connector.domain.ports.log import Message, catalogue, documents_topic
from tests.bench.figures import Figure, cpu_s, figure, memory

GOLDENS = checkout() / "tests" / "unit" / "exact" / "goldens"
KINDS = ("order-awaiting", "entry-credit-note", "supplier")
WARM_UP = 5_000
DOCUMENTS = int(os.environ.get("BENCH_MAPPER_DOCUMENTS", "60000"))
ROUNDS = 3
BATCH = 2_000
WITHIN_S = 240.0
BAR_PER_CPU_S, BAR_RATIO = 15_000, 0.8
LOOPS = {
    "exactly once": module("connector.mapper"),
    "without transactions": module("tests.bench.loops", "without-transactions"),
    "JSON alone": module("tests.bench.loops", "json"),
}


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name, running_parts(Path(name) / "parts") as parts:
        rates: dict[str, list[float]] = {loop: [] for loop in LOOPS}
        used: list[Figure] = []
        for _ in range(ROUNDS):
            for loop in LOOPS:
                rate, resident = _rate(parts.kafka_bootstrap, parts.database_url, Path(name), loop)
                rates[loop].append(rate)
                used = [resident] if loop == "exactly once" else used
    ours, plain, bare = (statistics.median(rates[loop]) for loop in LOOPS)
    size = sum(len(one.value or b"") for one in documents(len(KINDS))) // len(KINDS)
    return [
        figure(
            f"mapper, exactly once, {size} bytes, per CPU second", ours, "documents/s", BAR_PER_CPU_S, baseline=bare
        ),
        figure("mapper, share of its speed without transactions", ours / plain, "", BAR_RATIO, baseline=plain / bare),
        *used,
    ]


def _rate(bootstrap: str, database_url: str, folder: Path, loop: str) -> tuple[float, Figure]:
    """Documents per CPU second of one loop on topics of its own, and its memory; a warm-up is not counted."""
    own = f"bench-{uuid.uuid4().hex[:8]}."
    settings = KafkaSettings(bootstrap_servers=bootstrap, topic_prefix=own, group_prefix=own)
    apply_topics(settings, catalogue(names()))
    environment, ready_url = health_port()
    environment |= {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_TOPIC_PREFIX": own, "KAFKA_GROUP_PREFIX": own,
        "DATABASE_URL": database_url, "CONNECTOR_ORDINAL": "0",
    }  # fmt: skip
    base_url = ready_url.removesuffix("/readyz")
    with Processes(folder) as processes:
        processes.start(Spec("mapper", LOOPS[loop], environment, ready_url))
        processes.wait_ready()
        _carried(settings, documents(WARM_UP))
        before = cpu_s(base_url)
        _carried(settings, documents(DOCUMENTS))
        return DOCUMENTS / (cpu_s(base_url) - before), memory("mapper", base_url)


def _carried(settings: KafkaSettings, messages: Sequence[Message]) -> None:
    """Produce them and wait until the group has committed past them."""
    uvloop.run(_produce(settings, messages))
    ends = time.monotonic() + WITHIN_S
    while lag(settings, {"mapper": [documents_topic("exact")]})["mapper"]:
        if time.monotonic() > ends:
            raise AssertionError(f"not carried within {WITHIN_S} s")
        time.sleep(0.1)


async def _produce(settings: KafkaSettings, messages: Sequence[Message]) -> None:
    async with kafka(settings, service="bench") as log:
        for at in range(0, len(messages), BATCH):
            await log.produce(messages[at : at + BATCH])
            await asyncio.sleep(0)


def documents(count: int) -> list[Message]:
    """Orders, entries and suppliers in turn, as read from Exact, each with an id of its own."""
    goldens = [_golden(kind) for kind in KINDS]
    made = []
    for number in range(count):
        native_id, one = goldens[number % len(goldens)]
        own_id = f"{number:08d}{native_id[8:]}"
        value = (one.value or b"").replace(native_id.encode(), own_id.encode())
        made.append(Message(one.topic, one.key.replace(native_id, own_id), value, one.headers))
    return made


def _golden(kind: str) -> tuple[str, Message]:
    golden = json.loads((GOLDENS / f"{kind}.source.json").read_text())
    golden["resolved_digest"] = digest(golden["resolved"])  # as readers give it
    return str(golden["native_id"]), document_message(SourceDocument.model_validate(golden))
