"""Asynchronous results: what became of a write in the target system, found under the id of the write's reply."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .store import Record

if TYPE_CHECKING:
    from .tenant import Tenant
    from .world import World

ACKNOWLEDGED = {"Success": "AcknowledgedSuccess", "Error": "AcknowledgedError"}


@dataclass(frozen=True, slots=True)
class Item:
    external_code: str
    parent: str | None = None
    """invoiceId for an invoice response."""
    unchanged: bool = False
    """An identical record is not forwarded again."""


@dataclass(slots=True)
class PlannedFailure:
    """The next `count` writes of an entity type end in Error."""

    count: int
    entity_type: str | None = None
    message: str = "The record was refused by the target system"


def accept(
    world: "World",
    tenant: "Tenant",
    request_id: str,
    entity_type: str,
    operation: str,
    items: list[Item],
    changed_by: str,
    *,
    on_error: Callable[[], None] = lambda: None,
) -> None:
    """Record a write as InProgress and settle it after the delay; `on_error` undoes what the API had shown."""
    shown: list[dict[str, Any]] = [
        {
            "externalCode": item.external_code,
            "parentExternalCode": item.parent,
            "status": "NotProcessed" if item.unchanged else "InProgress",
            "errors": [],
        }
        for item in items
    ]
    system: dict[str, Any] = {"system": "P2P", "module": "AP", "systemStatus": "InProgress", "items": shown}
    fields = {
        "requestId": request_id,
        "entityType": entity_type,
        "entityVersion": "v1",
        "requestStatus": "InProgress",
        "operationType": operation,
        "changedBy": changed_by,
        "systems": [system],
    }
    record = Record(request_id, fields)
    tenant.results.put(record)
    fault = _fault(world, entity_type)

    def settle() -> None:
        status = "Success" if fault is None else "Error"
        errors = [] if fault is None else [{"type": "BUSINESS", "message": fault, "category": "DataValidation"}]
        for item in shown:
            if item["status"] == "InProgress":
                item.update(status=status, errors=errors)
        fields["requestStatus"] = system["systemStatus"] = status
        system["lastUpdated"] = world.clock.now()
        tenant.results.put(record)
        if fault is not None:
            on_error()
        world.webhooks.notify(tenant, "RequestStatus", status, request_id)

    world.background.later(world.settings.async_delay_s, settle)


def _fault(world: "World", entity_type: str) -> str | None:
    for planned in world.planned_failures:
        if planned.count > 0 and planned.entity_type in (None, entity_type):
            planned.count -= 1
            return planned.message
    if world.seeded.chance(world.settings.async_failures):
        return PlannedFailure(1).message
    return None
