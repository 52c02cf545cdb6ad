"""Who reads a connection: one replica at a time, never past its hold, and another one soon after it is gone."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.source_keys import MemoryJobs, MemorySourceKeys, ReadState
from connector.adapters.memory.tables import MemoryTables
from connector.domain.documents.envelope import SourceDocument
from connector.domain.identity import ConnectionId, Entity, Role, TrafficClass
from connector.domain.ports.epochs import EPOCH_TTL_S, EpochLost, Hold
from connector.domain.ports.log import NotAcknowledged
from connector.domain.ports.source import Notice
from connector.domain.read.reader import Publish, Reader
from connector.domain.read.reading import Reading
from tests.unit.read.test_reader import CONNECTION, Ledger
from tests.virtual import VirtualClock, run_virtually

ORDER = Entity.PURCHASE_ORDER


class Unreachable(MemoryEpochs):
    """A store of epochs that a replica may lose sight of."""

    away = False

    async def take(
        self, connection: ConnectionId, role: Role, holder: str, ttl_s: float = EPOCH_TTL_S, *, anew: bool = False
    ) -> Hold | None:
        if self.away:
            raise ConnectionError("the database is away")
        return await super().take(connection, role, holder, ttl_s, anew=anew)

    async def renew(self, hold: Hold, ttl_s: float = EPOCH_TTL_S) -> None:
        if self.away:
            raise ConnectionError("the database is away")
        await super().renew(hold, ttl_s)


@dataclass
class Site:
    """A connection's state as replicas share it, and what they put into the log."""

    ledger: Ledger = field(default_factory=Ledger)
    log: list[tuple[str, str]] = field(default_factory=list)
    """Holder and native id, in order."""
    settings: int = 1
    """Of the connection; a reading keeps those that it began with."""
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.tables = MemoryTables(self.clock.now)
        self.state = ReadState()
        self.keys = MemorySourceKeys(self.state, self.clock.now, asyncio.sleep, self.tables.require_epoch)
        self.jobs = MemoryJobs(self.state, self.clock.now, self.tables.require_epoch)

    async def told(self, *native_ids: str) -> None:
        for native_id in native_ids:
            self.ledger.holds[native_id] = {"number": native_id}
        notices = [Notice(ORDER, native_id) for native_id in native_ids]
        await self.keys.notice(CONNECTION, notices, TrafficClass.LIVE)

    def reading(
        self, group: asyncio.TaskGroup, holder: str, epochs: MemoryEpochs | None = None, publish: Publish | None = None
    ) -> Reading:
        async def to_log(documents: Sequence[SourceDocument]) -> None:
            self.log.extend((holder, document.native_id) for document in documents)

        async def is_current() -> bool:
            return self.settings == before

        before = self.settings

        def reader_of(guarded: Publish) -> Reader:
            return Reader(self.ledger, "erp", self.keys, self.jobs, guarded, random.Random(1), is_current=is_current)

        return Reading(
            connection=CONNECTION,
            holder=holder,
            reader_of=reader_of,
            publish=publish or to_log,
            keys=self.keys,
            epochs=epochs or MemoryEpochs(self.tables),
            clock=self.clock,
            spawner=group,
            report=lambda what, error: self.troubles.append(f"{what}: {error}"),
        )


def test_one_replica_reads_and_another_follows_it() -> None:
    async def story() -> Site:
        site = Site()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(site.reading(group, "first").run())
            await asyncio.sleep(0)
            second = group.create_task(site.reading(group, "second").run())
            await site.told("po-1")
            await asyncio.sleep(60)
            first.cancel()
            await asyncio.sleep(0)
            await site.told("po-2")
            await asyncio.sleep(EPOCH_TTL_S / 3 + 2)
            second.cancel()
        return site

    site = run_virtually(story())
    assert site.log == [("first", "po-1"), ("second", "po-2")]
    assert site.troubles == []


def test_what_was_claimed_is_read_again_after_the_log_refused_it() -> None:
    async def story() -> Site:
        site = Site()
        refusals = [NotAcknowledged("no leader")]

        async def publish(documents: Sequence[SourceDocument]) -> None:
            if refusals:
                raise refusals.pop()
            site.log.extend(("only", document.native_id) for document in documents)

        async with asyncio.TaskGroup() as group:
            task = group.create_task(site.reading(group, "only", publish=publish).run())
            await site.told("po-1")
            await asyncio.sleep(10)
            task.cancel()
        return site

    site = run_virtually(story())
    assert site.log == [("only", "po-1")]
    assert site.troubles == ["reading acme/erp: no leader"]


def test_what_a_change_of_settings_made_due_is_not_read_under_the_old_ones() -> None:
    async def story() -> Site:
        site = Site()
        async with asyncio.TaskGroup() as group:
            before = group.create_task(site.reading(group, "before").run())
            await asyncio.sleep(0)
            site.settings += 1
            await site.told("po-1")
            await asyncio.sleep(60)
            assert site.log == [], "nobody has told it yet that its settings are others"
            group.create_task(site.reading(group, "after").run(), name="after")
            before.cancel()
            await asyncio.sleep(EPOCH_TTL_S + 5)
            for task in asyncio.all_tasks():
                if task.get_name() == "after":
                    task.cancel()
        return site

    site = run_virtually(story())
    assert site.log == [("after", "po-1")]
    assert site.troubles == []


def test_nothing_is_published_once_the_hold_could_be_anothers() -> None:
    async def story() -> Site:
        site = Site()
        epochs = Unreachable(site.tables)
        async with asyncio.TaskGroup() as group:
            cut_off = site.reading(group, "cut-off", epochs)
            task = group.create_task(cut_off.run())
            await asyncio.sleep(1)
            epochs.away = True
            await asyncio.sleep(EPOCH_TTL_S - 3)
            with pytest.raises(EpochLost):
                await cut_off._publish([])
            await asyncio.sleep(EPOCH_TTL_S)
            assert await site_is_free(site)
            task.cancel()
        return site

    run_virtually(story())


async def site_is_free(site: Site) -> bool:
    taken = await MemoryEpochs(site.tables).take(ConnectionId("acme", "erp"), Role.READ, "another")
    return taken is not None
