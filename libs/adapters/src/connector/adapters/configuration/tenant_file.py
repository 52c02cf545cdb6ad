"""`tenant.yaml`: its shape, and reading it with errors that name file, line, what is wrong and how to mend it."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from connector.adapters.systems import FlowKind, UnknownSystem, flow_kinds, room
from connector.domain.identity import Entity
from connector.domain.ports.configuration import OnBlock, OnMappingChange
from connector.domain.secret import Secret

LOOPBACK = ("127.0.0.1", "localhost", "::1")
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="lower-case letters, digits, hyphens")]


SecretReference = Annotated[str, Field(pattern=r"^(env|file):.+$", description="env:NAME or file:/path")]
REMINDERS = "reminders"
"""Under this name, which no connection may have, the vault holds where a tenant takes its reminders."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConnectionEntry(_Closed):
    system: str
    settings: dict[str, Any] = {}
    secrets: dict[str, SecretReference] = {}
    call_deadline_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    processing_s: Annotated[float, Field(ge=0, le=3600)] = 120.0


class CsvTable(_Closed):
    """A mapping table in a CSV file beside the YAML file, with a heading line and columns `key` and `value`."""

    csv: str


class FlowEntry(_Closed):
    kind: str
    source: Name
    target: Name
    start_date: date
    entities: list[Entity] | None = None
    references: list[str] = []
    options: dict[str, Any] = {}
    mappings: dict[Name, Annotated[CsvTable | dict[str, str], Field(union_mode="left_to_right")]] = {}
    on_mapping_change: OnMappingChange = OnMappingChange.NONE
    on_block: OnBlock = OnBlock.HOLD
    wait_s: Annotated[float, Field(ge=0)] = 900.0


class RemindersEntry(_Closed):
    """Where people are told of logins that expire, paused connections and blocked records (Standard Webhooks)."""

    url: Annotated[str, Field(pattern=r"^https?://.+")]
    secret: SecretReference


class TenantFile(_Closed):
    """One tenant: its connections, the flows between them, and where it takes its reminders."""

    tenant: Name
    connections: dict[Name, ConnectionEntry]
    flows: dict[Name, FlowEntry] = {}
    reminders: RemindersEntry | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a configuration file; `line` counts from 1."""

    file: str
    line: int
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}. {self.fix}"


class ConfigurationRefused(Exception):
    """Nothing was applied; every mistake at once."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = list(mistakes)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A whole, checked configuration of one tenant."""

    name: str
    connections: Mapping[str, ConnectionEntry]
    flows: Mapping[str, FlowEntry]
    tables: Mapping[tuple[str, str], Mapping[str, str]]
    """Mapping tables by flow and name, CSV files read."""
    secrets: Mapping[tuple[str, str], Secret]
    """Secrets by connection (or REMINDERS) and field, resolved; never printed."""

    def kind(self, flow: str) -> FlowKind:
        return flow_kinds()[self.flows[flow].kind]


def load(path: Path, *, with_secrets: bool = True, loopback_http: bool = False) -> Tenant:
    """Read and check a configuration file; raises ConfigurationRefused with every mistake.

    `loopback_http` lets addresses be plain http on this machine, for sandboxes.
    """
    document = _parse(path)
    place = _Places(path, document)
    try:
        entered = TenantFile.model_validate(document)
    except ValidationError as error:
        raise ConfigurationRefused([place.of_error(item, ()) for item in error.errors()]) from None
    mistakes = [*_mistakes(entered, place), *_addresses(entered, place, loopback_http=loopback_http)]
    if mistakes:
        raise ConfigurationRefused(mistakes)
    tables, bad_tables = _tables(entered, path, place)
    secrets, bad_secrets = _secrets(entered, place) if with_secrets else ({}, [])
    if bad_tables or bad_secrets:
        raise ConfigurationRefused([*bad_tables, *bad_secrets])
    return Tenant(entered.tenant, entered.connections, entered.flows, tables, secrets)


