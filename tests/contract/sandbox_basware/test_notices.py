"""Push notifications: subscribing, signing, delivery, history, and everything that goes wrong with them."""

import base64
import hashlib
import hmac
import uuid
from typing import Any

from .conftest import RECEIVER, Basware, invoice, order

TRANSFERS = ("AccountingDocuments", "WaitingForTransfer")


def digest(body: bytes, secret: str = "sécret") -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


async def test_an_endpoint_is_accepted_after_a_signed_connection_test(basware: Basware) -> None:
    answer = await basware.subscribe(TRANSFERS)
    assert answer.status_code == 200
    assert set(answer.json()[0]) == {
        "taskType", "taskSubType", "subscriptionType", "notificationWebhookURL", "webhookAuthenticationToken",
        "lastUpdated",
    }  # fmt: skip
    [test] = basware.receiver.notices
    assert (test["taskType"], test["taskStatus"]) == ("ConnectionTest", "New")
    assert basware.receiver.signatures == ["sha256=" + digest(basware.receiver.bodies[0]).hex()]
    listed = (await basware.api.get("/v1/subscriptions")).json()["subscriptions"]
    assert listed == answer.json()


async def test_an_endpoint_that_fails_its_test_is_not_stored(basware: Basware) -> None:
    basware.receiver.status = 401
    refused = await basware.subscribe(TRANSFERS)
    assert refused.status_code == 400
    body = refused.json()
    assert (body["hasError"], body["errorMessages"][0]["type"]) == (True, "VALIDATION")
    nothing = await basware.api.get("/v1/subscriptions")
    assert (nothing.status_code, nothing.json()) == (404, {"detail": "Not Found"})


async def test_a_connection_test_may_come_unsigned(basware: Basware) -> None:
    basware.settings.sign_connection_test = False
    await basware.subscribe(TRANSFERS)
    assert basware.receiver.signatures == [None]


async def test_subscriptions_are_checked_and_kept_one_per_kind(basware: Basware) -> None:
    assert (await basware.subscribe(("Invoices", None))).status_code == 400
    assert (await basware.subscribe(("AccountingDocuments", "Sometimes"))).status_code == 400
    assert (await basware.api.post("/v1/subscriptions", json={})).status_code == 400
    basware.settings.allow_http_callbacks = False
    assert "https" in (await basware.subscribe(TRANSFERS)).json()["errorMessages"][0]["message"]
    basware.settings.allow_http_callbacks = True
    await basware.subscribe(("accoutingdocuments", "WaitingForTransfer"), ("RequestStatus", None))
    await basware.subscribe(TRANSFERS, secret="another")
    listed = (await basware.api.get("/v1/subscriptions")).json()["subscriptions"]
    kinds = {(item["taskType"], item["taskSubType"]): item["webhookAuthenticationToken"] for item in listed}
    assert kinds == {TRANSFERS: "another", ("RequestStatus", "Error"): "sécret"}


async def test_unsubscribing_needs_all_three_parameters_and_takes_wildcards(basware: Basware) -> None:
    await basware.subscribe(TRANSFERS, ("RequestStatus", "Error"))
    assert (await basware.api.delete("/v1/subscriptions", params={"taskType": "All"})).status_code == 400
    query = {"lastUpdated": "0001-01-01", "taskType": "All", "taskSubType": "Error"}
    assert (await basware.api.delete("/v1/subscriptions", params=query)).json()["numberOfRecordsDeleted"] == 1
    assert len((await basware.api.get("/v1/subscriptions")).json()["subscriptions"]) == 1


