"""Webhooks: payload versions, triggers, retries, and notices that get lost, doubled or late."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from connector.sandbox.core.clock import SandboxClock

from .conftest import Start, Vendor

QUICK = {
    "webhook_timeout_s": 0.05,
    "webhook_retry_first_s": 0.01,
    "webhook_retry_max_s": 0.02,
    "webhook_retry_for_s": 0.1,
}
HOOKS = "/rest/v1.0/webhooks/hooks"


class Receiver:
    """Answers each notice with the next of `answers` (a status, or seconds to hang), then with 200."""

    def __init__(self) -> None:
        self.answers: list[int | float] = []
        self.requests: list[httpx.Request] = []
        self.arrived = asyncio.Event()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.arrived.set()
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = 200
        return httpx.Response(answer)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.requests) < count:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def listening(start: Start, receiver: Receiver) -> AsyncIterator[Start]:
    """Starts a sandbox on the real clock whose notices reach the receiver."""
    tasks: list[tuple[asyncio.Task[None], httpx.AsyncClient]] = []

    async def begin(**settings: Any) -> Vendor:
        procore = await start(clock=SandboxClock(), **{**QUICK, **settings})
        procore.sandbox.webhooks.client = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
        tasks.append((asyncio.ensure_future(procore.sandbox.run()), procore.sandbox.webhooks.client))
        return procore

    yield begin
    for task, client in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await client.aclose()


async def hook(
    procore: Vendor,
    version: str = "v2",
    project: int | None = None,
    events: Sequence[tuple[str, str]] = (("Purchase Order Contracts", "update"),),
) -> Any:
    scope = {"project_id": project} if project else {"company_id": procore.company}
    attributes = {
        "api_version": version,
        "namespace": "ml-connector",
        "destination_url": "http://127.0.0.1:1/hooks",
        "destination_headers": {"Authorization": "Bearer shared"},
    }
    created = await procore.call("POST", HOOKS, json={**scope, "hook": attributes})
    assert created.status_code == 201, created.text
    for resource, event in events:
        trigger = {"resource_name": resource, "event_type": event}
        body = {**scope, "api_version": version, "trigger": trigger}
        response = await procore.call("POST", f"{HOOKS}/{created.json()['id']}/triggers", json=body)
        assert response.status_code == 201, response.text
    return created.json()


async def deliveries_of(procore: Vendor, made: dict[str, Any], status: str, count: int) -> Any:
    """The deliveries in this state, once there are `count` of them."""
    path = f"{HOOKS}/{made['id']}/deliveries"
    async with asyncio.timeout(5):
        while len(rows := await procore.get(path, **{"filters[status]": status})) < count:  # noqa: ASYNC110 nobody tells
            await asyncio.sleep(0.01)
    return rows


@pytest.mark.parametrize("version", ["v2", "v3", "v4"])
async def test_each_payload_version_carries_ids_only(listening: Start, receiver: Receiver, version: str) -> None:
    procore = await listening()
    await hook(procore, version, events=[("Purchase Order Contract Line Items", "create")])
    order = await procore.order("EXO:1", "10")
    await receiver.until(1)
    body, request = receiver.bodies[0], receiver.requests[0]
    assert request.headers["authorization"] == "Bearer shared"
    line = order["line_items"][0]["id"]
    if version == "v4":
        assert (body["resource_id"], body["reason"]) == (str(line), "create")
        assert body["resource_type"] == "Purchase Order Contract Line Items"
        assert len(body["id"]) == 26
    else:
        assert (body["resource_id"], body["event_type"], body["company_id"]) == (line, "create", procore.company)
        assert isinstance(body["id"], int)
        assert ("related_resources" in body) == (version == "v3")
    if version != "v2":
        assert body["related_resources"][0]["name"] == "Purchase Order Contracts"
    assert body["metadata"]["source_application_id"] == procore.credentials["client_id"]
    assert "amount" not in body


async def test_people_have_no_application_in_the_metadata(listening: Start, receiver: Receiver) -> None:
    procore = await listening()
    await hook(procore)
    order = await procore.act("create_purchase_order", project_number="P-100", title="By hand")
    await procore.act("edit_purchase_order", id=order["id"], title="By hand, again")
    await receiver.until(1)
    assert receiver.bodies[0]["metadata"]["source_application_id"] is None


async def test_a_project_hook_hears_only_its_project(listening: Start, receiver: Receiver) -> None:
    procore = await listening()
    await hook(procore, project=procore.project("P-200"))
    await procore.order("EXO:1", status="Approved")
    await procore.order("EXO:2", status="Approved", number="P-200")
    await receiver.until(1)
    await asyncio.sleep(0.02)
    assert {body["project_id"] for body in receiver.bodies} == {procore.project("P-200")}


async def test_unknown_resources_events_and_namespaces_are_refused(listening: Start) -> None:
    procore = await listening()
    made = await hook(procore, events=[])
    path = f"{HOOKS}/{made['id']}/triggers"
    for resource, event in (("Requisitions", "update"), ("Project Vendors", "update"), ("Nothing", "create")):
        body = {"company_id": procore.company, "trigger": {"resource_name": resource, "event_type": event}}
        assert (await procore.call("POST", path, json=body)).status_code == 422
    bad = {"api_version": "v2", "namespace": "ML Connector", "destination_url": "http://127.0.0.1:1"}
    refused = await procore.call("POST", HOOKS, json={"company_id": procore.company, "hook": bad})
    assert refused.status_code == 422
    procore.sandbox.settings.webhook_allow_http = False
    bad["namespace"] = "ml-connector"
    refused = await procore.call("POST", HOOKS, json={"company_id": procore.company, "hook": bad})
    assert "HTTPS" in refused.text


async def test_bulk_triggers_answer_207_where_some_are_refused(listening: Start) -> None:
    procore = await listening()
    made = await hook(procore, events=[])
    good = {"resource_name": "Direct Costs", "event_type": "create"}
    body = {"company_id": procore.company, "triggers": [good, {"resource_name": "?", "event_type": "create"}]}
    response = await procore.call("POST", f"{HOOKS}/{made['id']}/triggers/bulk", json=body)
    assert (response.status_code, len(response.json()["entities"]), len(response.json()["errors"])) == (207, 1, 1)


async def test_a_failed_or_slow_notice_is_sent_again_before_the_next_one(listening: Start, receiver: Receiver) -> None:
    procore = await listening()
    made = await hook(procore, events=[("Purchase Order Contracts", "create")])
    receiver.answers = [500, 1.0]
    await procore.sync([{"origin_id": "EXO:1"}])
    await procore.sync([{"origin_id": "EXO:2"}])
    await receiver.until(4)
    ids = [body["id"] for body in receiver.bodies]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    deliveries = await deliveries_of(procore, made, "successful", 2)
    assert [row["attempts"] for row in deliveries] == [3, 1]


async def test_after_the_retry_period_the_queue_is_discarded_and_the_hook_recovers(
    listening: Start, receiver: Receiver
) -> None:
    procore = await listening()
    made = await hook(procore, events=[("Purchase Order Contracts", "create")])
    receiver.answers = [500] * 30
    await procore.sync([{"origin_id": "EXO:1"}, {"origin_id": "EXO:2"}])
    await deliveries_of(procore, made, "discarded", 2)
    receiver.answers = []
    seen = len(receiver.requests)
    await procore.sync([{"origin_id": "EXO:3"}])
    await receiver.until(seen + 1)


async def test_notices_get_lost_doubled_and_held_back_on_demand(listening: Start, receiver: Receiver) -> None:
    procore = await listening(webhook_duplicate=1.0)
    await hook(procore, events=[("Purchase Order Contracts", "create"), ("Purchase Order Contracts", "update")])
    await procore.act("drop_webhooks", resource_name="Purchase Order Contracts", event_type="create", count=1)
    await procore.sync([{"origin_id": "EXO:1"}])
    await procore.sync([{"origin_id": "EXO:1", "title": "x"}])
    await procore.sync([{"origin_id": "EXO:2"}])
    await receiver.until(4)
    assert [body["event_type"] for body in receiver.bodies] == ["update", "update", "create", "create"]
    procore.sandbox.settings.webhook_drop = 1.0
    await procore.sync([{"origin_id": "EXO:3"}])
    await asyncio.sleep(0.03)
    assert len(receiver.requests) == 4


async def test_notices_change_places_on_demand(listening: Start, receiver: Receiver) -> None:
    procore = await listening(webhook_reorder=1.0)
    await hook(procore, events=[("Purchase Order Contracts", "create")])
    await procore.sync([{"origin_id": f"EXO:{n}"} for n in range(4)])
    await receiver.until(4)
    ids = [body["id"] for body in receiver.bodies]
    assert ids != sorted(ids)


async def test_a_v2_hook_is_unwrapped_and_enveloped(listening: Start, receiver: Receiver) -> None:
    procore = await listening()
    base = f"/rest/v2.0/companies/{procore.company}/projects/{procore.project()}/webhooks/hooks"
    body = {"payload_version": "v4.0", "namespace": "ml-connector", "destination_url": "http://127.0.0.1:1/"}
    made = (await procore.call("POST", base, json=body)).json()["data"]
    assert (made["status"], made["payload_version"]) == ("active", "v4.0")
    trigger = {"resource_name": "Direct Costs", "event_type": "create"}
    assert (await procore.call("POST", f"{base}/{made['id']}/triggers", json=trigger)).status_code == 201
    await procore.act("create_direct_cost", project_number="P-100", direct_cost_type="expense")
    await receiver.until(1)
    assert receiver.bodies[0]["resource_type"] == "Direct Costs"
    assert (await procore.call("DELETE", f"{base}/{made['id']}")).status_code == 204
