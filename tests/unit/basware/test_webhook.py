"""Who may send Basware's notices, and what they point at."""

import base64
import hashlib
import hmac
import json

import pytest

from connector.adapters.systems.basware.webhook import Recipient, Verdict, notices
from connector.domain.identity import Entity
from connector.domain.ports.source import Notice

SECRET = "geheim-ü"


def body(task_type: str = "AccountingDocuments", **more: str) -> bytes:
    return json.dumps({"taskId": "t1", "taskStatus": "New", "taskType": task_type, "documentId": "d1", **more}).encode()


def signature(data: bytes, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), data, hashlib.sha256).digest()


def forms(digest: bytes) -> list[str]:
    coded = base64.b64encode(digest).decode()
    return [digest.hex(), digest.hex().upper(), f"sha256={digest.hex()}", coded, f"sha256={coded}"]


@pytest.mark.parametrize("form", range(5))
def test_the_digest_may_be_written_in_any_of_the_usual_ways(form: int) -> None:
    data = body()
    headers = {"X-BWAPI-Signature-256": forms(signature(data))[form]}
    assert Recipient((SECRET,)).verify(headers, data) is Verdict.ACCEPTED


@pytest.mark.parametrize("claimed", [None, "", "sha256=", "zz", "00" * 32, forms(signature(b"other"))[0]])
def test_anything_else_is_refused(claimed: str | None) -> None:
    headers = {} if claimed is None else {"x-bwapi-signature-256": claimed}
    verdict = Recipient((SECRET,)).verify(headers, body())
    assert (verdict.status, verdict.publish) == (401, False)


def test_while_a_secret_is_replaced_both_count_and_then_only_the_new_one() -> None:
    data = body()
    old = {"x-bwapi-signature-256": signature(data, "old").hex()}
    assert Recipient((SECRET, "old")).verify(old, data) is Verdict.ACCEPTED
    assert Recipient((SECRET,)).verify(old, data) is Verdict.FORGED


def test_a_connection_test_is_answered_and_not_published() -> None:
    data = body("ConnectionTest")
    verdict = Recipient((SECRET,)).verify({"x-bwapi-signature-256": signature(data).hex()}, data)
    assert (verdict.status, verdict.publish) == (200, False)


def test_an_unsigned_connection_test_passes_only_where_the_connection_says_so() -> None:
    data = body("ConnectionTest")
    assert Recipient((SECRET,)).verify({}, data).status == 401
    assert Recipient((SECRET,), accept_unsigned_test=True).verify({}, data).status == 200
    assert Recipient((SECRET,), accept_unsigned_test=True).verify({}, body()).status == 401


@pytest.mark.parametrize("spelled", ["AccountingDocuments", "accountingdocuments", "AccoutingDocuments"])
def test_a_task_type_is_known_however_it_is_spelled(spelled: str) -> None:
    assert notices(body(spelled)) == (Notice(Entity.INVOICE, "d1"),)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", body("ExportedContracts"), body("ExportedPurchaseRequisitions")])
def test_what_we_do_not_read_gives_no_notice(data: bytes) -> None:
    assert notices(data) == ()
