"""The dispatcher: brings one target to its desired state, like a controller, while it holds the write epoch."""

from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.domain.identity import ConnectionId, FlowId, Role, RowRef, TrafficClass
from connector.domain.ports.clock import Clock, Randomness, Signal, Spawner, Task
from connector.domain.ports.configuration import Configuration, Flow, FlowState, Snapshot
from connector.domain.ports.dispatch import Dispatch, DueRow
from connector.domain.ports.epochs import EPOCH_TTL_S, EpochLost, Epochs, Hold
from connector.domain.ports.gate import GateError
from connector.domain.ports.references import ReferenceKey, References
from connector.domain.ports.target import Refreshing, Target
from connector.domain.ports.tracing import Traced, untraced
from connector.domain.vendor_error import VendorError

from .carrying import Carrier
from .examining import Examiner
from .rendering import Renderer, TargetOf, open_work, read_target_references
from .sweeping import sweep
from .turns import Turns

BRAKE_COUNT = 50
BRAKE_SHARE = 0.02
IDLE_S = 5.0
"""Longest time between two looks where nobody says that something changed: a lost notification costs this much."""
TROUBLE_S = 1.0
"""Rest after an error that is nobody's verdict (the database is away)."""

Report = Callable[[str, Exception], None]
"""Tells people of an error that ended a task; the row is claimed again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much one connection's dispatcher takes on at once."""

    in_flight: int = 256
    kept_for_live: int = 64
    """Of these, what catch-up and backfill leave free: a live row never waits for theirs to end."""
    parked: int = 1000
    """Rows that wait for another row of the same order; more than this and claiming pauses."""
    recheck_s: float = 60.0
    """How often, at least, references that rows wait for are read from the target again; oftener where a flow waits
    less."""
    refresh_s: float = 900.0
    """How old the target's reference data may grow before it is read again."""
    sweep_s: float = 60.0
    """How often some of what was written longest ago is looked at again."""
    seen_again_s: float = 24 * 3600.0
    """How long a synced row's objects stand unseen: a day, as spread over the day as they were written."""


