"""What every writer service is: intake of canonical records, and a dispatcher for each connection of its system."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Counter, Gauge

from connector.adapters.kafka.admin import apply_topics
from connector.adapters.postgres.blobs import PostgresBlobs
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.dispatch import PostgresDispatch
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.references import PostgresReferences
from connector.adapters.postgres.retention import AuditRetention
from connector.adapters.runtime import Runtime, kafka_settings, runtime
from connector.adapters.signals import AsyncioSignal
from connector.adapters.systems import RoomParts, names, room
from connector.adapters.telemetry.process import health
from connector.adapters.telemetry.tracing import recording, traced
from connector.domain.identity import ConnectionId, Entity
from connector.domain.ports.configuration import Connection, Flow, Snapshot
from connector.domain.ports.desired import Origin
from connector.domain.ports.log import Record, canonical_topic, catalogue
from connector.domain.ports.target import Target
from connector.domain.sync.dispatcher import Dispatcher
from connector.domain.sync.intake import Incoming, Intake

BATCH = 1000
FOLLOW_S = 5.0
DRAIN_S = 45.0
"""Longer than a call's own deadline, so that a stop leaves no call without its outcome."""

TAKEN = Counter("connector_intake_records_total", "Canonical records taken into the desired state", ["system"])
REFUSED = Counter("connector_intake_refused_total", "Records on canonical topics that are none", ["system"])
HOLDING = Gauge("connector_write_epochs_held", "Target connections this process dispatches to", ["system"])

log = structlog.get_logger(__name__)


async def write_to(system: str, service: str) -> None:
    """Run a writer until cancelled: what is in flight is finished first."""
    settings = kafka_settings()
    await asyncio.to_thread(apply_topics, settings, catalogue(names()))
    async with (
        runtime(service) as open_runtime,
        open_runtime.kafka() as open_log,
        health({"kafka": open_log.problem, "database": open_runtime.database_problem}),
        dispatching(open_runtime, system),
    ):
        await AuditRetention(open_runtime.engine).prepare(open_runtime.clock.now().date())
        intake = Intake(PostgresDesiredRows(open_runtime.engine), PostgresReferences(open_runtime.engine), system)

        async def take(records: Sequence[Record]) -> None:
            await _take(intake, records, await open_runtime.configuration.current(), system)

        await open_log.consume([canonical_topic(entity) for entity in Entity], service, take, max_records=BATCH)


async def _take(intake: Intake, records: Sequence[Record], configuration: Snapshot, system: str) -> None:
    trace_of = _trace_of if recording() else _no_trace
    batch = [Incoming(r.key, r.value, Origin(r.topic, r.partition, r.offset), trace_of(r)) for r in records]
    taken = await intake.take(batch, configuration)
    TAKEN.labels(system).inc(taken.records)
    for refused in taken.refused:
        REFUSED.labels(system).inc()
        origin = refused.origin
        log.error(
            "record refused",
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            reason=refused.message,
        )


def _trace_of(record: Record) -> str | None:
    return record.header("traceparent")


def _no_trace(_: Record) -> str | None:
    """Rows need no trace that nobody records."""
    return None


@asynccontextmanager
async def dispatching(open_runtime: Runtime, system: str) -> AsyncIterator["Dispatchers"]:
    """A dispatcher for each connection that a flow writes to, following the configuration; drained at the end."""
    async with asyncio.TaskGroup() as group:
        dispatchers = Dispatchers(open_runtime, system, group)
        following = group.create_task(dispatchers.follow(), name="follow configuration")
        try:
            yield dispatchers
        finally:
            following.cancel()
            await dispatchers.drain()


class Dispatchers:
    def __init__(self, open_runtime: Runtime, system: str, group: asyncio.TaskGroup) -> None:
        self._runtime = open_runtime
        self._system = system
        self._group = group
        self._dispatch = PostgresDispatch(open_runtime.engine, open_runtime.listener)
        self._running: dict[ConnectionId, tuple[Dispatcher, asyncio.Task[None]]] = {}
        self._targets: dict[tuple[ConnectionId, str], tuple[Connection, Target]] = {}

    async def follow(self) -> None:
        """Start and stop dispatchers as connections and flows come and go."""
        while True:
            try:
                snapshot = await self._runtime.configuration.current()
                self._adjust(snapshot)
                await self._runtime.configuration.changed(snapshot.epoch, FOLLOW_S)
            except Exception as error:
                log.error("configuration not read", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(FOLLOW_S)

    def _adjust(self, snapshot: Snapshot) -> None:
        wanted = {
            flow.target
            for flow in snapshot.flows.values()
            if flow.target in snapshot.connections and snapshot.connections[flow.target].system == self._system
        }
        for connection in wanted - self._running.keys():
            dispatcher = self._dispatcher(connection)
            task = self._group.create_task(dispatcher.run(), name=f"dispatcher {connection}")
            self._running[connection] = (dispatcher, task)
            log.info("dispatching", connection=str(connection))
        for connection in self._running.keys() - wanted:
            self._running.pop(connection)[0].stop()
            log.info("no longer dispatching", connection=str(connection))
        HOLDING.labels(self._system).set(sum(dispatcher.holds for dispatcher, _ in self._running.values()))

    def _dispatcher(self, connection: ConnectionId) -> Dispatcher:
        shared = self._runtime
        return Dispatcher(
            connection=connection,
            holder=shared.holder,
            target_of=self._target,
            configuration=shared.configuration,
            epochs=PostgresEpochs(shared.engine),
            dispatch=self._dispatch,
            references=PostgresReferences(shared.engine),
            clock=shared.clock,
            randomness=shared.randomness,
            spawner=self._group,
            signal=AsyncioSignal,
            report=_report,
            traced=traced,
        )

    def _target(self, flow: Flow, connection: Connection) -> Target:
        """The room's target for this kind of flow, made anew when the connection's settings change."""
        key = (connection.id, flow.kind)
        made = self._targets.get(key)
        if made is None or made[0] != connection:
            parts = RoomParts(
                connection=connection.id,
                settings=connection.settings,
                gate=self._runtime.gate,
                http=self._runtime.http,
                stores={
                    "clock": self._runtime.clock,
                    "blobs": PostgresBlobs(self._runtime.engine),
                    "fingerprints": self._runtime.vault.fingerprints(connection.id.tenant),
                },
            )
            made = self._targets[key] = (connection, room(self._system).target(parts, flow.kind))
        return made[1]

    async def drain(self) -> None:
        """Finish what is in flight, and let the epochs go."""
        for dispatcher, _ in self._running.values():
            dispatcher.stop()
        tasks = [task for _, task in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_S)


def _report(what: str, error: Exception) -> None:
    log.error("trouble", what=what, error=f"{type(error).__name__}: {error}", exc_info=error)
