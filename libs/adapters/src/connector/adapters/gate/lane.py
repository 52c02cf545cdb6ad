"""The way of one process's calls through a connection's quota: its own queue, and what it was granted of the whole."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from connector.adapters.gate.pump import Pump
from connector.domain.gate.quota import PROMOTED_AFTER_S, RANKS
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.clock import Clock
from connector.domain.ports.gate import EndpointDegraded, GateError, QuotaExhausted
from connector.domain.ports.quota import Answer, Ask, Lesson, QuotaRules, QuotaStore, Reading, Settlement

PATIENCE_S = 65.0
"""Calls wait in the gate for the next minute, not for the next day."""
_TICK_S = 0.001
DATABASE_ERRORS = (SQLAlchemyError, OSError, TimeoutError)


@dataclass(slots=True, eq=False)
class Slot:
    """Leave to make one call. `done` ends it; the quota's next call on a serial connection waits for that."""

    taken_s: float
    used: bool = True
    done: asyncio.Event = field(default_factory=asyncio.Event)
    lesson: Lesson | None = None


@dataclass(slots=True, eq=False)
class _Wish:
    traffic: TrafficClass
    flow: str
    endpoint: str
    since_s: float
    slot: asyncio.Future[Slot]


class _Queue:
    """Wishes by class, then turn by turn between flows; who waits long is served as one class better."""

    def __init__(self) -> None:
        self._wishes: list[_Wish] = []
        self._served: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        self._wishes = [wish for wish in self._wishes if not wish.slot.done()]
        return len(self._wishes)

    def add(self, wish: _Wish) -> None:
        self._wishes.append(wish)

    def best(self, now_s: float, worst_rank: int | None = None) -> _Wish | None:
        ranked = [
            ((promoted_rank(wish.traffic, now_s - wish.since_s), self._served.get(wish.flow, 0), wish.since_s), wish)
            for wish in self._wishes
            if not wish.slot.done()
        ]
        if worst_rank is not None:
            ranked = [entry for entry in ranked if entry[0][0] <= worst_rank]
        return min(ranked, key=lambda entry: entry[0])[1] if ranked else None

    def of_rank(self, rank: int, now_s: float) -> int:
        """How many are of this rank or a better one."""
        return sum(
            promoted_rank(wish.traffic, now_s - wish.since_s) <= rank for wish in self._wishes if not wish.slot.done()
        )

    def take(self, wish: _Wish) -> None:
        self._wishes.remove(wish)
        self._count += 1
        self._served[wish.flow] = self._count

    def refuse(self, error: Callable[[], GateError], traffic: TrafficClass | None = None) -> None:
        """Turn away all wishes, or those of this class and worse ones."""
        for wish in list(self._wishes):
            if traffic is None or RANKS[wish.traffic] >= RANKS[traffic]:
                self._wishes.remove(wish)
                if not wish.slot.done():
                    wish.slot.set_exception(error())


def promoted_rank(traffic: TrafficClass, waited_s: float) -> int:
    return max(0, RANKS[traffic] - int(waited_s / PROMOTED_AFTER_S))


async def _to_its_end(settling: Coroutine[Any, Any, float]) -> None:
    """Settle although this process closes: the next one would wait until the turn is taken for lost."""
    task = asyncio.create_task(settling)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _spent(reading: Reading) -> bool:
    return reading.limited or any(window.remaining == 0 for window in reading.windows)


