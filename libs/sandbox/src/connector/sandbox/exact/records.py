"""Writing a record: what every entity checks, and the handlers that know more."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BAD_PAYLOAD, FunctionalError, Refusal
from .schema import Entity, Row, parse
from .store import Actor, Division

Body = Mapping[str, Any]
"""Fields as a request or an act names them, as JSON values."""


@dataclass(frozen=True, slots=True)
class Handler:
    """The three writes of one entity; each validates everything before it stores anything."""

    create: Callable[[Division, Body, Actor], Row]
    update: Callable[[Division, Row, Body, Actor], Row]
    delete: Callable[[Division, Row, Actor], None]


def parsed(entity: Entity, body: Body, also: frozenset[str] = frozenset()) -> Row:
    """The writable fields of a body as stored values. Read-only fields are ignored, unknown ones refused."""
    row = {}
    for name, value in body.items():
        if name in entity.writable or name in also:
            row[name] = parse(entity, name, value)
        elif name not in entity.fields and not (entity.lines and name == entity.lines.collection):
            raise_unknown(entity, name)
    return row


def lines_in(entity: Entity, body: Body) -> list[Body]:
    """The lines nested in a header's body: a plain array of objects, never empty."""
    assert entity.lines is not None
    lines = body.get(entity.lines.collection)
    if not lines:
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", entity.lines.collection).capitalize()
        raise FunctionalError(f"Mandatory: {words}")
    if not isinstance(lines, list) or not all(isinstance(line, Mapping) for line in lines):
        raise Refusal(400, BAD_PAYLOAD)
    return lines


def raise_unknown(entity: Entity, name: str) -> None:
    raise Refusal(
        400,
        f"Error processing request stream. The property name '{name}' specified for type '{entity.model}' "
        "is not valid.",
    )


def check_mandatory(entity: Entity, row: Row) -> None:
    missing = [text for name, text in entity.mandatory.items() if row.get(name) in (None, "")]
    if missing:
        raise FunctionalError(*missing)


def check_references(division: Division, entity: Entity, row: Row, names: frozenset[str] | None = None) -> None:
    """Every reference that is filled must be known."""
    unknown = [
        f"Invalid reference: {reference.label}"
        for name, reference in entity.references.items()
        if (names is None or name in names)
        and row.get(name) not in (None, "")
        and division.referred(entity, row, name) is None
    ]
    if unknown:
        raise FunctionalError(*unknown)


def check_unique(division: Division, entity: Entity, row: Row) -> None:
    for name in entity.unique:
        other = division.table(entity).one(name, row.get(name)) if row.get(name) is not None else None
        if other is not None and other[entity.key] != row.get(entity.key):
            raise FunctionalError("Data already exists")


def users_of(division: Division, entity: Entity, row: Row) -> list[str]:
    """Names of the entities whose records refer to this one."""
    found = []
    for table in division.tables.values():
        for name, reference in table.entity.references.items():
            if reference.table != entity.path or table.entity.path.startswith(("sync/", "bulk/")):
                continue
            if table.indexed(name) and any(True for _ in table.keys_where(name, row.get(reference.target_field))):
                found.append(table.entity.name)
    return sorted(set(found))


def check_unused(division: Division, entity: Entity, row: Row) -> None:
    if users := users_of(division, entity, row):
        label = str(row.get("Code") or row.get("Description") or row[entity.key]).strip()
        raise FunctionalError(f"Can't delete: {entity.name.removesuffix('s')} {label} - Used in: {', '.join(users)}")


Check = Callable[[Division, Row, Row | None], None]
"""Sees the new row, which it may complete, and the old one; raises FunctionalError."""


def generic(
    entity: Entity, check: Check = lambda division, row, old: None, at_screen: frozenset[str] = frozenset()
) -> Handler:
    """Create, update and delete for an entity without state of its own.

    `at_screen` are fields the API only reads but people may set.
    """

    def fields_of(body: Body, actor: Actor) -> Row:
        return parsed(entity, body, frozenset() if actor.through_api else at_screen)

    def validated(division: Division, row: Row, old: Row | None) -> None:
        check_mandatory(entity, row)
        check_references(division, entity, row)
        check(division, row, old)
        check_unique(division, entity, row)

    def create(division: Division, body: Body, actor: Actor) -> Row:
        row = {**fields_of(body, actor), entity.key: division.world.new_id()}
        validated(division, row, None)
        division.save(entity, row, actor)
        division.notify(entity, "Create", row[entity.key], actor)
        return row

    def update(division: Division, old: Row, body: Body, actor: Actor) -> Row:
        changes = fields_of(body, actor)
        row = {**old, **changes}
        validated(division, row, old)
        division.save(entity, row, actor)
        if any(old.get(name) != row.get(name) for name in changes if name not in entity.quiet):
            division.notify(entity, "Update", row[entity.key], actor)
        return row

    def delete(division: Division, row: Row, actor: Actor) -> None:
        check_unused(division, entity, row)
        division.table(entity).remove(row[entity.key])
        if entity.deleted_type is not None:
            division.note_deleted(row[entity.key], entity.deleted_type, actor)
        division.notify(entity, "Delete", row[entity.key], actor)

    return Handler(create, update, delete)
