"""Whether a connection to Coupa works, by real calls, and what to do where it does not."""

from collections.abc import AsyncIterator, Mapping, Sequence

from connector.adapters.http.headers import http_date_s
from connector.adapters.systems import Check, RoomParts
from connector.adapters.systems.checks import clock_check, gathered
from connector.domain.identity import TrafficClass
from connector.domain.vendor_error import AuthExpired, ReauthorisationNeeded, Rejected, VendorConflict, VendorError

from .client import CoupaClient, shape
from .settings import Settings
from .values import inner

_RIGHTS: Mapping[str, str] = {
    "suppliers": "core.supplier.read",
    "purchase_orders": "core.purchase_order.read",
    "invoices": "core.invoice.read",
    "lookup_values": "core.common.read",
    "account_types": "core.accounting.read",
    "users": "core.user.read",
}
"""What is read, and the scope that lets us."""
_WRITES: Mapping[str, str] = {
    "suppliers/0": "core.supplier.write",
    "purchase_orders/0": "core.purchase_order.write",
    "invoices/0": "core.invoice.write",
    "invoices/0/void": "core.invoice.delete",
    "lookup_values/0": "core.common.write",
}
"""What is written, as a change of an object that cannot exist, and the scope that lets us."""
_STAMPED = ("suppliers", "purchase_orders", "invoices", "lookup_values")
_NONE = "no object by this key can exist"


async def checks(parts: RoomParts) -> Sequence[Check]:
    """Token, scopes, the custom field, our user, and the clocks.

    Charts, addresses and users that flows name are looked up when a document is rendered, before anything is written.
    """
    return await gathered(_checks(parts))


async def _checks(parts: RoomParts) -> AsyncIterator[Check]:
    settings: Settings = parts.settings
    client = CoupaClient(settings, parts.connection, parts.gate, parts.http)
    try:
        answer = await client.send("GET", "currencies", TrafficClass.LIVE, {"limit": "1", "fields": shape(("id",))})
    except AuthExpired as error:
        yield Check("token", False, str(error), "Check client id and client secret, and that the client is enabled")
        return
    except VendorError as error:
        yield Check("token", False, str(error), "See Coupa's words")
        return
    yield Check("token", True, f"accepted by {settings.base_url}")
    for resource, scope in _RIGHTS.items():
        yield await _right(client, resource, scope)
    for path, scope in _WRITES.items():
        yield await _write_right(client, path, scope)
    for resource in _STAMPED:
        yield await _stamp(client, settings, resource)
    if settings.login is not None:
        yield await _login(client, settings.login)
    yield clock_check("Coupa", http_date_s(answer.headers.get("date")), parts.stores["clock"])


async def _right(client: CoupaClient, resource: str, scope: str) -> Check:
    name = f"right to read {resource}"
    try:
        await client.send("GET", resource, TrafficClass.LIVE, {"limit": "1", "fields": shape(("id",))})
    except VendorError as error:
        return Check(name, False, str(error), f"A Coupa administrator grants the OAuth client the scope {scope}")
    return Check(name, True, "granted")


async def _write_right(client: CoupaClient, path: str, scope: str) -> Check:
    """Coupa looks for the right before it looks for the object: without the one it answers 403, without the other 404.
    Whether objects may be created cannot be tried without creating one."""
    resource, _, action = path.replace("/0", "").partition("/")
    name = f"right to {action or 'write'} {resource}"
    try:
        await client.send("PUT", path, TrafficClass.LIVE, {}, {})
    except (VendorConflict, Rejected):
        return Check(name, True, "granted")
    except ReauthorisationNeeded as error:
        return Check(name, False, str(error), f"A Coupa administrator grants the OAuth client the scope {scope}")
    except VendorError as error:
        return Check(name, False, str(error), "See Coupa's words")
    return Check(name, False, f"Coupa took a change of {path}, which cannot exist", "Check base_url: is this Coupa?")


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
