"""What a vendor's room offers where the vendor is a target. Implemented in `systems/*/target.py`.

The dispatcher drives it: render -> (wait | block) -> look up -> plan -> execute step by step -> read back. A room knows
the vendor's shapes; it keeps no state and decides nothing about retries, intents or adoption.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId, RowRef, TrafficClass
from connector.domain.reasons import Reason

Json = Mapping[str, Any]


class Verb(StrEnum):
    """What a plan does to a part's object in the target."""

    NONE = "none"
    CREATE = "create"
    UPDATE = "update"
    CANCEL = "cancel"
    CLOSE = "close"
    REPLACE = "replace"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """How the target itself would find an object: a resource and the field values that identify it there."""

    resource: str
    fields: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.resource}({', '.join(f'{name}={value}' for name, value in self.fields)})"


@dataclass(frozen=True, slots=True)
class Measure:
    """The figures both sides must agree on before a write is committed (None: the target can't say)."""

    payable: Decimal | None = None
    net: Decimal | None = None
    vat: Decimal | None = None
    currency: str | None = None
    credit: bool | None = None
    lines: int | None = None
    references: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """An object as the target shows it now."""

    target_id: str
    natural_key: NaturalKey
    stamp: str | None
    """Our mark on it (`tenant/connection/entity/native id`), as read; None where it carries none."""
    status: str
    """The target's own word."""
    live: bool
    """False for voided, cancelled, abandoned objects: look-ups for adoption ignore them."""
    projection: Json
    """The part of it that render() speaks of, in the same shape, for comparing digests."""
    sub_ids: Mapping[str, str] = field(default_factory=dict)
    """Our line id -> the target's line id."""
    measure: Measure = Measure()
    created_by_us: bool = False
    """Made by our integration user (the second half of an adoption proof without a stamp)."""
    created_at: str | None = None
    extra: Json = field(default_factory=dict)
    document: str | None = None
    """The document that the stamp names, where the stamp says more than that."""

    @property
    def owner(self) -> str | None:
        """The key of the document whose mark it carries."""
        return self.document or self.stamp


@dataclass(frozen=True, slots=True)
class Part:
    """One object that a row wants in the target."""

    name: str
    """Stable within the row (`order`, `project-1000`): the key of its target_object."""
    natural_key: NaturalKey
    stamp: str
    wanted: Json
    """The target's projection of the document: what is compared, and what is sent."""
    measure: Measure
    gone: bool = False
    """The source deleted or cancelled it: plan cancel, close or void instead of create."""
    frozen: Json = field(default_factory=dict)
    """What later renders must keep as it is now (accounts per line): stored with the object, given back in `known`."""
    alone: NaturalKey | None = None
    """A number that only one object may have although the target does not see to it: rows that want the same take
    turns, so that each finds what the one before has made."""
    siblings: Mapping[str, str] = field(default_factory=dict)
    """Target ids of the row's other parts by name, as far as they exist; filled in when the part is planned."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something a render used or missed. `key` is `mapping:<table>/<key>`, `reference:<connection>/<kind>/<code>` or
    `link:<connection>/<entity>/<native id>`; `version` is what it was when used, None when it was missing."""

    key: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What one desired row becomes.

    All findings at once. `excluded` names why the row is not to be written at all (unapproved, before-start, ...).
    Missing dependencies (version None in `inputs`) make the row wait, then block, with the findings that name them.
    """

    parts: Sequence[Part] = ()
    inputs: Sequence[Dependency] = ()
    findings: Sequence[Reason] = ()
    excluded: Reason | None = None


@dataclass(frozen=True, slots=True)
class LinkedObject:
    """Where another source document lives in this target."""

    target_id: str
    sub_ids: Mapping[str, str]
    state: str
    extra: Json = field(default_factory=dict)
    parts: Mapping[str, "LinkedObject"] = field(default_factory=dict)
    """All of its objects by part name, where it became more than one; the fields above are the first one's."""
    frozen: Json = field(default_factory=dict)
    """What the part's last render stored with it."""


class Lookup(Protocol):
    """What render() may ask; every question is recorded as an input, hit or miss. No I/O: answers come from memory
    that the dispatcher filled, so a question can also answer `unknown yet` by raising NeedsAnswer inside."""

    def mapping(self, table: str, key: str) -> str | None:
        """An entry of the flow's mapping tables."""
        ...

    def pattern(self, table: str, key: str) -> str | None:
        """The entry whose key fits, `*` in it standing for any text; of several the one with the most fixed text."""
        ...

    def reference(self, connection: ConnectionId, kind: str, code: str) -> Json | None:
        """A reference record (GL account, term, lookup value...) of either side, as last read."""
        ...

    def link(self, ref: EntityRef) -> LinkedObject | None:
        """The target object of another source document in this target."""
        ...

    def linking(self, key: str) -> Sequence[LinkedObject]:
        """The objects in this target of documents whose last render used the key (`link:...`, `reference:...`). What
        they are is no input: it is asked anew whenever this document is rendered."""
        ...


