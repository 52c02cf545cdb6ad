"""Subscriptions and notices: the empty validation call, the signature over raw bytes, retries, faults on purpose."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from connector.sandbox.exact.webhooks import content_of, signed_body

HOOKS = "webhooks/WebhookSubscriptions"
CALLBACK = "http://127.0.0.1:9/hook"


class Receiver:
    """Takes what the site posts and answers as told."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answers: list[int | Exception] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)

    @property
    def notices(self) -> list[dict[str, Any]]:
        return [json.loads(body)["Content"] for body in self.bodies if body]


@pytest.fixture
def receiver(exact: Any) -> Receiver:
    found = Receiver()
    exact.sandbox.site.webhooks.client = httpx.AsyncClient(transport=httpx.MockTransport(found))
    return found


@contextlib.asynccontextmanager
async def delivering(exact: Any) -> AsyncIterator[Any]:
    """The site's background work; leaving waits until all notices are delivered or given up."""
    task = asyncio.create_task(exact.sandbox.run())
    try:
        yield
        while exact.sandbox.site.webhooks.pending:  # noqa: ASYNC110
            await asyncio.sleep(0)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def subscribe(exact: Any, topic: str = "PurchaseOrders", **body: Any) -> httpx.Response:
    answer: httpx.Response = await exact.post(HOOKS, {"CallbackURL": CALLBACK, "Topic": topic, **body})
    return answer


def test_the_signature_is_the_published_vector() -> None:
    endpoint = "https://start.exactonline.nl/api/v1/123456/purchaseorder/PurchaseOrders(guid'22222222-2222-2222-2222-222222222222')"
    content = content_of(
        "PurchaseOrders", "11111111-1111-1111-1111-111111111111", 123456, "Update",
        "22222222-2222-2222-2222-222222222222", endpoint, datetime(2025, 1, 15, 10, 20, 30, 123000),  # noqa: DTZ001
    )  # fmt: skip
    assert len(content) == 340
    body = signed_body("whsecret", content)
    assert body == b'{"Content":' + content + (
        b',"HashCode":"6F092DD4A5DBEEAE1FAEAB2EA89902146CFFE2B3F40DC3E63E2DA2E86BBAD3C9"}'
    )


async def test_a_subscription_posts_an_empty_body_first_and_exists_once(exact: Any, receiver: Receiver) -> None:
    made = await subscribe(exact)
    assert made.status_code == 201
    assert receiver.bodies == [b""]
    again = await subscribe(exact)
    assert (again.status_code, exact.error(again)) == (500, "Data already exists")
    exact.settings.language = "NL"
    assert exact.error(await subscribe(exact)) == "Gegeven bestaat reeds."
    listed = await exact.rows(HOOKS)
    assert [(row["Topic"], row["ClientID"]) for row in listed] == [("PurchaseOrders", exact.credentials["client_id"])]
    assert (await exact.call("DELETE", f"{HOOKS}(guid'{listed[0]['ID']}')")).status_code == 204
    assert (await subscribe(exact)).status_code == 201


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (503, "Invalid: Post to callback URL endpoint returns 503 Service Unavailable"),
        (
            httpx.ConnectError("refused"),
            "Invalid: Post to callback URL endpoint returns 500 An error occurred while sending the request.",
        ),
    ],
)
async def test_a_callback_that_does_not_answer_makes_the_subscription_fail(
    exact: Any, receiver: Receiver, answer: Any, text: str
) -> None:
    receiver.answers = [answer]
    failed = await subscribe(exact)
    assert (failed.status_code, exact.error(failed)) == (500, text)
    assert await exact.rows(HOOKS) == []


async def test_a_callback_must_be_https_in_the_domain_of_the_app(exact: Any, receiver: Receiver) -> None:
    assert (await subscribe(exact, CallbackURL="https://elsewhere.example/hook")).status_code == 500
    assert (await subscribe(exact, CallbackURL="https://connector.example/hook")).status_code == 201
    exact.settings.loopback_callbacks = False
    assert exact.error(await subscribe(exact, "Accounts")) == "Invalid: Callback URL"
    assert exact.error(await subscribe(exact, "PurchaseInvoices")) == "Invalid: Topic"


