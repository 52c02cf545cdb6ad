"""Which documents are still on their way to a target: in memory and on PostgreSQL alike."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from connector.domain.identity import Entity, EntityRef, FlowId
from connector.domain.ports.dispatch import Judgement, Settlement
from connector.domain.ports.target import Dependency
from connector.domain.sync.states import State
from tests.write import FLOW, TARGET, ref

from .conftest import Stores
from .test_stores import claim, desired, hold_of, stored

Case = tuple[State, float | None, Sequence[str]]
"""State, seconds of its own waiting that are left, and whom it waits for."""


async def coming(stores: Stores, *ids: str, flows: Sequence[FlowId] = (FLOW,)) -> set[str]:
    refs = [ref(native_id) for native_id in ids]
    return {found.native_id for found in await stores.dispatch.coming(TARGET, flows, refs)}


async def put(stores: Stores, rows: Mapping[str, Case], **given: Any) -> None:
    hold = await hold_of(stores)
    await stores.rows.upsert([desired(native_id) for native_id in rows])
    for due in await claim(stores, hold):
        state, left_s, awaited = rows[due.row.native_id]
        waits = [Dependency(f"link:{ref(one).key}", None) for one in awaited]
        due_in_s = 300.0 if state in (State.DUE, State.WAITING) else None
        judgement = Judgement(state, due_in_s=due_in_s, wait_in_s=left_s, waits=waits)
        await stores.dispatch.settle(hold, [Settlement(due, judgement=judgement, **given)])


@pytest.mark.parametrize("state", [state for state in State if state not in (State.DUE, State.WAITING)])
async def test_a_row_that_has_ended_is_not_coming(stores: Stores, state: State) -> None:
    await put(stores, {"1": (State.DUE, None, ()), "2": (state, None, ())})
    assert await coming(stores, "1", "2", "unheard-of") == {"1"}
    assert await coming(stores, "1", flows=[FlowId("acme", "another")]) == set()
    others = [EntityRef(TARGET, Entity.PURCHASE_ORDER, "1"), ref("1", Entity.INVOICE)]
    assert set(await stores.dispatch.coming(TARGET, [FLOW], others)) == set(), "of another source, of another kind"


async def test_a_row_whose_own_wait_is_over_comes_as_long_as_what_it_waits_for(stores: Stores) -> None:
    rows: dict[str, Case] = {
        "due": (State.DUE, None, ()),
        "stuck": (State.BLOCKED, None, ()),
        "waiting": (State.WAITING, 300.0, ["unheard-of"]),
        "not-now": (State.WAITING, None, ()),
        "over": (State.WAITING, -1.0, ["unheard-of", "stuck"]),
        "second": (State.WAITING, -1.0, ["due"]),
        "third": (State.WAITING, -1.0, ["second"]),
        "round": (State.WAITING, -1.0, ["about"]),
        "about": (State.WAITING, -1.0, ["round"]),
        "beside": (State.WAITING, -1.0, ["about", "third"]),
    }
    await put(stores, rows)
    assert await coming(stores, *rows) == {"due", "waiting", "not-now", "second", "third", "beside"}


async def test_what_has_come_meanwhile_counts_whatever_became_of_its_row(stores: Stores) -> None:
    await put(stores, {"1": (State.SYNCED, None, ())}, objects={"order": stored()})
    assert await coming(stores, "1") == {"1"}
