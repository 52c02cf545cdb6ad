"""Coupa's answers, whatever their shape, and what each of them means."""

import httpx
import pytest

from connector.adapters.http import VendorAnswer
from connector.adapters.systems.coupa.errors import classify
from connector.domain.ports.target import OutcomeKind


def answered(status: int, body: str, *, write: bool = True, **headers: str) -> tuple[OutcomeKind | None, str]:
    answer = VendorAnswer(status, httpx.Headers(headers), body.encode(), "https://example.coupahost.com/api/invoices")
    error = classify(answer, write=write)
    return (None, "") if error is None else (error.kind, error.message)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"errors":{"po-number":["has already been taken"],"base":["No"]}}', "po-number has already been taken; No"),
        ('{"errors":["First","Second"]}', "First; Second"),
        ('{"errors":"Plain"}', "Plain"),
        ('{"errors":{"account":{"segment-1":["is gone"]},"warnings":["never mind"]}}', "segment-1 is gone"),
        ('{"error":"invalid"}', "invalid"),
        ("<html>Bad request</html>", "Coupa answered 400"),
        ('{"errors":{"po-nu', "Coupa answered 400"),
    ],
)
def test_a_refusal_is_told_in_coupas_words_in_whichever_shape_they_come(body: str, words: str) -> None:
    kind, message = answered(400, body)
    assert kind is OutcomeKind.REJECTED
    assert message.endswith(words)


@pytest.mark.parametrize(
    ("status", "body", "on_write", "on_read"),
    [
        (200, '{"id":1}', None, None),
        (200, '{"id":1,"errors":{}}', None, None),
        (200, '{"errors":["no"]}', OutcomeKind.REJECTED, OutcomeKind.REJECTED),
        (400, '{"errors":{"status":["draft cannot be closed"]}}', OutcomeKind.CONFLICT, OutcomeKind.CONFLICT),
        (401, "", OutcomeKind.AUTH_EXPIRED, OutcomeKind.AUTH_EXPIRED),
        (403, "<html>", OutcomeKind.REAUTHORISE, OutcomeKind.REAUTHORISE),
        (404, "<html>", OutcomeKind.CONFLICT, OutcomeKind.CONFLICT),
        (422, '{"errors":{"name":["is long"]}}', OutcomeKind.REJECTED, OutcomeKind.REJECTED),
        (429, "", OutcomeKind.RATE_LIMITED, OutcomeKind.RATE_LIMITED),
        (500, "<html>", OutcomeKind.TRANSIENT, OutcomeKind.TRANSIENT),
        (502, "<html>", OutcomeKind.UNKNOWN, OutcomeKind.TRANSIENT),
        (503, "<html>", OutcomeKind.TRANSIENT, OutcomeKind.TRANSIENT),
        (504, "", OutcomeKind.UNKNOWN, OutcomeKind.TRANSIENT),
    ],
)
def test_only_an_answer_from_between_leaves_a_write_in_doubt(
    status: int, body: str, on_write: OutcomeKind | None, on_read: OutcomeKind | None
) -> None:
    assert answered(status, body)[0] is on_write
    assert answered(status, body, write=False)[0] is on_read


def test_what_coupa_asks_us_to_wait_is_kept() -> None:
    answer = VendorAnswer(429, httpx.Headers({"retry-after": "7"}), b"", "https://example.coupahost.com/api")
    error = classify(answer, write=False)
    assert error is not None
    assert error.retry_after_s == 7
