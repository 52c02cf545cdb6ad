"""Carrying out plans: intent first, then the request, then what it showed; plan again after every step."""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connector.domain.identity import RowRef, TrafficClass
from connector.domain.ports.clock import Clock, Randomness, Signal, Spawner
from connector.domain.ports.dispatch import Closed, Dispatch, Event, Intent, IntentItem, Settlement
from connector.domain.ports.epochs import EpochLost, Hold
from connector.domain.ports.gate import GateError
from connector.domain.ports.target import Found, NaturalKey, NotSent, Outcome, OutcomeKind, Step, Target
from connector.domain.ports.tracing import Traced
from connector.domain.reasons import Reason
from connector.domain.vendor_error import VendorError

from .adoption import NUMBER_TAKEN, doubles
from .examining import Examiner
from .failures import after_failure, outcome_of
from .rendering import TargetOf
from .retry import backoff_s
from .together import together
from .work import Work, blocked, needed_by_others

LOOKS_AT_MOST = 6
"""Of a holder that lost its epoch; about a minute."""

Start = Callable[[Iterable[RowRef], Coroutine[Any, Any, None]], None]
"""Starts a task that takes the rows over and gives them back when it ends."""


@dataclass(slots=True)
class _Execution:
    """The intents opened for one request: more than one where the room had to enter the gate again."""

    call_ids: list[str] = field(default_factory=list)
    duration_ms: int = 0


