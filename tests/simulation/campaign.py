"""Many schedules on both cores, their sum, and what it says in `build/simulate.json`."""

import gc
import json
import multiprocessing
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .checking import DISAGREEING, DOUBLED, LOST, Finding
from .running import play
from .schedule import FAULTS, ROOMS_EVERY, draw

RESULT = Path("build/simulate.json")
WORKERS = 2


@dataclass(slots=True)
class Played:
    """What one schedule gave, small enough to travel between processes."""

    seed: int
    rooms: bool
    findings: list[Finding]
    covered: Counter[str]
    moves: Counter[str]
    cpu_s: float


@dataclass(slots=True)
class Campaign:
    seed: int
    schedules: int = 0
    rooms: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    failing: list[int] = field(default_factory=list)
    cpu_s: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})
    wall_s: float = 0.0

    def add(self, played: Played) -> None:
        self.schedules += 1
        self.rooms += played.rooms
        self.kinds.update({finding.kind for finding in played.findings})
        self.covered.update(played.covered)
        self.moves.update(played.moves)
        self.cpu_s[played.rooms] += played.cpu_s
        if played.findings:
            self.failing.append(played.seed)

    def summary(self) -> dict[str, Any]:
        """The keys people read: schedules with a finding of each kind, their seeds, the pace, and what was met."""
        in_memory = self.schedules - self.rooms
        return {
            "seed": self.seed,
            "schedules": self.schedules,
            "real_rooms": self.rooms,
            "lost": self.kinds[LOST],
            "doubled": self.kinds[DOUBLED],
            "disagreeing": self.kinds[DISAGREEING],
            "failing_seeds": self.failing,
            "seconds": round(self.wall_s, 1),
            "per_second": round(self.schedules / self.wall_s, 1) if self.wall_s else None,
            "per_cpu_second": {
                "in_memory": round(in_memory / self.cpu_s[False], 1) if self.cpu_s[False] else None,
                "real_rooms": round(self.rooms / self.cpu_s[True], 2) if self.cpu_s[True] else None,
            },
            "coverage": {
                "faults": dict(sorted(self.covered.items())),
                "never": sorted(kind for kind in FAULTS if not self.covered[kind] and kind != "poisoned"),
                "moves": dict(sorted(self.moves.items())),
            },
        }


def play_seed(seed: int) -> Played:
    """A seed always gives the same schedule, and whether it runs on the vendors' rooms."""
    warnings.simplefilter("ignore", RuntimeWarning)  # killed processes leave coroutines that never began
    began_s = time.process_time()
    rooms = seed % ROOMS_EVERY == 0
    if rooms:
        from .rooms.running import draw_rooms, play_rooms

        findings, covered, moves = play_rooms(draw_rooms(seed))
    else:
        result = play(draw(seed))
        findings, covered, moves = result.findings, result.covered, result.moves
    if seed % 50 == 0:
        gc.collect()
    return Played(seed, rooms, findings, Counter(map(str, covered.elements())), moves, time.process_time() - began_s)


def run_campaign(first: int, schedules: int) -> Iterator[tuple[Campaign, Played]]:
    """Play so many seeds from `first` on; after each, the sum so far."""
    campaign, began_s = Campaign(first), time.monotonic()
    for played in _played(range(first, first + schedules)):
        campaign.add(played)
        campaign.wall_s = time.monotonic() - began_s
        yield campaign, played


def _played(seeds: Iterable[int]) -> Iterator[Played]:
    with multiprocessing.get_context("spawn").Pool(WORKERS, initializer=gc.freeze) as pool:
        yield from pool.imap(play_seed, seeds, chunksize=8)


def write(campaign: Campaign) -> None:
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(campaign.summary(), indent=2) + "\n")
