"""Basware's notices: subscribed to, tried, signed, repeated, and signed with the secret before this one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connector.adapters.systems.basware.webhook import Recipient, Verdict, notices
from connector.domain.identity import Entity
from connector.domain.ports.source import Notice
from connector.domain.vendor_error import ReauthorisationNeeded, Rejected
from tests.contract.basware_source.basware import Receiver, Room, Sandbox, receiving, running_sandbox, until

OLD, NEW = "sécret", "another sécret"
KINDS = 4
"""What we subscribe to, each tried on its own."""


@pytest.fixture
def tenant() -> Iterator[Sandbox]:
    """A tenant of the test's own: it has one set of subscriptions."""
    with running_sandbox(webhook_retry_scale=0.001) as running:
        yield running


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(Recipient((OLD,)))


@pytest.fixture
def address(receiver: Receiver) -> Iterator[str]:
    with receiving(receiver) as address:
        yield address


def kept(sandbox: Sandbox) -> list[dict[str, Any]]:
    return sorted(sandbox.store("subscriptions"), key=lambda one: (one["taskType"], one["taskSubType"]))


async def test_what_is_missing_is_subscribed_to_once_the_test_was_answered(
    room: Room, receiver: Receiver, address: str
) -> None:
    source = room.source(address=address, secret=OLD)
    await room.sweep(source, "subscriptions")
    assert receiver.verdicts == [Verdict.TEST] * KINDS
    assert {one["notificationWebhookURL"] for one in kept(room.sandbox)} == {address}
    await room.sweep(source, "subscriptions")
    assert len(room.sandbox.calls("/v1/subscriptions", "POST")) == 1
    one = kept(room.sandbox)[0]
    await room.http.delete(
        f"{room.sandbox.base_url}/v1/subscriptions",
        params={name: one[name] for name in ("taskType", "taskSubType")} | {"lastUpdated": "0001-01-01T00:00:00Z"},
        headers={"authorization": f"Bearer {room.sandbox.token()}"},
    )
    assert len(kept(room.sandbox)) == KINDS - 1
    await room.sweep(source, "subscriptions")
    assert len(kept(room.sandbox)) == KINDS
    assert receiver.verdicts == [Verdict.TEST] * (KINDS + 1)


async def test_a_subscription_to_an_address_of_before_is_made_anew(
    room: Room, receiver: Receiver, address: str
) -> None:
    await room.sweep(room.source(address=address, secret=OLD), "subscriptions")
    moved = f"{address}-moved"
    await room.sweep(room.source(address=moved, secret=OLD), "subscriptions")
    assert {one["notificationWebhookURL"] for one in kept(room.sandbox)} == {moved}


async def test_an_unsigned_test_is_refused_unless_the_connection_takes_it_and_says_what_to_set(
    room: Room, receiver: Receiver, address: str
) -> None:
    room.sandbox.set(sign_connection_test=False)
    source = room.source(address=address, secret=OLD)
    with pytest.raises(Rejected, match="if it refused an unsigned test, set accept_unsigned_test"):
        await room.sweep(source, "subscriptions")
    assert receiver.verdicts == [Verdict.UNSIGNED_TEST]
    assert kept(room.sandbox) == []
    receiver.recipient = Recipient((OLD,), accept_unsigned_test=True)
    await room.sweep(source, "subscriptions")
    assert len(kept(room.sandbox)) == KINDS


async def test_no_secret_is_told_before_anything_is_asked(room: Room, address: str) -> None:
    with pytest.raises(ReauthorisationNeeded, match="webhook_secret"):
        await room.sweep(room.source(address=address, secret=""), "subscriptions")
    assert room.sandbox.calls("/v1/subscriptions") == []


async def test_a_notice_is_an_id_which_a_task_told_twice_names_again(
    room: Room, receiver: Receiver, address: str
) -> None:
    await room.sweep(room.source(address=address, secret=OLD), "subscriptions")
    room.sandbox.set(webhook_duplicate=1.0, webhook_misspelled=1.0)
    invoice, order = room.sandbox.create_invoice("N-1"), room.sandbox.create_order("PO-1")
    await until(lambda: len(receiver.bodies()) == 4)
    told = [json.loads(body) for body in receiver.bodies()]
    assert len({one["taskId"] for one in told}) == 2
    assert not any("codingRows" in one or "supplierCode" in one for one in told)
    pointed = [notice for body in receiver.bodies() for notice in notices(body)]
    assert set(pointed) == {Notice(Entity.INVOICE, invoice), Notice(Entity.PURCHASE_ORDER, order)}


async def test_while_a_secret_is_replaced_both_sign_and_then_the_old_one_is_refused(
    room: Room, receiver: Receiver, address: str
) -> None:
    """Basware signs on with the secret it had for a while after a change."""
    room.sandbox.set(secret_lag_s=3600.0)
    await room.sweep(room.source(address=address, secret=OLD), "subscriptions")
    receiver.recipient = Recipient((NEW, OLD))  # applied with webhook_secret_previous
    await room.sweep(room.source(address=address, secret=NEW), "subscriptions")
    assert {one["webhookAuthenticationToken"] for one in kept(room.sandbox)} == {NEW}
    notice = {"taskType": "AccountingDocuments", "taskSubType": "WaitingForTransfer", "documentId": "x"}
    assert room.sandbox.act("send_notice", **notice)["accepted"]  # by the old secret, during the lag
    assert room.sandbox.act("send_notice", **notice, secret=NEW)["accepted"]
    receiver.recipient = Recipient((NEW,))  # the overlap is over
    assert not room.sandbox.act("send_notice", **notice)["accepted"]
    assert receiver.verdicts[-1] is Verdict.FORGED
    assert room.sandbox.act("send_notice", **notice, secret=NEW)["accepted"]
    assert not room.sandbox.act("send_notice", **notice, unsigned=True)["accepted"]
