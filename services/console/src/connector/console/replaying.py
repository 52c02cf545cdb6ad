"""`connector replay`: records looked at again on purpose, chosen in the desired state or from the log's own history."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from connector.adapters.kafka.scan import scan
from connector.adapters.postgres.blobs import PostgresBlobs
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.references import PostgresReferences
from connector.adapters.runtime import Runtime, kafka_settings
from connector.console.output import Output, Refused
from connector.console.records import EntityOption, FlowOption, IdsArgument
from connector.console.session import JsonFlag, TenantOption, YesFlag, actor, command, find_flow, platform
from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId
from connector.domain.ports.configuration import Flow, Snapshot
from connector.domain.ports.desired import Origin
from connector.domain.ports.log import canonical_topic
from connector.domain.ports.operations import Selection
from connector.domain.sync.intake import Incoming, Intake
from connector.domain.sync.states import Cause, State

app = typer.Typer()

SETTLED = frozenset({State.SYNCED, State.EXCLUDED})
ANSWERED_ELSEWHERE = frozenset({State.DUE, State.REJECTED})
"""What is due is looked at anyway; what was rejected is opened again by the source alone."""
REPLAYED = frozenset(State) - ANSWERED_ELSEWHERE


@dataclass(frozen=True, slots=True)
class Condition:
    """A canonical record's field, by its path, and the text it has to have; in lists any element will do."""

    path: tuple[str, ...]
    text: str

    @classmethod
    def parse(cls, given: str) -> "Condition":
        """`supplier.number=V100`; raises Refused."""
        path, equals, text = given.partition("=")
        if not equals or not all(path.split(".")):
            raise Refused(f"--where {given!r}: give a field of the document and its value, as in supplier.number=V100")
        return cls(tuple(path.split(".")), text)

    def holds(self, document: Any) -> bool:
        found = [document]
        for name in self.path:
            inside = [one for value in found for one in (value if isinstance(value, list) else [value])]
            found = [value[name] for value in inside if isinstance(value, dict) and name in value]
        values = [one for value in found for one in (value if isinstance(value, list) else [value])]
        return any(_text(value) == self.text for value in values)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records of the log are meant."""

    source: ConnectionId
    since: datetime | None
    until: datetime | None
    conditions: Sequence[Condition]
    native_ids: frozenset[str] = frozenset()

    def takes(self, ref: EntityRef, value: bytes | None) -> bool:
        if ref.connection != self.source or (self.native_ids and ref.native_id not in self.native_ids):
            return False
        if not self.conditions:
            return True
        document = json.loads(value).get("document") if value else None
        return document is not None and all(condition.holds(document) for condition in self.conditions)


@dataclass(slots=True)
class Chosen:
    """What a look at the log found: documents by entity, and how many versions of them."""

    records: int = 0
    native_ids: defaultdict[Entity, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def documents(self) -> int:
        return sum(len(ids) for ids in self.native_ids.values())

    def selections(self, flow: FlowId, states: Collection[State]) -> list[Selection]:
        return [Selection(flow, frozenset(states), of, sorted(named)) for of, named in self.native_ids.items()]


async def choose(run: Runtime, choice: Choice, entities: Sequence[Entity]) -> Chosen:
    """Read the canonical topics once, from a time to a time, outside every consumer group."""
    chosen = Chosen()
    topics = [canonical_topic(entity) for entity in entities]
    async for batch in scan(kafka_settings(), topics, PostgresBlobs(run.engine), choice.since, choice.until):
        for record in batch:
            ref = EntityRef.parse(record.key)
            if choice.takes(ref, record.value):
                chosen.records += 1
                chosen.native_ids[ref.entity].add(ref.native_id)
    return chosen


async def take_in(run: Runtime, flow: Flow, since: datetime | None, chosen: Chosen, snapshot: Snapshot) -> int:
    """Give the chosen documents' newest records to the intake, whenever they came: the writer may never have seen them
    (the log had dropped them, or a group was reset forward). How many rows were missing or older."""
    system = snapshot.connections[flow.target].system
    intake = Intake(PostgresDesiredRows(run.engine), PostgresReferences(run.engine), system)
    topics = [canonical_topic(entity) for entity in chosen.native_ids]
    newer = 0
    async for batch in scan(kafka_settings(), topics, PostgresBlobs(run.engine), since, None):
        records = []
        for record in batch:
            ref = EntityRef.parse(record.key)
            meant = ref.connection == flow.source and ref.native_id in chosen.native_ids.get(ref.entity, ())
            if meant and record.value is not None:
                origin = Origin(record.topic, record.partition, record.offset)
                records.append(Incoming(record.key, record.value, origin))
        if records:
            newer += (await intake.take(records, snapshot)).newer
    return newer


def instant(name: str, text: str | None) -> datetime | None:
    """A date or an instant; UTC where it names no zone. Raises Refused."""
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{name} {text!r}: give a date or an instant, as in 2026-03-01 or 2026-03-01T12:00Z") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


@app.command()
@command
async def replay(
    flow: FlowOption,
    ids: IdsArgument = None,
    entity: EntityOption = None,
    since: Annotated[str | None, typer.Option("--from", help="Only what came to the log then or later.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Only what came to the log before then.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="Only with this value in a field of the document: supplier.number=V100."),
    ] = None,
    yes: YesFlag = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Look at records again in the target, and write what differs. The brake holds back many at once.

    Without --from, --to and --where: every settled record of the flow. With them: the records whose versions on the
    canonical topics fit, whatever state they are in; those that the writer missed are taken in. Dates are days in UTC.
    """
    output = Output(as_json=as_json)
    begin, end = instant("--from", since), instant("--to", until)
    conditions = [Condition.parse(one) for one in where or ()]
    async with platform() as run:
        snapshot = await run.configuration.current()
        known = find_flow(snapshot, flow, tenant)
        operations = PostgresOperations(run.engine)
        found: Mapping[str, int] = {}
        chosen: Chosen | None = None
        if begin is None and end is None and not conditions:
            selections = [Selection(known, SETTLED, entity, ids or None)]
        else:
            declared = snapshot.flows[known]
            choice = Choice(declared.source, begin, end, conditions, frozenset(ids or ()))
            chosen = await choose(run, choice, [entity] if entity else sorted(declared.entities))
            selections = chosen.selections(known, REPLAYED)
            known_rows = sum([await operations.count(of) for of in chosen.selections(known, frozenset(State))])
            found = {"records": chosen.records, "documents": chosen.documents}
            output.note(
                f"The log has {chosen.records} such versions of {chosen.documents} documents; "
                f"{chosen.documents - known_rows} of these never reached the flow."
            )
        count = sum([await operations.count(selection) for selection in selections])
        missed = 0
        if count or (chosen is not None and chosen.documents):
            output.confirm(f"Look at {count} records of {known} again in the target?", yes=yes)
            count = sum([await operations.again(selection, Cause.REPLAY, actor()) for selection in selections])
            if chosen is not None:
                missed = await take_in(run, snapshot.flows[known], begin, chosen, snapshot)
    told = [f"{count} records of {known} are due again.", *([f"{missed} had been missed."] if missed else [])]
    output.result({"flow": str(known), "due": count, "missed": missed, **found}, told)
