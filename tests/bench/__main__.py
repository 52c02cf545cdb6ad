"""Every benchmark with its bar, on a real broker and database: `python -m tests.bench [--only NAME]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure

BENCHMARKS = ("ingest", "mapper", "live", "backlog", "write", "gate", "procore", "basware")
RESULT = Path("build/bench.json")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, help="one of them instead of all")
    only = parser.parse_args(arguments).only
    console = Console()
    measured: list[Figure] = []
    for name in [only] if only else BENCHMARKS:
        console.print(f"measuring {name} ...")
        figures = import_module(f"tests.bench.{name}").run()
        console.print(table(figures))
        measured += figures
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(measured, indent=2) + "\n")
    missed = sum(not one["holds"] for one in measured)
    console.print(f"{len(measured) - missed} of {len(measured)} bars hold; the figures are in {RESULT}")
    return 0


def table(figures: Sequence[Figure]) -> Table:
    shown = Table("what", "value", "unit", "baseline", "ratio", "bar", "holds")
    for one in figures:
        numbers = ["" if one[field] is None else f"{one[field]:,g}" for field in ("value", "baseline", "ratio", "bar")]
        value, baseline, ratio, bar = numbers
        shown.add_row(one["name"], value, one["unit"], baseline, ratio, bar, "yes" if one["holds"] else "NO")
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
