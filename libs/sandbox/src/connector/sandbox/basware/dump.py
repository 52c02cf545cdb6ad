"""The whole store as plain JSON, removed records included and marked."""

from typing import Any

from . import invoices
from .acts import masterdata as masterdata_acts
from .store import Collection, Invoice, Record
from .tenant import Tenant
from .world import World


def dump(world: World) -> dict[str, list[dict[str, Any]]]:
    """Collections by resource name; every record names its tenant (`bwcid`) and says whether it is `deleted`."""
    world.background.settle()
    store: dict[str, list[dict[str, Any]]] = {}
    for tenant in world.tenants.values():
        for collection in (tenant.invoices, tenant.orders, tenant.tasks, tenant.results, *tenant.imports.values()):
            store.setdefault(collection.name, []).extend(_records(tenant, collection))
        subscriptions = [{**item.shown(), "bwcid": tenant.bwcid} for item in tenant.subscriptions.values()]
        store.setdefault("subscriptions", []).extend(subscriptions)
    return store


def _records(tenant: Tenant, collection: Collection) -> list[dict[str, Any]]:
    return [_dumped(tenant, record) for record in (*collection.records.values(), *collection.removed)]


def _dumped(tenant: Tenant, record: Record) -> dict[str, Any]:
    if isinstance(record, Invoice):
        return invoices.dumped(tenant, record)
    return masterdata_acts.dumped(tenant, record)