async def test_every_transition_into_a_waiting_state_is_told_by_ids_alone(basware: Basware) -> None:
    await basware.subscribe(("AccountingDocuments", None), ("ExportedPurchaseOrders", "WaitingForExport"))
    made = await basware.act("create_invoice", **invoice(processingStatus="New"))
    await basware.act("approve_invoice", invoiceId=made["invoiceId"])
    placed = await basware.act("create_order", **order())
    await basware.act("change_order", externalCode=placed["externalCode"], purpose="x")
    await basware.time.pass_(0)
    [notice] = basware.receiver.of("AccountingDocuments")
    assert set(notice) == {"taskId", "taskStatus", "taskType", "taskSubType", "documentId", "expirationTime"}
    assert (notice["taskSubType"], notice["documentId"]) == ("WaitingForTransfer", made["invoiceId"])
    orders = basware.receiver.of("ExportedPurchaseOrders")
    assert [notice["documentId"] for notice in orders] == [placed["externalCode"]] * 2
    assert len({uuid.UUID(notice["taskId"]) for notice in orders}) == 2
    await basware.acknowledge(made["invoiceId"])
    await basware.respond(made["invoiceId"])
    await basware.time.pass_(0)
    assert len(basware.receiver.of("AccountingDocuments")) == 1
    await basware.act("retransfer_invoice", invoiceId=made["invoiceId"])
    await basware.time.pass_(0)
    assert len(basware.receiver.of("AccountingDocuments")) == 2


async def test_a_failed_write_is_told(basware: Basware) -> None:
    await basware.subscribe(("RequestStatus", None))
    made = await basware.act("create_invoice", **invoice())
    await basware.act("fail_next_writes")
    request_id = (await basware.respond(made["invoiceId"])).headers["x-amzn-RequestId"]
    await basware.time.pass_(2)
    [notice] = basware.receiver.of("RequestStatus")
    assert (notice["taskSubType"], notice["documentId"]) == ("Error", request_id)


async def test_the_digest_is_encoded_as_the_switches_say(basware: Basware) -> None:
    async def signature(encoding: str, prefix: str) -> tuple[str | None, bytes]:
        basware.settings.signature_encoding, basware.settings.signature_prefix = encoding, prefix
        await basware.subscribe(TRANSFERS)
        return basware.receiver.signatures[-1], digest(basware.receiver.bodies[-1])

    sent, expected = await signature("hex", "")
    assert sent == expected.hex()
    sent, expected = await signature("HEX", "sha256=")
    assert sent == f"sha256={expected.hex().upper()}"
    sent, expected = await signature("base64", "")
    assert sent == base64.b64encode(expected).decode()


async def test_an_old_secret_signs_on_for_the_lag_after_a_change(basware: Basware) -> None:
    basware.settings.secret_lag_s = 60
    await basware.subscribe(TRANSFERS, secret="old")
    await basware.subscribe(TRANSFERS, secret="new")

    async def signed_with() -> str:
        await basware.act("create_invoice", **invoice())
        await basware.time.pass_(0)
        sent, body = basware.receiver.signatures[-1], basware.receiver.bodies[-1]
        return next(secret for secret in ("old", "new") if sent == "sha256=" + digest(body, secret).hex())

    assert await signed_with() == "old"
    await basware.time.pass_(61)
    assert await signed_with() == "new"


async def test_delivery_is_tried_again_after_1_5_and_30_seconds_and_then_the_task_has_failed(basware: Basware) -> None:
    await basware.subscribe(TRANSFERS)
    basware.receiver.status = 503
    made = await basware.act("create_invoice", **invoice())
    counts = []
    for seconds in (0, 1, 5, 30, 100):
        await basware.time.pass_(seconds)
        counts.append(len(basware.receiver.of("AccountingDocuments")))
    assert counts == [1, 2, 3, 4, 4]
    failed = await basware.api.get("/v1/tasks", params={"taskStatus": "Failed", "taskType": "AccountingDocuments"})
    [task] = failed.json()["taskStatus"]
    assert task["documentId"] == made["invoiceId"]
    assert [entry["action"] for entry in task["taskHistory"]] == ["Created", *["SendingFailed"] * 4, "GivenUp"]
    assert "503" in task["taskHistory"][1]["messages"][0]
    single = (await basware.api.get(f"/v1/tasks/{task['taskId']}")).json()["taskStatus"][0]
    assert single["taskStatus"] == "Failed"
    unknown = await basware.api.get("/v1/tasks/unknown")
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Not Found"})


async def test_a_receiver_that_comes_back_gets_the_notice_by_a_retry(basware: Basware) -> None:
    await basware.subscribe(TRANSFERS)
    basware.settings.webhook_retry_scale = 0.1
    basware.receiver.status = 500
    await basware.act("create_invoice", **invoice())
    await basware.time.pass_(0)
    basware.receiver.status = 200
    await basware.time.pass_(0.1)
    first, second = basware.receiver.of("AccountingDocuments")
    assert first["taskId"] == second["taskId"]
    done = await basware.api.get("/v1/tasks", params={"taskStatus": "Completed"})
    assert len(done.json()["taskStatus"]) == 1


