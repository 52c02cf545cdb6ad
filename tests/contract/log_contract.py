"""What every log must do; the adapters' suites subclass it with two fixtures: `cluster` and, from it, processes."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest

from connector.domain.ports.log import MAX_VALUE_BYTES, Log, LogError, Message, NotAcknowledged, Record, ValueTooLarge
from tests.support import numbered, running, until


class Cluster(Protocol):
    """One log, seen by several processes."""

    def new_topic(self, name: str, partitions: int = 1) -> str: ...
    def process(self) -> AbstractAsyncContextManager[Log]: ...
    async def committed(self, group: str, topic: str) -> int:
        """The next offset of partition 0, negative where none is committed."""
        ...

    async def values(self, topic: str, count: int) -> list[int]:
        """All committed values of a topic, once there are `count`."""
        ...

    async def reset(self, group: str, topic: str) -> None: ...


class Seen:
    """A handler that remembers values, and fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.values: list[int] = []
        self.attempts = 0
        self._failures = failures

    async def __call__(self, records: Sequence[Record]) -> None:
        self.attempts += 1
        if self._failures > 0:
            self._failures -= 1
            raise RuntimeError("planned")
        self.values += [int(record.value or b"-1") for record in records]


def doubled(record: Record) -> Sequence[Message]:
    return [Message("numbers.doubled", record.key, str(int(record.value or b"0") * 2).encode())]


