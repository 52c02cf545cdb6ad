"""The same random history, one operation after another, in memory and on PostgreSQL: each answer must be the same."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.domain.identity import Role, TrafficClass
from connector.domain.ports.dispatch import Closed, DueRow, Feedback, Intent, IntentItem, Judgement, Settlement
from connector.domain.ports.epochs import EpochLost, Hold
from connector.domain.ports.operations import RELEASABLE, Selection
from connector.domain.ports.references import ReferenceEntry, ReferenceKey
from connector.domain.ports.target import Dependency
from connector.domain.reasons import Reason
from connector.domain.sync.states import Cause, State
from tests.write import FLOW, SOURCE, TARGET, at, ref, row_of

from .conftest import Stores, in_memory, on_postgres
from .test_stores import desired, stored

ROWS = tuple("123456")
STEPS = 60
KEYS = tuple(ReferenceKey(TARGET, "account", code) for code in ("4000", "4100"))
REASONS = {code: Reason(code=code, message="") for code in ("mass-change", "dry-run", "rejected-by-target")}


@dataclass
class Side:
    """One implementation, and what a dispatcher on it has in hand."""

    stores: Stores
    hold: Hold | None = None
    lost: Hold | None = None
    in_hand: dict[str, DueRow] = field(default_factory=dict)


class History:
    """Draws an operation, then has each side do it; what it returns is compared."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.reads = self.calls = 0
        self.seen: dict[str, str | None] = {}

    def draw(self) -> tuple[str, dict[str, Any]]:
        dice, kinds = self.dice, ("upsert",) * 4 + ("settle",) * 7 + ("claim",) * 4
        kind = dice.choice(
            (*kinds, "take", "open", "reference", "release", "again", "seen", "brake", "rejudge", "stale", "coming")
        )
        self.reads += 1
        self.calls += 1
        given = {"n": self.reads, "row": dice.choice(ROWS), "rows": dice.sample(ROWS, dice.randint(1, 4))}
        given |= {"old": dice.random() < 0.2, "content": f"c{dice.randint(1, 3)}", "state": dice.choice(list(State))}
        given |= {"wait": dice.choice((str(KEYS[0]), str(KEYS[1]), f"link:{ref(dice.choice(ROWS)).key}"))}
        given |= {"key": dice.choice(KEYS), "version": f"v{dice.randint(1, 3)}", "there": dice.random() < 0.7}
        given |= {"object": dice.random() < 0.5, "target": f"T{dice.choice(ROWS)}", "round": dice.choice((None, 0, 1))}
        given |= {
            "reason": dice.choice(list(REASONS)),
            "configuration": dice.randint(1, 5),
            "shown": dice.random() < 0.5,
        }
        given |= {"left_s": dice.choice((300.0, -1.0))}
        return kind, given

    async def perform(self, side: Side, kind: str, given: dict[str, Any]) -> Any:
        if side.hold is None:
            side.hold = await side.stores.epochs.take(TARGET, Role.WRITE, "one")
        return await getattr(self, f"_{kind}")(side, given)

    async def _take(self, side: Side, given: dict[str, Any]) -> Any:
        side.lost, side.hold = side.hold, await side.stores.epochs.take(TARGET, Role.WRITE, "one")
        assert side.hold is not None
        return side.hold.epoch

    async def _stale(self, side: Side, given: dict[str, Any]) -> Any:
        """Whoever lost the epoch changes nothing."""
        if side.lost is None:
            return None
        with pytest.raises(EpochLost):
            await side.stores.dispatch.brake(side.lost, FLOW, 1, 0.1)
        return "lost"

    async def _upsert(self, side: Side, given: dict[str, Any]) -> Any:
        read = given["n"] - 9 if given["old"] else given["n"]
        wanted = [desired(row, read=max(1, read), content=given["content"]) for row in given["rows"]]
        return await side.stores.rows.upsert(wanted)

    async def _claim(self, side: Side, given: dict[str, Any]) -> Any:
        assert side.hold is not None
        found = await side.stores.dispatch.claim(side.hold, [FLOW], 100, [], TrafficClass.BACKFILL)
        side.in_hand = {due.row.native_id: due for due in found}
        return sorted(_shown(due) for due in found)

    async def _open(self, side: Side, given: dict[str, Any]) -> Any:
        due = side.in_hand.get(given["row"])
        if due is None or side.hold is None:
            return None
        items = [IntentItem(due.row, "order", "create", True)]
        await side.stores.dispatch.open_call(side.hold, Intent(f"call-{given['n']}", "POST", "orders", 30, items))
        return "opened"

    async def _settle(self, side: Side, given: dict[str, Any]) -> Any:
        due = side.in_hand.pop(given["row"], None)
        if due is None or side.hold is None:
            return None
        state = given["state"] if given["state"] is not State.FAILED else State.SYNCED
        waits = [Dependency(given["wait"], given["version"] if given["there"] else None)]
        due_in_s = {State.DUE: 0.0, State.WAITING: 300.0}.get(state)
        told = state in (State.SYNCED, State.REJECTED) and given["round"] is not None
        feedback = Feedback(SOURCE, given["round"], state, [], {"n": given["n"]}) if told else None
        judgement = Judgement(
            state, due_in_s=due_in_s, wait_in_s=given["left_s"] if state is State.WAITING else None,
            reasons=[REASONS[given["reason"]]] if state is not State.SYNCED else [], feedback=feedback,
            waits=waits if state in (State.WAITING, State.BLOCKED) else [], configuration=given["configuration"],
        )  # fmt: skip
        objects = {"order": stored(given["target"])} if given["object"] else {}
        closed = [Closed(call.call_id, call.part, "done") for call in due.open_calls]
        return await side.stores.dispatch.settle(
            side.hold, [Settlement(due, closed=closed, objects=objects, judgement=judgement)]
        )

    async def _reference(self, side: Side, given: dict[str, Any]) -> Any:
        body = {"code": given["key"].code} if given["there"] else None
        entry = ReferenceEntry(given["key"], at(given["n"]), given["version"] if given["there"] else "none", body)
        return await side.stores.references.upsert([entry])

    async def _release(self, side: Side, given: dict[str, Any]) -> Any:
        return await side.stores.operations.release(Selection(FLOW, RELEASABLE, native_ids=given["rows"]), "ann")

    async def _again(self, side: Side, given: dict[str, Any]) -> Any:
        chosen = Selection(FLOW, frozenset({State.SYNCED, State.BLOCKED, State.EXCLUDED}), native_ids=given["rows"])
        return await side.stores.operations.again(chosen, Cause.REPLAY, "ann")

    async def _seen(self, side: Side, given: dict[str, Any]) -> Any:
        assert side.hold is not None
        standing = await side.stores.dispatch.standing(side.hold, [FLOW], 100, -1.0)
        rows = [one.row for one in standing]
        await side.stores.dispatch.seen(side.hold, rows, rows[:1] if given["shown"] else [])
        return sorted(row.native_id for row in rows) if not given["shown"] else len(rows)

    async def _brake(self, side: Side, given: dict[str, Any]) -> Any:
        assert side.hold is not None
        return (await side.stores.dispatch.brake(side.hold, FLOW, 2, 0.0)) or 0

    async def _coming(self, side: Side, given: dict[str, Any]) -> Any:
        return sorted(await side.stores.dispatch.coming(TARGET, [FLOW], [ref(row) for row in given["rows"]]))

    async def _rejudge(self, side: Side, given: dict[str, Any]) -> Any:
        assert side.hold is not None
        return await side.stores.dispatch.rejudge(side.hold, FLOW, given["configuration"], live=given["there"])


