"""The transactional loop on the real broker: outputs and offsets together, or neither."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

import pytest
from confluent_kafka import Consumer

from connector.adapters.kafka.log import KafkaLog
from connector.adapters.kafka.log import kafka as kafka_log
from connector.adapters.kafka.settings import KafkaSettings
from connector.domain.ports.log import LogError, Message, Record
from tests.integration.kafka.support import numbered, running, until

NewTopic = Callable[..., str]


def doubled(record: Record) -> Sequence[Message]:
    return [Message("numbers.doubled", record.key, str(int(record.value or b"0") * 2).encode())]


def committed_values(settings: KafkaSettings, topic: str, count: int, within_s: float = 15.0) -> list[int]:
    """What a reader of committed records sees, waiting for `count` and a moment longer for what should not come."""
    reader = Consumer(
        {**settings.client(), "group.id": settings.group("check"), "auto.offset.reset": "earliest",
         "isolation.level": "read_committed"}
    )  # fmt: skip
    reader.subscribe([settings.topic(topic)])
    values: list[int] = []
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        values += [int(message.value() or b"0") for message in reader.consume(1000, 0.5)]
        if len(values) >= count:
            end = min(end, time.monotonic() + 1.0)
    reader.close()
    return values


async def test_each_record_becomes_its_output_once(log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic) -> None:
    source, target = new_topic("numbers", 3), new_topic("numbers.doubled", 3)
    await log.produce(numbered(source, range(1000), keys=30))
    async with running(log.exactly_once([source], "doubler", doubled, max_records=100)):
        values = await asyncio.to_thread(committed_values, settings, target, 1000)
    assert sorted(values) == [2 * number for number in range(1000)]


async def test_a_failure_inside_a_batch_leaves_no_trace_of_it(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    source, target = new_topic("numbers", 3), new_topic("numbers.doubled", 3)
    await log.produce(numbered(source, range(300), keys=30))
    failures = 3

    def failing(record: Record) -> Sequence[Message]:
        nonlocal failures
        if record.value is not None and int(record.value) % 100 == 99 and failures > 0:
            failures -= 1
            raise RuntimeError("planned")
        return doubled(record)

    async with running(log.exactly_once([source], "doubler", failing, max_records=64)):
        values = await asyncio.to_thread(committed_values, settings, target, 300)
    assert failures == 0
    assert sorted(values) == [2 * number for number in range(300)]


async def test_an_output_the_broker_refuses_aborts_its_whole_batch(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    source, target = new_topic("numbers"), new_topic("numbers.doubled")
    await log.produce(numbered(source, range(20)))
    attempts = 0

    def to_a_missing_topic_first(record: Record) -> Sequence[Message]:
        nonlocal attempts
        if record.offset == 0:
            attempts += 1
        lost = [Message("nowhere", record.key, b"1")] if attempts == 1 and record.offset == 19 else []
        return [*doubled(record), *lost]

    async with running(log.exactly_once([source], "doubler", to_a_missing_topic_first)):
        values = await asyncio.to_thread(committed_values, settings, target, 20, 40.0)
    assert attempts >= 2
    assert sorted(values) == [2 * number for number in range(20)]


_MAPPING_PROCESS = """
import asyncio, sys
from connector.adapters.kafka.log import kafka
from connector.adapters.kafka.settings import KafkaSettings
from tests.integration.kafka.test_exactly_once import doubled
async def main():
    async with kafka(KafkaSettings(), service="doubler") as log:
        await log.exactly_once(["numbers"], "doubler", doubled, max_records=50)
asyncio.run(main())
"""


@pytest.mark.slow
async def test_sigkill_at_any_moment_doubles_and_loses_nothing(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    source, target = new_topic("numbers", 3), new_topic("numbers.doubled", 3)
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": settings.topic_prefix,
        "KAFKA_GROUP_PREFIX": settings.group_prefix,
        "CONNECTOR_ORDINAL": "0",
    }
    processes = []

    async def feed() -> None:
        for start in range(0, 6000, 100):
            await log.produce(numbered(source, range(start, start + 100), keys=30))
            await asyncio.sleep(0.05)

    async with running(feed()) as feeding:
        for alive_s in (1.3, 1.6, 1.9, None):
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", _MAPPING_PROCESS, env=environment)
            processes.append(process)
            if alive_s is not None:
                await asyncio.sleep(alive_s)
                process.send_signal(signal.SIGKILL)
                await process.wait()
        await feeding
    values = await asyncio.to_thread(committed_values, settings, target, 6000, 60.0)
    processes[-1].terminate()
    await processes[-1].wait()
    assert sorted(values) == [2 * number for number in range(6000)]


async def test_two_processes_with_one_ordinal_are_told_so(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    source, target = new_topic("numbers"), new_topic("numbers.doubled")
    await log.produce(numbered(source, range(1)))
    first = asyncio.create_task(log.exactly_once([source], "doubler", doubled))
    assert await asyncio.to_thread(committed_values, settings, target, 1) == [0]
    async with kafka_log(settings, service="test") as twin, running(twin.exactly_once([source], "doubler", doubled)):
        await until(first.done, "the first was not told that it has a twin")
    with pytest.raises(LogError, match="doubler"):
        await first
