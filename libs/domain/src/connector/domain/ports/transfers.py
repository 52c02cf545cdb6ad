"""What a source that asks for an answer to each document has been told so far: rounds, and who has what number.

A round is opened by reading a document while it is offered to us, is acknowledged once Kafka has it, and ends with our
answer. Numbers lead from what documents call a party to its record.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connector.domain.identity import ConnectionId


@dataclass(frozen=True, slots=True)
class Transfer:
    """The newest round of one document."""

    round: int
    acknowledged_at: datetime | None
    """When the source was told that we have it, None where it was not told yet."""


class Transfers(Protocol):
    async def open(self, connection: ConnectionId, rounds: Mapping[str, int]) -> None:
        """Documents by native id, offered in this round. A round is never taken back by a lower one."""
        ...

    async def acknowledged(self, connection: ConnectionId, native_ids: Collection[str]) -> None:
        """The source knows that we have their newest round."""
        ...

    async def read(self, connection: ConnectionId, native_ids: Collection[str]) -> Mapping[str, Transfer]:
        """The newest round of each document that ever had one."""
        ...

    async def unanswered(self, connection: ConnectionId, older_than_s: float) -> Collection[str]:
        """Documents acknowledged longer ago than that, whose newest round has no answer of ours."""
        ...

    async def name(self, connection: ConnectionId, numbers: Mapping[str, str]) -> None:
        """Number -> native id of the party that has it now."""
        ...

    async def named(self, connection: ConnectionId, numbers: Collection[str]) -> Mapping[str, str]:
        """Native ids by number, of the numbers that are known."""
        ...
