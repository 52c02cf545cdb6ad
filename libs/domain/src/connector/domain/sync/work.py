"""One row in a dispatcher's hands, and the pure judgements about it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Protocol

from connector.domain.digest import digest
from connector.domain.documents.envelope import AnyRecord, RecordStatus
from connector.domain.identity import EntityRef
from connector.domain.ports.configuration import Connection, Flow, FlowState, OnBlock
from connector.domain.ports.dispatch import (
    Closed,
    DueRow,
    Event,
    Feedback,
    Judgement,
    Settlement,
    StoredObject,
    Verdict,
)
from connector.domain.ports.target import Dependency, Found, Part, Plan, Rendered, Step, TargetObject, Verb
from connector.domain.reasons import Reason

from .measures import target_differs
from .states import Cause, State

STEPS_AT_MOST = 40
"""More steps than this in one go is a plan that does not end."""
PLAN_AGAIN_S = 300.0
"""How long a row waits, at most, where the target says not now (a document in a state that will pass)."""
LINK = "link:"
WAITED_FOR = (LINK, "reference:")
"""Dependencies that come by themselves; a mapping entry takes a person."""


@dataclass(slots=True)
class Work:
    due: DueRow
    flow: Flow
    connection: Connection
    configuration: int
    record: AnyRecord | None = None
    rendered: Rendered = field(default_factory=Rendered)
    inputs: Sequence[Dependency] | None = None
    """What rendering asked, until that is stored."""
    asked: Mapping[str, str | None] = field(default_factory=dict)
    """The same by key, with the versions seen, to the end."""
    linked: frozenset[EntityRef] = frozenset()
    """Documents it links to: their writes come before or after its own, never beside them."""
    objects: dict[str, StoredObject] = field(default_factory=dict)
    found: dict[str, Found | None] = field(default_factory=dict)
    """The parts' objects as the target showed them in this attempt."""
    looked_up: set[str] = field(default_factory=set)
    """Parts looked up by natural key in this attempt."""
    step: Step | None = None
    steps: int = 0
    judgement: Judgement | None = None
    closed: list[Closed] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    settled: bool = False
    created: Part | None = None
    """The part that a call of this attempt created, or may have."""

    @property
    def part(self) -> Part:
        assert self.step is not None
        return next(part for part in self.rendered.parts if part.name == self.step.part)

    def known(self) -> Mapping[str, TargetObject]:
        return {name: stored.object for name, stored in self.objects.items()}

    def judge(self, judgement: Judgement) -> None:
        self.step = None
        self.judgement = replace(judgement, configuration=self.configuration)
        detail: dict[str, Any] = {"reasons": [reason.model_dump(exclude_none=True) for reason in judgement.reasons]}
        if judgement.due_in_s is not None:
            detail["again_in_s"] = round(judgement.due_in_s, 3)
        self.events.append(Event(str(judgement.state), detail if judgement.reasons else {}))

    def store(self, part: Part, found: Found, *, written: bool, step: str | None) -> None:
        """Take over the object as the target shows it; another id is another generation."""
        before = self.objects.get(part.name)
        generation = before.object.generation if before else 0
        if before and before.object.target_id != found.target_id:
            generation += 1
        self.found[part.name] = found
        self.objects[part.name] = StoredObject(
            resource=part.natural_key.resource,
            state=found.status,
            object=TargetObject(
                target_id=found.target_id,
                sub_ids=found.sub_ids,
                generation=generation,
                written_digest=wanted_digest(part) if written else before.object.written_digest if before else None,
                step_reached=step,
                frozen=part.frozen,
                extra=found.extra,
            ),
        )
        if self.objects[part.name] != before:
            self.changed.add(part.name)

    def reached(self, part: str, step: str) -> None:
        """The step was done, and the answer did not show the object."""
        stored = self.objects[part]
        self.objects[part] = replace(stored, object=replace(stored.object, step_reached=step))
        self.changed.add(part)

    @property
    def has_news(self) -> bool:
        return not self.settled and bool(self.judgement or self.closed or self.changed or self.events)

    def take_events(self) -> tuple[Event, ...]:
        events, self.events = tuple(self.events), []
        return events

    def settlement(self) -> Settlement:
        """What has changed since the last one; the row goes on unless it was judged."""
        settlement = Settlement(
            due=self.due,
            closed=tuple(self.closed),
            objects={name: self.objects[name] for name in self.changed},
            inputs=self.inputs,
            judgement=self.judgement,
            events=tuple(self.events),
        )
        self.closed, self.events, self.changed, self.inputs = [], [], set(), None
        self.settled = self.judgement is not None
        return settlement


