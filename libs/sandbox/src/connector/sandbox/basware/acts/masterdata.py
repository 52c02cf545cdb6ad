"""Vendors typed and edited in P2P, and master data as the company's own system imports it."""

from typing import Any

from connector.sandbox.basware.masterdata import LISTS, RESOURCES, VENDORS, Resource, store
from connector.sandbox.basware.schema import plain
from connector.sandbox.basware.store import Collection, Record
from connector.sandbox.basware.tables import VENDOR
from connector.sandbox.basware.tenant import Tenant
from connector.sandbox.basware.wire import moment
from connector.sandbox.basware.world import World
from connector.sandbox.core.sandbox import Act

from .form import act, required, values

_BY_PATH = {resource.path: resource for resource in (*RESOURCES, LISTS)}


def acts(world: World) -> dict[str, Act]:
    return {
        "create_vendor": act(world, _create_vendor, "vendors"),
        "edit_vendor": act(world, _edit_vendor, "vendors"),
        "deactivate_vendor": act(world, _deactivate_vendor, "vendors"),
        "import_master_data": act(world, _import, "imports"),
    }


def _create_vendor(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """A vendor typed by hand; `in_api` says whether GET /v1/vendors knows it (default by the switch)."""
    in_api = bool(given.pop("in_api", world.settings.ui_vendors_in_api))
    usual = {"externalCode": world.seeded.hex(), "processingStatus": {"active": True, "paymentDenied": False}}
    fields = values(VENDOR, {**usual, **given})
    collection = VENDORS.of(tenant)
    if fields["externalCode"] in collection.records:
        raise ValueError(f"externalCode {fields['externalCode']} exists")
    fields["buvid"] = world.seeded.hex()
    store(world, tenant, collection, VENDORS, fields, in_api=in_api)
    return dumped(tenant, collection.records[fields["externalCode"]])


def _edit_vendor(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """Overwrite the named fields of the vendor with this externalCode, or this vendorCode."""
    record = _vendor(tenant, given)
    changes = {name: value for name, value in given.items() if name != "externalCode"}
    fields = {**record.fields, **values(VENDOR, changes, partial=True)}
    store(world, tenant, VENDORS.of(tenant), VENDORS, fields, in_api=record.in_api)
    return dumped(tenant, record)


def _deactivate_vendor(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    record = _vendor(tenant, given)
    status = {**record.fields.get("processingStatus", {}), "active": False}
    fields = {**record.fields, "processingStatus": status}
    store(world, tenant, VENDORS.of(tenant), VENDORS, fields, in_api=record.in_api)
    return dumped(tenant, record)


def _vendor(tenant: Tenant, given: dict[str, Any]) -> Record:
    key = given.get("externalCode") or tenant.vendor_keys.get(required(given, "vendorCode"), "")
    record = VENDORS.of(tenant).records.get(key)
    if record is None:
        raise ValueError(f"no such vendor: {given.get('externalCode') or given.get('vendorCode')}")
    return record


def _import(world: World, tenant: Tenant, given: dict[str, Any]) -> dict[str, Any]:
    """`resource` (its path; `listKey` for lists) and `records`, each overwritten whole."""
    resource = _BY_PATH.get(required(given, "resource"))
    if resource is None:
        raise ValueError(f"no such resource: {given['resource']}; there are {', '.join(_BY_PATH)}")
    list_key = required(given, "listKey") if resource is LISTS else None
    collection = resource.of(tenant, list_key)
    return {"imported": upsert(world, tenant, resource, collection, required(given, "records"))}


def upsert(
    world: World, tenant: Tenant, resource: Resource, collection: Collection, records: list[dict[str, Any]]
) -> int:
    for fields in [values(resource.table, record) for record in records]:
        store(world, tenant, collection, resource, fields)
    return len(records)


def dumped(tenant: Tenant, record: Record) -> dict[str, Any]:
    shown = {**record.fields, "lastUpdated": moment(record.last_updated_ms), "bwcid": tenant.bwcid}
    return dict(plain({**shown, "deleted": record.gone, "inApi": record.in_api}))
