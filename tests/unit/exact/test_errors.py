"""What Exact's answers mean, by status and words together."""

import json

import pytest

from connector.adapters.http import VendorAnswer
from connector.adapters.systems.exact.errors import classify
from connector.domain.vendor_error import (
    AuthExpired,
    RateLimited,
    ReauthorisationNeeded,
    Rejected,
    VendorUnavailable,
)


def answer(status: int, words: str | None = None, *, body: bytes | None = None, reason: str = "") -> VendorAnswer:
    told = {"error": {"code": "", "message": {"lang": "", "value": words}}}
    content = body if body is not None else b"" if words is None else json.dumps(told).encode()
    return VendorAnswer(status, {"reason": reason} if reason else {}, content, "https://start.exactonline.nl/x")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(500, "Mandatory: Relationship\nInvalid reference: Cost unit"), Rejected),
        (answer(500, "Gegeven bestaat reeds."), Rejected),
        (answer(500, "A problem has occurred. The cause of this issue will be investigated."), VendorUnavailable),
        (answer(500), VendorUnavailable),
        (answer(500, body=b"<html><body>Runtime Error</body></html>"), VendorUnavailable),
        (answer(503), VendorUnavailable),
        (answer(429), RateLimited),
        (answer(401), AuthExpired),
        (answer(403, reason="NoDivisionAccess"), ReauthorisationNeeded),
        (answer(403, "Forbidden - Application Scope Violated."), ReauthorisationNeeded),
        (answer(400, "Bad Request - Error in query syntax."), Rejected),
    ],
)
def test_an_answer_is_classified_by_status_and_words(given: VendorAnswer, kind: type[Exception]) -> None:
    assert type(classify(given)) is kind


def test_the_vendors_words_reach_the_reader_of_the_error() -> None:
    error = classify(answer(500, "Invalid: Journal (type)"))
    assert "Invalid: Journal (type)" in str(error)
    assert "NoDivisionAccess" in str(classify(answer(403, reason="NoDivisionAccess")))


def test_a_success_is_no_error() -> None:
    assert classify(answer(200)) is None
