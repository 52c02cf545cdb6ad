"""Whose turn it is where several rows concern one document."""

from dataclasses import replace
from datetime import UTC, datetime

from connector.domain.documents.envelope import RecordStatus
from connector.domain.identity import Entity, EntityRef, Revision, RowRef, TrafficClass
from connector.domain.ports.dispatch import DueRow
from connector.domain.ports.target import Measure, NaturalKey, Part, Rendered
from connector.domain.sync.states import Cause, State
from connector.domain.sync.turns import Turns
from connector.domain.sync.work import Work
from tests.write import CONNECTION, FLOW, SOURCE, TARGET, flow

ORDER, SUPPLIER = EntityRef(SOURCE, Entity.PURCHASE_ORDER, "o"), EntityRef(SOURCE, Entity.SUPPLIER, "s")


def work(native_id: str, entity: Entity, *linked: EntityRef) -> Work:
    due = DueRow(
        row=RowRef(FLOW, entity, native_id), source=SOURCE, target=TARGET,
        revision=Revision(datetime(2026, 3, 2, tzinfo=UTC), 1), content_digest="c", resolved_digest="r",
        status=RecordStatus.OK, traffic=TrafficClass.LIVE, cause=Cause.SOURCE, state=State.DUE, attempts=0,
        released=False, wait_in_s=None, received_s=0, payload="", objects={}, open_calls=[],
    )  # fmt: skip
    return Work(due, flow(), CONNECTION, 1, linked=frozenset(linked))


def claimed(turns: Turns, *works: Work) -> tuple[object, list[str]]:
    """Claim these rows in one task; the task, and those that may go on."""
    owner = object()
    turns.take([one.due.row for one in works], owner)
    return owner, [one.due.row.native_id for one in turns.admit(works)]


def test_orders_of_one_supplier_go_on_together_and_never_beside_its_own_write() -> None:
    turns, supplier = Turns(), work("s", Entity.SUPPLIER)
    first, second = work("o1", Entity.PURCHASE_ORDER, SUPPLIER), work("o2", Entity.PURCHASE_ORDER, SUPPLIER)
    writing, admitted = claimed(turns, first, supplier, second)
    assert admitted == ["s"], "what others depend on goes first"
    turns.end(writing)
    linking, admitted = claimed(turns, first, second)
    assert admitted == ["o1", "o2"]
    _, admitted = claimed(turns, supplier)
    assert admitted == []
    late = work("o3", Entity.PURCHASE_ORDER, SUPPLIER)
    _, admitted = claimed(turns, late)
    assert admitted == [], "it would go before the supplier, that waits already"
    turns.end(linking)
    assert supplier.due.row not in turns.rows
    assert late.due.row not in turns.rows


def test_a_parked_row_that_does_not_link_any_more_when_its_turn_comes_leaves_nobody_parked() -> None:
    turns, order = Turns(), work("o", Entity.PURCHASE_ORDER)
    first, second = work("i1", Entity.INVOICE, ORDER), work("i2", Entity.INVOICE, ORDER)
    writing, _ = claimed(turns, order, first, second)
    turns.end(writing)
    deleted, _ = claimed(turns, replace(first, linked=frozenset()))
    turns.end(deleted)
    assert turns.parked == 0
    assert claimed(turns, second)[1] == ["i2"]


def test_rows_that_want_one_number_in_the_target_take_turns() -> None:
    number = NaturalKey("invoices", (("vendor", "7"), ("number", "F-1")))
    first, second, other = (work(name, Entity.INVOICE) for name in ("i1", "i2", "i3"))
    for one, wanted in ((first, number), (second, number), (other, replace(number, fields=(("number", "F-2"),)))):
        part = Part(one.due.row.native_id, number, one.due.ref.key, {}, Measure(), alone=wanted)
        one.rendered = Rendered(parts=[part])
    turns = Turns()
    writing, admitted = claimed(turns, first, second, other)
    assert admitted == ["i1", "i3"]
    turns.end(writing)
    assert second.due.row not in turns.rows
    assert claimed(turns, second)[1] == ["i2"]
