"""Accounts payable: invoices are scanned, coded, approved, sent again, withdrawn, removed."""

import base64
import mimetypes
import random
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from connector.sandbox.basware import invoices
from connector.sandbox.basware.fields import INVOICE
from connector.sandbox.basware.masterdata import COMPANIES, VENDORS
from connector.sandbox.basware.store import Invoice
from connector.sandbox.basware.tenant import Tenant
from connector.sandbox.basware.world import World
from connector.sandbox.core.sandbox import Act

from .form import act, exact, required, total, values

_OPEN = ("New", "InDocumentFilter", "DocumentFilterReleased")
_MOVES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "approve_invoice": ((*_OPEN, "Prebooked", "PrebookFailed", "PrebookCanceled"), "WaitingForTransfer"),
    "prebook_invoice": ((*_OPEN, "PrebookFailed"), "WaitingForPrebook"),
    "cancel_prebook_invoice": (("Prebooked",), "WaitingForPrebookCancelation"),
    "withdraw_invoice": (("WaitingForTransfer", "TransferFailed"), "New"),
    "retransfer_invoice": (("Transferred", "TransferFailed", "TransferInProgress"), "WaitingForTransfer"),
    "return_invoice": (("Transferred", "TransferFailed", "Prebooked"), "WaitingToBeReturned"),
    "complete_invoice": (("Transferred",), "WaitingToBeCompleted"),
}
_FIRST_STATES = (*_OPEN, "WaitingForPrebook", "WaitingForTransfer", "WaitingForEnrichmentTransfer")
_SEEN_OUTSIDE = ("Transferred", "Paid", "Prebooked", "WaitingToBeCompleted", "Completed")
_ENDED = ("Removed", "Returned", "WaitingToBeRemoved", "WaitingToBeReturned")


def acts(world: World) -> dict[str, Act]:
    """Each takes one record, or several under `invoices`; moves take `changes` to the fields made with them."""
    moving = {name: act(world, _mover(name), "invoices") for name in _MOVES}
    return moving | {
        "create_invoice": act(world, _create, "invoices"),
        "recode_invoice": act(world, _recode, "invoices"),
        "cancel_invoice": act(world, _cancel, "invoices"),
        "dispute_invoice": act(world, _dispute, "invoices"),
        "attach_to_invoice": act(world, _attach, "attachments"),
    }