def wanted_digest(part: Part) -> str:
    """The rendered digest: equal ones need no look at the target."""
    return digest({"wanted": dict(part.wanted), "gone": part.gone})


def calls_still_out_s(work: Work) -> float:
    """Seconds until the last call of unknown outcome can no longer be carried out; 0 or less: look now."""
    return max(
        (call.not_after_in_s + work.connection.processing_s for call in work.due.open_calls),
        default=0.0,
    )


def before_rendering(work: Work) -> Judgement | None:
    """What can be said without asking the vendor's room."""
    due, record = work.due, work.record
    out_s = calls_still_out_s(work)
    if out_s > 0:
        return Judgement(State.DUE, due_in_s=out_s, attempts=due.attempts)
    if record is None:
        return None
    if record.status is RecordStatus.REJECTED:
        return blocked(work, record.findings)
    if record.status is RecordStatus.MISSING:
        reason = Reason(
            code="missing-at-source",
            message="The source no longer shows this document, and nothing proves that it was deleted.",
            fix="Check it at the source: restore it or delete it there, or release it as it is.",
        )
        return blocked(work, [reason])
    untouched = not work.objects and not due.open_calls
    if record.status is RecordStatus.DELETED and untouched:
        return excluded("gone-before-first-write", "It was deleted at the source before it was ever written.")
    if untouched and record.provenance.removeprefix("connector:") in work.flow.exclude_origin:
        return excluded("own-origin", f"It was written at the source by {record.provenance}, which this flow excludes.")
    issued = getattr(record.document, "issue_date", None)
    start = work.flow.start_date
    if untouched and start is not None and isinstance(issued, date) and issued < start:
        return excluded("before-start", f"It is dated {issued}, the flow starts on {start}.")
    return None


def after_rendering(work: Work, coming: Collection[str] = ()) -> Judgement | None:
    """Whether what was rendered may be written. `coming`: links to documents that are still on their way."""
    rendered = work.rendered
    if rendered.excluded is not None:
        return Judgement(State.EXCLUDED, reasons=[rendered.excluded])
    if refused_in_this_round(work):
        return blocked(work, [finding for finding in rendered.findings if finding.severity == "block"])
    lack = _lack(work)
    if lack is None:
        return None
    left_s = _left_to_wait_s(work)
    if lack.comes_by_itself and left_s > 0:
        return Judgement(State.WAITING, due_in_s=left_s, wait_in_s=left_s, reasons=lack.reasons, waits=lack.waits)
    waited_out = links_waited_out(work)
    if waited_out and all(key in coming for key in waited_out):
        again_s = min(PLAN_AGAIN_S, max(1.0, work.flow.wait_s))
        return Judgement(State.WAITING, due_in_s=again_s, wait_in_s=left_s, reasons=lack.reasons, waits=lack.waits)
    return blocked(work, lack.reasons, lack.waits)


def links_waited_out(work: Work) -> Sequence[str]:
    """Links to documents that are not there, of a row that lacks nothing else and has waited as long as it may for what
    nobody has heard of: for documents that are on their way it waits on."""
    if work.rendered.excluded is not None or refused_in_this_round(work):
        return ()
    lack = _lack(work)
    if lack is None or not lack.comes_by_itself or _left_to_wait_s(work) > 0:
        return ()
    absent = all(wait.version is None and wait.key.startswith(LINK) for wait in lack.waits)
    return [wait.key for wait in lack.waits] if absent else ()


@dataclass(frozen=True, slots=True)
class _Lack:
    """What keeps a rendered document from being written, and what it waits for."""

    reasons: Sequence[Reason]
    waits: Sequence[Dependency]
    comes_by_itself: bool


