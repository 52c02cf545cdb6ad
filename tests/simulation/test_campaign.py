"""The protocol as it is stands a short campaign, a tenth of it on the vendors' rooms; a failing seed is made small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from connector.adapters.parts.part import checkout

from .minimising import minimise
from .mutants import MUTANTS
from .running import play
from .schedule import Schedule, draw

SCHEDULES = 300


@pytest.mark.slow
@pytest.mark.ci
def test_a_short_campaign_loses_doubles_and_confuses_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(checkout()), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "tests.simulation", "--schedules", str(SCHEDULES), "--seed", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=420)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "build" / "simulate.json").read_text())
    assert (told["schedules"], told["real_rooms"]) == (SCHEDULES, SCHEDULES // 10)
    assert (told["lost"], told["doubled"], told["disagreeing"], told["failing_seeds"]) == (0, 0, 0, [])


def test_a_failing_schedule_is_made_small_and_still_fails() -> None:
    def fails(schedule: Schedule) -> bool:
        return bool(play(schedule).findings)

    with MUTANTS["no look-up after a time-out"]():
        failing = next(drawn for drawn in map(draw, range(1, 1000)) if fails(drawn))
        smallest = minimise(failing, fails)
        assert fails(smallest)
    assert len(smallest.acts) < len(failing.acts)
    assert not fails(smallest), "without the defect it is an ordinary schedule"
