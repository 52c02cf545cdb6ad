"""What follows from a call that did not succeed: the same classes for reads, look-ups and writes."""

from collections.abc import Sequence

from connector.domain.ports.clock import Randomness
from connector.domain.ports.dispatch import Judgement
from connector.domain.ports.gate import GATE_CLOSED, GateError
from connector.domain.ports.target import Dependency, Outcome, OutcomeKind
from connector.domain.reasons import Reason
from connector.domain.vendor_error import VendorError

from .adoption import NUMBER_TAKEN
from .lookup import link_key
from .retry import ATTEMPTS_AT_MOST, backoff_s
from .states import State
from .work import Work, blocked

NEEDS_A_PERSON_S = 60.0
"""How long a row rests where the connection waits for a person: the connection is what they see, not the row."""


def outcome_of(error: Exception) -> Outcome:
    """A failure of a whole request, in the terms of one step's outcome."""
    if isinstance(error, VendorError):
        reason = Reason(code=str(error.kind), message=error.message)
        return Outcome(
            error.kind,
            reason=reason,
            retry_after_s=error.retry_after_s,
            status=error.status,
            request_id=error.request_id,
        )
    if isinstance(error, GateError):
        reason = Reason(code=GATE_CLOSED, message=str(error))
        waits = error.retry_after_s
        kind = OutcomeKind.REAUTHORISE if waits is None else OutcomeKind.RATE_LIMITED
        return Outcome(kind, reason=reason, retry_after_s=waits)
    reason = Reason(code="internal-error", message=f"{type(error).__name__}: {error}")
    return Outcome(OutcomeKind.TRANSIENT, reason=reason)


def after_failure(work: Work, outcome: Outcome, randomness: Randomness) -> Judgement:
    """Where the row goes: again later, blocked with the vendor's words, or failed once retries are used up."""
    reasons = [outcome.reason] if outcome.reason else []
    attempts = work.due.attempts
    match outcome.kind:
        case OutcomeKind.REJECTED if attempts == 0 and _taken_since_looked_up(work, outcome):
            return Judgement(State.DUE, backoff_s(attempts, randomness, None), attempts + 1, reasons)
        case OutcomeKind.REJECTED | OutcomeKind.DONE:
            reasons = reasons or [Reason(code="rejected-by-target", message="The target refused it.")]
            return blocked(work, reasons, _waits(work, reasons))
        case OutcomeKind.RATE_LIMITED:
            return Judgement(State.DUE, max(outcome.retry_after_s or 1.0, 0.05), attempts, reasons)
        case OutcomeKind.REAUTHORISE:
            return Judgement(State.DUE, NEEDS_A_PERSON_S, attempts, reasons)
        case OutcomeKind.UNKNOWN:
            wait_s = work.connection.call_deadline_s + work.connection.processing_s
            return Judgement(State.DUE, wait_s, attempts, reasons)
        case OutcomeKind.TRANSIENT | OutcomeKind.AUTH_EXPIRED | OutcomeKind.CONFLICT | OutcomeKind.NOT_SENT:
            if attempts + 1 >= ATTEMPTS_AT_MOST:
                return Judgement(State.FAILED, attempts=attempts + 1, reasons=reasons)
            again_s = backoff_s(attempts, randomness, outcome.retry_after_s)
            return Judgement(State.DUE, again_s, attempts + 1, reasons)


def _waits(work: Work, reasons: Sequence[Reason]) -> list[Dependency]:
    """What the refusal names as missing, and the documents it builds on, as rendering saw them: it is tried again once
    one is otherwise. An invoice that overtakes the change of its order is refused for what the order was."""
    named = {reason.missing for reason in reasons if reason.missing is not None} | {
        link_key(ref) for ref in work.linked
    }
    return [Dependency(key, work.asked[key]) for key in sorted(named & work.asked.keys())]


def _taken_since_looked_up(work: Work, outcome: Outcome) -> bool:
    """Somebody was faster than our create: a second look tells whose object has the number now."""
    creating = work.step is not None and work.step.creates
    return creating and outcome.reason is not None and outcome.reason.code == NUMBER_TAKEN
