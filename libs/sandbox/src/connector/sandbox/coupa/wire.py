"""Answers and payloads: JSON by default, XML where it is asked for, and the shapes of every error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from starlette.responses import Response

from . import xml

HTML_NOT_FOUND = "<!DOCTYPE html><html><head><title>Not found</title></head><body><h1>Not found</h1></body></html>"


@dataclass
class ApiError(Exception):
    """An answer other than success. `errors` is what stands under "errors" in JSON."""

    status: int
    errors: Mapping[str, list[str]]
    headers: dict[str, str] = field(default_factory=dict)


def not_found() -> ApiError:
    return ApiError(404, {"base": ["The requested resource was not found."]})


def bad_request(message: str) -> ApiError:
    return ApiError(400, {"base": [message]})


def wants_xml(accept: str, content_type: str) -> bool:
    """Accept decides; without one the payload's own type does."""
    if "json" in accept:
        return False
    return "xml" in accept or (accept in ("", "*/*") and "xml" in content_type)


def parse_payload(body: bytes, content_type: str) -> dict[str, Any]:
    """One object; an empty body is an empty object."""
    if not body.strip():
        return {}
    if "xml" in content_type:
        try:
            return xml.decode(body)
        except ValueError:
            raise bad_request("The XML could not be parsed.") from None
    try:
        payload = json.loads(body, parse_float=Decimal)
    except ValueError:
        raise bad_request("The JSON could not be parsed.") from None
    if not isinstance(payload, dict):
        raise bad_request("The body must be one object.")
    return payload


def answer(status: int, root: str, value: dict[str, Any] | list[Any] | None, *, as_xml: bool) -> Response:
    """The object or list, or an empty body for None."""
    if value is None:
        return Response(status_code=status)
    if as_xml:
        return Response(xml.encode(root, value), status, media_type="application/xml")
    return Response(json_text(value), status, media_type="application/json")


def error_answer(error: ApiError, *, as_xml: bool, html_not_found: bool) -> Response:
    if error.status == 404 and html_not_found:
        return Response(HTML_NOT_FOUND, 404, media_type="text/html")
    if as_xml:
        texts = [text if name == "base" else f"{name} {text}" for name, many in error.errors.items() for text in many]
        return Response(xml.encode_errors(texts), error.status, error.headers, media_type="application/xml")
    return Response(json_text({"errors": error.errors}), error.status, error.headers, media_type="application/json")


def json_text(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """Numbers inside free-form objects."""
    return float(value) if isinstance(value, Decimal) else str(value)
