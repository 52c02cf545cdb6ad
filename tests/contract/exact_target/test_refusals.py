"""What is not written into Exact, and why: found before any write, all at once, and told in full."""

import itertools
from datetime import date
from typing import Any

import pytest

from connector.domain.documents.common import PaymentTerms
from connector.domain.documents.invoice import Attachment
from connector.domain.documents.purchase_order import OrderLifecycle
from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.target import NaturalKey
from connector.domain.sync.states import State
from tests.contract.exact_target.exact import Desk, invoice, line, live, order, order_line, record, supplier

_fresh = itertools.count(1)
NOWHERE = "00000000-0000-0000-0000-00000000000f"


@pytest.fixture
def number() -> str:
    return f"R-{next(_fresh)}"


@pytest.fixture
async def vendor(desk: Desk) -> Any:
    made = record(supplier("V300"), "v300")
    await desk.settled(made)
    return made


async def test_journal_period_terms_and_closed_codes_are_refused_together_and_stand_in_the_audit(
    desk: Desk, vendor: Any, number: str
) -> None:
    desk.choose(journal="90")
    rows = (line("1", gl="4900"), line("2", tax="8"), line("3", gl="4100", cu="NOPE"))
    document = invoice(
        number, *rows, supplier_id="v300", issue_date=date(1999, 1, 1), payment_terms=PaymentTerms(code="99X")
    )
    blocked = record(document, number)
    desk.sandbox.forget_calls()
    await desk.settled(blocked, State.BLOCKED)
    wanted = {
        "journal-type",
        "gl-account-closed-in-target",
        "vat-code-closed-in-target",
        "cost-unit-unknown-in-target",
        "period-unknown-in-target",
        "payment-term-unknown-in-target",
    }
    assert desk.codes(blocked) == wanted
    assert {call["method"] for call in desk.sandbox.calls() if "/api/v1/" in call["path"]} == {"GET"}
    story = str([dict(entry.detail) for entry in desk.tables.audit[desk.row(blocked).desired.row]])
    assert [code for code in wanted if code not in story] == []
    assert all(reason.fix for reason in desk.row(blocked).reasons)


async def test_a_journal_that_is_blocked_or_missing_is_named(desk: Desk, vendor: Any, number: str) -> None:
    for journal, code in (("75", "journal-closed-in-target"), ("99", "journal-unknown-in-target")):
        desk.choose(journal=journal)
        blocked = record(invoice(f"{number}-{journal}", supplier_id="v300"), f"{number}-{journal}")
        await desk.settled(blocked, State.BLOCKED)
        assert desk.codes(blocked) == {code}
        assert journal in desk.row(blocked).reasons[0].message


async def test_documents_of_a_company_go_to_the_division_that_carries_it(desk: Desk, vendor: Any, number: str) -> None:
    """Another flow, into another division, carries the other company."""
    ours = record(invoice(number, supplier_id="v300"), number)
    theirs = record(invoice(f"{number}x", supplier_id="v300"), f"{number}x", company="DE01")
    await desk.settled(ours)
    await desk.settled(theirs, State.EXCLUDED)
    assert desk.codes(theirs) == {"other-company"}
    assert len(desk.entries(number)) == 1
    assert desk.entries(f"{number}x") == []


async def test_an_image_that_exact_does_not_take_is_named_before_anything_is_written(
    desk: Desk, vendor: Any, number: str
) -> None:
    shown = invoice(number, supplier_id="v300").model_copy(
        update={"attachments": [Attachment(id="a1", name="scan.pdf")]}
    )
    large = {"images": {"a1": {"problem": "too-large", "cap_bytes": 10 * 1024 * 1024}}}
    blocked = record(shown, number, extras=large)
    await desk.settled(blocked, State.BLOCKED)
    (reason,) = desk.row(blocked).reasons
    assert (reason.code, "scan.pdf" in reason.message, "10 MB" in str(reason.fix)) == ("image-too-large", True, True)
    assert desk.entries(number) == []
    desk.choose(images="none")
    await desk.until(blocked, State.SYNCED)
    assert len(desk.entries(number)) == 1


async def test_nothing_is_asked_for_in_a_way_that_exact_answers_with_404(desk: Desk, vendor: Any) -> None:
    """Ten of these in an hour would block the endpoint."""
    desk.sandbox.forget_calls()
    for resource in ("purchaseentry/PurchaseEntries", "purchaseorder/PurchaseOrders", "documents/Documents"):
        field = "Subject" if "Documents" in resource else "YourRef"
        named = NaturalKey(resource, (("Supplier", NOWHERE), (field, "nowhere")))
        assert await desk.target.read(resource, [NOWHERE], TrafficClass.LIVE) == {}
        assert await desk.target.look_up([named], TrafficClass.LIVE) == {named: []}
    assert await desk.target.read("crm/Accounts", [NOWHERE], TrafficClass.LIVE) == {}
    for kind in ("gl-account", "cost-center", "cost-unit", "vat-code", "journal", "payment-term", "item", "project"):
        assert await desk.target.reference(kind, ["NOWHERE"], TrafficClass.LIVE) == {}
    calls = [call for call in desk.sandbox.calls() if "/api/v1/" in call["path"]]
    assert {call["status"] for call in calls} == {200}
    assert not [call["path"] for call in calls if "guid" in call["path"]]


async def test_blanket_unapproved_and_cancelled_orders_are_not_begun(desk: Desk, vendor: Any, number: str) -> None:
    for given, code in (
        ({"order_type": "Blanket"}, "not-sent-type"),
        ({"lifecycle": OrderLifecycle.AWAITING}, "unapproved"),
        ({"lifecycle": OrderLifecycle.CLOSED}, "gone-before-first-write"),
    ):
        left = record(order(f"{number}-{code}", supplier_id="v300", **given), f"{number}-{code}")
        await desk.settled(left, State.EXCLUDED)
        assert desk.codes(left) == {code}


async def test_a_cancelled_order_is_deleted_or_cut_down_to_what_came(desk: Desk, vendor: Any, number: str) -> None:
    """Lines of which nothing came stayed on order."""
    whole, part = f"{number}-whole", f"{number}-part"
    lines = [order_line(place, "10", "25.00") for place in (1, 2, 3, 4)]
    for each in (whole, part):
        await desk.settled(record(order(each, *lines, supplier_id="v300"), each))
    orders = {row["YourRef"]: row for row in desk.sandbox.store("purchaseorder/PurchaseOrders")}
    for act, counts in (("receive", {1: 4, 2: 10}), ("invoice", {1: 2, 3: 3})):
        moved = [{"LineNumber": place, "quantity": quantity} for place, quantity in counts.items()]
        desk.sandbox.act(f"{act}_purchase_order", id=orders[part]["PurchaseOrderID"], lines=moved)
    for each in (whole, part):
        gone = order(each, *lines, supplier_id="v300", lifecycle=OrderLifecycle.CANCELLED)
        await desk.settled(record(gone, each, entity=Entity.PURCHASE_ORDER))
    left = {each: live(desk.sandbox, "purchaseorder/PurchaseOrders", each) for each in (whole, part)}
    assert [len(rows) for rows in left.values()] == [0, 1]
    kept = {
        row["LineNumber"]: float(row["QuantityInPurchaseUnits"])
        for row in desk.sandbox.store("purchaseorder/PurchaseOrderLines")
        if row["PurchaseOrderID"] == left[part][0]["PurchaseOrderID"] and not row.get("_deleted")
    }
    assert kept == {1: 4, 2: 10, 3: 3}
