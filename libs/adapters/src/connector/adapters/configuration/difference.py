"""What applying a configuration would change, to be read before it is done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connector.domain.identity import ConnectionId, FlowId
from connector.domain.ports.configuration import Snapshot

from .tenant_file import Tenant


class Act(StrEnum):
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the difference. `where` reads `connection exact-nl: settings.division`."""

    act: Act
    where: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    changes: tuple[Change, ...]
    mapping_keys: Mapping[FlowId, frozenset[str]]
    """Changed mapping entries as dependency keys (`mapping:<table>/<key>`), by flow."""
    read_under: Mapping[ConnectionId, frozenset[str]]
    """Changed settings by connection, company's own by entry (`vat/21`): documents read under them are read again."""

    def __bool__(self) -> bool:
        return bool(self.changes)


def difference(wanted: Tenant, now: Snapshot) -> Difference:
    """Compare a checked file with what is applied. Settings are compared as entered, defaults included."""
    mapping_keys: dict[FlowId, frozenset[str]] = {}
    company: dict[ConnectionId, frozenset[str]] = {}
    changes = [*_connections(wanted, now, company), *_flows(wanted, now), *_mappings(wanted, now, mapping_keys)]
    return Difference(tuple(changes), mapping_keys, company)


def _connections(wanted: Tenant, now: Snapshot, company: dict[ConnectionId, frozenset[str]]) -> Iterator[Change]:
    applied = {c.id.connection: c for c in now.connections.values() if c.id.tenant == wanted.name}
    for name in applied.keys() - wanted.connections.keys():
        yield Change(Act.REMOVE, f"connection {name}")
    for name, entry in wanted.connections.items():
        before = applied.get(name)
        if before is None:
            yield Change(Act.ADD, f"connection {name}", after=entry.system)
            continue
        settings = type(before.settings).model_validate(entry.settings).model_dump(mode="json")
        old = before.settings.model_dump(mode="json") | {
            "call_deadline_s": before.call_deadline_s,
            "processing_s": before.processing_s,
        }
        new = settings | {"call_deadline_s": entry.call_deadline_s, "processing_s": entry.processing_s}
        yield from _values(f"connection {name}", old, new)
        if changed := stamped_otherwise(old, new):
            company[before.id] = changed


def stamped_otherwise(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[str]:
    """Names under which readers stamp the changed ones of a connection's settings on documents: the setting's own name;
    of the company's tables `table/key`."""
    changed = {name for name in old.keys() | new.keys() if name != "company" and old.get(name) != new.get(name)}
    before, after = old.get("company") or {}, new.get("company") or {}
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            changed |= {f"{name}/{key}" for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
        elif one != other:
            changed.add(name)
    return frozenset(changed)


def _flows(wanted: Tenant, now: Snapshot) -> Iterator[Change]:
    applied = {f.id.flow: f for f in now.flows.values() if f.id.tenant == wanted.name}
    for name in applied.keys() - wanted.flows.keys():
        yield Change(Act.REMOVE, f"flow {name}")
    for name, entry in wanted.flows.items():
        before = applied.get(name)
        if before is None:
            yield Change(Act.ADD, f"flow {name}", after=f"{entry.kind}, begins in dry-run")
            continue
        kind = wanted.kind(name)
        old: dict[str, Any] = {
            "source": before.source.connection,
            "target": before.target.connection,
            "start_date": str(before.start_date),
            "entities": sorted(before.entities),
            "references": sorted(before.references),
            "on_mapping_change": str(before.on_mapping_change),
            "on_block": str(before.on_block),
            "wait_s": before.wait_s,
            "options": before.options.model_dump(mode="json"),
        }
        new: dict[str, Any] = {
            "source": entry.source,
            "target": entry.target,
            "start_date": str(entry.start_date),
            "entities": sorted(entry.entities or kind.entities),
            "references": sorted(entry.references),
            "on_mapping_change": str(entry.on_mapping_change),
            "on_block": str(entry.on_block),
            "wait_s": entry.wait_s,
            "options": kind.options.model_validate(entry.options).model_dump(mode="json"),
        }
        yield from _values(f"flow {name}", old, new)


def _mappings(wanted: Tenant, now: Snapshot, keys: dict[FlowId, frozenset[str]]) -> Iterator[Change]:
    for name in wanted.flows:
        flow = FlowId(wanted.name, name)
        changed: set[str] = set()
        tables = {table for at, table in wanted.tables if at == name}
        tables |= {table for at, table in now.mappings if at == flow}
        for table in sorted(tables):
            old = {key: entry.value for key, entry in now.mappings.get((flow, table), {}).items()}
            new = wanted.tables.get((name, table), {})
            changed |= {f"mapping:{table}/{key}" for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
            yield from _values(f"flow {name}: mapping {table}", old, new)
        if changed:
            keys[flow] = frozenset(changed)


def _values(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _values(f"{where}: {key}", before, after)
        elif key not in old:
            yield Change(Act.ADD, f"{where}: {key}", after=str(after))
        elif key not in new:
            yield Change(Act.REMOVE, f"{where}: {key}", before=str(before))
        else:
            yield Change(Act.CHANGE, f"{where}: {key}", str(before), str(after))
