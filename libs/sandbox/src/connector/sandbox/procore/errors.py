"""What goes wrong, and the many shapes in which the vendor says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FieldErrors = dict[str, list[str]]

SNAKE_OF_STATUS = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    409: "CONFLICT",
    413: "CONTENT_TOO_LARGE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    503: "SERVICE_UNAVAILABLE",
}
REASON_OF_STATUS = {401: "INVALID_TOKEN", 403: "FORBIDDEN", 429: "TOO_MANY_REQUESTS"}


class Invalid(Exception):
    """A business rule refused an object: 422 on a single write, an entry of `errors` in a sync."""

    def __init__(self, **errors: str) -> None:
        super().__init__(errors)
        self.errors: FieldErrors = {name: [message] for name, message in errors.items()}

    @classmethod
    def of(cls, errors: FieldErrors) -> "Invalid":
        refusal = cls()
        refusal.errors = errors
        return refusal

    def __str__(self) -> str:
        return "; ".join(f"{name}: {', '.join(messages)}" for name, messages in self.errors.items())


@dataclass(slots=True)
class ApiError(Exception):
    """A request-level refusal."""

    status: int
    message: str
    errors: FieldErrors = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.message}"


SHAPE_OF_FAMILY = {
    # family: (400/401/403/404/406, 422)
    "commitments": ("b", "a"),
    "direct_costs": ("b", "a"),
    "requisitions": ("b", "list"),
    "budget": ("b", "f"),
    "costs": ("c", "a"),
    "directory": ("c", "e"),
    "taxes": ("a", "a"),
    "webhooks": ("c", "c"),
}


def body_of(error: ApiError, family: str, forced: str) -> Any:
    """The body an endpoint of `family` answers with; `forced` overrides the shape on v1."""
    if family == "v2":
        return _v2(error)
    if forced:
        return _shaped(error, forced)
    if error.status == 409:
        return {"message": error.message}
    if error.status == 413:
        return {"errors": error.message}
    if error.status == 429:
        return _shaped(error, "c")
    refused, invalid = SHAPE_OF_FAMILY.get(family, ("c", "a"))
    return _shaped(error, invalid if error.status == 422 else refused)


def _v2(error: ApiError) -> Any:
    reason = REASON_OF_STATUS.get(error.status, "INVALID_PARAMETER")
    details = [
        {"reason_code": reason, "message": message, "source": name}
        for name, messages in error.errors.items()
        for message in messages
    ] or [{"reason_code": reason, "message": error.message, "source": ""}]
    return {"error": {"code": SNAKE_OF_STATUS.get(error.status, "ERROR"), "message": error.message, "details": details}}


def _shaped(error: ApiError, shape: str) -> Any:
    pairs = [(name, message) for name, messages in error.errors.items() for message in messages]
    text = "; ".join(f"{name}: {message}" for name, message in pairs) or error.message
    code = SNAKE_OF_STATUS.get(error.status, "ERROR")
    if shape == "a":
        return {"errors": error.errors or {"base": [error.message]}}
    if shape == "b":
        return {"code": error.status, "message": text, "fields": ",".join(error.errors), "reason": code.lower()}
    if shape == "e":
        return {"error": {"reason": text}}
    if shape == "f":
        return {"message": text, "error": code.lower()}
    if shape == "list":
        return {"errors": [{name: message} for name, message in pairs] or [{"message": error.message}]}
    if shape == "text":
        return {"errors": text}
    details = [{"code": code.lower(), "message": message, "source": name} for name, message in pairs]
    return {"error": {"code": code, "message": text, "details": details}}
