"""From desired rows to parts: rendered with recorded inputs, every question of a batch asked at once."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from pydantic import ValidationError

from connector.domain.digest import digest
from connector.domain.documents.envelope import RECORDS
from connector.domain.identity import ConnectionId, EntityRef, TrafficClass
from connector.domain.ports.clock import Randomness
from connector.domain.ports.configuration import Connection, Flow, Snapshot
from connector.domain.ports.dispatch import Dispatch, DueRow
from connector.domain.ports.gate import GateError
from connector.domain.ports.references import ReferenceEntry, ReferenceKey, References
from connector.domain.ports.target import RenderInput, Target
from connector.domain.reasons import Reason
from connector.domain.vendor_error import VendorError

from .failures import after_failure, outcome_of
from .lookup import Answers, RecordingLookup, link_key
from .orphans import by_call, take_over
from .work import Work, after_rendering, before_rendering, blocked, links_waited_out

TargetOf = Callable[[Flow, Connection], Target]
ROUNDS_AT_MOST = 20
"""A render that goes on asking after this many answers asks in a circle."""


def open_work(due: DueRow, snapshot: Snapshot) -> Work:
    """The row in hand, its record validated; one that can't be read is blocked."""
    flow = snapshot.flows[due.row.flow]
    work = Work(due, flow, snapshot.connections[flow.target], snapshot.epoch, objects=dict(due.objects))
    try:
        work.record = RECORDS[due.row.entity].model_validate_json(due.payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        message = f"The stored record does not fit this version's schema: {where}: {first['msg']}."
        work.judge(blocked(work, [Reason(code="unreadable-record", message=message, fix="Replay the document.")]))
    return work


class Renderer:
    def __init__(
        self,
        connection: ConnectionId,
        target_of: TargetOf,
        dispatch: Dispatch,
        references: References,
        randomness: Randomness,
        snapshot: Snapshot,
    ) -> None:
        self._connection = connection
        self._target_of = target_of
        self._dispatch = dispatch
        self._references = references
        self._randomness = randomness
        self._snapshot = snapshot
        self._answers = Answers()

    async def render(self, works: Sequence[Work]) -> None:
        """Render what can be rendered, and judge what may not be written."""
        for work in works:
            judgement = before_rendering(work)
            if work.judgement is None and judgement is not None:
                work.judge(judgement)
        todo = [work for work in works if work.judgement is None]
        await self._render_all(todo)
        asked: set[ReferenceKey] = set()
        while missed := await self._read_missing([work for work in todo if work.judgement is None], asked):
            await self._render_all(missed)
        for group in by_call(todo):
            await self._render_all(await take_over(group, self._target(group[0]), self._randomness))
        unjudged = [work for work in todo if work.judgement is None]
        coming = await self._coming(unjudged)
        for work in unjudged:
            judgement = after_rendering(work, coming)
            if judgement is not None:
                work.judge(judgement)

    async def _coming(self, works: Sequence[Work]) -> Collection[str]:
        """Links that rows wait for longer than they may, to documents that are still on their way to this target."""
        refs = {link_key(ref): ref for ref, answer in self._answers.links.items() if answer is None}
        asked = {refs[key] for work in works for key in links_waited_out(work) if key in refs}
        if not asked:
            return ()
        flows = [flow.id for flow in self._snapshot.into_target(self._connection)]
        return {link_key(ref) for ref in await self._dispatch.coming(self._connection, flows, asked)}

    async def _render_all(self, works: Sequence[Work]) -> None:
        pending = list(works)
        for _ in range(ROUNDS_AT_MOST):
            asking = [(work, lookup) for work in pending if not (lookup := self._render(work)).complete]
            if not asking:
                return
            await self._ask(lookup for _, lookup in asking)
            pending = [work for work, _ in asking]
        for work in pending:
            reason = Reason(code="cannot-render", message="Rendering it asks for ever more references and links.")
            work.judge(blocked(work, [reason]))

    def _render(self, work: Work) -> RecordingLookup:
        lookup = RecordingLookup(work.flow.id, self._snapshot, self._answers)
        wanted = RenderInput(
            row=work.due.row,
            source=work.due.source,
            target=work.due.target,
            document=work.record,
            options=work.flow.options,
            known=work.known(),
        )
        try:
            work.rendered = self._target(work).render(wanted, lookup)
        except Exception as error:
            if lookup.complete:
                message = f"Rendering it failed: {type(error).__name__}: {error}"
                work.judge(blocked(work, [Reason(code="cannot-render", message=message)]))
        work.inputs = lookup.inputs
        work.asked = dict(lookup.used)
        work.linked = frozenset(lookup.linked - {work.due.ref})
        return lookup

    async def _ask(self, lookups: Iterable[RecordingLookup]) -> None:
        links: set[EntityRef] = set()
        references: set[ReferenceKey] = set()
        linking: set[str] = set()
        for lookup in lookups:
            links |= lookup.unanswered_links
            references |= lookup.unanswered_references
            linking |= lookup.unanswered_linking
        if links:
            found = await self._dispatch.links(self._connection, links)
            self._answers.links.update({ref: found.get(ref) for ref in links})
        if linking:
            linked = await self._dispatch.linking(self._connection, linking)
            self._answers.linking.update({key: linked.get(key, ()) for key in linking})
        if references:
            entries = await self._references.read(references)
            self._answers.references.update({key: entries.get(key) for key in references})

    async def _read_missing(self, works: Sequence[Work], asked: set[ReferenceKey]) -> list[Work]:
        """Before a missing reference of the target becomes a reason, the target itself is asked for it once; an answer
        can lead to the next question (an account that needs a cost center)."""
        concerned: list[Work] = []
        codes: defaultdict[str, set[str]] = defaultdict(set)
        for work in works:
            keys = [key for key in self._missing_in_target(work) if key not in asked]
            for key in keys:
                codes[key.kind].add(key.code)
            if keys:
                concerned.append(work)
        if not concerned:
            return []
        asked |= {ReferenceKey(self._connection, kind, code) for kind, named in codes.items() for code in named}
        try:
            entries = await read_target_references(
                self._connection, self._target(concerned[0]), codes, concerned[0].due.traffic, self._references
            )
        except (VendorError, GateError) as error:
            for work in concerned:
                work.judge(after_failure(work, outcome_of(error), self._randomness))
            return []
        self._answers.references.update({entry.key: entry for entry in entries})
        return concerned if any(entry.body is not None for entry in entries) else []

    def _missing_in_target(self, work: Work) -> list[ReferenceKey]:
        blocking = {finding.missing for finding in work.rendered.findings if finding.severity == "block"}
        return [
            key
            for key, entry in self._answers.references.items()
            if str(key) in blocking and key.connection == self._connection and (entry is None or entry.body is None)
        ]

    def _target(self, work: Work) -> Target:
        return self._target_of(work.flow, work.connection)


async def read_target_references(
    connection: ConnectionId,
    target: Target,
    codes: Mapping[str, Collection[str]],
    traffic: TrafficClass,
    references: References,
) -> list[ReferenceEntry]:
    """One read a kind, stored as of before it was sent, so that a replica which was stopped meanwhile replaces nothing
    newer; a code that the target does not have is an entry without body."""
    entries: list[ReferenceEntry] = []
    as_of = await references.now()
    for kind, wanted in sorted(codes.items()):
        found = await target.reference(kind, sorted(wanted), traffic)
        for code in sorted(wanted):
            body = found.get(code)
            version = digest(dict(body) if body is not None else None)
            entries.append(ReferenceEntry(ReferenceKey(connection, kind, code), as_of, version, body))
    await references.upsert(entries)
    return entries
