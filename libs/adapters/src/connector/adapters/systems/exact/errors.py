"""Exact's answers that are no data, and what each class of them means."""

from collections.abc import Mapping
from typing import Any

from connector.adapters.http import VendorAnswer
from connector.domain.vendor_error import (
    AuthExpired,
    RateLimited,
    ReauthorisationNeeded,
    Rejected,
    VendorError,
    VendorUnavailable,
)

FUNCTIONAL_TEXTS = (
    "Mandatory",
    "Required",
    "Invalid",
    "Unknown",
    "Not allowed",
    "In use",
    "Already exists",
    "Data already exists",
    "Gegeven bestaat reeds",
    "Can't delete",
    "Supplier (type)",
)
"""Exact reports validation as HTTP 500; a message that begins so is final (Dutch users get the Dutch text)."""

GENERIC_TEXTS = ("A problem has occurred", "An error occurred", "An error has occurred")
"""A 500 with one of these, or with no message, is a crash at Exact: worth another try."""

DUPLICATE_TEXTS = ("Already exists", "Data already exists", "Gegeven bestaat reeds")

STOPPING_REASONS = frozenset(
    ("BlockedUser", "InactiveUser", "BlockedCustomer", "LicenseExpired", "DivisionBlocked", "NoDivisionAccess")
)
"""Values of the `Reason` header of a 403."""


def message_of(answer: VendorAnswer) -> str:
    """The vendor's own words: `error.message.value`, else the Reason header, else nothing."""
    words = _body_message(answer)
    return words or answer.headers.get("reason", "")


def _body_message(answer: VendorAnswer) -> str:
    try:
        body = answer.json()
    except VendorUnavailable:
        return ""
    return message_in(body)


def message_in(body: Any) -> str:
    """`error.message.value` of a parsed body (a 200 can carry one too)."""
    error = body.get("error") if isinstance(body, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else None
    value = message.get("value") if isinstance(message, Mapping) else message
    return value.strip() if isinstance(value, str) else ""


def classify(answer: VendorAnswer) -> VendorError | None:
    """The error an answer stands for, by status and words together; None where it is a success."""
    if answer.status < 300:
        return None
    words = message_of(answer)
    told = f"{answer.url} answered {answer.status}" + (f": {words}" if words else "")
    request_id = answer.headers.get("x-request-id")
    return _class_of(answer.status, words)(told, status=answer.status, request_id=request_id)


def _class_of(status: int, words: str) -> type[VendorError]:
    if status == 401:
        return AuthExpired
    if status == 403:
        return ReauthorisationNeeded  # rights, scope, module or licence: only a person can help
    if status == 429:
        return RateLimited
    if status == 500:
        return functional_class(words)
    if status in (408, 502, 503, 504) or status > 500:
        return VendorUnavailable
    return Rejected


def functional_class(words: str) -> type[VendorError]:
    """Final where Exact says something specific, transient where it only says that something went wrong."""
    if words and not words.startswith(GENERIC_TEXTS):
        return Rejected
    return VendorUnavailable
