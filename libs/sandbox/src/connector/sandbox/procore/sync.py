"""Sync: the upsert. Judged item by item, so that 200 means only that the batch was read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .api import Call
from .errors import ApiError, Invalid
from .fields import integer
from .store import Record, Table

R = TypeVar("R", bound=Record)
Item = dict[str, Any]


def updates_of(call: Call, name: str = "updates") -> list[Item]:
    """The items of a batch; 413 above the limit of 1,000."""
    updates = call.body.get(name)
    if not isinstance(updates, list) or not all(isinstance(item, dict) for item in updates):
        raise ApiError(400, f"{name} must be an array of objects", {name: ["is missing"]})
    limit = call.world.settings.sync_limit
    if len(updates) > limit:
        raise ApiError(413, f"A sync request takes at most {limit} items; {len(updates)} were sent.")
    return updates


@dataclass(frozen=True, slots=True)
class Sync(Generic[R]):
    """How one collection takes an upsert. `create` and `update` refuse by raising Invalid before changing anything."""

    table: Table[R]
    project_id: int | None
    create: Callable[[Item], R]
    update: Callable[[R, Item], R]
    render: Callable[[R], Item]
    within: Callable[[R], bool] = lambda _: True
    """Whether a row found by its id or origin_id belongs to the collection addressed."""

    def run(self, call: Call, updates: list[Item]) -> dict[str, list[Item]]:
        """`{"entities": [...], "errors": [...]}`; a failed item is its echo with the reasons per field."""
        entities: dict[int, Item] = {}
        errors: list[Item] = []
        for item in updates:
            try:
                row = self._upsert(call, item)
                entities[row.id] = self.render(row)
            except Invalid as refusal:
                errors.append({**item, "errors": refusal.errors})
        done = list(entities.values())
        if call.world.settings.shuffle_sync_entities:
            call.world.random.shuffle(done)
        return {"entities": done, "errors": errors}

    def _upsert(self, call: Call, item: Item) -> R:
        world = call.world
        if world.settings.sync_item_fault_rate and world.random.random() < world.settings.sync_item_fault_rate:
            raise Invalid(base="could not be processed")
        if item.get("id") is not None:
            row = self._by_id(call, item["id"])
            if row is None:
                raise Invalid(id="Entity with this ID not found")
            return self.update(row, item)
        if item.get("origin_id"):
            row = world.by_origin(self.table, call.company.id, self.project_id, str(item["origin_id"]))
            if row is not None and self.within(row):
                return self.update(row, item)
        return self.create(item)

    def _by_id(self, call: Call, raw: Any) -> R | None:
        try:
            row = self.table.find(integer(raw), project=self.project_id)
        except ValueError:
            return None
        if row is None or row.company_id != call.company.id or not self.within(row):
            return None
        return row
