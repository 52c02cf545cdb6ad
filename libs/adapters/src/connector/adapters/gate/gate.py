"""The gate of a process: one lane and one token a connection, shared with all replicas through the database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from connector.adapters.gate.lane import DATABASE_ERRORS, Lane, Slot
from connector.adapters.gate.pump import Pump
from connector.adapters.gate.system import quota_of
from connector.adapters.gate.tokens import ConnectionLookup, Token, TokenKeeper
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.clock import Clock
from connector.domain.ports.gate import ConnectionPaused, GatedCall, GateError
from connector.domain.ports.quota import Bell, QuotaStatus, QuotaStore, Reading, bell_key
from connector.domain.ports.vault import VaultError

_UNAUTHORISED = 401
_SLOT_GOOD_FOR_S = 0.1


@dataclass(slots=True)
class _Call:
    """One call under way; see `GatedCall`."""

    authorization: Mapping[str, str] = field(repr=False)
    system: str
    status: int | None = None
    reading: Reading = field(default_factory=Reading)

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.reading = quota_of(self.system).read(status, headers)


class SharedGate:
    """See `connector.domain.ports.gate.Gate`."""

    def __init__(
        self,
        *,
        tokens: TokenKeeper,
        quota: QuotaStore,
        bell: Bell,
        connections: ConnectionLookup,
        clock: Clock,
        replica: str,
    ) -> None:
        self.tokens = tokens
        self._quota = quota
        self._bell = bell
        self._connections = connections
        self._clock = clock
        self._replica = replica
        self._lanes: dict[ConnectionId, Lane] = {}
        self._pumps: dict[ConnectionId, Pump] = {}

    async def close(self) -> None:
        for lane in self._lanes.values():
            await lane.close()
        for pump in self._pumps.values():
            await pump.close()
        await self.tokens.close()

    def _lane(self, connection: ConnectionId, system: str, settings: object) -> Lane:
        rules = quota_of(system).rules(settings)
        lane = self._lanes.get(connection)
        if lane is None:
            pump = self._pumps.setdefault(connection, Pump(self._bell, bell_key(connection)))
            lane = self._lanes[connection] = Lane(connection, rules, self._quota, pump, self._clock, self._replica)
        else:
            lane.rules = rules
        return lane

    @asynccontextmanager
    async def call(
        self, connection: ConnectionId, traffic: TrafficClass, *, endpoint: str, flow: str = ""
    ) -> AsyncIterator[GatedCall]:
        try:
            known = await self._connections(connection)
            if known.paused is not None:
                raise ConnectionPaused(f"connection {connection} is paused: {known.paused}")
            lane = self._lane(connection, known.system, known.settings)
            token, slot = await self._admit(lane, connection, traffic, endpoint, flow)
        except VaultError as error:
            raise GateError(str(error)) from error
        except DATABASE_ERRORS as error:
            raise GateError(
                f"{connection}: the gate's database cannot be reached ({type(error).__name__}), so no call is made",
                retry_after_s=5.0,
            ) from error
        call = _Call(token.headers, known.system)
        try:
            yield call
        finally:
            await asyncio.shield(self._leave(lane, slot, call, token, endpoint))

    async def _admit(
        self, lane: Lane, connection: ConnectionId, traffic: TrafficClass, endpoint: str, flow: str
    ) -> tuple[Token, Slot]:
        """A token first, since renewing it takes time; then a slot; then the token again, which may have aged while
        waiting: where that takes long, the slot has lapsed."""
        while True:
            await self.tokens.token(connection)
            slot = await lane.enter(traffic, flow, endpoint)
            try:
                token = self.tokens.fresh(connection) or await self.tokens.token(connection)
            except BaseException:
                lane.give_up(slot)
                raise
            if self._clock.boot_time_s() - slot.taken_s <= _SLOT_GOOD_FOR_S:
                return token, slot
            lane.give_up(slot)

    async def _leave(self, lane: Lane, slot: Slot, call: _Call, token: Token, endpoint: str) -> None:
        if call.status is not None:
            slot.lesson = lane.lesson(slot, endpoint, call.status, call.reading)
        await lane.leave(slot)
        if call.status == _UNAUTHORISED:
            try:
                await self.tokens.learn_refusal(lane.connection, token)
            except DATABASE_ERRORS:
                return  # the next call finds the database away and says so

    async def status(self, connection: ConnectionId) -> QuotaStatus:
        known = await self._connections(connection)
        return await self._quota.status(connection, quota_of(known.system).rules(known.settings))
