"""ingest over real HTTP: who is let in, what is refused, and that 200 means stored."""

import hashlib
import hmac
import json
import signal
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from .conftest import CLIENT_ID, DIVISION, SECRET, Receiver


def signed(*, division: int = DIVISION, key: str = "22222222-2222-2222-2222-222222222222", pad: int = 0) -> bytes:
    content = json.dumps(
        {"Topic": "PurchaseOrders", "ClientId": CLIENT_ID, "Division": division, "Action": "Update", "Key": key}
        | ({"Pad": "x" * pad} if pad else {}),
        separators=(",", ":"),
    ).encode()
    signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest().upper().encode()
    return b'{"Content":' + content + b',"HashCode":"' + signature + b'"}'


def test_what_is_acknowledged_is_in_the_log_byte_by_byte(ingest: Receiver) -> None:
    before = len(ingest.stored())
    answer = httpx.post(ingest.webhook_url, content=signed(), headers={"content-type": "application/json"})
    assert answer.status_code == 200
    stored = ingest.stored()
    assert len(stored) == before + 1
    message = next(message for message in stored if message.value() == signed())
    headers = dict(message.headers() or [])
    assert message.key() == b"acme/exact"
    assert headers["ce_type"] == b"connector.webhook.v1"
    assert str(headers["traceparent"]).count("-") == 3


def test_a_trace_goes_on_where_the_sender_began_one(ingest: Receiver) -> None:
    begun = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = signed(key="33333333-3333-3333-3333-333333333333")
    assert httpx.post(ingest.webhook_url, content=body, headers={"traceparent": begun}).status_code == 200
    message = next(message for message in ingest.stored() if message.value() == body)
    assert dict(message.headers() or [])["traceparent"] == begun.encode()


@pytest.mark.parametrize(
    "body",
    [
        signed().replace(b"Update", b"Delete"),
        signed(division=654321),
        b"{}",
        b"not json",
        b"\xff" * 100,
    ],
    ids=["changed", "of another company", "unsigned", "no JSON", "no text"],
)
def test_on_any_doubt_nothing_is_let_in(ingest: Receiver, body: bytes) -> None:
    before = len(ingest.stored())
    assert httpx.post(ingest.webhook_url, content=body).status_code == 401
    assert len(ingest.stored()) == before


def test_the_vendors_empty_trial_is_answered_and_not_stored(ingest: Receiver) -> None:
    before = len(ingest.stored())
    assert httpx.post(ingest.webhook_url).status_code == 200
    assert len(ingest.stored()) == before


def test_an_unknown_endpoint_is_404_and_another_method_405(ingest: Receiver) -> None:
    assert httpx.post(f"{ingest.base_url}/webhooks/guessed", content=signed()).status_code == 404
    assert httpx.get(ingest.webhook_url).status_code == 405


def test_a_body_above_the_cap_is_refused_before_it_is_sent(ingest: Receiver) -> None:
    address = urlsplit(ingest.webhook_url)
    head = f"POST {address.path} HTTP/1.1\r\nhost: here\r\ncontent-length: 1000000000\r\n\r\n"
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=5) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_stream_above_the_cap_is_cut_off(ingest: Receiver) -> None:
    """No length is announced: it is refused once more than the cap has come, long before the end."""
    address = urlsplit(ingest.webhook_url)
    head = f"POST {address.path} HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=5) as connection:
        connection.sendall(head.encode() + chunk * 5)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_the_largest_body_allowed_is_stored(ingest: Receiver) -> None:
    body = signed(pad=262_144 - len(signed()) - len(',"Pad":""'))
    assert len(body) == 262_144
    assert httpx.post(ingest.webhook_url, content=body).status_code == 200


def test_without_a_broker_the_vendor_is_asked_to_deliver_again(cut_off: Receiver) -> None:
    answer = httpx.post(cut_off.webhook_url, content=signed(), timeout=30)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    ready = httpx.get(f"{cut_off.base_url}/readyz", timeout=30)
    assert ready.status_code == 503
    assert "no broker of" in ready.json()["kafka"]
    assert httpx.get(f"{cut_off.base_url}/livez").status_code == 200


def test_a_forged_login_says_what_to_do_and_no_secret_is_logged(ingest: Receiver) -> None:
    callback = httpx.get(f"{ingest.base_url}/oauth/callback", params={"state": "planted-state", "code": "planted-code"})
    assert callback.status_code == 400
    assert "Run `connector authorize` again." in callback.text
    started = httpx.get(f"{ingest.base_url}/oauth/start/planted-invitation")
    assert (started.status_code, "planted" in started.text) == (400, False)
    assert "planted" not in ingest.log_file.read_text()


def test_it_describes_itself(ingest: Receiver) -> None:
    assert "/webhooks/{endpoint}" in httpx.get(f"{ingest.base_url}/openapi.json").json()["paths"]
    assert "connector_webhooks_total" in httpx.get(f"{ingest.base_url}/metrics").text


def test_told_to_end_it_answers_what_has_begun_to_arrive(draining: Receiver) -> None:
    """SIGTERM in the middle of a delivery: it is stored and acknowledged before the process ends."""
    address, body = urlsplit(draining.webhook_url), signed(key="44444444-4444-4444-4444-444444444444")
    head = f"POST {address.path} HTTP/1.1\r\nhost: here\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(head + body[:50])
        time.sleep(0.5)
        draining.process.signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(body[50:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert draining.process.wait(20.0)
    assert "drained" in draining.log_file.read_text()
    assert body in [message.value() for message in draining.stored()]


def test_a_producer_that_failed_for_good_ends_it_after_503_to_what_has_begun_to_arrive(breaking: Receiver) -> None:
    """It answered 503 for ever, alive by its probe, and nobody started it again."""
    address, body = urlsplit(breaking.webhook_url), signed()
    head = f"POST {address.path} HTTP/1.1\r\nhost: here\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(head + body[:50])
        time.sleep(0.5)
        breaking.process.signal(signal.SIGUSR1)
        time.sleep(0.5)
        connection.sendall(body[50:])
        assert connection.recv(100).startswith(b"HTTP/1.1 503")
    assert breaking.process.wait(20.0)
    last = json.loads(breaking.log_file.read_text().splitlines()[-1])
    assert last["event"] == "failed"
    assert "LogBroken: the producer has failed for good" in last["exception"]
