"""A person's desk at the vendor's screens: finds records by the names people use, writes them past the API."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .errors import FunctionalError
from .feeds import ENTITIES
from .master import HANDLERS
from .schema import Entity, Kind, Row, plain
from .store import Actor, Division, World

Payload = dict[str, Any]
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBERS = ("Code", "OrderNumber", "EntryNumber", "HID")


class Desk:
    """Writes on behalf of the person an act names, in the company it names."""

    def __init__(self, world: World) -> None:
        self.world = world

    def division(self, payload: Payload) -> Division:
        return self.world.division(payload.get("division"))

    def actor(self, payload: Payload) -> Actor:
        return Actor(self.world.user(payload.get("user")))

    def create(self, entity: Entity, payload: Payload) -> Row:
        division = self.division(payload)
        row = HANDLERS[entity.path].create(division, self.body(division, entity, payload), self.actor(payload))
        return self.shown(division, entity, row)

    def edit(self, entity: Entity, payload: Payload) -> Row:
        division = self.division(payload)
        row = self.find(division, entity, payload)
        changed = HANDLERS[entity.path].update(division, row, self.body(division, entity, payload), self.actor(payload))
        return self.shown(division, entity, changed)

    def delete(self, entity: Entity, payload: Payload) -> Row:
        division = self.division(payload)
        row = self.find(division, entity, payload)
        shown = self.shown(division, entity, row)
        HANDLERS[entity.path].delete(division, row, self.actor(payload))
        return {**shown, "_deleted": True}

    def find(self, division: Division, entity: Entity, payload: Payload) -> Row:
        """The record `id` names: by key, code, order number or entry number."""
        wanted = payload["id"]
        table = division.table(entity)
        if isinstance(wanted, str) and wanted in table.rows:
            return table.rows[wanted]
        for name in _NUMBERS:
            if name not in entity.fields or not table.indexed(name):
                continue
            value = (
                entity.fields[name].padded(str(wanted)) if entity.fields[name].kind is Kind.TEXT else _number(wanted)
            )
            if (row := table.one(name, value)) is not None:
                return row
        raise FunctionalError(f"Unknown: {entity.name} {wanted}")

    def body(self, division: Division, entity: Entity, payload: Mapping[str, Any]) -> Payload:
        """The record's fields of a payload: numbers exact, references by code turned into IDs, lines likewise."""
        body: Payload = {}
        for name, value in payload.items():
            if name[:1].islower():
                continue
            if entity.lines is not None and name == entity.lines.collection:
                lines = ENTITIES[entity.lines.entity.lower()]
                body[name] = [self.body(division, lines, line) for line in value]
            else:
                body[name] = self._value(division, entity, name, value)
        return body

    def _value(self, division: Division, entity: Entity, name: str, value: Any) -> Any:
        spec = entity.fields.get(name)
        if spec is None:
            raise FunctionalError(f"Unknown: Field {name} of {entity.path}")
        if spec.kind is Kind.DOUBLE and value is not None:
            return Decimal(str(value))
        reference = entity.references.get(name)
        if spec.kind is not Kind.GUID or reference is None or value is None or _GUID.fullmatch(str(value)):
            return value
        target = self.find(division, ENTITIES[reference.table.lower()], {"id": value})
        return target[reference.target_field]

    def shown(self, division: Division, entity: Entity, row: Row) -> Row:
        """A record as JSON with its lines, amounts as text."""
        found = {name: plain(division.value(entity, row, name)) for name in entity.fields}
        if entity.lines is not None:
            lines = ENTITIES[entity.lines.entity.lower()]
            rows = division.table(lines).where(entity.lines.parent, row[entity.key])
            rows = sorted(rows, key=lambda line: line.get("LineNumber") or 0)
            found[entity.lines.collection] = [
                {n: plain(division.value(lines, r, n)) for n in lines.fields} for r in rows
            ]
        return found


def _number(value: Any) -> int | None:
    return int(value) if str(value).isdigit() else None
