"""Whether a connection to Basware works, by real calls, and what to do where it does not."""

from collections.abc import AsyncIterator, Sequence

from connector.adapters.http import request
from connector.adapters.http.headers import http_date_s
from connector.adapters.systems import Check, RoomParts
from connector.adapters.systems.checks import clock_check, gathered
from connector.domain.identity import TrafficClass
from connector.domain.vendor_error import VendorError

from .client import BaswareClient
from .documents import INVOICES, OFFERED, ORDERS, VENDORS
from .settings import Settings

READS = {
    INVOICES: {"ProcessingStatus": OFFERED, "pageSize": "1"},
    ORDERS: {"orderStatus": "WaitingForExport", "pageSize": "1"},
    VENDORS: {"pageSize": "1"},
    "requestStatus": {"entityType": "TransferResponse", "pageSize": "1"},
    "subscriptions": {},
    "tasks": {"taskStatus": "Failed", "pageSize": "1"},
}


async def ping(parts: RoomParts) -> Sequence[Check]:
    """Token and scopes by real reads, Basware's signing keys, and the clocks."""
    return await gathered(_checks(parts))


async def _checks(parts: RoomParts) -> AsyncIterator[Check]:
    settings: Settings = parts.settings
    for check in await _keys(parts, settings):
        yield check
    client = BaswareClient(settings, parts.connection, parts.gate, parts.http)
    for resource, query in READS.items():
        yield await _read(client, resource, query)


async def _read(client: BaswareClient, resource: str, query: dict[str, str]) -> Check:
    name = f"read {resource}"
    try:
        page = await client.page(resource, query, TrafficClass.LIVE)
    except VendorError as error:
        fix = f"Ask Basware to grant the client the scope {resource}.read" if error.status == 403 else None
        return Check(name, False, error.message, fix)
    return Check(name, True, f"{len(page.rows)} shown")


async def _keys(parts: RoomParts, settings: Settings) -> Sequence[Check]:
    """Basware publishes the keys that sign its tokens; their answer also tells Basware's time."""
    try:
        answer = await request(parts.http, "GET", f"{settings.base_url}/.well-known/jwks.json")
        keys = answer.json().get("keys") or []
    except (VendorError, AttributeError) as error:
        return [Check("signing keys", False, str(error), "Check base_url: it is not Basware's API")]
    good = [key for key in keys if key.get("alg") == "RS256"]
    return [
        Check("signing keys", bool(good), f"{len(good)} RS256", None if good else "Check base_url"),
        clock_check("Basware", http_date_s(answer.headers.get("date")), parts.stores["clock"]),
    ]
