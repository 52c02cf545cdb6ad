"""What accounts payable is told."""

from connector.adapters.systems.basware.responses import external_code, refused, response
from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId
from connector.domain.ports.answers import DueAnswer
from connector.domain.reasons import Reason
from connector.domain.sync.states import State


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
