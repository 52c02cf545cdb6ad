"""What people ask and do about rows: why they are stuck, their whole story, letting them go, deciding a link."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connector.domain.identity import ConnectionId, Entity, FlowId, RowRef
from connector.domain.reasons import Reason
from connector.domain.sync.states import Cause, State

from .configuration import OnMappingChange
from .dispatch import StoredObject
from .gate import GATE_CLOSED
from .target import Json, OutcomeKind

STUCK = frozenset({State.WAITING, State.BLOCKED, State.HELD, State.FAILED, State.REJECTED})
RELEASABLE = frozenset({State.WAITING, State.BLOCKED, State.HELD, State.FAILED})
NO_CALL = frozenset({GATE_CLOSED, str(OutcomeKind.REAUTHORISE)})
"""Reasons of due rows that rest because no call could be made."""
ENDED = frozenset({"closed", "cancelled", "booked", "rejected"})
"""Lifecycles of orders and statuses of invoices at the source that are not open any more."""


@dataclass(frozen=True, slots=True)
class StuckBy:
    """Rows of one flow that share a cause; `examples` are up to five of them."""

    flow: FlowId
    state: State
    reason: Reason
    count: int
    examples: Sequence[RowRef]


@dataclass(frozen=True, slots=True)
class RowView:
    """A row as people see it."""

    row: RowRef
    number: str | None
    state: State
    state_since: datetime
    reasons: Sequence[Reason]
    attempts: int
    due_at: datetime | None
    read_at: datetime
    translation_version: int
    difference: Json | None
    objects: Mapping[str, StoredObject]
    document: str
    """The canonical record's JSON."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """What would be written of a held row: part, verb, steps, and `wanted` beside `found` (None: not there yet)."""

    row: RowRef
    number: str | None
    difference: Json


@dataclass(frozen=True, slots=True)
class StoryLine:
    at: datetime
    event: str
    actor: str
    detail: Json


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows an order is for; every given condition has to hold."""

    flow: FlowId
    states: frozenset[State]
    entity: Entity | None = None
    native_ids: Collection[str] | None = None
    code: str | None = None
    """Rows with a reason of this code."""
    missing: str | None = None
    """Rows with a reason that names this as missing."""


class Operations(Protocol):
    async def stuck(self, flow: FlowId) -> Sequence[StuckBy]:
        """Grouped by cause, most rows first; a row with several reasons counts for each."""
        ...

    async def counts(self, tenant: str) -> Mapping[FlowId, Mapping[Entity, Mapping[State, int]]]: ...

    async def oldest_due(self, tenant: str) -> Mapping[FlowId, datetime]:
        """Since when each flow's longest-due row is due; flows without one are absent."""
        ...

    async def find(self, tenant: str, text: str) -> Sequence[RowRef]:
        """Rows whose native id or number is just this text, or whose object in the target has this id."""
        ...

    async def row(self, row: RowRef) -> RowView | None: ...

    async def story(self, row: RowRef) -> Sequence[StoryLine]:
        """What came in, what it became, each call, each decision; in order."""
        ...

    async def count(self, selection: Selection) -> int:
        """How many rows an order would be for: shown before it is given."""
        ...

    async def withheld(self, selection: Selection, limit: int) -> Sequence[Withheld]:
        """The differences of held rows, in the order of their names."""
        ...

    async def release(self, selection: Selection, actor: str) -> int:
        """Make stuck rows due with fresh attempts, past the brake; how many. Each row's story says who did."""
        ...

    async def again(self, selection: Selection, cause: Cause, actor: str) -> int:
        """Make rows due although their source did not change (a replay on purpose); the brake counts them."""
        ...

    async def hurry(self, connection: ConnectionId) -> None:
        """Somebody logged in to this target: rows that rest because no call could be made are due at once."""
        ...

    async def link(self, row: RowRef, part: str, resource: str, target_id: str, actor: str) -> None:
        """A person decides that the object is this row's; the row is due. Raises ValueError where it is another's."""
        ...

    async def users(self, flow: FlowId, keys: Collection[str], which: OnMappingChange) -> int:
        """How many synced rows, of all or of those whose document is open, were rendered with one of these
        dependencies."""
        ...

    async def touch(self, flow: FlowId, keys: Collection[str], which: OnMappingChange, actor: str) -> int:
        """A mapping entry changed: make due the rows that wait for it or are blocked by it, and these synced ones that
        used it. How many."""
        ...
