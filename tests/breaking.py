"""A Kafka client failed for good, by librdkafka's own hook for that: no broker does it on request."""

import ctypes
from pathlib import Path

import confluent_kafka
from confluent_kafka import KafkaError, Producer

_POINTER_AT = object.__basicsize__
"""confluent-kafka keeps librdkafka's handle right behind the head of its object."""


def fail_for_good(client: Producer) -> None:
    bundled = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    library = ctypes.CDLL(str(next(bundled.glob("librdkafka-*"))))
    handle = ctypes.c_void_p.from_address(id(client) + _POINTER_AT)
    library.rd_kafka_test_fatal_error(handle, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, b"planned")
