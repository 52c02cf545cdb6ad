"""Exported purchase orders: export, acknowledge, and `/v1/exportedPurchaseOrders`."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from .api import Call, PageSize, guarded
from .deletion import delete_from
from .fields import ORDER
from .store import Record
from .tenant import Tenant
from .wire import empty, moment, shown
from .world import World

_SIZE = PageSize(most=100, usual=100)


def routes(world: World) -> Iterator[Route]:
    base, one = "/v1/exportedPurchaseOrders", "/v1/exportedPurchaseOrders/{externalCode}"
    read, write = "exportedPurchaseOrders.read", "exportedPurchaseOrders.write"
    yield Route(base, guarded(world, read, _list), methods=["GET"])
    yield Route(base, guarded(world, "exportedPurchaseOrders.delete", _delete), methods=["DELETE"])
    yield Route(one, guarded(world, read, _single), methods=["GET"])
    yield Route(f"{one}/acknowledge", guarded(world, write, _acknowledge), methods=["POST"])


def export(world: World, tenant: Tenant, order: Record) -> None:
    """Offer an order (again) under its externalCode, with an export timestamp of its own, and announce it."""
    now = moment(int(world.clock.time() * 1000))
    previous = order.fields.get("orderExportTimestamp")
    if previous is not None and now <= previous:
        now = previous + timedelta(milliseconds=1)
    order.fields |= {"processingStatus": "WaitingForExport", "orderExportTimestamp": now}
    save(world, tenant, order)
    world.webhooks.notify(tenant, "ExportedPurchaseOrders", "WaitingForExport", order.key)


def save(world: World, tenant: Tenant, order: Record, *, move: bool = True) -> None:
    tenant.orders.put(order, step_ms=world.settings.last_updated_step_ms, move=move)


async def _list(call: Call) -> Response:
    # orderStatus filters the export status, not the order's own
    facet = (call.parameter("orderStatus"), call.parameter("companyCode"))
    found, token = call.listed(call.tenant.orders, facet, _SIZE)
    return call.document({"exportedPurchaseOrders": [_shown(call, order) for order in found]}, token)


async def _single(call: Call) -> Response:
    order = call.tenant.orders.get(call.path("externalCode"), call.now)
    if order is None:
        return empty(404)
    return call.document({"exportedPurchaseOrders": [_shown(call, order)]})


async def _acknowledge(call: Call) -> Response:
    """Exported, whatever version the client has read: a newer one is hidden by this too."""
    order = call.tenant.orders.get(call.path("externalCode"), call.now)
    if order is None:
        return empty(404)
    if order.fields["processingStatus"] != "WaitingForExport":
        return empty(405)
    order.fields["processingStatus"] = "Exported"
    save(call.world, call.tenant, order, move=call.world.settings.acknowledge_moves_last_updated)
    return call.answer(call.world.settings.acknowledge_body)


async def _delete(call: Call) -> Response:
    return await delete_from(call, call.tenant.orders)


def _shown(call: Call, order: Record) -> dict[str, Any]:
    fields = shown(order, ORDER, call.world.settings)
    if call.world.settings.split_percent_scale == "fraction":
        lines = fields.get("orderLines") or ()
        fields["orderLines"] = [{**line, "codingRows": _fractions(line)} for line in lines]
    return fields


def _fractions(line: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "splitPercent": row["splitPercent"] / Decimal(100)} for row in line.get("codingRows") or ()]
