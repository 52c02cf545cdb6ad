"""One replica, a process that calls a connection without pause until it is killed."""

import asyncio
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from connector.domain.ports.gate import GateError
from connector.domain.vendor_error import VendorError
from tests.integration.gate.world import exact_connection, world

REFRESH_DEADLINE_S = 1.0


async def _hammer(settings: dict[str, object], tell: Pipe) -> None:
    connection = exact_connection(
        str(settings["base_url"]), int(str(settings["division"])), name=str(settings["name"]), minute_s=1.0,
        call_deadline_s=1.0,
    )  # fmt: skip
    path = f"/api/v1/{connection.settings.division}/system/Divisions?$select=Code"
    opened = world(
        str(settings["database_url"]), Path(str(settings["key_ring"])), connection,
        refresh_deadline_s=REFRESH_DEADLINE_S, pool_size=3,
    )  # fmt: skip
    async with opened as here:
        tell.send("ready")
        while True:
            try:
                answer = await here.call(connection, path)
                tell.send(str(answer.status))
            except (GateError, VendorError) as error:
                tell.send(type(error).__name__)
                await asyncio.sleep(0.05)


def hammer(settings: dict[str, object], tell: Pipe) -> None:
    asyncio.run(_hammer(settings, tell))
