"""Basware's answers that are no data, and what each class of them means."""

from collections.abc import Iterator, Mapping
from typing import Any

from connector.adapters.http import VendorAnswer
from connector.adapters.http.headers import retry_after_s
from connector.domain.vendor_error import (
    AuthExpired,
    RateLimited,
    ReauthorisationNeeded,
    Rejected,
    VendorConflict,
    VendorError,
    VendorUnavailable,
)

CONFLICT_CODES = ("CONFLICT_IN_POST",)
"""A record with this external code is there already."""

CLASSES: Mapping[int, type[VendorError]] = {
    401: AuthExpired,
    403: ReauthorisationNeeded,
    405: VendorConflict,
    408: VendorUnavailable,
    409: VendorConflict,
    429: RateLimited,
}
"""Basware: 405 on an acknowledgement means that it was given before. 403 is a scope the client lacks."""


def classify(answer: VendorAnswer) -> VendorError | None:
    """The error an answer stands for, None where it is a success or a redirect."""
    if answer.status < 400:
        return None
    told = list(_errors(_body(answer)))
    words = "; ".join(message for _, message in told if message)
    error = _class_of(answer.status, [code for code, _ in told])
    return error(
        f"{answer.url} answered {answer.status}" + (f": {words}" if words else ""),
        status=answer.status,
        retry_after_s=retry_after_s(answer.headers),
        request_id=answer.headers.get("x-amzn-requestid"),
    )


def _class_of(status: int, codes: list[str]) -> type[VendorError]:
    if status in CLASSES:
        return CLASSES[status]
    if status == 400 and any(code in CONFLICT_CODES for code in codes):
        return VendorConflict
    return VendorUnavailable if status >= 500 else Rejected


def _body(answer: VendorAnswer) -> Any:
    try:
        return answer.json()
    except VendorUnavailable:
        return None


def _errors(body: Any) -> Iterator[tuple[str, str]]:
    """(code, message) of the shapes Basware uses: `errors` or `errorMessages` lists, `message`, `detail`, `error`."""
    if not isinstance(body, Mapping):
        return
    for name in ("errors", "errorMessages", "detail"):
        listed = body.get(name)
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, Mapping):
                yield str(item.get("code") or ""), str(item.get("message") or item.get("msg") or "")
    for name in ("message", "detail", "error_description"):
        if isinstance(body.get(name), str):
            yield "", body[name]
