"""Looking at the target before anything is decided: reads by id, look-ups by natural key, adoption with proof."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from connector.domain.identity import Entity, EntityRef, FlowId, TrafficClass
from connector.domain.ports.clock import Randomness
from connector.domain.ports.dispatch import Closed, Dispatch, Event, OpenCall
from connector.domain.ports.gate import GateError
from connector.domain.ports.target import Dependency, Found, NaturalKey, Part, Step, Target
from connector.domain.reasons import Reason
from connector.domain.vendor_error import VendorError

from .adoption import Adopted, Nothing, judge
from .failures import after_failure, outcome_of
from .lookup import link_key
from .rendering import TargetOf
from .work import Work, blocked, is_current, next_step

LINKED_BY_RULES = (Entity.SUPPLIER, Entity.REFERENCE)
"""Parties and codes exist on both sides without us: the flow's rules may link them. Documents need our mark."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A part of a row, to be asked for in the target."""

    work: Work
    part: Part


class Examiner:
    """Batches the questions of many rows into few vendor calls; a failed call judges the rows that asked."""

    def __init__(self, target_of: TargetOf, dispatch: Dispatch, randomness: Randomness) -> None:
        self._target_of = target_of
        self._dispatch = dispatch
        self._randomness = randomness

    async def examine(self, works: Sequence[Work]) -> None:
        """See each part's object as it is now, adopt what is provably ours, and settle what became of open calls."""
        going_on = [work for work in works if work.judgement is None]
        questions = [
            _Question(work, part) for work in going_on for part in work.rendered.parts if not is_current(work, part)
        ]
        await self._read(question for question in questions if question.part.name in question.work.objects)
        await self._look_up(question for question in questions if not _seen_live(question))
        for work in going_on:
            if work.judgement is None:
                _close_open_calls(work)

    async def read_back(self, works: Sequence[Work]) -> None:
        """See the part just written, where the answer to the step did not show it."""
        unseen = [_Question(work, work.part) for work in works if work.part.name not in work.found]
        if not unseen:
            return
        await self._read(question for question in unseen if question.part.name in question.work.objects)
        await self._look_up(question for question in unseen if not _seen_live(question))

    async def look_up_again(self, works: Sequence[Work]) -> None:
        """Look up by natural key the parts that are about to be created."""
        await self._look_up(_Question(work, work.part) for work in works)

    def decide(self, work: Work) -> None:
        """Plan the next step, or judge the row."""
        work.step = None
        try:
            decided = next_step(work, self._target(work).plan)
        except Exception as error:
            message = f"Planning it failed: {type(error).__name__}: {error}"
            decided = blocked(work, [Reason(code="cannot-plan", message=message)])
        if isinstance(decided, Step):
            work.step = decided
        else:
            work.judge(decided)

    async def _read(self, questions: Iterable[_Question]) -> None:
        for target, traffic, asked in self._grouped(questions):
            by_resource: defaultdict[str, list[_Question]] = defaultdict(list)
            for question in asked:
                by_resource[question.work.objects[question.part.name].resource].append(question)
            for resource, group in by_resource.items():
                ids = sorted({q.work.objects[q.part.name].object.target_id for q in group})
                try:
                    found = await target.read(resource, ids, traffic)
                except (VendorError, GateError) as error:
                    self._give_up(group, error)
                    continue
                for q in group:
                    q.work.found[q.part.name] = found.get(q.work.objects[q.part.name].object.target_id)

    async def _look_up(self, questions: Iterable[_Question]) -> None:
        for target, traffic, asked in self._grouped(questions):
            keys = sorted({question.part.natural_key for question in asked}, key=str)
            try:
                hits = dict(await target.look_up(keys, traffic))
                seen = await self._seen_of_owners(asked, hits)
                if seen:
                    taken = [key for key in keys if any(found.stamp in seen for found in hits.get(key, ()))]
                    hits |= await target.look_up(taken, traffic)
            except (VendorError, GateError) as error:
                self._give_up(asked, error)
                continue
            for question in asked:
                self._adopt(question, hits.get(question.part.natural_key, ()), target, seen)

    async def _seen_of_owners(
        self, questions: Sequence[_Question], hits: Mapping[NaturalKey, Sequence[Found]]
    ) -> Mapping[str, Dependency]:
        """By stamp: the links of other documents of ours that hold a number asked for, as they are before the target is
        looked at again. Whoever lets the number go after that look changes its link, and so wakes who waits for it."""
        owners = {
            found.stamp: ref
            for question in questions
            if question.work.due.row.entity not in LINKED_BY_RULES
            for found in hits.get(question.part.natural_key, ())
            if found.live and found.stamp and (ref := _another(question, found)) is not None
        }
        if not owners:
            return {}
        links = await self._dispatch.links(questions[0].work.due.target, list(owners.values()))
        versions = {ref: version for ref, (version, _) in links.items()}
        return {stamp: Dependency(link_key(ref), versions.get(ref)) for stamp, ref in owners.items()}

    def _adopt(
        self, question: _Question, hits: Sequence[Found], target: Target, seen: Mapping[str, Dependency]
    ) -> None:
        work, part = question.work, question.part
        work.looked_up.add(part.name)
        intents = [call for call in work.due.open_calls if call.part == part.name and call.creates]
        verdict = judge(part, hits, intents)
        if isinstance(verdict, Reason) and work.due.row.entity in LINKED_BY_RULES:
            verdict = _by_rules(part, hits, target, work, verdict)
        match verdict:
            case Adopted(found, proof):
                work.store(part, found, written=False, step="adopted")
                work.events.append(Event("adopted", {"part": part.name, "target_id": found.target_id, "proof": proof}))
            case Nothing():
                work.found.setdefault(part.name, None)
            case Reason() as reason:
                owners = [
                    seen[found.stamp]
                    for found in hits
                    if found.live and found.stamp is not None and found.stamp in seen
                ]
                work.judge(blocked(work, [reason], owners))

    def _give_up(self, questions: Iterable[_Question], error: Exception) -> None:
        outcome = outcome_of(error)
        for question in questions:
            if question.work.judgement is None:
                question.work.judge(after_failure(question.work, outcome, self._randomness))

    def _grouped(self, questions: Iterable[_Question]) -> Iterable[tuple[Target, TrafficClass, list[_Question]]]:
        groups: defaultdict[tuple[FlowId, TrafficClass], list[_Question]] = defaultdict(list)
        for question in questions:
            if question.work.judgement is None:
                groups[question.work.flow.id, question.work.due.traffic].append(question)
        for (_, traffic), group in groups.items():
            yield self._target(group[0].work), traffic, group

    def _target(self, work: Work) -> Target:
        return self._target_of(work.flow, work.connection)


