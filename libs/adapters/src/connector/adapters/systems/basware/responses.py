"""Basware's transfer responses: what accounts payable is told of each round of an invoice."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.answers import DueAnswer, Look, Standing
from connector.domain.ports.clock import Clock
from connector.domain.ports.gate import Gate
from connector.domain.ports.target import BeforeSend, Outcome, OutcomeKind
from connector.domain.reasons import Reason
from connector.domain.sync.states import State

from .client import BaswareClient, Row
from .documents import INVOICES, OFFERED
from .settings import Settings

NAMESPACE = uuid.UUID("7a1d2b1e-2c6f-5b0e-9a55-6f2f1f0c9d11")
"""Of the names of our responses."""
MESSAGE_LIMIT = 250
VOUCHER_LIMIT = 25
IN_TRANSFER = "TransferInProgress"
FINAL_ERRORS = frozenset(("Error", "AcknowledgedError"))
FINAL = frozenset(("Success", "AcknowledgedSuccess")) | FINAL_ERRORS
ASK_AFTER_LOOKS = 6
"""So often a response may be missing on its invoice before its request is asked for: about 45 s after it was taken, and
from then on with each look, once a minute at most."""


class BaswareResponder:
    """Implements the port `Responder`."""

    def __init__(
        self, connection: ConnectionId, settings: Settings, gate: Gate, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._client = BaswareClient(settings, connection, gate, http)

    @property
    def confirm_after_s(self) -> float:
        return self._settings.confirm_after_s

    async def look(self, answer: DueAnswer) -> Look:
        """Basware takes a response while an invoice is in transfer; what it takes at once it may refuse later, and
        then the invoice is in transfer again."""
        invoice = await self._client.one(INVOICES, answer.ref.native_id, TrafficClass.LIVE)
        if invoice is None:
            return Look(Standing.NOT_YET, "Basware does not show the invoice.")
        status = str(invoice.get("processingStatus"))
        given = [str(response.get("externalCode")) for response in invoice.get("transferResponses", ())]
        if external_code(answer) in given:
            return await self._fate(answer, status, invoice)
        if answer.request_id is not None:
            return await self._unshown(answer, invoice)
        unusable = {external_code(replace(answer, refused=earlier)) for earlier in range(answer.refused)}
        if len([code for code in given if code not in unusable]) > answer.round:
            return Look(Standing.CLOSED, "The round was answered by somebody else.", invoice)
        if status == OFFERED:
            return Look(Standing.NOT_YET, "It is not acknowledged yet.", invoice)
        if status != IN_TRANSFER:
            return Look(Standing.CLOSED, f"The invoice is {status}: it takes no response.", invoice)
        return Look(Standing.OPEN, document=invoice)

    async def _unshown(self, answer: DueAnswer, invoice: Row) -> Look:
        """Taken and not shown: it may come yet (`vendors/basware.md` 17: minutes), or never, if its request failed."""
        asked = answer.attempts >= ASK_AFTER_LOOKS
        outcome, words = await self._request(answer.request_id) if asked else (None, "")
        if outcome in FINAL_ERRORS:
            return Look(Standing.REFUSED, words or "Basware could not use the response.", invoice)
        if outcome in FINAL:
            return Look(Standing.ANSWERED, document=invoice)
        return Look(Standing.NOT_YET, "Basware took the response and does not show it yet.", invoice)

    async def _fate(self, answer: DueAnswer, status: str, invoice: Row) -> Look:
        """What became of our response: the request's own status says, else the invoice's."""
        outcome, words = await self._request(answer.request_id)
        if outcome in FINAL_ERRORS or (outcome is None and status == IN_TRANSFER):
            return Look(Standing.REFUSED, words or "Basware could not use the response.", invoice)
        if outcome is not None and outcome not in FINAL:
            return Look(Standing.NOT_YET, "Basware is still at the response.", invoice)
        return Look(Standing.ANSWERED, document=invoice)

    async def _request(self, request_id: str | None) -> tuple[str | None, str]:
        """Status and words of an asynchronous request, None where Basware knows none."""
        if not request_id:
            return None, ""
        request = await self._client.one("requestStatus", request_id, TrafficClass.LIVE)
        if request is None:
            return None, ""
        items = [item for system in request.get("systems", ()) for item in system.get("items", ())]
        errors = [str(error.get("message") or "") for item in items for error in item.get("errors", ())]
        return str(request.get("requestStatus")), "; ".join(error for error in errors if error)

    async def answer(self, answer: DueAnswer, look: Look, before_send: BeforeSend) -> Outcome:
        body = response(answer, look.document, self._settings.source_system, self._clock.now().isoformat())
        path = f"{INVOICES}/{answer.ref.native_id}/transferResponses"
        taken = await self._client.post(INVOICES, path, body, TrafficClass.LIVE, before_send=before_send)
        return Outcome(OutcomeKind.DONE, status=taken.status, request_id=taken.headers.get("x-amzn-requestid"))


def external_code(answer: DueAnswer) -> str:
    """One name a round and refusal: a response sent twice is one response."""
    return str(uuid.uuid5(NAMESPACE, f"{answer.ref.key}:{answer.round}:{answer.refused}"))


def response(answer: DueAnswer, invoice: Any, source_system: str, now: str) -> dict[str, Any]:
    """The payment block is the invoice's own: without it Basware would lift one."""
    success = answer.verdict is State.SYNCED
    entry = answer.target.get("entry") or {}
    body = {
        "externalCode": external_code(answer),
        "success": success,
        "responseMessage": booked(entry) if success else refused(answer.reasons, entry),
        "paymentBlock": bool(invoice.get("paymentBlock")),
        "sourceSystem": source_system,
        "transferDate": now,
    }
    number = str(entry.get("number") or "")[:VOUCHER_LIMIT]
    return {**body, "voucherNumber1": number} if success and number else body


def booked(entry: Any) -> str:
    return f"Booked as entry {entry.get('number')} in journal {entry.get('journal')}."[:MESSAGE_LIMIT]


def refused(reasons: Sequence[Reason], entry: Mapping[str, Any]) -> str:
    """As many reasons as fit, whole ones, and how many more there are; then what of an earlier offer stays booked."""
    number = str(entry.get("number") or "")
    said = not number or any(number in reason.message for reason in reasons)
    stays = "" if said else f" Entry {number} stays as it is."
    return _reasons(reasons, MESSAGE_LIMIT - len(stays)) + stays


def _reasons(reasons: Sequence[Reason], limit: int) -> str:
    told: list[str] = []
    for position, reason in enumerate(reasons):
        left = len(reasons) - position - 1
        more = f" (and {left} more)" if left else ""
        if len(" ".join([*told, reason.message])) + len(more) > limit:
            break
        told.append(reason.message)
    left = len(reasons) - len(told)
    if not told:
        return reasons[0].message[: limit - 1] + "…" if reasons else "It can't be booked."
    return " ".join(told) + (f" (and {left} more)" if left else "")
