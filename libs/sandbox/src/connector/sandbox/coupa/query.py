"""The query language: conditions on attributes to any depth, ordering and paging."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .fields import CUSTOM, Children, CustomFields, Embedded, Field, Invalid, Kind, Moment, Plain, Record, Ref, Scalar
from .schema import SCHEMA
from .store import Instance, Path, custom_text

CONTROLS = frozenset(
    {
        "fields",
        "filter",
        "return-object",
        "limit",
        "offset",
        "order-by",
        "dir",
        "show-deleted-lines",
        "export",
        "format",
    }
)
TEXT_OPS = frozenset({"contains", "starts_with", "ends_with"})
OPERATORS = TEXT_OPS | {"gt", "lt", "gt_or_eq", "lt_or_eq", "not_eq", "in", "not_in", "blank"}
FEW = 20
"""So few candidates that looking for a better index is not worth it."""
ATTRIBUTE = re.compile(r"([A-Za-z][\w-]*)((?:\[[\w-]+\])*)")


class InvalidQuery(ValueError):
    """A query the API answers with 400."""


@dataclass(frozen=True, slots=True)
class Condition:
    path: Path
    op: str
    operand: Any
    """Typed as the attribute: a value, a list of values for in and not_in, a bool for blank."""

    def holds(self, record: Record) -> bool:
        return TESTS[self.op](list(values_at(record, self.path)), self.operand)


def _any(test: Callable[[Any, Any], bool]) -> Callable[[list[Any], Any], bool]:
    return lambda values, operand: any(value is not None and test(value, operand) for value in values)


TESTS: Mapping[str, Callable[[list[Any], Any], bool]] = {
    "eq": _any(lambda value, operand: bool(value == operand)),
    "contains": _any(lambda value, operand: operand in str(value)),
    "starts_with": _any(lambda value, operand: str(value).startswith(operand)),
    "ends_with": _any(lambda value, operand: str(value).endswith(operand)),
    "gt": _any(lambda value, operand: bool(value > operand)),
    "lt": _any(lambda value, operand: bool(value < operand)),
    "gt_or_eq": _any(lambda value, operand: bool(value >= operand)),
    "lt_or_eq": _any(lambda value, operand: bool(value <= operand)),
    "in": _any(lambda value, operand: value in operand),
    "not_eq": lambda values, operand: all(value != operand for value in values),
    "not_in": lambda values, operand: all(value not in operand for value in values),
    "blank": lambda values, operand: all(value in (None, "") for value in values) is operand,
}


def values_at(record: Record, path: Path) -> Iterator[Any]:
    """Every value the path leads to; several where it crosses a list."""
    name, below = path[0], path[1:]
    if name == "id":
        yield record.id
        return
    value = record.values.get(name)
    if not below:
        yield value if not isinstance(value, Record) else value.id
    elif isinstance(value, Record):
        yield from values_at(value, below)
    elif isinstance(value, list):
        for child in value:
            if isinstance(child, Record) and not child.deleted:
                yield from values_at(child, below)
    elif isinstance(value, Mapping):
        yield custom_text(value.get(below[0]))


class Search:
    """Answers queries on one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def page(
        self, kind: Kind, parameters: Sequence[tuple[str, str]], within: Iterable[Record] | None = None
    ) -> list[Record]:
        """One page of the records that meet all conditions. `within` limits the search to a parent's children."""
        controls = {name.replace("_", "-"): value for name, value in parameters}
        conditions = self.conditions(kind, parameters)
        found = self._found(kind, conditions, within)
        order = controls.get("order-by", "").replace("_", "-")
        if order:
            found = iter(self._ordered(kind, list(found), order, descending=controls.get("dir") == "desc"))
        cap = self._instance.settings.page_cap
        limit = min(_whole(controls.get("limit"), cap), cap)
        offset = _whole(controls.get("offset"), 0)
        return list(itertools.islice(found, offset, offset + limit))

    def conditions(self, kind: Kind, parameters: Iterable[tuple[str, str]]) -> list[Condition]:
        parsed = (self._condition(kind, key, value) for key, value in parameters)
        return [condition for condition in parsed if condition is not None]

    def _condition(self, kind: Kind, key: str, value: str) -> Condition | None:
        shape = ATTRIBUTE.fullmatch(key)
        if shape is None or shape[1].replace("_", "-") in CONTROLS:
            return None
        names = [shape[1], *re.findall(r"\[([\w-]+)\]", shape[2])]
        op = "eq"
        if len(names) > 1 and names[-1].replace("-", "_") in OPERATORS:
            op = names.pop().replace("-", "_")
        located = locate(kind, tuple(name.replace("_", "-") for name in names))
        if located is None:
            if self._instance.settings.reject_unknown_query_attribute:
                raise InvalidQuery(f"Invalid query: unknown attribute {key}")
            return None
        path, field = located
        if path[0] == CUSTOM and path[1] not in self._instance.settings.custom_fields.get(kind.path, {}):
            raise InvalidQuery(f"Invalid query: unknown attribute {key}")
        if op in TEXT_OPS | {"blank"} and isinstance(field, Moment):
            raise InvalidQuery(f"Invalid query: {op} can't be used on the datetime {key}")
        return Condition(path, op, _operand(field, op, key, value))

    def _found(self, kind: Kind, conditions: list[Condition], within: Iterable[Record] | None) -> Iterator[Record]:
        narrowed = within if within is not None else self._candidates(kind, conditions)
        return (record for record in narrowed if all(condition.holds(record) for condition in conditions))

    def _candidates(self, kind: Kind, conditions: list[Condition]) -> Iterable[Record]:
        """The smallest set an index offers, in id order; all records if none does."""
        collection = self._instance[kind.path]
        smallest: Mapping[int, Record] | None = None
        for condition in sorted(conditions, key=lambda condition: len(condition.path)):
            if smallest is not None and len(smallest) <= FEW:
                break
            found = self._indexed(kind, condition)
            if found is not None and (smallest is None or len(found) < len(smallest)):
                smallest = found
        if smallest is not None:
            return [smallest[key] for key in sorted(smallest)]
        since = [c.operand for c in conditions if c.path == ("updated-at",) and c.op in ("gt", "gt_or_eq")]
        if since:
            fresh = itertools.takewhile(
                lambda r: r.values["updated-at"] >= max(since), reversed(collection.recent.values())
            )
            return sorted(fresh, key=lambda record: record.id)
        return collection.records.values()

    def _indexed(self, kind: Kind, condition: Condition) -> Mapping[int, Record] | None:
        if condition.op not in ("eq", "in"):
            return None
        collection = self._instance[kind.path]
        wanted = condition.operand if condition.op == "in" else [condition.operand]
        if condition.path == ("id",):
            return {key: collection.records[key] for key in wanted if key in collection.records}
        if collection.is_indexed(condition.path):
            return {key: record for value in wanted for key, record in collection.having(condition.path, value).items()}
        return self._through_reference(kind, condition)

    def _through_reference(self, kind: Kind, condition: Condition) -> Mapping[int, Record] | None:
        """`supplier[number]=V1` by the suppliers' index, then the orders' on supplier; likewise up from children."""
        field = kind.fields.get(condition.path[0])
        below = Condition(condition.path[1:], condition.op, condition.operand)
        if len(condition.path) < 2 or not isinstance(field, Ref | Children):
            return None
        inner = self._indexed(SCHEMA[field.to if isinstance(field, Ref) else field.of], below)
        if inner is None:
            return None
        if isinstance(field, Children):
            return {child.owner.id: child.owner for child in inner.values() if child.owner and child.owner.kind is kind}
        collection = self._instance[kind.path]
        if not collection.is_indexed((field.name, "id")):
            return None
        return {key: record for one in inner for key, record in collection.having((field.name, "id"), one).items()}

    def _ordered(self, kind: Kind, found: list[Record], order: str, *, descending: bool) -> list[Record]:
        if order not in kind.fields:
            raise InvalidQuery(f"Invalid query: can't order by {order}")
        draw = self._instance.random.random if self._instance.settings.shuffle_ties else None

        def key(record: Record) -> tuple[bool, Any, float]:
            value = record.id if order == "id" else record.values.get(order)
            value = value.id if isinstance(value, Record) else value
            return (value is not None, value, draw() if draw else 0.0)

        return sorted(found, key=key, reverse=descending)