def _seen_live(question: _Question) -> bool:
    found = question.work.found.get(question.part.name)
    return found is not None and found.live


def _another(question: _Question, found: Found) -> EntityRef | None:
    """The document whose mark it carries, where that is another one of this tenant's."""
    if found.owner is None or found.stamp == question.part.stamp:
        return None
    try:
        ref = EntityRef.parse(found.owner)
    except ValueError:
        return None
    return ref if ref.connection.tenant == question.work.due.row.flow.tenant else None


def _by_rules(part: Part, hits: Sequence[Found], target: Target, work: Work, otherwise: Reason) -> Adopted | Reason:
    live = [found for found in hits if found.live]
    if len(live) > 1 and all(found.stamp is None for found in live):
        return _ambiguous(part, live)
    if len(live) != 1:
        return otherwise
    against = target.same(part, live[0], work.flow.options)
    return Adopted(live[0], "rules of the flow") if against is None else against


def _ambiguous(part: Part, live: Sequence[Found]) -> Reason:
    ids = sorted(found.target_id for found in live)
    return Reason(
        code="ambiguous-in-target",
        message=f"More than one object there may be {part.stamp}: {', '.join(ids)}.",
        fix=f"Merge them in the target, or choose one: connector link {part.stamp} <its id>.",
        field=part.name,
    )


def _close_open_calls(work: Work) -> None:
    """Whatever the calls of unknown outcome did is visible by now: they are over. An object that is gone was taken away
    by the call that had it in hand, and not by people."""
    for call in work.due.open_calls:
        if _was_asked(work, call):
            found = work.found.get(call.part)
            if found is None and call.part in work.objects:
                work.reached(call.part, call.step)
            work.closed.append(Closed(call.call_id, call.part, "found" if found is not None else "absent"))
        elif work.due.released:
            work.closed.append(Closed(call.call_id, call.part, "released"))
        else:
            reason = Reason(
                code="call-unresolved",
                message=f"A {call.step} of part {call.part} had no answer, and the document has no such part now.",
                fix=f"Check in the target whether {call.part} was made, put it right there, then: connector release.",
            )
            work.judge(blocked(work, [reason]))


def _was_asked(work: Work, call: OpenCall) -> bool:
    return call.part in work.found or call.part in work.looked_up
