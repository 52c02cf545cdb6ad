"""Commands about records: why they are stuck, their whole story, letting them go, deciding a link."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.systems import room
from connector.console.output import Failed, Output, Refused, table
from connector.console.session import (
    JsonFlag,
    TenantOption,
    YesFlag,
    actor,
    command,
    find_flow,
    find_tenant,
    platform,
)
from connector.domain.identity import Entity, EntityRef, FlowId, RowRef
from connector.domain.ports.configuration import FlowState, Snapshot
from connector.domain.ports.operations import RELEASABLE, RowView, Selection, StoryLine, StuckBy, Withheld
from connector.domain.sync.states import State

app = typer.Typer()

SHOWN = 20
"""Differences of a dry run, unless more are asked for."""
BRIEF = 80

FlowOption = Annotated[str, typer.Option("--flow", help="The flow.")]
EntityOption = Annotated[Entity | None, typer.Option("--entity", help="Only records of this kind.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(help="Native ids; all that match where left out.")]


@app.command()
@command
async def audit(
    record: Annotated[str, typer.Argument(help="A native id, a document number, or an id in the target.")],
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell the whole story of a record: what came in, what it became, every call and decision, in order."""
    output = Output(as_json=as_json)
    async with platform() as run:
        name = find_tenant(await run.configuration.current(), tenant)
        operations = PostgresOperations(run.engine)
        refs = await operations.find(name, record)
        if not refs:
            raise Refused(
                f"tenant {name} has no record with id or number {record!r}: if it is new, its source may not have "
                "been read yet (`connector status` shows what is due)"
            )
        told = [(await operations.row(ref), await operations.story(ref)) for ref in refs]
    stories = [(view, story) for view, story in told if view is not None]
    value = [_told(view) | {"story": story} for view, story in stories]
    output.result(value, [line for view, story in stories for line in _story_lines(view, story)])


def _told(view: RowView) -> dict[str, Any]:
    return {
        "flow": view.row.flow,
        "entity": view.row.entity,
        "native_id": view.row.native_id,
        "number": view.number,
        "state": view.state,
        "state_since": view.state_since,
        "reasons": view.reasons,
        "attempts": view.attempts,
        "due_at": view.due_at,
        "read_at": view.read_at,
        "translation_version": view.translation_version,
        "difference": view.difference,
        "objects": view.objects,
        "document": json.loads(view.document),
    }


def _story_lines(view: RowView, story: Sequence[StoryLine]) -> Sequence[Any]:
    row = view.row
    head = f"{row.entity} {view.number or row.native_id} of {row.flow}: {view.state} since {view.state_since:%F %T}"
    objects = [f"  {part}: {of.resource} {of.object.target_id} ({of.state})" for part, of in view.objects.items()]
    lines = [(f"{line.at:%F %T.%f}"[:-3], line.event, line.actor, _short(line.detail)) for line in story]
    return [head, *(f"  {reason}" for reason in view.reasons), *objects, table("", ["at", "what", "who", ""], lines)]


def _short(detail: Any) -> str:
    """One line; of reasons only their codes, since the record's own are told in full."""
    shown = {**detail}
    reasons = shown.pop("reasons", None) or []
    codes = [", ".join(str(reason.get("code")) for reason in reasons)] if reasons else []
    return ", ".join([*codes, *(f"{name}={_value(value)}" for name, value in shown.items())])


def _value(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value)


