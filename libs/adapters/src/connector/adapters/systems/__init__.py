"""The vendors' rooms, found by folder name: a new system is a new folder here, and no change anywhere else.

A room's `room.py` offers what its system can be; everything heavy is imported inside the functions. It is a module of
its own because its functions are named as other modules of the folder: in `__init__.py` a submodule, once imported,
would take the function's place.

- always: `SYSTEM`, `Settings` (pydantic, what a connection needs), `SECRETS` (field name -> what it is);
- as a source: `TRANSLATIONS`, `jobs(settings)`, `source(parts)`;
- as a source that asks for answers: `responder(parts)`;
- as a target: `FLOWS` (flow kinds that write here), `target(parts, flow_kind)`, `ANSWERS_OF_A_DAY`;
- with webhooks: `webhook(settings, secrets)`, giving a `WebhookVerifier`;
- with ping: `ping(parts)`.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

from pydantic import BaseModel

from connector.domain.documents.translation import Translations
from connector.domain.identity import ConnectionId, Entity
from connector.domain.ports.answers import Responder
from connector.domain.ports.configuration import Flow
from connector.domain.ports.gate import Gate
from connector.domain.ports.source import JobKind, Notice, Source
from connector.domain.ports.target import Target


class UnknownSystem(ValueError):
    """No room of that name."""


@dataclass(frozen=True, slots=True)
class FlowKind:
    """A way from one system to another. `options` validates what a tenant may choose of it."""

    name: str
    source: str
    target: str
    entities: frozenset[Entity]
    options: type[BaseModel]
    references: frozenset[str] = frozenset()
    """Reference kinds the flow may turn into objects of the target."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """Mapping tables the flow uses: name -> what its keys and values are."""
    feedback: bool = False
    """Verdicts on its documents go back to the source system."""


@dataclass(frozen=True, slots=True)
class RoomParts:
    """What a room is given to make calls with: everything it knows of the world."""

    connection: ConnectionId
    settings: Any
    """The room's own `Settings`, validated."""
    gate: Gate
    http: Any
    """The shared HTTP client (`adapters.http`)."""
    stores: Mapping[str, Any] = field(default_factory=dict)
    """Stores of the room's own, by name, where its system needs one."""
    public_base_url: str | None = None
    """Where vendors reach ingest; None where no webhooks are wanted."""
    endpoint_id: str | None = None
    """The unguessable last segment of this connection's webhook address."""
    flows_into: Sequence[Flow] = ()
    """Flows that write to this connection."""

    @property
    def webhook_address(self) -> str | None:
        """Where the vendor delivers this connection's webhooks; None where it can't."""
        if self.public_base_url is None or self.endpoint_id is None:
            return None
        return f"{self.public_base_url}/webhooks/{self.endpoint_id}"


class Verdict(Protocol):
    """What became of one delivery: `status` for the vendor, `publish` whether the body goes to the log."""

    @property
    def status(self) -> int: ...
    @property
    def publish(self) -> bool: ...
    @property
    def reason(self) -> str: ...


class WebhookVerifier(Protocol):
    def verify(self, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Over the raw bytes, in constant time; 401 on any doubt."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `connector ping`."""

    name: str
    passed: bool
    detail: str
    fix: str | None = None


class Room(Protocol):
    """The surface of a room; absent attributes mean that the system is not used that way."""

    SYSTEM: str
    Settings: type[BaseModel]
    SECRETS: Mapping[str, str]
    FLOWS: Sequence[FlowKind]
    TRANSLATIONS: Translations
    LINKED: Mapping[Entity, tuple[str, str]]
    """Part and resource of the one object that a document of each kind is in this target, for `connector link`."""
    ANSWERS_OF_A_DAY: frozenset[str]
    """Kinds of references that only documents read on one day ask for: their number grows with the days."""

    @staticmethod
    def jobs(settings: Any) -> Sequence[JobKind]: ...
    @staticmethod
    def source(parts: RoomParts) -> Source: ...
    @staticmethod
    def responder(parts: RoomParts) -> Responder: ...
    @staticmethod
    def target(parts: RoomParts, flow_kind: str) -> Target: ...
    @staticmethod
    def webhook(settings: Any, secrets: Mapping[str, Any]) -> WebhookVerifier: ...
    @staticmethod
    def notices(body: bytes) -> Sequence[Notice]: ...
    @staticmethod
    async def ping(parts: RoomParts) -> Sequence[Check]: ...


@cache
def names() -> Sequence[str]:
    """Every system that has a room."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(__path__)
        if module.ispkg and find_spec(f"{__name__}.{module.name}.room") is not None
    )


@cache
def room(system: str) -> Room:
    if system not in names():
        raise UnknownSystem(f"there is no system {system!r}: use one of {', '.join(names())}")
    module: Any = importlib.import_module(f"{__name__}.{system}.room")
    return module  # type: ignore[no-any-return]


@cache
def flow_kinds() -> Mapping[str, FlowKind]:
    kinds = [kind for system in names() for kind in getattr(room(system), "FLOWS", ())]
    return {kind.name: kind for kind in kinds}


__all__ = [
    "Check",
    "FlowKind",
    "Room",
    "RoomParts",
    "UnknownSystem",
    "Verdict",
    "WebhookVerifier",
    "flow_kinds",
    "names",
    "room",
]


def answers_of_a_day() -> frozenset[str]:
    """Of every system; see `Room`."""
    none: frozenset[str] = frozenset()
    return none.union(*(getattr(room(system), "ANSWERS_OF_A_DAY", none) for system in names()))
