"""The log in memory keeps the log's contract, and has Kafka's ways of failing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from connector.adapters.memory.log import Fault, MemoryCluster, MemoryLog
from connector.domain.ports.log import Cleanup, Log, Message, NotAcknowledged, Record, Topic
from tests.contract.log_contract import LogContract, doubled
from tests.support import numbered, running, until


class QuickClock:
    """Sleeps cost no time."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def boot_time_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class MemoryHarness:
    def __init__(self, fault: list[Fault | None] | None = None) -> None:
        faults = iter(fault or ())
        self.cluster = MemoryCluster([], QuickClock(), fault=lambda _: next(faults, None))

    def new_topic(self, name: str, partitions: int = 1) -> str:
        self.cluster.create(Topic(name, Cleanup.COMPACT, partitions))
        return name

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Log]:
        yield MemoryLog(self.cluster, "test-0")

    async def committed(self, group: str, topic: str) -> int:
        found = self.cluster.committed(group, topic, 0)
        return -1 if found is None else found

    async def values(self, topic: str, count: int) -> list[int]:
        await until(lambda: len(self.cluster.records(topic)) >= count)
        return [int(record.value or b"0") for record in self.cluster.records(topic)]

    async def reset(self, group: str, topic: str) -> None:
        self.cluster.reset_to_earliest(group, [topic])


@pytest.fixture
def cluster() -> MemoryHarness:
    return MemoryHarness()


class TestMemoryLog(LogContract):
    pass


async def test_a_crash_inside_a_transaction_hides_its_outputs_until_the_successor_aborts_it() -> None:
    harness = MemoryHarness()
    source, target = harness.new_topic("numbers"), harness.new_topic("numbers.doubled")
    first = MemoryLog(harness.cluster, "doubler-0")

    def dying(record: Record) -> Sequence[Message]:
        if record.offset == 9:
            asyncio.get_running_loop().call_soon(first.kill)
        return doubled(record)

    await first.produce(numbered(source, range(10)))
    with suppress(asyncio.CancelledError):
        await first.exactly_once([source], "doubler", dying)
    assert harness.cluster.records(target) == []
    assert harness.cluster.committed("doubler", source, 0) is None
    async with running(MemoryLog(harness.cluster, "doubler-0").exactly_once([source], "doubler", doubled)):
        values = await harness.values(target, 10)
    assert values == [2 * number for number in range(10)]


async def test_a_lost_acknowledgement_leaves_the_messages_in_the_log() -> None:
    harness = MemoryHarness([Fault.ACKNOWLEDGEMENT_LOST, Fault.REFUSED])
    topic = harness.new_topic("letters")
    log = MemoryLog(harness.cluster, "test-0")
    for _ in range(2):
        with pytest.raises(NotAcknowledged):
            await log.produce(numbered(topic, range(1)))
    assert len(harness.cluster.records(topic)) == 1


async def test_compaction_keeps_the_last_record_of_each_key_and_consumers_pass_the_gaps() -> None:
    harness = MemoryHarness()
    topic = harness.new_topic("letters")
    log = MemoryLog(harness.cluster, "test-0")
    await log.produce(numbered(topic, range(10), keys=3))
    harness.cluster.compact()
    arrived: list[Record] = []

    async def keep(records: Sequence[Record]) -> None:
        arrived.extend(records)

    async with running(log.consume([topic], "readers", keep)):
        await until(lambda: len(arrived) == 3)
    assert [(record.key[-2:], record.offset) for record in arrived] == [("k1", 7), ("k2", 8), ("k0", 9)]


async def test_a_second_member_takes_over_half_and_the_first_one_s_batch_is_fenced() -> None:
    harness = MemoryHarness()
    topic = harness.new_topic("letters", 2)
    await MemoryLog(harness.cluster, "a-0").produce(numbered(topic, range(20), keys=8))
    entered, go_on = asyncio.Event(), asyncio.Event()
    seen: list[int] = []

    async def slow(records: Sequence[Record]) -> None:
        entered.set()
        await go_on.wait()
        seen.extend(int(record.value or b"0") for record in records)

    async with running(MemoryLog(harness.cluster, "a-0").consume([topic], "readers", slow)):
        await entered.wait()
        async with running(MemoryLog(harness.cluster, "a-1").consume([topic], "readers", slow)):
            await asyncio.sleep(0)
            go_on.set()
            await until(lambda: sum(harness.cluster.committed("readers", topic, n) or 0 for n in (0, 1)) == 20)
    assert set(seen) == set(range(20))
    assert len(seen) > 20, "the fenced batch was effected, and comes again"
