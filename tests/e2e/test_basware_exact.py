"""Accounts payable's month through every service as its own process, each of them killed once, answers lost on both
sides."""

import asyncio
import json

import pytest

from connector.console.demo.play import play
from connector.console.demo.stage import Stage
from connector.sandbox.demo import Size

pytestmark = [pytest.mark.slow, pytest.mark.ci, pytest.mark.timeout(1500), pytest.mark.usefixtures("own_parts")]


class Told:
    """What the demo said, printed when a test fails."""

    def say(self, line: str) -> None:
        print(line)

    def now(self, what: str) -> None:
        """Nobody watches."""


async def each_service_killed_once(stage: Stage) -> None:
    """In turn, each back and ready before the next goes."""
    for name in stage.flow.services:
        await stage.kill(name)
        await asyncio.sleep(1.0)


async def exact_was_called_as_it_wants(stage: Stage) -> None:
    """One call at a time in each division, none refused, and nothing asked for in a way that feeds its error block."""
    exact = stage.sandboxes["exact"]
    assert (await exact.act("counters"))["most_parallel"] == 1
    calls = [call for call in await exact.calls() if call["path"].startswith("/api/v1/")]
    assert {call["status"] for call in calls if call["method"] == "GET"} <= {0, 200}
    assert not [call["path"] for call in calls if call["method"] == "GET" and "guid'" in call["path"]]
    assert 429 not in {call["status"] for call in calls}


async def test_books_and_answers_agree_though_services_are_killed_and_answers_lost() -> None:
    played = await play(
        "basware-exact",
        seed=11,
        size=Size.SMALL,
        progress=Told(),
        meanwhile=each_service_killed_once,
        afterwards=exact_was_called_as_it_wants,
    )
    report = played.as_json()
    assert played.agree, json.dumps(report, indent=2)
    assert report["doubled"] == 0
    assert report["lost_answers"]["exact POST PurchaseEntries"] == 3
    assert report["lost_answers"]["basware POST transferResponses"] == 2
    refused = {"gl-account-unknown-in-target", "cost-center-closed-in-target", "coding-sum", "number-taken-in-target"}
    assert refused | {"bank-mismatch"} <= report["blocked_reasons"].keys()
    invoices = report["documents"]["invoice"]
    assert (invoices["rejected"], invoices["blocked"]) == (10, 2)  # the company that refuses; the one that holds
    assert invoices["source"] == invoices["target"] + 12
