"""A connection's lane on a virtual clock: slots that were granted are used, whatever the loop's timers do."""

import asyncio
import random
from dataclasses import dataclass

import pytest

from connector.adapters.gate.lane import Lane
from connector.adapters.gate.pump import Pump
from connector.adapters.memory.gate import MemoryBell, MemoryQuotaStore
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.quota import (
    Answer,
    Ask,
    Lesson,
    QuotaRules,
    Reading,
    Settlement,
    Window,
    WindowReading,
    bell_key,
)
from tests.virtual import VirtualClock, run_virtually

CONNECTION = ConnectionId("acme", "vendor")
A_SECOND = 20
RULES = QuotaRules(windows=(Window("second", A_SECOND, 1.0, paced=True),), serial=False, call_deadline_s=5.0)
MIXES = (
    (TrafficClass.LIVE,),
    (TrafficClass.BACKFILL,),
    (TrafficClass.LIVE, TrafficClass.BACKFILL),
    (TrafficClass.CATCH_UP, TrafficClass.BACKFILL),
)


@dataclass
class HastyClock(VirtualClock):
    """Like a loop with timers of whole milliseconds, which wakes a sleeper up to one too early."""

    early_s: float

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds - self.early_s))


class SlowStore(MemoryQuotaStore):
    """Answers as late as a database on the same machine."""

    async def ask(self, connection: ConnectionId, rules: QuotaRules, ask: Ask) -> Answer:
        answer = await super().ask(connection, rules, ask)
        await asyncio.sleep(0.002)
        return answer

    async def settle(self, connection: ConnectionId, rules: QuotaRules, settlement: Settlement) -> float:
        await asyncio.sleep(0.002)
        return await super().settle(connection, rules, settlement)


async def pace(clock: VirtualClock, mix: tuple[TrafficClass, ...], documents: int = 230) -> float:
    """Calls a second while so many documents of three calls each are carried."""
    bell, dice, at = MemoryBell(), random.Random(1), list[float]()
    pump = Pump(bell, bell_key(CONNECTION))
    lane = Lane(CONNECTION, RULES, SlowStore(bell, clock), pump, clock, "replica")

    async def carry(flow: str) -> None:
        await asyncio.sleep(dice.random())
        traffic = dice.choice(mix)
        for _ in range(3):
            slot = await lane.enter(traffic, flow, "orders")
            at.append(clock.boot_time_s())
            await asyncio.sleep(0.05 + dice.random() / 10)
            await lane.leave(slot)

    async with asyncio.timeout(10 * 3 * documents / A_SECOND):
        await asyncio.gather(*(carry(f"flow-{number % 2}") for number in range(documents)))
    await lane.close()
    await pump.close()
    return len(at) / (max(at) - min(at))


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: "+".join(mix))
@pytest.mark.parametrize("early_s", [0.0, 0.0004, 0.0009])
def test_every_class_gets_the_whole_quota(mix: tuple[TrafficClass, ...], early_s: float) -> None:
    reached = run_virtually(pace(HastyClock(early_s), mix))
    assert 0.98 * A_SECOND <= reached <= 1.01 * A_SECOND


def test_what_was_learned_of_a_window_costs_nobody_what_was_granted() -> None:
    counts = Reading((WindowReading("hour", 3600, 3000, None),), limited=False)
    refusal = Reading((), limited=True)
    assert not Settlement("replica", lessons=(Lesson("orders", 200, counts, 0.0, 0.0),)).urgent
    assert Settlement("replica", lessons=(Lesson("orders", 429, refusal, 0.0, 0.0),)).urgent
    assert Settlement("replica", turn=1).urgent


@pytest.mark.parametrize("after_s", [0.0, 0.001], ids=["with the call", "while it settles"])
def test_a_process_that_closes_leaves_its_turn_to_the_next(after_s: float) -> None:
    rules = QuotaRules(windows=(Window("minute", 60, 60.0),), serial=True, call_deadline_s=30.0)

    async def waited() -> float:
        clock, bell = VirtualClock(), MemoryBell()
        store = SlowStore(bell, clock)
        pump = Pump(bell, bell_key(CONNECTION))
        first, second = (Lane(CONNECTION, rules, store, pump, clock, replica) for replica in ("first", "second"))
        await first.leave(await first.enter(TrafficClass.LIVE, "", "orders"))
        await asyncio.sleep(after_s)
        await first.close()
        began_s = clock.boot_time_s()
        async with asyncio.timeout(60.0):
            await second.leave(await second.enter(TrafficClass.LIVE, "", "orders"))
        await second.close()
        await pump.close()
        return clock.boot_time_s() - began_s

    assert run_virtually(waited()) < 1.0