async def test_a_notice_is_compact_signed_and_names_only_the_key(exact: Any, receiver: Receiver) -> None:
    await subscribe(exact)
    async with delivering(exact):
        order = await exact.order()
    body = receiver.bodies[1]
    found = re.fullmatch(rb'{"Content":(.*),"HashCode":"(.*)"}', body)
    assert found is not None
    secret = exact.credentials["webhook_secret"].encode()
    assert found[2].decode() == hmac.new(secret, found[1], hashlib.sha256).hexdigest().upper()
    content = json.loads(found[1])
    assert list(content) == ["Topic", "ClientId", "Division", "Action", "Key", "ExactOnlineEndpoint", "EventCreatedOn"]
    assert (content["Division"], content["Action"], content["Key"]) == (
        exact.division,
        "Create",
        order["PurchaseOrderID"],
    )
    assert content["EventCreatedOn"] == "2025-06-15T17:00:00.000"


async def test_line_changes_fire_under_the_header_and_unimportant_fields_do_not(exact: Any, receiver: Receiver) -> None:
    for topic in ("PurchaseOrders", "PurchaseEntries", "Accounts"):
        await subscribe(exact, topic)
    async with delivering(exact):
        order = await exact.order()
        await exact.act("edit_purchase_order_line", id=order["PurchaseOrderLines"][0]["ID"], Notes="x")
        await exact.act("edit_supplier", id="1", Remarks="only a remark")
        await exact.act("rename_supplier", id="1", Name="Renamed")
        await exact.act("delete_purchase_entry", id=(await exact.entry())["EntryID"])
    by_topic: dict[str, list[str]] = {}
    for notice in receiver.notices:
        by_topic.setdefault(notice["Topic"], []).append(notice["Action"])
    assert by_topic["PurchaseOrders"] == ["Create", "Update", "Update", "Update", "Update"]
    assert by_topic["PurchaseEntries"][0::3] == ["Create", "Delete"]
    assert by_topic["Accounts"] == ["Update"]
    assert {n["Key"] for n in receiver.notices if n["Topic"] == "PurchaseOrders"} == {order["PurchaseOrderID"]}


async def test_a_refused_notice_is_tried_five_times_with_growing_waits(exact: Any, receiver: Receiver) -> None:
    await subscribe(exact, "Items")
    receiver.answers = [500, httpx.ReadTimeout("slow"), 404, 503, 302, 200]
    start = exact.time.now
    async with delivering(exact):
        await exact.act("create_item", Code="NEW", Description="New")
    assert len(receiver.notices) == 5
    assert exact.time.now - start >= 1 + 4 + 16 + 64
    counts = (await exact.act("counters"))["webhooks"]
    assert (counts["given_up"], counts.get("delivered", 0)) == (1, 0)


async def test_notices_are_lost_doubled_and_reordered_by_chance_or_on_purpose(exact: Any, receiver: Receiver) -> None:
    await subscribe(exact, "Items")
    await exact.act("drop_webhooks", topic="Items", action="Delete", count=1)
    async with delivering(exact):
        made = await exact.act("create_item", records=[{"Code": f"A{n}", "Description": "x"} for n in range(2)])
        await exact.act("delete_item", records=[{"id": item["ID"]} for item in made])
    assert [notice["Action"] for notice in receiver.notices] == ["Create", "Create", "Delete"]
    exact.settings.webhook_duplicate = 1.0
    receiver.bodies.clear()
    async with delivering(exact):
        await exact.act("create_item", Code="B", Description="x")
    assert len(receiver.notices) == 2
    exact.settings.webhook_duplicate, exact.settings.webhook_reorder = 0.0, 0.5
    receiver.bodies.clear()
    async with delivering(exact):
        made = await exact.act("create_item", records=[{"Code": f"C{n}", "Description": "x"} for n in range(20)])
    keys = [item["ID"] for item in made]
    assert [notice["Key"] for notice in receiver.notices] != keys
    assert sorted(notice["Key"] for notice in receiver.notices) == sorted(keys)
    exact.settings.webhook_drop = 1.0
    receiver.bodies.clear()
    async with delivering(exact):
        await exact.act("create_item", Code="D", Description="x")
    assert receiver.notices == []


async def test_own_writes_echo_unless_switched_off(exact: Any, receiver: Receiver) -> None:
    await subscribe(exact, "Items")
    async with delivering(exact):
        await exact.post("logistics/Items", {"Code": "E1", "Description": "x"})
    assert len(receiver.notices) == 1
    exact.settings.webhook_echo = False
    async with delivering(exact):
        await exact.post("logistics/Items", {"Code": "E2", "Description": "x"})
    assert len(receiver.notices) == 1
