"""What all of the vendor's operations share: the store, the switches, the clock, who acts, and stamping."""

import random
from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from connector.sandbox.core.clock import SandboxClock

from .errors import ApiError, Invalid
from .settings import Settings
from .store import Company, Project, Record, Store, Table
from .webhooks import Webhooks

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes: an integration's service account, or a person at a screen (no application)."""

    user_id: int
    login: str
    name: str
    application_id: str | None = None

    @property
    def is_person(self) -> bool:
        return self.application_id is None

    @property
    def owner(self) -> str:
        return self.application_id or self.login


class World:
    def __init__(self, clock: SandboxClock, settings: Settings, seed: int) -> None:
        self.clock = clock
        self.settings = settings
        self.random = random.Random(seed)
        self.store = Store()
        self.webhooks = Webhooks(clock, settings, random.Random(seed + 1))
        self._busy: set[Hashable] = set()

    # Time and identity

    def stamp(self) -> str:
        return datetime.fromtimestamp(self.clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def next_id(self, company: int) -> int:
        row = self.store.companies.rows[company]
        row.next_id += 1
        return row.next_id

    def base(self, company: int, project: int | None = None) -> dict[str, Any]:
        """The constructor arguments that every new record has."""
        now = self.stamp()
        record_id = self.next_id(company)
        return {"id": record_id, "company_id": company, "project_id": project, "created_at": now, "updated_at": now}

    def company(self, id_: int) -> Company:
        return self.store.companies.rows[id_]

    def project(self, id_: int) -> Project:
        return self.store.projects.rows[id_]

    # Origin ids

    def check_origin(self, table: Table[R], company: int, origin_id: str | None, row: R | None = None) -> None:
        """Raises Invalid where another record of this type in this company holds the origin_id."""
        holder = table.of_origin.get((company, origin_id)) if origin_id else None
        if holder is not None and holder is not row:
            raise Invalid(origin_id="has already been taken")

    def set_origin(self, table: Table[R], row: R, values: dict[str, Any], actor: Actor) -> None:
        """Move the origin fields of a request into a row and its index; the writer of an origin_id owns it."""
        if "origin_id" in values and (values["origin_id"] or None) != row.origin_id:
            if row.origin_id is not None:
                table.of_origin.pop((row.company_id, row.origin_id), None)
            row.origin_id = values["origin_id"] or None
            row.origin_owner = actor.owner if row.origin_id else None
            if row.origin_id is not None:
                table.of_origin[row.company_id, row.origin_id] = row
        if "origin_code" in values:
            row.origin_code = values["origin_code"]
        if "origin_data" in values:
            row.origin_data = values["origin_data"]

    def by_origin(self, table: Table[R], company: int, project: int | None, origin_id: str) -> R | None:
        """The record a sync finds: of this project only, although uniqueness spans the company."""
        row = table.of_origin.get((company, origin_id))
        if row is None or row.deleted_at is not None or (project is not None and row.project_id != project):
            return None
        return row

    def mark_deleted(self, table: Table[R], row: R) -> None:
        row.deleted_at = row.updated_at = self.stamp()
        if row.origin_id is not None and self.settings.deleted_frees_origin_id:
            table.of_origin.pop((row.company_id, row.origin_id), None)

    # Webhooks

    def tell(
        self, resource: str, event: str, row: Record, actor: Actor, related: Iterable[tuple[int, str]] = ()
    ) -> None:
        self.webhooks.emit(
            company_id=row.company_id,
            project_id=row.project_id,
            resource=resource,
            event=event,
            resource_id=row.id,
            user_id=actor.user_id,
            application_id=actor.application_id,
            related=related,
        )

    # Direct costs take one write at a time

    @asynccontextmanager
    async def alone(self, keys: set[Hashable]) -> AsyncIterator[None]:
        """Hold `keys` for as long as a write takes; 409 where another write holds one of them."""
        if self._busy & keys:
            raise ApiError(409, "The direct cost is being changed by another request. Retry this request later.")
        self._busy |= keys
        try:
            if self.settings.direct_cost_write_s > 0:
                await self.clock.sleep(self.settings.direct_cost_write_s)
            yield
        finally:
            self._busy -= keys
