"""`connector apply`: a tenant's file compared with what is applied, shown, then made so."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.adapters.configuration.difference import Act, Difference, difference
from connector.adapters.configuration.tenant_file import REMINDERS, Tenant, load
from connector.adapters.postgres.operations import PostgresOperations, touch_users
from connector.adapters.postgres.source_keys import PostgresSourceKeys, touch_keys
from connector.adapters.runtime import Runtime, runtime_settings
from connector.console.output import Output
from connector.console.session import JsonFlag, YesFlag, actor, command, platform
from connector.domain.identity import ConnectionId, FlowId
from connector.domain.ports.configuration import OnMappingChange

app = typer.Typer()
K = TypeVar("K")
_SIGNS = {Act.ADD: "+", Act.CHANGE: "~", Act.REMOVE: "-"}


@dataclass(frozen=True, slots=True)
class Effect:
    """What a difference does to documents: synced ones rendered with a changed entry, by flow, and those of them that
    become due by the flow's on_mapping_change; source documents read again under changed company settings."""

    used: Mapping[FlowId, int]
    due: Mapping[FlowId, int]
    read_again: Mapping[ConnectionId, int]


@app.command()
@command
async def apply(
    file: Annotated[Path, typer.Option("--file", "-f", help="The tenant's configuration.")],
    yes: YesFlag = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference and change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a tenant's configuration the one in a file, after showing what changes.

    The difference names every changed setting, and how many documents it would write or read again. Flows that are
    new begin in dry run; `connector release FLOW` lets them write.
    """
    output = Output(as_json=as_json)
    tenant = load(file, with_secrets=not dry_run, loopback_http=runtime_settings().connector_allow_loopback_http)
    async with platform() as run:
        changes = difference(tenant, await run.configuration.current())
        credentials = {} if dry_run else await _changed_credentials(run, tenant)
        effect = await _effect(run, tenant, changes)
        applied = False
        if (changes or credentials) and not dry_run:
            _show(output, tenant, changes, credentials, effect)
            output.confirm(f"Apply this to tenant {tenant.name}?", yes=yes)
            await _apply(run, tenant, changes, credentials)
            applied = True
        endpoints = await _webhooks(run, tenant)
    report = _report(tenant, changes, credentials, effect, endpoints, applied)
    if applied:
        output.result(report, [f"Applied to tenant {tenant.name}.", *_webhook_lines(endpoints)])
    elif dry_run:
        _show(output, tenant, changes, {}, effect)
        output.result(report, [] if changes else [f"Tenant {tenant.name} is configured so already."])
    else:
        output.result(report, [f"Tenant {tenant.name} is configured so already.", *_webhook_lines(endpoints)])


async def _changed_credentials(run: Runtime, tenant: Tenant) -> Mapping[str, Mapping[str, str | None]]:
    """By connection: fields whose secret is another one now, and fields that are declared no more (None)."""
    changed: dict[str, Mapping[str, str | None]] = {}
    for name in (*tenant.connections, REMINDERS):
        held = await run.vault.readable(ConnectionId(tenant.name, name))
        wanted = {field: secret.reveal() for (at, field), secret in tenant.secrets.items() if at == name}
        fields: dict[str, str | None] = {field: value for field, value in wanted.items() if held.get(field) != value}
        fields |= {field: None for field in held if field not in wanted}
        if fields:
            changed[name] = fields
    return changed


async def _effect(run: Runtime, tenant: Tenant, changes: Difference) -> Effect:
    operations, keys = PostgresOperations(run.engine), PostgresSourceKeys(run.engine, run.listener)
    users, due = {}, {}
    for flow, names in changes.mapping_keys.items():
        users[flow] = await operations.users(flow, names, OnMappingChange.ALL)
        due[flow] = await operations.users(flow, names, _which(tenant, flow))
    again = {connection: await keys.users(connection, sorted(uses)) for connection, uses in changes.read_under.items()}
    return Effect(_those_with_any(users), _those_with_any(due), _those_with_any(again))


def _those_with_any(counts: Mapping[K, int]) -> Mapping[K, int]:
    return {name: count for name, count in counts.items() if count}


def _which(tenant: Tenant, flow: FlowId) -> OnMappingChange:
    return tenant.flows[flow.flow].on_mapping_change


async def _apply(
    run: Runtime, tenant: Tenant, changes: Difference, credentials: Mapping[str, Mapping[str, str | None]]
) -> None:
    """Credentials first: whoever follows the new epoch finds them. With it, documents that used what changed; then
    credentials that were refused are tried with the new settings."""
    for name, fields in credentials.items():
        await run.vault.put(ConnectionId(tenant.name, name), fields)
    what = {
        "changes": [dataclasses.asdict(change) for change in changes.changes],
        "credentials": {name: sorted(fields) for name, fields in credentials.items()},
    }

    async def touch(db: AsyncConnection) -> None:
        for flow, names in changes.mapping_keys.items():
            await touch_users(db, flow, names, _which(tenant, flow), actor())
        for connection, uses in changes.read_under.items():
            await touch_keys(db, connection, sorted(uses))

    await run.configuration.apply(tenant, actor(), what, touch)
    for connection in changes.read_under:
        await run.vault.offer_again(connection)


async def _webhooks(run: Runtime, tenant: Tenant) -> Mapping[str, str]:
    """By connection: the address a vendor posts its webhooks to, for those that have to enter it by hand."""
    found = {}
    for endpoint, connection in (await run.configuration.endpoints()).items():
        address = run.settings.webhook_address(endpoint)
        if connection.tenant == tenant.name and address is not None:
            found[connection.connection] = address
    return found


def _show(
    output: Output,
    tenant: Tenant,
    changes: Difference,
    credentials: Mapping[str, Mapping[str, str | None]],
    effect: Effect,
) -> None:
    if output.as_json:
        return
    for change in changes.changes:
        values = {Act.ADD: f"{change.after or ''}", Act.REMOVE: f"{change.before or ''}"}
        shown = values.get(change.act, f"{change.before} -> {change.after}")
        output.note(f"{_SIGNS[change.act]} {change.where}{f' = {shown}' if shown else ''}")
    for name, fields in credentials.items():
        output.note(f"~ {name}: credentials {', '.join(sorted(fields))}")
    for flow, count in effect.used.items():
        due, option = effect.due.get(flow, 0), tenant.flows[flow.flow].on_mapping_change
        output.note(
            f"  flow {flow.flow}: {count} synced documents used a changed entry; "
            f"{due} of them become due (on_mapping_change: {option})"
        )
    for connection, count in effect.read_again.items():
        output.note(f"  connection {connection.connection}: {count} documents are read again")


def _report(
    tenant: Tenant,
    changes: Difference,
    credentials: Mapping[str, Mapping[str, str | None]],
    effect: Effect,
    endpoints: Mapping[str, str],
    applied: bool,
) -> dict[str, Any]:
    return {
        "tenant": tenant.name,
        "applied": applied,
        "changes": changes.changes,
        "credentials": {name: sorted(fields) for name, fields in credentials.items()},
        "effect": effect,
        "webhooks": endpoints,
    }


def _webhook_lines(endpoints: Mapping[str, str]) -> list[Any]:
    if not endpoints:
        return ["PUBLIC_BASE_URL is not set: no webhooks are received, sweeps find every change."]
    return ["Webhook addresses:", *(f"  {name}: {address}" for name, address in endpoints.items())]
