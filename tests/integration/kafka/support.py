"""What only the real broker needs."""

import time

from confluent_kafka import Consumer

from connector.adapters.kafka.settings import KafkaSettings


def committed_values(settings: KafkaSettings, topic: str, count: int, within_s: float = 40.0) -> list[int]:
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