class LogContract:
    async def test_what_was_produced_before_the_group_existed_is_consumed(self, cluster: Cluster) -> None:
        topic = cluster.new_topic("letters")
        seen = Seen()
        async with cluster.process() as log:
            await log.produce(numbered(topic, range(100)))
            async with running(log.consume([topic], "readers", seen)):
                await until(lambda: len(seen.values) >= 100)
        assert seen.values == list(range(100))

    async def test_key_value_headers_and_time_arrive_as_sent(self, cluster: Cluster) -> None:
        topic = cluster.new_topic("letters")
        sent = Message(topic, "acme/main", b"\x00\xff", (("ce_id", b"1"), ("signature", b"\xff\xfe")))
        arrived: list[Record] = []

        async def keep(records: Sequence[Record]) -> None:
            arrived.extend(records)

        async with cluster.process() as log:
            await log.produce([sent, Message(topic, "acme/main", None)])
            async with running(log.consume([topic], "readers", keep)):
                await until(lambda: len(arrived) == 2)
        first, second = arrived
        assert (first.topic, first.key, first.value, first.headers) == (topic, sent.key, sent.value, sent.headers)
        assert second.value is None
        assert first.timestamp.tzinfo is not None

    async def test_a_failed_batch_comes_again_before_anything_later_of_its_partitions(self, cluster: Cluster) -> None:
        topic = cluster.new_topic("letters", partitions=4)
        seen = Seen(failures=3)
        async with cluster.process() as log:
            await log.produce(numbered(topic, range(400), keys=40))
            async with running(log.consume([topic], "readers", seen, max_records=50)):
                await until(lambda: len(seen.values) >= 400)
        assert sorted(seen.values) == list(range(400))
        for key in range(40):
            of_key = [value for value in seen.values if value % 40 == key]
            assert of_key == sorted(of_key)

    async def test_offsets_are_committed_after_the_effect_and_only_for_what_was_effected(
        self, cluster: Cluster
    ) -> None:
        topic = cluster.new_topic("letters")
        committed_during: list[int] = []
        effected = 0

        async def effect(records: Sequence[Record]) -> None:
            nonlocal effected
            committed_during.append(await cluster.committed("readers", topic))
            if effected + len(records) > 4:
                raise RuntimeError("planned")
            effected += len(records)

        async with cluster.process() as log:
            await log.produce(numbered(topic, range(10)))
            async with running(log.consume([topic], "readers", effect, max_records=2)):
                await until(lambda: len(committed_during) >= 4)
        assert committed_during[0] < 0
        assert await cluster.committed("readers", topic) == 4

    async def test_an_uncommitted_batch_comes_to_the_next_process(self, cluster: Cluster) -> None:
        topic = cluster.new_topic("letters")
        failing, seen = Seen(failures=sys.maxsize), Seen()
        async with cluster.process() as log:
            await log.produce(numbered(topic, range(10)))
            async with running(log.consume([topic], "readers", failing)):
                await until(lambda: failing.attempts >= 1)
        async with cluster.process() as successor, running(successor.consume([topic], "readers", seen)):
            await until(lambda: len(seen.values) >= 10)
        assert seen.values == list(range(10))

    async def test_a_stop_finishes_and_commits_the_batch_under_way(self, cluster: Cluster) -> None:
        topic = cluster.new_topic("letters")
        started, finish, done = asyncio.Event(), asyncio.Event(), list[Record]()

        async def slow(records: Sequence[Record]) -> None:
            started.set()
            await finish.wait()
            done.extend(records)

        async with cluster.process() as log:
            await log.produce(numbered(topic, range(10)))
            async with running(log.consume([topic], "readers", slow)):
                await started.wait()
                asyncio.get_running_loop().call_later(0.3, finish.set)
        assert await cluster.committed("readers", topic) == len(done) > 0

    async def test_a_reset_to_the_beginning_replays_everything(self, cluster: Cluster) -> None:
        topic = cluster.new_topic("letters")
        first, again = Seen(), Seen()
        async with cluster.process() as log:
            await log.produce(numbered(topic, range(10)))
            async with running(log.consume([topic], "readers", first)):
                await until(lambda: len(first.values) == 10)
                with pytest.raises(Exception, match="readers"):
                    await cluster.reset("readers", topic)
        await cluster.reset("readers", topic)
        async with cluster.process() as log, running(log.consume([topic], "readers", again)):
            await until(lambda: len(again.values) == 10)
        assert again.values == list(range(10))

    async def test_each_record_becomes_its_output_once(self, cluster: Cluster) -> None:
        source, target = cluster.new_topic("numbers", 3), cluster.new_topic("numbers.doubled", 3)
        async with cluster.process() as log:
            await log.produce(numbered(source, range(1000), keys=30))
            async with running(log.exactly_once([source], "doubler", doubled, max_records=100)):
                values = await cluster.values(target, 1000)
        assert sorted(values) == [2 * number for number in range(1000)]

    async def test_a_failure_inside_a_batch_leaves_no_trace_of_it(self, cluster: Cluster) -> None:
        source, target = cluster.new_topic("numbers", 3), cluster.new_topic("numbers.doubled", 3)
        failures = 3

        def failing(record: Record) -> Sequence[Message]:
            nonlocal failures
            if int(record.value or b"0") % 100 == 99 and failures > 0:
                failures -= 1
                raise RuntimeError("planned")
            return doubled(record)

        async with cluster.process() as log:
            await log.produce(numbered(source, range(300), keys=30))
            async with running(log.exactly_once([source], "doubler", failing, max_records=64)):
                values = await cluster.values(target, 300)
        assert failures == 0
        assert sorted(values) == [2 * number for number in range(300)]

    async def test_an_output_that_is_refused_aborts_its_whole_batch(self, cluster: Cluster) -> None:
        source, target = cluster.new_topic("numbers"), cluster.new_topic("numbers.doubled")
        attempts = 0

        def to_a_missing_topic_first(record: Record) -> Sequence[Message]:
            nonlocal attempts
            if record.offset == 0:
                attempts += 1
            lost = [Message("nowhere", record.key, b"1")] if attempts == 1 and record.offset == 19 else []
            return [*doubled(record), *lost]

        async with cluster.process() as log:
            await log.produce(numbered(source, range(20)))
            async with running(log.exactly_once([source], "doubler", to_a_missing_topic_first)):
                values = await cluster.values(target, 20)
        assert attempts >= 2
        assert sorted(values) == [2 * number for number in range(20)]

    async def test_a_topic_that_is_not_there_is_not_acknowledged(self, cluster: Cluster) -> None:
        async with cluster.process() as log:
            with pytest.raises(NotAcknowledged, match="nowhere"):
                await log.produce([Message("nowhere", "acme/main", b"1")])

    async def test_a_value_above_the_limit_is_refused_by_name(self, cluster: Cluster) -> None:
        large = Message(cluster.new_topic("letters"), "acme/main/order/1", bytes(MAX_VALUE_BYTES + 1))
        async with cluster.process() as log:
            with pytest.raises(ValueTooLarge, match=r"acme/main/order/1.*16777217 bytes"):
                await log.produce([large])
        assert issubclass(ValueTooLarge, LogError)
