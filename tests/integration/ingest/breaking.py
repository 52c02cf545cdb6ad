"""ingest, whose producer fails for good at SIGUSR1."""

import asyncio
import signal
import sys
from typing import Self
from unittest.mock import patch

from connector.adapters.kafka import log
from connector.adapters.kafka.producer import KafkaProducer
from connector.adapters.telemetry.process import run_service
from connector.ingest.__main__ import SERVICE, main
from tests.breaking import fail_for_good


class Breaking(KafkaProducer):
    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, fail_for_good, self._client)
        return await super().__aenter__()


if __name__ == "__main__":
    with patch.object(log, "KafkaProducer", Breaking):
        sys.exit(run_service(SERVICE, main))
