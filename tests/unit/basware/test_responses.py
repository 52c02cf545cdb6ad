"""What accounts payable is told, and what is made of what Basware says of it."""

from dataclasses import dataclass, field, replace

import httpx
import pytest

from connector.adapters.clock import SystemClock
from connector.adapters.systems.basware.responses import (
    ASK_AFTER_LOOKS,
    BaswareResponder,
    external_code,
    refused,
    response,
)
from connector.adapters.systems.basware.settings import Settings
from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId
from connector.domain.ports.answers import DueAnswer, Look, Standing
from connector.domain.reasons import Reason
from connector.domain.sync.states import State
from tests.contract.basware_source.basware import OpenGate


def answer(verdict: State = State.SYNCED, round: int = 0, refused: int = 0, *reasons: Reason) -> DueAnswer:
    ref = EntityRef(ConnectionId("acme", "basware"), Entity.INVOICE, "i1")
    target = {"entry": {"id": "g", "number": "26070001", "journal": "70"}}
    return DueAnswer(ref, round, FlowId("acme", "basware-exact"), verdict, reasons, target, refused=refused)


def test_success_names_the_entry_and_keeps_the_payment_block() -> None:
    body = response(answer(), {"paymentBlock": True}, "ml-connector", "2026-03-01T00:00:00+00:00")
    assert (body["success"], body["voucherNumber1"], body["paymentBlock"]) == (True, "26070001", True)


def test_a_name_is_the_same_for_a_repeat_and_another_for_a_new_round_or_after_a_refusal() -> None:
    names = {external_code(answer()), external_code(answer(round=1)), external_code(answer(refused=1))}
    assert external_code(answer()) in names
    assert len(names) == 3
    assert all(len(name) <= 36 for name in names)


def test_a_refusal_tells_whole_reasons_and_how_many_are_left_out() -> None:
    reasons = [Reason(code=f"c{n}", message=f"Exact has no cost center number {n:03d} " + "x" * 60) for n in range(5)]
    message = refused(reasons, {})
    assert len(message) <= 250
    assert message.endswith("(and 3 more)")


def test_one_reason_that_is_too_long_is_cut_visibly() -> None:
    message = refused([Reason(code="c", message="y" * 400)], {})
    assert (len(message), message[-1]) == (250, "…")


def test_a_refusal_says_what_stays_booked_of_an_earlier_offer() -> None:
    entry = {"number": "26070001"}
    assert refused([Reason(code="c", message="No.")], entry) == "No. Entry 26070001 stays as it is."
    long = refused([Reason(code="c", message="y" * 400)], entry)
    assert len(long) == 250
    assert long.endswith("… Entry 26070001 stays as it is.")
    gone = Reason(code="refused-in-target", message="Entry 26070001 was deleted in Exact.")
    assert refused([gone], entry) == gone.message


@dataclass
class Basware:
    """One invoice, the responses it shows, and what became of the request that carried ours."""

    shown: list[str]
    request: str = "InProgress"
    asked: list[str] = field(default_factory=list)

    def __call__(self, call: httpx.Request) -> httpx.Response:
        self.asked.append(call.url.path.split("/")[2])
        if self.asked[-1] == "requestStatus":
            errors = {"items": [{"errors": [{"message": "Voucher refused"}]}]}
            return httpx.Response(200, json={"requestId": "r1", "requestStatus": self.request, "systems": [errors]})
        responses = [{"externalCode": code} for code in self.shown]
        invoice = {"invoiceId": "i1", "processingStatus": "TransferInProgress", "transferResponses": responses}
        return httpx.Response(200, json=invoice)

    async def look(self, answer: DueAnswer) -> Look:
        settings = Settings.model_validate({"base_url": "http://127.0.0.1:1", "company": {"NL01": {}}})
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            gate = OpenGate("token")
            return await BaswareResponder(answer.ref.connection, settings, gate, http, SystemClock()).look(answer)


async def test_a_response_that_is_not_shown_is_waited_for_without_asking_more() -> None:
    basware = Basware(shown=[], request="Error")
    look = await basware.look(replace(answer(), request_id="r1", attempts=ASK_AFTER_LOOKS - 1))
    assert (look.standing, basware.asked) == (Standing.NOT_YET, ["accountingDocuments"])


@pytest.mark.parametrize(
    ("request_status", "standing"),
    [
        ("Error", Standing.REFUSED),
        ("AcknowledgedError", Standing.REFUSED),
        ("Success", Standing.ANSWERED),
        ("InProgress", Standing.NOT_YET),
    ],
)
async def test_a_response_that_stays_away_has_its_request_asked_for(request_status: str, standing: Standing) -> None:
    """One that Basware could not use is never shown: it was waited for without end, neither given again nor failed."""
    basware = Basware(shown=[], request=request_status)
    look = await basware.look(replace(answer(), request_id="r1", attempts=ASK_AFTER_LOOKS))
    assert look.standing is standing
    assert basware.asked == ["accountingDocuments", "requestStatus"]
    assert (look.detail == "Voucher refused") == (standing is Standing.REFUSED)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("others", [0, 1])
async def test_a_round_is_somebody_elses_by_what_is_shown_besides_our_refused_responses(
    listed: bool, others: int
) -> None:
    """A refused response that is not shown counted as one that is, and hid the answer of somebody else."""
    ours = [external_code(answer())] if listed else []
    look = await Basware(shown=[*ours, *["another"] * others]).look(answer(refused=1))
    assert look.standing is (Standing.CLOSED if others else Standing.OPEN)
