"""JSON Schema of every topic's value, made from the models."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from connector.adapters.systems.rooms import source_names
from connector.domain.documents.envelope import RECORDS, SourceDocument
from connector.domain.mapping.mapper import MappingRejected

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def topic_schemas() -> Mapping[str, Schema]:
    """By the name that a message's `ce_dataschema` gives. Webhooks have none: their value is the vendor's own bytes."""
    documents = {f"documents.{system}.json": _published(SourceDocument) for system in source_names()}
    canonical = {f"canonical.{entity}.v1.json": _published(record) for entity, record in RECORDS.items()}
    return {**documents, **canonical, "mapping.rejected.json": _published(MappingRejected)}


def _published(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema(mode="validation")
    return {"$schema": DIALECT, **_open(schema)}


def _open(node: Any) -> Any:
    """Readers take what they know and pass over the rest, so that a field can be added without breaking anybody."""
    if isinstance(node, dict):
        return {
            name: _open(value)
            for name, value in node.items()
            if not (name == "additionalProperties" and value is False)
        }
    if isinstance(node, list):
        return [_open(item) for item in node]
    return node
