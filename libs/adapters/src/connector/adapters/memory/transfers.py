"""Rounds and numbers in memory."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from connector.domain.identity import ConnectionId
from connector.domain.ports.transfers import Transfer

Answered = Callable[[ConnectionId, str, int], bool]
"""Whether a document's round has its answer."""


class MemoryTransfers:
    def __init__(self, now: Callable[[], datetime], answered: Answered | None = None) -> None:
        self._now = now
        self._answered = answered or (lambda connection, native_id, number: False)
        self._transfers: dict[tuple[ConnectionId, str], Transfer] = {}
        self._numbers: dict[tuple[ConnectionId, str], str] = {}

    async def open(self, connection: ConnectionId, rounds: Mapping[str, int]) -> None:
        for native_id, number in rounds.items():
            known = self._transfers.get((connection, native_id))
            if known is None or number > known.round:
                self._transfers[connection, native_id] = Transfer(number, None)

    async def acknowledging(self, connection: ConnectionId, native_ids: Collection[str]) -> None:
        for native_id in native_ids:
            known = self._transfers.get((connection, native_id))
            if known is not None and known.acknowledged_at is None:
                self._transfers[connection, native_id] = replace(known, acknowledged_at=self._now())

    async def read(self, connection: ConnectionId, native_ids: Collection[str]) -> Mapping[str, Transfer]:
        found = {native_id: self._transfers.get((connection, native_id)) for native_id in native_ids}
        return {native_id: transfer for native_id, transfer in found.items() if transfer is not None}

    async def unanswered(self, connection: ConnectionId, older_than_s: float) -> Collection[str]:
        until = self._now() - timedelta(seconds=older_than_s)
        return sorted(
            native_id
            for (of, native_id), transfer in self._transfers.items()
            if of == connection
            and transfer.acknowledged_at is not None
            and transfer.acknowledged_at < until
            and not self._answered(connection, native_id, transfer.round)
        )

    async def name(self, connection: ConnectionId, numbers: Mapping[str, str]) -> None:
        self._numbers.update({(connection, number): native_id for number, native_id in numbers.items()})

    async def named(self, connection: ConnectionId, numbers: Collection[str]) -> Mapping[str, str]:
        known = self._numbers
        return {number: known[connection, number] for number in numbers if (connection, number) in known}
