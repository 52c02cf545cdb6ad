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
    """When we first set out to tell the source that we have it, None before: whether it heard may never be known."""


class Transfers(Protocol):
    async def open(self, connection: ConnectionId, rounds: Mapping[str, int]) -> None:
        """Documents by native id, offered in this round. A round is never taken back by a lower one."""
        ...

    async def acknowledging(self, connection: ConnectionId, native_ids: Collection[str]) -> None:
        """The source is about to be told that we have their newest round; the first time counts."""
        ...

    async def read(self, connection: ConnectionId, native_ids: Collection[str]) -> Mapping[str, Transfer]:
        """The newest round of each document that ever had one."""
        ...

    async def unanswered(self, connection: ConnectionId, older_than_s: float) -> Collection[str]:
        """Documents whose newest round we set out to acknowledge longer ago than that, and have not answered."""
        ...

    async def name(self, connection: ConnectionId, numbers: Mapping[str, str]) -> None:
        """Number -> native id of the party that has it now."""
        ...

    async def named(self, connection: ConnectionId, numbers: Collection[str]) -> Mapping[str, str]:
        """Native ids by number, of the numbers that are known."""
        ...
