"""`Epochs` on PostgreSQL, and the check that every other table's changes make."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.domain.identity import ConnectionId, Role
from connector.domain.ports.epochs import EPOCH_TTL_S, EpochLost, Hold, place_of

# Advisory locks queue fairly; row locks would let a stream of sharers starve whoever takes over.
_SHARE = text("select pg_advisory_xact_lock_shared(hashtextextended(:name, 1))")
_EXCLUDE = text("select pg_advisory_xact_lock(hashtextextended(:name, 1))")

_TAKE = text(
    """
    insert into epoch as e (tenant, connection, role, epoch, holder, expires_at)
    values (:tenant, :connection, :role, 1, :holder, clock_timestamp() + make_interval(secs => :ttl))
    on conflict (tenant, connection, role) do update
       set epoch = e.epoch + 1, holder = excluded.holder,
           expires_at = clock_timestamp() + make_interval(secs => :ttl)
     where e.expires_at < clock_timestamp() or e.holder = excluded.holder
        or (:before <> '' and starts_with(e.holder, :before))
    returning epoch
    """
)

_RENEW = text(
    """
    update epoch set expires_at = clock_timestamp() + make_interval(secs => :ttl)
     where tenant = :tenant and connection = :connection and role = :role and epoch = :epoch
       and expires_at >= clock_timestamp()
    """
)

_RELEASE = text(
    """
    update epoch set expires_at = '-infinity'
     where tenant = :tenant and connection = :connection and role = :role and epoch = :epoch
    """
)

_REQUIRE = text(
    """
    select 1 from epoch
     where tenant = :tenant and connection = :connection and role = :role and epoch = :epoch
       and expires_at >= clock_timestamp()
    """
)


async def require_epoch(db: AsyncConnection, connection: ConnectionId, role: Role, epoch: int) -> None:
    """Raise EpochLost unless this is the current epoch; it stays so until the caller's transaction ends."""
    await db.execute(_SHARE, {"name": f"{connection}/{role}"})
    found = await db.execute(_REQUIRE, _at(connection, role) | {"epoch": epoch})
    if found.first() is None:
        raise EpochLost(f"epoch {epoch} of {connection} ({role}) is over")


class PostgresEpochs:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def take(
        self, connection: ConnectionId, role: Role, holder: str, ttl_s: float = EPOCH_TTL_S, *, anew: bool = False
    ) -> Hold | None:
        before = f"{place_of(holder)}/" if anew and place_of(holder) else ""
        async with self._engine.begin() as db:
            await db.execute(_EXCLUDE, {"name": f"{connection}/{role}"})
            taken = await db.execute(_TAKE, _at(connection, role) | {"holder": holder, "ttl": ttl_s, "before": before})
            epoch = taken.scalar()
            return None if epoch is None else Hold(connection, role, epoch, holder)

    async def renew(self, hold: Hold, ttl_s: float = EPOCH_TTL_S) -> None:
        async with self._engine.begin() as db:
            renewed = await db.execute(_RENEW, _held(hold) | {"ttl": ttl_s})
            if renewed.rowcount == 0:
                raise EpochLost(f"epoch {hold.epoch} of {hold.connection} ({hold.role}) is over")

    async def release(self, hold: Hold) -> None:
        async with self._engine.begin() as db:
            await db.execute(_RELEASE, _held(hold))


def _at(connection: ConnectionId, role: Role) -> dict[str, object]:
    return {"tenant": connection.tenant, "connection": connection.connection, "role": str(role)}


def _held(hold: Hold) -> dict[str, object]:
    return _at(hold.connection, hold.role) | {"epoch": hold.epoch}
