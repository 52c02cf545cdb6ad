"""What people are told once a day: logins that expire, paused connections, blocked records."""

import asyncio
from collections import Counter, defaultdict

import structlog

from connector.adapters.configuration.tenant_file import REMINDERS
from connector.adapters.gate.reminders import Receiver, Reminders
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.reminders import PostgresReminderStore
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.runtime import Runtime
from connector.domain.identity import ConnectionId
from connector.domain.ports.configuration import Connection
from connector.domain.ports.gate import ConnectionPaused
from connector.domain.ports.reminders import ReminderKind
from connector.domain.sync.states import State

EVERY_S = 60.0

log = structlog.get_logger(__name__)


async def remind(run: Runtime) -> None:
    """Look, note and deliver, until cancelled; a second poller doing the same tells nobody twice."""
    store = PostgresReminderStore(run.engine)

    async def configured(connection: ConnectionId) -> Connection:
        known = (await run.configuration.current()).connections.get(connection)
        if known is None:
            raise ConnectionPaused(f"connection {connection} is not configured")
        return known

    async def receiver(tenant: str) -> Receiver | None:
        held = await run.vault.credentials(ConnectionId(tenant, REMINDERS))
        return Receiver(held["url"], held["secret"]) if held else None

    reminders = Reminders(
        store=store,
        tokens=PostgresTokenStore(run.engine),
        connections=configured,
        receivers=receiver,
        http=run.http,
        clock=run.clock,
    )
    while True:
        try:
            await reminders.watch()
            await _note_blocked(run, store)
            await reminders.deliver()
        except Exception as error:
            log.error("reminding", error=str(error), kind=type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def _note_blocked(run: Runtime, store: PostgresReminderStore) -> None:
    """One reminder a target and day: by flow, the causes and how many records each holds up."""
    operations = PostgresOperations(run.engine)
    causes: defaultdict[ConnectionId, defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for flow in (await run.configuration.current()).flows.values():
        for stuck in await operations.stuck(flow.id):
            if stuck.state in (State.BLOCKED, State.FAILED):
                causes[flow.target][str(flow.id)][stuck.reason.code] += stuck.count
    for target, flows in causes.items():
        payload = {"connection": str(target), "flows": flows, "next_step": "connector blocked"}
        await store.note(target, ReminderKind.RECORDS_BLOCKED, payload)
