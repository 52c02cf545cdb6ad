"""`python -m connector.console.contracts`: write the contracts that the code makes, or with --check compare them.

Topic schemas are kept in every version there ever was, under contracts/schemas/versions: a change that would break a
reader or a record of any of them is refused.
"""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from connector.adapters.configuration.schema import tenant_schema
from connector.adapters.contracts.asyncapi import asyncapi
from connector.adapters.contracts.compatibility import breaks
from connector.adapters.contracts.openapi import ingest_openapi
from connector.adapters.contracts.schemas import topic_schemas
from connector.adapters.parts.part import checkout

_WRITE = "python -m connector.console.contracts"


def main(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; end with 1 where anything differs.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Where the contracts are; the checkout's by default.")] = None,
) -> None:
    """Generate the contracts: schemas of every topic, AsyncAPI, OpenAPI of ingest, the configuration's schema."""
    home = folder or checkout() / "contracts"
    problems = list(incompatibilities(home))
    if not problems and check:
        problems = list(_differences(home))
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    if not check:
        _write(home)


def generated() -> Mapping[str, str]:
    """Every contract's text by its path under contracts/."""
    return {
        **{f"schemas/{name}": _json(schema) for name, schema in topic_schemas().items()},
        "asyncapi.yaml": _yaml(asyncapi()),
        "openapi/ingest.yaml": _yaml(ingest_openapi()),
        "tenant.schema.json": _json(tenant_schema()),
    }


def incompatibilities(home: Path) -> Iterator[str]:
    """What the code's schemas would break of any version there ever was."""
    for name, schema in topic_schemas().items():
        for version in _versions(home, name):
            for broken in breaks(json.loads(version.read_text()), schema):
                number = version.stem
                yield (
                    f"{name}: {broken} (version {number}). Keep it compatible, or publish another topic version and "
                    "move the readers."
                )


def _differences(home: Path) -> Iterator[str]:
    wanted = generated()
    for path, text in wanted.items():
        file = home / path
        if not file.exists() or file.read_text() != text:
            yield f"contracts/{path} is not what the code makes: run `{_WRITE}` and commit the result"
    for file in sorted((home / "schemas").glob("*.json")):
        if f"schemas/{file.name}" not in wanted:
            yield f"contracts/schemas/{file.name} belongs to no topic any more: readers of it are lost"
    for name, schema in topic_schemas().items():
        versions = _versions(home, name)
        if not versions or versions[-1].read_text() != _json(schema):
            yield f"contracts/schemas/versions/{name} lacks the present version: run `{_WRITE}` and commit the result"


def _write(home: Path) -> None:
    for path, text in generated().items():
        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name, schema in topic_schemas().items():
        versions, text = _versions(home, name), _json(schema)
        if not versions or versions[-1].read_text() != text:
            file = _folder(home, name) / f"{len(versions) + 1}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def _versions(home: Path, name: str) -> list[Path]:
    return sorted(_folder(home, name).glob("*.json"), key=lambda file: int(file.stem))


def _folder(home: Path, name: str) -> Path:
    return home / "schemas" / "versions" / name.removesuffix(".json")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: Any) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 110
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    yaml.dump(json.loads(json.dumps(value)), text)
    return text.getvalue()


if __name__ == "__main__":
    typer.run(main)
