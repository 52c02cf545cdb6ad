"""Kill things while documents flow, then count: `make chaos KILLS=n SEED=s`. Goes on where an earlier run ended."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from .running import Run, run

RESULT = Path("build/chaos.json")
KILLS_A_RUN = 60
"""A run starts everything anew; a long campaign is many runs, each with the next seed."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS_A_RUN, help="in all, those of earlier runs included")
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    asked = parser.parse_args()
    runs = _earlier(asked.seed)
    seed = max((known["seed"] for known in runs), default=asked.seed - 1) + 1
    while (done := sum(known["kills"] for known in runs)) < asked.kills:
        made = asyncio.run(run(seed, min(KILLS_A_RUN, asked.kills - done), Path("build"), print))
        runs.append(made.as_json())
        _write(runs)
        _tell(made)
        seed += 1
    summary = _summary(runs)
    print({name: summary[name] for name in ("kills", "lost", "doubled", "disagreeing")}, f"more in {RESULT}")
    return 1 if summary["lost"] or summary["doubled"] or summary["disagreeing"] else 0


def _earlier(first: int) -> list[dict[str, Any]]:
    """Runs of this campaign (seeds from `first` on) that are written down already."""
    if not RESULT.exists():
        return []
    return [known for known in json.loads(RESULT.read_text())["runs"] if known["seed"] >= first]


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    counts = ("kills", "documents", "lost", "doubled", "disagreeing", "seconds")
    return {name: sum(known[name] for known in runs) for name in counts} | {"runs": runs}


def _write(runs: list[dict[str, Any]]) -> None:
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(_summary(runs), indent=2) + "\n")


def _tell(made: Run) -> None:
    print(f"seed {made.seed}: {made.kills} kills, {made.documents} documents, {made.seconds:.0f} s")
    for finding in made.findings:
        print(f"  {finding}")


if __name__ == "__main__":
    sys.exit(main())
