"""What a dispatcher keeps: due rows, intents of calls, objects in the target, verdicts. Every change names its hold."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from connector.domain.digest import digest
from connector.domain.documents.envelope import RecordStatus
from connector.domain.identity import ConnectionId, EntityRef, FlowId, Revision, RowRef, TrafficClass
from connector.domain.reasons import Reason
from connector.domain.sync.states import Cause, State

from .epochs import Hold
from .references import ReferenceKey
from .target import Dependency, Json, LinkedObject, NaturalKey, OutcomeKind, TargetObject


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call of which nobody knows yet whether it was carried out."""

    call_id: str
    part: str
    step: str
    creates: bool
    opened_at: datetime
    not_after_in_s: float
    """Until the call can no longer be on its way, by the database's clock; negative once past."""
    natural_key: NaturalKey | None = None
    """Where a creating call's object is to be looked for, whatever its document says by now."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a part's object in the target is to us: its link. `state` is the target's own word."""

    resource: str
    state: str
    object: TargetObject

    @property
    def version(self) -> str:
        """Changes whenever those who depend on the object should look again."""
        known = self.object
        return digest([known.target_id, dict(known.sub_ids), self.state, dict(known.extra)])


def linked(parts: Mapping[str, StoredObject]) -> tuple[str, LinkedObject]:
    """A document's objects as others see them, with the version that waits compare: the first part's."""
    shown = {
        name: LinkedObject(
            stored.object.target_id,
            stored.object.sub_ids,
            stored.state,
            stored.object.extra,
            frozen=stored.object.frozen,
        )
        for name, stored in sorted(parts.items())
    }
    first = min(parts)
    return parts[first].version, replace(shown[first], parts=shown)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the source is told, or was told, of one round of a document."""

    verdict: State
    reasons: Sequence[Reason]
    left: bool
    """It left, or may have left: it cannot be another one any more."""


@dataclass(frozen=True, slots=True)
class DueRow:
    """A row to be judged, with all that is known of it."""

    row: RowRef
    source: ConnectionId
    target: ConnectionId
    revision: Revision
    content_digest: str
    resolved_digest: str
    status: RecordStatus
    traffic: TrafficClass
    cause: Cause
    state: State
    attempts: int
    released: bool
    """A person (or the brake's own count) let it be written despite the brake."""
    wait_in_s: float | None
    """Seconds until its waiting ends in blocked; None where it isn't waiting."""
    received_s: float
    """Seconds since its newest revision came in."""
    payload: str
    objects: Mapping[str, StoredObject]
    open_calls: Sequence[OpenCall]
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    """By round, where the source asks for answers."""
    traceparent: str | None = None
    """Of the trace that its newest revision is a part of."""

    @property
    def ref(self) -> EntityRef:
        return EntityRef(self.source, self.row.entity, self.row.native_id)

    @property
    def trace(self) -> str | None:
        """The traceparent that its writing goes on with; None where it isn't written for a change at its source."""
        return self.traceparent if self.cause is Cause.SOURCE else None


@dataclass(frozen=True, slots=True)
class Standing:
    """A synced row, and its objects as they were left in the target."""

    row: RowRef
    objects: Mapping[str, StoredObject]


@dataclass(frozen=True, slots=True)
class IntentItem:
    row: RowRef
    part: str
    step: str
    creates: bool
    natural_key: NaturalKey | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """One vendor request about to be sent, for one or more rows."""

    call_id: str
    method: str
    resource: str
    deadline_s: float
    items: Sequence[IntentItem]


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of one row's share in a call."""

    call_id: str
    part: str
    outcome: str
    """An OutcomeKind, or what a look-up found out later: `found`, `absent`."""
    status: int | None = None
    request_id: str | None = None
    duration_ms: int | None = None

    @property
    def unresolved(self) -> bool:
        return self.outcome == OutcomeKind.UNKNOWN


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a record's story."""

    name: str
    detail: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feedback:
    """A verdict the source system is to be told, once a round."""

    source: ConnectionId
    round: int
    verdict: State
    reasons: Sequence[Reason]
    target: Json


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where a row goes. `due_in_s` is when it has to be looked at again: a retry, or the end of its waiting."""

    state: State
    due_in_s: float | None = None
    attempts: int = 0
    reasons: Sequence[Reason] = ()
    waits: Sequence[Dependency] = ()
    """What it waits for, each with the version it saw (None: missing)."""
    wait_in_s: float | None = None
    difference: Json | None = None
    configuration: int = 0
    """The configuration's epoch that judged it."""
    feedback: Feedback | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """Everything that one step, or one verdict, changes of one row: stored together or not at all."""

    due: DueRow
    closed: Sequence[Closed] = ()
    objects: Mapping[str, StoredObject] = field(default_factory=dict)
    inputs: Sequence[Dependency] | None = None
    """None where they are as stored before."""
    judgement: Judgement | None = None
    """None where the row goes on."""
    events: Sequence[Event] = ()


class Dispatch(Protocol):
    """Concurrent calls may share a transaction; each still succeeds or fails as a whole."""

    async def claim(
        self,
        hold: Hold,
        flows: Collection[FlowId],
        limit: int,
        exclude: Collection[RowRef],
        last: TrafficClass = TrafficClass.BACKFILL,
    ) -> Sequence[DueRow]:
        """Up to `limit` due rows of these flows and the classes of traffic up to `last`, taking turns between flows and
        classes, oldest first.

        Nothing is marked: rows in the caller's hands are named in `exclude`. Raises EpochLost.
        """
        ...

    async def next_due_in_s(self, hold: Hold, flows: Collection[FlowId]) -> float | None:
        """Seconds until the next row that isn't due yet is (0 or less: now); None if there is none."""
        ...

    async def changed(self, target: ConnectionId, timeout_s: float) -> None:
        """Return when rows of this target may have become due, or after the time-out."""
        ...

    async def open_call(self, hold: Hold, intent: Intent) -> None:
        """Commit the intent, with not_after = the database's clock + its deadline. Raises EpochLost."""
        ...

    async def settle(self, hold: Hold, settlements: Sequence[Settlement]) -> Mapping[RowRef, str]:
        """Store outcomes, objects, verdicts, waits and events, and wake who waited for what is now there.

        A row whose content changed since it was claimed stays due. A row that would wait for something that came
        meanwhile is due again. Raises EpochLost. Returned are rows of which nothing was stored, because an object of
        theirs belongs to another document, with that document's key.
        """
        ...

    async def links(
        self, target: ConnectionId, refs: Collection[EntityRef]
    ) -> Mapping[EntityRef, tuple[str, LinkedObject]]:
        """Version and object of each source document that has one in this target."""
        ...

    async def linking(self, target: ConnectionId, keys: Collection[str]) -> Mapping[str, Sequence[LinkedObject]]:
        """By key: the objects in this target of documents whose last render used it."""
        ...

    async def needed(self, hold: Hold, refs: Collection[EntityRef]) -> Collection[EntityRef]:
        """Those of the source documents that others link to which are still to be written to this target, whatever
        holds them up; what was never rendered may link to any."""
        ...

    async def coming(
        self, target: ConnectionId, flows: Collection[FlowId], refs: Collection[EntityRef]
    ) -> Collection[EntityRef]:
        """Those of the source documents that have an object in this target by now, or may get one without a person: a
        row in one of its flows is due, or waiting; one that waits longer than it may, for a row that is coming."""
        ...

    async def waited_references(self, hold: Hold) -> Sequence[ReferenceKey]:
        """References of this target that rows wait for or are blocked by."""
        ...

    async def standing(self, hold: Hold, flows: Collection[FlowId], limit: int, unseen_s: float) -> Sequence[Standing]:
        """Synced rows that were last seen in the target at least so long ago, the longest first; those that became no
        object are left out. Raises EpochLost."""
        ...

    async def seen(self, hold: Hold, rows: Collection[RowRef], changed: Collection[RowRef]) -> None:
        """The rows were looked at just now. The changed ones among them, as far as they are synced still, are due with
        the cause SWEEP. Raises EpochLost."""
        ...

    async def report(self, row: RowRef, event: Event) -> None:
        """Add to a record's story without holding the epoch: only what a look at the target has shown."""
        ...

    async def rejudge(self, hold: Hold, flow: FlowId, configuration: int, *, live: bool) -> int:
        """Make due the flow's rows that an older configuration blocked and, where the flow is live now, those that its
        dry run held; how many."""
        ...

    async def brake(self, hold: Hold, flow: FlowId, allowed_count: int, allowed_share: float) -> int | None:
        """Count the flow's rows held for mass change; where they are few enough, let them go.

        None while rows of the flow that nobody changed at the source still wait to be judged. Few enough is at most
        `allowed_count` or `allowed_share` of the flow's synced rows, whichever is more.
        """
        ...
