"""Schedules of faults on a virtual clock: `make simulate SCHEDULES=n SEED=s`; SEED alone plays that one, made small."""

import argparse
import os
import sys

from .campaign import RESULT, play_seed, run_campaign, write
from .minimising import minimise
from .running import play
from .schedule import Schedule, draw

HASH_SEED = "0"


def main() -> int:
    _fix_hashing()
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, help="how many (300 unless told)")
    parser.add_argument("--seed", type=int, help="the first seed; without --schedules only that one is played")
    asked = parser.parse_args()
    if asked.seed is not None and asked.schedules is None:
        return _one(asked.seed)
    return _many(asked.seed or 1, asked.schedules or 300)


def _fix_hashing() -> None:
    """Sets of text are walked in an order that depends on this: a seed would not play the same twice."""
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])


def _many(first: int, schedules: int) -> int:
    campaign = None
    for campaign, played in run_campaign(first, schedules):
        for finding in played.findings[:3]:
            print(f"seed {played.seed}: {finding.kind}: {finding.message}", flush=True)
        if campaign.schedules % 200 == 0:
            print(f"{campaign.schedules} schedules, {len(campaign.failing)} failing", flush=True)
            write(campaign)
    assert campaign is not None
    write(campaign)
    summary = campaign.summary()
    told = {name: summary[name] for name in ("schedules", "lost", "doubled", "disagreeing", "per_second")}
    print(f"{told}; more in {RESULT}")
    if campaign.failing:
        print(f"play one again, made small: make simulate SEED={campaign.failing[0]}")
    return 1 if campaign.failing else 0


def _one(seed: int) -> int:
    played = play_seed(seed)
    for finding in played.findings:
        print(f"{finding.kind}: {finding.message}")
    if not played.findings:
        print(f"seed {seed}: everything is in the target once and equal, or blocked with a true reason")
        return 0
    if not played.rooms:
        _tell(minimise(draw(seed), lambda smaller: bool(play(smaller).findings)))
    return 1


def _tell(smallest: Schedule) -> None:
    print("\nwhat it takes:")
    for act in smallest.acts:
        detail = ", ".join(f"{name}={value}" for name, value in act.detail.items())
        print(f"  {act.at_s:7.3f} s  {act.kind}  {detail}")
    for finding in play(smallest).findings:
        print(f"{finding.kind}: {finding.message}")


if __name__ == "__main__":
    sys.exit(main())