def _lack(work: Work) -> _Lack | None:
    rendered = work.rendered
    blocking = [finding for finding in rendered.findings if finding.severity == "block"]
    seen = {dependency.key: dependency.version for dependency in [*rendered.inputs, *(work.inputs or ())]}
    named = {finding.missing for finding in blocking if finding.missing}
    absent = {dependency.key for dependency in rendered.inputs if dependency.version is None}
    if not blocking and not absent:
        return None
    waits = [Dependency(key, seen.get(key)) for key in sorted(named | absent)]
    reasons = [*blocking, *(_unnamed(key) for key in sorted(absent - named))]
    comes_by_itself = all(finding.missing for finding in blocking) and all(
        wait.key.startswith(WAITED_FOR) for wait in waits
    )
    in_dry_run = work.flow.state is FlowState.DRY_RUN  # there, nothing is on its way
    return _Lack(reasons, waits, comes_by_itself and not in_dry_run)


def _left_to_wait_s(work: Work) -> float:
    return work.flow.wait_s if work.due.wait_in_s is None else work.due.wait_in_s


def _unnamed(key: str) -> Reason:
    kind, _, name = key.partition(":")
    return Reason(code=f"missing-{kind}", message=f"{name} is needed and does not exist yet.", missing=key)


def next_step(work: Work, plan_of: "PlanOf") -> Step | Judgement:
    """The next vendor request of this row, or where it ends. Marks finished parts on the way."""
    for part in work.rendered.parts:
        known = work.objects.get(part.name)
        if is_current(work, part):
            continue
        found = work.found.get(part.name)
        beside = {name: stored.object.target_id for name, stored in work.objects.items() if name != part.name}
        plan = plan_of(replace(part, siblings=beside), known.object if known else None, found, work.flow.options)
        if plan.steps and plan.reason is None:
            return _changed_after_answer(work, part) or _permitted(work, part, plan, found)
        if plan.verb is not Verb.NONE or plan.reason is not None:
            return _refused(work, plan)
        if found is not None:
            work.store(part, found, written=True, step=None)
    return Judgement(State.SYNCED, feedback=feedback(work, State.SYNCED))


def is_current(work: Work, part: Part) -> bool:
    """Nothing to do and nothing to ask: the target was read back with just this content."""
    known = work.objects.get(part.name)
    return (
        known is not None
        and part.name not in work.found
        and not work.due.open_calls
        and work.due.cause not in (Cause.REPLAY, Cause.SWEEP)
        and known.object.step_reached is None
        and known.object.written_digest == wanted_digest(part)
    )


def _changed_after_answer(work: Work, part: Part) -> Judgement | None:
    """Other content in a round that was answered already: the answer names what would be replaced."""
    verdict, known = verdict_of(work), work.objects.get(part.name)
    if verdict is None or not verdict.left or work.due.cause is not Cause.SOURCE:
        return None
    if known is None or known.object.written_digest in (None, wanted_digest(part)):
        return None
    reason = Reason(
        code="changed-after-answer",
        message="It was changed after the source was told that it is booked, and not handed over again since.",
        fix="Have it transferred again at the source.",
        field=part.name,
    )
    return blocked(work, [reason])


def _permitted(work: Work, part: Part, plan: Plan, found: Found | None) -> Step | Judgement:
    step = plan.steps[0]
    if work.steps >= STEPS_AT_MOST:
        reason = Reason(
            code="plan-does-not-end", message=f"After {work.steps} steps the next would be {step.name} again."
        )
        return blocked(work, [reason])
    kept_back = _undoes_people(work, plan, found) or _held(work, part, plan, found)
    if kept_back is not None:
        return kept_back
    if step.irreversible and found is not None:
        differs = target_differs(part, found.measure)
        if differs is not None:
            return blocked(work, [differs])
    return step


def _undoes_people(work: Work, plan: Plan, found: Found | None) -> Judgement | None:
    """What people did in the target to a document that nobody touched at its source is not taken back unasked."""
    if work.due.cause is not Cause.SWEEP or work.due.released or work.steps > 0:
        return None
    status = "gone" if found is None else found.status
    reason = Reason(
        code="changed-in-target",
        message=f"It is {status} in the target and did not become so by us; {plan.steps[0].name} would take that back.",
        fix="Settle it there, or cancel it at the source; to have it written again: connector release.",
    )
    return blocked(work, [reason])