def _create(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """An invoice in `processingStatus` (default New); sums, names, dates and ids that are left out are filled in."""
    attachments = given.pop("attachments", [])
    today = world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    given = {
        "invoiceId": world.seeded.hex(),
        "p2pProcessingMode": "Standard",
        "processingStatus": "New",
        "paymentBlock": False,
        "invoiceDate": today.isoformat(),
        "dueDate": (today + timedelta(days=30)).isoformat(),
        **given,
    }
    fields = values(INVOICE, {**given, "codingRows": _numbered_rows(world, given.get("codingRows", []))})
    if fields["invoiceId"] in tenant.invoices.records:
        raise ValueError(f"invoiceId {fields['invoiceId']} exists")
    if fields["processingStatus"] not in _FIRST_STATES:
        raise ValueError(f"a new invoice may be {', '.join(_FIRST_STATES)}")
    _complete(tenant, fields)
    invoice = invoices.store_new(world, tenant, fields)
    for attachment in attachments:
        _add_attachment(world, invoice, attachment)
    return invoices.dumped(tenant, invoice)


def _numbered_rows(world: World, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    numbered = []
    for index, row in enumerate(rows, 1):
        net, tax, tax2 = (exact(row.get(name)) for name in ("netTotal", "taxSum", "taxSum2"))
        usual = {"externalCode": world.seeded.uuid(), "rowIndex": index, "taxSum": tax, "grossTotal": net + tax + tax2}
        numbered.append({**usual, **row})
    return numbered


def _complete(tenant: Tenant, fields: dict[str, Any]) -> None:
    rows = fields["codingRows"]
    fields.setdefault("netSum", total(rows, "netTotal"))
    fields.setdefault("taxSum1", total(rows, "taxSum"))
    fields.setdefault("grossSum", total(rows, "grossTotal"))
    fields.setdefault("orderNumbers", sorted({row["orderNumber"] for row in rows if row.get("orderNumber")}))
    company = COMPANIES.of(tenant).records.get(fields["companyCode"])
    if company is not None:
        fields.setdefault("companyName", company.fields["name"])
    vendor = VENDORS.of(tenant).records.get(tenant.vendor_keys.get(fields["supplierCode"], ""))
    if vendor is not None:
        fields.setdefault("supplierName", vendor.fields["name"])


def _found(tenant: Tenant, given: dict[str, Any]) -> Invoice:
    invoice = tenant.invoices.records.get(required(given, "invoiceId"))
    if not isinstance(invoice, Invoice):
        raise ValueError(f"no such invoice: {given['invoiceId']}")
    return invoice


def _mover(name: str) -> Any:
    allowed, target = _MOVES[name]

    def moved(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
        invoice = _found(tenant, given)
        if invoice.status not in allowed:
            raise ValueError(f"{name}: invoice {invoice.key} is {invoice.status}; it must be {' or '.join(allowed)}")
        _change(world, tenant, invoice, given.get("changes", {}))
        invoices.move(world, tenant, invoice, target, name)
        return invoices.dumped(tenant, invoice)

    return moved


def _change(world: World, tenant: Tenant, invoice: Invoice, changes: dict[str, Any]) -> None:
    """Overwrite fields; new coding rows replace all old ones, and carry the sums unless those are given too."""
    if "codingRows" in changes:
        changes = {**changes, "codingRows": _numbered_rows(world, changes["codingRows"])}
        for name in ("netSum", "taxSum1", "grossSum", "orderNumbers"):
            invoice.fields.pop(name, None)
    typed = values(INVOICE, changes, partial=True)
    if fixed := {"invoiceId", "processingStatus", "lastUpdated"} & set(typed):
        raise ValueError(f"not for a person to change: {', '.join(sorted(fixed))}")
    invoice.fields |= typed
    _complete(tenant, invoice.fields)
    invoices.index_number(tenant, invoice)


def _recode(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """Change coding rows or header fields; the state stays as it is."""
    invoice = _found(tenant, given)
    if invoice.status in invoices.IN_PROGRESS or invoice.status in _ENDED:
        raise ValueError(f"invoice {invoice.key} is {invoice.status} and cannot be recoded")
    _change(world, tenant, invoice, {name: value for name, value in given.items() if name != "invoiceId"})
    invoice.action_log.append("recode_invoice")
    invoices.save(world, tenant, invoice)
    return invoices.dumped(tenant, invoice)


def _cancel(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """Remove an invoice: at once if no other system has booked it, else it waits for that system."""
    invoice = _found(tenant, given)
    if invoice.status in invoices.IN_PROGRESS or invoice.status in _ENDED:
        raise ValueError(f"invoice {invoice.key} is {invoice.status} and cannot be removed")
    booked = invoice.was_transferred or invoice.status in _SEEN_OUTSIDE
    invoice.fields |= {
        "removalReason": given.get("removalReason", "Other"),
        "removalReasonComment": given.get("removalReasonComment", ""),
        "removedBeforeTransfer": not booked,
    }
    invoices.move(world, tenant, invoice, "WaitingToBeRemoved" if booked else "Removed", "cancel_invoice")
    return invoices.dumped(tenant, invoice)


def _dispute(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    invoice = _found(tenant, given)
    disputed = bool(given.get("isDisputed", True))
    reason = {"disputeReason": given["disputeReason"]} if "disputeReason" in given else {}
    invoice.fields["disputeInfo"] = {"isDisputed": disputed, **reason, "disputeDate": world.clock.now()}
    invoices.save(world, tenant, invoice)
    return invoices.dumped(tenant, invoice)


def _attach(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    invoice = _found(tenant, given)
    _add_attachment(world, invoice, {name: value for name, value in given.items() if name != "invoiceId"})
    invoices.save(world, tenant, invoice)
    return invoices.dumped(tenant, invoice)


def _add_attachment(world: World, invoice: Invoice, given: Mapping[str, Any]) -> None:
    """`filename`, `category` (default ORIGINALIMAGE) and the bytes as `content_base64`, or `size` invented ones."""
    filename = str(required(dict(given), "filename"))
    if "content_base64" in given:
        content = base64.b64decode(given["content_base64"], validate=True)
    else:
        content = b"%PDF-1.7\n" + random.Random(filename).randbytes(int(given.get("size", 2048)) - 9)
    fields = {
        "externalCode": given.get("externalCode") or world.seeded.uuid(),
        "category": given.get("category", "ORIGINALIMAGE"),
        "filename": filename,
    }
    media_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    invoices.add_attachment(world, invoice, fields, content, media_type)
