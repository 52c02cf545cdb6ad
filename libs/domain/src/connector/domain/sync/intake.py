"""Intake: canonical records become "this is how the target should look". No vendor is called here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pydantic_core

from connector.domain.digest import digest
from connector.domain.documents.envelope import RecordStatus
from connector.domain.identity import Entity, EntityRef, Revision, RowRef, TrafficClass
from connector.domain.ports.configuration import Flow, Snapshot
from connector.domain.ports.desired import Desired, DesiredRows, Origin
from connector.domain.ports.references import ReferenceEntry, ReferenceKey, References
from connector.domain.printable import printable


@dataclass(frozen=True, slots=True)
class Incoming:
    """One record of a `canonical.*` topic; a null value erases."""

    key: str
    value: bytes | None
    origin: Origin
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is not one of ours; nothing of it is stored."""

    origin: Origin
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Taken:
    records: int
    newer: int
    due: int
    references: int
    refused: Sequence[Refused]


@dataclass(frozen=True, slots=True)
class _Parsed:
    ref: EntityRef
    revision: Revision
    envelope: dict[str, Any]
    text: str
    origin: Origin
    traceparent: str | None


class Intake:
    """Takes batches of canonical records into the desired state of one target system's flows."""

    def __init__(self, rows: DesiredRows, references: References, target_system: str) -> None:
        self._rows = rows
        self._references = references
        self._system = target_system

    async def take(self, batch: Sequence[Incoming], configuration: Snapshot) -> Taken:
        """Store the highest revision of each key for every flow that wants it; safe to repeat, in any order."""
        refused: list[Refused] = []
        newest: dict[EntityRef, _Parsed] = {}
        erased: set[EntityRef] = set()
        for incoming in batch:
            try:
                ref = EntityRef.parse(incoming.key)
                if incoming.value is None:
                    newest.pop(ref, None)
                    erased.add(ref)
                    continue
                parsed = _parse(ref, incoming, incoming.value)
            except (ValueError, KeyError, TypeError) as error:
                refused.append(Refused(incoming.origin, incoming.key, f"not a canonical record: {error}"))
                continue
            before = newest.get(ref)
            if before is None or parsed.revision > before.revision:
                newest[ref] = parsed
                erased.discard(ref)
        references = [_reference(record) for ref, record in newest.items() if ref.entity is Entity.REFERENCE]
        changed = await self._references.upsert(references) if references else 0
        if erased:
            await self._rows.forget([row for ref in sorted(erased) for row in self._rows_of(ref, configuration)])
        wanted = [desired for record in newest.values() for desired in self._desired(record, configuration)]
        upserted = await self._rows.upsert(wanted) if wanted else None
        return Taken(
            records=len(batch),
            newer=upserted.newer if upserted else 0,
            due=upserted.due if upserted else 0,
            references=changed,
            refused=refused,
        )

    def _flows(self, ref: EntityRef, configuration: Snapshot) -> Iterable[Flow]:
        for flow in configuration.from_source(ref.connection):
            target = configuration.connections.get(flow.target)
            if target is not None and target.system == self._system and _wants(flow, ref):
                yield flow

    def _rows_of(self, ref: EntityRef, configuration: Snapshot) -> list[RowRef]:
        return [RowRef(flow.id, ref.entity, ref.native_id) for flow in self._flows(ref, configuration)]

    def _desired(self, record: _Parsed, configuration: Snapshot) -> Iterable[Desired]:
        envelope = record.envelope
        for flow in self._flows(record.ref, configuration):
            yield Desired(
                row=RowRef(flow.id, record.ref.entity, record.ref.native_id),
                source=record.ref.connection,
                target=flow.target,
                number=_number(envelope.get("native_number")),
                revision=record.revision,
                content_digest=envelope["content_digest"],
                resolved_digest=envelope["resolved_digest"],
                read_digest=envelope.get("read_digest"),
                status=RecordStatus(envelope.get("status", RecordStatus.OK)),
                traffic=_traffic(envelope.get("cause")),
                payload=record.text,
                origin=record.origin,
                traceparent=record.traceparent,
            )


def _wants(flow: Flow, ref: EntityRef) -> bool:
    if ref.entity is Entity.REFERENCE:
        return ref.native_id.partition("/")[0] in flow.references
    return ref.entity in flow.entities


def _number(told: object) -> str | None:
    return None if told is None else printable(str(told))


def _traffic(cause: str | None) -> TrafficClass:
    try:
        return TrafficClass(cause or TrafficClass.LIVE)
    except ValueError:
        return TrafficClass.CATCH_UP


def _parse(ref: EntityRef, incoming: Incoming, value: bytes) -> _Parsed:
    """Reads the envelope only; the document is validated when it is rendered."""
    if printable(ref.native_id) != ref.native_id:
        raise ValueError("its key has control characters, which no database takes")
    envelope = pydantic_core.from_json(value)
    if not isinstance(envelope, dict):
        raise TypeError("the value is not a JSON object")
    named = (envelope["tenant"], envelope["connection"], envelope["entity"], envelope["native_id"])
    if named != (ref.connection.tenant, ref.connection.connection, str(ref.entity), ref.native_id):
        raise ValueError(f"the record names itself {'/'.join(map(str, named))}")
    for field in ("content_digest", "resolved_digest"):
        if not isinstance(envelope[field], str):
            raise TypeError(f"{field} is not text")
    revision = Revision(datetime.fromisoformat(envelope["read_at"]), int(envelope["translation_version"]))
    RecordStatus(envelope.get("status", RecordStatus.OK))
    if ref.entity is not Entity.REFERENCE:
        envelope.pop("document", None)  # a batch of parsed documents is work for the garbage collector
    return _Parsed(ref, revision, envelope, value.decode(), incoming.origin, incoming.traceparent)


def _reference(record: _Parsed) -> ReferenceEntry:
    kind, _, code = record.ref.native_id.partition("/")
    body = record.envelope.get("document") if record.envelope.get("status", "ok") == RecordStatus.OK else None
    return ReferenceEntry(
        ReferenceKey(record.ref.connection, kind, code), as_of=record.revision.read_at, version=digest(body), body=body
    )