def locate(kind: Kind, names: Path) -> tuple[Path, Field] | None:
    """The stored path of an attribute and its field; `supplier-id` means supplier's id."""
    field = kind.fields.get(names[0])
    if field is None and len(names) == 1 and names[0].endswith("-id"):
        base = names[0].removesuffix("-id")
        if isinstance(kind.fields.get(base), Ref):
            return (base, "id"), kind.fields["id"]
    if field is None:
        return None
    if len(names) == 1:
        return ((names[0], "id"), kind.fields["id"]) if isinstance(field, Ref) else (names, field)
    match field:
        case Ref():
            below = locate(SCHEMA[field.to], names[1:])
        case Children() | Embedded():
            below = locate(SCHEMA[field.of], names[1:])
        case CustomFields():
            return (CUSTOM, names[1]), field
        case Plain():
            return names[:2], field
        case _:
            # A country's code is the value itself.
            return ((names[0],), field) if names[1] == "code" else None
    return None if below is None else ((names[0], *below[0]), below[1])


def _operand(field: Field, op: str, key: str, value: str) -> Any:
    if op == "blank":
        return value.lower() == "true"
    if not isinstance(field, Scalar):
        return value.split(",") if op in ("in", "not_in") else value
    if op in TEXT_OPS:
        return value
    parts = value.split(",") if op in ("in", "not_in") else [value]
    try:
        parsed = [field.operand(part) for part in parts]
    except Invalid as error:
        raise InvalidQuery(f"Invalid query: {key} {error}") from None
    return parsed if op in ("in", "not_in") else parsed[0]


def _whole(text: str | None, otherwise: int) -> int:
    if text is None or text == "":
        return otherwise
    if not text.isdigit():
        raise InvalidQuery(f"Invalid query: {text} is not a whole number")
    return int(text)
