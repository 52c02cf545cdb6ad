"""What `connector ping` finds out about a connection to Coupa."""

from connector.adapters.clock import SystemClock
from connector.adapters.http import vendor_http
from connector.adapters.systems import Check, RoomParts, room
from tests.contract.coupa_target.coupa import COUPA, OpenGate, Sandbox


async def ping(sandbox: Sandbox, token: str | None = None, **settings: str) -> dict[str, Check]:
    async with vendor_http() as http:
        gate = OpenGate(token or sandbox.token())
        parts = RoomParts(COUPA, sandbox.settings(**settings), gate, http, stores={"clock": SystemClock()})
        return {check.name: check for check in await room("coupa").ping(parts)}


async def test_a_connection_with_everything_in_place_passes(sandbox: Sandbox) -> None:
    found = await ping(sandbox)
    assert [check for check in found.values() if not check.passed] == []
    assert {"token", "right to read invoices", "custom field erp-source-id of purchase_orders", "clock"} <= set(found)


async def test_a_refused_token_is_told_first_and_alone(sandbox: Sandbox) -> None:
    found = await ping(sandbox, token="stale")
    assert list(found) == ["token"]
    assert not found["token"].passed


async def test_a_missing_scope_names_itself(sandbox: Sandbox) -> None:
    sandbox.act("create_oauth_client", client_id="narrow", client_secret="s", scopes=["core.common.read"])
    narrow = Sandbox(
        sandbox.base_url,
        sandbox.control_url,
        {**sandbox.credentials, "client_id": "narrow", "client_secret": "s", "scopes": ["core.common.read"]},
    )
    found = await ping(sandbox, token=narrow.token())
    assert "core.invoice.read" in (found["right to read invoices"].fix or "")
    assert "core.invoice.write" in (found["right to write invoices"].fix or "")
    assert "core.invoice.delete" in (found["right to void invoices"].fix or "")
    assert "administrator" in (found["right to write suppliers"].fix or "")


async def test_rights_to_write_are_tried_without_writing(sandbox: Sandbox) -> None:
    before = {name: sandbox.store(name) for name in ("suppliers", "purchase_orders", "invoices", "lookup_values")}
    found = await ping(sandbox)
    tried = {name for name in found if name.startswith(("right to write", "right to void"))}
    assert len(tried) == 5
    assert all(found[name].passed for name in tried)
    assert {name: sandbox.store(name) for name in before} == before


async def test_a_custom_field_that_is_not_set_up_is_found_before_the_first_write(sandbox: Sandbox) -> None:
    found = await ping(sandbox, stamp_field="erp-nothing")
    assert not found["custom field erp-nothing of suppliers"].passed
