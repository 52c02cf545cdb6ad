"""How source documents and canonical records travel on the log: topic, key, event attributes and value."""

from connector.domain.digest import digest_bytes
from connector.domain.ports.log import CloudEvent, Message, canonical_topic, documents_topic

from .envelope import AnyRecord, SourceDocument


def document_id(source: SourceDocument) -> str:
    """Equal for equal reads only: the same key read at the same instant with the same content."""
    return digest_bytes(f"{source.ref.key} {source.read_at.isoformat()} {source.digest}".encode())


def document_message(source: SourceDocument, *, traceparent: str | None = None) -> Message:
    """The `documents.<system>` message of one read."""
    event = CloudEvent(
        id=document_id(source),
        type=f"connector.document.{source.entity}.v1",
        source=str(source.ref.connection),
        subject=source.ref.key,
        time=source.read_at,
        dataschema=f"documents.{source.system}.json",
        traceparent=traceparent,
    )
    return Message(
        documents_topic(source.system), source.ref.key, source.__pydantic_serializer__.to_json(source), event.headers()
    )


def canonical_message(record: AnyRecord, *, document: str, traceparent: str | None = None) -> Message:
    """The `canonical.<entity>.v1` message made of the document with id `document`."""
    event = CloudEvent(
        id=digest_bytes(f"{document} {record.translation_version}".encode()),
        type=f"connector.canonical.{record.entity}.v1",
        source=str(record.ref.connection),
        subject=record.ref.key,
        time=record.read_at,
        dataschema=f"canonical.{record.entity}.v1.json",
        traceparent=traceparent,
    )
    return Message(canonical_topic(record.entity), record.ref.key, record.to_json(), event.headers())
