"""Random histories of several workers at once, some of them killed in the middle of a transaction or between two.

The workers of a history share one database; each has connections of its own, which are cut when it is killed.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.notify import Listener
from connector.domain.identity import Entity, Role
from connector.domain.ports.dispatch import Closed, DueRow, Event, Intent, IntentItem, Judgement, Settlement
from connector.domain.ports.epochs import EpochLost, Hold
from connector.domain.ports.operations import Selection
from connector.domain.ports.references import ReferenceEntry, ReferenceKey
from connector.domain.ports.target import Dependency
from connector.domain.sync.states import Cause, State
from tests.write import FLOW, TARGET, at, ref, row_of

from .conftest import Stores, in_memory, on_postgres, stores_of
from .test_stores import desired, stored

ROWS = tuple("123456")
KEYS = tuple(ReferenceKey(TARGET, "account", code) for code in ("4000", "4100"))
DISPATCHERS, INTAKES, KILLS = 3, 2, 10
BATCHES, TURNS = 14, 10

Open = Callable[[str], Any]
Cut = Callable[[str], Any]


@dataclass
class Place:
    """Where a history happens: who opens stores for a worker by name, and how its connections are cut."""

    stores: Stores
    open: Open
    cut: Cut


@asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncIterator[Place]:
    stores = in_memory()

    @asynccontextmanager
    async def shared(_: str) -> AsyncIterator[Stores]:
        yield stores

    async def cut(_: str) -> None:
        """A method in memory is over before anybody can be killed in it."""

    yield Place(stores, shared, cut)


@asynccontextmanager
async def postgres(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    url: str = request.getfixturevalue("database_url")

    @asynccontextmanager
    async def own(name: str) -> AsyncIterator[Stores]:
        pool = engine(f"{url}{'&' if '?' in url else '?'}application_name={name}", pool_size=2)
        try:
            yield stores_of(pool, Listener(url))
        finally:
            await pool.dispose()

    async with AsyncExitStack() as stack:
        stores, admin = await stack.enter_async_context(on_postgres(url)), engine(url, pool_size=1)

        async def cut(name: str) -> None:
            ends = text("select pg_terminate_backend(pid) from pg_stat_activity where application_name = :name")
            async with admin.begin() as db:
                await db.execute(ends, {"name": name})

        yield Place(stores, own, cut)
        await admin.dispose()


@dataclass
class History:
    place: Place
    dice: random.Random
    seed: int
    offered: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By row, the reads that intake was told are stored."""
    settled: dict[int, tuple[int, Judgement]] = field(default_factory=dict)
    """By mark, the epoch of a settlement that was sent, and its judgement."""
    sure: set[int] = field(default_factory=set)
    """Marks whose settlement was answered."""
    refused: set[int] = field(default_factory=set)
    """Marks whose settlement was refused for its epoch."""
    calls: dict[str, str] = field(default_factory=dict)
    """By call that was answered as opened, its row."""
    closed: dict[int, set[str]] = field(default_factory=dict)
    """By mark, the calls that a settlement closed, or may have."""
    reads: int = 0

    async def run(self) -> None:
        names = [f"d{n}" for n in range(DISPATCHERS)] + [f"i{n}" for n in range(INTAKES)] + ["r0"]
        working = {name: asyncio.create_task(self._live(name)) for name in names}
        for _ in range(KILLS):
            await asyncio.sleep(self.dice.random() * 0.03)
            await self.place.cut(self._named(self.dice.choice(names)))
        done, late = await asyncio.wait(working.values(), timeout=120)
        assert not late, "a worker hangs"
        for task in done:
            task.result()
        await self._check()

    def _named(self, name: str) -> str:
        return f"{name}-{self.seed}"

    async def _live(self, name: str) -> None:
        """A worker and its successors: what one leaves undone is the next one's."""
        left = [self._batch() for _ in range(BATCHES)] if name.startswith("i") else [None] * TURNS
        dice = random.Random(f"{self.seed} {name}")
        while left:
            async with self.place.open(self._named(name)) as stores:
                try:
                    while left:
                        await self._work(name, stores, left[0], dice)
                        left.pop(0)
                        await asyncio.sleep(dice.random() * 0.004)
                except DBAPIError:
                    continue

    def _batch(self) -> list[tuple[str, int, str]]:
        """Versions as the log has them: newer ones, and older ones again."""
        batch = []
        for row in self.dice.sample(ROWS, 3):
            self.reads += 1
            read = self.reads if self.dice.random() < 0.8 else max(1, self.reads - 8)
            batch.append((row, read, f"c{read % 3}"))
        return batch

    async def _work(self, name: str, stores: Stores, batch: Any, dice: random.Random) -> None:
        if name.startswith("i"):
            await stores.rows.upsert([desired(row, read=read, content=content) for row, read, content in batch])
            for row, read, _ in batch:
                self.offered[row].add(read)
        elif name.startswith("r"):
            self.reads += 1
            body = {"code": "there"} if dice.random() < 0.6 else None
            version = f"v{self.reads}" if body else "none"
            await stores.references.upsert([ReferenceEntry(dice.choice(KEYS), at(self.reads), version, body)])
        else:
            await self._dispatch(stores, dice)

    async def _dispatch(self, stores: Stores, dice: random.Random) -> None:
        """A few rounds in one epoch; whoever takes over meanwhile ends it."""
        hold = await stores.epochs.take(TARGET, Role.WRITE, "any")
        assert hold is not None
        try:
            for _ in range(dice.randint(1, 3)):
                due = await stores.dispatch.claim(hold, [FLOW], dice.randint(1, 4), [])
                for row in due:
                    await self._judge(stores, hold, row, dice)
        except EpochLost:
            await self._stay_lost(stores, hold)

    async def _stay_lost(self, stores: Stores, hold: Hold) -> None:
        with pytest.raises(EpochLost):
            await stores.dispatch.rejudge(hold, FLOW, 1, live=True)

    async def _judge(self, stores: Stores, hold: Hold, due: DueRow, dice: random.Random) -> None:
        mark, row = dice.getrandbits(40), due.row.native_id
        waits = [await self._seen(stores, dice)] if dice.random() < 0.6 else []
        await asyncio.sleep(dice.random() * 0.003)
        if dice.random() < 0.4:
            call = f"call-{mark}"
            items = [IntentItem(due.row, "order", "create", True)]
            await stores.dispatch.open_call(hold, Intent(call, "POST", "orders", 30, items))
            self.calls[call] = row
        state = dice.choice((State.WAITING, State.BLOCKED)) if waits else State.SYNCED
        wait_s = 600.0 if state is State.WAITING else None
        judgement = Judgement(state, due_in_s=wait_s, wait_in_s=wait_s, waits=waits)
        objects = {} if waits else {"order": stored(f"T{row}-{dice.randint(1, 3)}")}
        closed = [Closed(call.call_id, call.part, "found") for call in due.open_calls]
        self.settled[mark] = (hold.epoch, judgement)
        self.closed[mark] = {one.call_id for one in closed}
        event = Event("mark", {"mark": mark})
        try:
            await stores.dispatch.settle(
                hold, [Settlement(due, closed=closed, objects=objects, judgement=judgement, events=[event])]
            )
        except EpochLost:
            self.refused.add(mark)
            raise
        self.sure.add(mark)

    async def _seen(self, stores: Stores, dice: random.Random) -> Dependency:
        """Something to wait for, in the version that there is now."""
        key = str(dice.choice(KEYS)) if dice.random() < 0.5 else f"link:{ref(dice.choice(ROWS)).key}"
        return Dependency(key, await self._version(stores, key))

    async def _version(self, stores: Stores, key: str) -> str | None:
        if key.startswith("link:"):
            found = await stores.dispatch.links(TARGET, [ref(key.rpartition("/")[2])])
            return next((version for version, _ in found.values()), None)
        reference = next(one for one in KEYS if str(one) == key)
        entry = (await stores.references.read([reference])).get(reference)
        return entry.version if entry is not None and entry.body is not None else None

    async def _check(self) -> None:
        stores, marks = self.place.stores, []
        for row in ROWS:
            story = await stores.operations.story(row_of(row))
            received = [line.detail["read_at"] for line in story if line.event == "received"]
            assert received == sorted(set(received)), f"row {row}: a version was taken in twice, or after a newer one"
            view = await stores.operations.row(row_of(row))
            assert view is not None
            assert view.read_at == max(at(read) for read in self.offered[row]), f"row {row}: not the newest version"
            own = [line.detail["mark"] for line in story if line.event == "mark"]
            marks += [(line.at, line.detail["mark"]) for line in story if line.event == "mark"]
            if view.state in (State.WAITING, State.BLOCKED):
                await self._not_asleep(row, self.settled[own[-1]][1])
        kept = [mark for _, mark in marks]
        assert len(kept) == len(set(kept)), "a settlement was stored twice"
        assert self.sure <= set(kept), "an answered settlement is not stored"
        assert not self.refused & set(kept), "a lost epoch settled a row"
        epochs = [self.settled[mark][0] for _, mark in sorted(marks)]
        assert epochs == sorted(epochs), "an epoch settled rows after its successor had"
        counts = (await stores.operations.counts("acme"))[FLOW][Entity.PURCHASE_ORDER]
        assert sum(counts.values()) == len(ROWS)
        await self._calls_kept()

    async def _not_asleep(self, row: str, judgement: Judgement) -> None:
        for wait in judgement.waits:
            now = await self._version(self.place.stores, wait.key)
            assert now == wait.version, f"row {row} sleeps over {wait.key}, which came meanwhile"

    async def _calls_kept(self) -> None:
        """Whoever comes next sees each call that left and whose fate nobody stored."""
        stores = self.place.stores
        every = frozenset(State) - {State.DUE}
        await stores.operations.again(Selection(FLOW, every), Cause.REPLAY, "ann")
        hold = await stores.epochs.take(TARGET, Role.WRITE, "any")
        assert hold is not None
        due = await stores.dispatch.claim(hold, [FLOW], 100, [])
        seen = {call.call_id for one in due for call in one.open_calls}
        closed = set().union(*(calls for mark, calls in self.closed.items() if mark not in self.refused))
        assert set(self.calls) - closed <= seen, "an open call is forgotten"


@pytest.mark.parametrize("place", [memory, postgres])
async def test_whoever_is_killed_and_whenever_nothing_is_lost_and_no_lost_epoch_changes_anything(
    request: pytest.FixtureRequest, place: Any
) -> None:
    for seed in range(1, 4):
        async with place(request) as where:
            history = History(where, random.Random(seed), seed)
            try:
                await history.run()
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
            assert history.sure, "nothing was settled"
