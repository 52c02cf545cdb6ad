"""Draws and runs schedules on the vendors' rooms; the flows take turns."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from connector.domain.sync.retry import ATTEMPTS_AT_MOST
from tests.simulation.acting import WRITE_FAULTS, Acting
from tests.simulation.checking import Finding
from tests.simulation.loop import run
from tests.simulation.running import at_rest, counting_moves
from tests.simulation.schedule import FAULTS, ROOMS_EVERY, TROUBLE_ENDS_S, Act, Schedule, fault_detail

from .basware_exact import BaswareExactWorld
from .exact_coupa import ExactCoupaWorld
from .exact_procore import ExactProcoreWorld
from .world import RoomsWorld

LEFT_OUT = (
    "vendor-clock-skew",
    "source-blind",
    "poisoned",
    "write-refused",
    "wrong-figures",
    "translation-raised",
    "mapping-gap",
    "flow-narrowed",
    "reference-gap",
    "target-locked",
    "person-edits-target",
    "person-cancels-target",
    "person-deletes-target",
    "person-takes-number",
)
"""What the small vendors are there for; here the rooms and their sandboxes are on trial."""
WORLDS: Sequence[type[RoomsWorld]] = (ExactCoupaWorld, BaswareExactWorld, ExactProcoreWorld)
"""They take turns."""


class RoomsActing(Acting):
    """People act on the vendors' screens."""

    def __init__(self, world: RoomsWorld) -> None:
        super().__init__(world)
        self._rooms = world

    async def put_right(self) -> None:
        await self._rooms.books.put_right()
        await super().put_right()

    def act(self, act: Act) -> None:
        if act.kind in ("enter", *self._rooms.edits):
            self._later.append(asyncio.get_running_loop().create_task(self._at_the_screen(act)))
        elif act.kind.startswith("source-") and (fault := act.kind.removeprefix("source-")) in WRITE_FAULTS:
            self._rooms.source.faults.append(WRITE_FAULTS[fault])
        else:
            super().act(act)

    async def _at_the_screen(self, act: Act) -> None:
        books, name = self._rooms.books, act.detail["name"]
        if act.kind == "enter":
            await books.enter(name, act.detail["entity"])
        elif covered := await books.change(act.kind, name):
            self._cover(covered)


def draw_rooms(seed: int) -> Schedule:
    """At least 3 documents (beside the suppliers), 2 edits and 3 faults."""
    dice, world = random.Random(f"rooms {seed}"), world_of(seed)
    documents = [
        Act(dice.uniform(0, 30), "enter", {"name": f"d{n}", "entity": dice.choice(world.document_kinds)})
        for n in range(dice.randint(3, 5))
    ]
    documents[0].detail["entity"] = world.document_kinds[0]
    edits = [_edit(dice, documents, world.edits) for _ in range(dice.randint(2, 4))]
    faults = [_fault(dice, documents, world.faults) for _ in range(dice.randint(3, 6))]
    acts = sorted([*documents, *edits, *faults], key=lambda act: act.at_s)
    plain = {"sweeps": True, "dry_run": False, "attempts": ATTEMPTS_AT_MOST, "batch": 1}
    return Schedule(seed=seed, acts=tuple(acts), rejects=dice.random() < 0.5, **plain)  # type: ignore[arg-type]


def world_of(seed: int) -> type[RoomsWorld]:
    return WORLDS[seed // ROOMS_EVERY % len(WORLDS)]


def _edit(dice: random.Random, documents: list[Act], edits: Mapping[str, int]) -> Act:
    chosen, kind = dice.choice(documents), dice.choices(list(edits), list(edits.values()))[0]
    return Act(min(chosen.at_s + dice.uniform(0.5, 25), TROUBLE_ENDS_S - 1), kind, {"name": chosen.detail["name"]})


def _fault(dice: random.Random, documents: list[Act], further: Mapping[str, int]) -> Act:
    kinds = {kind: weight for kind, weight in FAULTS.items() if kind not in LEFT_OUT and kind != "replay"}
    kinds |= further
    kind, chosen = dice.choices(list(kinds), list(kinds.values()))[0], dice.choice(documents)
    at_s = min(chosen.at_s + dice.uniform(0, 12), TROUBLE_ENDS_S - 2)
    named = replace(chosen, detail=chosen.detail | {"id": chosen.detail["name"]})
    return Act(at_s, kind, fault_detail(dice, kind, named))


def play_rooms(schedule: Schedule) -> tuple[list[Finding], Counter[str], Counter[str]]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    moves: Counter[str] = Counter()
    with counting_moves(moves):
        findings, covered = run(_play(schedule))
    return findings, covered, moves


async def _play(schedule: Schedule) -> tuple[list[Finding], Counter[str]]:
    world = world_of(schedule.seed)(schedule)
    await world.prepare()
    acting: Any = RoomsActing(world)
    settled = await at_rest(world, acting)
    findings = [Finding("disagreeing", trouble) for trouble in world.troubles]
    findings += await world.books.findings(world.tables.rows)
    if not settled:
        findings.append(Finding("lost", "never at rest"))
    await world.close()
    return findings, world.covered
