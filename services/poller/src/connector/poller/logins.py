"""People's logins: kept alive where nobody uses them, and looked at once a day."""

import asyncio

import structlog

from connector.adapters.gate.authorize import Outcome
from connector.adapters.gate.system import auth_of
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.runtime import Runtime
from connector.domain.identity import ConnectionId
from connector.domain.ports.gate import GateError
from connector.domain.ports.tokens import TokenState
from connector.domain.vendor_error import VendorError

EVERY_S = 600.0
LOOK_AFTER_S = 86400.0

log = structlog.get_logger(__name__)


async def keep_logins(run: Runtime) -> None:
    """Renew what would die unused and look at each login once a day, until cancelled. Each replica does the same: a
    token that was renewed is left alone, a second look costs two calls."""
    looked_at_s: dict[ConnectionId, float] = {}
    while True:
        try:
            for connection, problem in await run.gate.tokens.keep_alive():
                log.warning("login not kept alive", connection=str(connection), error=problem)
            await look(run, looked_at_s)
        except Exception as error:
            log.error("logins", error=str(error), kind=type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def look(run: Runtime, looked_at_s: dict[ConnectionId, float]) -> None:
    """Whether each login may still open the company its connection is pinned to; where not, the connection pauses, and
    is looked at again as soon as it goes on."""
    configured = (await run.configuration.current()).connections
    for row in await PostgresTokenStore(run.engine).all():
        known, now_s = configured.get(row.connection), run.clock.boot_time_s()
        if row.paused:
            looked_at_s.pop(row.connection, None)
            continue
        if known is None or known.paused or row.state is not TokenState.VALID:
            continue
        if not auth_of(known.system).rotating or now_s - looked_at_s.get(row.connection, -LOOK_AFTER_S) < LOOK_AFTER_S:
            continue
        try:
            found = await run.authorisations().check_account(run.gate, row.connection)
        except (GateError, VendorError) as error:
            log.warning("login not looked at", connection=str(row.connection), error=str(error))
            continue
        looked_at_s[row.connection] = now_s
        said = log.info if found.outcome is Outcome.AUTHORISED else log.warning
        said("login", connection=str(row.connection), outcome=found.outcome, message=found.message)
