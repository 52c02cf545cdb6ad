"""`References` in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from connector.domain.identity import ConnectionId
from connector.domain.ports.references import ReferenceEntry, ReferenceKey

from .tables import MemoryTables


class MemoryReferences:
    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def now(self) -> datetime:
        return self._tables.now()

    async def upsert(self, entries: Sequence[ReferenceEntry]) -> int:
        changed = 0
        for entry in entries:
            before = self._tables.references.get(entry.key)
            if before is not None and before.as_of >= entry.as_of:
                continue
            self._tables.references[entry.key] = entry
            if before is None or before.version != entry.version:
                changed += 1
                self._tables.wake(entry.key.connection.tenant, str(entry.key))
        return changed

    async def older(self, connection: ConnectionId, kinds: Collection[str], than_s: float) -> Sequence[ReferenceKey]:
        until = self._tables.now() - timedelta(seconds=than_s)
        return sorted(
            key
            for key, entry in self._tables.references.items()
            if key.connection == connection and key.kind in kinds and entry.as_of < until
        )

    async def read(self, keys: Collection[ReferenceKey]) -> Mapping[ReferenceKey, ReferenceEntry]:
        return {key: self._tables.references[key] for key in keys if key in self._tables.references}
