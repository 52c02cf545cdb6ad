"""The service that reads one system: its notices become due keys, and each of its source connections has one reader."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from connector.adapters.postgres.answers import PostgresAnswers
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.jobs import PostgresJobs
from connector.adapters.postgres.source_keys import PostgresSourceKeys
from connector.adapters.runtime import Runtime, runtime
from connector.adapters.supervision import follow
from connector.adapters.systems import room
from connector.adapters.telemetry.process import health
from connector.adapters.telemetry.tracing import traced, traceparent
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.messages import document_message
from connector.domain.identity import ConnectionId
from connector.domain.ports.configuration import Connection, Snapshot
from connector.domain.ports.log import Log, webhooks_topic
from connector.domain.read.notices import NoticeIntake
from connector.domain.read.reader import Publish, Reader
from connector.domain.read.reading import DELIVERY_S, Reading
from connector.domain.sync.answering import Answering

log = structlog.get_logger(__name__)


async def read_system(system: str) -> None:
    """Run until cancelled: the whole of a `<system>-fetcher`."""
    service = f"{system}-fetcher"
    async with (
        runtime(service) as run,
        run.kafka(delivery_timeout_s=DELIVERY_S) as kafka,
        health({"kafka": kafka.problem, "database": run.database_problem}),
        asyncio.TaskGroup() as tasks,
    ):
        keys = PostgresSourceKeys(run.engine, run.listener)
        notices = NoticeIntake(room(system).notices, keys, run.configuration, run.clock)
        tasks.create_task(kafka.consume([webhooks_topic(system)], service, notices.take), name="notices")

        async def read(_: ConnectionId, connection: Connection) -> None:
            await _read(run, kafka, keys, connection)

        await follow(run.configuration, lambda snapshot: sources_of(system, snapshot), read)


def sources_of(system: str, snapshot: Snapshot) -> Mapping[ConnectionId, Connection]:
    """The connections of a system that some flow reads, and that nobody has paused."""
    read_from = {flow.source for flow in snapshot.flows.values()}
    return {
        connection.id: connection
        for connection in snapshot.connections.values()
        if connection.system == system and connection.paused is None and connection.id in read_from
    }


async def _read(run: Runtime, kafka: Log, keys: PostgresSourceKeys, connection: Connection) -> None:
    """One connection, while this replica holds its read epoch."""
    source = room(connection.system).source(await run.room_parts(connection))
    jobs = PostgresJobs(run.engine)

    async def is_current() -> bool:
        return (await run.configuration.current()).connections.get(connection.id) == connection

    def reader_of(publish: Publish) -> Reader:
        return Reader(source, connection.system, keys, jobs, publish, run.randomness, traced, is_current)

    async def publish(documents: Sequence[SourceDocument]) -> None:
        context = traceparent()
        messages = [document_message(one, traceparent=one.traceparent or context) for one in documents]
        await _to_the_end(asyncio.ensure_future(kafka.produce(messages)))

    async with asyncio.TaskGroup() as tasks:
        answering = await _answering(run, keys, connection, tasks)
        if answering is not None:
            tasks.create_task(answering.run(), name=f"answer {connection.id}")
        await Reading(
            connection=connection.id,
            holder=run.holder,
            reader_of=reader_of,
            publish=publish,
            keys=keys,
            epochs=PostgresEpochs(run.engine),
            clock=run.clock,
            spawner=tasks,
            report=_report,
        ).run()


async def _answering(
    run: Runtime, keys: PostgresSourceKeys, connection: Connection, tasks: asyncio.TaskGroup
) -> Answering | None:
    """Who tells the source what became of its documents, where it wants to be told."""
    responder = getattr(room(connection.system), "responder", None)
    if responder is None:
        return None
    return Answering(
        connection=connection.id,
        holder=run.holder,
        responder=responder(await run.room_parts(connection)),
        answers=PostgresAnswers(run.engine, run.listener),
        keys=keys,
        epochs=PostgresEpochs(run.engine),
        clock=run.clock,
        randomness=run.randomness,
        spawner=tasks,
        report=_report,
        call_deadline_s=connection.call_deadline_s,
        processing_s=connection.processing_s,
    )


async def _to_the_end(producing: "asyncio.Future[None]") -> None:
    """Even when cancelled: the epoch must not be given back while a document is under way."""
    try:
        await asyncio.shield(producing)
    except asyncio.CancelledError:
        await asyncio.wait({producing})
        raise


def _report(what: str, error: Exception) -> None:
    log.error(what, error=str(error), kind=type(error).__name__)
