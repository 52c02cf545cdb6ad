"""poller: the scheduler. Catch-up, sweeps, reference data, subscriptions and keep-alive become jobs for the readers."""

import asyncio
import sys

import structlog

from connector.adapters.postgres.jobs import PostgresJobs
from connector.adapters.runtime import runtime
from connector.adapters.supervision import follow
from connector.adapters.systems import room
from connector.adapters.telemetry.process import health, run_service
from connector.domain.identity import ConnectionId
from connector.domain.ports.configuration import Connection, Snapshot
from connector.poller.logins import keep_logins
from connector.poller.observing import observe
from connector.poller.reminding import remind
from connector.poller.retaining import retain

SERVICE = "poller"
TICK_S = 1.0

log = structlog.get_logger(__name__)


async def main() -> None:
    async with runtime(SERVICE) as run, health({"database": run.database_problem}), asyncio.TaskGroup() as tasks:
        jobs = PostgresJobs(run.engine)

        async def keep_jobs(connection: ConnectionId, declared: Connection) -> None:
            """The connection's jobs are those its room names; they stay so until its settings change."""
            await jobs.ensure(connection, room(declared.system).jobs(declared.settings))
            await asyncio.Event().wait()

        tasks.create_task(tick(jobs), name="tick")
        tasks.create_task(remind(run), name="reminders")
        tasks.create_task(keep_logins(run), name="logins")
        tasks.create_task(observe(run), name="metrics")
        tasks.create_task(retain(run), name="retention")
        await follow(run.configuration, sources, keep_jobs)


def sources(snapshot: Snapshot) -> dict[ConnectionId, Connection]:
    """Every connection that some flow reads. A paused one keeps its jobs; its reader rests."""
    return {flow.source: snapshot.connections[flow.source] for flow in snapshot.flows.values()}


async def tick(jobs: PostgresJobs) -> None:
    """Make due what has rested for its interval; a second poller doing the same changes nothing."""
    while True:
        try:
            await jobs.schedule()
        except Exception as error:
            log.error("scheduling", error=str(error))
        await asyncio.sleep(TICK_S)


if __name__ == "__main__":
    sys.exit(run_service(SERVICE, main))
