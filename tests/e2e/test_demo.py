"""The company's month through every service as its own process: undisturbed, disturbed, and told again from the log."""

import asyncio
import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from connector.adapters.parts.offsets import reset_to_earliest
from connector.adapters.runtime import kafka_settings
from connector.console.demo import command, watching
from connector.console.demo.play import Hook, Played, play
from connector.console.demo.stage import Stage
from connector.sandbox.demo import Size

pytestmark = [pytest.mark.slow, pytest.mark.ci, pytest.mark.usefixtures("own_parts")]

SEED = 7
SESSION_S = 11.0
"""A static member belongs to its group until its session of 10 s is over."""
KEYS = frozenset(
    {
        *("name", "documents", "totals", "differences", "doubled", "blocked_reasons"),
        *("calls", "documents_per_call", "missed_webhooks_caught", "latency_ms"),
    }
)
"""Of a flow in the report: other tools read them."""
WRITES = frozenset({"POST", "PUT", "DELETE", "PATCH"})


class Told:
    """What the demo said, printed when a test fails."""

    def say(self, line: str) -> None:
        print(line)

    def now(self, what: str) -> None:
        """Nobody watches."""


async def writes_to_coupa(stage: Stage) -> int:
    calls = await stage.sandboxes["coupa"].calls()
    return sum(call["method"] in WRITES and not call["path"].startswith("/oauth2") for call in calls)


async def each_service_killed_once(stage: Stage) -> None:
    """In turn, each back and ready before the next goes."""
    for name in stage.flow.services:
        await stage.kill(name)
        await asyncio.sleep(1.0)


async def everything_told_again(stage: Stage) -> None:
    """Each group's offsets set to the beginning with Kafka's own tool: Coupa is written nothing."""
    before = await writes_to_coupa(stage)
    settings = kafka_settings()
    groups = watching.groups(stage)
    for group in groups:
        await stage.stop_service(group)
    await asyncio.sleep(SESSION_S)
    for group, topics in groups.items():
        topics = [settings.topic(topic) for topic in topics]
        await asyncio.to_thread(reset_to_earliest, settings.bootstrap_servers, settings.group(group), topics)
    await stage.start_again(*groups)
    assert not await watching.settled(stage, 60.0)
    assert await writes_to_coupa(stage) == before


def outcome(played: Played) -> dict[str, Any]:
    """What must not depend on who was killed when."""
    report = played.as_json()
    return {name: report[name] for name in ("documents", "totals", "differences", "doubled", "blocked_reasons")}


async def played(**hooks: Hook) -> Played:
    return await play("exact-coupa", seed=SEED, size=Size.SMALL, progress=Told(), **hooks)


async def reported(
    shown: Played, report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any]]:
    """How `connector demo` ends, and the report it leaves behind, where its one flow went so."""

    async def as_it_went(*_: Any, **__: Any) -> Played:
        return shown

    monkeypatch.setattr(command, "play", as_it_went)
    monkeypatch.setattr(command, "REPORT", report)
    capsys.readouterr()
    ended = 0
    try:
        await inspect.unwrap(command.demo)(flow="exact-coupa", size=Size.SMALL, seed=SEED, keep=False, as_json=True)
    except typer.Exit as exit:
        ended = exit.exit_code
    told: dict[str, Any] = json.loads(await asyncio.to_thread(report.read_text))
    assert told == json.loads(capsys.readouterr().out)
    return ended, told


async def test_services_killed_in_turn_change_nothing_and_a_replay_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = await played(afterwards=everything_told_again)
    assert undisturbed.agree, json.dumps(undisturbed.as_json(), indent=2)
    disturbed = await played(meanwhile=each_service_killed_once)
    assert outcome(disturbed) == outcome(undisturbed)
    report = tmp_path / "demo-report.json"
    ended, told = await reported(undisturbed, report, monkeypatch, capsys)
    (flow,) = told["flows"]
    assert (ended, told["agree"]) == (0, True)
    assert flow.keys() >= KEYS
    assert {connection.partition("-")[0] for connection in flow["calls"]} == {"exact", "coupa"}
    assert flow["missed_webhooks_caught"] > 0, "the sandbox loses some"
    assert flow["documents_per_call"] > 0
    assert 0 < flow["latency_ms"]["p50"] <= flow["latency_ms"]["p99"]
    doubled = replace(undisturbed, comparison=replace(undisturbed.comparison, doubled=1))
    ended, told = await reported(doubled, report, monkeypatch, capsys)
    assert (ended, told["agree"]) == (1, False)
