"""Waiters and those who wake them meet under advisory locks on the keys, so that no wake-up is lost between them."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from .notify import notify

Key = tuple[str, str]
"""Tenant and dependency key."""

# 256 locks stand for all keys: the server's lock table is small, and a batch may name hundreds of keys.
_LOCK = text(
    """
    select pg_advisory_xact_lock(2, lock) from (
        select distinct hashtext(tenant || '/' || key) & 255 as lock
          from unnest(cast(:tenants as text[]), cast(:keys as text[])) as k(tenant, key) order by 1) l
    """
)

_WAKE = text(
    """
    with woken as (
        delete from wait w using unnest(cast(:tenants as text[]), cast(:keys as text[])) as k(tenant, key)
         where w.tenant = k.tenant and w.key = k.key
        returning w.tenant, w.flow, w.entity, w.native_id)
    update desired d set state = 'due', due = now(), state_since = now()
      from (select distinct * from woken) w
     where (d.tenant, d.flow, d.entity, d.native_id) = (w.tenant, w.flow, w.entity, w.native_id)
       and d.state in ('waiting', 'blocked')
    returning d.tenant, d.target_connection
    """
)


async def lock_keys(db: AsyncConnection, keys: Sequence[Key]) -> None:
    """Take the keys' locks, in one order for everybody, until the transaction ends."""
    if keys:
        await db.execute(_LOCK, _columns(keys))


async def wake(db: AsyncConnection, keys: Sequence[Key]) -> None:
    """Make due whoever waits for these keys or is blocked by them. The caller holds their locks."""
    if not keys:
        return
    woken = await db.execute(_WAKE, _columns(keys))
    for tenant, target in {(row.tenant, row.target_connection) for row in woken}:
        await notify(db, f"write/{tenant}/{target}")


def _columns(keys: Sequence[Key]) -> dict[str, object]:
    return {"tenants": [tenant for tenant, _ in keys], "keys": [key for _, key in keys]}
