"""The OpenAPI document of ingest."""

from collections.abc import Mapping
from typing import Any

WEBHOOK_CAP_BYTES = 262_144


def ingest_openapi() -> Mapping[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ml-connector ingest",
            "version": "1",
            "description": "Receives vendors' webhooks, and takes people back from a vendor's consent page.",
        },
        "paths": {
            "/webhooks/{endpoint}": {"post": _webhook()},
            "/oauth/start/{invitation}": {"get": _start()},
            "/oauth/callback": {"get": _callback()},
            "/livez": {"get": _plain("Whether the process answers", {"200": "it does"})},
            "/readyz": {"get": _plain("Whether it can work", {"200": "it can", "503": "what stands in the way"})},
            "/metrics": {"get": _plain("Prometheus metrics", {"200": "metrics"})},
            "/openapi.json": {"get": _plain("This document", {"200": "the document"})},
        },
    }


def _webhook() -> Mapping[str, Any]:
    return {
        "operationId": "receiveWebhook",
        "summary": "A vendor's delivery, judged over its raw bytes and stored before it is acknowledged",
        "parameters": [_path("endpoint", "the unguessable id of one connection")],
        "requestBody": {"required": False, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        "responses": {
            "200": {"description": "All replicas of the log hold it; or a vendor's unsigned trial of the address"},
            "202": {"description": "As 200, for vendors that expect it"},
            "401": {"description": "Not signed by whom it should be, or for another company"},
            "404": {"description": "No such endpoint"},
            "405": {"description": "POST only", "headers": {"allow": {"schema": {"type": "string"}}}},
            "413": {"description": f"More than {WEBHOOK_CAP_BYTES} bytes"},
            "503": {
                "description": "Not stored: deliver again",
                "headers": {"retry-after": {"schema": {"type": "integer"}, "description": "seconds"}},
            },
        },
    }


def _start() -> Mapping[str, Any]:
    return {
        "operationId": "startLogin",
        "summary": "Send a person's browser to the vendor's consent page; the link is good once and for 15 minutes",
        "parameters": [_path("invitation", "as `connector authorize` gave it")],
        "responses": {
            "303": {"description": "To the vendor, with a cookie that binds the login to this browser"},
            "400": {"description": "The link is unknown, used or expired; the page says what to do"},
        },
    }


def _callback() -> Mapping[str, Any]:
    query = [
        {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}
        for name, meaning in (("state", "ours"), ("code", "the vendor's"), ("error", "the vendor's, where it refuses"))
    ]
    return {
        "operationId": "finishLogin",
        "summary": "Where the vendor sends the browser back to; the page says what happened and what is next",
        "parameters": query,
        "responses": {"200": {"description": "Authorised"}, "400": {"description": "Not authorised, and why"}},
    }


def _plain(summary: str, responses: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "summary": summary,
        "responses": {status: {"description": meaning} for status, meaning in responses.items()},
    }


def _path(name: str, meaning: str) -> Mapping[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": meaning}
