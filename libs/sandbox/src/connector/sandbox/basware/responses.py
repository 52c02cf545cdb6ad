"""What a client reports back on an invoice: transfer, prebook, payment and enrichment responses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from . import fields as field_tables
from .api import Call
from .invoices import move, save
from .results import Item, accept
from .schema import Table, read
from .store import Invoice
from .wire import RefusalError, empty, p2p_error, schema_errors


@dataclass(frozen=True, slots=True)
class ResponseKind:
    """One of the response resources of an invoice.

    `outcome` maps success to the state it leads to (None: the state stays); `allowed` says from which states.
    """

    collection: str
    entity_type: str
    table: Table
    allowed: Callable[[str], bool]
    outcome: Mapping[bool, str | None]
    reused_code_status: int
    kept: tuple[str, ...] = ()
    """Fields that a success writes to the invoice itself."""
    clears: bool = False
    """A field that is left out is cleared on the invoice."""


TRANSFER = ResponseKind(
    collection="transferResponses",
    entity_type="TransferResponse",
    table=field_tables.TRANSFER_RESPONSE,
    allowed=lambda status: status in ("TransferInProgress", "WaitingForTransfer"),
    outcome={True: "Transferred", False: "TransferFailed"},
    reused_code_status=400,
    kept=("voucherNumber1", "voucherNumber2", "paymentBlock"),
)
PREBOOK = ResponseKind(
    collection="prebookResponses",
    entity_type="PrebookResponse",
    table=field_tables.PREBOOK_RESPONSE,
    allowed=lambda status: status in ("PrebookInProgress", "WaitingForPrebook"),
    outcome={True: "Prebooked", False: "PrebookFailed"},
    reused_code_status=409,
    kept=("voucherNumber1", "voucherNumber2", "paymentBlock"),
)
PAYMENT = ResponseKind(
    collection="paymentResponses",
    entity_type="PaymentResponse",
    table=field_tables.PAYMENT_RESPONSE,
    allowed=lambda status: status in ("Transferred", "Paid"),
    outcome={True: "Paid", False: None},
    reused_code_status=409,
    kept=("paymentBlock", "paymentTermCode", "paymentMethod", "paymentMessage"),
    clears=True,
)
ENRICHMENT = ResponseKind(
    collection="enrichmentResponses",
    entity_type="EnrichmentResponse",
    table=field_tables.ENRICHMENT_RESPONSE,
    allowed=lambda status: status in ("EnrichmentTransferInProgress", "WaitingForEnrichmentTransfer"),
    outcome={True: "EnrichmentTransferred", False: "EnrichmentTransferFailed"},
    reused_code_status=400,
)
KINDS = (TRANSFER, PREBOOK, PAYMENT, ENRICHMENT)


async def respond(call: Call, kind: ResponseKind) -> Response:
    """Accept one response: 200 echoes it, the result in P2P follows under `/v1/requestStatus`."""
    invoice = call.tenant.invoices.get(call.path("invoiceId"), call.now)
    if not isinstance(invoice, Invoice):
        return empty(404)
    response, problems = read(kind.table, await call.json())
    code = response.get("externalCode")
    if problems:
        return schema_errors(call.request_id, [(code, problems)])
    _check(call, kind, invoice, response["externalCode"])
    before = invoice.status
    _apply(call, kind, invoice, response)

    def undo() -> None:
        """The target system refused: P2P still shows the invoice as it was in transfer."""
        if response in invoice.fields[kind.collection] and invoice.status == kind.outcome[response["success"]]:
            invoice.fields["processingStatus"] = "TransferInProgress" if kind is TRANSFER else before
            invoice.action_log.append(f"{kind.entity_type} {code} failed in P2P")
            save(call.world, call.tenant, invoice)

    items = [Item(response["externalCode"], invoice.key)]
    accept(
        call.world, call.tenant, call.request_id, kind.entity_type, "POST", items, call.client.client_id, on_error=undo
    )
    return call.answer(response)


def _check(call: Call, kind: ResponseKind, invoice: Invoice, code: str) -> None:
    reused = (kind.collection, code) in call.tenant.response_codes
    wrong_state = not kind.allowed(invoice.status)
    conflict_first = call.world.settings.repeated_response == "conflict"
    if reused and (conflict_first or not wrong_state):
        message = f"A response with externalCode {code} was already given"
        status = kind.reused_code_status
        raise RefusalError(p2p_error(call.request_id, status, "VALIDATION", "CONFLICT_IN_POST", message, code))
    if wrong_state:
        message = f"Invoice {invoice.key} is {invoice.status}: no {kind.entity_type} is allowed"
        raise RefusalError(p2p_error(call.request_id, 400, "BUSINESS", "DATA_VALIDATION_FAILED", message, code))


def _apply(call: Call, kind: ResponseKind, invoice: Invoice, response: dict[str, Any]) -> None:
    call.tenant.response_codes.add((kind.collection, response["externalCode"]))
    given = [*invoice.fields.get(kind.collection, ()), response]
    invoice.fields[kind.collection] = given[-call.world.settings.responses_kept :]
    if response["success"]:
        for name in kind.kept:
            if name in response:
                invoice.fields[name] = response[name]
            elif kind.clears:
                invoice.fields.pop(name, None)
    status = kind.outcome[response["success"]] or invoice.status
    log = f"{kind.entity_type} {response['success']}: {response.get('responseMessage', '')}"
    move(call.world, call.tenant, invoice, status, log)
