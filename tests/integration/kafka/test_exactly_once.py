"""The transactional loop on the real broker: outputs and offsets together, or neither."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import pytest

from connector.adapters.kafka.log import KafkaLog
from connector.adapters.kafka.log import kafka as kafka_log
from connector.adapters.kafka.settings import KafkaSettings
from connector.domain.ports.log import LogBroken
from tests.contract.log_contract import doubled
from tests.integration.kafka.support import committed_values
from tests.support import numbered, running, until

NewTopic = Callable[..., str]


_MAPPING_PROCESS = """
import asyncio, sys
from connector.adapters.kafka.log import kafka
from connector.adapters.kafka.settings import KafkaSettings
from tests.contract.log_contract import doubled
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
    with pytest.raises(LogBroken, match="doubler"):
        await first
