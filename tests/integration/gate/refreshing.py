"""A replica in a process of its own, which halts at a given point of renewing a token: for good, or until woken."""

import asyncio
import os
import signal
from collections.abc import Mapping
from enum import StrEnum
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from connector.domain.identity import ConnectionId
from connector.domain.ports.gate import GateError
from connector.domain.ports.tokens import NewPair, TokenRow
from connector.domain.vendor_error import VendorError
from tests.integration.gate.world import exact_connection, world


class Point(StrEnum):
    BEFORE_REQUEST = "before the request"
    ROTATED = "after the vendor rotated, before its answer"
    """Halted from outside: only the vendor knows."""
    ANSWERED = "after the answer, before it is stored"
    STORED = "after it is stored"


class Halting:
    """The token store of a process that halts."""

    def __init__(self, store: Any, point: Point, halt: signal.Signals) -> None:
        self._store = store
        self._point = point
        self._halt = halt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _at(self, point: Point) -> None:
        if point is self._point:
            os.kill(os.getpid(), self._halt)

    async def begin_refresh(self, *args: Any, **named: Any) -> TokenRow | None:
        mine: TokenRow | None = await self._store.begin_refresh(*args, **named)
        if mine is not None:
            self._at(Point.BEFORE_REQUEST)
        return mine

    async def store(self, connection: ConnectionId, generation: int, pair: NewPair) -> bool:
        self._at(Point.ANSWERED)
        stored: bool = await self._store.store(connection, generation, pair)
        self._at(Point.STORED)
        return stored


async def _renew(settings: Mapping[str, Any], point: Point, halt: signal.Signals, tell: Pipe) -> None:
    connection = exact_connection(settings["base_url"], settings["division"], name=settings["name"])
    opened = world(settings["database_url"], Path(settings["key_ring"]), connection, refresh_deadline_s=1.0)
    async with opened as here:
        keeper: Any = here.gate.tokens
        keeper._store = Halting(keeper._store, point, halt)
        while True:
            try:
                await keeper.token(connection.id)
                tell.send("a token")
                return
            except (GateError, VendorError) as error:
                tell.send(str(error))
                await asyncio.sleep(0.2)


def renew(settings: Mapping[str, Any], point: Point, halt: signal.Signals, tell: Pipe) -> None:
    asyncio.run(_renew(settings, point, halt, tell))