async def test_tasks_are_paged_by_token(basware: Basware) -> None:
    await basware.subscribe(TRANSFERS)
    await basware.act("create_invoice", invoices=[invoice() for _ in range(3)])
    await basware.time.pass_(0)
    page = await basware.api.get("/v1/tasks", params={"pageSize": 2})
    token = page.headers["x-amz-meta-continuationtoken"]
    rest = await basware.api.get("/v1/tasks", params={"pageSize": 2}, headers={"x-amz-meta-continuationtoken": token})
    documents = {task["documentId"] for task in page.json()["taskStatus"] + rest.json()["taskStatus"]}
    assert len(documents) == 3


async def notices_of_one_invoice(basware: Basware) -> list[dict[str, Any]]:
    await basware.subscribe(TRANSFERS)
    await basware.act("create_invoice", **invoice())
    await basware.time.pass_(10)
    return [notice for notice in basware.receiver.notices if notice["taskType"] != "ConnectionTest"]


async def test_a_lost_notice_leaves_a_completed_task_and_no_delivery(basware: Basware) -> None:
    basware.settings.webhook_drop = 1.0
    assert await notices_of_one_invoice(basware) == []
    tasks = await basware.api.get("/v1/tasks", params={"taskStatus": "Completed"})
    assert len(tasks.json()["taskStatus"]) == 1


async def test_the_next_notices_of_a_kind_can_be_lost_on_purpose(basware: Basware) -> None:
    await basware.subscribe(TRANSFERS)
    await basware.act("drop_next_notices", count=2, taskType="AccountingDocuments")
    made = await basware.act("create_invoice", invoices=[invoice() for _ in range(3)])
    await basware.time.pass_(0)
    arrived = [notice["documentId"] for notice in basware.receiver.of("AccountingDocuments")]
    assert arrived == [made[2]["invoiceId"]]


async def test_a_notice_may_come_twice_under_one_task_id(basware: Basware) -> None:
    basware.settings.webhook_duplicate = 1.0
    first, second = await notices_of_one_invoice(basware)
    assert first == second


async def test_a_notice_may_misspell_its_task_type(basware: Basware) -> None:
    basware.settings.webhook_misspelled = 1.0
    assert [notice["taskType"] for notice in await notices_of_one_invoice(basware)] == ["AccoutingDocuments"]


async def test_a_notice_may_be_signed_wrongly(basware: Basware) -> None:
    basware.settings.webhook_corrupt_signature = 1.0
    await notices_of_one_invoice(basware)
    assert basware.receiver.signatures[-1] != "sha256=" + digest(basware.receiver.bodies[-1]).hex()


async def test_notices_may_be_delayed_and_overtake_each_other(basware: Basware) -> None:
    await basware.subscribe(TRANSFERS)
    basware.settings.webhook_delay_s = 5
    basware.settings.webhook_reorder = 0.5
    made = await basware.act("create_invoice", invoices=[invoice() for _ in range(12)])
    await basware.time.pass_(4.9)
    assert basware.receiver.of("AccountingDocuments") == []
    await basware.time.pass_(3)
    arrived = [notice["documentId"] for notice in basware.receiver.of("AccountingDocuments")]
    created = [item["invoiceId"] for item in made]
    assert sorted(arrived) == sorted(created)
    assert arrived != created


async def test_a_notice_can_be_repeated_or_forged(basware: Basware) -> None:
    [notice] = await notices_of_one_invoice(basware)
    await basware.act("resend_task", taskId=notice["taskId"])
    await basware.time.pass_(0)
    assert basware.receiver.notices[-1] == notice
    sent = await basware.act(
        "send_notice", taskType="AccountingDocuments", taskSubType="WaitingForTransfer", documentId="d", secret="forged"
    )
    assert sent["accepted"] is True
    assert basware.receiver.signatures[-1] == "sha256=" + digest(basware.receiver.bodies[-1], "forged").hex()
    assert basware.receiver.notices[-1]["documentId"] == "d"
    assert RECEIVER in str(basware.sandbox.dump()["subscriptions"])
