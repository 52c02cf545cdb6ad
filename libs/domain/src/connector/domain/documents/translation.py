"""From a vendor's record to a canonical one: what a room's translators give, and how the mapper wraps it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.domain.digest import digest, digest_bytes
from connector.domain.identity import Entity
from connector.domain.ports.source import Absence
from connector.domain.reasons import Reason

from .envelope import RECORDS, AnyRecord, RecordStatus, SourceDocument
from .invoice import Invoice
from .payment import Payment
from .purchase_order import PurchaseOrder
from .reference import Reference
from .supplier import Supplier

Document = PurchaseOrder | Invoice | Supplier | Payment | Reference


class Untranslatable(Exception):
    """The record cannot become a canonical document; every reason at once."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        super().__init__("; ".join(str(reason) for reason in reasons))
        self.reasons = list(reasons)


@dataclass(frozen=True, slots=True)
class Translated:
    """A document, and what only the vendor's room can say of its envelope."""

    document: Document
    company: str | None = None
    native_number: str | None = None
    native_version: str | None = None
    modified_at: datetime | None = None
    provenance: str = "native"
    extras: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Reason] = ()


Translate = Callable[[SourceDocument], Translated]


@dataclass(frozen=True, slots=True)
class Translations:
    """A room's translators (`systems/<system>/translate.py` exports one as TRANSLATIONS).

    `version` is one integer per source system, only ever raised: whoever changes what a record becomes raises it.
    """

    system: str
    version: int
    by_entity: Mapping[Entity, Translate]


_GONE = {Absence.PROVEN_DELETED: RecordStatus.DELETED, Absence.UNEXPLAINED: RecordStatus.MISSING}


def canonical(source: SourceDocument, translations: Translations) -> AnyRecord:
    """The canonical record of a source document; one that can't be translated becomes a rejected envelope."""
    record_type = RECORDS[source.entity]
    envelope: dict[str, Any] = {
        "tenant": source.tenant,
        "connection": source.connection,
        "system": source.system,
        "entity": source.entity,
        "native_id": source.native_id,
        "read_at": source.read_at,
        "translation_version": translations.version,
        "resolved_digest": source.resolved_digest or digest(source.resolved),
        "read_digest": source.read_digest,
        "cause": source.cause,
        "proof": source.proof,
        "resolved": source.resolved,
    }
    round_ = round_of(source)
    asked = {} if round_ is None else {"round": round_}
    if source.absence is not None:
        return record_type(**envelope, status=_GONE[source.absence], content_digest=digest(str(source.absence)))
    try:
        done = translations.by_entity[source.entity](source)
    except Untranslatable as failure:
        return record_type(
            **envelope,
            status=RecordStatus.REJECTED,
            findings=failure.reasons,
            extras=asked,
            content_digest=digest(source.record if round_ is None else [source.record, round_]),
        )
    document = done.document.__pydantic_serializer__.to_json(done.document)
    record = record_type(
        **envelope,
        company=done.company,
        native_number=done.native_number,
        native_version=done.native_version,
        modified_at=done.modified_at,
        provenance=done.provenance,
        findings=list(done.findings),
        extras={**done.extras, **asked},
        content_digest=digest_bytes(document if round_ is None else b"%s round %d" % (document, round_)),
        document=done.document,
    )
    record.keep_json(document)
    return record


def round_of(source: SourceDocument) -> int | None:
    """In which round the source asks for an answer to this document; None where it asks for none.

    A new round is new content: it wants its own answer even where the document is the same.
    """
    transfer = source.resolved.get("transfer")
    number = transfer.get("round") if isinstance(transfer, dict) else None
    return number if isinstance(number, int) else None
