"""`/v1/accountingDocuments`: lists, single documents, status look-up, acknowledge, responses and attachments."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from . import invoices
from .api import Call, PageSize, guarded
from .deletion import delete_from
from .fields import INVOICE
from .responses import KINDS, respond
from .schema import with_nulls
from .store import Invoice, Record
from .wire import empty, moment
from .world import World

_SIZE = PageSize(most=100, usual=100)
_LOOKED_UP = {
    "Transferred": "ReadyForPayment",
    "Paid": "Paid",
    "Removed": "Rejected",
    "Returned": "Rejected",
    "WaitingToBeRemoved": "Rejected",
    "WaitingToBeReturned": "Rejected",
}
"""The business status by processing status; every other invoice is InApprovalProcess."""


def routes(world: World) -> Iterator[Route]:
    base, one = "/v1/accountingDocuments", "/v1/accountingDocuments/{invoiceId}"
    read, write = "accountingDocuments.read", "accountingDocuments.write"
    yield Route(base, guarded(world, read, _list), methods=["GET"])
    yield Route(base, guarded(world, "accountingDocuments.delete", _delete), methods=["DELETE"])
    yield Route(f"{base}/status", guarded(world, read, _status), methods=["GET"])
    yield Route(one, guarded(world, read, _single), methods=["GET"])
    yield Route(f"{one}/acknowledge", guarded(world, write, _acknowledge), methods=["POST"])
    for kind in KINDS:
        handler = guarded(world, write, partial(respond, kind=kind))
        yield Route(f"{one}/{kind.collection}", handler, methods=["POST"])
    yield Route(f"{one}/attachments/{{code}}", guarded(world, read, _attachment), methods=["GET"])


async def _list(call: Call) -> Response:
    mode = call.parameter("p2pProcessingMode") or "Standard"
    facet = (mode, call.parameter("ProcessingStatus"), call.parameter("companyCode"))
    found, token = call.listed(call.tenant.invoices, facet, _SIZE, weigh=_rows)
    return call.document({"accountingDocuments": [_shown(call, record) for record in found]}, token)


async def _single(call: Call) -> Response:
    invoice = call.tenant.invoices.get(call.path("invoiceId"), call.now)
    if invoice is None:
        return empty(404)
    return call.document({"accountingDocuments": [_shown(call, invoice)]})


async def _acknowledge(call: Call) -> Response:
    invoice = call.tenant.invoices.get(call.path("invoiceId"), call.now)
    if not isinstance(invoice, Invoice):
        return empty(404)
    if not invoices.acknowledge(call.world, call.tenant, invoice):
        return empty(405)
    return call.answer(call.world.settings.acknowledge_body)


async def _attachment(call: Call) -> Response:
    invoice = call.tenant.invoices.get(call.path("invoiceId"), call.now)
    if not isinstance(invoice, Invoice) or not call.world.settings.attachments_enabled:
        return empty(404)
    attachment = invoice.attachments.get(call.path("code"))
    if attachment is None or not (invoice.was_transferred or call.world.settings.attachments_visible == "always"):
        return empty(404)
    return call.download(attachment.content, attachment.media_type)


async def _status(call: Call) -> Response:
    if not call.world.settings.status_lookup_enabled:
        return empty(404)
    company, number, dated = call.parameter("companyCode"), call.parameter("invoiceNumber"), call.instant("invoiceDate")
    if company is None or number is None or dated is None:
        raise call.bad_parameter("companyCode, invoiceNumber and invoiceDate are required")
    gross = _amount(call, "grossSum")
    found = []
    for invoice_id in call.tenant.by_number.get((company, number), ()):
        invoice = call.tenant.invoices.get(invoice_id, call.now)
        if isinstance(invoice, Invoice) and _is_asked(invoice, number, dated.date(), gross):
            found.append(_looked_up(invoice))
    return call.answer(found) if found else empty(404)


def _amount(call: Call, name: str) -> Decimal | None:
    given = call.parameter(name)
    try:
        return None if given is None else Decimal(given)
    except InvalidOperation:
        raise call.bad_parameter(f"{name} must be a number") from None


def _is_asked(invoice: Invoice, number: str, day: date, gross: Decimal | None) -> bool:
    dated = invoice.fields.get("invoiceDate")
    if dated is None or dated.date() != day or invoice.fields.get("invoiceNumber") != number:
        return False
    return gross is None or invoice.fields.get("grossSum") == gross


def _looked_up(invoice: Invoice) -> dict[str, Any]:
    return {
        "invoiceId": invoice.key,
        "status": _LOOKED_UP.get(invoice.status, "InApprovalProcess"),
        "processingStatus": invoice.status,
        "disputeInfo": invoice.fields.get("disputeInfo"),
        "lastUpdated": moment(invoice.last_updated_ms),
    }


async def _delete(call: Call) -> Response:
    return await delete_from(call, call.tenant.invoices)


def _rows(record: Record) -> int:
    return len(record.fields.get("codingRows", ()))


def _shown(call: Call, record: Record) -> dict[str, Any]:
    assert isinstance(record, Invoice)
    fields = invoices.shown(call.world, record)
    return with_nulls(INVOICE, fields) if call.world.settings.null_fields else fields
