"""Who may write: replicas that stall, wake up or take over."""

import asyncio
from typing import Any

from connector.adapters.memory.target import ORDERS, OUR_USER
from connector.domain.identity import Role
from connector.domain.sync.states import State
from tests.virtual import virtually
from tests.write import TARGET, order, record, ref, writer


@virtually
async def test_a_paused_and_revived_replica_changes_nothing_of_ours() -> None:
    async with writer(dispatching=False) as w:
        w.vendor.latency_s = 20
        await w.take(record(order()))
        paused = w.dispatcher("paused")
        running = asyncio.create_task(paused.run())
        await asyncio.sleep(25)
        for holder in w.tables.epochs.values():
            holder.expires_at = w.clock.now()
        await asyncio.sleep(0.001)
        revived = w.dispatcher("revived")
        taken_over = asyncio.create_task(revived.run())
        await asyncio.sleep(400)
        assert w.state() == State.SYNCED
        assert len(w.vendor.live(ORDERS, "PO-1")) == 1
        assert [step for step, _ in w.vendor.writes] == ["create", "submit"]
        for dispatcher in (paused, revived):
            dispatcher.stop()
        await asyncio.gather(running, taken_over)


@virtually
async def test_a_successor_at_the_same_place_begins_at_once_and_keeps_the_epoch() -> None:
    async with writer(dispatching=False) as w:
        first, second = w.dispatcher("writer-0/first"), w.dispatcher("writer-0/second")
        running = [asyncio.create_task(first.run())]
        await asyncio.sleep(1)
        running.append(asyncio.create_task(second.run()))
        await asyncio.sleep(1)
        assert second.holds
        await asyncio.sleep(120)
        assert (first.holds, second.holds) == (False, True)
        assert w.tables.epochs[TARGET, Role.WRITE].epoch == 2
        for dispatcher in (first, second):
            dispatcher.stop()
        await asyncio.gather(*running)


@virtually
async def test_a_call_is_not_sent_once_half_of_its_time_has_passed() -> None:
    async with writer() as w:
        commit = w.dispatch.open_call

        async def slow(hold: Any, intent: Any) -> None:
            await commit(hold, intent)
            await asyncio.sleep(16)

        w.dispatch.open_call = slow  # type: ignore[method-assign]
        await w.take(record(order()))
        await asyncio.sleep(17)
        assert w.vendor.writes == []
        w.dispatch.open_call = commit  # type: ignore[method-assign]
        await asyncio.sleep(20)
        assert w.state() == State.SYNCED


@virtually
async def test_who_woke_without_the_epoch_tells_of_a_double_even_if_the_target_is_away_at_first() -> None:
    async with writer() as w:
        w.vendor.latency_s = 1
        await w.take(record(order()))
        while not w.vendor.writes:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        hold = w.tables.epochs[TARGET, Role.WRITE]
        hold.epoch, hold.holder = hold.epoch + 1, "successor"
        w.vendor.make(ORDERS, "PO-1", OUR_USER, stamp=ref().key)
        w.vendor.reads_fail = 2
        await asyncio.sleep(12)
        assert "doubled" in w.story()
