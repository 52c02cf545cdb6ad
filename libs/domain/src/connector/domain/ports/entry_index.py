"""Which entry a booked line belongs to.

Exact's feed of deletions knows lines only: once a line is gone, nothing there says whose it was: the reader remembers.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from connector.domain.identity import ConnectionId


class EntryIndex(Protocol):
    async def remember(self, connection: ConnectionId, entries: Mapping[str, str]) -> None:
        """Line id -> entry id; a line remembered before moves to the entry named now."""
        ...

    async def entries_of(self, connection: ConnectionId, lines: Sequence[str]) -> Mapping[str, str]:
        """Line id -> entry id, of the lines that were ever remembered."""
        ...
