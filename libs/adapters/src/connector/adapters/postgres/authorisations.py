"""`AuthorisationStore` on PostgreSQL."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.domain.identity import ConnectionId
from connector.domain.ports.authorisations import Login, Refusal

_FIND = "select *, expires_at < now() as expired from authorisation where {column} = :value for update"
_BY_INVITATION = text(_FIND.format(column="invitation"))
_BY_STATE = text(_FIND.format(column="state"))


class PostgresAuthorisationStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def invite(self, connection: ConnectionId, invitation: str, redirect_uri: str, life_s: float) -> None:
        async with self._engine.begin() as db:
            await db.execute(
                text("delete from authorisation where tenant = :tenant and expires_at < now() - interval '1 day'"),
                {"tenant": connection.tenant},
            )
            await db.execute(
                text(
                    "insert into authorisation (tenant, connection, invitation, redirect_uri, expires_at)"
                    " values (:tenant, :connection, :invitation, :redirect_uri, now() + make_interval(secs => :life_s))"
                ),
                {
                    "tenant": connection.tenant,
                    "connection": connection.connection,
                    "invitation": invitation,
                    "redirect_uri": redirect_uri,
                    "life_s": life_s,
                },
            )

    async def start(self, invitation: str, state: str, browser: str) -> Login | Refusal:
        async with self._engine.begin() as db:
            row = (await db.execute(_BY_INVITATION, {"value": invitation})).one_or_none()
            if row is None:
                return Refusal.UNKNOWN
            if row.finished_at is not None:
                return Refusal.USED
            if row.expired:
                return Refusal.EXPIRED
            await db.execute(
                text(
                    "update authorisation set state = :state, browser = :browser, started_at = now()"
                    " where invitation = :invitation"
                ),
                {"state": state, "browser": browser, "invitation": invitation},
            )
        return Login(ConnectionId(row.tenant, row.connection), row.redirect_uri)

    async def finish(self, state: str, browser: str) -> Login | Refusal:
        async with self._engine.begin() as db:
            row = (await db.execute(_BY_STATE, {"value": state})).one_or_none()
            if row is None:
                return Refusal.UNKNOWN
            if row.finished_at is not None:
                return Refusal.USED
            await db.execute(
                text("update authorisation set finished_at = now() where state = :state"), {"state": state}
            )
        if row.expired:
            return Refusal.EXPIRED
        if row.browser != browser:
            return Refusal.OTHER_BROWSER
        return Login(ConnectionId(row.tenant, row.connection), row.redirect_uri)
