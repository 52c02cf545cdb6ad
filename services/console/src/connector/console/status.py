"""`connector status`: how every connection and flow is, and how far each service is behind."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer
from confluent_kafka import KafkaException

from connector.adapters.gate import auth_of
from connector.adapters.kafka.lag import lag
from connector.adapters.postgres.jobs import PostgresJobs
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.reminders import PostgresReminderStore
from connector.adapters.postgres.source_keys import PostgresSourceKeys
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.runtime import BadEnvironment, Runtime, kafka_settings
from connector.adapters.systems import names, room
from connector.console.output import Output, table
from connector.console.session import JsonFlag, TenantOption, command, find_tenant, platform
from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.configuration import Connection, Flow, Snapshot
from connector.domain.ports.jobs import JobState
from connector.domain.ports.log import canonical_topic, documents_topic, webhooks_topic
from connector.domain.ports.quota import WindowStatus
from connector.domain.ports.source_keys import UnreadableKey
from connector.domain.ports.tokens import TokenRow
from connector.domain.sync.states import State

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    system: str
    paused: str | None
    token: str
    token_age_s: float | None
    token_reason: str | None
    other_company: str | None
    """The company that the vendor showed last as the login's own, where it is not the one this connection is for."""
    quota: Sequence[WindowStatus]
    degraded: Sequence[str]
    """Endpoints whose error budget is spent."""
    keys_due: Mapping[TrafficClass, int]
    caught: int
    """Changes that sweeps found and no webhook had told of."""
    unreadable: Sequence[UnreadableKey]
    jobs: Sequence[JobState]


@dataclass(frozen=True, slots=True)
class FlowStatus:
    kind: str
    state: str
    source: str
    target: str
    counts: Mapping[Entity, Mapping[State, int]]
    oldest_due: datetime | None


@app.command()
@command
async def status(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Show connections (token, quota, jobs), flows (records by state, oldest due) and each service's lag."""
    output = Output(as_json=as_json)
    async with platform() as run:
        snapshot = await run.configuration.current()
        name = find_tenant(snapshot, tenant)
        connections = {
            one.id.connection: await _connection(run, one)
            for one in snapshot.connections.values()
            if one.id.tenant == name
        }
        flows = await _flows(run, snapshot, name)
        reminders = await PostgresReminderStore(run.engine).of_today(name)
    behind, problem = await _lag()
    value = {
        "tenant": name,
        "connections": connections,
        "flows": flows,
        "reminders": reminders,
        "lag": behind,
        "kafka": problem,
    }
    told = [f"{one.kind} ({one.connection}): {one.payload.get('next_step')}" for one in reminders]
    output.result(value, [*told, *_lines(connections, flows, behind, problem)])


async def _connection(run: Runtime, connection: Connection) -> ConnectionStatus:
    token = await PostgresTokenStore(run.engine).read(connection.id)
    quota = await run.gate.status(connection.id)
    keys = PostgresSourceKeys(run.engine, run.listener)
    age_s = None if token.received_at is None else (token.now - token.received_at).total_seconds()
    return ConnectionStatus(
        system=connection.system,
        paused=connection.paused or token.paused,
        token=str(token.state),
        token_age_s=age_s,
        token_reason=token.reason,
        other_company=_other_company(connection, token),
        quota=quota.windows,
        degraded=sorted(quota.degraded),
        keys_due=await keys.backlog(connection.id),
        caught=await keys.caught(connection.id),
        unreadable=await keys.unreadable(connection.id),
        jobs=await PostgresJobs(run.engine).states(connection.id),
    )


def _other_company(connection: Connection, token: TokenRow) -> str | None:
    pinned = getattr(auth_of(connection.system), "pinned", None)
    if pinned is None or token.account is None or token.account == pinned(connection.settings):
        return None
    return token.account


async def _flows(run: Runtime, snapshot: Snapshot, tenant: str) -> Mapping[str, FlowStatus]:
    operations = PostgresOperations(run.engine)
    counts, oldest = await operations.counts(tenant), await operations.oldest_due(tenant)

    def shown(flow: Flow) -> FlowStatus:
        return FlowStatus(
            kind=flow.kind,
            state=str(flow.state),
            source=flow.source.connection,
            target=flow.target.connection,
            counts=counts.get(flow.id, {}),
            oldest_due=oldest.get(flow.id),
        )

    return {flow.id.flow: shown(flow) for flow in snapshot.flows.values() if flow.id.tenant == tenant}


def consumer_groups() -> Mapping[str, Sequence[str]]:
    """Every group of the services, with the topics it reads."""
    sources = [system for system in names() if hasattr(room(system), "TRANSLATIONS")]
    targets = [system for system in names() if getattr(room(system), "FLOWS", ())]
    return {
        "mapper": [documents_topic(system) for system in sources],
        **{f"{system}-fetcher": [webhooks_topic(system)] for system in sources},
        **{f"{system}-writer": [canonical_topic(entity) for entity in Entity] for system in targets},
    }


async def _lag() -> tuple[Mapping[str, int], str | None]:
    """Kafka may be away while the rest is worth showing."""
    try:
        return await asyncio.to_thread(lag, kafka_settings(), consumer_groups()), None
    except (KafkaException, BadEnvironment) as error:
        return {}, str(error)


def _lines(
    connections: Mapping[str, ConnectionStatus],
    flows: Mapping[str, FlowStatus],
    behind: Mapping[str, int],
    problem: str | None,
) -> list[Any]:
    rows = [_connection_row(name, found) for name, found in connections.items()]
    lines: list[Any] = [
        table("", ["connection", "system", "token", "quota used", "keys due", "caught", "to see"], rows),
    ]
    for name, flow in flows.items():
        lines.append(f"Flow {name}: {flow.kind}, {flow.source} -> {flow.target}, {flow.state}")
        states = [state for state in State if any(state in of for of in flow.counts.values())]
        counted = [(entity, *(of.get(state, 0) for state in states)) for entity, of in sorted(flow.counts.items())]
        if counted:
            lines.append(table("", ["entity", *states], counted))
        if flow.oldest_due is not None:
            lines.append(f"  oldest due since {flow.oldest_due:%Y-%m-%d %H:%M:%S}")
    lines.append(problem or table("", ["service", "records behind"], sorted(behind.items())))
    return lines


def _connection_row(name: str, found: ConnectionStatus) -> Sequence[Any]:
    age = "" if found.token_age_s is None else f", {found.token_age_s:.0f} s old"
    errors = {job.error: [other.kind for other in found.jobs if other.error == job.error] for job in found.jobs}
    failing = [f"{', '.join(kinds)}: {error}" for error, kinds in errors.items() if error]
    unreadable = [f"{len(found.unreadable)} unreadable keys"] if found.unreadable else []
    degraded = [f"degraded: {endpoint}" for endpoint in found.degraded]
    other = f"the login's own company is {found.other_company}" if found.other_company else None
    reasons = [reason for reason in (found.paused, found.token_reason, other) if reason]
    return (
        name,
        found.system,
        f"{found.token}{age}",
        ", ".join(f"{window.name} {window.used}/{window.limit}" for window in found.quota),
        ", ".join(f"{count} {traffic}" for traffic, count in found.keys_due.items()),
        found.caught,
        "; ".join([*reasons, *failing, *unreadable, *degraded]),
    )
