"""The quota's rules on a virtual clock, against a vendor that counts for itself."""

import random
from dataclasses import dataclass, field

import pytest

from connector.domain.gate.quota import QuotaState, ask, degraded, settle, status
from connector.domain.identity import TrafficClass
from connector.domain.ports.quota import Ask, Lesson, QuotaRules, Reading, Settlement, Window, WindowReading

LIVE, CATCH_UP, BACKFILL = TrafficClass.LIVE, TrafficClass.CATCH_UP, TrafficClass.BACKFILL
EXACT = QuotaRules(
    (Window("minute", 60, 6.0, taught=True), Window("day", 50_000, 86400.0, guarded=True, taught=True)),
    serial=True,
    call_deadline_s=30.0,
    error_limit=6,
)
COUPA = QuotaRules((Window("second", 20, 1.0, paced=True),), serial=False)


@dataclass
class CalendarVendor:
    """Counts calls in windows of its own clock, which is `ahead_s` of ours, and says so in each answer."""

    ahead_s: float
    limit: int = 60
    length_s: float = 6.0
    counted: dict[float, int] = field(default_factory=dict)
    refused: int = 0

    def call(self, sent_at: float, took_s: float, *, with_date: bool = True) -> Lesson:
        vendor_time = sent_at + took_s / 2 + self.ahead_s
        opened = vendor_time // self.length_s * self.length_s
        limited = self.counted.get(opened, 0) >= self.limit
        if limited:
            self.refused += 1
        else:
            self.counted[opened] = self.counted.get(opened, 0) + 1
        left = self.limit - self.counted[opened]
        minute = WindowReading("minute", self.limit, left, opened + self.length_s)
        date = float(int(vendor_time)) if with_date else None
        return Lesson(
            "Orders", 429 if limited else 200, Reading((minute,), limited, None, date), sent_at, sent_at + took_s
        )


@pytest.mark.parametrize("ahead_s", [0.0, 3600.0, -3600.0, 2.9, -0.7])
@pytest.mark.parametrize("with_date", [True, False])
def test_a_saturated_serial_connection_uses_its_windows_and_is_never_refused(ahead_s: float, with_date: bool) -> None:
    vendor, state, drawn = CalendarVendor(ahead_s), QuotaState(), random.Random(7)
    now, end = 1_800_000_001.3, 1_800_000_001.3 + 120.0
    while now < end:
        replica = f"r{drawn.randrange(8)}"
        answer = ask(state, EXACT, Ask(replica, LIVE, "f", 40, 0.0), now)
        if answer.calls == 0:
            assert answer.until > now
            now = min(answer.until, now + 0.25)
            continue
        made, lessons = 0, []
        while made < answer.calls and now < answer.until:
            took_s = drawn.uniform(0.005, 0.08)
            lessons.append(vendor.call(now, took_s, with_date=with_date))
            made += 1
            now += took_s
            if lessons[-1].reading.windows[0].remaining == 0:
                break
        settle(state, EXACT, Settlement(replica, answer.turn, answer.calls - made, tuple(lessons)), now)
    assert vendor.refused == 0
    whole = list(vendor.counted.values())[2:-1]
    assert sum(whole) >= 0.98 * vendor.limit * len(whole)


def test_one_holder_has_the_turn_until_it_settles_or_its_last_call_is_given_up() -> None:
    state = QuotaState()
    first = ask(state, EXACT, Ask("a", LIVE, "f", 5, 0.0), 100.0)
    assert first.calls == 1  # nothing is known of the vendor's window yet: one call goes ahead
    assert ask(state, EXACT, Ask("b", LIVE, "f", 5, 0.0), 101.0).calls == 0
    settle(state, EXACT, Settlement("a", first.turn), 101.5)
    assert ask(state, EXACT, Ask("b", LIVE, "f", 5, 0.0), 101.6).calls == 1
    assert ask(state, EXACT, Ask("a", LIVE, "f", 5, 0.0), 133.0).calls == 0
    assert ask(state, EXACT, Ask("a", LIVE, "f", 5, 0.0), 133.7).calls == 1, (
        "b died: 2 s of turn and 30 s of call passed"
    )


