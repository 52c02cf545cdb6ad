"""The company's month through every service as its own process: undisturbed, disturbed, and told again from the log."""

import asyncio
import json
from typing import Any

import pytest

from connector.adapters.parts.offsets import reset_to_earliest
from connector.adapters.runtime import kafka_settings
from connector.console.demo import watching
from connector.console.demo.play import Hook, Played, play
from connector.console.demo.stage import Stage
from connector.sandbox.demo import Size

pytestmark = [pytest.mark.slow, pytest.mark.ci, pytest.mark.usefixtures("own_parts")]

SEED = 7
SESSION_S = 11.0
"""A static member belongs to its group until its session of 10 s is over."""
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


async def test_services_killed_in_turn_change_nothing_and_a_replay_writes_nothing() -> None:
    undisturbed = await played(afterwards=everything_told_again)
    assert undisturbed.agree, json.dumps(undisturbed.as_json(), indent=2)
    disturbed = await played(meanwhile=each_service_killed_once)
    assert outcome(disturbed) == outcome(undisturbed)