def _shown(due: DueRow) -> tuple[Any, ...]:
    objects = {part: (one.object.target_id, one.version) for part, one in due.objects.items()}
    calls = sorted(call.call_id for call in due.open_calls)
    verdicts = sorted((number, one.verdict, one.left) for number, one in due.verdicts.items())
    what = (due.state, due.cause, due.attempts, due.released, due.content_digest, due.revision.read_at)
    return due.row.native_id, *map(str, what), str(objects), str(calls), str(verdicts)


async def _view(side: Side) -> list[tuple[Any, ...]]:
    """Every row as people see it."""
    shown = []
    for native_id in ROWS:
        view = await side.stores.operations.row(row_of(native_id))
        if view is not None:
            shown.append((native_id, view.state, [reason.code for reason in view.reasons], sorted(view.objects)))
    return shown


@pytest.mark.parametrize("first", [1, 6])
async def test_the_same_history_gives_the_same_answers(database_url: str, first: int) -> None:
    for seed in range(first, first + 5):
        async with on_postgres(database_url) as real:
            history, sides = History(seed), (Side(in_memory()), Side(real))
            for step in range(STEPS):
                kind, given = history.draw()
                said = [await history.perform(side, kind, given) for side in sides]
                assert said[0] == said[1], f"seed {seed}, step {step}: {kind} {given}"
                views: Sequence[Any] = [await _view(side) for side in sides]
                assert views[0] == views[1], f"seed {seed}, step {step}: {kind} {given}"