@dataclass(slots=True)
class Carrier:
    """Carries the rows of one hold from their first step to their verdict."""

    hold: Hold
    target_of: TargetOf
    dispatch: Dispatch
    clock: Clock
    randomness: Randomness
    examiner: Examiner
    start: Start
    spawner: Spawner
    signal: Callable[[], Signal]
    traced: Traced

    async def begin(self, works: Sequence[Work]) -> None:
        """Decide each row; settle those that need no call, and start a task for each request of the others."""
        await self._decide(works)
        for group in self._requests(works):
            self.start([work.due.row for work in group], self._carry(group))

    async def _carry(self, group: Sequence[Work]) -> None:
        try:
            await self._carry_on(group)
        except EpochLost:
            await self._report_doubles([work for work in group if work.created is not None])
            raise

    async def _carry_on(self, group: Sequence[Work]) -> None:
        """Rows that began in one request stay together to their end, so that they can share later requests too and are
        read back together; requests of one row each go out side by side."""
        going_on = list(group)
        while going_on:
            requests = [self._execute(request) for request in self._requests(going_on)]
            await together(requests, self.spawner, self.signal)
            await self.examiner.read_back([work for work in going_on if work.judgement is None])
            await self._decide(going_on)
            going_on = [work for work in going_on if work.step is not None]

    async def _decide(self, works: Sequence[Work]) -> None:
        for work in works:
            if work.judgement is None:
                self.examiner.decide(work)
        await self._let_others_go_first([work for work in works if work.step is not None and work.step.ends])
        await self._settle(works)
        await self._look_before_creating([work for work in works if work.step is not None])

    async def _let_others_go_first(self, works: Sequence[Work]) -> None:
        """What ends an object waits for the documents that still need it."""
        if not works:
            return
        needed = await self.dispatch.needed(self.hold, [work.due.ref for work in works])
        for work in works:
            if work.due.ref in needed:
                work.step = None
                work.judge(needed_by_others(work))

    async def _look_before_creating(self, works: Sequence[Work]) -> None:
        """A plan that turns out to create (again) has to look up first, in the same epoch."""
        unseen = [work for work in works if work.step is not None and work.step.creates and _not_looked_up(work)]
        if not unseen:
            return
        await self.examiner.look_up_again(unseen)
        await self._decide(unseen)

    async def _settle(self, works: Sequence[Work]) -> None:
        """Store verdicts and progress; a row whose object is another document's is blocked instead."""
        settlements = {work.due.row: work.settlement() for work in works if work.has_news}
        if not settlements:
            return
        refused = await self.dispatch.settle(self.hold, list(settlements.values()))
        if refused:
            again = [
                self._belongs_to_another(work, settlements[work.due.row], refused[work.due.row])
                for work in works
                if work.due.row in refused
            ]
            await self.dispatch.settle(self.hold, again)

    def _belongs_to_another(self, work: Work, settlement: Settlement, owner: str) -> Settlement:
        reason = Reason(
            code=NUMBER_TAKEN,
            message=f"The object found in the target is already linked to {owner}.",
            fix="Decide which document it is, then: connector link.",
        )
        work.judge(blocked(work, [reason]))
        return replace(
            settlement, objects={}, judgement=work.judgement, events=(*settlement.events, *work.take_events())
        )

    def _requests(self, works: Sequence[Work]) -> list[list[Work]]:
        """Rows whose next steps may travel in one request, at most as many as the target takes."""
        requests: list[list[Work]] = []
        batches: defaultdict[tuple[object, ...], list[Work]] = defaultdict(list)
        for work in works:
            if work.step is None:
                continue
            if work.step.batch_key:
                batches[work.flow.id, work.due.traffic, work.step.batch_key].append(work)
            else:
                requests.append([work])
        for batch in batches.values():
            limit = max(1, self._limit(batch[0]))
            requests += [batch[at : at + limit] for at in range(0, len(batch), limit)]
        return requests

    def _limit(self, work: Work) -> int:
        assert work.step is not None
        return self.target_of(work.flow, work.connection).batch_limit(work.step)

    async def _execute(self, group: Sequence[Work]) -> None:
        first = group[0]
        steps = [work.step for work in group if work.step is not None]
        execution = _Execution()
        started_s = self.clock.boot_time_s()

        async def before_send() -> float:
            return await self._open_call(group, execution)

        target = self.target_of(first.flow, first.connection)
        try:
            with self.traced(f"{steps[0].name} {steps[0].resource}", [work.due.trace for work in group]):
                outcomes = await target.execute(steps, before_send, first.due.traffic, first.flow.id)
        except EpochLost:
            raise
        except NotSent:
            outcomes = [Outcome(OutcomeKind.NOT_SENT)] * len(group)
        except Exception as error:
            outcomes = [_outcome_of_request(error, sent=bool(execution.call_ids))] * len(group)
        execution.duration_ms = round((self.clock.boot_time_s() - started_s) * 1000)
        for work, outcome in zip(group, outcomes, strict=True):
            self._take_outcome(work, outcome, execution)

    async def _open_call(self, group: Sequence[Work], execution: _Execution) -> float:
        """Commit the intent; seconds left for the call, or NotSent where half of them have passed already."""
        step, connection = group[0].step, group[0].connection
        assert step is not None
        call_id = f"{self.randomness.getrandbits(96):024x}"
        items = [
            IntentItem(work.due.row, work.step.part, work.step.name, work.step.creates, _key_of(work))
            for work in group
            if work.step is not None
        ]
        before_s = self.clock.boot_time_s()
        intent = Intent(call_id, step.method, step.resource, connection.call_deadline_s, items)
        execution.call_ids.append(call_id)
        await self.dispatch.open_call(self.hold, intent)
        spent_s = self.clock.boot_time_s() - before_s
        if spent_s >= connection.call_deadline_s / 2:
            raise NotSent(f"committing the intent took {spent_s:.1f} s of {connection.call_deadline_s:.0f} s")
        return connection.call_deadline_s - spent_s

    def _take_outcome(self, work: Work, outcome: Outcome, execution: _Execution) -> None:
        step = work.step
        assert step is not None
        work.steps += 1
        for call_id in execution.call_ids[:-1]:
            work.closed.append(Closed(call_id, step.part, OutcomeKind.AUTH_EXPIRED))
        for call_id in execution.call_ids[-1:]:
            work.closed.append(
                Closed(call_id, step.part, outcome.kind, outcome.status, outcome.request_id, execution.duration_ms)
            )
        work.events.append(_call_event(step, outcome, execution))
        part = work.part
        if step.creates and outcome.kind in (OutcomeKind.DONE, OutcomeKind.UNKNOWN):
            work.created = part
        if outcome.kind is not OutcomeKind.DONE:
            work.judge(after_failure(work, outcome, self.randomness))
            return
        work.found.pop(part.name, None)
        work.looked_up.discard(part.name)
        if outcome.found is not None:
            work.store(part, outcome.found, written=False, step=step.name)
            if outcome.incomplete:
                work.found.pop(part.name)
        elif part.name in work.objects:
            work.reached(part.name, step.name)

    async def _report_doubles(self, works: Sequence[Work]) -> None:
        """A holder that lost its epoch during a creating call changes nothing of ours, but tells what exists twice."""
        for work in works:
            part = work.created
            assert part is not None
            target = self.target_of(work.flow, work.connection)
            hits = await self._looked_up_at_last(target, part.natural_key, work.due.traffic)
            if hits is None:
                await self.dispatch.report(work.due.row, Event("not-looked-up", {"key": str(part.natural_key)}))
            elif (reason := doubles(part, hits)) is not None:
                await self.dispatch.report(work.due.row, Event("doubled", reason.model_dump(exclude_none=True)))

    async def _looked_up_at_last(
        self, target: Target, key: NaturalKey, traffic: TrafficClass
    ) -> Sequence[Found] | None:
        """What exists under the key; None where the target stays away."""
        for attempts in range(LOOKS_AT_MOST):
            try:
                return (await target.look_up([key], traffic)).get(key, ())
            except (VendorError, GateError) as error:
                await self.clock.sleep(backoff_s(attempts, self.randomness, error.retry_after_s))
        return None


def _key_of(work: Work) -> NaturalKey | None:
    assert work.step is not None
    return work.part.natural_key if work.step.creates else None


def _not_looked_up(work: Work) -> bool:
    assert work.step is not None
    return work.step.part not in work.looked_up


def _outcome_of_request(error: Exception, *, sent: bool) -> Outcome:
    outcome = outcome_of(error)
    if sent and outcome.reason is not None and outcome.reason.code == "internal-error":
        return replace(outcome, kind=OutcomeKind.UNKNOWN)
    return outcome


def _call_event(step: Step, outcome: Outcome, execution: _Execution) -> Event:
    detail: dict[str, Any] = {
        "step": step.name,
        "part": step.part,
        "method": step.method,
        "resource": step.resource,
        "outcome": str(outcome.kind),
        "status": outcome.status,
        "duration_ms": execution.duration_ms,
        "request_id": outcome.request_id,
        "call_id": execution.call_ids[-1] if execution.call_ids else None,
    }
    if outcome.beside:
        detail["made"] = list(outcome.beside)
    if outcome.found is not None:
        detail["target_id"] = outcome.found.target_id
    return Event("call", {name: value for name, value in detail.items() if value is not None})
