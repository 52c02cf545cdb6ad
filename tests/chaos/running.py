"""One chaos run: real parts and services, documents flowing, a kill every few seconds; then both sides are counted."""

import asyncio
import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from connector.console.demo import watching
from connector.console.demo.flows import FLOWS, Connecting
from connector.console.demo.stage import Stage, flow_names, log_in, stage, write_configuration
from connector.sandbox.demo import Comparison

from .company import BusyCompany, busy_company
from .forking import forked
from .killing import LOOK_S, Trouble

EVERY_S = 2.9
"""Seconds between two kills, on average: at most three in what a run measures."""
SETTLES_WITHIN_S = 1200.0
REFUSED_AFTER_S = 30.0
"""So long what a document needs may be on its way where it is refused without it: longer than trouble mostly takes."""
MISSING = ("not in the target", "is not where it should be", "is elsewhere")
"""How what a comparison says of a lost document begins."""

KEPT = (
    "desired",
    "desired_payload",
    "target_object",
    "call",
    "call_item",
    "wait",
    "source_key",
    "job",
    "epoch",
    "audit",
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """`lost`: documents that are not in the target; `disagreeing`: those that differ there."""

    seed: int
    flow: str
    kills: int
    by_kind: dict[str, int]
    met: dict[str, int]
    """Calls of each vendor that went unanswered by intent, by system."""
    fates: dict[str, int]
    """Where the documents had to be in the end."""
    documents: int
    lost: int
    doubled: int
    disagreeing: int
    seconds_of_kills: float
    """From the first kill to the last."""
    load: float
    """The machine's load average at the last kill."""
    seconds: float
    findings: list[str]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.disagreeing)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def flow_of(seed: int) -> str:
    """The flows take turns, so that a campaign meets all of them."""
    return list(FLOWS)[seed % len(FLOWS)]


async def run(flow: str, seed: int, kills: int, build: Path, kept: Path, say: Say) -> Run:
    """So many kills on a stage of its own under `build`; what is needed to look into a finding goes to `kept`.

    Raises Failed where the platform cannot even be set up.
    """
    modules = [f"connector.{name.replace('-', '_')}" for name in FLOWS[flow].services]
    with forked(modules):
        async with stage(FLOWS[flow], seed=seed, say=say, build=build) as on:
            return await _run(on, seed, kills, build, kept, say)


async def _run(on: Stage, seed: int, kills: int, build: Path, kept: Path, say: Say) -> Run:
    began = time.monotonic()
    dice = random.Random(f"chaos {seed}")
    company = busy_company(on.flow.name, on.sandboxes, seed=seed)
    await set_up(on, company)
    say(f"seed {seed}, {on.flow.name}: the platform runs; {kills} kills")
    trouble = Trouble(on, dice)
    keeping = [asyncio.create_task(trouble.keep_up()), asyncio.create_task(trouble.log_in_again())]
    evening = asyncio.Event()
    entering = asyncio.create_task(_enter(company, random.Random(f"people {seed}"), evening))
    seconds_of_kills = await _kill_at_random(trouble, dice, kills)
    load, _, _ = os.getloadavg()
    evening.set()
    await entering
    await trouble.end()
    await on.run.engine.dispose()  # its connections are those of a database that was killed
    left = await watching.settled(on, SETTLES_WITHIN_S)
    for task in keeping:
        task.cancel()
    comparison = await company.compare(await watching.said(on))
    if left or not comparison.agree:
        await _keep(on, build, kept / f"seed-{seed}")
    return Run(
        seed=seed,
        flow=on.flow.name,
        kills=trouble.kills,
        by_kind=dict(sorted(trouble.done.items())),
        met=await _met(on),
        fates=dict(sorted(Counter(str(page.fate) for page in company.book).items())),
        seconds_of_kills=round(seconds_of_kills, 1),
        load=round(load, 1),
        seconds=round(time.monotonic() - began, 1),
        **_judged(comparison, [f"never at rest: {left}"] if left else []),
    )


async def set_up(on: Stage, company: BusyCompany) -> Connecting:
    """Connect the company's systems and end the dry run; returns when everything that was there is carried."""
    for system, switches in company.switches.items():
        await on.sandboxes[system].switch(**switches)
    await asyncio.gather(company.prepare(), on.ready())
    connecting = on.flow.connect(company.facts, on.addresses)
    for flow in connecting.configuration["flows"].values():
        if flow.get("on_block") == "reject":
            flow["wait_s"] = REFUSED_AFTER_S
    path = write_configuration(on.platform.key_ring.parent, connecting)
    await on.connector("apply", "-f", str(path), "--yes", secrets=connecting.secrets)
    await log_in(on, connecting.logins)
    await watching.settled(on, SETTLES_WITHIN_S)
    for name in flow_names(connecting):
        await on.connector("release", "--flow", name, "--yes")
    await watching.settled(on, SETTLES_WITHIN_S)
    return connecting


async def _kill_at_random(trouble: Trouble, dice: random.Random, kills: int) -> float:
    """So many kills, one every EVERY_S on average whatever one of them takes; how many seconds they took in all."""
    began = time.monotonic()
    due = began
    while trouble.kills < kills:
        before = trouble.kills
        await trouble.make()
        if trouble.kills > before:
            due += dice.expovariate(1 / EVERY_S)
        await asyncio.sleep(max(LOOK_S / 10, due - time.monotonic()))
    return time.monotonic() - began


async def _enter(company: BusyCompany, dice: random.Random, evening: asyncio.Event) -> None:
    """People work whether or not the platform does, and finish what they began before they go home."""
    while not evening.is_set():
        await company.do_a_little(dice)
        await asyncio.sleep(dice.uniform(1.0, 8.0))


async def _keep(on: Stage, build: Path, folder: Path) -> None:
    """What whoever looks into a finding needs: logs, both vendors' books, and what the platform knew and did."""
    shutil.copytree(build / "logs" / "demo", folder, dirs_exist_ok=True)
    for system, sandbox in on.sandboxes.items():
        (folder / f"{system}-store.json").write_text(json.dumps(await sandbox.store()))
        (folder / f"{system}-calls.json").write_text(json.dumps(await sandbox.calls()))
    async with on.run.engine.connect() as db:
        for table in KEPT:
            rows = (await db.execute(text(f"select to_jsonb(t) from {table} t"))).scalars()
            (folder / f"{table}.json").write_text("\n".join(json.dumps(row) for row in rows))


async def _met(on: Stage) -> dict[str, int]:
    calls = {system: await sandbox.calls() for system, sandbox in on.sandboxes.items()}
    return {system: sum(call["fault"] is not None for call in of) for system, of in calls.items()}


def _judged(comparison: Comparison, never_at_rest: list[str]) -> dict[str, Any]:
    missing = [one for one in comparison.differences if one.what.startswith(MISSING)]
    told = [f"{d.entity} {d.number}: {d.what}: {d.source} / {d.target}" for d in comparison.differences]
    findings = told + never_at_rest
    return {
        "documents": sum(counted.source for counted in comparison.documents.values()),
        "lost": len(missing),
        "doubled": comparison.doubled,
        "disagreeing": len(findings) - len(missing),
        "findings": findings,
    }
