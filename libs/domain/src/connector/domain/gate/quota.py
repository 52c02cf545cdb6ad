"""The quota's rules as transitions of one connection's state. Stores apply them under the row's lock."""

from dataclasses import replace

from pydantic import BaseModel, Field

from connector.domain.identity import TrafficClass
from connector.domain.ports.quota import (
    Answer,
    Ask,
    Lesson,
    QuotaRules,
    QuotaStatus,
    Settlement,
    Window,
    WindowStatus,
)

from . import clocks

RANKS = {TrafficClass.LIVE: 0, TrafficClass.CATCH_UP: 1, TrafficClass.BACKFILL: 2}
PROMOTED_AFTER_S = 10.0
"""Who has waited this long is served as one class better: nobody starves."""
WAITER_ALIVE_S = 1.0
"""A waiter that has not asked for this long is taken for dead and keeps nobody out."""
ASK_AGAIN_S = 0.25
BACKFILL_NEVER_TAKES = 0.3
"""The share of a day that backfill leaves whatever the forecast says."""
FIRST_DAY_NEED = 0.4
"""The share of a day expected for live and catch-up while no day has been seen."""
RESET_GUARD_S = 1.0
"""Exact: after a 429 wait until the reset and a second more."""
EDGE_GUARD_S = 0.02
BLIND_BACKOFF_S = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""After a 429 that names no time."""


class WindowState(BaseModel):
    used: int = 0
    limit: int | None = None
    """As learned; None while the rules' own counts."""
    ends_at: float = 0.0
    """Our time by which the vendor has certainly opened the next window."""
    resets_at: float | None = None
    """The same on the vendor's clock, as it said."""
    unconfirmed: bool = True
    """No answer from this window yet: the vendor may count differently, so one call goes first."""
    used_by: dict[TrafficClass, int] = Field(default_factory=dict)
    daily_need: float | None = None
    next_free: float = 0.0
    """Paced windows: the instant of the next free slot."""


class Turn(BaseModel):
    number: int
    holder: str
    calls: int
    not_after: float
    """By then the last call has returned or is given up by its caller."""
    window_ends: dict[str, float]


class Waiter(BaseModel):
    traffic: TrafficClass
    flow: str
    since: float
    seen: float


class QuotaState(BaseModel):
    windows: dict[str, WindowState] = Field(default_factory=dict)
    turn: Turn | None = None
    turns: int = 0
    waiting: dict[str, Waiter] = Field(default_factory=dict)
    served: dict[str, float] = Field(default_factory=dict)
    """When each flow was last given a turn."""
    closed_until: float = 0.0
    closed_why: str = ""
    strikes: int = 0
    errors: dict[str, list[float]] = Field(default_factory=dict)
    offset: clocks.Offset | None = None


def limit_of(window: Window, state: WindowState) -> int:
    return window.limit if state.limit is None else state.limit


