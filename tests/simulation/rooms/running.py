"""Draws and runs schedules on the vendors' rooms."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import Any

from connector.domain.sync.retry import ATTEMPTS_AT_MOST
from tests.simulation.acting import Acting
from tests.simulation.checking import Finding
from tests.simulation.loop import run
from tests.simulation.running import at_rest, counting_moves
from tests.simulation.schedule import FAULTS, TROUBLE_ENDS_S, Act, Schedule, fault_detail

from .world import RoomsWorld

LEFT_OUT = (
    "vendor-clock-skew",
    "source-blind",
    "poisoned",
    "write-refused",
    "wrong-figures",
    "translation-raised",
    "mapping-gap",
    "reference-gap",
    "target-locked",
    "person-edits-target",
    "person-cancels-target",
    "person-deletes-target",
    "person-takes-number",
)
"""What the small vendors are there for; here the rooms and their sandboxes are on trial."""
EDITS = {"edit": 6, "cancelled": 2, "deleted": 2, "rename": 1}


class RoomsActing(Acting):
    """People act on Exact's screens."""

    def __init__(self, world: RoomsWorld) -> None:
        super().__init__(world)
        self._rooms = world

    async def put_right(self) -> None:
        await self._rooms.books.approve_invoices()
        await super().put_right()

    def act(self, act: Act) -> None:
        if act.kind in ("enter", *EDITS):
            self._later.append(asyncio.get_running_loop().create_task(self._at_the_screen(act)))
        else:
            super().act(act)

    async def _at_the_screen(self, act: Act) -> None:
        books, name = self._rooms.books, act.detail.get("name", "")
        match act.kind:
            case "enter":
                await books.enter(name, act.detail["entity"])
            case "edit":
                if await books.edit(name):
                    self._cover("edit")
            case "rename":
                await books.rename_supplier()
                self._cover("edit")
            case how:
                if await books.end(name, how):
                    self._cover("delete" if how == "deleted" else "cancel-order")


def draw_rooms(seed: int) -> Schedule:
    """At least 3 documents (beside the suppliers), 2 edits and 3 faults."""
    dice = random.Random(f"rooms {seed}")
    documents = [
        Act(dice.uniform(0, 30), "enter", {"name": f"d{n}", "entity": dice.choice(("purchase-order", "invoice"))})
        for n in range(dice.randint(3, 5))
    ]
    documents[0].detail["entity"] = "purchase-order"
    edits = [_edit(dice, documents) for _ in range(dice.randint(2, 4))]
    faults = [_fault(dice, documents) for _ in range(dice.randint(3, 6))]
    acts = sorted([*documents, *edits, *faults], key=lambda act: act.at_s)
    plain = {"sweeps": True, "rejects": False, "dry_run": False, "attempts": ATTEMPTS_AT_MOST, "batch": 1}
    return Schedule(seed=seed, acts=tuple(acts), **plain)  # type: ignore[arg-type]


def _edit(dice: random.Random, documents: list[Act]) -> Act:
    chosen, kind = dice.choice(documents), dice.choices(list(EDITS), list(EDITS.values()))[0]
    return Act(min(chosen.at_s + dice.uniform(0.5, 25), TROUBLE_ENDS_S - 1), kind, {"name": chosen.detail["name"]})


def _fault(dice: random.Random, documents: list[Act]) -> Act:
    kinds = {kind: weight for kind, weight in FAULTS.items() if kind not in LEFT_OUT and kind != "replay"}
    kind, chosen = dice.choices(list(kinds), list(kinds.values()))[0], dice.choice(documents)
    at_s = min(chosen.at_s + dice.uniform(0, 12), TROUBLE_ENDS_S - 2)
    named = replace(chosen, detail=chosen.detail | {"id": chosen.detail["name"]})
    return Act(at_s, kind, fault_detail(dice, kind, named))


def play_rooms(schedule: Schedule) -> tuple[list[Finding], Counter[str], Counter[str]]:
    moves: Counter[str] = Counter()
    with counting_moves(moves):
        findings, covered = run(_play(schedule))
    return findings, covered, moves


async def _play(schedule: Schedule) -> tuple[list[Finding], Counter[str]]:
    world = RoomsWorld(schedule)
    await world.prepare()
    acting: Any = RoomsActing(world)
    settled = await at_rest(world, acting)
    findings = [Finding("disagreeing", trouble) for trouble in world.troubles]
    findings += await world.books.findings(world.tables.rows)
    if not settled:
        findings.append(Finding("lost", "never at rest"))
    await world.close()
    return findings, world.covered