@app.command()
@command
async def blocked(
    flow: Annotated[str | None, typer.Option("--flow", help="One flow; all where it is left out.")] = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List what is stuck, grouped by cause, with counts and what to do about each."""
    output = Output(as_json=as_json)
    async with platform() as run:
        snapshot = await run.configuration.current()
        name = find_tenant(snapshot, tenant)
        flows = [find_flow(snapshot, flow, tenant)] if flow else sorted(f for f in snapshot.flows if f.tenant == name)
        operations = PostgresOperations(run.engine)
        stuck = [one for each in flows for one in await operations.stuck(each)]
    rows = [(one.flow.flow, one.state, one.count, one.reason.code, one.reason.message, _fix(one)) for one in stuck]
    columns = ["flow", "state", "records", "cause", "what", "to do"]
    output.result(stuck, [table("", columns, rows)] if stuck else ["Nothing is stuck."])


def _fix(stuck: StuckBy) -> str:
    examples = ", ".join(f"{row.entity}/{row.native_id}" for row in stuck.examples[:2])
    return f"{stuck.reason.fix or 'see the record'} (such as {examples})"


@app.command()
@command
async def release(
    flow: FlowOption,
    ids: IdsArgument = None,
    entity: EntityOption = None,
    cause: Annotated[str | None, typer.Option("--cause", help="Only records stuck with this reason code.")] = None,
    missing: Annotated[str | None, typer.Option("--missing", help="Only records that miss this.")] = None,
    show: Annotated[bool, typer.Option("--dry-run", help="Show what would be written and change nothing.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="With --dry-run: how many records to show.")] = SHOWN,
    yes: YesFlag = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """End a flow's dry run, or try stuck records again, past the brake on mass changes.

    For a flow in dry run, and without conditions, it ends the dry run: the records it held are written.
    """
    output = Output(as_json=as_json)
    async with platform() as run:
        snapshot = await run.configuration.current()
        known = find_flow(snapshot, flow, tenant)
        operations = PostgresOperations(run.engine)
        chosen = Selection(known, RELEASABLE, entity, ids or None, cause, missing)
        unconditional = not (ids or entity or cause or missing)
        dry_run = unconditional and snapshot.flows[known].state is FlowState.DRY_RUN
        if dry_run:
            chosen = Selection(known, frozenset({State.HELD}), code="dry-run")
        count = await operations.count(chosen)
        if show:
            held = await operations.withheld(chosen, limit)
            lines = [*(line for one in held for line in _difference_lines(one)), _shown_of(held, count, known)]
            output.result(held, lines)
            return
        if dry_run:
            output.confirm(f"End the dry run of {known}? {count} records it held will be written.", yes=yes)
            await run.configuration.go_live(known, actor())
        elif count:
            output.confirm(f"Try {count} records of {known} again?", yes=yes)
            count = await operations.release(chosen, actor())
    done = f"Flow {known} is live; {count} records go" if dry_run else f"{count} records of {known} are due again"
    output.result({"flow": str(known), "released": count, "ended_dry_run": dry_run}, [f"{done}."])


def _shown_of(held: Sequence[Withheld], count: int, flow: FlowId) -> str:
    rest = f"; {count - len(held)} more are judged anew, or shown with --limit" if count > len(held) else ""
    return f"{len(held)} of {count} records of {flow} that a release lets go are shown{rest}. Nothing was changed."


def _difference_lines(held: Withheld) -> Sequence[str]:
    """The record and what would be done; for a change each field with what is there and what would be."""
    told, row = held.difference, held.row
    wanted, found = told.get("wanted") or {}, told.get("found")
    head = f"{row.entity} {held.number or row.native_id}: {told.get('verb')} ({', '.join(told.get('steps') or ())})"
    if found is None:
        return [head]
    differing = [name for name in sorted(wanted) if wanted[name] != found.get(name)]
    return [head, *(f"  {name}: {_brief(found.get(name))} -> {_brief(wanted[name])}" for name in differing)]


def _brief(value: Any) -> str:
    text = _value(value)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}..."


@app.command()
@command
async def link(
    record: Annotated[str, typer.Argument(help="A record's key as reasons show it, a native id, or a number.")],
    target_id: Annotated[str, typer.Argument(help="The id of the object in the target.")],
    flow: Annotated[str | None, typer.Option("--flow", help="Where several flows carry the record.")] = None,
    part: Annotated[
        str | None, typer.Option(help="Where the record is several objects: which, as audit shows.")
    ] = None,
    resource: Annotated[str | None, typer.Option(help="The target's name of that kind of object, likewise.")] = None,
    entity: EntityOption = None,
    yes: YesFlag = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Decide that an object in the target is this record's. It is compared with the record and brought to it."""
    output = Output(as_json=as_json)
    async with platform() as run:
        snapshot = await run.configuration.current()
        operations = PostgresOperations(run.engine)
        found = await _one(operations, snapshot, record, flow, entity, tenant)
        system = snapshot.connections[snapshot.flows[found.flow].target].system
        name, kind = _object_of(found.entity, system, part, resource)
        output.confirm(f"Take {kind} {target_id} for {found.entity} {record}? It will be changed to agree.", yes=yes)
        try:
            await operations.link(found, name, kind, target_id, actor())
        except ValueError as error:
            raise Failed(f"Not linked: {error}") from None
    told = {"record": found, "part": name, "resource": kind, "target_id": target_id}
    output.result(told, [f"{record} is linked to {kind} {target_id} and due."])


async def _one(
    operations: PostgresOperations,
    snapshot: Snapshot,
    record: str,
    flow: str | None,
    entity: Entity | None,
    tenant: str | None,
) -> RowRef:
    """The one row that is meant; raises Refused with those it could be."""
    key = _key(record)
    within = None if flow is None else find_flow(snapshot, flow, tenant)
    owner = within.tenant if within else key.connection.tenant if key else find_tenant(snapshot, tenant)
    rows = await operations.find(owner, key.native_id if key else record)
    rows = [row for row in rows if within in (None, row.flow) and entity in (None, row.entity)]
    if key is not None:
        rows = [row for row in rows if _is_of(row, key, snapshot)]
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise Refused(f"there is no record {record!r}: `connector blocked` and `connector audit` show keys and ids")
    which = ", ".join(f"{row.flow.flow}: {row.entity}/{row.native_id}" for row in rows)
    raise Refused(f"{record!r} is more than one record ({which}): give its id, --entity or --flow")


def _key(record: str) -> EntityRef | None:
    try:
        return EntityRef.parse(record)
    except ValueError:
        return None


def _is_of(row: RowRef, key: EntityRef, snapshot: Snapshot) -> bool:
    flow = snapshot.flows.get(row.flow)
    return (
        (row.entity, row.native_id) == (key.entity, key.native_id)
        and flow is not None
        and (flow.source == key.connection)
    )


def _object_of(entity: Entity, system: str, part: str | None, resource: str | None) -> tuple[str, str]:
    """Part and resource: the one object that such a document is there, unless a person says which."""
    usual = getattr(room(system), "LINKED", {}).get(entity, (None, None))
    name = part or usual[0]
    kind = resource or (usual[1] if name == usual[0] else None)
    if name is None or kind is None:
        what = f"one {entity} may be several objects in {system}" if usual[0] is None else f"{name} is another object"
        raise Refused(f"{what}: give --part and --resource, as `connector audit` of a like record shows them")
    return name, kind
