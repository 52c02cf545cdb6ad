"""What the command prints, and the exit codes it ends with."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import IntEnum
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from connector.domain.identity import ConnectionId, FlowId
from connector.domain.secret import Secret


class Exit(IntEnum):
    """Part of the command's contract."""

    DONE = 0
    FAILED = 1
    """It was tried and did not succeed, or what was looked at is not well."""
    REFUSED = 2
    """The input is wrong, or a confirmation is missing: nothing was changed."""
    NOT_REACHABLE = 3
    """The database, Kafka, a vendor or another part cannot be reached, or is not set up yet."""


EXIT_CODES = "Exit codes: 0 done; 1 failed; 2 refused, nothing was changed; 3 a part cannot be reached."


class Refused(Exception):
    """The input is wrong; the message says what to do. Nothing was changed."""


class Failed(Exception):
    """It did not succeed; the message says what to do."""


class NotReachable(Exception):
    """A part is away; the message says which and what to do."""


class Output:
    """Prints for people, or one JSON value on standard output where `as_json`."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(soft_wrap=False)
        self.notes = Console(stderr=True)

    def result(self, value: Any, lines: Iterable[Any] = ()) -> None:
        """The command's result: the value as JSON, or the lines (texts and tables) for people."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(value), ensure_ascii=False) + "\n")
            sys.stdout.flush()
            return
        for line in lines:
            if isinstance(line, str):
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                self.console.print(line)

    def note(self, text: str) -> None:
        """Something on the way; on standard error, so that results can be piped."""
        if not self.as_json:
            self.notes.print(text, markup=False, highlight=False, soft_wrap=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only if a person says so; raises Refused."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise Refused(f"{question} Nobody is here to answer: give --yes")
        if self.notes.input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
            raise Refused("Not confirmed.")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else _cell(cell) for cell in row))
    return made


def _cell(value: Any) -> str:
    return str(value).replace("[", r"\[")


def plain(value: Any) -> Any:
    """The value as JSON takes it; secrets stay hidden."""
    if isinstance(value, ConnectionId | FlowId):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [plain(item) for item in items]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Secret):
        return "***"
    return str(value)
