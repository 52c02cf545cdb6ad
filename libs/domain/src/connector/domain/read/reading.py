"""Reading one source connection while holding its read epoch: one replica does, the others stand by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connector.domain.documents.envelope import SourceDocument
from connector.domain.identity import ConnectionId, Role
from connector.domain.ports.clock import Clock, Spawner
from connector.domain.ports.epochs import EPOCH_TTL_S, EpochLost, Epochs, Hold
from connector.domain.ports.source_keys import SourceKeys

from .reader import Publish, Reader

DELIVERY_S = 4.0
"""How long a produced document may be under way: never longer than what is left of the epoch."""
MARGIN_S = 2.0
IDLE_S = 5.0
"""Longest time between two looks where nothing tells of a change: a lost notification costs this much."""
TROUBLE_S = 1.0

Report = Callable[[str, Exception], None]


@dataclass(slots=True)
class Reading:
    """Runs a connection's Reader in as many replicas as there are, one at a time.

    `reader_of` builds the Reader around the publish that it may use: one that refuses when the epoch is nearly over.
    """

    connection: ConnectionId
    holder: str
    reader_of: Callable[[Publish], Reader]
    publish: Publish
    keys: SourceKeys
    epochs: Epochs
    clock: Clock
    spawner: Spawner
    report: Report
    _hold: Hold | None = field(init=False, default=None)
    _renewed_at_s: float = field(init=False, default=0.0)

    @property
    def holds(self) -> bool:
        return self._hold is not None

    async def run(self) -> None:
        """Take the epoch whenever it is free, and read while holding it, until cancelled; gives it back then.

        After an error the epoch is taken anew: what was claimed and not finished under the old one is due again.
        """
        reader = self.reader_of(self._publish)
        while True:
            pause_s = EPOCH_TTL_S / 3
            try:
                asked_at_s = self.clock.boot_time_s()
                self._hold = await self.epochs.take(self.connection, Role.READ, self.holder)
                self._renewed_at_s = asked_at_s
                if self._hold is not None:
                    await self._serve(self._hold, reader)
            except EpochLost:
                pass
            except Exception as error:
                self.report(f"reading {self.connection}", error)
                pause_s = TROUBLE_S
            await self.clock.sleep(pause_s)

    async def _serve(self, hold: Hold, reader: Reader) -> None:
        renewing = self.spawner.create_task(self._renew(hold), name=f"renew {self.connection}")
        try:
            while self._hold is hold:
                if not await reader.step(hold.epoch):
                    await self._idle()
        finally:
            renewing.cancel()
            self._hold = None
            await self._release(hold)

    async def _release(self, hold: Hold) -> None:
        try:
            await self.epochs.release(hold)
        except Exception as error:  # it ends by itself, only later
            self.report(f"giving back the hold of {self.connection}", error)

    async def _idle(self) -> None:
        next_s = await self.keys.next_due_in_s(self.connection)
        wait_s = IDLE_S if next_s is None else min(IDLE_S, next_s)
        if wait_s > 0:
            await self.keys.changed(self.connection, wait_s)

    async def _renew(self, hold: Hold) -> None:
        """A missed renewal is tried again until the hold is over by our own clock, which began before the store's."""
        while self._hold is hold:
            await self.clock.sleep(EPOCH_TTL_S / 3)
            asked_at_s = self.clock.boot_time_s()
            try:
                await self.epochs.renew(hold)
                self._renewed_at_s = asked_at_s
            except EpochLost:
                self._hold = None
            except Exception as error:
                self.report(f"renewing the hold of {self.connection}", error)
                if self._left_s() <= 0:
                    self._hold = None

    def _left_s(self) -> float:
        return self._renewed_at_s + EPOCH_TTL_S - self.clock.boot_time_s()

    async def _publish(self, documents: Sequence[SourceDocument]) -> None:
        """Nothing may be under way once another replica can read: older content would follow newer."""
        if self._hold is None or self._left_s() < DELIVERY_S + MARGIN_S:
            raise EpochLost(f"too little is left of the hold of {self.connection} to publish under it")
        await self.publish(documents)
