"""The invoice's state machine: acknowledge, responses, rounds, and what people do meanwhile."""

import base64
from typing import Any

import pytest

from .conftest import Basware, invoice, row


async def created(basware: Basware, **more: Any) -> str:
    return str((await basware.act("create_invoice", **invoice(**more)))["invoiceId"])


async def test_acknowledging_takes_an_invoice_over_once(basware: Basware) -> None:
    invoice_id = await created(basware)
    before = (await basware.invoice(invoice_id))["lastUpdated"]
    await basware.time.pass_(1)
    answer = await basware.acknowledge(invoice_id)
    assert (answer.status_code, answer.json()) == (200, "OK")
    document = await basware.invoice(invoice_id)
    assert document["processingStatus"] == "TransferInProgress"
    assert document["lastUpdated"] > before
    again = await basware.acknowledge(invoice_id)
    assert (again.status_code, again.content) == (405, b"")
    assert (await basware.acknowledge("unknown")).status_code == 404
    waiting = await basware.get("/v1/accountingDocuments", ProcessingStatus="WaitingForTransfer")
    assert waiting.status_code == 404


async def test_a_successful_transfer_response_books_the_invoice_and_stores_its_vouchers(basware: Basware) -> None:
    invoice_id = await created(basware)
    await basware.acknowledge(invoice_id)
    answer = await basware.respond(
        invoice_id, voucherNumber1="26700001", paymentBlock=True, transferDate="2026-03-02T10:00:00"
    )
    assert (answer.status_code, answer.json()["voucherNumber1"]) == (200, "26700001")
    document = await basware.invoice(invoice_id)
    assert document["processingStatus"] == "Transferred"
    assert (document["voucherNumber1"], document["paymentBlock"]) == ("26700001", True)
    assert [response["externalCode"] for response in document["transferResponses"]] == ["r1"]


async def test_a_refusal_leaves_no_voucher_but_a_line_in_the_action_log(basware: Basware) -> None:
    invoice_id = await created(basware)
    await basware.acknowledge(invoice_id)
    await basware.respond(invoice_id, success=False, responseMessage="No account 4400", voucherNumber1="1")
    document = await basware.invoice(invoice_id)
    assert document["processingStatus"] == "TransferFailed"
    assert "voucherNumber1" not in document
    stored = next(
        item for item in basware.sandbox.dump()["accountingDocuments"] if item["invoiceId"] == invoice_id
    )  # fmt: skip
    assert "No account 4400" in stored["actionLog"][-1]


async def test_no_transfer_response_is_taken_outside_a_transfer(basware: Basware) -> None:
    invoice_id = await created(basware)
    await basware.respond(invoice_id)
    late = await basware.respond(invoice_id, externalCode="r2")
    assert late.status_code == 400
    error = late.json()["errors"][0]
    assert (error["type"], error["code"]) == ("BUSINESS", "DATA_VALIDATION_FAILED")
    assert late.json()["hasErrors"] is True
    assert len((await basware.invoice(invoice_id))["transferResponses"]) == 1


async def test_a_response_code_is_used_once_in_the_whole_tenant(basware: Basware) -> None:
    first, second = await created(basware), await created(basware)
    await basware.respond(first)
    for invoice_id in (first, second):
        reused = await basware.respond(invoice_id)
        assert (reused.status_code, reused.json()["errors"][0]["code"]) == (400, "CONFLICT_IN_POST")
    basware.settings.repeated_response = "state"
    assert (await basware.respond(first)).json()["errors"][0]["code"] == "DATA_VALIDATION_FAILED"


@pytest.mark.parametrize(
    "wrong",
    [
        {"responseMessage": "x" * 251},
        {"responseMessage": ""},
        {"success": "yes"},
        {"paymentBlock": None},
        {"externalCode": "x" * 37},
        {"voucherNumber1": "x" * 26},
        {"transferDate": "soon"},
    ],
)
async def test_a_response_must_keep_to_its_schema(basware: Basware, wrong: dict[str, Any]) -> None:
    invoice_id = await created(basware)
    answer = await basware.respond(invoice_id, **wrong)
    assert answer.status_code == 400
    error = answer.json()["errors"][0]
    assert (error["type"], error["code"]) == ("VALIDATION", "SCHEMA_VALIDATION_ERROR")
    assert next(iter(wrong)) in error["message"]
    assert "transferResponses" not in await basware.invoice(invoice_id)


async def test_json_keys_are_taken_in_any_case_and_unknown_ones_ignored(basware: Basware) -> None:
    invoice_id = await created(basware)
    body = {"ExternalCode": "r9", "Success": True, "ResponseMessage": "ok", "PaymentBlock": False, "Extra": 1}
    answer = await basware.api.post(f"/v1/accountingDocuments/{invoice_id}/transferResponses", json=body)
    assert answer.json() == {"externalCode": "r9", "success": True, "responseMessage": "ok", "paymentBlock": False}


