"""Master data and imported documents: arrays that are upserted by externalCode, merged singly, read back by page."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from . import tables
from .api import Call, PageSize, guarded
from .deletion import delete_from
from .results import Item, accept
from .schema import Problem, Table, read
from .store import Collection, Record, every_combination
from .tenant import Tenant
from .wire import RefusalError, empty, p2p_error, parameter_error, schema_errors, shown
from .world import World

Values = Callable[[dict[str, Any]], Iterable[str | None]]


def _companies(fields: dict[str, Any]) -> Iterable[str | None]:
    return [company["companyCode"] for company in fields.get("companies", ())] or [fields.get("companyCode")]


def _own(name: str) -> Values:
    return lambda fields: [fields.get(name)]


_WHOLE_TABLE = PageSize(500, 500)


@dataclass(frozen=True, slots=True)
class Resource:
    path: str
    scope: str
    wrapper: str
    entity_type: str
    table: Table
    batch: int = 500
    size: PageSize = _WHOLE_TABLE
    version: str = "v1"
    key: str = "externalCode"
    filters: Mapping[str, Values] = field(default_factory=lambda: {"companyCode": _companies})
    required_filter: str | None = None
    may_be_bare: bool = False
    """The list has been seen without its documented wrapper."""
    wrapped_single: bool = False
    redirected: bool = False
    patchable: bool = True
    deletable: bool = True

    @property
    def url(self) -> str:
        return f"/{self.version}/{self.path}"

    def facets(self, fields: dict[str, Any]) -> Any:
        return every_combination(*(values(fields) for values in self.filters.values()))

    def of(self, tenant: Tenant, list_key: str | None = None) -> Collection:
        return tenant.imported(f"{self.path}/{list_key}" if list_key else self.path, self.facets)


_IMPORT = {"processingStatus": _own("processingStatus"), "companyCode": _companies}

VENDORS = Resource(
    "vendors",
    "vendors",
    "vendorEntities",
    "Vendor",
    tables.VENDOR,
    batch=200,
    size=PageSize(500, 100),
    may_be_bare=True,
)  # fmt: skip
ACCOUNTS = Resource("accounts", "accounts", "accounts", "Account", tables.ACCOUNT)
COST_CENTERS = Resource("costCenters", "costCenters", "costCenters", "CostCenter", tables.COST_CENTER)
TAX_CODES = Resource("taxCodes", "taxCodes", "taxCodes", "TaxCode", tables.TAX_CODE)
PAYMENT_TERMS = Resource("paymentTerms", "paymentTerms", "paymentTerms", "PaymentTerm", tables.PAYMENT_TERM)
PROJECTS = Resource("projects", "projects", "projects", "Project", tables.PROJECT, version="v2")
LISTS = Resource("lists", "lists", "listItems", "ListItem", tables.LIST_ITEM)
COMPANIES = Resource(
    "companies",
    "companies",
    "companies",
    "Company",
    tables.COMPANY,
    key="companyCode",
    filters={"companyCode": _own("companyCode")},
    patchable=False,
    deletable=False,
)
MATCHING_ORDERS = Resource(
    "matchingOrders",
    "matchingOrders",
    "matchingOrders",
    "MatchingOrder",
    tables.MATCHING_ORDER,
    filters={"companyCode": _companies, "orderStatus": _own("orderStatus")},
)
MATCHING_ORDER_LINES = Resource(
    "matchingOrderLines",
    "matchingOrderLines",
    "matchingOrderLines",
    "MatchingOrderLine",
    tables.MATCHING_ORDER_LINE,
    batch=100,
    size=PageSize(100, 100),
    filters={"orderExternalCode": _own("orderExternalCode")},
    required_filter="orderExternalCode",
    may_be_bare=True,
)
RESOURCES = (
    VENDORS,
    ACCOUNTS,
    COST_CENTERS,
    TAX_CODES,
    PAYMENT_TERMS,
    PROJECTS,
    COMPANIES,
    Resource("exchangeRates", "exchangeRates", "exchangeRates", "ExchangeRate", tables.EXCHANGE_RATE),
    MATCHING_ORDERS,
    MATCHING_ORDER_LINES,
    Resource(
        "purchaseOrders",
        "purchaseOrders",
        "purchaseOrders",
        "PurchaseOrder",
        tables.IMPORTED_ORDER,
        batch=200,
        size=PageSize(100, 100),
        filters=_IMPORT,
        wrapped_single=True,
        redirected=True,
        patchable=False,
    ),
    Resource(
        "purchaseGoodsReceipts",
        "purchaseGoodsReceipts",
        "goodsReceipts",
        "PurchaseGoodsReceipt",
        tables.IMPORTED_RECEIPT,
        size=PageSize(100, 100),
        filters=_IMPORT,
        wrapped_single=True,
        patchable=False,
    ),
    Resource(
        "purchaseRequisitions",
        "purchaseRequisitions",
        "purchaseRequisitions",
        "PurchaseRequisition",
        tables.IMPORTED_REQUISITION,
        batch=100,
        size=PageSize(100, 100),
        filters=_IMPORT,
        patchable=False,
    ),
)
_LIST_KEYS = frozenset(
    [f"ACC_LIST_{number}" for number in range(1, 36)]
    + [f"INV_LIST_{number}" for number in range(1, 21)]
    + [f"CUST_RESOLVER_{number}" for number in range(1, 6)]
)


def routes(world: World) -> Iterator[Route]:
    for resource in RESOURCES:
        yield from _routes(world, resource, resource.url)
    yield from _routes(world, LISTS, "/v1/lists/{listKey}")


def _routes(world: World, resource: Resource, url: str) -> Iterator[Route]:
    def at(path: str, method: str, right: str, handler: Callable[..., Any]) -> Route:
        scope = f"{resource.scope}.{right}"
        return Route(path, guarded(world, scope, partial(handler, resource=resource)), methods=[method])

    yield at(url, "GET", "read", _list)
    yield at(url, "POST", "write", _post)
    yield at(f"{url}/{{key}}", "GET", "read", _single)
    if resource.patchable:
        yield at(f"{url}/{{key}}", "PATCH", "write", _patch)
    if resource.deletable:
        yield at(url, "DELETE", "delete", _delete)


def _collection(call: Call, resource: Resource) -> Collection:
    list_key = call.request.path_params.get("listKey")
    if resource is LISTS and list_key not in _LIST_KEYS:
        raise RefusalError(parameter_error(call.request_id, f"No such list: {list_key}"))
    return resource.of(call.tenant, list_key)


async def _list(call: Call, *, resource: Resource) -> Response:
    if resource.required_filter and not call.parameter(resource.required_filter):
        raise call.bad_parameter(f"{resource.required_filter} is required")
    facet = tuple(call.parameter(name) for name in resource.filters)
    collection = _collection(call, resource)
    found, token = call.listed(collection, facet, resource.size, keep=partial(_is_visible, call, resource))
    bodies = [shown(record, resource.table, call.world.settings) for record in found]
    bare = resource.may_be_bare and call.world.settings.vendor_list_shape == "bare"
    body = bodies if bare else {resource.wrapper: bodies}
    return call.document(body, token) if resource.redirected else call.page(body, token)


def _is_visible(call: Call, resource: Resource, record: Record) -> bool:
    """A matching order becomes visible once lines of it exist."""
    if resource is not MATCHING_ORDERS:
        return True
    return next(MATCHING_ORDER_LINES.of(call.tenant).select((record.key,), call.now), None) is not None


async def _single(call: Call, *, resource: Resource) -> Response:
    record = _collection(call, resource).get(call.path("key"), call.now)
    if record is None:
        return empty(404)
    body = shown(record, resource.table, call.world.settings)
    whole = {resource.wrapper: [body]} if resource.wrapped_single else body
    return call.document(whole) if resource.redirected else call.answer(whole)


async def _post(call: Call, *, resource: Resource) -> Response:
    collection, body = _collection(call, resource), await call.json()
    if not isinstance(body, list):
        return p2p_error(call.request_id, 400, "VALIDATION", "SCHEMA_VALIDATION_ERROR", "The body must be an array")
    if len(body) > resource.batch:
        raise call.bad_parameter(f"At most {resource.batch} records are taken at a time")
    good: list[dict[str, Any]] = []
    bad: list[tuple[str | None, list[Problem]]] = []
    for raw in body:
        fields, problems = read(resource.table, raw)
        problems += _orphan(call, resource, fields)
        if problems:
            bad.append((fields.get(resource.key), problems))
        else:
            good.append(fields)
    if bad and call.world.settings.batch_atomic:
        return schema_errors(call.request_id, bad)
    items = [store(call.world, call.tenant, collection, resource, fields) for fields in good]
    if items:
        _accepted(call, resource, "POST", items)
    return schema_errors(call.request_id, bad) if bad else call.answer(good)


def _orphan(call: Call, resource: Resource, fields: dict[str, Any]) -> list[Problem]:
    order = fields.get("orderExternalCode")
    if resource is not MATCHING_ORDER_LINES or order in MATCHING_ORDERS.of(call.tenant).records:
        return []
    return [Problem("orderExternalCode", f"there is no matching order {order}")]


def store(
    world: World,
    tenant: Tenant,
    collection: Collection,
    resource: Resource,
    fields: dict[str, Any],
    *,
    in_api: bool = True,
) -> Item:
    """Overwrite the whole record; an identical one is noted as not processed."""
    fields.pop("lastUpdated", None)
    key = str(fields[resource.key])
    known = collection.records.get(key)
    if known is not None and known.fields == fields and known.in_api == in_api:
        return Item(key, unchanged=True)
    record = known or Record(key, fields)
    record.fields = fields
    record.in_api = in_api
    collection.put(record, step_ms=world.settings.last_updated_step_ms)
    if resource is VENDORS:
        tenant.vendor_keys[fields["vendorCode"]] = key
    return Item(key)


async def _patch(call: Call, *, resource: Resource) -> Response:
    """Merge; a null says nothing, so it cannot clear."""
    collection, key = _collection(call, resource), call.path("key")
    record = collection.get(key, call.now)
    if record is None:
        return empty(404)
    changes, problems = read(resource.table, await call.json(), partial=True)
    if problems:
        return schema_errors(call.request_id, [(key, problems)])
    if changes.get(resource.key, key) != key:
        message = f"{resource.key} of the body is not {key}"
        return p2p_error(call.request_id, 400, "VALIDATION", "EXTERNAL_CODE_MISMATCH", message, key)
    record.fields |= {name: value for name, value in changes.items() if name != "lastUpdated"}
    collection.put(record, step_ms=call.world.settings.last_updated_step_ms)
    _accepted(call, resource, "PATCH", [Item(key)])
    return call.answer(shown(record, resource.table, call.world.settings))


def _accepted(call: Call, resource: Resource, operation: str, items: list[Item]) -> None:
    accept(call.world, call.tenant, call.request_id, resource.entity_type, operation, items, call.client.client_id)


async def _delete(call: Call, *, resource: Resource) -> Response:
    return await delete_from(call, _collection(call, resource))
