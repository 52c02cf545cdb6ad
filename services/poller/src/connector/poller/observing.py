"""What the database knows of connections and flows, as metrics: tokens, quota, degraded endpoints, rows by state."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from connector.adapters.postgres.operations import PostgresOperations
from connector.adapters.postgres.source_keys import PostgresSourceKeys
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.postgres.transfers import PostgresTransfers
from connector.adapters.runtime import Runtime
from connector.domain.ports.configuration import Connection, Snapshot
from connector.domain.ports.quota import QuotaStatus
from connector.domain.ports.tokens import TokenRow, TokenState

EVERY_S = 30.0

log = structlog.get_logger(__name__)


class Observations(Collector):
    """The gauges of the last look. What is no longer configured is shown no longer."""

    def __init__(self) -> None:
        self._families: Sequence[GaugeMetricFamily] = ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families

    def show(self, families: Sequence[GaugeMetricFamily]) -> None:
        self._families = families


async def observe(run: Runtime, registry: CollectorRegistry = REGISTRY) -> None:
    """Look every 30 s, until cancelled. Each replica shows the same: add up over flows, not over pods."""
    shown = Observations()
    registry.register(shown)
    try:
        while True:
            try:
                shown.show(await look(run))
            except Exception as error:
                log.error("observing", error=str(error), kind=type(error).__name__)
            await asyncio.sleep(EVERY_S)
    finally:
        registry.unregister(shown)


async def look(run: Runtime) -> Sequence[GaugeMetricFamily]:
    """One look at everything that is configured."""
    snapshot = await run.configuration.current()
    families = [*await _connections(run, snapshot), *await _flows(run, snapshot)]
    at = GaugeMetricFamily("connector_observed_timestamp_seconds", "When the poller last looked at the database")
    at.add_metric((), run.clock.now().timestamp())
    return [*families, at]


async def _connections(run: Runtime, snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    of = ("connection", "system")
    paused = GaugeMetricFamily("connector_connection_paused", "1 while nothing is asked of the vendor", labels=of)
    state = GaugeMetricFamily("connector_token_state", "1 for the state that the token is in", labels=(*of, "state"))
    age = GaugeMetricFamily("connector_token_age_seconds", "Since the token was received", labels=of)
    left = GaugeMetricFamily("connector_quota_left", "Calls left in the vendor's window", labels=(*of, "window"))
    limit = GaugeMetricFamily("connector_quota_limit", "Calls the vendor allows in the window", labels=(*of, "window"))
    degraded = GaugeMetricFamily(
        "connector_endpoint_degraded", "1 while an endpoint's error budget is spent", labels=(*of, "endpoint")
    )
    due = GaugeMetricFamily("connector_keys_due", "Keys at the source waiting to be read", labels=(*of, "traffic"))
    unanswered = GaugeMetricFamily(
        "connector_unanswered", "Documents taken over from their source and not answered for too long", labels=of
    )
    tokens = {row.connection: row for row in await PostgresTokenStore(run.engine).all()}
    keys, transfers = PostgresSourceKeys(run.engine, run.listener), PostgresTransfers(run.engine)
    for connection in snapshot.connections.values():
        name = (str(connection.id), connection.system)
        token, quota = tokens.get(connection.id), await run.gate.status(connection.id)
        paused.add_metric(name, _paused(connection, token))
        _token(token, name, state, age)
        _quota(quota, name, left, limit)
        for endpoint in quota.degraded:
            degraded.add_metric((*name, endpoint), 1)
        for traffic, count in (await keys.backlog(connection.id)).items():
            due.add_metric((*name, traffic), count)
        if (too_long_s := getattr(connection.settings, "stuck_after_s", None)) is not None:
            unanswered.add_metric(name, len(await transfers.unanswered(connection.id, too_long_s)))
    return iter((paused, state, age, left, limit, degraded, due, unanswered))


def _paused(connection: Connection, token: TokenRow | None) -> int:
    return int(connection.paused is not None or (token is not None and token.paused is not None))


def _token(token: TokenRow | None, name: tuple[str, str], state: GaugeMetricFamily, age: GaugeMetricFamily) -> None:
    state.add_metric((*name, token.state if token else TokenState.NONE), 1)
    if token is not None and token.received_at is not None:
        age.add_metric(name, (token.now - token.received_at).total_seconds())


def _quota(quota: QuotaStatus, name: tuple[str, str], left: GaugeMetricFamily, limit: GaugeMetricFamily) -> None:
    for window in quota.windows:
        left.add_metric((*name, window.name), max(0, window.limit - window.used))
        limit.add_metric((*name, window.name), window.limit)


async def _flows(run: Runtime, snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    rows = GaugeMetricFamily("connector_rows", "Records by how far the target is", labels=("flow", "entity", "state"))
    oldest = GaugeMetricFamily("connector_oldest_due_seconds", "How long the first due record waits", labels=("flow",))
    operations, now = PostgresOperations(run.engine), run.clock.now()
    for tenant in sorted({flow.tenant for flow in snapshot.flows}):
        for flow, entities in (await operations.counts(tenant)).items():
            for entity, states in entities.items():
                for state, count in states.items():
                    rows.add_metric((str(flow), entity, state), count)
        due = await operations.oldest_due(tenant)
        for flow in snapshot.flows:
            if flow.tenant == tenant:
                oldest.add_metric((str(flow),), _since(due.get(flow), now))
    return iter((rows, oldest))


def _since(instant: datetime | None, now: datetime) -> float:
    return 0.0 if instant is None else max(0.0, (now - instant).total_seconds())
