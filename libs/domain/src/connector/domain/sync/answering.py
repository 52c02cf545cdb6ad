"""Telling a source what became of its documents: exactly one answer a round, by the same protocol as every write.

Look first, commit the intent, send, look again until the source says that it could use the answer. After a lost answer
nothing is sent before the first one can no longer arrive; then the look tells.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from connector.domain.identity import ConnectionId, EntityRef, Role, TrafficClass
from connector.domain.ports.answers import Answers, DueAnswer, Look, Responder, Standing, Told
from connector.domain.ports.clock import Clock, Randomness, Spawner
from connector.domain.ports.epochs import EPOCH_TTL_S, EpochLost, Epochs, Hold
from connector.domain.ports.gate import GateError
from connector.domain.ports.source import Notice
from connector.domain.ports.source_keys import SourceKeys
from connector.domain.ports.target import NotSent, Outcome, OutcomeKind
from connector.domain.vendor_error import VendorError

from .failures import outcome_of
from .retry import backoff_s

IDLE_S = 5.0
TROUBLE_S = 1.0
BATCH = 50
REFUSALS_AT_MOST = 5
"""So many answers taken and not used are a matter for people."""
LONGEST_LOOK_S = 60.0

Report = Callable[[str, Exception], None]


@dataclass(slots=True)
class Answering:
    """One source connection, in as many replicas as there are: one holds the epoch, the others stand by."""

    connection: ConnectionId
    holder: str
    responder: Responder
    answers: Answers
    keys: SourceKeys
    epochs: Epochs
    clock: Clock
    randomness: Randomness
    spawner: Spawner
    report: Report
    call_deadline_s: float
    processing_s: float
    _hold: Hold | None = field(init=False, default=None)

    async def run(self) -> None:
        """Answer while holding the epoch, until cancelled; gives it back then."""
        while True:
            pause_s = EPOCH_TTL_S / 3
            try:
                self._hold = await self.epochs.take(self.connection, Role.ANSWER, self.holder)
                if self._hold is not None:
                    await self._serve(self._hold)
            except EpochLost:
                pass
            except Exception as error:
                self.report(f"answering {self.connection}", error)
                pause_s = TROUBLE_S
            await self.clock.sleep(pause_s)

    async def _serve(self, hold: Hold) -> None:
        renewing = self.spawner.create_task(self._renew(hold), name=f"renew answers {self.connection}")
        try:
            while self._hold is hold:
                if not await self.step(hold):
                    await self._idle(hold)
        finally:
            renewing.cancel()
            self._hold = None
            await self.epochs.release(hold)

    async def _renew(self, hold: Hold) -> None:
        while self._hold is hold:
            await self.clock.sleep(EPOCH_TTL_S / 3)
            try:
                await self.epochs.renew(hold)
            except EpochLost:
                self._hold = None
            except Exception as error:
                self.report(f"renewing the answers of {self.connection}", error)

    async def _idle(self, hold: Hold) -> None:
        next_s = await self.answers.next_due_in_s(hold)
        wait_s = IDLE_S if next_s is None else min(IDLE_S, next_s)
        if wait_s > 0:
            await self.answers.changed(self.connection, wait_s)

    async def step(self, hold: Hold) -> bool:
        """Take what is due one step further; False if nothing was."""
        done: set[tuple[EntityRef, int]] = set()
        for answer in await self.answers.claim(hold, BATCH, done):
            told = await self._further(hold, answer)
            if told.ended == "closed":  # something happened there that we were not told of
                notice = Notice(answer.ref.entity, answer.ref.native_id)
                await self.keys.notice(self.connection, [notice], TrafficClass.LIVE)
            await self.answers.settle(hold, answer, told)
            done.add(answer.key)
        return bool(done)

    async def _further(self, hold: Hold, answer: DueAnswer) -> Told:
        still_out_s = 0.0 if answer.not_after_in_s is None else answer.not_after_in_s + self.processing_s
        if still_out_s > 0:
            return _again(answer, still_out_s, still_out=True)
        try:
            look = await self.responder.look(answer)
        except (VendorError, GateError) as error:
            return self._failed(answer, outcome_of(error))
        return await self._follow(hold, answer, look)

    async def _follow(self, hold: Hold, answer: DueAnswer, look: Look) -> Told:
        match look.standing:
            case Standing.ANSWERED:
                return Told(ended="answered", refused=answer.refused, request_id=answer.request_id)
            case Standing.CLOSED:
                return Told(ended="closed", refused=answer.refused, detail=look.detail)
            case Standing.REFUSED:
                refused = answer.refused + 1
                ended = "failed" if refused >= REFUSALS_AT_MOST else None
                return Told(0.0 if ended is None else None, refused=refused, ended=ended, detail=look.detail)
            case Standing.NOT_YET:
                wait_s = min(LONGEST_LOOK_S, backoff_s(answer.attempts, self.randomness))
                return _again(answer, wait_s, attempts=answer.attempts + 1)
        return await self._send(hold, answer, look)

    async def _send(self, hold: Hold, answer: DueAnswer, look: Look) -> Told:
        started_s = self.clock.boot_time_s()

        async def before_send() -> float:
            await self.answers.open_call(hold, answer, self.call_deadline_s)
            spent_s = self.clock.boot_time_s() - started_s
            if spent_s >= self.call_deadline_s / 2:
                raise NotSent(f"committing the intent took {spent_s:.1f} s")
            return self.call_deadline_s - spent_s

        try:
            outcome = await self.responder.answer(answer, look, before_send)
        except NotSent:
            outcome = Outcome(OutcomeKind.NOT_SENT)
        except (VendorError, GateError) as error:
            outcome = outcome_of(error)
        if outcome.kind is OutcomeKind.DONE:
            request_id = outcome.request_id or ""
            return Told(self.responder.confirm_after_s, refused=answer.refused, request_id=request_id)
        return self._failed(answer, outcome)

    def _failed(self, answer: DueAnswer, outcome: Outcome) -> Told:
        """Rejected for good: people are told. Everything else is looked at again."""
        detail = outcome.reason.message if outcome.reason else ""
        if outcome.kind is OutcomeKind.REJECTED:
            return Told(ended="failed", refused=answer.refused, detail=detail)
        if outcome.kind is OutcomeKind.UNKNOWN:
            return _again(answer, self.call_deadline_s + self.processing_s, still_out=True, detail=detail)
        wait_s = max(outcome.retry_after_s or 0.0, backoff_s(answer.attempts, self.randomness))
        return _again(answer, wait_s, attempts=answer.attempts + 1, detail=detail)


def _again(
    answer: DueAnswer, wait_s: float, *, attempts: int | None = None, still_out: bool = False, detail: str = ""
) -> Told:
    kept = answer.attempts if attempts is None else attempts
    return Told(wait_s, kept, refused=answer.refused, request_id=answer.request_id, detail=detail, still_out=still_out)