def _parse(path: Path) -> Any:
    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationRefused(
            [Mistake(str(path), 1, f"cannot be read: {error.strerror}", "Name a file")]
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = f"not valid YAML: {error.problem}"
        raise ConfigurationRefused([Mistake(str(path), line, what, "Mend the indentation or quoting there")]) from None
    if not isinstance(document, CommentedMap):
        raise ConfigurationRefused([Mistake(str(path), 1, "not a mapping", "Begin with `tenant: <name>`")])
    return document


class _Places:
    """Finds the line of a place in the file."""

    def __init__(self, path: Path, document: Any) -> None:
        self._file = str(path)
        self._document = document

    def line(self, location: Sequence[str | int]) -> int:
        node, line = self._document, 1
        for step in location:
            if isinstance(node, CommentedMap) and step in node:
                line = int(node.lc.key(step)[0]) + 1
                node = node[step]
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                line = int(node.lc.item(step)[0]) + 1
                node = node[step]
            elif not isinstance(node, (CommentedMap, CommentedSeq)):
                break
        return line

    def mistake(self, location: Sequence[str | int], what: str, fix: str) -> Mistake:
        return Mistake(self._file, self.line(location), what, fix)

    def of_error(self, error: Any, prefix: Sequence[str | int]) -> Mistake:
        location = (*prefix, *error["loc"])
        name = ".".join(str(step) for step in location)
        match error["type"]:
            case "extra_forbidden":
                return self.mistake(location, f"{name}: there is no such setting", "Remove it, or mend its spelling")
            case "missing":
                return self.mistake(location, f"{name} is missing", "Add it")
            case "value_error":  # a rule of ours, which says itself what to do
                return self.mistake(location, f"{name}: {error['ctx']['error']}", "Then apply it again")
        return self.mistake(location, f"{name}: {error['msg'].lower()}", "Give a value of that kind")


def _mistakes(entered: TenantFile, place: _Places) -> Iterator[Mistake]:
    if REMINDERS in entered.connections:
        what = f"a connection may not be named {REMINDERS!r}"
        yield place.mistake(("connections", REMINDERS), what, "Give it another name")
    for name, connection in entered.connections.items():
        yield from _connection_mistakes(name, connection, place)
    for name, flow in entered.flows.items():
        yield from _flow_mistakes(name, flow, entered, place)
    yield from _collisions(entered, place)


def _connection_mistakes(name: str, connection: ConnectionEntry, place: _Places) -> Iterator[Mistake]:
    at = ("connections", name)
    try:
        system = room(connection.system)
    except UnknownSystem as error:
        yield place.mistake((*at, "system"), str(error), "Choose one of these")
        return
    try:
        system.Settings.model_validate(connection.settings)
    except ValidationError as error:
        for item in error.errors():
            yield place.of_error(item, (*at, "settings"))
    for field in connection.secrets.keys() - system.SECRETS.keys():
        known = ", ".join(sorted(system.SECRETS))
        yield place.mistake((*at, "secrets", field), f"{connection.system} has no secret {field!r}", f"Use: {known}")
    for field, meaning in system.SECRETS.items():
        if field not in connection.secrets and not meaning.startswith("optional"):
            fix = f"Add `{field}: env:NAME` or `{field}: file:/path`"
            yield place.mistake((*at, "secrets"), f"connection {name}: secret {field!r} ({meaning}) is missing", fix)


def _addresses(entered: TenantFile, place: _Places, *, loopback_http: bool) -> Iterator[Mistake]:
    """Credentials and documents travel over https; only a sandbox on this machine may be called without."""
    addresses: dict[tuple[str, ...], str] = {
        ("connections", name, "settings", setting): value
        for name, connection in entered.connections.items()
        for setting, value in connection.settings.items()
        if setting.endswith("url") and isinstance(value, str)
    }
    if entered.reminders is not None:
        addresses[REMINDERS, "url"] = entered.reminders.url
    for where, value in addresses.items():
        local = urlsplit(value).hostname in LOOPBACK
        if value.startswith("http:") and not (local and loopback_http):
            fix = "For a sandbox set CONNECTOR_ALLOW_LOOPBACK_HTTP=1 where this command runs" if local else "Use https"
            yield place.mistake(where, f"{where[-1]} {value} is plain http", fix)


def _flow_mistakes(name: str, flow: FlowEntry, entered: TenantFile, place: _Places) -> Iterator[Mistake]:
    at = ("flows", name)
    kind = flow_kinds().get(flow.kind)
    if kind is None:
        known = ", ".join(sorted(flow_kinds()))
        yield place.mistake((*at, "kind"), f"there is no kind of flow {flow.kind!r}", f"Use one of: {known}")
        return
    for end, system in (("source", kind.source), ("target", kind.target)):
        connection = entered.connections.get(getattr(flow, end))
        if connection is None:
            what = f"{end} {getattr(flow, end)!r} is not a connection of this tenant"
            yield place.mistake((*at, end), what, "Name one of: " + ", ".join(entered.connections))
        elif connection.system != system:
            what = f"{end} of a flow {flow.kind} must be a connection to {system}, not to {connection.system}"
            yield place.mistake((*at, end), what, f"Name a connection whose system is {system}")
    for entity in set(flow.entities or ()) - kind.entities:
        known = ", ".join(sorted(kind.entities))
        yield place.mistake((*at, "entities"), f"{flow.kind} does not move {entity}", f"Use: {known}")
    for reference in set(flow.references) - kind.references:
        known = ", ".join(sorted(kind.references)) or "none"
        yield place.mistake((*at, "references"), f"{flow.kind} cannot write references {reference!r}", f"Use: {known}")
    for table in flow.mappings.keys() - kind.tables.keys():
        known = ", ".join(sorted(kind.tables)) or "none"
        yield place.mistake((*at, "mappings", table), f"{flow.kind} has no mapping table {table!r}", f"Use: {known}")
    try:
        kind.options.model_validate(flow.options)
    except ValidationError as error:
        for item in error.errors():
            yield place.of_error(item, (*at, "options"))


def _collisions(entered: TenantFile, place: _Places) -> Iterator[Mistake]:
    """Two flows into one target must not be able to claim the same number, name or key there."""
    claimed: dict[tuple[str, str, str], str] = {}
    for name, flow in entered.flows.items():
        kind = flow_kinds().get(flow.kind)
        if kind is None:
            continue
        try:
            options = kind.options.model_validate(flow.options)
        except ValidationError:
            continue
        namespace: Mapping[str, str] = getattr(options, "namespace", dict)()
        for key, value in namespace.items():
            other = claimed.setdefault((flow.target, key, value), name)
            if other != name:
                what = f"flows {other} and {name} both write {key} {value!r} into {flow.target}"
                yield place.mistake(("flows", name, "options"), what, f"Give each its own {key}")


def _tables(
    entered: TenantFile, path: Path, place: _Places
) -> tuple[dict[tuple[str, str], Mapping[str, str]], list[Mistake]]:
    tables: dict[tuple[str, str], Mapping[str, str]] = {}
    mistakes: list[Mistake] = []
    for flow_name, flow in entered.flows.items():
        for name, table in flow.mappings.items():
            if not isinstance(table, CsvTable):
                tables[flow_name, name] = table
                continue
            file = path.parent / table.csv
            try:
                tables[flow_name, name] = dict(_csv_rows(file))
            except (OSError, ValueError, csv.Error) as error:
                at = ("flows", flow_name, "mappings", name, "csv")
                fix = "Give a CSV file with the columns `key` and `value`, each key once"
                mistakes.append(place.mistake(at, f"{table.csv}: {error}", fix))
    return tables, mistakes


def _csv_rows(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        if not {"key", "value"} <= set(reader.fieldnames or ()):
            raise ValueError("the heading line does not name the columns `key` and `value`")
        seen: set[str] = set()
        for row in reader:
            if row["key"] in seen:
                raise ValueError(f"line {reader.line_num}: key {row['key']!r} is there twice")
            seen.add(row["key"])
            yield row["key"], row["value"]


CHOSEN_BY_PEOPLE = frozenset(("webhook_secret", "webhook_secret_previous"))
"""Where the customer makes a secret up and gives it to the vendor (Basware), it may hold any letters."""


def _secrets(entered: TenantFile, place: _Places) -> tuple[dict[tuple[str, str], Secret], list[Mistake]]:
    references: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
        (name, field): (("connections", name, "secrets", field), reference)
        for name, connection in entered.connections.items()
        for field, reference in connection.secrets.items()
    }
    secrets: dict[tuple[str, str], Secret] = {}
    if entered.reminders is not None:
        references[REMINDERS, "secret"] = ((REMINDERS, "secret"), entered.reminders.secret)
        secrets[REMINDERS, "url"] = Secret(entered.reminders.url)
    mistakes: list[Mistake] = []
    for key, (at, reference) in references.items():
        value, fix = _resolved(reference)
        secret = f"{key[0]}: secret {key[1]!r}: {reference}"
        if not value:
            mistakes.append(place.mistake(at, f"{secret} is not there or empty", fix))
        elif not value.isprintable() or not (value.isascii() or key[1] in CHOSEN_BY_PEOPLE):
            what = f"{secret} holds a character outside printable ASCII, which no vendor gives"
            mistakes.append(place.mistake(at, what, "Copy it again, without quotes and line breaks"))
        else:
            secrets[key] = Secret(value)
    if (REMINDERS, "secret") in secrets:
        mistakes += _receiver_mistakes(secrets[REMINDERS, "url"], secrets[REMINDERS, "secret"], place)
    return secrets, mistakes


def _receiver_mistakes(url: Secret, secret: Secret, place: _Places) -> Iterator[Mistake]:
    from connector.adapters.gate.reminders import BadWebhookSecret, Receiver

    try:
        Receiver(url.reveal(), secret.reveal())
    except BadWebhookSecret as error:
        yield place.mistake((REMINDERS, "secret"), str(error), "Give the receiver the same")


def _resolved(reference: str) -> tuple[str | None, str]:
    """The secret's value, and what to do where it is not there."""
    scheme, _, where = reference.partition(":")
    if scheme == "env":
        return os.environ.get(where), f"Set {where} where this command runs"
    file = Path(where)
    value = file.read_text(encoding="utf-8").rstrip("\r\n") if file.is_file() else None
    return value, "Name a file this command may read"
