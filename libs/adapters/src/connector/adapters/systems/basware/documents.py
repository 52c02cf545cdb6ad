"""Basware's documents read by key or listed, and all that must be joined to them.

Bank data does not leave here: of the account that an invoice names its keyed hash and its last four characters stay in
its place, every other field is dropped.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from connector.adapters.vault import Fingerprints
from connector.domain.digest import digest
from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.blobs import Blobs
from connector.domain.ports.source import Read, Stamp
from connector.domain.ports.transfers import Transfers
from connector.domain.vendor_error import Rejected

from .client import BaswareClient, Row, TooLarge
from .settings import Settings

INVOICES, ORDERS, VENDORS = "accountingDocuments", "exportedPurchaseOrders", "vendors"
OFFERED, EXPORTABLE = "WaitingForTransfer", "WaitingForExport"
IN_TRANSFER = frozenset((OFFERED, "TransferInProgress", "Transferred", "TransferFailed", "Paid"))
"""The states an invoice passes while it is ours to book. In any other, accounts payable has taken it back."""
TAKEN_BACK = ("WaitingToBeRemoved", "WaitingToBeReturned")
"""What an invoice that was transferred passes when accounts payable takes it back."""
IMAGE_CATEGORY = "ORIGINALIMAGE"
ACCOUNT_FIELDS = ("supplierBankIBAN", "supplierBankBBAN")
"""Where an invoice names the account to pay; the first that is filled counts."""
BANK_FIELDS = frozenset(
    ("supplierBankIBAN", "supplierBankBBAN", "supplierBankBIC", "supplierBankName", "financialAccounts")
)
INVOICE_PAGE, ORDER_PAGE, VENDOR_PAGE = "100", "100", "500"
LIST_FROM = 3
"""From so many keys on, waiting invoices are listed first, a hundred a call."""

RESOURCES: Mapping[Entity, tuple[str, str]] = {
    Entity.INVOICE: (INVOICES, "invoiceId"),
    Entity.PURCHASE_ORDER: (ORDERS, "externalCode"),
    Entity.SUPPLIER: (VENDORS, "externalCode"),
}
"""Where documents of an entity are, and which field is their key."""


@dataclass(slots=True)
class Stamped:
    """A row and when the request for it was about to leave."""

    read_at: datetime
    row: Row


@dataclass(slots=True)
class Documents:
    connection: ConnectionId
    settings: Settings
    client: BaswareClient
    transfers: Transfers
    blobs: Blobs
    fingerprints: Fingerprints

    async def by_key(
        self, entity: Entity, keys: Sequence[str], stamp: Stamp, traffic: TrafficClass
    ) -> dict[str, Stamped]:
        """The documents of these keys that Basware shows."""
        resource, key_field = RESOURCES[entity]
        found: dict[str, Stamped] = {}
        if entity is Entity.INVOICE and len(keys) >= LIST_FROM:
            found = await self._among_waiting(set(keys), stamp, traffic)
        for key in keys:
            if key not in found:
                read_at = await stamp()
                row = await self.client.one(resource, key, traffic)
                if row is not None and row.get(key_field) == key:
                    found[key] = Stamped(read_at, row)
        return found

    async def _among_waiting(self, keys: set[str], stamp: Stamp, traffic: TrafficClass) -> dict[str, Stamped]:
        """Those that are offered now, listed page by page as long as that costs less than asking for each."""
        found: dict[str, Stamped] = {}
        pages_left = max(1, len(keys) // LIST_FROM)
        async for stamped in self.waiting(Entity.INVOICE, stamp, traffic):
            found |= {item.row["invoiceId"]: item for item in stamped if item.row["invoiceId"] in keys}
            pages_left -= 1
            if len(found) == len(keys) or pages_left == 0:
                break
        return found

    async def waiting(self, entity: Entity, stamp: Stamp, traffic: TrafficClass) -> AsyncIterator[list[Stamped]]:
        """Documents that are offered to us, by the page."""
        if entity is Entity.INVOICE:
            resource, query = INVOICES, {"ProcessingStatus": OFFERED, "pageSize": INVOICE_PAGE}
        else:
            resource, query = ORDERS, {"orderStatus": EXPORTABLE, "pageSize": ORDER_PAGE}
        async for stamped in self.listed(resource, query, stamp, traffic):
            yield stamped

    async def listed(
        self, resource: str, query: Mapping[str, str], stamp: Stamp, traffic: TrafficClass
    ) -> AsyncIterator[list[Stamped]]:
        following: str | None = None
        while True:
            read_at = await stamp()
            page = await self.client.page(resource, query, traffic, following)
            if page.rows:
                yield [Stamped(read_at, row) for row in page.rows]
            if page.following is None:
                return
            following = page.following

    async def joined(self, entity: Entity, stamped: Collection[Stamped], traffic: TrafficClass) -> list[Read]:
        """Reads, complete on their own: what translation needs beside the row lies under `resolved`."""
        if entity is Entity.SUPPLIER:
            return [self._read(entity, item, {}) for item in stamped]
        rows = [item.row for item in stamped]
        suppliers = await self.transfers.named(self.connection, supplier_numbers(rows))
        rounds = await self._rounds(rows) if entity is Entity.INVOICE else {}
        reads = []
        for item in stamped:
            row = item.row
            resolved: dict[str, Any] = {"company": stamp_of(self.settings, row)}
            if (number := supplier_number(row)) in suppliers:
                resolved["supplier"] = {number: _entry(suppliers[number], {})}
            if entity is Entity.INVOICE:
                resolved["transfer"] = _entry(row["invoiceId"], {"round": rounds.get(row["invoiceId"])})
                if self.settings.images:
                    resolved["image"] = await self._images(row, traffic)
            reads.append(self._read(entity, item, resolved))
        return reads

    def _read(self, entity: Entity, item: Stamped, resolved: Mapping[str, Any]) -> Read:
        known = {name: value for name, value in resolved.items() if value}
        return Read(str(item.row[RESOURCES[entity][1]]), item.read_at, self._shown(entity, item.row), known)

    def _shown(self, entity: Entity, row: Row) -> Row:
        """The record as others may see it."""
        shown: Row = without_bank(row)
        if entity is not Entity.INVOICE:
            return shown
        named = [(name, account) for name in ACCOUNT_FIELDS if (account := str(row.get(name) or "").strip())]
        return shown | {name: asdict(self.fingerprints.of(account)) for name, account in named[:1]}

    async def _rounds(self, rows: Sequence[Row]) -> dict[str, int]:
        """A round is opened only by an invoice that is offered; elsewhere the newest one counts, if there was any."""
        offered = {row["invoiceId"]: answers_of(row) for row in rows if row.get("processingStatus") == OFFERED}
        await self.transfers.open(self.connection, offered)
        known = await self.transfers.read(self.connection, [row["invoiceId"] for row in rows])
        return {invoice: transfer.round for invoice, transfer in known.items()}

    async def unnamed(self, stamped: Collection[Stamped]) -> set[str]:
        """Supplier numbers that documents use and no vendor we know has."""
        numbers = supplier_numbers([item.row for item in stamped])
        return numbers - (await self.transfers.named(self.connection, numbers)).keys()

    async def _images(self, row: Row, traffic: TrafficClass) -> dict[str, Any]:
        """The invoice's own image, where Basware lists it. It is kept apart; the document says where."""
        images: dict[str, Any] = {}
        for attachment in row.get("attachments", ()):
            if attachment.get("category") != IMAGE_CATEGORY:
                continue
            code = str(attachment["externalCode"])
            images[code] = _entry(code, await self._image(row["invoiceId"], code, traffic))
        return images

    async def _image(self, invoice: str, code: str, traffic: TrafficClass) -> dict[str, Any]:
        path = f"{INVOICES}/{invoice}/attachments/{code}"
        try:
            data = await self.client.binary(INVOICES, path, self.settings.image_cap_bytes, traffic)
        except TooLarge:
            return {"problem": "too-large", "cap_bytes": self.settings.image_cap_bytes}
        except Rejected as refused:
            return {"problem": "not-readable", "said": refused.message}
        return {"blob": await self.blobs.put(self.connection.tenant, data), "size": len(data)}


