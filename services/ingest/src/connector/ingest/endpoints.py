"""Which webhook address is whose: from the configuration and the vault, kept while the database is away."""

import asyncio
from collections.abc import Mapping

import structlog

from connector.adapters.postgres.configuration import PostgresConfiguration
from connector.adapters.systems import room
from connector.adapters.vault import Vault
from connector.domain.identity import ConnectionId
from connector.domain.ports.configuration import Connection
from connector.domain.ports.vault import VaultError
from connector.ingest.app import Endpoint, Ingest

LOOK_AGAIN_S = 5.0

log = structlog.get_logger(__name__)


class Endpoints:
    """Reads every endpoint with its verifier. Credentials are applied before the epoch that uses them rises."""

    def __init__(self, configuration: PostgresConfiguration, vault: Vault) -> None:
        self._configuration = configuration
        self._vault = vault
        self.epoch = 0

    async def read(self) -> Mapping[str, Endpoint]:
        snapshot = await self._configuration.current()
        found: dict[str, Endpoint] = {}
        for endpoint_id, connection in (await self._configuration.endpoints()).items():
            known = snapshot.connections.get(connection)
            endpoint = None if known is None else await self._endpoint(connection, known)
            if endpoint is not None:
                found[endpoint_id] = endpoint
        self.epoch = snapshot.epoch
        return found

    async def _endpoint(self, connection: ConnectionId, known: Connection) -> Endpoint | None:
        """None where the system has no webhooks, or this connection's secret cannot be had: then nothing is let in."""
        verifier_of = getattr(room(known.system), "webhook", None)
        if verifier_of is None:
            return None
        try:
            secrets = await self._vault.credentials(connection)
            return Endpoint(connection, known.system, verifier_of(known.settings, secrets))
        except (VaultError, KeyError, ValueError) as error:
            log.error("webhooks are refused", connection=str(connection), error=str(error))
            return None

    async def keep_current(self, ingest: Ingest) -> None:
        """Replace the endpoints whenever a configuration is applied; an unreadable database leaves them as they are."""
        while True:
            try:
                await self._configuration.changed(self.epoch, LOOK_AGAIN_S)
                if (await self._configuration.current()).epoch != self.epoch:
                    ingest.endpoints = await self.read()
            except Exception as error:
                log.warning("endpoints stay as they were", error=str(error))
                await asyncio.sleep(1.0)
