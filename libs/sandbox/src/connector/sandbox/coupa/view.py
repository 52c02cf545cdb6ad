"""How an object looks in an answer: whole, reduced by `return_object`, or shaped by `fields`."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta, timezone
from typing import Any

from .fields import CUSTOM, Children, CustomFields, Embedded, Record, Ref
from .schema import SCHEMA
from .settings import Settings

Shape = Mapping[str, "Shape"]
"""Wanted fields; an empty shape below a field means all of it."""


class BadFields(ValueError):
    """The `fields` parameter is not a JSON list of names and {name: [...]}."""


class View:
    """Renders records for one instance; `with_deleted` also shows removed children, marked."""

    def __init__(self, settings: Settings, *, with_deleted: bool = False) -> None:
        self._settings = settings
        self._with_deleted = with_deleted
        self._emitted = {path: kind.emitted for path, kind in SCHEMA.items()}

    @property
    def tz(self) -> timezone:
        return timezone(timedelta(minutes=self._settings.utc_offset_minutes))

    def full(self, record: Record) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": record.id}
        values = record.values
        for field in self._emitted[record.kind.path][1:]:
            if isinstance(field, CustomFields):
                shown[CUSTOM] = self._custom(record, {})
            else:
                shown[field.name] = field.emit(values.get(field.name), self)
        for name in self._settings.flat_custom_fields.get(record.kind.path, ()):
            shown[name] = values.get(name)
        if record.deleted:
            shown["deleted"] = True
        return shown

    def summary(self, record: Record) -> dict[str, Any]:
        """The object as another one shows it: its id and natural keys."""
        fields, values = record.kind.fields, record.values
        shown: dict[str, Any] = {"id": record.id}
        for name in record.kind.summary[1:]:
            shown[name] = fields[name].emit(values.get(name), self)
        return shown

    def shallow(self, record: Record) -> dict[str, Any]:
        """Own attributes, and of everything else only ids and natural keys."""
        shown: dict[str, Any] = {"id": record.id}
        for field in self._emitted[record.kind.path][1:]:
            value = record.values.get(field.name)
            if isinstance(field, Children):
                shown[field.name] = [self.summary(child) for child in self.children(value or ())]
            elif isinstance(field, Embedded):
                shown[field.name] = None if value is None else self.summary(value)
            elif isinstance(field, CustomFields):
                shown[CUSTOM] = self._custom(record, {})
            else:
                shown[field.name] = field.emit(value, self)
        return shown

    def shaped(self, record: Record, shape: Shape) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, below in shape.items():
            field = record.kind.fields.get(name)
            value = record.values.get(name)
            if name == "id":
                shown["id"] = record.id
            elif field is None:
                if name in self._settings.flat_custom_fields.get(record.kind.path, ()):
                    shown[name] = value
            elif field.write_only:
                continue
            elif isinstance(field, CustomFields):
                shown[CUSTOM] = self._custom(record, below)
            elif isinstance(field, Children) and below:
                shown[name] = [self.shaped(child, below) for child in self.children(value or ())]
            elif isinstance(field, Ref | Embedded) and below:
                shown[name] = None if value is None else self.shaped(value, below)
            else:
                shown[name] = field.emit(value, self)
        return shown

    def children(self, records: Iterable[Record]) -> list[Record]:
        return [record for record in records if self._with_deleted or not record.deleted]

    def _custom(self, record: Record, below: Shape) -> dict[str, Any]:
        declared = self._settings.custom_fields.get(record.kind.path, {})
        stored = record.values.get(CUSTOM) or {}
        return {name: stored.get(name) for name in declared if not below or name in below}


def parse_fields(text: str) -> Shape:
    """`["id",{"supplier":["id","number"]}]` with either spelling; names that do not exist are ignored later."""
    try:
        asked = json.loads(text)
    except ValueError:
        raise BadFields(f"fields is not valid JSON: {text[:80]}") from None
    if not isinstance(asked, list):
        raise BadFields("fields must be a JSON list")
    return _shape(asked)


def _shape(asked: Any) -> Shape:
    if isinstance(asked, Mapping):
        return {_name(key): _shape(below) for key, below in asked.items()}
    if isinstance(asked, str):
        return {_name(asked): {}}
    shape: dict[str, Shape] = {}
    for item in asked if isinstance(asked, list) else []:
        shape.update(_shape(item) if isinstance(item, str | Mapping) else {})
    return shape


def _name(text: str) -> str:
    return text.replace("_", "-")
