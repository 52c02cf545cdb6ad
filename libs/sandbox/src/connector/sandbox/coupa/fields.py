"""What an object of the API is made of: kinds, their fields, and how a value is read from and put on the wire."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

COUNTRIES = {
    "AT": "Austria", "AU": "Australia", "BE": "Belgium", "CA": "Canada", "CH": "Switzerland", "CN": "China",
    "CZ": "Czech Republic", "DE": "Germany", "DK": "Denmark", "ES": "Spain", "FI": "Finland", "FR": "France",
    "GB": "United Kingdom", "IE": "Ireland", "IT": "Italy", "JP": "Japan", "LU": "Luxembourg", "NL": "Netherlands",
    "NO": "Norway", "PL": "Poland", "PT": "Portugal", "SE": "Sweden", "US": "United States",
}  # fmt: skip
CUSTOM = "custom-fields"


class DecimalText(str):
    """A decimal on the wire: a string in JSON, `type="decimal"` in XML."""


class MomentText(str):
    """A datetime on the wire, `type="datetime"` in XML."""


class Invalid(ValueError):
    """A value its field can't hold; the message is the one the API answers with."""


class Viewer(Protocol):
    """What a field needs to know of the instance to put its value on the wire."""

    @property
    def tz(self) -> timezone: ...

    def summary(self, record: Record) -> dict[str, Any]: ...
    def full(self, record: Record) -> dict[str, Any]: ...
    def children(self, records: Iterable[Record]) -> list[Record]: ...


def parse_moment(text: str) -> datetime:
    """ISO 8601; a date alone is midnight UTC, a time without zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("is not a valid datetime") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def decimal_text(value: Decimal, places: int) -> DecimalText:
    """At least `places` decimals, more where the value has them: 250 -> "250.00", 0.1234 -> "0.1234"."""
    text = f"{value:f}"
    whole, _, fraction = text.partition(".")
    return DecimalText(f"{whole}.{fraction.rstrip('0').ljust(places, '0')}")


@dataclass(frozen=True, kw_only=True)
class Field:
    name: str = dataclasses.field(kw_only=False)
    required: bool = False
    read_only: bool = False
    write_only: bool = False
    default: Any = None

    def emit(self, value: Any, view: Viewer) -> Any:
        return value


@dataclass(frozen=True, kw_only=True)
class Scalar(Field):
    def parse(self, raw: Any, tz: timezone) -> Any:
        raise NotImplementedError

    def operand(self, text: str) -> Any:
        """A query's operand, comparable with the stored value."""
        return self.parse(text, UTC)


@dataclass(frozen=True, kw_only=True)
class Text(Scalar):
    length: int | None = None
    choices: tuple[str, ...] = ()
    message: str = ""

    def parse(self, raw: Any, tz: timezone) -> str:
        if isinstance(raw, bool | dict | list):
            raise Invalid("is invalid")
        text = str(raw)
        if self.length is not None and len(text) > self.length:
            raise Invalid(f"is too long (maximum is {self.length} characters)")
        if self.choices and text not in self.choices:
            raise Invalid(self.message or f"must be one of {', '.join(self.choices)}.")
        return text

    def operand(self, text: str) -> str:
        return text


@dataclass(frozen=True, kw_only=True)
class Integer(Scalar):
    def parse(self, raw: Any, tz: timezone) -> int:
        try:
            number = Decimal(str(raw))
        except InvalidOperation:
            raise Invalid("is not a number") from None
        if isinstance(raw, bool) or not number.is_finite() or number != int(number):
            raise Invalid("must be an integer")
        return int(number)


@dataclass(frozen=True, kw_only=True)
class Number(Scalar):
    """A decimal; `places` are the fewest shown, `scale` the most kept."""

    places: int = 2
    scale: int = 6

    def parse(self, raw: Any, tz: timezone) -> Decimal:
        try:
            number = Decimal(str(raw))
        except InvalidOperation:
            raise Invalid("is not a number") from None
        if isinstance(raw, bool) or not number.is_finite():
            raise Invalid("is not a number")
        return round(number, self.scale)

    def emit(self, value: Decimal | None, view: Viewer) -> Any:
        return None if value is None else decimal_text(value, self.places)


@dataclass(frozen=True, kw_only=True)
class Float(Number):
    """Shown as a JSON number: payment-term.discount-rate is 2.0."""

    def emit(self, value: Decimal | None, view: Viewer) -> Any:
        return None if value is None else float(value)


@dataclass(frozen=True, kw_only=True)
class Flag(Scalar):
    def parse(self, raw: Any, tz: timezone) -> bool:
        known = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
        try:
            return raw if isinstance(raw, bool) else known[str(raw).lower()]
        except KeyError:
            raise Invalid("must be true or false") from None


@dataclass(frozen=True, kw_only=True)
class Moment(Scalar):
    def parse(self, raw: Any, tz: timezone) -> datetime:
        return parse_moment(str(raw)).replace(microsecond=0)

    def operand(self, text: str) -> datetime:
        return parse_moment(text)

    def emit(self, value: datetime | None, view: Viewer) -> Any:
        return None if value is None else MomentText(value.astimezone(view.tz).isoformat())


