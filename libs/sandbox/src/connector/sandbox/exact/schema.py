"""What an entity is: its fields with their EDM types, and how values look on the wire."""

import base64
import binascii
import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from .errors import Refusal

Row = dict[str, Any]
"""One record by the vendor's field names. Values: str, int, bool, Decimal, naive local datetime, bytes or None."""


class Kind(StrEnum):
    GUID = "g"
    TEXT = "s"
    DOUBLE = "d"
    INT = "i"
    LONG = "l"
    """Int64: a JSON string on the wire."""
    FLAG = "y"
    """Byte 0 or 1."""
    BOOL = "b"
    DATE = "t"
    BINARY = "x"


EDM = {
    Kind.GUID: "Edm.Guid", Kind.TEXT: "Edm.String", Kind.DOUBLE: "Edm.Double", Kind.INT: "Edm.Int32",
    Kind.LONG: "Edm.Int64", Kind.FLAG: "Edm.Byte", Kind.BOOL: "Edm.Boolean", Kind.DATE: "Edm.DateTime",
    Kind.BINARY: "Edm.Binary",
}  # fmt: skip

LARGEST = Decimal(10) ** 15
"""Amounts from here on do not fit the vendor's columns (our choice of bound)."""
_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_EPOCH_DATE = re.compile(r"/Date\((-?\d+)\)/")


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: Kind = Kind.TEXT
    width: int = 0
    """Fixed-width text: positive is padded on the left, negative on the right; 0 is not padded."""

    def padded(self, text: str) -> str:
        if self.width > 0:
            return text.strip().rjust(self.width)
        return text.strip().ljust(-self.width) if self.width < 0 else text


def fields(spec: str) -> dict[str, Field]:
    """`"ID:g Name Code:p18 Unit:r8"`: names with a kind; p and r are texts padded left and right to a width."""
    found = {}
    for word in spec.split():
        name, _, kind = word.partition(":")
        if kind[:1] in ("p", "r") and kind[1:].isdigit():
            found[name] = Field(name, Kind.TEXT, int(kind[1:]) * (1 if kind[0] == "p" else -1))
        else:
            found[name] = Field(name, Kind(kind or "s"))
    return found


class Reference(NamedTuple):
    """A field that names a record of another table, by ID or by code."""

    table: str
    label: str
    """The field's name in error texts."""
    target_field: str = "ID"


class Joined(NamedTuple):
    """A read-only field taken from the record another field refers to."""

    via: str
    target_field: str


class Lines(NamedTuple):
    """The lines below a header: name of the collection, entity of the lines, their field that names the header."""

    collection: str
    entity: str
    parent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    path: str
    """Service and entity as the documents spell them, for example `crm/Accounts`."""
    key: str = "ID"
    fields: Mapping[str, Field]
    writable: frozenset[str] = frozenset()
    mandatory: Mapping[str, str] = field(default_factory=dict)
    """Fields a POST must carry, with the text that complains of their absence."""
    methods: frozenset[str] = frozenset({"GET"})
    model: str = ""
    scope: str = ""
    topic: str | None = None
    quiet: frozenset[str] = frozenset()
    """Fields whose change fires no webhook."""
    lines: Lines | None = None
    references: Mapping[str, Reference] = field(default_factory=dict)
    joined: Mapping[str, Joined] = field(default_factory=dict)
    unique: tuple[str, ...] = ()
    indexed: frozenset[str] = frozenset()
    table: str = ""
    """Path of the entity whose table holds the rows, if not its own."""
    feed: str = "page"
    """page, bulk or sync: decides page size and rules of the query."""
    flagged: frozenset[str] | None = None
    """Fields that may be filtered where filtering is mandatory."""
    star_refused: bool = False
    deleted_type: int | None = None
    """EntityType in the deleted feed."""
    service: bool = False
    """A function rather than a table."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def parse(entity: Entity, name: str, value: Any) -> Any:
    """A JSON value of a request as the stored value; 400 in the vendor's words when it does not fit."""
    spec = entity.fields[name]
    if value is None:
        return None
    try:
        return _parse(spec, value)
    except (ValueError, TypeError, ArithmeticError, binascii.Error):
        type_name = {Kind.BINARY: "Byte[]"}.get(spec.kind, EDM[spec.kind].removeprefix("Edm."))
        raise Refusal(
            400,
            "Error processing request stream. Error encountered in converting the value from request payload for "
            f"property '{name}' to type '{type_name}'",
        ) from None


def _parse(spec: Field, value: Any) -> Any:
    match spec.kind:
        case Kind.GUID:
            if not isinstance(value, str) or not _GUID.fullmatch(value.strip("{}")):
                raise ValueError(value)
            return value.strip("{}").lower()
        case Kind.TEXT:
            if not isinstance(value, str):
                raise TypeError(value)
            return spec.padded(value) if value.strip() else (None if spec.width else value)
        case Kind.DOUBLE:
            if isinstance(value, bool):
                raise TypeError(value)
            number = Decimal(str(value))
            if not number.is_finite() or abs(number) >= LARGEST:
                raise ValueError(value)
            return number
        case Kind.INT | Kind.LONG | Kind.FLAG:
            if isinstance(value, bool) and spec.kind is not Kind.FLAG:
                raise TypeError(value)
            if int(value) != Decimal(str(int(value) if isinstance(value, bool) else value)):
                raise ValueError(value)
            return int(value)
        case Kind.BOOL:
            if not isinstance(value, bool):
                raise TypeError(value)
            return value
        case Kind.DATE:
            return parse_date(value)
        case Kind.BINARY:
            return base64.b64decode(value, validate=True)


def parse_date(text: str) -> datetime:
    """Naive local time from ISO (an offset is dropped: the vendor's times are wall-clock) or `/Date(ms)/`."""
    if found := _EPOCH_DATE.fullmatch(text):
        return datetime.fromtimestamp(int(found[1]) / 1000, tz=UTC).replace(tzinfo=None)
    return datetime.fromisoformat(text).replace(tzinfo=None)


def wire(spec: Field, value: Any) -> Any:
    """A stored value as the vendor's JSON shows it."""
    if value is None:
        return None
    match spec.kind:
        case Kind.DOUBLE:
            return float(value)
        case Kind.LONG:
            return str(value)
        case Kind.DATE:
            return f"/Date({calendar.timegm(value.timetuple()) * 1000 + value.microsecond // 1000})/"
        case Kind.BINARY:
            return base64.b64encode(value).decode()
        case _:
            return value


def plain(value: Any) -> Any:
    """A stored value for a dump: amounts and times as strings, attachments by size."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return {"bytes": len(value), "base64": base64.b64encode(value).decode()}
    return value
