"""The dispatch store, watched: what has come is waited for by nobody."""

from collections.abc import Mapping, Sequence

from connector.adapters.memory.dispatch import MemoryDispatch
from connector.adapters.memory.tables import MemoryTables
from connector.domain.identity import RowRef
from connector.domain.ports.dispatch import Settlement
from connector.domain.ports.epochs import Hold


class WatchedDispatch(MemoryDispatch):
    """Tells of a wake-up that was lost. Its row would be looked at again when its time to wait is over: late, not lost,
    so that nothing at the end of a schedule shows it."""

    def __init__(self, tables: MemoryTables, troubles: list[str]) -> None:
        super().__init__(tables)
        self._troubles = troubles

    async def settle(self, hold: Hold, settlements: Sequence[Settlement]) -> Mapping[RowRef, str]:
        refused = await super().settle(hold, settlements)
        for row, wait in ((s.due.row, wait) for s in settlements if s.judgement for wait in s.judgement.waits):
            lost = wait.version is None and row in self._tables.waits.get((row.flow.tenant, wait.key), {})
            if lost and self._tables.version_of(hold.connection, wait.key) is not None:
                self._troubles.append(f"{row} waits for {wait.key}, which is there")
        return refused
