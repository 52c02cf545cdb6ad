"""What the demo asks the platform while and after it runs: is everything carried, where is each document, how quick."""

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from sqlalchemy import text

from connector.adapters.kafka.lag import lag
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.runtime import kafka_settings
from connector.adapters.systems import room
from connector.console.demo.flows import TENANT
from connector.console.demo.stage import Stage
from connector.console.status import consumer_groups
from connector.domain.identity import ConnectionId
from connector.domain.ports.log import webhooks_topic
from connector.sandbox.demo import Said

CATCH_UP = ("purchase-orders", "purchase-entries", "accounts", "deleted", "vendors", "orders", "invoices")
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What is still on its way; all zero once everything is carried."""

    notices: int
    behind: int
    keys: int
    sweeps: int
    rows: int
    answers: int

    def __bool__(self) -> bool:
        return any((self.notices, self.behind, self.keys, self.sweeps, self.rows, self.answers))

    def __str__(self) -> str:
        return (
            f"{self.notices} notices to deliver, {self.behind} records behind, {self.keys} keys to read, "
            f"{self.sweeps} sweeps to run, {self.rows} documents to write, {self.answers} answers to give"
        )


async def settled(stage: Stage, within_s: float, progress: Any = lambda unsettled: None) -> Unsettled:
    """Return when everything that happened before this call is carried, sweeps included, or after the time-out."""
    since = await _database_now(stage)
    ends = asyncio.get_running_loop().time() + within_s
    quiet = 0
    while True:
        try:
            unsettled = await look(stage, since)
        except KafkaException:
            if asyncio.get_running_loop().time() > ends:
                raise
            quiet = 0  # the broker is slow to answer, on a crowded machine or while services come back
            continue
        progress(unsettled)
        quiet = 0 if unsettled else quiet + 1
        if quiet == 2 or asyncio.get_running_loop().time() > ends:
            return unsettled
        await asyncio.sleep(_LOOK_S)


async def look(stage: Stage, since: datetime) -> Unsettled:
    exact = stage.sandboxes.get("exact")
    pending = (await exact.act("counters"))["webhooks"]["pending"] if exact is not None else 0
    behind = await asyncio.to_thread(lag, kafka_settings(), groups(stage))
    query = text(
        """
        select (select count(*) from source_key where due is not null),
               (select count(*) from job where kind = any(:kinds) and (finished_at is null or finished_at < :since)),
               (select count(*) from desired where state in ('due', 'waiting')),
               (select count(*) from feedback where due is not null)
        """
    )
    async with stage.run.engine.connect() as db:
        keys, sweeps, rows, answers = (await db.execute(query, {"kinds": list(CATCH_UP), "since": since})).one()
    return Unsettled(pending, sum(behind.values()), keys, sweeps, rows, answers)


def groups(stage: Stage) -> Mapping[str, Sequence[str]]:
    """The consumer groups of the services that run, with the topics of each."""
    return {group: topics for group, topics in consumer_groups().items() if group in stage.flow.services}


async def _database_now(stage: Stage) -> datetime:
    async with stage.run.engine.connect() as db:
        now: datetime = (await db.execute(text("select clock_timestamp()"))).scalar_one()
        return now


async def said(stage: Stage) -> list[Said]:
    """Where the connector says each document is."""
    query = text("select entity, native_id, number, state, reasons from desired where tenant = :tenant")
    async with stage.run.engine.connect() as db:
        rows = (await db.execute(query, {"tenant": TENANT})).all()
    return [
        Said(row.entity, row.native_id, row.number, row.state, frozenset(reason["code"] for reason in row.reasons))
        for row in rows
    ]


async def counted(stage: Stage) -> Mapping[str, Mapping[str, int]]:
    """Rows by entity and state."""
    query = text("select entity, state, count(*) from desired where tenant = :tenant group by 1, 2 order by 1, 2")
    async with stage.run.engine.connect() as db:
        rows = (await db.execute(query, {"tenant": TENANT})).all()
    found: dict[str, dict[str, int]] = {}
    for entity, state, count in rows:
        found.setdefault(entity, {})[state] = count
    return found


async def caught(stage: Stage) -> int:
    """Changes that sweeps found and no webhook had told of."""
    async with stage.run.engine.connect() as db:
        total: int = (await db.execute(text("select coalesce(sum(caught), 0)::bigint from source_stamp"))).scalar_one()
        return total


async def latencies_ms(stage: Stage, systems: Sequence[str], *, since_s: float = 0.0) -> list[float]:
    """From a document's first webhook, as Kafka stamped it on ingest's acknowledgement, to the moment its first write
    was sent: documents first told of by a webhook and written since, the debounce of a second included.

    `since_s` (seconds of the epoch) leaves out documents whose first webhook came before."""
    first = await asyncio.to_thread(_first_notices, systems)
    query = text(
        """
        select d.source_connection, d.entity, d.native_id, min(c.opened_at) as sent
          from desired d
          join call_item i using (tenant, flow, entity, native_id)
          join call c on c.tenant = i.tenant and c.call_id = i.call_id
         where d.tenant = :tenant group by 1, 2, 3
        """
    )
    async with stage.run.engine.connect() as db:
        rows = (await db.execute(query, {"tenant": TENANT})).all()
    measured = []
    for connection, entity, native_id, sent in rows:
        told = first.get((connection, entity, native_id))
        if told is not None and since_s * 1000 <= told < sent.timestamp() * 1000:
            measured.append(sent.timestamp() * 1000 - told)
    return measured


def quantiles(values: Sequence[float]) -> dict[str, float | None]:
    if len(values) < 2:
        return {"p50": values[0] if values else None, "p99": values[0] if values else None}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}


def _first_notices(systems: Sequence[str]) -> dict[tuple[str, str, str], float]:
    """When Kafka took the first notice of each document, in ms."""
    settings = kafka_settings()
    first: dict[tuple[str, str, str], float] = {}
    for system in systems:
        for key, value, at_ms in _all_of(settings, settings.topic(webhooks_topic(system))):
            connection = ConnectionId.parse(key)
            for notice in room(system).notices(value):
                at = (connection.connection, str(notice.entity), notice.native_id)
                first[at] = min(first.get(at, at_ms), at_ms)
    return first


def _all_of(settings: KafkaSettings, topic: str) -> list[tuple[str, bytes, float]]:
    consumer = Consumer({**settings.client(), "group.id": f"{settings.group_prefix}demo", "enable.auto.commit": False})
    try:
        begins, ends = [], {}
        for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            if low < high:
                begins.append(TopicPartition(topic, number, low))
                ends[number] = high
        consumer.assign(begins)
        found = []
        while ends:
            message = consumer.poll(5)
            if message is None or message.error():
                break
            found.append(((message.key() or b"").decode(), message.value() or b"", float(message.timestamp()[1])))
            if (message.offset() or 0) + 1 >= ends.get(message.partition() or 0, 0):
                ends.pop(message.partition() or 0, None)
        return found
    finally:
        consumer.close()
