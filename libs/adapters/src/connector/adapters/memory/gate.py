"""The gate's stores in memory: the same transitions as on PostgreSQL, one process."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from connector.domain.gate import quota
from connector.domain.gate.quota import QuotaState
from connector.domain.gate.tokens import Transition, Transitions
from connector.domain.identity import ConnectionId
from connector.domain.ports.authorisations import Login, Refusal
from connector.domain.ports.clock import Clock
from connector.domain.ports.quota import Answer, Ask, QuotaRules, QuotaStatus, Settlement, bell_key
from connector.domain.ports.tokens import TokenRow, token_key
from connector.domain.ports.vault import TOKEN_FIELD, Resealed, Sealed, SealedField

Result = TypeVar("Result")


class MemoryBell:
    """Rings within this process."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def ring(self, key: str) -> None:
        self._events[key].set()

    async def wait(self, key: str, timeout_s: float) -> None:
        event = self._events[key]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await event.wait()
        event.clear()


class MemorySealedStore:
    def __init__(self, bell: MemoryBell) -> None:
        self._bell = bell
        self._fields: dict[tuple[ConnectionId, str], SealedField] = {}
        self._versions: defaultdict[ConnectionId, int] = defaultdict(int)

    async def read(self, connection: ConnectionId) -> Mapping[str, SealedField]:
        return {name: entry for (owner, name), entry in self._fields.items() if owner == connection}

    async def write(self, connection: ConnectionId, fields: Mapping[str, Sealed | None]) -> int:
        self._versions[connection] += 1
        version = self._versions[connection]
        kept = {name: entry.sealed for name, entry in (await self.read(connection)).items() if name != TOKEN_FIELD}
        for name, sealed in {**kept, **fields}.items():
            if sealed is None:
                self._fields.pop((connection, name), None)
            else:
                self._fields[connection, name] = SealedField(connection, name, sealed, version)
        self._bell.ring(token_key(connection))
        return version

    async def under_other_keys(self, active: str, limit: int) -> Sequence[SealedField]:
        return [entry for entry in self._fields.values() if entry.sealed.key_id != active][:limit]

    async def count_under_other_keys(self, active: str) -> int:
        return sum(entry.sealed.key_id != active for entry in self._fields.values())

    async def replace(self, resealed: Sequence[Resealed]) -> int:
        done = 0
        for entry in resealed:
            key = (entry.old.connection, entry.old.field)
            current = self._fields.get(key)
            if current is not None and current.sealed == entry.old.sealed:
                self._fields[key] = replace(current, sealed=entry.new)
                done += 1
        return done

    async def erase(self, tenant: str) -> int:
        gone = [key for key in self._fields if key[0].tenant == tenant]
        for key in gone:
            del self._fields[key]
        return len(gone)

    def put_token(self, connection: ConnectionId, sealed: Sealed, generation: int) -> None:
        self._fields[connection, TOKEN_FIELD] = SealedField(connection, TOKEN_FIELD, sealed, generation)

    def token(self, connection: ConnectionId) -> Sealed | None:
        entry = self._fields.get((connection, TOKEN_FIELD))
        return entry.sealed if entry else None

    def credentials_version(self, connection: ConnectionId) -> int:
        versions = (
            entry.version
            for (owner, name), entry in self._fields.items()
            if owner == connection and name != TOKEN_FIELD
        )
        return max(versions, default=0)


class MemoryTokenStore(Transitions):
    """Shares the sealed store with the vault, as the tables do."""

    def __init__(self, sealed: MemorySealedStore, bell: MemoryBell, clock: Clock) -> None:
        self._sealed = sealed
        self._bell = bell
        self._clock = clock
        self._rows: dict[ConnectionId, TokenRow] = {}

    def _now(self) -> datetime:
        return self._clock.now()

    async def read(self, connection: ConnectionId) -> TokenRow:
        row = self._rows.get(connection) or TokenRow(connection, self._now())
        return replace(
            row,
            now=self._now(),
            sealed=self._sealed.token(connection),
            credentials_now=self._sealed.credentials_version(connection),
        )

    async def _change(self, connection: ConnectionId, transition: Transition) -> TokenRow | None:
        before = await self.read(connection)
        after = transition(before)
        if after is None:
            return None
        self._rows[connection] = after
        if after.sealed is not None and after.sealed != before.sealed:
            self._sealed.put_token(connection, after.sealed, after.generation)
        self._bell.ring(token_key(connection))
        return after

    async def all(self, tenant: str | None = None) -> list[TokenRow]:
        rows = [await self.read(connection) for connection in sorted(self._rows) if tenant in (None, connection.tenant)]
        return [replace(row, sealed=None) for row in rows]


class MemoryQuotaStore:
    def __init__(self, bell: MemoryBell, clock: Clock) -> None:
        self._bell = bell
        self._clock = clock
        self._states: defaultdict[ConnectionId, QuotaState] = defaultdict(QuotaState)

    async def ask(self, connection: ConnectionId, rules: QuotaRules, ask: Ask) -> Answer:
        return quota.ask(self._states[connection], rules, ask, self._clock.now().timestamp())

    async def settle(self, connection: ConnectionId, rules: QuotaRules, settlement: Settlement) -> float:
        now = self._clock.now().timestamp()
        quota.settle(self._states[connection], rules, settlement, now)
        if settlement.urgent:
            self._bell.ring(bell_key(connection))
        return now

    async def status(self, connection: ConnectionId, rules: QuotaRules) -> QuotaStatus:
        state = self._states[connection].model_copy(deep=True)
        return quota.status(state, rules, self._clock.now().timestamp())


class MemoryAuthorisationStore:
    @dataclass
    class _Entry:
        login: Login
        expires_at: datetime
        state: str | None = None
        browser: str | None = None
        finished: bool = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, MemoryAuthorisationStore._Entry] = {}

    async def invite(self, connection: ConnectionId, invitation: str, redirect_uri: str, life_s: float) -> None:
        expires_at = self._clock.now() + timedelta(seconds=life_s)
        self._entries[invitation] = self._Entry(Login(connection, redirect_uri), expires_at)

    async def start(self, invitation: str, state: str, browser: str) -> Login | Refusal:
        entry = self._entries.get(invitation)
        if entry is None:
            return Refusal.UNKNOWN
        if entry.finished:
            return Refusal.USED
        if entry.expires_at < self._clock.now():
            return Refusal.EXPIRED
        entry.state, entry.browser = state, browser
        return entry.login

    async def finish(self, state: str, browser: str) -> Login | Refusal:
        entry = next((entry for entry in self._entries.values() if entry.state == state), None)
        if entry is None:
            return Refusal.UNKNOWN
        if entry.finished:
            return Refusal.USED
        entry.finished = True
        if entry.expires_at < self._clock.now():
            return Refusal.EXPIRED
        return entry.login if entry.browser == browser else Refusal.OTHER_BROWSER
