"""Procore's answers that are no data, and what each class of them means. Its error bodies have many shapes."""

from collections.abc import Iterator, Mapping
from typing import Any

from connector.adapters.http import VendorAnswer
from connector.adapters.http.headers import retry_after_s
from connector.domain.ports.target import Json
from connector.domain.reasons import Reason
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

CLASSES: Mapping[int, type[VendorError]] = {
    401: AuthExpired,
    408: VendorUnavailable,
    409: VendorConflict,
    429: RateLimited,
    500: VendorUnavailable,
    503: VendorUnavailable,
}
"""By status. Procore: 409 is a write beside another one on the same object; looking again and repeating is safe."""

BETWEEN = frozenset((502, 504))
"""A proxy's answer: the application behind it may still be working on a write."""

WHOLE_CONNECTION = ("not connected to this company", "Missing Procore-Company-Id")
"""A 403 with these words stops every call; any other concerns one project or tool."""

VENDOR_NOT_IN_PROJECT = "vendor-not-in-project"
CODE_REFUSED = "wbs-code-refused"
WORD_FIELDS = ("message", "reason", "error_description", "error", "detail")
ITEM_CODES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("invoice_number", "taken"): (
        "number-taken-in-target",
        "Another invoice of this vendor has the number in Procore: delete or renumber the wrong one.",
    ),
    ("origin_id", ""): (
        "origin-owned-by-other",
        "Another integration owns the origin id in Procore: end its sync of this object, or leave it to that one.",
    ),
    ("vendor", "directory"): (
        VENDOR_NOT_IN_PROJECT,
        "Add the vendor to the project's directory, or let the service account do so.",
    ),
    ("wbs_code", ""): (
        CODE_REFUSED,
        "Activate the budget code in the project, or change the mapping table costs.",
    ),
    ("direct_cost_type", ""): (
        "subcontractor-invoices-off",
        "Have Procore enable the direct cost type, or choose another cost model for the project.",
    ),
    ("base", "Approved"): ("frozen-in-target", "Set the commitment to Draft in Procore, or allow on_frozen: reopen."),
}
"""(field, part of the message) of a refusal -> our code, and what to do."""


REQUEST_CODES: Mapping[str, tuple[str, str]] = {
    "exceeds the remaining amount": (
        "over-sov",
        "Raise the order at the source, which raises the commitment; the invoice is tried again then.",
    ),
    "open billing period": ("no-open-period", "Open a billing period in Procore, then: connector release."),
    "project is not active": ("project-closed", "Reopen the project in Procore, or map the cost to another one."),
}
"""Part of the message of a refused request -> our code, and what to do."""


def classify(answer: VendorAnswer, *, write: bool) -> VendorError | None:
    """The error an answer stands for; None where it is a success."""
    if answer.status < 300:
        return None
    if answer.status in BETWEEN:
        return _error(UnknownOutcome if write else VendorUnavailable, answer)
    if answer.status == 403 and any(text in " ".join(words_of(_body(answer))) for text in WHOLE_CONNECTION):
        return _error(ReauthorisationNeeded, answer)
    if answer.status in CLASSES:
        return _error(CLASSES[answer.status], answer)
    return _error(VendorUnavailable if answer.status > 500 else Rejected, answer)


def _error(kind: type[VendorError], answer: VendorAnswer) -> VendorError:
    words = "; ".join(dict.fromkeys(words_of(_body(answer))))
    return kind(
        f"Procore answered {answer.status}" + (f": {words}" if words else ""),
        status=answer.status,
        retry_after_s=retry_after_s(answer.headers),
        request_id=answer.headers.get("x-request-id"),
    )


def _body(answer: VendorAnswer) -> Any:
    try:
        return answer.json()
    except VendorUnavailable:
        return None


def words_of(body: Any, field: str = "") -> Iterator[str]:
    """What Procore says, wherever it says it: `errors` as text, list or by field; `error` as text or object."""
    if isinstance(body, str) and body.strip():
        yield f"{field} {body.strip()}".strip()
    elif isinstance(body, list):
        for item in body:
            yield from words_of(item, field)
    elif isinstance(body, Mapping):
        if "errors" in body:
            yield from _by_field(body["errors"])
        for name in WORD_FIELDS:
            yield from words_of(body.get(name))
        for detail in body.get("details") or ():
            yield from words_of(detail)


def _by_field(errors: Any) -> Iterator[str]:
    if isinstance(errors, Mapping):
        for name, value in errors.items():
            yield from words_of(value, "" if name == "base" else str(name))
    elif isinstance(errors, list):
        for item in errors:
            yield from _by_field(item)
    else:
        yield from words_of(errors)


def refusal(item: Json) -> Reason:
    """Why one item of a sync was refused, in Procore's words. A sync answers 200 with such items in it."""
    errors = item.get("errors")
    words = "; ".join(dict.fromkeys(_by_field(errors))) or "no reason given"
    for (field, text), (code, fix) in ITEM_CODES.items():
        said = errors.get(field) if isinstance(errors, Mapping) else None
        if said is not None and text in " ".join(words_of(said)):
            return Reason(code=code, message=f"Procore refused it: {words}.", fix=fix)
    return Reason(code="rejected-by-target", message=f"Procore refused it: {words}.")


def refused_request(error: Rejected) -> Reason:
    """Why Procore refused a request as a whole, in its own words."""
    for text, (code, fix) in REQUEST_CODES.items():
        if text in error.message:
            return Reason(code=code, message=error.message, fix=fix)
    return Reason(code="rejected-by-target", message=error.message)