async def test_a_retransfer_opens_a_new_round_of_the_same_invoice(basware: Basware) -> None:
    invoice_id = await created(basware)
    await basware.acknowledge(invoice_id)
    await basware.respond(invoice_id, success=False, responseMessage="No account 4999")
    await basware.act("recode_invoice", invoiceId=invoice_id, codingRows=[row("60.00", "12.60"), row("40.00", "8.40")])
    await basware.act("retransfer_invoice", invoiceId=invoice_id)
    document = await basware.invoice(invoice_id)
    assert document["processingStatus"] == "WaitingForTransfer"
    assert (len(document["transferResponses"]), len(document["codingRows"]), document["grossSum"]) == (1, 2, 121.0)
    assert (await basware.acknowledge(invoice_id)).status_code == 200
    assert (await basware.respond(invoice_id, externalCode="r2")).status_code == 200
    assert len((await basware.invoice(invoice_id))["transferResponses"]) == 2


async def test_only_the_latest_responses_are_kept_but_their_codes_stay_used(basware: Basware) -> None:
    basware.settings.responses_kept = 2
    invoice_id = await created(basware)
    for number in range(3):
        assert (await basware.respond(invoice_id, externalCode=f"r{number}", success=False)).status_code == 200
        await basware.act("retransfer_invoice", invoiceId=invoice_id)
    codes = [response["externalCode"] for response in (await basware.invoice(invoice_id))["transferResponses"]]
    assert codes == ["r1", "r2"]
    assert (await basware.respond(invoice_id, externalCode="r0")).json()["errors"][0]["code"] == "CONFLICT_IN_POST"


async def test_prebooking_has_its_own_states_and_answers_a_reused_code_with_409(basware: Basware) -> None:
    invoice_id = await created(basware, processingStatus="WaitingForPrebook")
    await basware.acknowledge(invoice_id)
    assert (await basware.invoice(invoice_id))["processingStatus"] == "PrebookInProgress"
    assert (await basware.respond(invoice_id, "prebookResponses")).status_code == 200
    assert (await basware.invoice(invoice_id))["processingStatus"] == "Prebooked"
    assert (await basware.respond(invoice_id, "prebookResponses")).status_code == 409


async def test_payments_may_be_reported_often_and_a_field_left_out_is_cleared(basware: Basware) -> None:
    invoice_id = await created(basware)
    early = await basware.respond(invoice_id, "paymentResponses")
    assert early.json()["errors"][0]["code"] == "DATA_VALIDATION_FAILED"
    await basware.respond(invoice_id)
    await basware.respond(invoice_id, "paymentResponses", externalCode="p1", paymentMethod="SEPA")
    document = await basware.invoice(invoice_id)
    assert (document["processingStatus"], document["paymentMethod"]) == ("Paid", "SEPA")
    await basware.respond(invoice_id, "paymentResponses", externalCode="p2")
    assert "paymentMethod" not in await basware.invoice(invoice_id)


async def test_the_result_of_a_response_follows_under_the_id_of_its_reply(basware: Basware) -> None:
    invoice_id = await created(basware)
    request_id = (await basware.respond(invoice_id)).headers["x-amzn-RequestId"]

    async def result() -> dict[str, Any]:
        results = (await basware.api.get(f"/v1/requestStatus/{request_id}")).json()["requestStatus"]
        return dict(results[0])

    assert (await result())["requestStatus"] == "InProgress"
    await basware.time.pass_(2)
    settled = await result()
    assert (settled["requestStatus"], settled["entityType"]) == ("Success", "TransferResponse")
    item = settled["systems"][0]["items"][0]
    assert (item["externalCode"], item["parentExternalCode"], item["status"]) == ("r1", invoice_id, "Success")
    assert (await basware.api.get("/v1/requestStatus")).status_code == 404
    assert (await basware.api.get("/v1/requestStatus", params={"entityType": "transferresponse"})).status_code == 200


async def test_a_failed_result_leaves_the_invoice_in_transfer_to_be_answered_again(basware: Basware) -> None:
    invoice_id = await created(basware)
    await basware.act("fail_next_writes", entityType="TransferResponse", message="Voucher refused")
    await basware.acknowledge(invoice_id)
    request_id = (await basware.respond(invoice_id)).headers["x-amzn-RequestId"]
    await basware.time.pass_(2)
    errors = (await basware.api.get("/v1/requestStatus")).json()["requestStatus"]
    assert [error["requestId"] for error in errors] == [request_id]
    assert errors[0]["systems"][0]["items"][0]["errors"][0]["message"] == "Voucher refused"
    assert (await basware.invoice(invoice_id))["processingStatus"] == "TransferInProgress"
    settled = await basware.api.post("/v1/requestStatus/acknowledge", json={"requestIds": [request_id]})
    assert settled.status_code == 200
    assert (await basware.api.get("/v1/requestStatus")).status_code == 404
    assert (await basware.respond(invoice_id, externalCode="r2")).status_code == 200