def supplier_number(row: Row) -> str:
    """How documents name a supplier: its code, and the system the code is of where several feed suppliers."""
    return numbered(row.get("supplierSourceSystemId"), row.get("supplierCode"))


def supplier_numbers(rows: Sequence[Row]) -> set[str]:
    return {supplier_number(row) for row in rows if row.get("supplierCode")}


def numbered(system: object, code: object) -> str:
    return f"{system or ''}/{code or ''}"


def numbers_of(vendor: Row) -> list[str]:
    """The names documents may use for a vendor."""
    code, system = vendor["vendorCode"], vendor.get("sourceSystem")
    return [numbered(None, code), *([numbered(system, code)] if system else [])]


def answers_of(row: Row) -> int:
    return len(row.get("transferResponses", ()))


def stamp_of(settings: Settings, row: Row) -> dict[str, Any]:
    """What the settings say of a document and its codes; a company that is not configured counts as used too."""
    code = str(row.get("companyCode") or "")
    company = settings.company.get(code)
    if company is None:
        return {code: None}
    taxes = {line["taxCode"] for line in _coded(row) if line.get("taxCode")}
    treated = {tax: company.tax[tax].model_dump(mode="json") for tax in sorted(taxes) if tax in company.tax}
    return {
        f"{code}/tax": treated,
        f"{code}/credit_types": list(company.credit_types),
        "cost_unit": settings.cost_unit,
        "project": settings.project,
    }


def _coded(row: Row) -> Sequence[Row]:
    rows: list[Row] = list(row.get("codingRows", ()))
    return [*rows, *row.get("orderLines", ())]


def _entry(identity: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": identity, "digest": digest([identity, dict(values)]), **values}


def without_bank(value: Any) -> Any:
    """The record without account numbers and their banks, at any depth."""
    if isinstance(value, dict):
        return {name: without_bank(item) for name, item in value.items() if name not in BANK_FIELDS}
    if isinstance(value, list):
        return [without_bank(item) for item in value]
    return value
