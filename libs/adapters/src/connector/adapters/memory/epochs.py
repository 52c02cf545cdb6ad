"""`Epochs` in memory."""

from datetime import timedelta

from connector.domain.identity import ConnectionId, Role
from connector.domain.ports.epochs import EPOCH_TTL_S, Hold, place_of

from .tables import Holder, MemoryTables


class MemoryEpochs:
    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def take(
        self, connection: ConnectionId, role: Role, holder: str, ttl_s: float = EPOCH_TTL_S, *, anew: bool = False
    ) -> Hold | None:
        tables = self._tables
        before = tables.epochs.get((connection, role))
        if before is not None and before.expires_at >= tables.now() and before.holder != holder:
            place = place_of(holder)
            if not (anew and place and place_of(before.holder) == place):
                return None
        epoch = before.epoch + 1 if before else 1
        tables.epochs[connection, role] = Holder(epoch, holder, tables.in_s(ttl_s))
        return Hold(connection, role, epoch, holder)

    async def renew(self, hold: Hold, ttl_s: float = EPOCH_TTL_S) -> None:
        self._tables.require(hold)
        self._tables.epochs[hold.connection, hold.role].expires_at = self._tables.in_s(ttl_s)

    async def release(self, hold: Hold) -> None:
        holder = self._tables.epochs.get((hold.connection, hold.role))
        if holder is not None and holder.epoch == hold.epoch:
            holder.expires_at = self._tables.now() - timedelta(microseconds=1)
