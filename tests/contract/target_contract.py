"""What every target must do, whatever its vendor: driven through the real dispatcher on in-memory stores.

A system subclasses `TargetContract` and gives one fixture, `room`: a Target on its vendor's sandbox, a document that it
can write with everything in place, and the ways to make a write go wrong.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from connector.adapters.clock import SystemClock
from connector.adapters.memory.configuration import MemoryConfiguration
from connector.adapters.memory.desired import MemoryDesiredRows
from connector.adapters.memory.dispatch import MemoryDispatch
from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.operations import MemoryOperations
from connector.adapters.memory.references import MemoryReferences
from connector.adapters.memory.tables import MemoryTables, Row
from connector.adapters.signals import AsyncioSignal
from connector.domain.documents.envelope import AnyRecord
from connector.domain.identity import RowRef
from connector.domain.ports.configuration import Connection, Flow
from connector.domain.ports.target import Target
from connector.domain.sync.dispatcher import Dispatcher
from connector.domain.sync.intake import Intake
from connector.domain.sync.states import State
from tests.write import incoming

WITHIN_S = 15.0


class Fault(StrEnum):
    """What goes wrong with one write at the vendor."""

    LOST_BEFORE = "lost-before"
    """The vendor never saw it, and no answer came."""
    LOST_AFTER = "lost-after"
    """The vendor carried it out, and no answer came."""
    UNAVAILABLE = "unavailable"
    """An answer that says: not now (503 and the like); nothing was done."""
    REFUSED = "refused"
    """An answer that says: not like this; nothing was done."""


class TargetRoom(Protocol):
    """A target under test. The connection's deadline and processing time should be short (0.5 s and 0.5 s)."""

    target: Target
    flow: Flow
    connection: Connection

    def document(self, version: int = 1) -> AnyRecord:
        """One and the same document in its n-th version: other amounts, later read, same number and native id."""
        ...

    def deletion(self) -> AnyRecord:
        """The same document, deleted at its source after all versions."""
        ...

    async def fault_writes(self, faults: Sequence[Fault | None]) -> None:
        """The next writes go wrong like this, in order; None: that one goes well."""
        ...

    async def make_foreign(self) -> None:
        """A person makes an object with the document's number on the vendor's own screens."""
        ...

    async def live_objects(self) -> int:
        """How many objects with the document's number exist, not counting voided and cancelled ones."""
        ...

    async def committed(self) -> bool:
        """Whether the document's object reached its final state (issued, submitted, booked)."""
        ...

    async def writes(self) -> int:
        """How many writing requests the vendor has carried out."""
        ...


@dataclass
class Driven:
    """The room under a running dispatcher."""

    room: TargetRoom
    tables: MemoryTables
    configuration: MemoryConfiguration
    operations: MemoryOperations

    async def take(self, record: AnyRecord) -> None:
        rows, references = MemoryDesiredRows(self.tables), MemoryReferences(self.tables)
        intake = Intake(rows, references, self.room.connection.system)
        taken = await intake.take(incoming(record), await self.configuration.current())
        assert taken.newer == 1, taken

    def row(self) -> Row:
        document = self.room.document()
        return self.tables.rows[RowRef(self.room.flow.id, document.entity, document.native_id)]

    def codes(self) -> list[str]:
        return [reason.code for reason in self.row().reasons]

    async def until(self, *states: State) -> None:
        """Wait for a state that stays; fails with the row's reasons and story where it doesn't come."""

        async def seen() -> bool:
            return self.row().state in states and self.row().due is None

        await self._wait(seen)

    async def _wait(self, seen: Callable[[], Awaitable[bool]]) -> None:
        deadline = asyncio.get_running_loop().time() + WITHIN_S
        while not await seen():
            if asyncio.get_running_loop().time() > deadline:
                row = self.row()
                story = [(line.event, dict(line.detail)) for line in self.tables.audit[row.desired.row]]
                raise AssertionError(f"{row.state}: {[str(reason) for reason in row.reasons]}; {story}")
            await asyncio.sleep(0.02)


