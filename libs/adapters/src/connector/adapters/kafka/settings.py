"""What a Kafka cluster needs of its users, and the client settings that keep our promises."""

import logging
import os
import re
import socket
from typing import Annotated, Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from connector.domain.ports.log import MAX_MESSAGE_BYTES

WIRE_BYTES = MAX_MESSAGE_BYTES + 64 * 1024
"""A message with its key, headers and framing; topics and producers allow it."""
LIBRARY_LOG = logging.getLogger("connector.kafka")
"""Where librdkafka and FastStream say what happens to their connections."""
_NOISE = ("CONFWARN", "Auto create topics is disabled")  # FastStream's unused producer is given a consumer's settings
LIBRARY_LOG.addFilter(lambda record: not any(noise in record.getMessage() for noise in _NOISE))
_PREFETCH_KB = 8 * 1024


def ordinal() -> int:
    """This process's place among its service's replicas: `CONNECTOR_ORDINAL`, else the StatefulSet's index at the end
    of the host name, else 0. Two processes of one service with one ordinal shut each other out of their group."""
    configured = os.environ.get("CONNECTOR_ORDINAL")
    if configured is not None:
        return int(configured)
    in_host_name = re.search(r"-(\d+)$", socket.gethostname())
    return int(in_host_name.group(1)) if in_host_name else 0


class KafkaSettings(BaseSettings):
    """The `KAFKA_*` environment. Replication is the cluster's own default where it is not given."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True)

    bootstrap_servers: str
    topic_prefix: str = ""
    group_prefix: str = ""
    replication_factor: Annotated[int, Field(ge=1)] | None = None
    min_insync_replicas: Annotated[int, Field(ge=1)] | None = None
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: SecretStr | None = None

    def topic(self, name: str) -> str:
        return f"{self.topic_prefix}{name}"

    def topic_name(self, topic: str) -> str:
        """The catalogue's name of a topic on this cluster."""
        return topic.removeprefix(self.topic_prefix)

    def group(self, name: str) -> str:
        return f"{self.group_prefix}{name}"

    def client(self) -> dict[str, Any]:
        """Settings of every client: where, who, and no topics by accident."""
        optional = {
            "sasl.mechanisms": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password and self.sasl_password.get_secret_value(),
            "ssl.ca.location": self.ssl_ca_location,
            "ssl.certificate.location": self.ssl_certificate_location,
            "ssl.key.location": self.ssl_key_location,
            "ssl.key.password": self.ssl_key_password and self.ssl_key_password.get_secret_value(),
        }
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol.lower(),
            "reconnect.backoff.max.ms": 2000,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def producer(self, client_id: str, *, delivery_timeout_s: float) -> dict[str, Any]:
        """Idempotent, acknowledged by all replicas in sync, bounded memory."""
        return {
            **self.client(),
            "client.id": client_id,
            "allow.auto.create.topics": False,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "zstd",
            "partitioner": "murmur2_random",
            "linger.ms": 2,
            "message.max.bytes": WIRE_BYTES,
            "message.timeout.ms": int(delivery_timeout_s * 1000),
            "queue.buffering.max.messages": 50_000,
            "queue.buffering.max.kbytes": 32 * 1024,
        }

    def transactional_producer(self, client_id: str, transactional_id: str) -> dict[str, Any]:
        """With the default retry.backoff.ms of 100 the next small transaction stalls that long on the one before it."""
        return {
            **self.producer(client_id, delivery_timeout_s=10),
            "transactional.id": transactional_id,
            "transaction.timeout.ms": 10_000,  # a crash must not hold readers of committed records for a minute
            "message.timeout.ms": 10_000,
            "retry.backoff.ms": 1,
            "retry.backoff.max.ms": 100,
        }

    def consumer(self) -> dict[str, Any]:
        """What FastStream's subscriber has no argument for. Nothing is committed but what we commit."""
        return {
            **self.client(),
            "enable.auto.offset.store": False,
            "queued.max.messages.kbytes": _PREFETCH_KB,
            "fetch.max.bytes": WIRE_BYTES,
        }