def test_a_late_settlement_of_a_lost_turn_takes_nothing_from_its_successor() -> None:
    state = QuotaState()
    lost = ask(state, EXACT, Ask("a", LIVE, "f", 1, 0.0), 100.0)
    taken = ask(state, EXACT, Ask("b", LIVE, "f", 1, 0.0), 140.0)
    settle(state, EXACT, Settlement("a", lost.turn, 1), 140.1)
    assert state.turn is not None
    assert state.turn.number == taken.turn


def test_live_goes_before_backfill_and_flows_take_turns() -> None:
    state = QuotaState()
    turn = ask(state, EXACT, Ask("busy", LIVE, "f", 1, 0.0), 100.0)
    for holder, traffic, flow, waited_s in [("b", BACKFILL, "g", 3.0), ("c", LIVE, "f", 2.0), ("d", LIVE, "g", 0.1)]:
        ask(state, EXACT, Ask(holder, traffic, flow, 1, waited_s), 100.2)
    settle(state, EXACT, Settlement("busy", turn.turn), 100.3)
    served = []
    for step in range(3):
        for holder, traffic, flow, waited_s in [
            ("b", BACKFILL, "g", 3.0),
            ("c", LIVE, "f", 2.0),
            ("d", LIVE, "g", 0.1),
        ]:
            if holder in served:
                continue
            answer = ask(state, EXACT, Ask(holder, traffic, flow, 1, waited_s), 100.4 + step / 10)
            if answer.calls:
                served.append(holder)
                settle(state, EXACT, Settlement(holder, answer.turn), 100.45 + step / 10)
                break
    assert served == ["d", "c", "b"], "flow f was served last, so g is first; backfill comes when no live waits"


@pytest.mark.parametrize("rules", [COUPA, QuotaRules((), serial=True)], ids=["parallel", "serial"])
def test_backfill_is_slow_beside_a_live_class_that_never_pauses_but_does_not_starve(rules: QuotaRules) -> None:
    state = QuotaState()
    served = {LIVE: 0, BACKFILL: 0}
    since = {"l1": 0.0, "l2": 0.0, "b": 0.0}
    now, holder_now, turn, taken_at = 0.0, "", 0, 0.0
    while now < 120.0:
        for holder, traffic in (("b", BACKFILL), ("l1", LIVE), ("l2", LIVE)):
            if now > taken_at + 0.03:
                settle(state, rules, Settlement(holder_now, turn), now)
            if holder == holder_now:
                continue
            answer = ask(state, rules, Ask(holder, traffic, traffic.value, 1, now - since[holder]), now)
            if answer.calls:
                served[traffic] += answer.calls
                since[holder] = now
                holder_now, turn, taken_at = holder, answer.turn, now
            now += 0.003
    assert served[BACKFILL] >= 4
    assert served[LIVE] > 20 * served[BACKFILL]


def test_a_dead_waiter_keeps_nobody_out() -> None:
    state = QuotaState()
    turn = ask(state, EXACT, Ask("a", LIVE, "f", 1, 0.0), 100.0)
    ask(state, EXACT, Ask("dead", LIVE, "g", 1, 9.0), 100.1)
    settle(state, EXACT, Settlement("a", turn.turn), 100.2)
    assert ask(state, EXACT, Ask("b", BACKFILL, "h", 1, 0.0), 100.3).calls == 0
    assert ask(state, EXACT, Ask("b", BACKFILL, "h", 1, 1.0), 101.3).calls == 1


