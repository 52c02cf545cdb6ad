"""The environment variables that the code reads, as the code itself names them."""

from pydantic_settings import BaseSettings

from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.runtime import RuntimeSettings
from connector.adapters.telemetry.process import ProcessSettings
from connector.ingest.__main__ import IngestSettings


def _of(settings: type[BaseSettings]) -> set[str]:
    prefix = str(settings.model_config.get("env_prefix", ""))
    return {f"{prefix}{name}".upper() for name in settings.model_fields}


SERVICES = frozenset().union(
    *(_of(settings) for settings in (KafkaSettings, RuntimeSettings, ProcessSettings, IngestSettings)),
    {"CONNECTOR_ORDINAL", "CONNECTOR_KEY_RING", "OTEL_EXPORTER_OTLP_ENDPOINT"},
)
"""Of services and of the command."""
VARIABLES = SERVICES | {"CONNECTOR_ACTOR", "CONNECTOR_PARTS", "CONNECTOR_CACHE", "JAVA_HOME"}
"""With those of people and of developers' machines."""
