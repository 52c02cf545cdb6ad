"""Whether a connection to Coupa works, by real calls, and what to do where it does not."""

from collections.abc import Mapping, Sequence

from connector.adapters.http.headers import http_date_s
from connector.adapters.systems import Check, RoomParts
from connector.domain.identity import TrafficClass
from connector.domain.ports.clock import Clock
from connector.domain.vendor_error import AuthExpired, VendorError

from .client import CoupaClient, shape
from .settings import Settings
from .values import inner

_SKEW_AT_MOST_S = 60.0
_RIGHTS: Mapping[str, str] = {
    "suppliers": "core.supplier.read",
    "purchase_orders": "core.purchase_order.read",
    "invoices": "core.invoice.read",
    "lookup_values": "core.common.read",
    "account_types": "core.accounting.read",
    "users": "core.user.read",
}
"""What is read, and the scope that lets us."""
_STAMPED = ("suppliers", "purchase_orders", "invoices", "lookup_values")
_NONE = "no object by this key can exist"


async def checks(parts: RoomParts) -> Sequence[Check]:
    """Token, scopes, the custom field, our user, and the clocks. Raises GateError where no call may be made.

    Charts, addresses and users that flows name are looked up when a document is rendered, before anything is written.
    """
    settings: Settings = parts.settings
    client = CoupaClient(settings, parts.connection, parts.gate, parts.http)
    try:
        answer = await client.send("GET", "currencies", TrafficClass.LIVE, {"limit": "1", "fields": shape(("id",))})
    except AuthExpired as error:
        return [Check("token", False, str(error), "Check client id and client secret, and that the client is enabled")]
    except VendorError as error:
        return [Check("token", False, str(error), "See Coupa's words")]
    found = [Check("token", True, f"accepted by {settings.base_url}")]
    found += [await _right(client, resource, scope) for resource, scope in _RIGHTS.items()]
    found += [await _stamp(client, settings, resource) for resource in _STAMPED]
    if settings.login is not None:
        found.append(await _login(client, settings.login))
    return [*found, _clock(http_date_s(answer.headers.get("date")), parts.stores["clock"])]


async def _right(client: CoupaClient, resource: str, scope: str) -> Check:
    name = f"right to read {resource}"
    try:
        await client.send("GET", resource, TrafficClass.LIVE, {"limit": "1", "fields": shape(("id",))})
    except VendorError as error:
        return Check(name, False, str(error), f"Grant the OAuth client the scope {scope}")
    return Check(name, True, "granted")


async def _stamp(client: CoupaClient, settings: Settings, resource: str) -> Check:
    """Coupa refuses to search by a custom field it does not have. Whether it may be set by API shows at the first
    write: an object that comes back without its mark is never committed."""
    field = settings.stamp_field
    name = f"custom field {field} of {resource}"
    query = {f"custom_fields[{field}]": _NONE, "limit": "1", "fields": shape(("id",))}
    try:
        await client.send("GET", resource, TrafficClass.LIVE, query)
    except VendorError as error:
        fix = f"Set up the custom field {field} for {resource}, editable by API"
        return Check(name, False, str(error), fix)
    return Check(name, True, "there")


async def _login(client: CoupaClient, login: str) -> Check:
    """Objects that our client made tell its user's name."""
    fields = ("id", {"created_by": ["login"]})
    where = {"created_by[login]": login, "limit": "1", "fields": shape(fields)}
    try:
        rows = (await client.send("GET", "suppliers", TrafficClass.LIVE, where)).json()
    except VendorError as error:
        return Check("login", False, str(error), "See Coupa's words")
    if not rows:
        return Check("login", True, f"nothing made by {login} yet: it shows after the first write")
    return Check("login", inner(rows[0], "created-by", "login") == login, f"objects are made by {login}")


def _clock(theirs_s: float | None, clock: Clock) -> Check:
    if theirs_s is None:
        return Check("clock", True, "Coupa told no time")
    skew_s = clock.now().timestamp() - theirs_s
    near = abs(skew_s) <= _SKEW_AT_MOST_S
    return Check("clock", near, f"{skew_s:+.0f} s from Coupa's", None if near else "Set this machine's clock (NTP)")
