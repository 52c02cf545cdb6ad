"""What `connector ping` asks Exact for a connection that a flow writes to."""

import re
from collections.abc import Sequence
from dataclasses import replace

from connector.adapters.clock import SystemClock
from connector.adapters.http import vendor_http
from connector.adapters.systems import Check, RoomParts, room
from connector.adapters.systems.exact.rights import Right, needed
from connector.domain.identity import Entity
from connector.domain.ports.configuration import Flow
from connector.domain.sync.states import State
from tests.contract.exact_source.sandboxes import OneCallerGate, Sandbox
from tests.contract.exact_target.exact import (
    EXACT,
    FINGERPRINTS,
    Desk,
    flow_with,
    invoice,
    order,
    order_line,
    record,
    supplier,
    with_image,
)

MISSING = [
    ("crm/BankAccounts", "GET"),
    ("purchaseentry/PurchaseEntries", "DELETE"),
    ("documents/DocumentAttachments", "POST"),
    ("vat/VATCodes", "GET"),
    ("purchaseorder/PurchaseOrders", "POST"),
]


async def ping(sandbox: Sandbox, gate: OneCallerGate, *flows: Flow) -> Sequence[Check]:
    async with vendor_http() as http:
        clock = {"clock": SystemClock()}
        parts = RoomParts(EXACT, sandbox.settings(), gate, http, stores=clock, flows_into=flows)
        return await room("exact").ping(parts)


def rights(found: Sequence[Check]) -> set[str]:
    return {check.name for check in found if check.name.startswith("right to ")}


async def test_each_right_that_the_flow_needs_is_asked_for_and_who_grants_a_missing_one(
    sandbox: Sandbox, gate: OneCallerGate
) -> None:
    for endpoint, action in MISSING:
        sandbox.act("set_right", endpoint=endpoint, action=action, allowed=False)
    try:
        found = await ping(sandbox, gate, flow_with())
    finally:
        for endpoint, action in MISSING:
            sandbox.act("set_right", endpoint=endpoint, action=action, allowed=True)
    refused = [check for check in found if not check.passed]
    assert {check.name for check in refused} == {
        "right to read crm/BankAccounts",
        "right to delete purchaseentry/PurchaseEntries",
        "right to create documents/DocumentAttachments",
        "right to read vat/VATCodes",
        "right to create purchaseorder/PurchaseOrders",
    }
    assert all("administrator" in (check.fix or "") for check in refused)
    assert all(check.passed for check in await ping(sandbox, gate, flow_with()))


async def test_what_the_flow_does_not_use_is_not_asked_for(sandbox: Sandbox, gate: OneCallerGate) -> None:
    source_alone = rights(await ping(sandbox, gate))
    assert source_alone == {
        "right to read purchaseorder/PurchaseOrders",
        "right to read purchaseentry/PurchaseEntries",
        "right to read crm/Accounts",
    }
    bare = flow_with(create_suppliers=False, images="none", orders="off")
    lean = rights(await ping(sandbox, gate, bare)) - source_alone
    assert {"right to read crm/BankAccounts", "right to change crm/Accounts"} <= lean
    assert not {name for name in lean if "documents/" in name or "purchaseorder/" in name or "Items" in name}
    assert "right to create crm/Accounts" not in lean
    suppliers = rights(await ping(sandbox, gate, replace(bare, entities=frozenset({Entity.SUPPLIER}))))
    assert suppliers - source_alone == {"right to change crm/Accounts"}


async def test_what_a_flow_calls_is_covered_by_the_rights_that_are_asked_for(desk: Desk) -> None:
    sandbox = desk.sandbox
    sandbox.forget_calls()
    vendor = supplier("V9077")
    await desk.settled(record(vendor, "v9077"))
    blob, paid_to = await desk.blobs.put("acme", b"%PDF-1.7"), FINGERPRINTS.of("NL91ABNA0417164300")
    account = {"payee_account": paid_to.hash, "payee_account_last4": paid_to.last4}
    bill = invoice("PING-1", supplier_id="v9077", **account)
    await desk.settled(with_image(bill, "PING-1", blob), State.BLOCKED)
    await desk.settled(with_image(invoice("PING-2", supplier_id="v9077"), "PING-2", blob))
    await desk.settled(record(order("PING-3", supplier_id="v9077"), "PING-3"))
    await desk.settled(record(order("PING-3", order_line(net="50.00"), supplier_id="v9077"), "PING-3"))
    await desk.settled(record(None, "PING-2", entity=Entity.INVOICE))
    called = {
        Right(match[1], call["method"])
        for call in sandbox.calls()
        if (match := re.fullmatch(r"/api/v1/\d+/([\w/]+)(\(.*\))?", call["path"])) and "/users/" not in call["path"]
    }
    asked = set(needed(sandbox.settings(), [flow_with()]))
    assert called - asked == set()
    assert Right("crm/BankAccounts", "GET") in called
    assert Right("purchaseentry/PurchaseEntries", "DELETE") in called
