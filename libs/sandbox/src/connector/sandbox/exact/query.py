"""Query options of a GET: parse and check them, then cut one page out of a table."""

import functools
import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from . import odata
from .errors import SELECT_OR_TOP, Refusal
from .schema import Entity, Kind, Row
from .settings import Settings
from .store import Division, Table

Selection = frozenset[str] | None
"""Chosen fields; None is all of them."""


@dataclass(slots=True)
class Query:
    select: Selection = None
    filter: odata.Node | None = None
    order: list[tuple[str, bool]] = field(default_factory=list)
    """Field and whether descending."""
    expand: dict[str, Selection] = field(default_factory=dict)
    """Expanded collections with the chosen fields of their rows."""
    collections: bool = True
    """Whether unexpanded collections are shown as deferred."""
    top: int | None = None
    skip: int = 0
    token: list[Any] | None = None
    inline_count: bool = False


@dataclass(slots=True)
class Page:
    rows: list[Row]
    next_token: str | None = None
    count: int | None = None


def parse(options: Mapping[str, str], entity: Entity, line_entity: Entity | None, settings: Settings) -> Query:
    """The options of a collection read; 400 for what the endpoint does not take."""
    query = Query()
    _parse_select(query, options, entity, line_entity, settings)
    if text := options.get("$filter"):
        query.filter = odata.parse(text, entity)
    query.top = _count(options, "$top")
    query.skip = _count(options, "$skip") or 0
    query.inline_count = options.get("$inlinecount", "none") == "allpages"
    for word in filter(None, (part.strip() for part in options.get("$orderby", "").split(","))):
        name, _, direction = word.partition(" ")
        if name not in entity.fields or direction.strip().lower() not in ("", "asc", "desc"):
            raise odata.syntax()
        query.order.append((name, direction.strip().lower() == "desc"))
    if "$skiptoken" in options:
        query.token = _parse_token(options["$skiptoken"])
    if entity.feed == "sync":
        _check_sync(query, entity)
    return query


def _count(options: Mapping[str, str], name: str) -> int | None:
    if name not in options:
        return None
    if not options[name].isdigit():
        raise odata.syntax()
    return int(options[name])


def _parse_select(
    query: Query, options: Mapping[str, str], entity: Entity, line_entity: Entity | None, settings: Settings
) -> None:
    words = [word.strip() for word in options.get("$select", "").split(",") if word.strip()]
    expanded = [word.strip() for word in options.get("$expand", "").split(",") if word.strip()]
    collection = entity.lines.collection if entity.lines else None
    if any(word != collection for word in expanded):
        raise odata.syntax()
    if entity.feed == "bulk" and settings.bulk_needs_select and not words and options.get("$top") != "1":
        raise Refusal(400, SELECT_OR_TOP)
    if "*" in words and entity.star_refused:
        raise Refusal(400, SELECT_OR_TOP)
    own, nested, whole_collection = set(), set(), not words
    for word in words:
        if word == collection or (word == "*" and expanded):
            whole_collection = whole_collection or word == collection
        elif collection and word.startswith(f"{collection}/"):
            nested.add(word.removeprefix(f"{collection}/"))
        elif word != "*" and word not in entity.fields:
            raise odata.syntax()
        if "/" not in word and word not in ("*", collection):
            own.add(word)
    if nested and (not expanded or line_entity is None or nested - set(line_entity.fields) - {"*"}):
        raise odata.syntax()
    query.select = None if not words or "*" in words else frozenset(own)
    query.collections = not words or "*" in words or whole_collection
    if expanded and collection and (whole_collection or nested):
        query.expand[collection] = None if whole_collection or "*" in nested else frozenset(nested)


def _check_sync(query: Query, entity: Entity) -> None:
    if query.order or query.skip:
        raise odata.syntax()
    allowed = {"Timestamp", "EntityType"} if entity.name == "Deleted" else {"Timestamp"}
    if query.filter is not None and (others := odata.names(query.filter) - allowed):
        raise Refusal(400, f"Filtering on these fields is not supported: {', '.join(sorted(others))}")


