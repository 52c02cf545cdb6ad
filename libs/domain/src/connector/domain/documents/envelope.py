"""What travels on the topics: the source document as read, and the canonical record it becomes."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr

from connector.domain.identity import ConnectionId, Entity, EntityRef, Revision
from connector.domain.ports.source import Absence
from connector.domain.reasons import Reason

from .invoice import Invoice
from .payment import Payment
from .purchase_order import PurchaseOrder
from .reference import Reference
from .supplier import Supplier

D = TypeVar("D", PurchaseOrder, Invoice, Supplier, Payment, Reference)


class SourceDocument(BaseModel):
    """Value of `documents.<system>`: a vendor record as read, key tenant/connection/entity/native id.

    `record` keeps the vendor's own field names; decimals are strings with the text of the wire. It is null where the
    document is gone: then `absence` and `proof` say how that is known. Bank values are replaced before producing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    connection: str
    system: str
    entity: Entity
    native_id: str
    read_at: datetime
    cause: str
    record: dict[str, Any] | None = None
    resolved: dict[str, Any] = {}
    absence: Absence | None = None
    proof: str | None = None
    digest: str
    """Digest of `record` without stamps."""
    resolved_digest: str | None = None
    """Digest of `resolved`; None where the reader left it to others."""
    read_digest: str | None = None
    """Digest of what the source itself said: the record and what is joined to it, without our own settings."""
    _traceparent: str | None = PrivateAttr(default=None)

    def traced_by(self, traceparent: str | None) -> Self:
        """Make it a part of this trace, which travels beside the value."""
        self._traceparent = traceparent
        return self

    @property
    def traceparent(self) -> str | None:
        return self._traceparent

    @property
    def ref(self) -> EntityRef:
        return EntityRef(ConnectionId.of(self.tenant, self.connection), self.entity, self.native_id)


class RecordStatus(StrEnum):
    OK = "ok"
    REJECTED = "rejected"
    """It could not be translated: `findings` say why; no document."""
    DELETED = "deleted"
    """Gone at the source, with proof; no document."""
    MISSING = "missing-at-source"
    """Not found at the source, without proof of deletion: for a person."""


class CanonicalRecord(BaseModel, Generic[D]):
    """Value of `canonical.<entity>.v1`: the envelope and, in it, the document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    connection: str
    system: str
    entity: Entity
    company: str | None = None
    native_id: str
    native_number: str | None = None
    native_version: str | None = None
    modified_at: datetime | None = None
    read_at: datetime
    translation_version: int
    content_digest: str
    resolved_digest: str
    read_digest: str | None = None
    """Of the source document: content that differs with this the same was changed by our settings or translation."""
    provenance: str = "native"
    """`native`, or `connector:<flow>` where the connector wrote it there."""
    status: RecordStatus = RecordStatus.OK
    cause: str = "live"
    findings: list[Reason] = []
    proof: str | None = None
    resolved: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    document: D | None = None
    _document_json: bytes | None = PrivateAttr(default=None)

    def keep_json(self, document: bytes) -> None:
        """Remember the document's JSON, made for its digest, so that it is not made twice."""
        self._document_json = document

    def to_json(self) -> bytes:
        """The record as it travels."""
        if self._document_json is None or self.document is None:
            return self.__pydantic_serializer__.to_json(self)
        envelope = self.__pydantic_serializer__.to_json(self, exclude={"document"})
        return b'%b,"document":%b}' % (envelope[:-1], self._document_json)

    @property
    def ref(self) -> EntityRef:
        return EntityRef(ConnectionId.of(self.tenant, self.connection), self.entity, self.native_id)

    @property
    def revision(self) -> Revision:
        return Revision(self.read_at, self.translation_version)


class PurchaseOrderRecord(CanonicalRecord[PurchaseOrder]):
    """Value of `canonical.purchase-order.v1`."""


class InvoiceRecord(CanonicalRecord[Invoice]):
    """Value of `canonical.invoice.v1`."""


class SupplierRecord(CanonicalRecord[Supplier]):
    """Value of `canonical.supplier.v1`."""


class PaymentRecord(CanonicalRecord[Payment]):
    """Value of `canonical.payment.v1`."""


class ReferenceRecord(CanonicalRecord[Reference]):
    """Value of `canonical.reference.v1`."""


AnyRecord = PurchaseOrderRecord | InvoiceRecord | SupplierRecord | PaymentRecord | ReferenceRecord

RECORDS: dict[Entity, type[AnyRecord]] = {
    Entity.PURCHASE_ORDER: PurchaseOrderRecord,
    Entity.INVOICE: InvoiceRecord,
    Entity.SUPPLIER: SupplierRecord,
    Entity.PAYMENT: PaymentRecord,
    Entity.REFERENCE: ReferenceRecord,
}
