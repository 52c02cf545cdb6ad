"""The entry index in memory."""

from collections.abc import Mapping, Sequence

from connector.domain.identity import ConnectionId


class MemoryEntryIndex:
    def __init__(self) -> None:
        self._entries: dict[tuple[ConnectionId, str], str] = {}

    async def remember(self, connection: ConnectionId, entries: Mapping[str, str]) -> None:
        self._entries.update({(connection, line): entry for line, entry in entries.items()})

    async def entries_of(self, connection: ConnectionId, lines: Sequence[str]) -> Mapping[str, str]:
        known = self._entries
        return {line: known[connection, line] for line in lines if (connection, line) in known}
