"""Field tables: what a record may hold, checked and converted on the way in, completed on the way out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Kind = Literal["text", "number", "integer", "flag", "time", "choice", "texts", "object", "rows"]

_KINDS: dict[str, Kind] = {"n": "number", "i": "integer", "b": "flag", "t": "time", "texts": "texts"}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: Kind
    required: bool = False
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    table: "Table | None" = None


@dataclass(frozen=True, slots=True)
class Table:
    """Fields by name; `by_folded` finds them in any case, as Basware takes JSON keys."""

    fields: Mapping[str, Field]
    by_folded: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def table(spec: str, **nested: Field) -> Table:
    """A table from words `name[*][:type]`; `*` = required, type = a maximum length, n, i, b, t, texts or `A|B|C`."""
    fields = {field.name: field for field in map(_field, spec.split())}
    for name, field in nested.items():
        fields[name] = Field(name, field.kind, field.required, table=field.table)
    return Table(fields, {name.casefold(): name for name in fields})


def rows(of: Table, *, required: bool = False) -> Field:
    return Field("", "rows", required, table=of)


def part(of: Table, *, required: bool = False) -> Field:
    return Field("", "object", required, table=of)


def numbered(stem: str, first: int, last: int, type_: str = "") -> str:
    """Words for a family such as text1..text60."""
    return " ".join(f"{stem}{number}{type_}" for number in range(first, last + 1))


def coded(stems: str) -> str:
    """Words for dimensions that come as a code and its name."""
    return " ".join(f"{stem}Code {stem}Name" for stem in stems.split())


def with_suffixes(stems: Iterable[str], suffixes: Iterable[str], type_: str = ":n") -> str:
    """Words for amounts that exist in several currencies, the document's own first."""
    return " ".join(f"{stem}{suffix}{type_}" for stem in stems for suffix in ("", *suffixes))


def _field(word: str) -> Field:
    head, _, type_ = word.partition(":")
    name, required = head.removesuffix("*"), head.endswith("*")
    if type_ in _KINDS:
        return Field(name, _KINDS[type_], required)
    if type_.isdigit():
        return Field(name, "text", required, max_length=int(type_))
    if type_:
        return Field(name, "choice", required, choices=tuple(type_.split("|")))
    return Field(name, "text", required)


def parse_time(text: str) -> datetime:
    """An ISO 8601 instant or date; without a zone it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is out of range") from error


def read(of: Table, raw: Any, *, strict: bool = False, partial: bool = False) -> tuple[dict[str, Any], list[Problem]]:
    """The typed values of one JSON object and everything wrong with it.

    `strict` refuses unknown names (a person's form has none); otherwise they are ignored. `partial` asks for no
    required field on the first level (a change names only what it changes).
    """
    problems: list[Problem] = []
    return _object(of, raw, "", problems, strict, partial), problems


def _object(of: Table, raw: Any, path: str, problems: list[Problem], strict: bool, partial: bool) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        problems.append(Problem(path or "body", "must be an object"))
        return {}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        name = of.by_folded.get(str(key).casefold())
        if name is None:
            if strict:
                problems.append(Problem(path + str(key), "is not a field of this record"))
        elif value is not None:
            values[name] = _value(of.fields[name], value, path + name, problems, strict)
    if not partial:
        missing = (field.name for field in of.fields.values() if field.required and field.name not in values)
        problems.extend(Problem(path + name, "is required") for name in missing)
    return values


def _value(field: Field, value: Any, path: str, problems: list[Problem], strict: bool) -> Any:
    match field.kind:
        case "rows" | "object":
            assert field.table is not None
            if field.kind == "object":
                return _object(field.table, value, path + ".", problems, strict, False)
            if not isinstance(value, list):
                problems.append(Problem(path, "must be an array"))
                return []
            return [
                _object(field.table, item, f"{path}[{at}].", problems, strict, False) for at, item in enumerate(value)
            ]
        case "texts":
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                return list(value)
            problems.append(Problem(path, "must be an array of strings"))
            return []
        case _:
            converted, fault = _scalar(field, value, strict)
            if fault:
                problems.append(Problem(path, fault))
            return converted


def _scalar(field: Field, value: Any, strict: bool) -> tuple[Any, str | None]:
    match field.kind:
        case "text":
            return _text(field, value)
        case "choice":
            found = next((choice for choice in field.choices if choice.casefold() == str(value).casefold()), None)
            return found, None if found is not None else f"must be one of {', '.join(field.choices)}"
        case "flag":
            return value, None if isinstance(value, bool) else "must be true or false"
        case "time":
            try:
                return parse_time(value), None
            except (TypeError, ValueError):
                return None, "must be an ISO 8601 date-time"
    if isinstance(value, bool) or not (isinstance(value, int | float | Decimal) or (strict and isinstance(value, str))):
        return None, "must be a number"
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None, "must be a number"
    if not number.is_finite():
        return None, "must be a number"
    if field.kind == "number":
        return number, None
    return int(number), None if number == number.to_integral_value() else "must be a whole number"


def _text(field: Field, value: Any) -> tuple[Any, str | None]:
    if not isinstance(value, str):
        return None, "must be a string"
    if field.required and not value:
        return value, "must not be empty"
    if field.max_length is not None and len(value) > field.max_length:
        return value, f"is longer than {field.max_length} characters"
    return value, None


def with_nulls(of: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """The record with every known field it lacks as null (collections stay empty lists)."""
    whole: dict[str, Any] = {}
    for field in of.fields.values():
        value = values.get(field.name)
        if field.kind == "rows":
            assert field.table is not None
            whole[field.name] = [with_nulls(field.table, item) for item in value or ()]
        elif field.kind == "object" and value is not None:
            assert field.table is not None
            whole[field.name] = with_nulls(field.table, value)
        else:
            whole[field.name] = value
    return whole


def said(problems: Iterable[Problem]) -> str:
    return "; ".join(map(str, problems))


def iso(moment: datetime, *, zone: str = "Z") -> str:
    """Milliseconds as Basware writes timestamps; a midnight (a business date) has none."""
    if moment.hour == moment.minute == moment.second == moment.microsecond == 0:
        return moment.strftime("%Y-%m-%dT00:00:00") + zone
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}{zone}"


def plain(value: Any) -> Any:
    """A record as plain JSON with exact amounts: numbers with decimals become strings."""
    match value:
        case Decimal():
            return str(value)
        case datetime():
            return iso(value)
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value
