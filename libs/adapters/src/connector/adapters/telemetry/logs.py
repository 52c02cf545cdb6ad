"""Structured logs, one JSON object a line, in which secrets by type never appear."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import SecretBytes, SecretStr

from connector.domain.secret import Secret

_HIDDEN = (Secret, SecretStr, SecretBytes)


def configure_logs(service: str, *, level: str = "INFO") -> None:
    """Send this process's logs, those of libraries too, to standard error as JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _named(service),
        redacted,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx", "alembic"):  # httpx tells every request, with the address as it is
        logging.getLogger(chatty).setLevel(logging.WARNING)


def redacted(_: object, __: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """A structlog processor: secrets become `***` at any depth, before anything renders them."""
    return {key: _redact(value) for key, value in event.items()}


def _redact(value: Any) -> Any:
    if isinstance(value, _HIDDEN):
        return "***"
    if isinstance(value, Mapping):
        return {key: _redact(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_redact(inner) for inner in value) if type(value) in (list, tuple) else value
    return value


def _named(service: str) -> Any:
    def add(_: object, __: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        return event

    return add
