"""What the tenants declared: connections, flows, mapping tables; each applied version has a higher epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Protocol

from connector.domain.identity import ConnectionId, Entity, FlowId


class FlowState(StrEnum):
    DRY_RUN = "dry-run"
    LIVE = "live"
    PAUSED = "paused"


class OnMappingChange(StrEnum):
    """Which synced rows a changed mapping or reference makes due."""

    NONE = "none"
    OPEN = "open"
    """Those whose document is still open at its source: neither closed, booked nor cancelled."""
    ALL = "all"


class OnBlock(StrEnum):
    HOLD = "hold"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Connection:
    """One vendor account. `settings` are the system's own, validated by its room; `paused` says why, or None."""

    id: ConnectionId
    system: str
    settings: Any
    paused: str | None = None
    call_deadline_s: float = 30.0
    processing_s: float = 120.0
    """How long after a call's deadline the vendor may still carry it out."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One way from a source connection to a target connection. `options` are validated by the flow kind's model."""

    id: FlowId
    kind: str
    source: ConnectionId
    target: ConnectionId
    entities: frozenset[Entity]
    references: frozenset[str] = frozenset()
    """Reference kinds that also become objects in the target."""
    state: FlowState = FlowState.DRY_RUN
    start_date: date | None = None
    options: Any = None
    on_mapping_change: OnMappingChange = OnMappingChange.NONE
    on_block: OnBlock = OnBlock.HOLD
    feedback: bool = False
    exclude_origin: frozenset[str] = frozenset()
    """Flows whose own documents at the source are not carried on."""
    wait_s: float = 900.0
    """How long a row may wait for something that should come by itself before people are told."""


@dataclass(frozen=True, slots=True)
class MappingEntry:
    value: str
    version: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The configuration of all tenants at one epoch."""

    epoch: int
    connections: Mapping[ConnectionId, Connection]
    flows: Mapping[FlowId, Flow]
    mappings: Mapping[tuple[FlowId, str], Mapping[str, MappingEntry]] = field(default_factory=dict)
    """By flow and table name."""

    def from_source(self, source: ConnectionId) -> Sequence[Flow]:
        return [flow for flow in self.flows.values() if flow.source == source]

    def into_target(self, target: ConnectionId) -> Sequence[Flow]:
        return [flow for flow in self.flows.values() if flow.target == target]


class Configuration(Protocol):
    async def current(self) -> Snapshot:
        """The newest applied configuration; cheap to ask, cached until it changes."""
        ...

    async def changed(self, epoch: int, timeout_s: float) -> None:
        """Return when a later epoch than this one is applied, or after the time-out."""
        ...
