"""A connection's quota, shared by every replica: turns, slots, what answers taught. All times are the database's,
in seconds since the epoch; no process's clock counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connector.domain.identity import ConnectionId, TrafficClass


@dataclass(frozen=True, slots=True)
class Window:
    """One limit as the vendor states it: `limit` calls in `length_s` seconds.

    A `paced` window is a rate, spread evenly (Coupa: 25 a second); any other is a window of the vendor's calendar that
    opens anew as a whole (Exact: the minute, the day). From a `guarded` one backfill takes only what live will not
    need. A `taught` one is stated in each answer: until the first answer from it, one call goes ahead alone.
    """

    name: str
    limit: int
    length_s: float
    paced: bool = False
    guarded: bool = False
    taught: bool = False


@dataclass(frozen=True, slots=True)
class QuotaRules:
    """What a vendor allows on one connection.

    `serial`: the vendor takes one call at a time, so replicas take turns of at most `turn_s` and `turn_calls`.
    `slice_s`: how far ahead slots of a paced window are given, and how long one is good for. The error budget counts
    answers with `error_statuses` per endpoint in `error_window_s` and stops an endpoint at `error_limit` (None: never).
    """

    windows: tuple[Window, ...]
    serial: bool
    call_deadline_s: float = 30.0
    turn_s: float = 2.0
    turn_calls: int = 60
    slice_s: float = 0.2
    error_limit: int | None = None
    error_window_s: float = 3600.0
    error_statuses: frozenset[int] = frozenset((400, 401, 403, 404))

    def __post_init__(self) -> None:
        if self.serial and any(window.paced for window in self.windows):
            raise ValueError("turns are not paced: a serial connection has windows of the vendor's calendar only")


@dataclass(frozen=True, slots=True)
class WindowReading:
    """What an answer's headers say of one window; None where they are silent (never read as 0).

    `resets_at` is in seconds since the epoch on the vendor's clock.
    """

    name: str
    limit: int | None = None
    remaining: int | None = None
    resets_at: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says of the quota. `limited`: it refuses the call for the quota's sake (429).
    `vendor_time` is its Date header."""

    windows: tuple[WindowReading, ...] = ()
    limited: bool = False
    retry_after_s: float | None = None
    vendor_time: float | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """One answer, with the bounds of when it was earned: sent not before, received not after."""

    endpoint: str
    status: int
    reading: Reading
    sent_at: float
    received_at: float


@dataclass(frozen=True, slots=True)
class Ask:
    """A replica's wish for `wanted` calls of one class. `waited_s` is how long the oldest of them has waited."""

    holder: str
    traffic: TrafficClass
    flow: str
    wanted: int
    waited_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Granted: `calls` > 0, until `until` (serial: no call starts after it), each not before its instant in `slots`.

    Otherwise `until` is when asking again makes sense and `why` says what is in the way. `degraded` names endpoints
    whose error budget is spent, and until when.
    """

    now: float
    calls: int
    until: float
    turn: int = 0
    slots: tuple[float, ...] = ()
    why: str = ""
    degraded: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of granted calls: how many were not made, what the answers taught, and which turn is over."""

    holder: str
    turn: int | None = None
    unused: int = 0
    lessons: tuple[Lesson, ...] = ()
    leaves: bool = False
    """The holder waits no longer: its place in the queue is given up."""

    @property
    def urgent(self) -> bool:
        """Others must know at once: a turn is over, or the vendor refused. They give up what they were granted."""
        refused = any(lesson.reading.limited or lesson.status >= 400 for lesson in self.lessons)
        return self.turn is not None or self.leaves or refused


@dataclass(frozen=True, slots=True)
class WindowStatus:
    name: str
    limit: int
    used: int
    ends_at: float
    used_by: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """For people and metrics."""

    now: float
    windows: tuple[WindowStatus, ...]
    closed_until: float
    closed_why: str
    degraded: Mapping[str, float]
    errors: Mapping[str, int]
    waiting: int


class QuotaStore(Protocol):
    """Each method is one transaction on the connection's state; a settlement wakes those who wait."""

    async def ask(self, connection: ConnectionId, rules: QuotaRules, ask: Ask) -> Answer: ...
    async def settle(self, connection: ConnectionId, rules: QuotaRules, settlement: Settlement) -> float:
        """Return the database's time."""
        ...

    async def status(self, connection: ConnectionId, rules: QuotaRules) -> QuotaStatus: ...


class Bell(Protocol):
    """Rings when something changed at a key, in any process; a lost ring costs a time-out, nothing else."""

    async def wait(self, key: str, timeout_s: float) -> None: ...


def bell_key(connection: ConnectionId) -> str:
    """Rings when a connection's quota changed."""
    return f"quota:{connection}"
