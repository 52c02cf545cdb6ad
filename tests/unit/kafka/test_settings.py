"""A customer's own cluster: what the environment says becomes what every client is told."""

import pytest
from confluent_kafka import Consumer, Producer

from connector.adapters.kafka.admin import needed_acls
from connector.adapters.kafka.settings import KafkaSettings

SECURED = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "connector",
    "KAFKA_SASL_PASSWORD": "planted-password",
    "KAFKA_TOPIC_PREFIX": "acme.",
    "KAFKA_GROUP_PREFIX": "acme-",
}


@pytest.fixture
def secured(monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    for name, value in SECURED.items():
        monkeypatch.setenv(name, value)
    return KafkaSettings()


def test_every_client_logs_in_as_the_environment_says_and_the_password_never_prints(secured: KafkaSettings) -> None:
    clients = [
        secured.client(),
        secured.consumer(),
        secured.producer("x", delivery_timeout_s=5),
        secured.transactional_producer("x", "mapper-0"),
    ]
    for client in clients:
        assert client["security.protocol"] == "sasl_ssl"
        assert (client["sasl.mechanisms"], client["sasl.username"]) == ("SCRAM-SHA-512", "connector")
        assert client["sasl.password"] == "planted-password"
    assert "planted" not in repr(secured)


def test_librdkafka_knows_every_setting_it_is_given(secured: KafkaSettings) -> None:
    """It refuses unknown names and values when a client is made."""
    for config in (secured.producer("x", delivery_timeout_s=5), secured.transactional_producer("x", "mapper-0")):
        Producer(config).close()
    Consumer({**secured.consumer(), "group.id": "x"}).close()


def test_what_would_lose_or_double_records_is_set_otherwise(secured: KafkaSettings) -> None:
    producer = secured.transactional_producer("x", "mapper-0")
    assert (producer["acks"], producer["enable.idempotence"]) == ("all", True)
    assert producer["allow.auto.create.topics"] is False
    assert producer["transaction.timeout.ms"] == 10_000
    assert producer["retry.backoff.ms"] == 1, "librdkafka's 100 ms stalls each small transaction on the one before"
    assert secured.consumer()["enable.auto.offset.store"] is False


def test_the_rights_needed_are_those_on_our_own_names(secured: KafkaSettings) -> None:
    named = {(acl.resource, acl.pattern, acl.name) for acl in needed_acls(secured)}
    assert all(name.startswith("acme") for resource, _, name in named if resource != "cluster")
    assert {resource for resource, _, _ in named} == {"topic", "group", "transactional-id", "cluster"}
