"""`connector demo`: the command, its progress and its report."""

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.status import Status

from connector.console.demo.flows import FLOWS
from connector.console.demo.play import Played, play
from connector.console.demo.stage import BUILD, Stage
from connector.console.output import Output, Refused, table
from connector.console.session import JsonFlag, command
from connector.sandbox.demo import Size

app = typer.Typer()
REPORT = BUILD / "demo-report.json"


@app.command()
@command
async def demo(
    flow: Annotated[str | None, typer.Option(help="One flow; all, one after another, where it is left out.")] = None,
    size: Annotated[Size, typer.Option(help="How large the company's month is.")] = Size.NORMAL,
    seed: Annotated[int, typer.Option(help="Equal seeds tell equal stories.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running at the end, until Ctrl-C.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a seeded company's month through the whole platform on this machine, and compare both sides.

    Starts broker, database, the vendors' sandboxes and every service; writes build/demo-report.json. Ends with 0 only
    if both sides agree, everything blocked is a record that should be, and nothing is there twice.
    """
    output = Output(as_json=as_json)
    if flow is not None and flow not in FLOWS:
        raise Refused(f"there is no flow {flow!r} to show; there is {', '.join(FLOWS)}")
    _end_on_sigterm()
    began = time.monotonic()
    played: list[Played] = []
    for name in [flow] if flow else list(FLOWS):
        with shown(output) as progress:
            played.append(
                await play(name, seed=seed, size=size, progress=progress, **({"afterwards": _stay} if keep else {}))
            )
    report = report_of(played, time.monotonic() - began)
    BUILD.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    output.result(report, [line for one in played for line in _lines(one)] + [_verdict(report)])
    if not report["agree"]:
        raise typer.Exit(1)


def report_of(played: Sequence[Played], seconds: float) -> dict[str, Any]:
    return {
        "agree": all(one.agree for one in played),
        "seconds": round(seconds, 1),
        "flows": [one.as_json() for one in played],
    }


def _end_on_sigterm() -> None:
    """Told to end, we stop what we started first."""
    here = asyncio.current_task()
    assert here is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, here.cancel)


async def _stay(on: Stage) -> None:
    """Print where everything is, and wait to be interrupted."""
    addresses = {"ingest": on.platform.public_base_url, "kafka": on.platform.kafka_bootstrap}
    addresses |= {"database": on.platform.database_url}
    for system, printed in on.addresses.items():
        addresses |= {f"sandbox {system}": printed["base_url"], f"its control port {system}": printed["control_url"]}
    for name, address in addresses.items():
        sys.stderr.write(f"{name}: {address}\n")
    sys.stderr.write("It stays up until Ctrl-C.\n")
    await asyncio.Event().wait()


class _Lines:
    """Plain lines, where nobody watches a terminal."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        if not self._quiet:
            self._console.print(f"[{time.monotonic() - self._began:6.1f} s] {line}", markup=False, highlight=False)

    def now(self, what: str) -> None:
        """Only a terminal shows what is being waited for."""


class _Live(_Lines):
    def __init__(self, console: Console, status: Status) -> None:
        super().__init__(console, False)
        self._status = status

    def now(self, what: str) -> None:
        self._status.update(what)


@contextmanager
def shown(output: Output) -> Iterator[_Lines]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if output.as_json or not output.notes.is_terminal:
        yield _Lines(output.notes, output.as_json)
        return
    with output.notes.status("starting") as status:
        yield _Live(output.notes, status)


def _lines(played: Played) -> list[Any]:
    comparison = played.comparison
    counted = [
        (entity, of.source, of.target, of.blocked, of.rejected, of.excluded)
        for entity, of in sorted(comparison.documents.items())
    ]
    totals = [
        (entity, currency, f"{source:f}", f"{target:f}", f"{source - target:f}")
        for entity, currencies in sorted(comparison.totals.items())
        for currency, (source, target) in sorted(currencies.items())
    ]
    lines: list[Any] = [
        table(f"Flow {played.flow}", ["documents", "source", "target", "blocked", "rejected", "excluded"], counted),
        table("Totals", ["documents", "currency", "source", "target", "difference"], totals),
        table("Blocked, as they should be", ["reason", "records"], sorted(comparison.blocked_reasons.items())),
        table("Vendor calls", ["connection", "calls"], played.calls.items()),
    ]
    if comparison.differences:
        rows = [(one.entity, one.number, one.what, one.source, one.target) for one in comparison.differences]
        lines.append(table("Differences", ["documents", "number", "what", "source", "target"], rows))
    if played.lost_answers:
        lost = list(played.lost_answers.items())
        lines.append(table("Writes that were carried out and whose answer got lost", ["request", "times"], lost))
    latency = played.latency_ms
    lines.append(
        f"documents per call {played.documents_per_call}; changes that no webhook told of and sweeps found: "
        f"{played.missed_webhooks_caught}; webhook to write: p50 {latency['p50']} ms, p99 {latency['p99']} ms; "
        f"{comparison.doubled} doubled; {played.seconds:.0f} s"
    )
    return lines


def _verdict(report: dict[str, Any]) -> str:
    if report["agree"]:
        return f"Both sides agree. {report['seconds']} s in all; the report is {REPORT}."
    return f"Both sides do NOT agree: see the differences above, {REPORT}, and {BUILD / 'logs' / 'demo'}."