@asynccontextmanager
async def driven(room: TargetRoom) -> AsyncIterator[Driven]:
    clock, troubles = SystemClock(), list[Exception]()
    tables, configuration = MemoryTables(clock.now), MemoryConfiguration()
    configuration.apply(connections={room.connection.id: room.connection}, flows={room.flow.id: room.flow})
    async with asyncio.TaskGroup() as group:
        dispatcher = Dispatcher(
            connection=room.connection.id,
            holder="contract",
            target_of=lambda flow, connection: room.target,
            configuration=configuration,
            epochs=MemoryEpochs(tables),
            dispatch=MemoryDispatch(tables),
            references=MemoryReferences(tables),
            clock=clock,
            randomness=random.Random(1),
            spawner=group,
            signal=AsyncioSignal,
            report=lambda what, error: troubles.append(error),
        )
        group.create_task(dispatcher.run())
        yield Driven(room, tables, configuration, MemoryOperations(tables))
        dispatcher.stop()
    assert not troubles, troubles


class TargetContract:
    """Subclass it, and give the fixture `room`."""

    async def test_a_new_document_is_created_once_and_committed(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await d.take(room.document())
            await d.until(State.SYNCED)
        assert await room.live_objects() == 1
        assert await room.committed()

    async def test_an_equal_document_read_again_writes_nothing(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await d.take(room.document())
            await d.until(State.SYNCED)
            writes = await room.writes()
            again = room.document(2).model_copy(
                update={"document": room.document().document, "content_digest": "the same document, another digest"}
            )
            await d.take(again)
            await d.until(State.SYNCED)
        assert await room.writes() == writes

    async def test_a_changed_document_updates_the_same_object(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await d.take(room.document())
            await d.until(State.SYNCED)
            writes = await room.writes()
            await d.take(room.document(2))
            await d.until(State.SYNCED)
        assert await room.writes() > writes
        assert await room.live_objects() == 1
        assert await room.committed()

    async def test_a_lost_answer_after_create_is_looked_up_and_adopted_not_repeated(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await room.fault_writes([Fault.LOST_AFTER])
            await d.take(room.document())
            await d.until(State.SYNCED)
        assert await room.live_objects() == 1
        assert await room.committed()

    async def test_a_create_that_never_arrived_is_repeated_after_a_look(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await room.fault_writes([Fault.LOST_BEFORE])
            await d.take(room.document())
            await d.until(State.SYNCED)
        assert await room.live_objects() == 1

    async def test_a_failure_between_steps_resumes_at_the_step_reached(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await room.fault_writes([None, Fault.UNAVAILABLE])
            await d.take(room.document())
            await d.until(State.SYNCED)
        assert await room.live_objects() == 1
        assert await room.committed()

    async def test_every_later_answer_may_be_lost_too(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await room.fault_writes([None, Fault.LOST_AFTER, Fault.LOST_BEFORE])
            await d.take(room.document())
            await d.until(State.SYNCED)
        assert await room.live_objects() == 1
        assert await room.committed()

    async def test_somebody_elses_object_with_the_same_number_blocks_and_is_left_alone(self, room: TargetRoom) -> None:
        await room.make_foreign()
        writes = await room.writes()
        async with driven(room) as d:
            await d.take(room.document())
            await d.until(State.BLOCKED)
            assert d.codes() == ["number-taken-in-target"]
        assert await room.writes() == writes

    async def test_a_refusal_blocks_with_the_vendors_words_and_leaves_nothing_behind(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await room.fault_writes([Fault.REFUSED])
            await d.take(room.document())
            await d.until(State.BLOCKED)
            (reason,) = d.row().reasons
            assert reason.message
        assert await room.live_objects() == 0

    async def test_an_outage_is_retried_until_it_is_over(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await room.fault_writes([Fault.UNAVAILABLE, Fault.UNAVAILABLE])
            await d.take(room.document())
            await d.until(State.SYNCED)
        assert await room.live_objects() == 1

    async def test_a_deletion_at_the_source_takes_the_object_out_of_use(self, room: TargetRoom) -> None:
        async with driven(room) as d:
            await d.take(room.document())
            await d.until(State.SYNCED)
            await d.take(room.deletion())
            await d.until(State.SYNCED)
        assert await room.live_objects() == 0
