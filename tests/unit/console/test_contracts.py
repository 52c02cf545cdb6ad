"""Contracts as checked in are what the code makes, and no version of them may be broken."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner

from connector.adapters.contracts.compatibility import breaks
from connector.console import contracts


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


TEXT = {"type": "string"}
BEFORE = an_object(
    number=TEXT,
    status={"enum": ["open", "closed"], "type": "string"},
    note={"anyOf": [TEXT, {"type": "null"}]},
    lines={"type": "array", "items": {"$ref": "#/$defs/Line"}},
) | {"$defs": {"Line": an_object(amount={"type": "string", "maxLength": 40})}}


def changed(**properties: Any) -> dict[str, Any]:
    return {**BEFORE, "properties": {**BEFORE["properties"], **properties}}


def test_an_optional_field_or_a_further_value_breaks_nobody() -> None:
    assert breaks(BEFORE, changed(colour=TEXT)) == []
    assert breaks(BEFORE, changed(status={"enum": ["open", "closed", "held"], "type": "string"})) == []
    assert breaks(BEFORE, BEFORE) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (an_object(number=TEXT), "status was removed"),
        (changed(number={"type": "integer"}), "number may no longer be string"),
        (changed(number={"anyOf": [TEXT, {"type": "null"}]}), "number may now be null"),
        (changed(note=TEXT), "note may no longer be null"),
        (changed(status={"enum": ["open"], "type": "string"}), "status may no longer be closed"),
        ({**changed(colour=TEXT), "required": [*BEFORE["required"], "colour"]}, "colour became required"),
        ({**BEFORE, "required": ["lines"]}, "number is no longer required"),
        ({**BEFORE, "$defs": {"Line": an_object(sum=TEXT)}}, "lines[].amount was removed"),
        ({**BEFORE, "$defs": {"Line": an_object(amount={"type": "string", "maxLength": 9})}}, "maxLength is now 9"),
    ],
)
def test_what_breaks_a_reader_or_a_record_is_told_with_its_place(after: dict[str, Any], told: str) -> None:
    assert any(told in broken for broken in breaks(BEFORE, after)), breaks(BEFORE, after)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    contracts.main(folder=tmp_path)
    return tmp_path


def check(home: Path) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(contracts.main)
    done = CliRunner().invoke(app, ["--check", "--folder", str(home)])
    return done.exit_code, done.stderr


def test_what_was_just_written_passes(home: Path) -> None:
    assert check(home) == (0, "")


def test_a_contract_that_lags_behind_fails_with_the_command_to_run(home: Path) -> None:
    (home / "asyncapi.yaml").write_text("asyncapi: 3.0.0\n")
    code, said = check(home)
    assert code == 1
    assert "contracts/asyncapi.yaml is not what the code makes: run `python -m connector.console.contracts`" in said


def test_a_break_of_any_earlier_version_fails(home: Path) -> None:
    versions = home / "schemas" / "versions" / "mapping.rejected"
    earlier = json.loads((versions / "1.json").read_text())
    earlier["properties"]["cause"] = {"type": "string"}
    (versions / "1.json").rename(versions / "2.json")
    (versions / "1.json").write_text(json.dumps(earlier))
    code, said = check(home)
    assert code == 1
    assert "mapping.rejected.json: cause was removed: readers of earlier versions look for it (version 1)" in said


def test_the_schemas_are_schemas(home: Path) -> None:
    files = [*(home / "schemas").glob("*.json"), home / "tenant.schema.json"]
    assert len(files) > 6
    for file in files:
        jsonschema.Draft202012Validator.check_schema(json.loads(file.read_text()))
