"""Creating calls without an answer whose object the document no longer speaks of.

Meanwhile the document was deleted, cancelled or given another number, or is about to be refused: what such a call may
have made is looked for where it was to be made, and taken over, so that it is cancelled, renamed or named to the source
like any other object of the document.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from connector.domain.identity import FlowId, TrafficClass
from connector.domain.ports.clock import Randomness
from connector.domain.ports.dispatch import Closed, Event, OpenCall
from connector.domain.ports.gate import GateError
from connector.domain.ports.target import Found, Measure, NaturalKey, Part, Target
from connector.domain.vendor_error import VendorError

from .adoption import doubles
from .failures import after_failure, outcome_of
from .work import Work, blocked, would_refuse


def orphans(work: Work) -> list[tuple[OpenCall, NaturalKey]]:
    """Its creating calls that no look-up of a rendered part will ask for."""
    unwritten = bool(work.rendered.findings) and work.rendered.excluded is None
    if unwritten and not would_refuse(work):
        return []  # it is not written now, and may speak of the object again once it is
    spoken_of = [] if unwritten or work.rendered.excluded else work.rendered.parts
    asked = {(part.name, part.natural_key) for part in spoken_of}
    return [
        (call, call.natural_key)
        for call in work.due.open_calls
        if call.creates
        and call.natural_key
        and not _made_there(work, call.part, call.natural_key)
        and (call.part, call.natural_key) not in asked
    ]


def _made_there(work: Work, part: str, key: NaturalKey) -> bool:
    """The part's object is where the call was to make it, and not one that it was to take the place of."""
    return part in work.objects and work.objects[part].resource == key.resource


async def take_over(works: Sequence[Work], target: Target, randomness: Randomness) -> list[Work]:
    """Look for what the orphans of these rows made; the rows that have an object more now.

    The rows are of one flow and class.
    """
    concerned = [work for work in works if orphans(work)]
    keys = sorted({key for work in concerned for _, key in orphans(work)}, key=str)
    try:
        hits = await target.look_up(keys, concerned[0].due.traffic)
    except (VendorError, GateError) as error:
        for work in concerned:
            work.judge(after_failure(work, outcome_of(error), randomness))
        return []
    resolved = {
        id(work): [_resolve(work, call, hits.get(key, ())) for call, key in orphans(work)] for work in concerned
    }
    return [work for work in concerned if any(resolved[id(work)])]


def by_call(works: Sequence[Work]) -> list[list[Work]]:
    """Rows with orphans, those together that one look-up can ask for."""
    groups: defaultdict[tuple[FlowId, TrafficClass], list[Work]] = defaultdict(list)
    for work in works:
        if work.judgement is None and orphans(work):
            groups[work.flow.id, work.due.traffic].append(work)
    return list(groups.values())


def _resolve(work: Work, call: OpenCall, hits: Sequence[Found]) -> bool:
    """Whether the call made an object that is ours now. Without our mark nothing is proven: the call stays open."""
    assert call.natural_key is not None
    live = [found for found in hits if found.live]
    ours = [found for found in live if found.owner == work.due.ref.key]
    mark = next((found.stamp for found in ours if found.stamp), work.due.ref.key)
    part = Part(call.part, call.natural_key, mark, {}, Measure())
    twice = doubles(part, ours)
    if twice is not None:
        work.judge(blocked(work, [twice]))
        return False
    if not ours and any(found.stamp is None and found.created_by_us for found in live):
        return False
    work.closed.append(Closed(call.call_id, call.part, "found" if ours else "absent"))
    work.due = replace(work.due, open_calls=[one for one in work.due.open_calls if one is not call])
    if ours:
        work.store(part, ours[0], written=False, step="adopted")
        del work.found[part.name]  # it is read with the parts that the document has now
        detail = {"part": part.name, "target_id": ours[0].target_id, "proof": "stamp"}
        work.events.append(Event("adopted", detail))
    return bool(ours)
