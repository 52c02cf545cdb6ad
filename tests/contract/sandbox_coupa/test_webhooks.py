"""The optional signed notices: what they carry, and how they go wrong on demand."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from .conftest import Office


class Receiver:
    """Keeps what arrives; `statuses` are its answers in turn, then 200."""

    def __init__(self) -> None:
        self.got: list[httpx.Request] = []
        self.statuses: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        return httpx.Response(self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
async def receiver(office: Office) -> AsyncIterator[Receiver]:
    one = Receiver()
    office.sandbox.webhooks.client = httpx.AsyncClient(transport=httpx.MockTransport(one))
    await office.act("register_webhook", url="http://127.0.0.1:9/hooks", secret="shh")
    running = asyncio.ensure_future(office.sandbox.run())
    yield one
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await office.sandbox.webhooks.client.aclose()


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def signature(request: httpx.Request, secret: bytes = b"shh") -> bytes:
    signed = request.headers["X-Coupa-Timestamp"].encode() + b"." + request.content
    return hmac.new(secret, signed, hashlib.sha256).digest()


async def test_a_change_is_told_with_a_signature_over_time_and_body(office: Office, receiver: Receiver) -> None:
    made = await office.supplier()
    await office.put(f"suppliers/{made['id']}", {"website": "x.test"})
    await settled()
    assert [r.headers["X-Coupa-Event"] for r in receiver.got] == ["supplier.created", "supplier.updated"]
    notice = json.loads(receiver.got[0].content)
    assert (notice["event"], notice["object"]["type"], notice["object"]["id"]) == (
        "supplier.created",
        "Supplier",
        made["id"],
    )
    assert notice["id"] == receiver.got[0].headers["X-Coupa-Delivery"]
    assert receiver.got[0].headers["X-Coupa-Signature"] == "sha256=" + signature(receiver.got[0]).hex()
    assert receiver.got[0].headers["X-Coupa-Timestamp"] == str(int(office.seconds))


async def test_orders_invoices_and_payments_are_told_of(office: Office, receiver: Receiver) -> None:
    await office.supplier()
    order = await office.issued_order()
    invoice = await office.submitted_invoice()
    await office.put(f"invoices/{invoice['id']}", {"payments": [{"amount-paid": "5"}]})
    await office.act("approve_invoice", id=invoice["id"])
    await settled()
    events = {r.headers["X-Coupa-Event"] for r in receiver.got}
    assert events == {
        "supplier.created", "purchase_order.created", "purchase_order.updated", "invoice.created", "invoice.updated",
        "payment.created",
    }  # fmt: skip
    assert order["id"] in {json.loads(r.content)["object"]["id"] for r in receiver.got}


async def test_notices_can_be_dropped_doubled_delayed_and_reordered(office: Office, receiver: Receiver) -> None:
    await office.act("drop_notices", event="supplier", count=1)
    await office.supplier("V-1")
    await office.supplier("V-2")
    await settled()
    assert len(receiver.got) == 1
    assert [d["dropped"] for d in await office.act("webhook_log")] == [True, False]
    office.settings.webhook_duplicate = 1.0
    await office.supplier("V-3")
    await settled()
    assert receiver.got[1].headers["X-Coupa-Delivery"] == receiver.got[2].headers["X-Coupa-Delivery"]
    office.settings.webhook_duplicate = 0.0
    office.settings.webhook_reorder, office.settings.webhook_reorder_by_s = 1.0, 30.0
    await office.supplier("V-4")
    await settled()
    assert office.slept == [30.0]
    office.settings.webhook_drop = 1.0
    await office.supplier("V-5")
    await settled()
    assert len(receiver.got) == 4


async def test_a_refused_notice_is_tried_five_times_with_growing_pauses(office: Office, receiver: Receiver) -> None:
    receiver.statuses = [500] * 5
    await office.supplier()
    await settled()
    assert len(receiver.got) == 5
    assert office.slept == [2.0, 4.0, 8.0, 16.0]
    assert (await office.act("webhook_log"))[0]["statuses"] == [500] * 5


async def test_bad_signatures_oversize_bodies_and_other_encodings_on_demand(office: Office, receiver: Receiver) -> None:
    office.settings.webhook_bad_signature = 1.0
    await office.supplier("V-1")
    await settled()
    assert receiver.got[0].headers["X-Coupa-Signature"] != "sha256=" + signature(receiver.got[0]).hex()
    office.settings.webhook_bad_signature = 0.0
    office.settings.webhook_pad_bytes = 262144
    office.settings.webhook_signature_encoding, office.settings.webhook_signature_prefix = "base64", ""
    await office.supplier("V-2")
    await settled()
    assert len(receiver.got[1].content) > 262144
    assert base64.b64decode(receiver.got[1].headers["X-Coupa-Signature"]) == signature(receiver.got[1])
    office.settings.webhook_timestamped = False
    await office.supplier("V-3")
    await settled()
    last = receiver.got[2]
    assert "X-Coupa-Timestamp" not in last.headers
    assert (
        base64.b64decode(last.headers["X-Coupa-Signature"]) == hmac.new(b"shh", last.content, hashlib.sha256).digest()
    )


async def test_plain_http_is_for_loopback_only_and_only_while_allowed(office: Office) -> None:
    with pytest.raises(ValueError, match="must be https"):
        await office.act("register_webhook", url="http://erp.test/hooks", secret="s")
    office.settings.webhook_allow_http = False
    with pytest.raises(ValueError, match="must be https"):
        await office.act("register_webhook", url="http://127.0.0.1:9/", secret="s")
    await office.act("register_webhook", url="https://erp.test/hooks", secret="s", events=["invoice.updated"])
    await office.supplier()
    assert await office.act("webhook_log") == []
