"""From a record of `documents.<system>` to a record of `canonical.<entity>.v1`; it reads nothing but the record."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from connector.domain.digest import digest, digest_bytes
from connector.domain.documents.envelope import RECORDS, AnyRecord, RecordStatus, SourceDocument
from connector.domain.documents.messages import canonical_message, document_id
from connector.domain.documents.translation import Translate, Translated, Translations, Untranslatable, canonical
from connector.domain.identity import Entity, EntityRef
from connector.domain.ports.log import MAPPING_REJECTED, MAX_VALUE_BYTES, CloudEvent, Message, Record, canonical_topic
from connector.domain.printable import printable_json
from connector.domain.reasons import Reason


class MappingRejected(BaseModel):
    """Value of `mapping.rejected`: where the record that could not be translated lies, and every reason."""

    topic: str
    partition: int
    offset: int
    key: str
    reasons: list[Reason]


class NoSuchSystem(Exception):
    """There is no translator of that name in this version."""


class Mapper:
    """`Apply` of the mapper service: one document becomes one canonical record, always.

    What can't be translated becomes a record with status rejected and a note on `mapping.rejected`; an erased key (null
    value) erases its canonical record. `translations` gives a system's translators or raises NoSuchSystem.
    """

    def __init__(self, translations: Callable[[str], Translations]) -> None:
        self._translations = translations
        self._guarded: dict[str, Translations] = {}

    def __call__(self, record: Record) -> Sequence[Message]:
        try:
            ref = EntityRef.parse(record.key)
        except ValueError as error:
            key_broken = Reason(code="key-unreadable", message=f"The key is not tenant/connection/entity/id: {error}.")
            return [_note(record, [key_broken])]
        if record.value is None:
            return [Message(canonical_topic(ref.entity), record.key, None)]
        return self._translate(record, ref, record.value)

    def _translate(self, record: Record, ref: EntityRef, value: bytes) -> Sequence[Message]:
        made, document = self._made(record, ref, value)
        message = canonical_message(made, document=document, traceparent=record.header("traceparent"))
        if message.value is not None and len(message.value) > MAX_VALUE_BYTES:
            made = _too_large(made, len(message.value))
            message = canonical_message(made, document=document, traceparent=record.header("traceparent"))
        return [message] if made.status is not RecordStatus.REJECTED else [message, _note(record, made.findings)]

    def _made(self, record: Record, ref: EntityRef, value: bytes) -> tuple[AnyRecord, str]:
        """The canonical record, and the id of the document it is made of."""
        try:
            source = SourceDocument.model_validate_json(printable_json(value))
        except ValidationError as error:
            return _unreadable(record, ref, value, _problems(error)), digest([record.key, digest_bytes(value)])
        if source.ref != ref:
            problem = Reason(code="document-unreadable", message=f"The value is of another key: {source.ref.key}.")
            return _unreadable(record, ref, value, [problem]), digest([record.key, digest_bytes(value)])
        return canonical(source, self._of_system(source.system)), document_id(source)

    def _of_system(self, system: str) -> Translations:
        if system not in self._guarded:
            self._guarded[system] = self._guard(system)
        return self._guarded[system]

    def _guard(self, system: str) -> Translations:
        try:
            known = self._translations(system)
        except NoSuchSystem:
            known = Translations(system, 0, {})
        return replace(known, by_entity={entity: _guarded(known.by_entity.get(entity)) for entity in Entity})


def _guarded(translate: Translate | None) -> Translate:
    """A translator whose every failure is a reason: a defect in it costs its documents, never the partition."""

    def guarded(source: SourceDocument) -> Translated:
        if translate is None:
            raise Untranslatable(
                [
                    Reason(
                        code="no-translator",
                        message=f"This version does not translate {source.system}'s {source.entity}.",
                        fix="Install a version that does, then replay.",
                    )
                ]
            )
        try:
            return translate(source)
        except Untranslatable:
            raise
        except Exception as error:
            raise Untranslatable(
                [
                    Reason(
                        code="translation-failed",
                        message=f"The translator failed with {type(error).__name__}: {error}.",
                        fix="Report it with this record; after the repair, replay.",
                    )
                ]
            ) from error

    return guarded


def _problems(error: ValidationError) -> list[Reason]:
    return [
        Reason(
            code="document-unreadable",
            message=f"The value is no source document: {problem['msg']}.",
            field=".".join(map(str, problem["loc"])) or None,
        )
        for problem in error.errors(include_url=False, include_input=False)[:10]
    ]


def _unreadable(record: Record, ref: EntityRef, value: bytes, findings: Sequence[Reason]) -> AnyRecord:
    """The envelope of a value that is no document of its key: the key and its arrival are all that is known."""
    fields: dict[str, Any] = {
        "tenant": ref.connection.tenant,
        "connection": ref.connection.connection,
        "system": record.topic.removeprefix("documents."),
        "entity": ref.entity,
        "native_id": ref.native_id,
        "read_at": record.timestamp,
        "translation_version": 0,
        "content_digest": digest_bytes(value),
        "resolved_digest": digest({}),
        "status": RecordStatus.REJECTED,
        "findings": list(findings),
    }
    return RECORDS[ref.entity](**fields)


def _too_large(made: AnyRecord, size: int) -> AnyRecord:
    reason = Reason(
        code="document-too-large",
        message=f"The canonical record would be {size} bytes, above the limit of {MAX_VALUE_BYTES}.",
        fix="Split the document at its source.",
    )
    return made.model_copy(
        update={"status": RecordStatus.REJECTED, "findings": [reason], "document": None, "resolved": {}, "extras": {}}
    )


def _note(record: Record, reasons: Sequence[Reason]) -> Message:
    event = CloudEvent(
        id=digest([record.topic, record.partition, record.offset]),
        type="connector.mapping.rejected.v1",
        source=record.topic,
        subject=record.key,
        time=record.timestamp,
        dataschema="mapping.rejected.json",
        traceparent=record.header("traceparent"),
    )
    rejected = MappingRejected(
        topic=record.topic, partition=record.partition, offset=record.offset, key=record.key, reasons=list(reasons)
    )
    return Message(MAPPING_REJECTED, record.key, rejected.model_dump_json().encode(), event.headers())