@dataclass(frozen=True, kw_only=True)
class Day(Scalar):
    """A day in the company's own time zone: a datetime sent instead of a date can land on the day before."""

    def parse(self, raw: Any, tz: timezone) -> date:
        text = str(raw)
        try:
            return date.fromisoformat(text)
        except ValueError:
            return parse_moment(text).astimezone(tz).date()

    def emit(self, value: date | None, view: Viewer) -> Any:
        if value is None:
            return None
        return MomentText(datetime(value.year, value.month, value.day, tzinfo=view.tz).isoformat())


@dataclass(frozen=True, kw_only=True)
class Country(Scalar):
    """Stored as its two letters; an object {id, code, name} on the wire."""

    def parse(self, raw: Any, tz: timezone) -> str:
        code = raw.get("code") if isinstance(raw, Mapping) else raw
        if isinstance(raw, Mapping) and code is None and "name" in raw:
            code = next((key for key, name in COUNTRIES.items() if name == raw["name"]), None)
        if not (isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
            raise Invalid("is not a known country")
        return code

    def operand(self, text: str) -> str:
        return text

    def emit(self, value: str | None, view: Viewer) -> Any:
        if value is None:
            return None
        number = (ord(value[0]) - 65) * 26 + ord(value[1]) - 64
        return {"id": number, "code": value, "name": COUNTRIES.get(value, value)}


@dataclass(frozen=True, kw_only=True)
class Plain(Field):
    """An object kept as it came."""


@dataclass(frozen=True, kw_only=True)
class CustomFields(Field):
    name: str = dataclasses.field(default=CUSTOM, kw_only=False)


@dataclass(frozen=True, kw_only=True)
class Ref(Field):
    """Another object, named in a payload by its id or a natural key."""

    to: str

    def emit(self, value: Record | None, view: Viewer) -> Any:
        return None if value is None else view.summary(value)


@dataclass(frozen=True, kw_only=True)
class Embedded(Field):
    """A single object of its own, edited in place."""

    of: str

    def emit(self, value: Record | None, view: Viewer) -> Any:
        return None if value is None else view.full(value)


@dataclass(frozen=True, kw_only=True)
class Children(Field):
    """A list of objects: with id an update, without one an addition, `_delete` a removal."""

    of: str
    append_only: bool = False

    def emit(self, value: list[Record] | None, view: Viewer) -> Any:
        return [view.full(child) for child in view.children(value or ())]


@dataclass(frozen=True, eq=False)
class Kind:
    """A type of object. `path` names its collection, and its place under /api where it has one."""

    path: str
    root: str
    object_type: str
    fields: Mapping[str, Field]
    keys: tuple[str, ...]
    """Attributes that identify one in a reference, in the order they are tried."""
    summary: tuple[str, ...]
    """What is shown of one inside another object."""
    unique: tuple[tuple[str, ...], ...]
    """Attribute groups no two may share; the last of a group bears the error."""
    indexed: frozenset[str]
    ids: str
    """The id sequence, shared by kinds of one table."""
    verbs: frozenset[str]

    @property
    def emitted(self) -> list[Field]:
        return [field for field in self.fields.values() if not field.write_only]


def kind(
    path: str,
    root: str,
    object_type: str,
    *fields: Field,
    keys: tuple[str, ...] = (),
    summary: tuple[str, ...] = (),
    unique: tuple[tuple[str, ...], ...] = (),
    indexed: tuple[str, ...] = (),
    ids: str = "",
    verbs: str = "index show create update",
    custom: bool = False,
) -> Kind:
    """A kind with the fields every object has: id, stamps of time and user, and custom fields where they may be."""
    everything: list[Field] = [
        Integer("id", read_only=True),
        Moment("created-at", read_only=True),
        Moment("updated-at", read_only=True),
        *fields,
        *([CustomFields()] if custom else []),
        Ref("created-by", to="users", read_only=True),
        Ref("updated-by", to="users", read_only=True),
    ]
    by_name = {field.name: field for field in everything}
    in_groups = {name for group in unique for name in group[-1:]}
    return Kind(
        path=path,
        root=root,
        object_type=object_type,
        fields=by_name,
        keys=("id", *keys),
        summary=("id", *(summary or keys)),
        unique=unique,
        indexed=frozenset({*keys, *indexed, *in_groups}),
        ids=ids or path,
        verbs=frozenset(verbs.split()),
    )


@dataclass(slots=True, eq=False)
class Record:
    """One stored object. `owner` is the object it is a part of (a line's order)."""

    kind: Kind
    id: int
    values: dict[str, Any]
    owner: Record | None = None
    deleted: bool = False

    def text(self, name: str) -> str:
        return str(self.values.get(name) or "")

    def amount(self, name: str) -> Decimal:
        value = self.values.get(name)
        return value if isinstance(value, Decimal) else Decimal(0)

    def whole(self, name: str) -> int | None:
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def flag(self, name: str) -> bool:
        return self.values.get(name) is True

    def one(self, name: str) -> Record | None:
        value = self.values.get(name)
        return value if isinstance(value, Record) else None

    def many(self, name: str) -> list[Record]:
        """The children that have not been removed."""
        return [child for child in self.values.get(name) or () if not child.deleted]
