"""Who may tell us of changes in Exact."""

import hashlib
import hmac

import pytest

from connector.adapters.systems.exact.webhook import Recipient, Verdict, notices, verify
from connector.domain.identity import Entity
from connector.domain.ports.source import Notice

KEY = "22222222-2222-2222-2222-222222222222"
CONTENT = (
    b'{"Topic":"PurchaseOrders","ClientId":"11111111-1111-1111-1111-111111111111","Division":123456,"Action":"Update",'
    b'"Key":"22222222-2222-2222-2222-222222222222","ExactOnlineEndpoint":"https://start.exactonline.nl/api/v1/123456/'
    b"purchaseorder/PurchaseOrders(guid'22222222-2222-2222-2222-222222222222')\","
    b'"EventCreatedOn":"2025-01-15T10:20:30.123"}'
)
HASH = b"6F092DD4A5DBEEAE1FAEAB2EA89902146CFFE2B3F40DC3E63E2DA2E86BBAD3C9"
RECIPIENT = Recipient(b"whsecret", 123456, "11111111-1111-1111-1111-111111111111")


def body(content: bytes = CONTENT, signature: bytes = HASH) -> bytes:
    return b'{"Content":' + content + b',"HashCode":"' + signature + b'"}'


def signed(content: bytes) -> bytes:
    return body(content, hmac.new(b"whsecret", content, hashlib.sha256).hexdigest().upper().encode())


def test_the_signature_is_over_the_raw_bytes_of_content() -> None:
    assert verify(body(), RECIPIENT) is Verdict.ACCEPTED


def test_while_a_secret_is_replaced_both_count() -> None:
    replaced = Recipient(b"the-new-one", 123456, RECIPIENT.client_id, previous_secret=b"whsecret")
    assert verify(body(), replaced) is Verdict.ACCEPTED
    assert verify(body(), Recipient(b"the-new-one", 123456, RECIPIENT.client_id)) is Verdict.FORGED


@pytest.mark.parametrize(
    "forged",
    [
        body(signature=HASH.lower()),
        body(CONTENT.replace(b"Update", b"Delete")),
        body(CONTENT.replace(b'","', b'", "')),
        b'{"Content":' + CONTENT + b"}",
        body(signature=b""),
        b"{}",
        b"\xff\xfe",
        signed(b"[not json"),
    ],
)
def test_any_other_bytes_are_forged(forged: bytes) -> None:
    assert verify(forged, RECIPIENT) is Verdict.FORGED


def test_the_empty_post_that_tries_the_address_is_no_event() -> None:
    assert verify(b"", RECIPIENT) is Verdict.VALIDATION
    assert notices(b"") == ()


@pytest.mark.parametrize(
    "foreign",
    [CONTENT.replace(b"123456,", b"654321,"), CONTENT.replace(b"11111111-1111", b"99999999-1111"), b"[]"],
)
def test_a_well_signed_notice_for_another_division_or_app_is_foreign(foreign: bytes) -> None:
    assert verify(signed(foreign), RECIPIENT) is Verdict.FOREIGN


def test_a_notice_points_at_its_document_and_tells_a_deletion() -> None:
    assert notices(body()) == (Notice(Entity.PURCHASE_ORDER, KEY),)
    deleted = CONTENT.replace(b"Update", b"Delete").replace(b"PurchaseOrders", b"PurchaseEntries", 1)
    assert notices(signed(deleted)) == (Notice(Entity.INVOICE, KEY, deleted=True),)


@pytest.mark.parametrize(
    "content",
    [
        CONTENT.replace(b'"PurchaseOrders"', b'"Quotations"'),
        CONTENT.replace(KEY.encode(), b"\\u0000"),
        b"[]",
        b'{"Topic":"Accounts"}',
    ],
)
def test_what_points_at_nothing_we_know_gives_nothing(content: bytes) -> None:
    assert notices(signed(content)) == ()