def check_mandatory_filter(query: Query, entity: Entity, settings: Settings) -> None:
    """Endpoints with a sync feed beside them are read by a flagged field only."""
    if entity.flagged is None or not {entity.path, entity.table} & set(settings.mandatory_filtering):
        return
    used = odata.names(query.filter) if query.filter is not None else set()
    if others := used - entity.flagged:
        raise Refusal(400, f"Filtering on these fields is not supported: {', '.join(sorted(others))}")
    if not used:
        fields = ",".join(name for name in entity.fields if name in entity.flagged)
        raise Refusal(
            400,
            "This endpoint has mandatory filtering applied. A GET request for this endpoint must have a $filter"
            " parameter "
            f"with one of the following fields in the url:{fields}",
        )


def run(query: Query, table: Table, entity: Entity, division: Division | None, page_size: int) -> Page:
    """One page of what the query finds, in the order asked for (else by key; feeds by row version)."""
    keys = odata.candidates(query.filter, table)
    rows: Iterable[Row] = table.rows.values() if keys is None else (table.rows[key] for key in keys)
    if query.filter is not None:
        matches = odata.compiled(query.filter, division, entity)
        rows = (row for row in rows if matches(row))
    size = page_size if query.top is None else min(query.top, page_size)
    count = None
    if query.inline_count:
        rows = list(rows)
        count = len(rows)
    order = _Order(query.order, entity, division)
    if query.token is not None:
        token = order.token(query.token)
        rows = (row for row in rows if order.compare(order.key(row), token) > 0)
    wanted = size + query.skip + 1
    if query.order:
        found = sorted(rows, key=lambda row: order.sortable(row))[:wanted]
    else:
        found = heapq.nsmallest(wanted, rows, key=lambda row: order.sortable(row))
    found = found[query.skip :]
    more = len(found) > size and query.top is None
    found = found[:size]
    return Page(found, order.write(found[-1]) if more else None, count)


def count(query: Query, table: Table, entity: Entity, division: Division | None) -> int:
    keys = odata.candidates(query.filter, table)
    rows: Iterable[Row] = table.rows.values() if keys is None else (table.rows[key] for key in keys)
    if query.filter is None:
        return sum(1 for _ in rows)
    matches = odata.compiled(query.filter, division, entity)
    return sum(1 for row in rows if matches(row))


class _Order:
    """Comparison of rows by the asked fields and, to break ties, the key; the same values make the skip token."""

    def __init__(self, asked: list[tuple[str, bool]], entity: Entity, division: Division | None) -> None:
        last = "Timestamp" if entity.feed == "sync" else entity.key
        self.fields = [*asked, (last, False)]
        self.entity, self.division = entity, division
        self._plain = not asked

    def key(self, row: Row) -> list[Any]:
        return [self._value(row, name) for name, _ in self.fields]

    def sortable(self, row: Row) -> Any:
        if self._plain:
            return row[self.fields[0][0]]
        return functools.cmp_to_key(self.compare)(self.key(row))

    def _value(self, row: Row, name: str) -> Any:
        return self.division.value(self.entity, row, name) if self.division else row.get(name)

    def compare(self, one: list[Any], other: list[Any]) -> int:
        for a, b, (_, descending) in zip(one, other, self.fields, strict=True):
            if a == b:
                continue
            less = b is not None and (a is None or a < b)
            return (-1 if less else 1) * (-1 if descending else 1)
        return 0

    def token(self, values: list[Any]) -> list[Any]:
        if len(values) != len(self.fields):
            raise odata.syntax()
        for value, (name, _) in zip(values, self.fields, strict=True):
            if value is not None and not odata.fits(value, self._kind(name)):
                raise odata.syntax()
        return values

    def write(self, row: Row) -> str:
        values = zip(self.key(row), self.fields, strict=True)
        return ",".join(_literal(value, self._kind(name)) for value, (name, _) in values)

    def _kind(self, name: str) -> Kind:
        return Kind.LONG if name == "Timestamp" else self.entity.fields[name].kind


def _literal(value: Any, kind: Kind) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case datetime():
            return f"datetime'{value.isoformat()}'"
        case str():
            quoted = value.replace("'", "''")
            return f"guid'{quoted}'" if kind is Kind.GUID else f"'{quoted}'"
        case Decimal():
            return format(value, "f")
        case _:
            return f"{value}L" if kind is Kind.LONG else str(value)


def _parse_token(text: str) -> list[Any]:
    """Literals between commas; numbers, texts, guids and times as `$filter` writes them."""
    values = []
    for kind, content in odata.tokens(text):
        if kind == "literal":
            values.append(content)
        elif kind == "word":
            values.append({"null": None, "true": True, "false": False}.get(str(content)))
    return values
