"""What happens in one schedule, drawn from its seed: documents, edits at both ends, and what goes wrong."""

import random
from dataclasses import dataclass, field
from typing import Any

from connector.domain.sync.retry import ATTEMPTS_AT_MOST

TROUBLE_ENDS_S = 60.0
"""From here on nothing goes wrong any more, and everything has to come right."""

ROOMS_EVERY = 10
"""One schedule in so many runs the vendors' rooms against their sandboxes."""

PROCESSES = ("ingest", "fetcher-a", "fetcher-b", "mapper", "writer-a", "writer-b", "poller")
GROUPS = ("fetcher", "mapper", "writer")

EDITS = {
    "edit": 30,
    "edit-back": 4,
    "delete": 6,
    "cancel-order": 4,
    "re-create": 5,
    "garble": 2,
}
"""What people do at the source, with its weight."""

FAULTS = {
    "crash": 22,
    "restart": 5,
    "stop": 12,
    "stop-before-send": 5,
    "epoch-taken": 6,
    "database-away": 7,
    "database-answer-lost": 9,
    "clock-jump": 4,
    "database-clock-back": 2,
    "vendor-clock-skew": 2,
    "notice-lost": 5,
    "notice-doubled": 4,
    "notice-delayed": 5,
    "source-away": 4,
    "source-storm": 3,
    "source-blind": 4,
    "poisoned": 2,
    "target-away": 4,
    "target-storm": 3,
    "target-locked": 4,
    "lost-before-commit": 8,
    "lost-after-commit": 10,
    "committed-late": 9,
    "write-unavailable": 3,
    "write-refused": 3,
    "wrong-figures": 5,
    "log-refused": 4,
    "log-answer-lost": 5,
    "compaction": 4,
    "reset-fetcher": 3,
    "reset-mapper": 3,
    "reset-writer": 6,
    "translation-raised": 3,
    "mapping-gap": 4,
    "flow-narrowed": 4,
    "reference-gap": 3,
    "person-edits-target": 6,
    "person-cancels-target": 6,
    "person-deletes-target": 5,
    "person-takes-number": 3,
    "replay": 3,
}
"""What goes wrong, or is done to provoke it, with its weight."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens at a virtual second; `detail` is all that it needs to know."""

    at_s: float
    kind: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`sweeps`: a catch-up finds what notices missed; without it notices must be enough, and none gets lost."""

    seed: int
    sweeps: bool
    rejects: bool
    """Blocked documents are refused to the source instead of held."""
    dry_run: bool
    """The flow begins in dry run and is released on the way."""
    attempts: int
    """How often a call is tried: in some schedules so seldom that tries get used up."""
    batch: int
    acts: tuple[Act, ...]


def draw(seed: int) -> Schedule:
    """The schedule of a seed: at least 3 documents, 2 edits and 3 faults."""
    dice = random.Random(f"schedule {seed}")
    sweeps = dice.random() < 0.6
    documents = _documents(dice)
    edits = [_edit(dice, documents) for _ in range(dice.randint(2, 7))]
    faults = [_fault(dice, documents, sweeps=sweeps) for _ in range(dice.randint(3, 8))]
    attempts = dice.choices((ATTEMPTS_AT_MOST, 2, 1), (85, 8, 7))[0]
    if attempts == 1:
        faults += _away_when_unlocked(dice)
    elif dice.random() < 0.06:
        faults += _locked_while_rewritten(dice)
    acts = sorted([*documents, *edits, *faults], key=lambda act: act.at_s)
    return Schedule(
        seed=seed,
        sweeps=sweeps,
        rejects=dice.random() < 0.08,
        dry_run=dice.random() < 0.06,
        attempts=attempts,
        batch=dice.choice((1, 1, 3)),
        acts=tuple(acts),
    )


def _away_when_unlocked(dice: random.Random) -> list[Act]:
    """What waits for a lock finds nobody there when it looks again."""
    at_s = dice.uniform(3, 30)
    away = [Act(at_s + after_s, "target-away", {"for_s": 9.0}) for after_s in (17.0, 26.0)]
    return [Act(at_s, "target-locked", {"for_s": 12.0}), *away]


def _locked_while_rewritten(dice: random.Random) -> list[Act]:
    """What would be written again for another reason than a change at the source has to wait at first."""
    at_s = dice.uniform(8, 30)
    raised = Act(at_s, "translation-raised", {"down_s": 0.5, "replay": True})
    return [Act(at_s, "target-locked", {"for_s": dice.uniform(8, 18)}), raised]


def _documents(dice: random.Random) -> list[Act]:
    """Suppliers, orders that need them and invoices that need orders, saved in any order."""
    suppliers = [f"s{n}" for n in range(dice.randint(1, 2))]
    orders = [f"o{n}" for n in range(dice.randint(1, 3))]
    invoices = [f"i{n}" for n in range(dice.randint(0 if len(suppliers) + len(orders) > 2 else 1, 2))]
    acts = [_create(dice, "supplier", id, {}) for id in suppliers]
    acts += [_create(dice, "purchase-order", id, {"supplier": dice.choice(suppliers)}) for id in orders]
    acts += [
        _create(dice, "invoice", id, {"supplier": dice.choice(suppliers), "order": dice.choice([*orders, None])})
        for id in invoices
    ]
    return acts


def _create(dice: random.Random, entity: str, id: str, links: dict[str, Any]) -> Act:
    at_s = dice.uniform(0, 12) if dice.random() < 0.8 else dice.uniform(0, 45)
    return Act(at_s, "create", {"entity": entity, "id": id, "lines": dice.randint(1, 3), **links})


def _edit(dice: random.Random, documents: list[Act]) -> Act:
    kind = dice.choices(list(EDITS), list(EDITS.values()))[0]
    wanted = [act for act in documents if kind != "cancel-order" or act.detail["entity"] == "purchase-order"]
    chosen = dice.choice(wanted)
    at_s = chosen.at_s + (dice.uniform(0, 6) if dice.random() < 0.5 else dice.uniform(0, 45))
    detail = {"entity": chosen.detail["entity"], "id": chosen.detail["id"]}
    if kind == "re-create":
        shared = chosen.detail["entity"] == "supplier"  # one object may stand for several suppliers of a number
        detail |= {"restored": shared or dice.random() < 0.4, "after_s": dice.uniform(0, 6)}
    return Act(min(at_s, TROUBLE_ENDS_S - 1), kind, detail)


def _fault(dice: random.Random, documents: list[Act], *, sweeps: bool) -> Act:
    kinds = {kind: weight for kind, weight in FAULTS.items() if sweeps or kind != "notice-lost"}
    kind = dice.choices(list(kinds), list(kinds.values()))[0]
    chosen = dice.choice(documents)
    near_s = chosen.at_s + dice.uniform(0, 12)
    at_s = min(near_s if dice.random() < 0.7 else dice.uniform(0, 50), TROUBLE_ENDS_S - 2)
    return Act(at_s, kind, fault_detail(dice, kind, chosen))


def fault_detail(dice: random.Random, kind: str, chosen: Act) -> dict[str, Any]:
    """What a fault of a kind needs to know; `chosen` is the document it is about, if it is about one."""
    weighted = ("writer-a", "writer-a", "writer-b", "fetcher-a", "fetcher-b", "mapper", "mapper", "ingest", "poller")
    match kind:
        case "crash":
            process = dice.choice(weighted)
            return {"process": process, "points": _points(dice, process), "down_s": dice.uniform(0.1, 8)}
        case "restart":
            return {"process": dice.choice(weighted), "down_s": dice.uniform(0.1, 3)}
        case "stop":
            process = dice.choice(weighted)
            return {"process": process, "points": _points(dice, process), "for_s": dice.uniform(1, 30)}
        case "stop-before-send":
            return {"points": dice.randint(1, 3), "for_s": dice.uniform(15, 45)}
        case "epoch-taken":
            return {"role": dice.choice(("read", "write", "write"))}
        case "database-away" | "database-answer-lost":
            process = dice.choice(weighted)
            return {
                "process": process,
                "points": _points(dice, process),
                "for_s": dice.uniform(0.5, 20),
                "calls": dice.randint(1, 3),
            }
        case "clock-jump":
            return {"process": dice.choice(weighted), "by_s": dice.uniform(-3600, 3600)}
        case "database-clock-back":
            return {"by_s": dice.uniform(0.1, 8)}
        case "vendor-clock-skew":
            return {"by_s": dice.uniform(-200, 200)}
        case "notice-lost" | "notice-doubled" | "notice-delayed":
            return {"count": dice.randint(1, 4)}
        case "source-away" | "source-storm" | "source-blind" | "target-away" | "target-storm":
            return {"for_s": dice.uniform(1, 15)}
        case "target-locked":
            return {"for_s": dice.uniform(5, 40)}
        case "poisoned" | "replay":
            return {"entity": chosen.detail["entity"], "id": chosen.detail["id"], "for_s": dice.uniform(1, 15)}
        case kind if kind.startswith("person-"):
            return {"entity": chosen.detail["entity"], "id": chosen.detail["id"], "for_s": dice.uniform(1, 15)}
        case "log-refused" | "log-answer-lost":
            return {"topic": dice.choice(("webhooks", "documents", "canonical")), "count": dice.randint(1, 3)}
        case "reset-fetcher" | "reset-mapper" | "reset-writer":
            return {"back": dice.choice((None, 1, 2, 5)), "down_s": dice.uniform(0.1, 2)}
        case "translation-raised":
            return {"down_s": dice.uniform(0.1, 2), "replay": dice.random() < 0.8}
        case "mapping-gap" | "reference-gap" | "flow-narrowed":
            return {"for_s": dice.uniform(2, 30)}
        case _:
            return {}


def _points(dice: random.Random, process: str) -> int:
    """Await points from now; some processes pass few of them."""
    return dice.randint(1, 60 if process.startswith(("writer", "fetcher")) else 4)
