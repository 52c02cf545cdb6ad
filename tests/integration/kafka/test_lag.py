"""How far behind a group is said to be."""

import asyncio
from collections.abc import Callable

from connector.adapters.kafka.lag import lag
from connector.adapters.kafka.log import KafkaLog
from connector.adapters.kafka.settings import KafkaSettings
from connector.domain.ports.log import Record
from tests.contract.log_contract import doubled
from tests.support import numbered, running, until

NewTopic = Callable[..., str]


async def test_the_end_of_a_transaction_is_no_record_to_be_behind_by(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    source, target = new_topic("numbers"), new_topic("numbers.doubled")
    await log.produce(numbered(source, range(5)))
    taken: list[Record] = []

    async def take(records: object) -> None:
        taken.extend(records)  # type: ignore[arg-type]

    assert await asyncio.to_thread(lag, settings, {"reader": [source]}) == {"reader": 5}
    async with running(log.exactly_once([source], "doubler", doubled)), running(log.consume([target], "reader", take)):
        await until(lambda: len(taken) == 5)
        groups = {"doubler": [source], "reader": [target]}

        def behind() -> bool:
            return any(lag(settings, groups).values())

        for _ in range(50):
            if not await asyncio.to_thread(behind):
                break
            await asyncio.sleep(0.1)
        assert await asyncio.to_thread(lag, settings, groups) == {"doubler": 0, "reader": 0}
