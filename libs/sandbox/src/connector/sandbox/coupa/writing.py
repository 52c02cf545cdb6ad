"""From a payload to stored objects: fields parsed, references resolved, children merged, the schema checked."""

from collections.abc import Callable, Mapping
from typing import Any

from .fields import CUSTOM, Children, Country, CustomFields, Embedded, Field, Invalid, Kind, Plain, Record, Ref, Scalar
from .schema import SCHEMA
from .store import Instance, Unit
from .view import View

Payload = Mapping[str, Any]
Resolver = Callable[[Unit, Record, Payload], Record | None]


class Writer:
    """Writes payloads into records within a unit of work. `resolvers` name kinds that are found in their own way."""

    def __init__(self, instance: Instance, view: View, resolvers: Mapping[str, Resolver]) -> None:
        self._instance = instance
        self._view = view
        self._resolvers = resolvers

    def write(self, unit: Unit, record: Record, payload: Payload) -> None:
        """Bring the payload's keys into the record; what the schema does not know or calls read-only is ignored."""
        payload = {key.replace("_", "-") if not key.startswith("_") else key: raw for key, raw in payload.items()}
        self._refuse_account_and_split(unit, payload)
        for name, raw in payload.items():
            field = record.kind.fields.get(name)
            if field is None:
                self._write_unknown(unit, record, name, raw)
            elif not field.read_only:
                self._write_field(unit, record, field, raw)
        self._check_required(unit, record)

    def check_unique(self, unit: Unit) -> None:
        for record in unit.written():
            if record.deleted:
                continue
            for group in record.kind.unique:
                values = [record.values.get(name) for name in group]
                if values[-1] in (None, ""):
                    continue
                for other in self._instance[record.kind.path].find(group[-1], values[-1]):
                    if other is not record and [other.values.get(name) for name in group] == values:
                        unit.fail(group[-1], "has already been taken")

    def resolve(self, unit: Unit, holder: Record, kind: Kind, raw: Any) -> Record | None:
        """The stored object a reference means, or None."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            raw = {"id": raw}
        if not isinstance(raw, Mapping):
            return None
        raw = {key.replace("_", "-"): value for key, value in raw.items()}
        special = self._resolvers.get(kind.path)
        if special is not None:
            return special(unit, holder, raw)
        return self._by_key(unit, holder, kind, raw)

    def _by_key(self, unit: Unit, holder: Record, kind: Kind, raw: Payload) -> Record | None:
        given = [name for name in kind.keys if raw.get(name) not in (None, "")]
        if not given:
            return None
        matches = self._instance[kind.path].find(given[0], _key_value(given[0], raw[given[0]]))
        for name, value in raw.items():
            field = kind.fields.get(name)
            if isinstance(field, Ref) and isinstance(value, Mapping):
                narrowed = self.resolve(unit, holder, SCHEMA[field.to], value)
                matches = [match for match in matches if match.one(name) is narrowed]
            elif isinstance(field, Country):
                matches = [match for match in matches if match.values.get(name) == _country(value)]
            elif name in kind.keys[1:] and given[0] != "id":
                matches = [match for match in matches if match.text(name) == str(value)]
        return matches[0] if matches else None

    def _write_unknown(self, unit: Unit, record: Record, name: str, raw: Any) -> None:
        base = record.kind.fields.get(name.removesuffix("-id"))
        if name.endswith("-id") and isinstance(base, Ref):
            self._write_ref(unit, record, base, None if raw is None else {"id": raw})
        elif self._instance.settings.flat_custom_fields.get(record.kind.path, {}).get(name):
            unit.set(record, name, raw)

    def _write_field(self, unit: Unit, record: Record, field: Field, raw: Any) -> None:
        match field:
            case Scalar():
                try:
                    unit.set(record, field.name, None if raw is None else field.parse(raw, self._view.tz))
                except Invalid as error:
                    unit.fail(_error_key(record, field.name), str(error))
            case Ref():
                self._write_ref(unit, record, field, raw)
            case Children():
                self._write_children(unit, record, field, raw)
            case Embedded():
                self._write_embedded(unit, record, field, raw)
            case CustomFields():
                self._write_custom(unit, record, raw)
            case Plain():
                unit.set(record, field.name, raw)

    def _write_ref(self, unit: Unit, record: Record, field: Ref, raw: Any) -> None:
        if raw is None:
            unit.set(record, field.name, None)
            return
        errors_before = sum(map(len, unit.errors.values()))
        found = self.resolve(unit, record, SCHEMA[field.to], raw)
        if found is not None:
            unit.set(record, field.name, found)
            return
        settings = self._instance.settings
        mode = settings.unknown_reference_on_create if unit.creating else settings.unknown_reference_on_update
        if mode == "reject" and sum(map(len, unit.errors.values())) == errors_before:
            unit.fail(_error_key(record, field.name), "is not known")

    def _write_children(self, unit: Unit, record: Record, field: Children, raw: Any) -> None:
        kind = SCHEMA[field.of]
        children = list(record.values.get(field.name) or ())
        for item in _items(raw, kind.root):
            if not isinstance(item, Mapping):
                unit.fail(_error_key(record, field.name), "is invalid")
                continue
            item = {key.replace("_", "-") if not key.startswith("_") else key: value for key, value in item.items()}
            if item.get("id") is not None:
                self._write_existing_child(unit, record, field, item)
            elif not true(item.get("_delete")):
                child = unit.create(kind, record)
                self.write(unit, child, item)
                children.append(child)
        unit.set(record, field.name, children)

    def _write_existing_child(self, unit: Unit, record: Record, field: Children, item: Payload) -> None:
        key = _error_key(record, field.name)
        child = next((one for one in record.many(field.name) if str(one.id) == str(item["id"])), None)
        if child is None:
            unit.fail(key, f"has none with id {item['id']}")
        elif field.append_only:
            unit.fail(key, "can't be changed, only added")
        elif true(item.get("_delete")):
            unit.touch(child)
            child.deleted = True
        else:
            self.write(unit, child, item)

    def _write_embedded(self, unit: Unit, record: Record, field: Embedded, raw: Any) -> None:
        if not isinstance(raw, Mapping):
            if raw is not None:
                unit.fail(_error_key(record, field.name), "is invalid")
            return
        current = record.one(field.name)
        if raw.get("id") is not None and (current is None or str(current.id) != str(raw["id"])):
            unit.fail(_error_key(record, field.name), "can't be replaced by another one")
            return
        if current is None:
            current = unit.create(SCHEMA[field.of], record)
            unit.set(record, field.name, current)
        self.write(unit, current, {key: value for key, value in raw.items() if key != "id"})

    def _write_custom(self, unit: Unit, record: Record, raw: Any) -> None:
        if not isinstance(raw, Mapping):
            return
        declared = self._instance.settings.custom_fields.get(record.kind.path, {})
        editable = {name for name, by_api in declared.items() if by_api or unit.person}
        kept = dict(record.values.get(CUSTOM) or {})
        kept.update({name: value for key, value in raw.items() if (name := key.replace("_", "-")) in editable})
        unit.set(record, CUSTOM, kept)

    def _check_required(self, unit: Unit, record: Record) -> None:
        for field in record.kind.fields.values():
            if field.required and record.values.get(field.name) in (None, ""):
                key = _error_key(record, field.name)
                if key not in unit.errors:
                    unit.fail(key, "can't be blank")

    def _refuse_account_and_split(self, unit: Unit, payload: Payload) -> None:
        if payload.get("account") and payload.get("account-allocations"):
            unit.fail("account", "can't be given together with account-allocations")


def _items(raw: Any, root: str) -> list[Any]:
    """A list of children; also in XML's form and some clients', `{"tax-line": {...}}`."""
    if raw is None:
        return []
    if isinstance(raw, Mapping):
        inner = raw.get(root, raw.get(root.replace("-", "_"), raw if raw else []))
        return inner if isinstance(inner, list) else [inner]
    return raw if isinstance(raw, list) else [raw]


def true(raw: Any) -> bool:
    """Whether a mark such as `_delete` is set, in JSON or XML."""
    return raw is True or str(raw).lower() == "true"


def _country(raw: Any) -> Any:
    return raw.get("code") if isinstance(raw, Mapping) else raw


def _key_value(name: str, raw: Any) -> Any:
    if name != "id":
        return str(raw)
    return int(raw) if str(raw).isdigit() else None


def _error_key(record: Record, name: str) -> str:
    """A part's error is named with the part: `order-line.description`; accounting errors are always `account`."""
    if name == "account" or record.owner is None:
        return name
    return f"{record.kind.root}.{name}"
