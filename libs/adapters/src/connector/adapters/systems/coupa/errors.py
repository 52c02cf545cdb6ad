"""Coupa's answers that are no data, and what each class of them means."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.adapters.http import VendorAnswer
from connector.adapters.http.headers import retry_after_s
from connector.domain.vendor_error import (
    AuthExpired,
    RateLimited,
    ReauthorisationNeeded,
    Rejected,
    UnknownOutcome,
    VendorConflict,
    VendorError,
    VendorUnavailable,
)

TAKEN = "has already been taken"
"""How Coupa's validations speak of a number, name or code that must be unique. Not documented."""

CLASSES: Mapping[int, type[VendorError]] = {
    401: AuthExpired,
    403: ReauthorisationNeeded,
    404: VendorConflict,
    408: VendorUnavailable,
    409: VendorConflict,
    429: RateLimited,
    500: VendorUnavailable,
    503: VendorUnavailable,
}
"""By status. A 500 is the application's own answer, so nothing is still under way: look and try again. A 403 is a
missing scope or permission, which only a person can give."""

BETWEEN = frozenset((502, 504))
"""A proxy's answer: the application behind it may still be working on a write."""

STATE_ATTRIBUTES = frozenset(("status", "state"))
"""Validations of these say that the object is not in the state the request supposed."""


def classify(answer: VendorAnswer, *, write: bool) -> VendorError | None:
    """The error an answer stands for; None where it is a success, so far as the status and its words say."""
    body = _body(answer)
    if answer.status < 300:
        words = list(words_of(body.get("errors"))) if isinstance(body, Mapping) else []
        return _error(Rejected, answer, words) if words else None
    if answer.status in BETWEEN or (answer.status > 500 and answer.status not in CLASSES):
        return _error(UnknownOutcome if write else VendorUnavailable, answer, ())
    known = CLASSES.get(answer.status)
    if known is not None:
        return _error(known, answer, list(words_in(body)))
    named = body.get("errors") if isinstance(body, Mapping) else None
    stated = isinstance(named, Mapping) and bool(STATE_ATTRIBUTES & set(named))
    return _error(VendorConflict if stated else Rejected, answer, list(words_in(body)))


def _error(kind: type[VendorError], answer: VendorAnswer, words: Sequence[str]) -> VendorError:
    told = f"Coupa answered {answer.status}" + (f": {'; '.join(words)}" if words else "")
    return kind(
        told,
        status=answer.status,
        retry_after_s=retry_after_s(answer.headers),
        request_id=answer.headers.get("x-request-id"),
    )


def _body(answer: VendorAnswer) -> Any:
    try:
        return answer.json()
    except VendorUnavailable:
        return None


def words_in(body: Any) -> Iterator[str]:
    """What Coupa says under `errors` or `error`; nothing where the body is no JSON."""
    if isinstance(body, Mapping):
        yield from words_of(body.get("errors"))
        yield from words_of(body.get("error"))


def words_of(errors: Any, attribute: str = "") -> Iterator[str]:
    """Messages, each with its attribute: Coupa gives text, a list, or lists by attribute; `warnings` are none."""
    if isinstance(errors, str) and errors.strip():
        yield f"{attribute} {errors.strip()}".strip()
    elif isinstance(errors, list):
        for item in errors:
            yield from words_of(item, attribute)
    elif isinstance(errors, Mapping):
        for name, value in errors.items():
            if name != "warnings":
                yield from words_of(value, "" if name in ("base", "error") else str(name))
