"""The writers' tables in memory: one process, every method of the adapters on it is one transaction."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.domain.identity import ConnectionId, EntityRef, FlowId, Role, RowRef
from connector.domain.ports.configuration import OnMappingChange
from connector.domain.ports.desired import Desired
from connector.domain.ports.dispatch import Feedback, Intent, StoredObject
from connector.domain.ports.epochs import EpochLost, Hold
from connector.domain.ports.operations import ENDED, StoryLine
from connector.domain.ports.references import ReferenceEntry, ReferenceKey
from connector.domain.ports.target import Json, NaturalKey
from connector.domain.reasons import Reason
from connector.domain.sync.states import Cause, State, move

from .configuration import MemoryConfiguration
from .gate import MemoryBell


@dataclass(slots=True)
class Row:
    desired: Desired
    state: State
    cause: Cause
    due: datetime | None
    received_at: datetime
    state_since: datetime
    attempts: int = 0
    reasons: tuple[Reason, ...] = ()
    released: bool = False
    wait_until: datetime | None = None
    configuration: int = 0
    difference: Json | None = None
    synced_at: datetime | None = None
    inputs: dict[str, str | None] = field(default_factory=dict)

    @property
    def source_ref(self) -> EntityRef:
        return EntityRef(self.desired.source, self.desired.row.entity, self.desired.row.native_id)

    def means(self, which: OnMappingChange) -> bool:
        """Whether a changed mapping makes it due."""
        if which is not OnMappingChange.OPEN:
            return which is OnMappingChange.ALL
        document = json.loads(self.desired.payload).get("document") or {}
        return str(document.get("lifecycle", document.get("status"))) not in ENDED


@dataclass(slots=True)
class CallItem:
    row: RowRef
    call_id: str
    part: str
    step: str
    creates: bool
    opened_at: datetime
    not_after: datetime
    natural_key: NaturalKey | None = None
    outcome: str | None = None

    @property
    def unresolved(self) -> bool:
        return self.outcome in (None, "unknown")


@dataclass(slots=True)
class Holder:
    epoch: int
    holder: str
    expires_at: datetime


@dataclass(slots=True)
class AnswerState:
    """How far telling one verdict is."""

    due: datetime | None
    attempts: int = 0
    refused: int = 0
    request_id: str | None = None
    not_after: datetime | None = None
    opened: bool = False
    ended: str | None = None
    detail: str = ""

    @property
    def left(self) -> bool:
        return self.opened or self.ended is not None


ObjectKey = tuple[ConnectionId, EntityRef]
"""Target connection and source document: links are not per flow."""


class MemoryTables:
    """All of a writer's state; `now` is this database's clock."""

    def __init__(self, now: Callable[[], datetime], configuration: MemoryConfiguration | None = None) -> None:
        self.now = now
        self.configuration = configuration or MemoryConfiguration()
        self.bell = MemoryBell()
        self.epochs: dict[tuple[ConnectionId, Role], Holder] = {}
        self.rows: dict[RowRef, Row] = {}
        self.objects: defaultdict[ObjectKey, dict[str, StoredObject]] = defaultdict(dict)
        self.owners: dict[tuple[ConnectionId, str, str], EntityRef] = {}
        self.intents: dict[str, Intent] = {}
        self.items: defaultdict[RowRef, list[CallItem]] = defaultdict(list)
        self.waits: defaultdict[tuple[str, str], dict[RowRef, str | None]] = defaultdict(dict)
        """By tenant and key: who waits, and the version each saw."""
        self.references: dict[ReferenceKey, ReferenceEntry] = {}
        self.feedback: dict[tuple[EntityRef, int], Feedback] = {}
        self.feedback_flows: dict[tuple[EntityRef, int], FlowId] = {}
        self.answers: dict[tuple[EntityRef, int], AnswerState] = {}
        self.audit: defaultdict[RowRef, list[StoryLine]] = defaultdict(list)

    def require_epoch(self, connection: ConnectionId, role: Role, epoch: int) -> None:
        """Raise EpochLost unless this is the current epoch."""
        holder = self.epochs.get((connection, role))
        if holder is None or holder.epoch != epoch or holder.expires_at < self.now():
            raise EpochLost(f"epoch {epoch} of {connection} ({role}) is over")

    def require(self, hold: Hold) -> None:
        self.require_epoch(hold.connection, hold.role, hold.epoch)

    def note(self, row: RowRef, event: str, detail: Json, actor: str = "connector") -> None:
        self.audit[row].append(StoryLine(self.now(), event, actor, detail))

    def in_s(self, seconds: float) -> datetime:
        return self.now() + timedelta(seconds=seconds)

    def make_due(self, row: RowRef) -> None:
        """Look at the row now, and wake the dispatcher of its target."""
        found = self.rows[row]
        found.state = move(found.state, State.DUE)
        found.due = found.state_since = self.now()
        self.ring(found.desired.target)

    def tell(self, document: EntityRef, flow: FlowId, feedback: Feedback) -> None:
        """Keep a verdict for the source: the first of its round, or instead of one that has not left; none instead of a
        refusal."""
        key = (document, feedback.round)
        before = self.feedback.get(key)
        if before is not None and (before.verdict is State.REJECTED or self.answer(key).left):
            return
        self.feedback[key], self.feedback_flows[key] = feedback, flow
        self.answer(key).due = self.now()
        self.bell.ring(f"answer/{feedback.source}")

    def answer(self, key: tuple[EntityRef, int]) -> AnswerState:
        return self.answers.setdefault(key, AnswerState(self.now()))

    def of_an_older_mapping(self, row: Row) -> bool:
        """Whether it was rendered with a mapping entry that is another now, and its flow minds."""
        snapshot, flow = self.configuration.snapshot, row.desired.row.flow
        declared = snapshot.flows.get(flow)
        if declared is None or not row.means(declared.on_mapping_change):
            return False
        for name, version in row.inputs.items():
            kind, _, entry = name.partition(":")
            table, _, key = entry.partition("/")
            if kind == "mapping":
                now = snapshot.mappings.get((flow, table), {}).get(key)
                if (now.version if now else None) != version:
                    return True
        return False

    def ring(self, target: ConnectionId) -> None:
        self.bell.ring(f"write/{target}")

    def waited_for(self, row: RowRef) -> list[tuple[str, str]]:
        """Tenant and key of what it waits for, or is blocked by."""
        return [key for key, waiting in self.waits.items() if row in waiting]

    def stop_waiting(self, row: RowRef) -> None:
        for key in self.waited_for(row):
            del self.waits[key][row]
            if not self.waits[key]:
                del self.waits[key]

    def wake(self, tenant: str, key: str) -> None:
        """Whoever waits for this, or is blocked by it, is judged again."""
        for row in list(self.waits.pop((tenant, key), {})):
            if row in self.rows and self.rows[row].state in (State.WAITING, State.BLOCKED):
                self.make_due(row)

    def version_of(self, target: ConnectionId, key: str) -> str | None:
        """The present version of a link or reference; mapping entries are not kept here."""
        kind, _, name = key.partition(":")
        if kind == "link":
            objects = self.objects.get((target, EntityRef.parse(name)))
            return objects[min(objects)].version if objects else None
        if kind == "reference":
            tenant, connection, reference, code = name.split("/", 3)
            entry = self.references.get(ReferenceKey(ConnectionId(tenant, connection), reference, code))
            return entry.version if entry is not None and entry.body is not None else None
        return None
