"""Consuming at least once on the real broker; each test is a hazard that would lose or skip records."""

import asyncio
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, TopicPartition

from connector.adapters.kafka.log import KafkaLog
from connector.adapters.kafka.log import kafka as kafka_log
from connector.adapters.kafka.settings import KafkaSettings
from connector.domain.ports.log import Message, Record
from tests.integration.kafka.support import numbered, running, until

NewTopic = Callable[..., str]


class Seen:
    """A handler that remembers values, and fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.values: list[int] = []
        self.attempts: list[list[int]] = []
        self._failures = failures

    async def __call__(self, records: Sequence[Record]) -> None:
        batch = [int(record.value or b"-1") for record in records]
        self.attempts.append(batch)
        if self._failures > 0:
            self._failures -= 1
            raise RuntimeError("planned")
        self.values += batch


async def test_what_was_produced_before_the_group_existed_is_consumed(log: KafkaLog, new_topic: NewTopic) -> None:
    topic = new_topic("letters")
    await log.produce(numbered(topic, range(100)))
    seen = Seen()
    async with running(log.consume([topic], "readers", seen)):
        await until(lambda: len(seen.values) >= 100)
    assert seen.values == list(range(100))


async def test_key_value_headers_and_time_arrive_as_sent(log: KafkaLog, new_topic: NewTopic) -> None:
    topic = new_topic("letters")
    sent = Message(topic, "acme/main", b"\x00\xff", (("ce_id", b"1"), ("signature", b"\xff\xfe")))
    await log.produce([sent, Message(topic, "acme/main", None)])
    arrived: list[Record] = []

    async def keep(records: Sequence[Record]) -> None:
        arrived.extend(records)

    async with running(log.consume([topic], "readers", keep)):
        await until(lambda: len(arrived) == 2)
    assert (arrived[0].topic, arrived[0].key, arrived[0].value, arrived[0].headers) == (
        topic, "acme/main", b"\x00\xff", sent.headers,
    )  # fmt: skip
    assert arrived[1].value is None
    assert arrived[0].timestamp.tzinfo is not None


async def test_a_failed_batch_comes_again_before_anything_later_on_all_its_partitions(
    log: KafkaLog, new_topic: NewTopic
) -> None:
    topic = new_topic("letters", partitions=4)
    await log.produce(numbered(topic, range(400), keys=40))
    seen = Seen(failures=3)
    async with running(log.consume([topic], "readers", seen, max_records=50)):
        await until(lambda: len(seen.values) >= 400)
    assert sorted(seen.values) == list(range(400))
    for key in range(40):
        of_key = [value for value in seen.values if value % 40 == key]
        assert of_key == sorted(of_key)


async def test_offsets_are_committed_after_the_effect_and_only_for_what_was_effected(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    topic = new_topic("letters")
    await log.produce(numbered(topic, range(10)))
    effected = 0
    committed_during: list[int] = []

    async def effect(records: Sequence[Record]) -> None:
        nonlocal effected
        committed_during.append(await asyncio.to_thread(_committed, settings, "readers", topic))
        if effected + len(records) > 4 and len(records) > 1:
            raise RuntimeError("planned")
        effected += len(records)

    async with running(log.consume([topic], "readers", effect, max_records=2)):
        await until(lambda: effected >= 4)
        await until(lambda: len(committed_during) >= 4)
    assert committed_during[0] < 0
    assert _committed(settings, "readers", topic) == 4


async def test_an_uncommitted_batch_comes_to_the_next_process(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    topic = new_topic("letters")
    await log.produce(numbered(topic, range(10)))
    failing = Seen(failures=1_000)
    async with running(log.consume([topic], "readers", failing)):
        await until(lambda: len(failing.attempts) >= 1)
    seen = Seen()
    async with kafka_log(settings, service="test") as again, running(again.consume([topic], "readers", seen)):
        await until(lambda: len(seen.values) >= 10)
    assert seen.values == list(range(10))


async def test_a_stop_finishes_and_commits_the_batch_under_way(
    log: KafkaLog, settings: KafkaSettings, new_topic: NewTopic
) -> None:
    topic = new_topic("letters")
    await log.produce(numbered(topic, range(10)))
    started, done = asyncio.Event(), []

    async def slow(records: Sequence[Record]) -> None:
        started.set()
        await asyncio.sleep(0.5)
        done.extend(records)

    async with running(log.consume([topic], "readers", slow)):
        await started.wait()
    assert _committed(settings, "readers", topic) == len(done) > 0


async def test_a_header_that_is_not_utf_8_stops_nothing(log: KafkaLog, new_topic: NewTopic) -> None:
    topic = new_topic("letters")
    await log.produce([Message(topic, "acme/main", b"0", (("x", b"\xff\xff"),)), Message(topic, "acme/main", b"1")])
    seen = Seen()
    async with running(log.consume([topic], "readers", seen)):
        await until(lambda: len(seen.values) == 2)
    assert seen.values == [0, 1]


async def test_consuming_a_topic_that_does_not_exist_does_not_create_it(log: KafkaLog, settings: KafkaSettings) -> None:
    from confluent_kafka.admin import AdminClient

    async with running(log.consume(["nowhere"], "readers", Seen())):
        await asyncio.sleep(1)
    assert settings.topic("nowhere") not in AdminClient(settings.client()).list_topics(timeout=5).topics


def _committed(settings: KafkaSettings, group: str, topic: str) -> int:
    client = Consumer({**settings.client(), "group.id": settings.group(group)})
    try:
        [place] = client.committed([TopicPartition(settings.topic(topic), 0)], timeout=5)
        return place.offset
    finally:
        client.close()
