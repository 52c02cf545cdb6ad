"""The AsyncAPI 3 document of all topics: what is on them, in which shape, and who writes and reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

from connector.adapters.systems import names, room
from connector.adapters.systems.rooms import source_names
from connector.domain.identity import Entity
from connector.domain.ports.log import (
    MAPPING_REJECTED,
    Cleanup,
    Topic,
    canonical_topic,
    catalogue,
    documents_topic,
    webhooks_topic,
)

_DESCRIPTION = (
    "Messages are CloudEvents in binary mode: attributes in `ce_*` headers, the value is the data. Readers pass over "
    "fields they do not know, and take values of enumerations that they do not know as unknown. A deletion is a record "
    "that says so; a null value erases the key."
)
_ATTRIBUTES = {
    "ce_specversion": "always 1.0",
    "ce_id": "equal for equal events",
    "ce_type": "what kind of event it is",
    "ce_source": "tenant/connection",
    "ce_subject": "the message's key",
    "ce_time": "when the source was read, or the webhook received (UTC)",
    "ce_dataschema": "the schema of the value, in contracts/schemas",
    "content-type": "application/json, or what the vendor sent",
    "traceparent": "W3C trace context",
}


def asyncapi() -> Mapping[str, Any]:
    topics = catalogue(names())
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "ml-connector topics", "version": "1", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": dict(_operations()),
        "components": {
            "messageTraits": {
                "cloudevent": {
                    "headers": {
                        "type": "object",
                        "properties": {
                            name: {"type": "string", "description": meaning} for name, meaning in _ATTRIBUTES.items()
                        },
                        "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time"],
                    }
                }
            }
        },
    }


def _channel(topic: Topic) -> Mapping[str, Any]:
    kind = topic.name.partition(".")[0]
    return {
        "address": topic.name,
        "description": _MEANINGS[kind],
        "messages": {"message": _message(topic.name, kind)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": "0.5.0",
            }
        },
    }


_MEANINGS = {
    "webhooks": "Webhooks as received and verified, unread; key tenant/connection; kept 30 days.",
    "documents": "Vendor records as read; key tenant/connection/entity/native id; the last one for ever.",
    "canonical": "Documents in one shape for all systems; key tenant/connection/entity/native id; the last for ever.",
    "mapping": "Where documents lie that could not be translated, and why; kept 30 days.",
}


def _message(topic: str, kind: str) -> Mapping[str, Any]:
    payload: Mapping[str, Any] = {"type": "string", "format": "binary", "description": "the vendor's own bytes"}
    if kind != "webhooks":
        payload = {"$ref": f"schemas/{topic}.json"}
    return {
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }


def _configuration(topic: Topic) -> Mapping[str, Any]:
    milliseconds = 1000
    if topic.cleanup is Cleanup.DELETE:
        kept = {"retention.ms": int(topic.retention.total_seconds() * milliseconds)}
        return {"cleanup.policy": ["delete"], **kept, "max.message.bytes": topic.max_message_bytes}
    return {
        "cleanup.policy": ["compact"],
        "min.compaction.lag.ms": int(topic.min_compaction_lag.total_seconds() * milliseconds),
        "max.compaction.lag.ms": int(topic.max_compaction_lag.total_seconds() * milliseconds),
        "max.message.bytes": topic.max_message_bytes,
    }


def _operations() -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Who sends and receives what, by service."""
    canonical = [canonical_topic(entity) for entity in Entity]
    sent = {
        "ingest": [webhooks_topic(system) for system in names() if hasattr(room(system), "webhook")],
        "mapper": [*canonical, MAPPING_REJECTED],
        **{f"{system}-fetcher": [documents_topic(system)] for system in source_names()},
    }
    received = {
        "mapper": [documents_topic(system) for system in source_names()],
        **{f"{system}-fetcher": [webhooks_topic(system)] for system in source_names()},
        **{f"{system}-writer": canonical for system in names() if getattr(room(system), "FLOWS", ())},
    }
    return [
        (f"{service}.{action}.{topic}", {"action": action, "channel": {"$ref": f"#/channels/{topic}"}})
        for action, of in (("send", sent), ("receive", received))
        for service, topics in sorted(of.items())
        for topic in topics
    ]
