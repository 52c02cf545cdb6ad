"""The command's manners: exit codes that mean something, errors that say what to do, secrets that never print."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connector.console.main import app
from connector.console.output import plain
from connector.domain.identity import ConnectionId
from connector.domain.secret import Secret

runner = CliRunner()
AWAY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "PUBLIC_BASE_URL", "CONNECTOR_ALLOW_LOOPBACK_HTTP"):
        monkeypatch.delenv(name, raising=False)


def test_a_missing_variable_is_refused_by_name() -> None:
    done = runner.invoke(app, ["status", "--json"])
    assert done.exit_code == 2
    assert json.loads(done.stdout) == {"error": "DATABASE_URL: field required", "exit": 2}


def test_a_database_that_is_away_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", AWAY)
    done = runner.invoke(app, ["status"])
    assert done.exit_code == 3
    assert "The database of DATABASE_URL does not answer" in done.stderr


def test_a_public_address_without_https_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", AWAY)
    for address in ("http://connector.example.com", "https://connector.example.com/webhooks", "connector"):
        monkeypatch.setenv("PUBLIC_BASE_URL", address)
        assert runner.invoke(app, ["status"]).exit_code == 2
    monkeypatch.setenv("PUBLIC_BASE_URL", "http://127.0.0.1:8080")
    assert "CONNECTOR_ALLOW_LOOPBACK_HTTP=1" in runner.invoke(app, ["status"]).stderr


def test_mistakes_of_a_file_are_told_as_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", AWAY)
    file = tmp_path / "tenant.yaml"
    file.write_text("tenant: acme\nconnections:\n  one:\n    system: abacus\n")
    done = runner.invoke(app, ["apply", "-f", str(file), "--json"])
    assert done.exit_code == 2
    (mistake,) = json.loads(done.stdout)["mistakes"]
    assert (mistake["line"], mistake["what"].split(":")[0]) == (4, "there is no system 'abacus'")


def test_secrets_never_print() -> None:
    shown = plain({"at": ConnectionId("acme", "erp"), "held": [Secret("planted")], "plain": Secret("planted")})
    assert shown == {"at": "acme/erp", "held": ["***"], "plain": "***"}


def test_the_exit_codes_are_in_the_help() -> None:
    assert "3 a part cannot be reached" in " ".join(runner.invoke(app, ["--help"]).stdout.split())
