"""Whether a connection to Exact works, by real calls, and what to do where it does not."""

from collections.abc import AsyncIterator, Sequence

from connector.adapters.http.headers import http_date_s
from connector.adapters.systems import Check, RoomParts
from connector.adapters.systems.checks import clock_check, gathered
from connector.domain.identity import TrafficClass
from connector.domain.ports.clock import Clock
from connector.domain.vendor_error import VendorError

from .client import ExactClient, Query
from .rights import Right, needed
from .settings import Settings


async def ping(parts: RoomParts) -> Sequence[Check]:
    """Token, division, the company's currency, the rights to read and of flows that write here, and the clocks."""
    return await gathered(_checks(parts))


async def _checks(parts: RoomParts) -> AsyncIterator[Check]:
    settings: Settings = parts.settings
    client = ExactClient(settings, parts.connection, parts.gate, parts.http)
    try:
        me = await client.me(TrafficClass.LIVE)
    except VendorError as error:
        yield Check("token", False, str(error), f"connector authorize {parts.connection}")
        return
    yield Check("token", True, f"logged in as {me.get('UserName')}")
    for check in await _division(client, settings):
        yield check
    for right in needed(settings, parts.flows_into):
        yield await _right(client, right)
    yield await _clock(client, settings, parts.stores["clock"])


async def _division(client: ExactClient, settings: Settings) -> Sequence[Check]:
    number = settings.division
    query = Query("system/Divisions", ("Code", "Description", "Currency"), where=f"Code eq {number}")
    try:
        rows = await client.rows(query, TrafficClass.LIVE)
    except VendorError as error:
        return [Check("division", False, str(error), "See Exact's words")]
    if not rows:
        fix = "Give the user access to the division, or correct `division`"
        return [Check("division", False, f"this user sees no division {number}", fix)]
    name, currency = rows[0].get("Description"), rows[0].get("Currency")
    agrees = currency == settings.company.currency
    return [
        Check("division", True, f"{number} {name}"),
        Check("currency", agrees, f"the division's is {currency}", None if agrees else "Correct company.currency"),
    ]


async def _right(client: ExactClient, right: Right) -> Check:
    """Exact answers an empty list where a right is missing, so it is asked for the right itself."""
    try:
        granted = await client.has_rights(right.endpoint, TrafficClass.LIVE, action=right.action)
    except VendorError as error:
        return Check(str(right), False, str(error), "See Exact's words")
    fix = "An administrator of the company grants it: Exact Online, Users, Rights"
    return Check(str(right), granted, "granted" if granted else "missing", None if granted else fix)


async def _clock(client: ExactClient, settings: Settings, clock: Clock) -> Check:
    url = f"{settings.base_url}/api/v1/current/Me?$select=CurrentDivision"
    try:
        answer = await client.send("GET", "current/Me", url, TrafficClass.LIVE)
    except VendorError as error:
        return Check("clock", False, str(error), "See Exact's words")
    return clock_check("Exact", http_date_s(answer.headers.get("date")), clock)
