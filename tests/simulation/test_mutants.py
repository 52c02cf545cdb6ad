"""The simulation finds defects: each mutant of the protocol is caught within a thousand schedules."""

import json
import os
import subprocess
import sys

import pytest

from .mutants import MUTANTS
from .running import play
from .schedule import draw

SCHEDULES_AT_MOST = 1000

HUNT = """
import sys, warnings
warnings.simplefilter("ignore")
from tests.simulation.mutants import MUTANTS
from tests.simulation.test_mutants import hunt
print(hunt(sys.argv[1]))
"""


def hunt(name: str) -> int | None:
    """The first seed at which the mutant shows."""
    with MUTANTS[name]():
        return next((seed for seed in range(1, SCHEDULES_AT_MOST + 1) if play(draw(seed)).findings), None)


def _with_fixed_hashing(*arguments: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_of_the_protocol_is_caught(name: str) -> None:
    assert _with_fixed_hashing("-c", HUNT, name) != "None", f"{name}: no schedule notices it"


def test_a_seed_plays_the_same_twice() -> None:
    story = "import warnings; warnings.simplefilter('ignore')\n"
    story += "from tests.simulation.running import play; from tests.simulation.schedule import draw\n"
    story += "import json; print(json.dumps([play(draw(seed)).story for seed in range(40, 60)]))"
    first, second = (_with_fixed_hashing("-c", story) for _ in range(2))
    assert json.loads(first) == json.loads(second)
