"""`$filter` of OData 2 as the vendor takes it: parse, check against the entity's fields, find candidates, evaluate."""

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from .errors import QUERY_SYNTAX, Refusal
from .schema import Entity, Kind, Row
from .store import Division, Table, index_key

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<guid>guid'(?P<guid_v>[0-9a-fA-F-]{36})')|"
    r"(?P<date>datetime'(?P<date_v>[^']*)')|"
    r"(?P<text>'(?P<text_v>(?:[^']|'')*)')|"
    r"(?P<number>-?\d+(?:\.\d+)?)(?P<suffix>[LlMmDdFf]?)(?![\w.])|"
    r"(?P<word>[A-Za-z_][\w/]*)|"
    r"(?P<sign>[(),-])"
    r")",
    re.IGNORECASE,
)
_ORDERED = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}
_COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
_FUNCTIONS = ("trim", "startswith", "substringof", "tolower", "toupper")


class Guid(str):
    """A literal written `guid'..'`: only this fits a Guid field, and it fits nothing else."""

    __slots__ = ()


def syntax() -> Refusal:
    return Refusal(400, QUERY_SYNTAX)


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Both:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Node"


Node = Literal | Name | Call | Compare | Both | Not


class _Parser:
    """Precedence climbing: or < and < not < comparison < primary."""

    def __init__(self, text: str, entity: Entity) -> None:
        self.entity = entity
        self.tokens = list(tokens(text))
        self.at = 0

    def parse(self) -> Node:
        node = self.either()
        if self.at != len(self.tokens):
            raise syntax()
        return node

    def peek(self) -> tuple[str, Any]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", None)

    def take(self, kind: str, value: str | None = None) -> bool:
        found, content = self.peek()
        if found == kind and (value is None or str(content).lower() == value):
            self.at += 1
            return True
        return False

    def either(self) -> Node:
        node = self.all()
        while self.take("word", "or"):
            node = Both("or", node, self.all())
        return node

    def all(self) -> Node:
        node = self.negation()
        while self.take("word", "and"):
            node = Both("and", node, self.negation())
        return node

    def negation(self) -> Node:
        return Not(self.negation()) if self.take("word", "not") else self.comparison()

    def comparison(self) -> Node:
        left = self.primary()
        kind, word = self.peek()
        if kind == "word" and str(word).lower() in _COMPARISONS:
            self.at += 1
            return _typed(Compare(str(word).lower(), left, self.primary()))
        return left

    def primary(self) -> Node:
        kind, content = self.peek()
        self.at += 1
        if kind == "literal":
            return Literal(content)
        if (kind, content) == ("sign", "("):
            node = self.either()
            self.close()
            return node
        if (kind, content) == ("sign", "-"):
            inner = self.primary()
            if isinstance(inner, Literal) and isinstance(inner.value, Decimal):
                return Literal(-inner.value)
            raise syntax()
        if kind == "word":
            return self.word(str(content))
        raise syntax()

    def word(self, word: str) -> Node:
        if word.lower() in ("true", "false", "null"):
            return Literal({"true": True, "false": False, "null": None}[word.lower()])
        if word.lower() in _FUNCTIONS and self.take("sign", "("):
            arguments = [self.either()]
            while self.take("sign", ","):
                arguments.append(self.either())
            self.close()
            return Call(word.lower(), tuple(arguments))
        if word not in self.entity.fields:
            raise syntax()
        return Name(word, self.entity.fields[word].kind)

    def close(self) -> None:
        if not self.take("sign", ")"):
            raise syntax()


def tokens(text: str) -> Iterator[tuple[str, Any]]:
    at, text = 0, text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise syntax()
        at = found.end()
        if found["guid"]:
            yield "literal", Guid(found["guid_v"].lower())
        elif found["date"]:
            yield "literal", _moment(found["date_v"])
        elif found["text"]:
            yield "literal", found["text_v"].replace("''", "'")
        elif found["number"]:
            yield "literal", Decimal(found["number"])
        elif found["word"]:
            yield "word", found["word"]
        else:
            yield "sign", found["sign"]


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise syntax() from None