def _held(work: Work, part: Part, plan: Plan, found: Found | None) -> Judgement | None:
    written_before = any(stored.object.written_digest for stored in work.objects.values())
    if work.flow.state is FlowState.DRY_RUN:
        reason = Reason(
            code="dry-run",
            message=f"The flow is in dry run; the next step would be {plan.steps[0].name} ({plan.verb}).",
            fix=f"connector release --flow {work.flow.id.flow}",
            severity="warn",
        )
    elif work.due.cause is not Cause.SOURCE and written_before and not work.due.released and work.steps == 0:
        reason = Reason(
            code="mass-change",
            message=f"It would be written again ({plan.steps[0].name}) although the source did not change it.",
            fix=f"connector release --flow {work.flow.id.flow} --cause mass-change",
            severity="warn",
        )
    else:
        return None
    difference = {
        "part": part.name,
        "verb": str(plan.verb),
        "steps": [step.name for step in plan.steps],
        "wanted": dict(part.wanted),
        "found": dict(found.projection) if found else None,
    }
    return Judgement(State.HELD, reasons=[reason], difference=difference)


def _refused(work: Work, plan: Plan) -> Judgement:
    reason = plan.reason or Reason(code="frozen-in-target", message="The target does not let this document be changed.")
    if plan.retry:
        return Judgement(State.WAITING, due_in_s=min(PLAN_AGAIN_S, max(1.0, work.flow.wait_s)), reasons=[reason])
    return blocked(work, [reason])


def blocked(work: Work, reasons: Sequence[Reason], waits: Sequence[Dependency] = ()) -> Judgement:
    """For a person; or, where the flow says so and the source asks for an answer, refused and told to the source.

    A held document gets no answer yet: it may still go on by itself. Neither does one whose round was answered.
    """
    verdict = verdict_of(work)
    if verdict is not None and refused_in_this_round(work):
        return Judgement(State.REJECTED, reasons=reasons or verdict.reasons)
    answered = verdict is not None and verdict.left
    told = feedback(work, State.REJECTED, reasons) if work.flow.on_block is OnBlock.REJECT and not answered else None
    if told is not None:
        return Judgement(State.REJECTED, reasons=reasons, feedback=told)
    return Judgement(State.BLOCKED, reasons=reasons, waits=waits)


def verdict_of(work: Work) -> Verdict | None:
    """What the source was told of this round, or is about to be told."""
    number = round_of(work)
    return None if number is None else work.due.verdicts.get(number)


def refused_in_this_round(work: Work) -> bool:
    """Nothing is written in a round that was refused: the source's people go by that."""
    verdict = verdict_of(work)
    return verdict is not None and verdict.verdict is State.REJECTED


def would_refuse(work: Work) -> bool:
    """Whether the source is told that this document cannot be written, where it cannot."""
    return work.flow.on_block is OnBlock.REJECT and feedback(work, State.REJECTED) is not None


def round_of(work: Work) -> int | None:
    number = work.record.extras.get("round") if work.record else None
    return number if isinstance(number, int) else None


def needed_by_others(work: Work) -> Judgement:
    reason = Reason(
        code="needed-by-others",
        message="Documents that link to it are still to be written; it follows by itself.",
        fix="See what holds them up: connector blocked.",
        severity="warn",
    )
    return Judgement(State.WAITING, due_in_s=min(PLAN_AGAIN_S, max(1.0, work.flow.wait_s)), reasons=[reason])


def excluded(code: str, message: str) -> Judgement:
    return Judgement(State.EXCLUDED, reasons=[Reason(code=code, message=message, severity="warn")])


def feedback(work: Work, verdict: State, reasons: Sequence[Reason] = ()) -> Feedback | None:
    """What the source is to be told of this round; None where it asks for no answer to this document, and in a dry
    run, which tells nobody anything."""
    number = round_of(work)
    if number is None or not work.flow.feedback or work.flow.state is FlowState.DRY_RUN:
        return None
    target = {
        name: {"id": stored.object.target_id, "state": stored.state, **stored.object.extra}
        for name, stored in work.objects.items()
    }
    return Feedback(work.due.source, number, verdict, reasons, target)


class PlanOf(Protocol):
    """`Target.plan`, as far as judging needs it."""

    def __call__(self, part: Part, known: TargetObject | None, found: Found | None, options: Any) -> Plan: ...
