"""Kill things while documents flow, then count: `make chaos KILLS=n SEED=s FLOW=f`. Goes on where it ended before."""

import argparse
import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connector.console.demo.flows import FLOWS

from .running import Run, flow_of, run

BUILD = Path("build")
RESULT = BUILD / "chaos.json"
KILLS_A_RUN = 250
"""A run starts everything anew; a long campaign is many runs, each with the next seed."""
KILLS = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="in all, those written down already included")
    parser.add_argument("--seed", type=int, default=1, help="the first; what earlier ones found stays written down")
    parser.add_argument("--flow", choices=list(FLOWS), help="of every run; left out, the flows take turns by seed")
    asked = parser.parse_args()
    earlier, runs = _written(asked.seed)
    while (done := sum(known["kills"] for known in runs)) < asked.kills:
        seed = runs[-1]["seed"] + 1 if runs else asked.seed
        began = {"began": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "commit": _commit()}
        flow, kills = asked.flow or flow_of(seed), min(KILLS_A_RUN, asked.kills - done)
        made = asyncio.run(run(flow, seed, kills, BUILD, BUILD / "chaos", print))
        runs.append(began | made.as_json())
        RESULT.write_text(json.dumps(_summary(earlier + runs), indent=2) + "\n")
        _tell(made)
    summary = _summary(runs)
    print({name: summary[name] for name in ("kills", "lost", "doubled", "disagreeing")}, f"more in {RESULT}")
    return 1 if summary["lost"] or summary["doubled"] or summary["disagreeing"] else 0


def _commit() -> str:
    """What is proved by the run; `unknown` outside a checkout of Git."""
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def _written(first: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Runs written down already: those of seeds before `first`, and from it on."""
    known = json.loads(RESULT.read_text())["runs"] if RESULT.exists() else []
    return [one for one in known if one["seed"] < first], [one for one in known if one["seed"] >= first]


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    counts = ("kills", "documents", "lost", "doubled", "disagreeing", "seconds_of_kills", "seconds")
    return {name: sum(known[name] for known in runs) for name in counts} | {"runs": runs}


def _tell(made: Run) -> None:
    print(f"seed {made.seed}, {made.flow}: {made.kills} kills, {made.documents} documents, {made.seconds:.0f} s")
    for finding in made.findings:
        print(f"  {finding}")


if __name__ == "__main__":
    sys.exit(main())