_PYTHON_TYPES: dict[Kind, type | tuple[type, ...]] = {
    Kind.GUID: Guid, Kind.TEXT: str, Kind.DOUBLE: Decimal, Kind.INT: Decimal, Kind.LONG: Decimal, Kind.FLAG: Decimal,
    Kind.BOOL: bool, Kind.DATE: datetime,
}  # fmt: skip


def fits(value: Any, kind: Kind) -> bool:
    """Whether a literal can be compared with a field of this kind."""
    wanted = _PYTHON_TYPES.get(kind)
    return wanted is not None and isinstance(value, wanted) and isinstance(value, Guid) == (kind is Kind.GUID)


def _typed(node: Compare) -> Compare:
    """A literal must fit the field it is compared with."""
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if not isinstance(one, Name) or not isinstance(other, Literal) or other.value is None:
            continue
        if not fits(other.value, one.kind):
            raise syntax()
    return node


def parse(text: str, entity: Entity) -> Node:
    if re.search(r"[A-Za-z]\w*/\w", re.sub(r"'[^']*'", "", text)):
        raise Refusal(400, "This $filter parameter is not supported for this resource")
    return _Parser(text, entity).parse()


def names(node: Node) -> set[str]:
    match node:
        case Name(name):
            return {name}
        case Compare(_, left, right) | Both(_, left, right):
            return names(left) | names(right)
        case Call(_, arguments):
            return set().union(*(names(argument) for argument in arguments))
        case Not(operand):
            return names(operand)
        case _:
            return set()


Getter = Callable[[Row], Any]


def compiled(node: Node, division: Division | None, entity: Entity) -> Getter:
    """A function from a row to the node's value; comparisons with null follow OData (only eq and ne can hold)."""
    match node:
        case Literal(value):
            constant = index_key(value)
            return lambda row: constant
        case Name(name):
            if division is not None and name in entity.joined:
                company = division
                return lambda row: index_key(company.value(entity, row, name))
            return lambda row: index_key(row.get(name))
        case Compare(word, left, right):
            return _comparison(word, compiled(left, division, entity), compiled(right, division, entity))
        case Both(word, left, right):
            one, other = compiled(left, division, entity), compiled(right, division, entity)
            return (lambda row: one(row) and other(row)) if word == "and" else (lambda row: one(row) or other(row))
        case Not(operand):
            inner = compiled(operand, division, entity)
            return lambda row: not inner(row)
        case Call(function, arguments):
            return _function(function, [compiled(argument, division, entity) for argument in arguments])


def _comparison(word: str, left: Getter, right: Getter) -> Getter:
    if word == "eq":
        return lambda row: left(row) == right(row)
    if word == "ne":
        return lambda row: left(row) != right(row)

    holds = _ORDERED[word]

    def ordered(row: Row) -> bool:
        a, b = left(row), right(row)
        if a is None or b is None:
            return False
        return bool(holds(a, b))

    return ordered


def _function(function: str, arguments: list[Getter]) -> Getter:
    if len(arguments) != (2 if function in ("startswith", "substringof") else 1):
        raise syntax()
    first = arguments[0]
    if function == "startswith":
        return lambda row: str(first(row) or "").startswith(str(arguments[1](row)))
    if function == "substringof":
        return lambda row: str(first(row)) in str(arguments[1](row) or "")
    method = {"trim": "strip", "tolower": "lower", "toupper": "upper"}[function]
    return lambda row: None if first(row) is None else getattr(str(first(row)), method)()


def candidates(node: Node | None, table: Table) -> Iterable[Any] | None:
    """Keys among which all matching rows are; None when only a full read would tell."""
    match node:
        case Compare("eq", Name(name), Literal(value)) if value is not None and table.indexed(name):
            return table.keys_where(name, value)
        case Compare("gt" | "ge" as word, Name("Timestamp"), Literal(value)) if isinstance(value, Decimal):
            return table.changed_after(int(value) - (word == "ge"))
        case Compare("gt" | "ge", Name("Modified"), Literal(value)) if isinstance(value, datetime):
            return table.modified_since(value)
        case Both("and", left, right):
            one, other = candidates(left, table), candidates(right, table)
            if one is None or other is None:
                return other if one is None else one
            few, more = list(one), list(other)
            return few if len(few) <= len(more) else more
        case Both("or", left, right):
            one, other = candidates(left, table), candidates(right, table)
            return None if one is None or other is None else dict.fromkeys([*one, *other])
        case _:
            return None