@dataclass(frozen=True, slots=True)
class TargetObject:
    """What we know of a part's object: the link, its line ids, and what was last written and read back."""

    target_id: str
    sub_ids: Mapping[str, str]
    generation: int
    written_digest: str | None
    step_reached: str | None
    """The last step of an unfinished plan, None when the plan is complete."""
    frozen: Json = field(default_factory=dict)
    """What was resolved once at first write and is kept (accounts per line)."""
    extra: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One vendor request of a plan; `name` says what it does (`create`, `submit`, `issue`, `mark-exported`)."""

    name: str
    part: str
    method: str
    resource: str
    body: Json | None = None
    target_id: str | None = None
    natural_key: NaturalKey | None = None
    creates: bool = False
    """True where a repeat would double: an unknown outcome must be looked up before anything else."""
    irreversible: bool = False
    """True where the step commits (submit, approve): only after the read-back agreed."""
    ends: bool = False
    """True where nothing that links to the object is taken after it: only once all such documents are written."""
    batch_key: str = ""
    """Steps with an equal, non-empty key may travel in one request; at most `Target.batch_limit(step)` of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    verb: Verb
    steps: Sequence[Step] = ()
    reason: Reason | None = None
    """Why nothing can be done (frozen, paid, refused): the row becomes blocked, or waiting where `retry` says so."""
    retry: bool = False


class OutcomeKind(StrEnum):
    """What became of one step, decided by the room's classifier, never by a status code alone."""

    DONE = "done"
    TRANSIENT = "transient"
    RATE_LIMITED = "rate-limited"
    AUTH_EXPIRED = "auth-expired"
    REAUTHORISE = "re-authorise"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    """Sent, and nobody can say whether it was carried out."""
    NOT_SENT = "not-sent"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step's result. `found` is the object as the answer showed it, where it did: also usable as the read-back,
    unless `incomplete` (the answer told no more than which object it is, so it is read)."""

    kind: OutcomeKind
    found: Found | None = None
    incomplete: bool = False
    reason: Reason | None = None
    retry_after_s: float | None = None
    status: int | None = None
    request_id: str | None = None
    beside: Sequence[str] = ()
    """What had to be made in the target for it, in words: the document's story tells it."""


BeforeSend = Callable[[], Awaitable[float]]
"""Called by the room inside the gate, right before the request leaves: commits the intent and returns the seconds left
for the call; raises NotSent where too much time has passed. Nothing may be awaited between its return and the send."""


class NotSent(Exception):
    """The call was given up before it left: outcome NOT_SENT."""


@dataclass(frozen=True, slots=True)
class RenderInput:
    """One desired row, ready to render."""

    row: RowRef
    source: ConnectionId
    target: ConnectionId
    document: Any
    """The canonical record (envelope with document), see `documents.canonical`."""
    options: Any
    """The flow's options, validated by the flow kind's own model."""
    known: Mapping[str, TargetObject]
    """By part name."""


class Target(Protocol):
    """One target connection, for one flow kind."""

    @property
    def connection(self) -> ConnectionId: ...

    def render(self, wanted: RenderInput, lookup: Lookup) -> Rendered:
        """Pure: the parts this row wants, with every missing dependency and every broken rule found at once."""
        ...

    async def look_up(self, keys: Sequence[NaturalKey], traffic: TrafficClass) -> Mapping[NaturalKey, Sequence[Found]]:
        """Find objects by natural key, many in one request where the vendor can; also voided ones (live=False)."""
        ...

    async def read(self, resource: str, target_ids: Sequence[str], traffic: TrafficClass) -> Mapping[str, Found]:
        """Read objects by id; an id that does not exist is absent from the answer."""
        ...

    def plan(self, part: Part, known: TargetObject | None, found: Found | None, options: Any) -> Plan:
        """Pure: the steps from what is there to what is wanted. Called again after each step with the object as it is
        now, so a plan's first step is what counts and a resumed plan needs no memory of its own."""
        ...

    async def execute(
        self, steps: Sequence[Step], before_send: BeforeSend, traffic: TrafficClass, flow: FlowId
    ) -> Sequence[Outcome]:
        """Send one request for these steps (all of one batch_key); one outcome per step, in order."""
        ...

    def same(self, part: Part, found: Found, options: Any) -> Reason | None:
        """Suppliers and references only: None where the flow's rules prove that this object without our mark is the
        same party (a declared code authority and nothing that contradicts), else why it can't be taken for it."""
        ...

    def batch_limit(self, step: Step) -> int: ...

    async def reference(self, kind: str, codes: Sequence[str] | None, traffic: TrafficClass) -> Mapping[str, Json]:
        """Read reference data of the target: the codes asked for, or all of the kind where `codes` is None."""
        ...

    def entities(self) -> Sequence[Entity]: ...


@runtime_checkable
class Refreshing(Protocol):
    """A target whose reference data nobody else reads: its writer reads again what rows were validated against."""

    @property
    def refreshes(self) -> frozenset[str]:
        """Kinds that `Target.reference` reads and that may change in the target unseen."""
        ...