class Lane:
    """Serves this process's queue: asks for a turn (serial) or for slots (parallel), hands them out, settles."""

    def __init__(
        self,
        connection: ConnectionId,
        rules: QuotaRules,
        store: QuotaStore,
        pump: Pump,
        clock: Clock,
        replica: str,
    ) -> None:
        self.connection = connection
        self.rules = rules
        self._store = store
        self._pump = pump
        self._clock = clock
        self._replica = replica
        self._queue = _Queue()
        self._runner: asyncio.Task[None] | None = None
        self._answer: Answer | None = None
        self._before_s = 0.0
        self._after_s = 0.0
        self._degraded: dict[str, float] = {}
        self._stock: list[float] = []
        self._stock_rank = 0
        self._stock_rings = 0
        self._recent: list[float] = []
        self._lessons: list[Lesson] = []
        self._contended = False

    # -- entering and leaving ------------------------------------------------------------------------------------

    async def enter(self, traffic: TrafficClass, flow: str, endpoint: str) -> Slot:
        """Wait for leave to call. Raises QuotaExhausted, EndpointDegraded, or GateError where the database is away."""
        self._refuse_degraded(endpoint)
        slot = self._from_stock(traffic)
        if slot is not None:
            return slot
        wish = _Wish(traffic, flow, endpoint, self._clock.boot_time_s(), asyncio.get_running_loop().create_future())
        self._queue.add(wish)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name=f"quota {self.connection}")
        elif self.rules.serial:
            self._pump.poke()
        try:
            return await wish.slot
        except asyncio.CancelledError:
            if wish.slot.done() and not wish.slot.cancelled() and wish.slot.exception() is None:
                self.give_up(wish.slot.result())
            raise

    def give_up(self, slot: Slot) -> None:
        """The slot is not used for a call."""
        slot.used = False
        slot.done.set()

    def lesson(self, slot: Slot, endpoint: str, status: int, reading: Reading) -> Lesson:
        """What an answer says, in the database's time by the narrowest bounds this process knows."""
        assert self._answer is not None
        base, received_s = self._answer.now, self._clock.boot_time_s()
        sent_at, received_at = base + slot.taken_s - self._after_s, base + received_s - self._before_s
        return Lesson(endpoint, status, reading, sent_at, received_at)

    async def leave(self, slot: Slot) -> None:
        """The call is over. What all replicas must know at once they know when this returns."""
        lesson = slot.lesson
        urgent = lesson is not None and (lesson.reading.limited or self._is_error(lesson))
        if lesson is not None and urgent:
            self._stock.clear()
            try:
                await self._store.settle(self.connection, self.rules, Settlement(self._replica, lessons=(lesson,)))
            except DATABASE_ERRORS:
                self._lessons.append(lesson)
        elif lesson is not None and lesson.reading.windows:
            self._lessons = [*self._lessons[-20:], lesson]
        slot.done.set()

    def _is_error(self, lesson: Lesson) -> bool:
        return self.rules.error_limit is not None and lesson.status in self.rules.error_statuses

    def _refuse_degraded(self, endpoint: str) -> None:
        error = self._degradation(endpoint)
        if error is not None:
            raise error

    def _degradation(self, endpoint: str) -> EndpointDegraded | None:
        until = self._degraded.get(endpoint)
        if until is None or self._answer is None:
            return None
        left_s = until - self._answer.now - (self._clock.boot_time_s() - self._after_s)
        if left_s <= 0:
            del self._degraded[endpoint]
            return None
        return EndpointDegraded(
            f"{self.connection}: {endpoint} gave {self.rules.error_limit} errors within the hour; calls to it rest so "
            f"that the vendor does not block the key. See `connector status`",
            retry_after_s=left_s,
        )

    # -- serving the queue ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while len(self._queue):
                if not self.rules.serial:
                    self._queue_from_stock()
                wish = self._queue.best(self._clock.boot_time_s())
                if wish is not None:
                    await self._serve(wish)
        except DATABASE_ERRORS as error:
            name = type(error).__name__
            self._stock.clear()
            self._queue.refuse(
                lambda: GateError(
                    f"{self.connection}: the gate's database cannot be reached ({name}), so no call is made",
                    retry_after_s=5.0,
                )
            )
        except Exception as error:
            text = f"{self.connection}: the gate failed: {type(error).__name__}"
            self._queue.refuse(lambda: GateError(text, retry_after_s=5.0))
            raise

    async def _serve(self, wish: _Wish) -> None:
        now_s = self._clock.boot_time_s()
        rank = promoted_rank(wish.traffic, now_s - wish.since_s)
        wanted = max(self._queue.of_rank(rank, now_s), self._appetite(now_s))
        ask = Ask(self._replica, wish.traffic, wish.flow, wanted, now_s - wish.since_s)
        if self._lessons and not self.rules.serial:
            await self._teach()
        rings = self._pump.rings
        self._pump.news.clear()
        before_s = self._clock.boot_time_s()
        answer = await self._store.ask(self.connection, self.rules, ask)
        self._answer, self._before_s, self._after_s = answer, before_s, self._clock.boot_time_s()
        self._degraded = dict(answer.degraded)
        self._contended = answer.calls == 0 or answer.slots[0] > answer.now
        if answer.calls == 0:
            await self._wait(answer, wish)
        elif self.rules.serial:
            await self._use_turn(answer, rank)
        else:
            self._stock = [slot - answer.now + self._after_s for slot in answer.slots]
            self._stock_rank, self._stock_rings = rank, rings
            await self._use_stock()

    def _appetite(self, now_s: float) -> int:
        """Calls of the last slice on a parallel connection: as many are likely in the next. Where others compete for
        slots, none is taken in advance: it might lapse."""
        if self.rules.serial or self._contended:
            return 1
        self._recent = [at for at in self._recent if at > now_s - self.rules.slice_s]
        return len(self._recent) + 1

    async def _teach(self) -> None:
        lessons, self._lessons = tuple(self._lessons), []
        await self._store.settle(self.connection, self.rules, Settlement(self._replica, lessons=lessons))

    async def _wait(self, answer: Answer, wish: _Wish) -> None:
        wait_s = answer.until - answer.now
        if wait_s > PATIENCE_S:
            self._queue.refuse(
                lambda: QuotaExhausted(f"{self.connection}: {answer.why}", retry_after_s=wait_s), wish.traffic
            )
            return
        await self._pump.wait(max(wait_s, 0.001))

    async def _use_turn(self, answer: Answer, rank: int) -> None:
        """Make calls one after the other until the turn's time, its calls or the queue are used up; then settle."""
        until_s = self._before_s + answer.until - answer.now
        made = 0
        try:
            while made < answer.calls and self._clock.boot_time_s() < until_s:
                wish = self._queue.best(self._clock.boot_time_s(), rank)
                if wish is None:
                    break
                self._queue.take(wish)
                error = self._degradation(wish.endpoint)
                if error is not None:
                    wish.slot.set_exception(error)
                    continue
                slot = Slot(self._clock.boot_time_s())
                wish.slot.set_result(slot)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(until_s + self.rules.call_deadline_s - self._clock.boot_time_s()):
                        await slot.done.wait()
                made += slot.used
                if slot.lesson is not None and _spent(slot.lesson.reading):
                    break
        finally:
            lessons, self._lessons = tuple(self._lessons), []
            settlement = Settlement(
                self._replica,
                turn=answer.turn,
                unused=answer.calls - made,
                lessons=lessons,
                leaves=not len(self._queue),
            )
            await _to_its_end(self._store.settle(self.connection, self.rules, settlement))

    async def _use_stock(self) -> None:
        while self._stock and len(self._queue) and self._stock_rings == self._pump.rings:
            wait_s = self._stock[0] - self._clock.boot_time_s()
            if wait_s > 0:
                await self._clock.sleep(max(wait_s, _TICK_S))  # a loop's timers may wake us a moment early
            elif not self._queue_from_stock():
                return

    def _queue_from_stock(self) -> bool:
        """Hand one slot that has come to the best wish; False where there is none of either."""
        wish = self._queue.best(self._clock.boot_time_s(), self._stock_rank)
        slot = self._from_stock(wish.traffic, self._stock_rank) if wish is not None else None
        if wish is None or slot is None:
            return False
        self._queue.take(wish)
        wish.slot.set_result(slot)
        return True

    def _from_stock(self, traffic: TrafficClass, rank: int | None = None) -> Slot | None:
        """A slot granted earlier whose time has come and has not lapsed."""
        if not self._stock or self._stock_rings != self._pump.rings:
            return None
        if (RANKS[traffic] if rank is None else rank) > self._stock_rank:
            return None
        now_s = self._clock.boot_time_s()
        while self._stock and self._stock[0] + self.rules.slice_s / 2 < now_s:
            self._stock.pop(0)
        if not self._stock or self._stock[0] > now_s:
            return None
        self._stock.pop(0)
        self._recent.append(now_s)
        return Slot(now_s)

    async def close(self) -> None:
        if self._runner is not None and not self._runner.done():
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError, *DATABASE_ERRORS):
                await self._runner
