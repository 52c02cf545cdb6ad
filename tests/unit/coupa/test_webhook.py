"""Who may tell us that something changed in Coupa."""

import base64
import hashlib
import hmac

import pytest

from connector.adapters.systems.coupa.settings import Signature
from connector.adapters.systems.coupa.webhook import Verifier, notices
from connector.domain.identity import Entity
from connector.domain.ports.source import Notice
from connector.domain.secret import Secret

BODY = b'{"id":"1","event":"supplier.updated","object":{"type":"Supplier","id":123}}'
NOW_S = 1_772_438_400


def verifier(**signature: object) -> Verifier:
    return Verifier(Signature.model_validate(signature), Secret("shh"), lambda: float(NOW_S))


def signed(body: bytes, stamp: str = str(NOW_S)) -> dict[str, str]:
    made = hmac.new(b"shh", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x-coupa-timestamp": stamp, "X-COUPA-SIGNATURE": f"sha256={made}"}


def test_a_signed_notice_points_at_its_object() -> None:
    assert verifier().verify(signed(BODY), BODY).publish
    assert notices(BODY) == [Notice(Entity.SUPPLIER, "123")]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        (signed(BODY), BODY + b" "),
        (signed(BODY, str(NOW_S - 301)), BODY),
        (signed(BODY, ""), BODY),
        (signed(BODY, "9" * 400), BODY),
        (signed(BODY, "9" * 5_000), BODY),
        ({**signed(BODY), "x-coupa-timestamp": str(NOW_S - 1)}, BODY),
    ],
    ids=["unsigned", "another body", "too old", "no time", "too long", "far too long", "another time"],
)
def test_any_doubt_is_a_refusal(headers: dict[str, str], body: bytes) -> None:
    verdict = verifier().verify(headers, body)
    assert (verdict.status, verdict.publish) == (401, False)


def test_an_instance_may_sign_in_base64_and_without_a_time() -> None:
    made = base64.b64encode(hmac.new(b"shh", BODY, hashlib.sha256).digest()).decode()
    plain = verifier(header="X-Sig", prefix="", encoding="base64", timestamp_header=None)
    assert plain.verify({"x-sig": made}, BODY).publish


@pytest.mark.parametrize("body", [b"[]", b'{"object":{"type":"Expense","id":1}}', b'{"object":{"type":"Supplier"}}'])
def test_a_notice_of_nothing_we_keep_points_nowhere(body: bytes) -> None:
    assert notices(body) == []
