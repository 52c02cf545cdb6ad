"""The life of a service's process: logs and traces on, health served, SIGTERM drains, the exit code means something."""

import asyncio
import ctypes
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
import uvloop
from pydantic_settings import BaseSettings, SettingsConfigDict

from connector.adapters.telemetry.health import Check, Health, serving
from connector.adapters.telemetry.logs import configure_logs
from connector.adapters.telemetry.tracing import tracing

COLLECT_AFTER = 50_000
"""Objects made and not freed until garbage is looked for; Python's own 700 are a few documents."""

LARGE_BYTES = 128 * 1024
"""Buffers from this size on are given back to the machine when they are freed."""
_MMAP_THRESHOLD = -3
"""glibc's M_MMAP_THRESHOLD: setting it ends the learning."""

log = structlog.get_logger(__name__)


class ProcessSettings(BaseSettings):
    """The `CONNECTOR_*` environment every service shares. Without a health port there is no health server."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_", frozen=True)

    health_host: str = "0.0.0.0"  # noqa: S104 (probes and scrapers come from outside the pod)
    health_port: int | None = None
    log_level: str = "INFO"


def collect_rarely() -> None:
    """What was imported stays, and a batch of parsed documents is young but no garbage: going through all of that again
    and again took up to half of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def give_back_large_buffers() -> None:
    """Batches and Kafka's buffers are large and short-lived. glibc learns from them to keep such memory on its heap,
    where what is small and stays holds it for good: a loaded mapper kept twice as much."""
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, LARGE_BYTES)


def run_service(name: str, main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run a service until it ends or is told to end by SIGTERM or SIGINT; the exit code: 0 drained, 1 failed."""
    give_back_large_buffers()
    configure_logs(name, level=ProcessSettings().log_level)
    collect_rarely()
    with tracing(name), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_until_told(main))
        except asyncio.CancelledError:
            log.info("drained")
        except Exception:
            log.exception("failed")
            return 1
    return 0


async def _until_told(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.ensure_future(main())
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, task.cancel)
    await task


@asynccontextmanager
async def health(checks: Mapping[str, Check]) -> AsyncIterator[None]:
    """Serve a service's health on its configured port for the time of the context."""
    settings = ProcessSettings()
    if settings.health_port is None:
        yield
        return
    async with serving(Health(checks), host=settings.health_host, port=settings.health_port) as port:
        log.info("health served", port=port)
        yield
