"""Kafka's own command for consumer groups, so that replays use what operators use."""

from collections.abc import Sequence

from connector.adapters.parts.broker import run_java
from connector.adapters.parts.part import PartsError

_COMMAND = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def reset_to_earliest(bootstrap: str, group: str, topics: Sequence[str]) -> str:
    """Set the group's offsets on these topics back to the beginning; returns Kafka's table of the new offsets.

    Raises PartsError while the group has a member: stop it first. A static member counts as one until its session of
    10 s is over, however it was stopped.
    """
    topic_arguments = [argument for topic in topics for argument in ("--topic", topic)]
    told = run_java(
        _COMMAND, "--bootstrap-server", bootstrap, "--group", group, "--reset-offsets", "--to-earliest",
        *topic_arguments, "--execute",
    )  # fmt: skip
    if "NEW-OFFSET" not in told or "Error:" in told:  # the command's exit code is 0 all the same
        raise PartsError(f"the offsets of {group} were not reset: {told.strip()}")
    return told


def describe(bootstrap: str, group: str) -> str:
    """Kafka's table of the group: topic, partition, committed offset, end, lag."""
    return run_java(_COMMAND, "--bootstrap-server", bootstrap, "--group", group, "--describe")
