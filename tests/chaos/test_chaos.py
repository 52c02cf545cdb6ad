"""Services, broker and database killed and stopped while documents flow: nothing is lost, nothing is written twice."""

from pathlib import Path

import pytest

from connector.console.demo.flows import FLOWS

from .running import run

KILLS = 8


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("own_parts")
@pytest.mark.parametrize("flow", list(FLOWS))
async def test_whatever_is_killed_both_sides_agree_in_the_end(
    flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)  # it kills broker and database: they must be its own
    made = await run(flow, seed=1, kills=KILLS, build=Path("build"), kept=tmp_path, say=print)
    assert made.clean, made.findings
    assert made.kills >= KILLS
