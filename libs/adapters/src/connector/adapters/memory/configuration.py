"""`Configuration` in memory: applied by assignment."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace

from connector.domain.identity import ConnectionId, FlowId
from connector.domain.ports.configuration import Connection, Flow, MappingEntry, Snapshot


class MemoryConfiguration:
    def __init__(self) -> None:
        self.snapshot = Snapshot(0, {}, {})
        self._applied = asyncio.Event()

    def apply(
        self,
        *,
        connections: Mapping[ConnectionId, Connection] | None = None,
        flows: Mapping[FlowId, Flow] | None = None,
        mappings: Mapping[tuple[FlowId, str], Mapping[str, MappingEntry]] | None = None,
    ) -> Snapshot:
        """Replace what is given; the rest stays."""
        before = self.snapshot
        self.snapshot = replace(
            before,
            epoch=before.epoch + 1,
            connections={**before.connections, **(connections or {})},
            flows={**before.flows, **(flows or {})},
            mappings={**before.mappings, **(mappings or {})},
        )
        self._applied.set()
        self._applied = asyncio.Event()
        return self.snapshot

    async def current(self) -> Snapshot:
        return self.snapshot

    async def changed(self, epoch: int, timeout_s: float) -> None:
        if self.snapshot.epoch == epoch:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._applied.wait()
