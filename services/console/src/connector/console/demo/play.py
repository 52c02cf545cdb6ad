"""One flow's month, from connecting the systems to the report."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from connector.console.demo import watching
from connector.console.demo.flows import FLOWS, Connecting, Kill, calls_by_connection
from connector.console.demo.stage import Stage, flow_names, log_in, stage, write_configuration
from connector.console.output import Failed
from connector.sandbox.demo import Comparison, Size, Step, Story, story
from connector.sandbox.demo.story import Difference

SETTLES_WITHIN_S = 240.0
ANSWER_LATE_S = 3.0
"""How late the answer comes during which a service is killed; a demo's calls wait for 5 s."""


class Progress(Protocol):
    """Told what happens, for whoever looks on."""

    def say(self, line: str) -> None: ...
    def now(self, what: str) -> None:
        """What is being waited for; replaces what was told before."""
        ...


@dataclass(frozen=True, slots=True)
class Played:
    """A flow's part of the report. `comparison` is the story's judgement, `latency` the milliseconds measured."""

    flow: str
    seconds: float
    comparison: Comparison
    calls: dict[str, int]
    documents_per_call: float
    missed_webhooks_caught: int
    latency_ms: dict[str, float | None]
    lost_answers: dict[str, int]
    """Writes that a vendor carried out and whose answer never came, by system and resource."""

    @property
    def agree(self) -> bool:
        return self.comparison.agree

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.flow,
            **self.comparison.as_json(),
            "calls": self.calls,
            "documents_per_call": self.documents_per_call,
            "missed_webhooks_caught": self.missed_webhooks_caught,
            "latency_ms": self.latency_ms,
            "lost_answers": self.lost_answers,
            "seconds": round(self.seconds, 1),
        }


Hook = Callable[[Stage], Coroutine[Any, Any, None]]


async def _nothing(_: Stage) -> None:
    return None


async def play(
    name: str, *, seed: int, size: Size, progress: Progress, meanwhile: Hook = _nothing, afterwards: Hook = _nothing
) -> Played:
    """Run a flow's month. `meanwhile` runs beside the month, which waits for it to end; `afterwards` before everything
    is stopped. Raises Failed where a command fails or a service ends."""
    async with stage(FLOWS[name], seed=seed, say=progress.say) as on:
        began = time.monotonic()
        told = story(name, on.sandboxes, seed=seed, size=size)
        for system, switches in told.switches.items():
            await on.sandboxes[system].switch(**switches)
        progress.now("the company's books before the start; services start meanwhile")
        await asyncio.gather(told.prepare(), on.ready())
        progress.say("parts, sandboxes and services run; the company's books before the start are written")
        connecting = await _connect(on, told, progress)
        await _rehearse(on, told, connecting, progress)
        disturbing = asyncio.gather(meanwhile(on), _kill(on, progress))
        early: list[Difference] = []
        for step in told.month:
            if step.corrects:
                early += await _before_the_correction(on, told, progress)
            await _do(on, step, progress)
            if step.corrects:
                await _correct(on, told, connecting, progress)
        calm = disturbing.done()
        await _settle(on, progress)
        await _disturbed(disturbing)
        if not calm:
            await _settle(on, progress)
        played = await _report(on, told, time.monotonic() - began)
        played.comparison.differences.extend(early)
        await afterwards(on)
        return played


async def _connect(on: Stage, told: Story, progress: Progress) -> Connecting:
    """Apply the tenant's configuration, and log in where a person has to."""
    progress.now("applying the configuration")
    connecting = on.flow.connect(told.facts, on.addresses)
    path = write_configuration(on.platform.key_ring.parent, connecting)
    applied = await on.connector("apply", "-f", str(path), "--yes", secrets=connecting.secrets)
    progress.say(f"configuration applied: {len(applied['changes'])} changes")
    await log_in(on, connecting.logins)
    progress.say(f"authorised: {', '.join(connecting.logins)}")
    return connecting


async def _rehearse(on: Stage, told: Story, connecting: Connecting, progress: Progress) -> None:
    """The dry run: everything but the writes. Then the flows are released."""
    await _settle(on, progress)
    for step in told.rehearsal:
        await _do(on, step, progress)
    if told.rehearsal:
        await _settle(on, progress)
    for entity, states in (await watching.counted(on)).items():
        progress.say(f"dry run: {entity}: " + ", ".join(f"{count} {state}" for state, count in states.items()))
    names = flow_names(connecting)
    for name, released in zip(names, await asyncio.gather(*(_release(on, name) for name in names)), strict=True):
        progress.say(f"released {name}: {released} documents to write")


