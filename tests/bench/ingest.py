"""Speed of ingest as its own process: webhooks received, verified and acknowledged by Kafka, over loopback."""

import os
import statistics
import tempfile
from pathlib import Path
from unittest.mock import patch

import uvloop

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.part import free_port
from connector.adapters.parts.start import running_parts
from connector.adapters.postgres.migrating import migrate
from connector.adapters.systems import names
from connector.console.processes import Processes, Spec, module
from connector.console.services import new_key_ring
from connector.domain.ports.log import catalogue
from tests.bench.figures import Figure, cpu_s, figure, memory
from tests.bench.load import Load, load
from tests.integration.ingest.conftest import CLIENT_ID, SECRET, receiving
from tests.integration.ingest.test_webhooks import signed

CONNECTIONS = 256
SECONDS = float(os.environ.get("BENCH_INGEST_S", "10"))
ROUNDS = 3
BAR_PER_CPU_S, BAR_P99_MS = 14_000, 25


def run() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as name,
        patch.dict(os.environ, {"T_CLIENT_ID": CLIENT_ID, "T_CLIENT_SECRET": "unused", "T_SECRET": SECRET}),
        running_parts(Path(name) / "parts") as parts,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        settings = KafkaSettings(bootstrap_servers=parts.kafka_bootstrap, topic_prefix=f"{folder.name}.")
        apply_topics(settings, catalogue(names()))
        migrate(parts.database_url)
        with receiving(parts.kafka_bootstrap, parts.database_url, folder, new_key_ring(folder)) as service:
            per_cpu_s, top, quiet = _measured(service.webhook_url, service.base_url)
            used = memory("ingest", service.base_url)
        baseline, bare_top, bare_quiet = _bare(settings, folder)
    return [
        figure("webhooks acknowledged per CPU second", per_cpu_s, "1/s", BAR_PER_CPU_S, baseline=baseline),
        figure(
            f"webhook p99 at half its top load of {top:.0f}/s (bare: {bare_top:.0f}/s)",
            _p99(quiet),
            "ms",
            BAR_P99_MS,
            at_most=True,
            baseline=_p99(bare_quiet),
        ),
        used,
    ]


def _bare(settings: KafkaSettings, folder: Path) -> tuple[float, float, Load]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers, "KAFKA_TOPIC_PREFIX": settings.topic_prefix}
    with Processes(folder) as processes:
        processes.start(Spec("bare", module("tests.bench.bare_ingest", str(port)), environment, f"{url}/metrics"))
        processes.wait_ready()
        return _measured(f"{url}/webhooks/any", url)


def _measured(webhook_url: str, base_url: str) -> tuple[float, float, Load]:
    """Medians: answers per CPU second of the service, top load a second; then a run at half of that."""
    bodies = [signed(key=f"{number:08d}-2222-2222-2222-222222222222") for number in range(512)]

    def loaded(seconds: float, rate: float | None = None) -> Load:
        return uvloop.run(load(webhook_url, bodies, connections=CONNECTIONS, seconds=seconds, rate=rate))

    loaded(2)
    rounds: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        before = cpu_s(base_url)
        at_top = loaded(SECONDS)
        rounds.append((at_top.answered / (cpu_s(base_url) - before), at_top.answered / at_top.seconds))
    top = statistics.median(rate for _, rate in rounds)
    return statistics.median(per for per, _ in rounds), top, loaded(SECONDS, top / 2)


def _p99(measured: Load) -> float:
    return statistics.quantiles(measured.latencies_ms, n=100)[98]
