"""What the documents say can be done can be done: commands parse, variables are read, links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from connector.adapters.configuration.tenant_file import TenantFile
from connector.adapters.parts.part import checkout
from connector.adapters.systems import flow_kinds, names, room
from connector.console.main import app
from tests.environment import VARIABLES

ROOT = checkout()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?:^|`)(?:\.venv/bin/)?connector ([a-z][^`\n]*)", re.MULTILINE)
VARIABLE = re.compile(r"\b(?:CONNECTOR|KAFKA|OTEL)_[A-Z_]+\b|\bDATABASE_URL\b|\bPUBLIC_BASE_URL\b")
NAMES = [str(document.relative_to(ROOT)) for document in DOCUMENTS]

TREE: Any = get_command(app)


def commands(text: str) -> Iterator[str]:
    yield from (found.strip() for found in COMMAND.findall(text))


def problem(command: str) -> str | None:
    """Why the command does not exist as written, None where it does."""
    node, words = TREE, re.split(r"\s+", command)
    while words and hasattr(node, "commands"):
        if words[0] not in node.commands:
            return f"there is no `{words[0]}`"
        node = node.commands[words.pop(0)]
    known = {option for parameter in node.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    return f"there is no option {unknown}" if unknown else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links_lead_to_files(document: Path) -> None:
    targets = [target for target in LINK.findall(document.read_text()) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_commands_and_their_options_exist(document: Path) -> None:
    found = {command: problem(command) for command in commands(document.read_text())}
    assert {command: wrong for command, wrong in found.items() if wrong is not None} == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_variables_are_those_the_code_reads(document: Path) -> None:
    assert set(VARIABLE.findall(document.read_text())) <= VARIABLES


def test_a_command_that_is_not_there_would_be_found() -> None:
    assert problem("reset --all") == "there is no `reset`"
    assert problem("topics drop") == "there is no `drop`"
    assert problem("status --loud") == "there is no option ['--loud']"


def test_every_variable_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "operations.md").read_text()
    assert {name for name in VARIABLES if f"| `{name}` |" not in reference} == set()


def test_every_alert_has_its_remedy() -> None:
    rules: Any = YAML(typ="safe").load((ROOT / "deploy/observability/alerts.yaml").read_text())
    reference = (ROOT / "docs" / "operations.md").read_text()
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {alert for alert in alerts if f"`{alert}`" not in reference} == set()


def test_every_setting_of_the_tenants_file_is_explained() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    entries = [TenantFile.model_fields[name].annotation for name in ("connections", "flows")]
    models = [entry.__args__[1] for entry in entries if entry is not None]
    fields = {name for model in models for name in model.model_fields}
    assert {name for name in fields if f"`{name}`" not in text} == set()


def test_every_kind_of_flow_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    assert {kind for kind in flow_kinds() if f"`{kind}`" not in text} == set()


@pytest.mark.parametrize("system", names())
def test_every_setting_of_a_system_is_on_its_page(system: str) -> None:
    text = (ROOT / "docs" / "systems" / f"{system}.md").read_text()
    assert {name for name in room(system).Settings.model_fields if f"`{name}`" not in text} == set()


def test_every_make_target_that_is_named_exists() -> None:
    named = {name for document in DOCUMENTS for name in re.findall(r"`make ([a-z]+)", document.read_text())}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named <= targets