@dataclass(slots=True)
class Dispatcher:
    """One target connection. Run it in as many replicas as there are: one holds the epoch, the others stand by.

    `target_of` gives the room's Target of a flow. Takes clock, randomness, signals and tasks by parameter.
    """

    connection: ConnectionId
    holder: str
    target_of: TargetOf
    configuration: Configuration
    epochs: Epochs
    dispatch: Dispatch
    references: References
    clock: Clock
    randomness: Randomness
    spawner: Spawner
    signal: Callable[[], Signal]
    report: Report
    pace: Pace = field(default_factory=Pace)
    traced: Traced = untraced
    _stopping: bool = field(init=False, default=False)
    _hold: Hold | None = field(init=False, default=None)
    _wake: Signal = field(init=False)
    _turns: Turns = field(init=False, default_factory=Turns)
    _news: bool = field(init=False, default=True)
    _judged_under: int = field(init=False, default=0)
    _resting: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._wake = self.signal()

    @property
    def holds(self) -> bool:
        return self._hold is not None

    def stop(self) -> None:
        """Finish what is in flight, then release the epoch and return from run()."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Take the epoch whenever it is free, and dispatch while holding it, until stopped."""
        anew = True  # only once: who lost the epoch to its own successor must not take it back
        while not self._stopping:
            try:
                self._hold = await self.epochs.take(self.connection, Role.WRITE, self.holder, anew=anew)
                anew = False
                if self._hold is not None:
                    self._judged_under = 0
                    await self._serve(self._hold)
            except Exception as error:
                self.report(f"dispatching to {self.connection}", error)
            await self._sleep(EPOCH_TTL_S / 3)

    async def _serve(self, hold: Hold) -> None:
        tasks = [
            self._spawn("renew", self._renew(hold)),
            self._spawn("listen", self._listen(hold)),
            self._spawn("follow", self._follow(hold)),
            self._spawn("recheck", self._recheck(hold)),
            self._spawn("sweep", self._sweep(hold)),
        ]
        try:
            while self._hold is hold and not self._stopping:
                self._wake.clear()
                if not await self._claim(hold):
                    await self._idle(hold)
            await self._drain()
        except EpochLost:
            self._lost(hold)
        finally:
            for task in tasks:
                task.cancel()
        if self._hold is hold:
            self._hold = None
            await self.epochs.release(hold)

    async def _drain(self) -> None:
        while self._turns.active:
            self._wake.clear()
            await self._wake.wait(IDLE_S)

    async def _sleep(self, seconds: float) -> None:
        self._wake.clear()
        if not self._stopping:
            await self._wake.wait(seconds)

    def _lost(self, hold: Hold) -> None:
        if self._hold is hold:
            self._hold = None
        self._wake.set()

    async def _renew(self, hold: Hold) -> None:
        while self._hold is hold:
            await self.clock.sleep(EPOCH_TTL_S / 3)
            await self.epochs.renew(hold)

    async def _follow(self, hold: Hold) -> None:
        """A newly applied configuration may let rows go."""
        while self._hold is hold:
            snapshot = await self.configuration.current()
            await self.configuration.changed(snapshot.epoch, IDLE_S)
            if (await self.configuration.current()).epoch != snapshot.epoch:
                self._wake.set()

    async def _listen(self, hold: Hold) -> None:
        while self._hold is hold:
            await self.dispatch.changed(self.connection, IDLE_S)
            self._news = True
            self._wake.set()

    async def _recheck(self, hold: Hold) -> None:
        """References that rows wait for may have been made in the target by people."""
        while self._hold is hold:
            flows = self._active(await self.configuration.current())
            await self.clock.sleep(min([self.pace.recheck_s, *(max(1.0, flow.wait_s) for flow in flows)]))
            snapshot = await self.configuration.current()
            flows = self._active(snapshot)
            if not flows:
                continue
            target = self.target_of(flows[0], snapshot.connections[self.connection])
            codes: defaultdict[str, set[str]] = defaultdict(set)
            for key in [*await self.dispatch.waited_references(hold), *await self._aged(target)]:
                codes[key.kind].add(key.code)
            if codes:
                try:
                    traffic = TrafficClass.CATCH_UP
                    await read_target_references(self.connection, target, codes, traffic, self.references)
                except (VendorError, GateError):
                    continue  # the target is away: no reason to give up the hold

    async def _aged(self, target: Target) -> Sequence[ReferenceKey]:
        """What rows are validated against must not grow old unseen."""
        if not isinstance(target, Refreshing):
            return ()
        return await self.references.older(self.connection, target.refreshes, self.pace.refresh_s)

    async def _sweep(self, hold: Hold) -> None:
        """What people did in the target to documents that nobody touches at the source."""
        while self._hold is hold:
            await self.clock.sleep(self.pace.sweep_s)
            snapshot = await self.configuration.current()
            live = [flow for flow in self._active(snapshot) if flow.state is FlowState.LIVE]
            seen_again_s = self.pace.seen_again_s
            if live and await sweep(hold, live, snapshot, self.dispatch, self.target_of, seen_again_s):
                self._news = True
                self._wake.set()

    async def _claim(self, hold: Hold) -> bool:
        """Take on as many due rows as there is room for; whether to look again at once.

        Not a few at a time: rows claimed together share look-ups and transactions. Only live rows that have just come
        take what is kept free for them.
        """
        if self._turns.parked > self.pace.parked or self._resting or not (self._roomy or self._news):
            return False
        snapshot = await self.configuration.current()
        active = self._active(snapshot)
        flows = [flow.id for flow in active]
        if not flows:
            return False
        if snapshot.epoch != self._judged_under:
            for flow in active:
                await self.dispatch.rejudge(hold, flow.id, snapshot.epoch, live=flow.state is FlowState.LIVE)
            self._judged_under = snapshot.epoch
        self._news = False
        last = TrafficClass.BACKFILL if self._roomy else TrafficClass.LIVE
        room = self._free - self.pace.kept_for_live if self._roomy else self._free
        rows = await self.dispatch.claim(hold, flows, room, self._turns.rows, last) if room > 0 else []
        if rows:
            self._start(hold, snapshot, [row.row for row in rows], self._wave(hold, rows, snapshot))
            return True
        return await self._release_brakes(hold, flows)

    @property
    def _free(self) -> int:
        return self.pace.in_flight - self._turns.active

    @property
    def _roomy(self) -> bool:
        return self._free - self.pace.kept_for_live >= self.pace.in_flight // 4

    def _active(self, snapshot: Snapshot) -> list[Flow]:
        connection = snapshot.connections.get(self.connection)
        if connection is None or connection.paused is not None:
            return []
        return [flow for flow in snapshot.into_target(self.connection) if flow.state is not FlowState.PAUSED]

    async def _release_brakes(self, hold: Hold, flows: Collection[FlowId]) -> bool:
        """Once all of a mass of rows is judged, few rows are let go by themselves; many wait for a person."""
        if self._turns.active:
            return False
        released = [await self.dispatch.brake(hold, flow, BRAKE_COUNT, BRAKE_SHARE) for flow in flows]
        return any(released)

    async def _idle(self, hold: Hold) -> None:
        if not self._roomy:
            await self._wake.wait(IDLE_S)
            return
        snapshot = await self.configuration.current()
        flows = [flow.id for flow in self._active(snapshot)]
        next_s = await self.dispatch.next_due_in_s(hold, flows) if flows else None
        await self._wake.wait(IDLE_S if next_s is None or next_s <= 0 else min(IDLE_S, next_s))

    async def _wave(self, hold: Hold, rows: Sequence[DueRow], snapshot: Snapshot) -> None:
        """Rows claimed together: rendered together, looked up together, then each its own way."""
        with self.traced("dispatch", [row.trace for row in rows]):
            await self._judge(hold, rows, snapshot)

    async def _judge(self, hold: Hold, rows: Sequence[DueRow], snapshot: Snapshot) -> None:
        works = [open_work(row, snapshot) for row in rows]
        renderer = Renderer(self.connection, self.target_of, self.dispatch, self.references, self.randomness, snapshot)
        await renderer.render(works)
        examiner = Examiner(self.target_of, self.dispatch, self.randomness)
        admitted = self._turns.admit(works)
        await examiner.examine(admitted)
        carrier = Carrier(
            hold=hold,
            target_of=self.target_of,
            dispatch=self.dispatch,
            clock=self.clock,
            randomness=self.randomness,
            examiner=examiner,
            start=lambda rows, carry: self._start(hold, snapshot, rows, carry),
            spawner=self.spawner,
            signal=self.signal,
            traced=self.traced,
        )
        await carrier.begin(admitted)

    def _start(self, hold: Hold, snapshot: Snapshot, rows: Iterable[RowRef], coro: Coroutine[Any, Any, None]) -> None:
        """Run a task that has these rows in hand; whatever ends it, the rows can be claimed again.

        What it blocked under a configuration that is not the newest any more is judged again.
        """
        owner = object()
        self._turns.take(rows, owner)

        async def carried() -> None:
            try:
                await coro
            except EpochLost:
                self._lost(hold)
            except Exception as error:
                self.report(f"dispatching to {self.connection}", error)
                self._spawn("rest", self._rest())
            finally:
                self._turns.end(owner)
                self._judged_under = min(self._judged_under, snapshot.epoch)
                self._wake.set()

        self.spawner.create_task(carried(), name=f"dispatch {self.connection}")

    async def _rest(self) -> None:
        self._resting = True
        await self.clock.sleep(TROUBLE_S)
        self._resting = False
        self._wake.set()

    def _spawn(self, what: str, coro: Coroutine[Any, Any, None]) -> Task:
        """A task beside the rows: an error ends neither the process nor, for more than its next try, the hold."""

        async def minded() -> None:
            try:
                await coro
            except EpochLost:
                if self._hold is not None:
                    self._lost(self._hold)
            except Exception as error:
                self.report(f"{what} for {self.connection}", error)
                if self._hold is not None:
                    self._lost(self._hold)

        return self.spawner.create_task(minded(), name=f"{what} {self.connection}")
