"""Basware's representation: JSON with double amounts, error bodies, and the refusals that carry them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import orjson
from starlette.responses import Response

from .schema import Problem, Table, iso, said, with_nulls
from .settings import BaswareSettings
from .store import Record

OFFERED = ("text/plain", "application/json", "text/json")
"""The documented order: who accepts anything gets JSON labelled as text."""

ErrorType = Literal["BUSINESS", "VALIDATION", "TECHNICAL", "SECURITY"]


class RefusalError(Exception):
    """A request that ends here with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def encode(value: Any, settings: BaswareSettings) -> bytes:
    zone = "" if settings.zoneless_dates else "Z"

    def other(item: Any) -> Any:
        if isinstance(item, Decimal):
            return float(item)
        if isinstance(item, datetime):
            return iso(item, zone=zone)
        raise TypeError(f"{type(item).__name__} has no representation")

    return orjson.dumps(value, default=other, option=orjson.OPT_PASSTHROUGH_DATETIME)


def media_type(accept: str | None, settings: BaswareSettings) -> str:
    """The first offered type that the client accepts."""
    if settings.mislabel_json:
        return OFFERED[0]
    ranges = [part.split(";")[0].strip().casefold() for part in (accept or "*/*").split(",")]
    for offered in OFFERED:
        if "*/*" in ranges or offered in ranges or f"{offered.split('/')[0]}/*" in ranges:
            return offered
    return OFFERED[1]


def shown(record: Record, table: Table, settings: BaswareSettings) -> dict[str, Any]:
    """The record's fields with lastUpdated, and with nulls where that is asked for."""
    fields = {**record.fields, "lastUpdated": moment(record.last_updated_ms)}
    return with_nulls(table, fields) if settings.null_fields else fields


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def plain_json(status: int, body: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(dict(body)), status, media_type="application/json")


def empty(status: int) -> Response:
    """401, 404 and 405 have no documented body."""
    return Response(status_code=status)


def gateway(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The short form of answers given before the request reaches the resource."""
    return Response(orjson.dumps({"message": message}), status, dict(headers or {}), "application/json")


def p2p_error(
    request_id: str, status: int, type_: ErrorType, code: str, message: str, external_code: str | None = None
) -> Response:
    error = {"externalCode": external_code, "type": type_, "code": code, "message": message, "info": None}
    return plain_json(status, {"requestId": request_id, "hasErrors": True, "errors": [error]})


def schema_errors(request_id: str, found: list[tuple[str | None, list[Problem]]]) -> Response:
    """One VALIDATION error per faulty record."""
    errors = [
        {
            "externalCode": code,
            "type": "VALIDATION",
            "code": "SCHEMA_VALIDATION_ERROR",
            "message": said(problems),
            "info": None,
        }
        for code, problems in found
    ]
    return plain_json(400, {"requestId": request_id, "hasErrors": True, "errors": errors})


def parameter_error(request_id: str, message: str) -> Response:
    return p2p_error(request_id, 400, "VALIDATION", "PARAMETER_VALIDATION_ERROR", message)


def push_error(request_id: str, message: str, code: str = "SCHEMA_VALIDATION_ERROR") -> Response:
    """The subscription endpoints' own form: `hasError` in the singular, `errorMessages`."""
    errors = [{"type": "VALIDATION", "code": code, "message": message}]
    return plain_json(400, {"requestId": request_id, "hasError": True, "errorMessages": errors})
