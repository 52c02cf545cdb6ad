"""Kafka's own command for consumer groups, so that replays use what operators use."""

from collections.abc import Sequence

from connector.adapters.parts.broker import run_java

_COMMAND = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def reset_to_earliest(bootstrap: str, group: str, topics: Sequence[str]) -> str:
    """Set the group's offsets on these topics back to the beginning. The group must have no running member (Kafka says
    so, and PartsError repeats it: a static member that was killed counts as running for its session time of 10 s)."""
    topic_arguments = [argument for topic in topics for argument in ("--topic", topic)]
    return run_java(
        _COMMAND, "--bootstrap-server", bootstrap, "--group", group, "--reset-offsets", "--to-earliest",
        *topic_arguments, "--execute",
    )  # fmt: skip


def describe(bootstrap: str, group: str) -> str:
    """Kafka's table of the group: topic, partition, committed offset, end, lag."""
    return run_java(_COMMAND, "--bootstrap-server", bootstrap, "--group", group, "--describe")