def _roll(state: QuotaState, rules: QuotaRules, now: float) -> None:
    for window in rules.windows:
        if window.paced:
            state.windows.setdefault(window.name, WindowState())
            continue
        known = state.windows.get(window.name)
        if known is not None and now < known.ends_at:
            continue
        opened = WindowState(ends_at=(now // window.length_s + 1) * window.length_s)
        if known is not None:
            opened.limit = known.limit
            opened.daily_need = _need_after(window, known)
            if known.resets_at is not None and state.offset is not None:
                passed = (now - known.ends_at) // window.length_s + 1
                opened.resets_at = known.resets_at + passed * window.length_s
                opened.ends_at = clocks.ours(state.offset, opened.resets_at, now) + EDGE_GUARD_S
        state.windows[window.name] = opened


def _need_after(window: Window, past: WindowState) -> float | None:
    if not window.guarded:
        return None
    today = sum(count for traffic, count in past.used_by.items() if traffic is not TrafficClass.BACKFILL)
    return float(today) if past.daily_need is None else (past.daily_need + today) / 2


def _forecast(window: Window, state: WindowState, now: float) -> float:
    """Calls that live and catch-up will want in what is left of the window."""
    left = max(0.0, state.ends_at - now) / window.length_s
    need = FIRST_DAY_NEED * limit_of(window, state) if state.daily_need is None else state.daily_need
    gone = 1.0 - left
    today = sum(count for traffic, count in state.used_by.items() if traffic is not TrafficClass.BACKFILL)
    pace = today / gone if gone > 0.05 else 0.0
    return max(need, pace) * left


def room(window: Window, state: WindowState, traffic: TrafficClass, now: float) -> int:
    """How many calls of this class the window has left."""
    limit = limit_of(window, state)
    left = limit - state.used
    if window.guarded and traffic is TrafficClass.BACKFILL:
        left = int(left - max(_forecast(window, state, now), BACKFILL_NEVER_TAKES * limit))
    return max(0, min(left, 1) if state.unconfirmed and window.taught else left)


def degraded(state: QuotaState, rules: QuotaRules, now: float) -> dict[str, float]:
    """Endpoints whose error budget is spent, and until when."""
    if rules.error_limit is None:
        return {}
    spent = {}
    for endpoint, times in state.errors.items():
        recent = [time for time in times if time > now - rules.error_window_s]
        if len(recent) >= rules.error_limit:
            spent[endpoint] = recent[-rules.error_limit] + rules.error_window_s
    return spent


def ask(state: QuotaState, rules: QuotaRules, wish: Ask, now: float) -> Answer:
    """Grant calls or say when to ask again; changes `state`."""
    _roll(state, rules, now)
    out = degraded(state, rules, now)
    refusal = _closed(state, rules, wish, now) or (_not_your_turn(state, wish, now) if rules.serial else None)
    if refusal is not None:
        _enqueue(state, wish, now)
        return replace(refusal, degraded=out)
    calls = min(
        [wish.wanted, *(room(w, state.windows[w.name], wish.traffic, now) for w in rules.windows if not w.paced)]
    )
    answer = _give_turn(state, rules, wish, calls, now) if rules.serial else _give_slots(state, rules, wish, calls, now)
    return replace(answer, degraded=out)


def _closed(state: QuotaState, rules: QuotaRules, wish: Ask, now: float) -> Answer | None:
    if now < state.closed_until:
        return Answer(now, 0, state.closed_until, why=state.closed_why)
    for window in rules.windows:
        if window.paced:
            continue
        known = state.windows[window.name]
        if room(window, known, wish.traffic, now) == 0:
            limit = limit_of(window, known)
            spared = known.used < limit
            why = (
                f"what is left of the {window.name}'s {limit} calls is kept for live traffic"
                if spared
                else f"the {window.name}'s {limit} calls are used up"
            )
            return Answer(now, 0, known.ends_at, why=why)
    return None


def _rank(traffic: TrafficClass, waited_s: float) -> float:
    return max(0, RANKS[traffic] - int(waited_s / PROMOTED_AFTER_S))


def _enqueue(state: QuotaState, wish: Ask, now: float) -> None:
    state.waiting[wish.holder] = Waiter(
        traffic=wish.traffic, flow=wish.flow, since=now - max(0.0, wish.waited_s), seen=now
    )


def _not_your_turn(state: QuotaState, wish: Ask, now: float) -> Answer | None:
    turn = state.turn
    if turn is not None and now < turn.not_after and turn.holder != wish.holder:
        return Answer(now, 0, min(turn.not_after, now + ASK_AGAIN_S), why=f"{turn.holder} has the turn")
    state.waiting = {name: w for name, w in state.waiting.items() if w.seen > now - WAITER_ALIVE_S}
    _enqueue(state, wish, now)

    def order(name: str) -> tuple[float, float, float]:
        waiter = state.waiting[name]
        return (_rank(waiter.traffic, now - waiter.since), state.served.get(waiter.flow, 0.0), waiter.since)

    first = min(state.waiting, key=order)
    if first == wish.holder:
        return None
    return Answer(now, 0, now + ASK_AGAIN_S / 5, why=f"{first} is before us")


def _give_turn(state: QuotaState, rules: QuotaRules, wish: Ask, calls: int, now: float) -> Answer:
    calls = min(calls, rules.turn_calls)
    state.turns += 1
    until = now + rules.turn_s
    ends = _spend(state, rules, wish.traffic, calls)
    state.turn = Turn(
        number=state.turns, holder=wish.holder, calls=calls, not_after=until + rules.call_deadline_s, window_ends=ends
    )
    state.waiting.pop(wish.holder, None)
    state.served = {flow: at for flow, at in state.served.items() if at > now - 600.0}
    state.served[wish.flow] = now
    return Answer(now, calls, until, turn=state.turns, slots=(now,) * calls)


def _spend(state: QuotaState, rules: QuotaRules, traffic: TrafficClass, calls: int) -> dict[str, float]:
    ends = {}
    for window in rules.windows:
        known = state.windows[window.name]
        if not window.paced:
            known.used += calls
            ends[window.name] = known.ends_at
        if window.guarded:
            known.used_by[traffic] = known.used_by.get(traffic, 0) + calls
    return ends


def _give_slots(state: QuotaState, rules: QuotaRules, wish: Ask, calls: int, now: float) -> Answer:
    """Slots of the paced windows, at most a slice ahead. A better class may reach further ahead and so comes first."""
    paced = [window for window in rules.windows if window.paced]
    if not paced:
        _spend(state, rules, wish.traffic, calls)
        state.waiting.pop(wish.holder, None)
        return Answer(now, calls, now + rules.slice_s, slots=(now,) * calls)
    reach = rules.slice_s * (1.5 - 0.5 * _rank(wish.traffic, wish.waited_s))
    if RANKS[wish.traffic] and wish.waited_s > PROMOTED_AFTER_S * RANKS[wish.traffic]:
        reach += rules.slice_s / 4  # ahead of a live class that never pauses
    reach = max(reach, rules.slice_s / 4)
    start = max(now - rules.slice_s / 4, *(state.windows[window.name].next_free for window in paced))
    if start > now + reach:
        return Answer(now, 0, start - reach, why="every slot of the coming moments is given")
    gap = max(window.length_s / limit_of(window, state.windows[window.name]) for window in paced)
    calls = max(1, min(calls, int(rules.slice_s / gap)))
    slots = tuple(start + index * gap for index in range(calls))
    for window in paced:
        state.windows[window.name].next_free = start + calls * gap
    _spend(state, rules, wish.traffic, calls)
    state.waiting.pop(wish.holder, None)
    return Answer(now, calls, slots[-1] + rules.slice_s, slots=slots)


def settle(state: QuotaState, rules: QuotaRules, settlement: Settlement, now: float) -> None:
    """Give back what a turn did not use, learn what its answers said, and end it; changes `state`."""
    _roll(state, rules, now)
    turn = state.turn
    if turn is not None and turn.number == settlement.turn:
        for name, ends_at in turn.window_ends.items():
            known = state.windows[name]
            if known.ends_at == ends_at:
                known.used = max(0, known.used - settlement.unused)
        state.turn = None
    if settlement.leaves:
        state.waiting.pop(settlement.holder, None)
    for lesson in settlement.lessons:
        learn(state, rules, lesson, now)


def learn(state: QuotaState, rules: QuotaRules, lesson: Lesson, now: float) -> None:
    """Take in one answer: the vendor's own counts, its clock, its refusals and its errors; changes `state`."""
    _count_error(state, rules, lesson, now)
    windows = {window.name: window for window in rules.windows}
    for reading in lesson.reading.windows:
        window = windows.get(reading.name)
        if window is None:
            continue
        known = state.windows[window.name]
        if reading.limit is not None and reading.limit > 0:
            known.limit = reading.limit
        if reading.resets_at is not None:
            state.offset = clocks.observe(state.offset, reading.resets_at, window.length_s, lesson)
            _place(state, window, known, reading.resets_at, now)
        if reading.remaining is not None:
            used = limit_of(window, known) - reading.remaining
            known.used = used if rules.serial and state.turn is None else max(known.used, used)
            known.unconfirmed = False
    if lesson.reading.limited:
        _close(state, rules, lesson, now)
    elif lesson.reading.windows or lesson.status < 400:
        state.strikes = 0


def _place(state: QuotaState, window: Window, known: WindowState, resets_at: float, now: float) -> None:
    assert state.offset is not None
    if known.resets_at is None or abs(known.resets_at - resets_at) > window.length_s / 2:
        known.unconfirmed = False
    known.resets_at = resets_at
    known.ends_at = clocks.ours(state.offset, resets_at, now) + EDGE_GUARD_S


def _count_error(state: QuotaState, rules: QuotaRules, lesson: Lesson, now: float) -> None:
    if rules.error_limit is None or lesson.status not in rules.error_statuses:
        return
    recent = [time for time in state.errors.get(lesson.endpoint, ()) if time > now - rules.error_window_s]
    state.errors[lesson.endpoint] = [*recent, now][-2 * rules.error_limit :]


def _close(state: QuotaState, rules: QuotaRules, lesson: Lesson, now: float) -> None:
    """A 429: nobody calls before the time it names, or before a growing one of ours."""
    until = 0.0
    named = {reading.name: reading for reading in lesson.reading.windows}
    for window in rules.windows:
        reading = named.get(window.name)
        if reading is None or reading.resets_at is None or state.offset is None:
            continue
        if reading.remaining in (0, None):
            until = max(until, clocks.ours(state.offset, reading.resets_at, now) + RESET_GUARD_S)
    if lesson.reading.retry_after_s is not None:
        until = max(until, lesson.received_at + lesson.reading.retry_after_s)
    if until <= now:
        until = now + BLIND_BACKOFF_S[min(state.strikes, len(BLIND_BACKOFF_S) - 1)]
        state.strikes += 1
    state.offset = clocks.distrusted(state.offset)
    state.closed_until = max(state.closed_until, until)
    state.closed_why = "the vendor answered 429 (too many requests)"


def status(state: QuotaState, rules: QuotaRules, now: float) -> QuotaStatus:
    _roll(state, rules, now)
    shown = tuple(
        WindowStatus(
            window.name,
            limit_of(window, known),
            known.used,
            known.ends_at,
            {traffic.value: count for traffic, count in known.used_by.items()},
        )
        for window in rules.windows
        if (known := state.windows[window.name]) and not window.paced
    )
    errors = {
        endpoint: len([t for t in times if t > now - rules.error_window_s]) for endpoint, times in state.errors.items()
    }
    alive = [w for w in state.waiting.values() if w.seen > now - WAITER_ALIVE_S]
    return QuotaStatus(
        now, shown, state.closed_until, state.closed_why if state.closed_until > now else "",
        degraded(state, rules, now), errors, len(alive),
    )  # fmt: skip
