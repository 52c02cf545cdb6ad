"""Two-way suppliers: what each side is to become after what both have shown."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connector.domain.sync.pairs import Owner, Pair, Side, desired, observe

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
OWNERS = {"name": Owner.A, "contact": Owner.B, "terms": Owner.LATEST}


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def agreed(**values: str) -> Pair:
    return observe(observe(Pair(), Side.A, values, at(1)), Side.B, values, at(2))


def test_a_change_on_one_side_goes_to_the_other_and_its_echo_goes_nowhere() -> None:
    pair = observe(agreed(terms="30"), Side.B, {"terms": "60"}, at(5))
    assert desired(pair, OWNERS) == {Side.A: {"terms": "60"}, Side.B: {}}
    written = observe(pair, Side.A, {"terms": "60"}, at(6))
    assert desired(written, OWNERS) == {Side.A: {}, Side.B: {}}


def test_both_changed_the_owner_wins_and_without_one_the_later_first_sighting() -> None:
    pair = observe(agreed(name="n", terms="30"), Side.A, {"name": "a", "terms": "45"}, at(5))
    pair = observe(pair, Side.B, {"name": "b", "terms": "60"}, at(7))
    assert desired(pair, OWNERS) == {Side.A: {"terms": "60"}, Side.B: {"name": "a"}}
    seen_again = observe(pair, Side.A, {"name": "a", "terms": "45"}, at(9))
    assert desired(seen_again, OWNERS) == desired(pair, OWNERS), "a re-read is no new sighting"


def test_no_merge_on_a_side_while_a_call_on_it_is_open() -> None:
    pair = observe(agreed(terms="30"), Side.B, {"terms": "60"}, at(5))
    waiting = Pair(pair.fields, pair.observed, frozenset({Side.A}))
    assert desired(waiting, OWNERS)[Side.A] == {}


def test_an_older_read_that_comes_late_changes_nothing() -> None:
    pair = observe(agreed(terms="30"), Side.A, {"terms": "45"}, at(8))
    assert observe(pair, Side.A, {"terms": "30"}, at(7)) == pair


edits = st.lists(st.tuples(st.sampled_from(Side), st.sampled_from(sorted(OWNERS)), st.sampled_from("xyz")), max_size=8)


@given(edits)
def test_writing_what_is_desired_ends_with_both_sides_equal(edited: list[tuple[Side, str, str]]) -> None:
    pair, second = agreed(name="n", contact="c", terms="t"), 10
    shown = {side: {"name": "n", "contact": "c", "terms": "t"} for side in Side}
    for side, name, value in edited:
        second += 1
        shown[side][name] = value
        pair = observe(pair, side, shown[side], at(second))
    for side, values in desired(pair, OWNERS).items():
        second += 1
        shown[side].update(values)
        pair = observe(pair, side, shown[side], at(second))
    assert shown[Side.A] == shown[Side.B]
    assert desired(pair, OWNERS) == {Side.A: {}, Side.B: {}}
