"""The rules of the write protocol, each for all inputs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.ports.dispatch import OpenCall
from connector.domain.ports.target import Found, Measure, NaturalKey, Part
from connector.domain.reasons import Reason
from connector.domain.sync.adoption import Adopted, Nothing, judge
from connector.domain.sync.measures import differences, target_differs
from connector.domain.sync.retry import ATTEMPTS_AT_MOST, LONGEST_S, backoff_s
from connector.domain.sync.states import JUDGED, IllegalMove, State, after_newer, move

KEY = NaturalKey("orders", (("number", "PO-1"),))
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PART = Part("order", KEY, "acme/erp/purchase-order/1", {"number": "PO-1"}, Measure())

states = st.sampled_from(State)
stamps = st.sampled_from([None, PART.stamp, "acme/erp/purchase-order/2"])
found = st.builds(
    Found,
    target_id=st.sampled_from(["T1", "T2", "T3"]),
    natural_key=st.just(KEY),
    stamp=stamps,
    status=st.just("draft"),
    live=st.booleans(),
    projection=st.sampled_from([PART.wanted, {"number": "other"}]),
    created_by_us=st.booleans(),
    created_at=st.sampled_from([None, *((NOW + timedelta(minutes=m)).isoformat() for m in (-60, 0, 1))]),
)
open_create = OpenCall("c", "order", "create", creates=True, opened_at=NOW, not_after_in_s=-1.0)
intents = st.sampled_from([[], [open_create]])
several = st.lists(found, max_size=4, unique_by=lambda one: one.target_id)
amounts = st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000)
measures = st.builds(
    Measure,
    amounts,
    amounts,
    amounts,
    st.none() | st.sampled_from(["EUR", "USD"]),
    st.none() | st.booleans(),
    st.none() | st.integers(0, 3),
)


@given(states, states)
def test_a_row_is_judged_only_while_it_is_due_or_waiting(before: State, after: State) -> None:
    if before in JUDGED or after is State.DUE:
        assert move(before, after) is after
    else:
        with pytest.raises(IllegalMove):
            move(before, after)


@given(states, st.booleans())
def test_changed_content_makes_any_row_due(before: State, resolved: bool) -> None:
    assert after_newer(before, content_changed=True, resolved_changed=resolved) is State.DUE


@given(states)
def test_changed_joined_values_touch_only_rows_that_are_stuck(before: State) -> None:
    after = after_newer(before, content_changed=False, resolved_changed=True)
    assert after is (State.DUE if before in (State.BLOCKED, State.WAITING) else before)


@given(several, intents)
def test_nothing_is_adopted_without_our_mark_or_our_own_open_intent(hits: list[Found], calls: list[OpenCall]) -> None:
    verdict = judge(PART, hits, calls)
    if isinstance(verdict, Adopted):
        adopted = verdict.found
        assert adopted.live
        intended = calls and adopted.created_by_us and adopted.projection == PART.wanted
        assert adopted.stamp == PART.stamp or (adopted.stamp is None and intended)


@given(several, intents)
def test_nothing_is_created_beside_a_live_object_of_the_same_number(hits: list[Found], calls: list[OpenCall]) -> None:
    live = [one for one in hits if one.live]
    assert isinstance(judge(PART, hits, calls), Nothing) == (not live)


@given(st.lists(found, min_size=2, max_size=4, unique_by=lambda one: one.target_id))
def test_two_live_objects_with_our_mark_are_a_persons_case(hits: list[Found]) -> None:
    marked = [one for one in hits if one.live and one.stamp == PART.stamp]
    if len(marked) > 1:
        verdict = judge(PART, hits, [])
        assert isinstance(verdict, Reason)
        assert verdict.code == "doubled"


@given(measures, measures)
def test_only_figures_known_on_both_sides_are_compared(expected: Measure, actual: Measure) -> None:
    for name, wanted, shown in differences(expected, actual):
        assert None not in (wanted, shown)
        assert getattr(expected, name) != getattr(actual, name)
    assert not list(differences(expected, expected))


def test_decimals_are_equal_by_value_and_differences_name_both_sides() -> None:
    part = Part("order", KEY, "s", {}, Measure(net=Decimal("10.00"), references=(("term", "30"),)))
    assert target_differs(part, Measure(net=Decimal("10.0"), references=(("term", "30"),))) is None
    reason = target_differs(part, Measure(net=Decimal("10.01"), references=(("term", "60"),)))
    assert reason is not None
    assert "net expected 10.00, actual 10.01" in reason.message
    assert "term expected 30, actual 60" in reason.message


@given(st.integers(0, ATTEMPTS_AT_MOST), st.integers(), st.none() | st.floats(0, 5000))
def test_a_retry_waits_longer_each_time_and_never_less_than_the_vendor_asks(
    attempts: int, seed: int, asked: float | None
) -> None:
    waited = backoff_s(attempts, Random(seed), asked)
    assert waited >= (asked or 0)
    assert waited <= max(LONGEST_S, asked or 0)
    assert waited >= min(LONGEST_S, 2.0**attempts) / 2
