"""An Exact company's backlog under 60 calls a minute: orders with lines and joins, read and acknowledged by Kafka."""

import asyncio
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.runtime import kafka_settings
from connector.console.demo.flows import FLOWS, Connecting
from connector.console.demo.stage import Stage, log_in, stage, write_configuration
from connector.domain.ports.log import documents_topic
from tests.bench.figures import Figure, figure
from tests.bench.live import Silent, own_folder

ORDERS = 2_000
AT_ONCE = 100
LINES = 2
MINUTE_S = float(os.environ.get("BENCH_BACKLOG_MINUTE_S", "60"))
"""How long the sandbox's minute of 60 calls takes; a shorter one gives the platform less time for the same calls."""
MINUTES = 3
BAR_A_MINUTE = 500


def run() -> list[Figure]:
    with own_folder():
        read = asyncio.run(_read_in_time())
    minute = "" if MINUTE_S == 60 else f" of {MINUTE_S:g} s"
    name = f"Exact backlog, orders a minute{minute} of 60 calls, over {MINUTES}"
    return [figure(name, read / MINUTES, "orders", BAR_A_MINUTE)]


async def _read_in_time() -> int:
    """Orders in documents.exact when the minutes are over, counted from the first of them."""
    flow = replace(FLOWS["exact-coupa"], services=("ingest", "exact-fetcher", "poller"))
    async with stage(flow, seed=1, say=Silent().say) as on:
        await on.sandboxes["exact"].switch(minute_s=MINUTE_S)
        codes = on.addresses["exact"]["credentials"]["divisions"][:2]
        await asyncio.gather(_enter(on, codes[0]), on.ready())
        connecting = _connecting(on, codes)
        path = write_configuration(on.platform.key_ring.parent, connecting)
        await on.connector("apply", "-f", str(path), "--yes", secrets=connecting.secrets)
        await log_in(on, connecting.logins)
        settings = kafka_settings()
        since_ms = await _first_read(settings)
        await asyncio.sleep(since_ms / 1000 + MINUTES * MINUTE_S - time.time() + 1)
        stamps = await asyncio.to_thread(_orders, settings)
        return sum(stamp <= since_ms + MINUTES * MINUTE_S * 1000 for stamp in stamps.values())


async def _enter(on: Stage, division: int) -> None:
    day = (datetime.now(UTC).date() - timedelta(days=5)).isoformat()
    line = {"Item": "PURCHASE", "QuantityInPurchaseUnits": 2, "NetPrice": 100, "VATCode": "2", "CostCenter": "CC1"}
    order: dict[str, Any] = {"Supplier": "1", "OrderDate": day, "PurchaseOrderLines": [line] * LINES}
    for _ in range(ORDERS // AT_ONCE):
        await on.sandboxes["exact"].many("create_purchase_order", [order] * AT_ONCE, division=division)


def _connecting(on: Stage, codes: list[int]) -> Connecting:
    """The demo's tenant, with one division connected and the sandbox's minute."""
    facts = {
        "start_date": (datetime.now(UTC).date() - timedelta(days=30)).isoformat(),
        "divisions": [{"code": code, "prefix": ""} for code in codes],
    }
    connecting = on.flow.connect(facts, on.addresses)
    other = f"exact-{codes[1]}"
    del connecting.configuration["connections"][other]
    del connecting.configuration["flows"][f"exact-coupa-{codes[1]}"]
    connecting.configuration["connections"][f"exact-{codes[0]}"]["settings"] |= {"minute_s": MINUTE_S, "catch_up_s": 60}
    return replace(connecting, logins=[name for name in connecting.logins if name != other])


async def _first_read(settings: KafkaSettings) -> float:
    """When Kafka took the first order, ms of the epoch."""
    ends = time.monotonic() + 4 * MINUTE_S + 30
    while time.monotonic() < ends:
        stamps = await asyncio.to_thread(_orders, settings)
        if stamps:
            return min(stamps.values())
        await asyncio.sleep(1)
    raise AssertionError("no order was read")


def _orders(settings: KafkaSettings) -> dict[bytes, int]:
    """When Kafka took each order's first reading, by key, ms of the epoch."""
    topic = settings.topic(documents_topic("exact"))
    consumer = Consumer({**settings.client(), "group.id": "bench-look", "enable.auto.commit": False})
    try:
        places = [TopicPartition(topic, number, 0) for number in consumer.list_topics(topic).topics[topic].partitions]
        ends = sum(consumer.get_watermark_offsets(place)[1] for place in places)
        consumer.assign(places)
        found: list[Message] = []
        while len(found) < ends:
            found += consumer.consume(ends - len(found), timeout=10)
    finally:
        consumer.close()
    stamps: dict[bytes, int] = {}
    for message in found:
        key = message.key() or b""
        if b"/purchase-order/" in key:
            stamps[key] = min(stamps.get(key, message.timestamp()[1]), message.timestamp()[1])
    return stamps
