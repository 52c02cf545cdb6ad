"""Whether one version of a schema breaks the readers or the records of another.

Topics keep old records for ever, and old readers meet new records; so neither direction may break. Readers pass over
fields, and take values of enumerations, that they do not know: adding either breaks nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
_LIMITS = {"maxLength": min, "maximum": min, "minLength": max, "minimum": max, "pattern": None}


def breaks(old: Schema, new: Schema) -> Sequence[str]:
    """What a change from `old` to `new` breaks: the place, and for whom; empty where nothing."""
    return list(_compare(_Node(old, old), _Node(new, new), "", frozenset()))


class _Node:
    """A schema with the document its references point into."""

    def __init__(self, schema: Schema, document: Schema) -> None:
        self.schema = schema
        self.document = document

    def variants(self) -> list["_Node"]:
        """The alternatives it allows, references followed."""
        schema = self.schema
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            return _Node(self.document["$defs"][name], self.document).variants()
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return [one for part in schema[choice] for one in _Node(part, self.document).variants()]
        return [self]

    def child(self, schema: Schema) -> "_Node":
        return _Node(schema, self.document)

    @property
    def type(self) -> str:
        if "const" in self.schema:
            return type(self.schema["const"]).__name__.replace("str", "string")
        return str(self.schema.get("type", "anything"))

    @property
    def title(self) -> str | None:
        return self.schema.get("title")


def _compare(old: _Node, new: _Node, at: str, seen: frozenset[tuple[int, int]]) -> Iterator[str]:
    befores, afters = old.variants(), new.variants()
    before_types, after_types = {one.type for one in befores}, {one.type for one in afters}
    place = at or "the value"
    if gone := before_types - after_types:
        yield f"{place} may no longer be {', '.join(sorted(gone))}: records of earlier versions are"
    if added := after_types - before_types:
        yield f"{place} may now be {', '.join(sorted(added))}: readers of earlier versions do not expect it"
    for before in befores:
        after = _counterpart(before, afters)
        if after is None:
            continue
        pair = (id(before.schema), id(after.schema))
        if pair not in seen:
            yield from _same_type(before, after, at, seen | {pair})


def _counterpart(before: _Node, afters: Sequence[_Node]) -> _Node | None:
    alike = [after for after in afters if after.type == before.type]
    return next((after for after in alike if after.title == before.title), alike[0] if alike else None)


def _same_type(old: _Node, new: _Node, at: str, seen: frozenset[tuple[int, int]]) -> Iterator[str]:
    place = at or "the value"
    if "enum" in new.schema and (missing := set(old.schema.get("enum", ())) - set(new.schema["enum"])):
        yield f"{place} may no longer be {', '.join(sorted(map(str, missing)))}: records of earlier versions are"
    for limit, tighter in _LIMITS.items():
        before, after = old.schema.get(limit), new.schema.get(limit)
        if after is None or before == after:
            continue
        if before is None or tighter is None or tighter(before, after) == after:
            yield f"{place}: {limit} is now {after}, it was {before}: records of earlier versions may not meet it"
    yield from _properties(old, new, at, seen)
    for nested in ("items", "additionalProperties"):
        if isinstance(old.schema.get(nested), dict) and isinstance(new.schema.get(nested), dict):
            yield from _compare(old.child(old.schema[nested]), new.child(new.schema[nested]), f"{at}[]", seen)


def _properties(old: _Node, new: _Node, at: str, seen: frozenset[tuple[int, int]]) -> Iterator[str]:
    before, after = old.schema.get("properties", {}), new.schema.get("properties", {})
    required_before, required_after = set(old.schema.get("required", ())), set(new.schema.get("required", ()))
    for name, schema in before.items():
        place = f"{at}.{name}".lstrip(".")
        if name not in after:
            yield f"{place} was removed: readers of earlier versions look for it"
        else:
            yield from _compare(old.child(schema), new.child(after[name]), place, seen)
    for name in sorted(required_after - required_before):
        yield f"{f'{at}.{name}'.lstrip('.')} became required: records of earlier versions lack it"
    for name in sorted((required_before - required_after) & after.keys()):
        yield f"{f'{at}.{name}'.lstrip('.')} is no longer required: readers of earlier versions rely on it"
