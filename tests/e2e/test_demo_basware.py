"""Accounts payable's month through every service as its own process, each of them killed once."""

import asyncio

import pytest

from connector.console.demo.play import play
from connector.console.demo.stage import Stage
from connector.sandbox.demo import Size

pytestmark = [pytest.mark.slow, pytest.mark.ci]


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


async def test_books_and_answers_agree_though_every_service_is_killed(tmp_path: object) -> None:
    played = await play("basware-exact", seed=11, size=Size.SMALL, progress=Told(), meanwhile=each_service_killed_once)
    assert played.comparison.differences == []
    assert played.comparison.doubled == 0
    assert played.agree
