"""The mapper: one canonical record for each document, whatever the document is."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.messages import document_message
from connector.domain.documents.reference import Reference
from connector.domain.documents.translation import Translated, Translations, Untranslatable
from connector.domain.identity import Entity
from connector.domain.mapping.mapper import Mapper, NoSuchSystem
from connector.domain.ports.log import MAPPING_REJECTED, MAX_VALUE_BYTES, Message, Record
from connector.domain.ports.source import Absence
from connector.domain.reasons import Reason

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def translate(source: SourceDocument) -> Translated:
    record = source.record or {}
    if record.get("poison"):
        raise KeyError("Code")
    if record.get("refused"):
        reasons = [Reason(code="code-missing", message="No code."), Reason(code="name-missing", message="No name.")]
        raise Untranslatable(reasons)
    return Translated(Reference(kind="gl-account", code=record["Code"], name=record["Name"]), company="1")


def translations(system: str) -> Translations:
    if system != "exact":
        raise NoSuchSystem(system)
    return Translations("exact", 3, {Entity.REFERENCE: translate})


def read(record: dict[str, Any] | None, **changes: Any) -> SourceDocument:
    fields: dict[str, Any] = {
        "tenant": "acme", "connection": "main", "system": "exact", "entity": Entity.REFERENCE,
        "native_id": "gl-account/4000", "read_at": AT, "cause": "live", "record": record, "digest": "d",
    }  # fmt: skip
    return SourceDocument(**{**fields, **changes})


def arrived(message: Message, *, value: bytes | str | None = "as produced", key: str | None = None) -> Record:
    body = message.value if isinstance(value, str) else value
    return Record(message.topic, key or message.key, body, message.headers, 2, 7, AT)


def mapped(record: Record) -> tuple[Sequence[Message], dict[str, Any]]:
    messages = Mapper(translations)(record)
    return messages, json.loads(messages[0].value or b"null")


def codes(envelope: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in envelope["findings"]]


def test_a_document_becomes_one_canonical_record_of_its_key() -> None:
    source = document_message(read({"Code": "4000", "Name": "Costs"}), traceparent="00-1-2-01")
    messages, envelope = mapped(arrived(source))
    assert [(message.topic, message.key) for message in messages] == [("canonical.reference.v1", source.key)]
    assert (envelope["status"], envelope["translation_version"], envelope["document"]["name"]) == ("ok", 3, "Costs")
    headers = dict(messages[0].headers)
    assert headers["traceparent"] == b"00-1-2-01"
    assert headers["ce_id"] != dict(source.headers)["ce_id"]


def test_control_characters_end_here() -> None:
    """No database, no XML takes them; and a backslash before u0000 is no such character."""
    odd = read({"Code": "4000", "Name": "A\x00B\x1fC\tD \\u0000"})
    messages, envelope = mapped(arrived(document_message(odd)))
    assert len(messages) == 1
    assert envelope["document"]["name"] == "A\ufffdB\ufffdC\tD \\u0000"


def test_mapping_again_gives_the_same_bytes() -> None:
    record = arrived(document_message(read({"Code": "4000", "Name": "Costs"})))
    assert Mapper(translations)(record) == Mapper(translations)(record)


def test_a_deletion_is_a_record_that_says_so() -> None:
    gone = read(None, absence=Absence.PROVEN_DELETED, proof="feed")
    _, envelope = mapped(arrived(document_message(gone)))
    assert (envelope["status"], envelope["document"], envelope["proof"]) == ("deleted", None, "feed")


def test_an_erased_key_erases_its_canonical_record() -> None:
    source = document_message(read({"Code": "4000", "Name": "Costs"}))
    [message] = Mapper(translations)(arrived(source, value=None))
    assert (message.topic, message.key, message.value) == ("canonical.reference.v1", source.key, None)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (read({"refused": True}), ["code-missing", "name-missing"]),
        (read({"poison": True}), ["translation-failed"]),
        (read({"Code": "1"}, entity=Entity.PAYMENT), ["no-translator"]),
        (read({"Code": "1"}, system="unheard-of"), ["no-translator"]),
    ],
)
def test_what_cannot_be_translated_is_rejected_in_both_places_with_every_reason(
    document: SourceDocument, expected: list[str]
) -> None:
    messages, envelope = mapped(arrived(document_message(document)))
    assert (envelope["status"], codes(envelope)) == ("rejected", expected)
    assert messages[1].topic == MAPPING_REJECTED
    note = json.loads(messages[1].value or b"")
    assert (note["partition"], note["offset"]) == (2, 7)
    assert [reason["code"] for reason in note["reasons"]] == expected


@pytest.mark.parametrize("value", [b"", b"\xff", b"{", b"[]", b'{"tenant": 1}', b'"text"'])
def test_a_value_that_is_no_document_is_a_rejected_record_of_its_key(value: bytes) -> None:
    source = document_message(read({"Code": "4000", "Name": "Costs"}))
    messages, envelope = mapped(arrived(source, value=value))
    assert messages[0].key == source.key
    assert envelope["status"] == "rejected"
    assert set(codes(envelope)) == {"document-unreadable"}
    assert len(messages) == 2


def test_a_value_of_another_key_does_not_overwrite_that_key() -> None:
    source = document_message(read({"Code": "4000", "Name": "Costs"}))
    messages, envelope = mapped(arrived(source, key="acme/main/reference/gl-account/9999"))
    assert messages[0].key == "acme/main/reference/gl-account/9999"
    assert codes(envelope) == ["document-unreadable"]


@pytest.mark.parametrize("key", ["", "acme", "acme/main/nonsense/1", "ACME/main/invoice/1"])
def test_an_unreadable_key_is_noted_and_goes_no_further(key: str) -> None:
    record = Record("documents.exact", key, b"{}", (), 0, 0, AT)
    [note] = Mapper(translations)(record)
    assert note.topic == MAPPING_REJECTED


def test_a_record_too_large_for_the_log_is_rejected_by_name() -> None:
    huge = document_message(read({"Code": "4000", "Name": "x" * (MAX_VALUE_BYTES + 1)}))
    messages, envelope = mapped(arrived(huge))
    assert codes(envelope) == ["document-too-large"]
    assert all(len(message.value or b"") < 10_000 for message in messages)
