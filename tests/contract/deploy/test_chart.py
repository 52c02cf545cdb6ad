"""The chart runs every service the code has, with variables the code reads."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connector.adapters.parts.part import checkout
from connector.console.services import service_names
from tests.environment import VARIABLES

CHART = checkout() / "deploy" / "helm" / "connector"
HELM = shutil.which("helm", path=f"{Path.home() / 'go' / 'bin'}:/usr/local/bin:/usr/bin")
HARDENED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
GIVEN = {
    "kafka.bootstrapServers": "broker:9093",
    "kafka.saslSecret": "kafka-user",
    "kafka.tlsSecret": "kafka-tls",
    "kafka.tlsClientCertificate": "true",
    "database.caSecret": "database-ca",
    "ingress.enabled": "true",
    "ingress.host": "connector.example.com",
    "ingress.tlsSecret": "connector-tls",
    "networkPolicy.enabled": "true",
    "metrics.serviceMonitor": "true",
    "publicBaseUrl": "https://connector.example.com",
    "telemetry.otlpEndpoint": "http://collector:4318",
}


def values() -> Mapping[str, Any]:
    found: Mapping[str, Any] = YAML(typ="safe").load((CHART / "values.yaml").read_text())
    return found


def test_every_service_has_a_stanza_and_every_stanza_a_module() -> None:
    services = values()["services"]
    assert set(services) == set(service_names())
    assert {name for name, stanza in services.items() if find_spec(stanza["module"]) is None} == set()


def test_the_templates_set_only_variables_that_the_code_reads() -> None:
    text = "".join(file.read_text() for file in (CHART / "templates").iterdir())
    named = set(re.findall(r"name: ((?:CONNECTOR|KAFKA|DATABASE|PUBLIC|OTEL)_[A-Z_]+)", text))
    assert named
    assert named <= VARIABLES


def test_the_templates_name_only_values_that_there_are() -> None:
    text = "".join(file.read_text() for file in (CHART / "templates").iterdir())
    paths = set(re.findall(r"\.Values\.([A-Za-z.]+)", text))
    assert paths
    assert [path for path in sorted(paths) if not _has(values(), path)] == []


def _has(tree: Any, path: str) -> bool:
    for step in path.split("."):
        if not isinstance(tree, dict) or step not in tree:
            return False
        tree = tree[step]
    return True


if HELM is not None:

    @pytest.fixture(scope="module")
    def rendered() -> list[dict[str, Any]]:
        given = [part for name, value in GIVEN.items() for part in ("--set", f"{name}={value}")]
        command = [str(HELM), "template", "release", str(CHART), "--kube-version", "1.31.0", *given]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [document for document in YAML(typ="safe").load_all(done.stdout) if document]

    def pods(rendered: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
        for document in rendered:
            if document["kind"] in ("StatefulSet", "Job"):
                yield document["metadata"]["name"], document["spec"]["template"]["spec"]

    def test_what_is_rendered_runs_hardened_and_mounts_only_what_it_declares(rendered: list[dict[str, Any]]) -> None:
        assert len(list(pods(rendered))) == len(service_names()) + 1
        for name, pod in pods(rendered):
            assert pod["securityContext"]["runAsNonRoot"], name
            volumes = {volume["name"] for volume in pod["volumes"]}
            for container in [*pod["containers"], *pod.get("initContainers", ())]:
                assert container["securityContext"] == HARDENED, name
                assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, name
                names = [variable["name"] for variable in container["env"]]
                assert len(names) == len(set(names)), name

    def test_services_find_their_pods_and_probes_their_ports(rendered: list[dict[str, Any]]) -> None:
        sets = [document for document in rendered if document["kind"] == "StatefulSet"]
        selectors = [document["spec"]["selector"] for document in rendered if document["kind"] == "Service"]
        for found in sets:
            labels = found["spec"]["template"]["metadata"]["labels"]
            assert found["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert any(selector.items() <= labels.items() for selector in selectors)
            (container,) = found["spec"]["template"]["spec"]["containers"]
            ports = {port["name"] for port in container["ports"]}
            assert {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} <= ports

    def test_the_chart_refuses_to_install_without_a_broker() -> None:
        command = [str(HELM), "template", "release", str(CHART), "--kube-version", "1.31.0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "kafka.bootstrapServers" in done.stderr