async def _release(on: Stage, flow: str) -> int:
    count: int = (await on.connector("release", "--flow", flow, "--yes"))["released"]
    return count


async def _before_the_correction(on: Stage, told: Story, progress: Progress) -> list[Difference]:
    """What is missing stops what needs it, and nothing else: the differences to that."""
    await _settle(on, progress)
    now = await told.compare(await watching.said(on))
    blocked = ", ".join(f"{count} {reason}" for reason, count in sorted(now.blocked_reasons.items()))
    progress.say(f"blocked before the correction: {blocked}")
    return [replace(one, what=f"before the correction: {one.what}") for one in now.differences]


async def _correct(on: Stage, told: Story, connecting: Connecting, progress: Progress) -> None:
    """Apply what was forgotten at first."""
    assert on.flow.correct is not None
    corrected = replace(connecting, configuration=on.flow.correct(told.facts, connecting.configuration))
    path = write_configuration(on.platform.key_ring.parent, corrected)
    applied = await on.connector("apply", "-f", str(path), "--yes", secrets=corrected.secrets)
    progress.say(f"corrected configuration applied: {len(applied['changes'])} changes")


async def _disturbed(disturbing: Awaitable[object]) -> None:
    """A disturbance that never happened has shown nothing."""
    try:
        async with asyncio.timeout(SETTLES_WITHIN_S):
            await disturbing
    except TimeoutError:
        raise Failed("the month is over, and not everything that was to disturb it has happened") from None


async def _kill(on: Stage, progress: Progress) -> None:
    """Kill services at the worst moments: the vendor has done what was asked, and they don't know it yet."""
    left = list(on.flow.kills)
    for kill in left:
        late = {"method": kill.method, "path": kill.path, "delay_s": ANSWER_LATE_S}
        await on.sandboxes[kill.system].fault(when="after", action="delay", **late)
    seen: Counter[str] = Counter()
    while left:
        await asyncio.sleep(0.1)
        for service, system in sorted({(kill.service, kill.system) for kill in left}):
            if len(await _late_calls(on, system)) == seen[system]:
                continue
            await asyncio.to_thread(on.processes.kill, service)
            late_calls = await _late_calls(on, system)
            for call in late_calls[seen[system] :]:
                left.remove(next(kill for kill in left if _hits(kill, system, call)))
                progress.say(f"{service} was killed before it knew of {call['method']} {call['path']}")
            seen[system] = len(late_calls)
            await on.start_again(service)


async def _late_calls(on: Stage, system: str) -> list[dict[str, Any]]:
    return [call for call in await on.sandboxes[system].calls() if call["fault"] == "delay-after"]


def _hits(kill: Kill, system: str, call: dict[str, Any]) -> bool:
    return kill.system == system and kill.method == call["method"] and re.search(kill.path, call["path"]) is not None


async def _do(on: Stage, step: Step, progress: Progress) -> None:
    if step.settled:
        await _settle(on, progress)
    progress.say(step.title)
    await step.act()


async def _settle(on: Stage, progress: Progress) -> None:
    """What is still on its way after the time-out shows in the comparison."""
    left = await watching.settled(on, SETTLES_WITHIN_S, lambda unsettled: progress.now(str(unsettled)))
    if left:
        progress.say(f"not settled within {SETTLES_WITHIN_S:.0f} s: {left}")
    ended = on.processes.ended()
    if ended:
        raise Failed(f"{', '.join(ended)} ended: see {on.processes[ended[0]].log}")


async def _report(on: Stage, told: Story, seconds: float) -> Played:
    comparison = await told.compare(await watching.said(on))
    calls = {system: await port.calls() for system, port in on.sandboxes.items()}
    by_connection = calls_by_connection(on.flow, calls)
    mirrored = sum(counted.target for counted in comparison.documents.values())
    latency = await watching.latencies_ms(on, [on.flow.name.partition("-")[0]])
    return Played(
        flow=on.flow.name,
        seconds=seconds,
        comparison=comparison,
        calls=by_connection,
        documents_per_call=round(mirrored / max(1, sum(by_connection.values())), 2),
        missed_webhooks_caught=await watching.caught(on),
        latency_ms=watching.quantiles(latency),
        lost_answers=_lost(calls),
    )


def _lost(calls: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, int]:
    lost = Counter(
        f"{system} {call['method']} {call['path'].rpartition('/')[2]}"
        for system, of in calls.items()
        for call in of
        if call["method"] != "GET" and call["lost"] is not None and call["lost"] < 300
    )
    return dict(sorted(lost.items()))