def test_slots_of_sixteen_replicas_keep_to_the_ceiling_and_use_it() -> None:
    state, drawn = QuotaState(), random.Random(3)
    slots: list[float] = []
    now = 0.0
    wake = {f"r{index}": drawn.uniform(0, 0.2) for index in range(16)}
    while now < 60.0:
        replica = min(wake, key=lambda name: wake[name])
        now = wake[replica]
        answer = ask(state, COUPA, Ask(replica, LIVE, "f", 10, 0.0), now)
        slots.extend(answer.slots)
        wake[replica] = max(now + 0.002, answer.until if not answer.calls else answer.slots[-1])
    slots.sort()
    for first, later in zip(slots, slots[20:], strict=False):
        assert later - first >= 1.0 - 0.051
    used = sum(slot < 59.0 for slot in slots)
    assert used >= 0.98 * 20 * 59


def test_a_429_closes_the_connection_for_everybody_until_the_time_it_names() -> None:
    state = QuotaState()
    ask(state, COUPA, Ask("a", LIVE, "f", 1, 0.0), 100.0)
    lesson = Lesson("suppliers", 429, Reading((), True, 7.0), 100.0, 100.2)
    settle(state, COUPA, Settlement("a", lessons=(lesson,)), 100.2)
    answer = ask(state, COUPA, Ask("b", LIVE, "f", 1, 0.0), 100.3)
    assert answer.calls == 0
    assert answer.until == pytest.approx(107.2)
    assert "429" in answer.why
    assert ask(state, COUPA, Ask("b", LIVE, "f", 1, 0.0), 107.3).calls == 1


def test_a_429_that_names_no_time_backs_off_further_each_time() -> None:
    state, now, waits = QuotaState(), 100.0, []
    for _ in range(4):
        settle(state, COUPA, Settlement("a", lessons=(Lesson("x", 429, Reading((), True), now, now),)), now)
        waits.append(state.closed_until - now)
        now = state.closed_until + 0.01
    assert waits == [pytest.approx(2.0), pytest.approx(4.0), pytest.approx(8.0), pytest.approx(16.0)]


def test_headers_missing_on_a_429_are_not_read_as_zero() -> None:
    state = QuotaState()
    ask(state, EXACT, Ask("a", LIVE, "f", 1, 0.0), 1000.0)
    reading = Reading((WindowReading("minute", 60, 0, 1006.0),), limited=True)
    settle(state, EXACT, Settlement("a", 1, lessons=(Lesson("x", 429, reading, 1000.0, 1000.1),)), 1000.1)
    day = next(window for window in status(state, EXACT, 1000.2).windows if window.name == "day")
    assert day.used <= 1
    assert state.closed_until < 1000.1 + 6.0 + 2.0


def test_backfill_leaves_the_day_to_live_traffic() -> None:
    rules = QuotaRules((Window("day", 5000, 86400.0, guarded=True),), serial=True, turn_calls=5000)
    state, midnight, spent = QuotaState(), 86400.0 * 20000, 0
    now = midnight + 60.0
    while (answer := ask(state, rules, Ask("a", BACKFILL, "f", 5000, 0.0), now)).calls:
        spent += answer.calls
        settle(state, rules, Settlement("a", answer.turn), now)
        now += 60.0
    assert 2500 <= spent <= 3500, (
        "60 % of the day at most while the first day's live need is unknown, and never the last 30 %"
    )
    assert "live" in answer.why
    assert ask(state, rules, Ask("a", LIVE, "f", 1, 0.0), now).calls == 1
    evening = midnight + 86000.0
    late = ask(state, rules, Ask("a", BACKFILL, "f", 5000, 0.0), evening)
    settle(state, rules, Settlement("a", late.turn), evening)
    assert spent + late.calls <= 3500


def test_an_endpoint_rests_before_the_vendor_blocks_the_key_and_others_go_on() -> None:
    state = QuotaState()
    for index in range(6):
        lesson = Lesson("crm/Accounts", 404, Reading(), 100.0 + index, 100.0 + index)
        settle(state, EXACT, Settlement("a", lessons=(lesson,)), 100.0 + index)
    assert degraded(state, EXACT, 200.0) == {"crm/Accounts": 3700.0}
    assert ask(state, EXACT, Ask("a", LIVE, "f", 1, 0.0), 200.0).degraded == {"crm/Accounts": 3700.0}
    assert degraded(state, EXACT, 3700.5) == {}