async def test_a_due_result_is_there_after_the_clock_jumped(basware: Basware) -> None:
    invoice_id = await created(basware)
    request_id = (await basware.respond(invoice_id)).headers["x-amzn-RequestId"]
    basware.sandbox.faults.clock.advance(5)
    result = (await basware.api.get(f"/v1/requestStatus/{request_id}")).json()["requestStatus"][0]
    assert result["requestStatus"] == "Success"


async def test_removing_a_booked_invoice_waits_for_the_other_system_and_an_unbooked_one_does_not(
    basware: Basware,
) -> None:
    unbooked, booked = await created(basware), await created(basware)
    await basware.respond(booked)
    await basware.act("cancel_invoice", invoiceId=unbooked, removalReason="Duplicate")
    await basware.act("cancel_invoice", invoiceId=booked)
    document = await basware.invoice(unbooked)
    assert (document["processingStatus"], document["removedBeforeTransfer"]) == ("Removed", True)
    assert document["removalReason"] == "Duplicate"
    assert (await basware.acknowledge(unbooked)).status_code == 405
    assert (await basware.invoice(booked))["processingStatus"] == "WaitingToBeRemoved"
    assert (await basware.acknowledge(booked)).status_code == 200
    assert (await basware.invoice(booked))["processingStatus"] == "Removed"


async def test_a_withdrawn_invoice_is_no_longer_offered_until_it_is_approved_again(basware: Basware) -> None:
    invoice_id = await created(basware, processingStatus="New")
    assert (await basware.acknowledge(invoice_id)).status_code == 405
    await basware.act("approve_invoice", invoiceId=invoice_id)
    await basware.act("withdraw_invoice", invoiceId=invoice_id)
    assert (await basware.acknowledge(invoice_id)).status_code == 405
    await basware.act("approve_invoice", invoiceId=invoice_id)
    assert (await basware.acknowledge(invoice_id)).status_code == 200
    with pytest.raises(ValueError, match="is TransferInProgress"):
        await basware.act("withdraw_invoice", invoiceId=invoice_id)
    with pytest.raises(ValueError, match="cannot be recoded"):
        await basware.act("recode_invoice", invoiceId=invoice_id, description="x")


async def test_an_invoice_may_contradict_itself_as_people_s_input_does(basware: Basware) -> None:
    invoice_id = await created(basware, netSum="90.00", grossSum="121.00")
    document = await basware.invoice(invoice_id)
    assert (document["netSum"], document["codingRows"][0]["netTotal"]) == (90.0, 100.0)
    with pytest.raises(ValueError, match=r"codingRows\[0\]\.acountCode: is not a field"):
        await basware.act("create_invoice", **invoice(codingRows=[{"acountCode": "4400"}]))


async def test_an_image_is_listed_after_the_transfer_and_fetched_by_an_expiring_link(basware: Basware) -> None:
    content = base64.b64encode(b"%PDF image").decode()
    invoice_id = await created(basware, attachments=[{"filename": "scan.pdf", "content_base64": content}])
    assert "attachments" not in await basware.invoice(invoice_id)
    await basware.respond(invoice_id)
    image = (await basware.invoice(invoice_id))["attachments"][0]
    assert (image["category"], image["filename"]) == ("ORIGINALIMAGE", "scan.pdf")
    path = f"/v1/accountingDocuments/{invoice_id}/attachments/{image['externalCode']}"
    link = (await basware.api.get(path)).headers["location"]
    answer = await basware.http.get(link)
    assert (answer.content, answer.headers["content-type"]) == (b"%PDF image", "application/pdf")
    await basware.time.pass_(901)
    assert (await basware.http.get(link)).status_code == 403
    fresh = (await basware.api.get(path)).headers["location"]
    assert (await basware.http.get(fresh)).status_code == 200
    basware.settings.attachments_enabled = False
    assert (await basware.api.get(path)).status_code == 404


async def test_an_image_may_be_listed_before_the_transfer_by_switch_and_be_large(basware: Basware) -> None:
    basware.settings.attachments_visible = "always"
    big = 11 * 1024 * 1024
    invoice_id = await created(basware, attachments=[{"filename": "scan.pdf", "size": big}])
    image = (await basware.invoice(invoice_id))["attachments"][0]
    answer = await basware.get(f"/v1/accountingDocuments/{invoice_id}/attachments/{image['externalCode']}")
    assert len(answer.content) == big


async def test_the_business_status_is_looked_up_by_number_once_it_is_enabled(basware: Basware) -> None:
    await created(basware, invoiceNumber="INV-7", invoiceDate="2026-03-02")
    query = {"companyCode": "NL01", "invoiceNumber": "INV-7", "invoiceDate": "2026-03-02"}
    assert (await basware.api.get("/v1/accountingDocuments/status", params=query)).status_code == 404
    basware.settings.status_lookup_enabled = True
    found = (await basware.api.get("/v1/accountingDocuments/status", params=query)).json()
    assert [item["status"] for item in found] == ["InApprovalProcess"]
    missing = await basware.api.get("/v1/accountingDocuments/status", params={"companyCode": "NL01"})
    assert missing.status_code == 400
