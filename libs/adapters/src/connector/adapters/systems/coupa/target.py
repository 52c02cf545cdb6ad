"""Coupa as a target: batched look-ups and reads, plans by resource, one request a step."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from connector.domain.digest import digest
from connector.domain.identity import ConnectionId, Entity, FlowId, TrafficClass
from connector.domain.ports.gate import Gate
from connector.domain.ports.target import (
    BeforeSend,
    Found,
    Json,
    Lookup,
    NaturalKey,
    Outcome,
    OutcomeKind,
    Part,
    Plan,
    Rendered,
    RenderInput,
    Step,
    TargetObject,
)
from connector.domain.reasons import Reason
from connector.domain.vendor_error import VendorError

from . import invoice_plans, invoices, lookup_values, purchase_orders, suppliers
from .client import CoupaClient, Fields, Row
from .errors import TAKEN
from .references import read_references
from .render import render
from .settings import CoupaOptions, Settings


@dataclass(frozen=True, slots=True)
class _Resource:
    fields: Fields
    found: Callable[[Json, Settings], Found]


_RESOURCES: Mapping[str, _Resource] = {
    suppliers.RESOURCE: _Resource(suppliers.FIELDS, suppliers.found),
    purchase_orders.RESOURCE: _Resource(purchase_orders.FIELDS, purchase_orders.found),
    invoices.RESOURCE: _Resource(invoices.FIELDS, invoices.found),
    lookup_values.RESOURCE: _Resource(lookup_values.FIELDS, lookup_values.found),
}


@dataclass(frozen=True, slots=True)
class _Writing:
    """What every write of one step carries."""

    before_send: BeforeSend
    traffic: TrafficClass
    flow: FlowId


class CoupaTarget:
    """See `connector.domain.ports.target.Target`."""

    def __init__(self, settings: Settings, connection: ConnectionId, gate: Gate, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._connection = connection
        self._client = CoupaClient(settings, connection, gate, http)

    @property
    def connection(self) -> ConnectionId:
        return self._connection

    def entities(self) -> Sequence[Entity]:
        return (Entity.REFERENCE, Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)

    def render(self, wanted: RenderInput, lookup: Lookup) -> Rendered:
        return render(wanted, lookup, self._settings)

    def same(self, part: Part, found: Found, options: CoupaOptions) -> Reason | None:
        if part.natural_key.resource == suppliers.RESOURCE:
            return suppliers.same(part, found, options)
        return lookup_values.same(part, found, options)

    def plan(self, part: Part, known: TargetObject | None, found: Found | None, options: CoupaOptions) -> Plan:
        match part.natural_key.resource:
            case purchase_orders.RESOURCE:
                return purchase_orders.plan(part, found, options, self._settings)
            case invoices.RESOURCE:
                return invoice_plans.plan(part, known, found, options, self._settings)
            case suppliers.RESOURCE:
                return suppliers.plan(part, found, options, self._settings)
        return lookup_values.plan(part, found, options, self._settings)

    # reading

    async def look_up(self, keys: Sequence[NaturalKey], traffic: TrafficClass) -> Mapping[NaturalKey, Sequence[Found]]:
        hits: dict[NaturalKey, Sequence[Found]] = {}
        by_resource: defaultdict[str, list[NaturalKey]] = defaultdict(list)
        for key in keys:
            by_resource[key.resource].append(key)
        for resource, asked in by_resource.items():
            by_id = [key for key in asked if "id" in dict(key.fields)]
            shown = await self.read(resource, [dict(key.fields)["id"] for key in by_id], traffic) if by_id else {}
            hits |= {key: [shown[i] for i in (dict(key.fields)["id"],) if i in shown] for key in by_id}
            named = [key for key in asked if "id" not in dict(key.fields)]
            if named:
                hits |= await self._named(resource, named, traffic)
        return hits

    async def _named(
        self, resource: str, keys: Sequence[NaturalKey], traffic: TrafficClass
    ) -> dict[NaturalKey, Sequence[Found]]:
        match resource:
            case suppliers.RESOURCE:
                found = await self._by(resource, "number", _values(keys, "number"), traffic)
                found |= await self._by(resource, "name", _values(keys, "name"), traffic)
                return {key: [one for one in found.values() if _is_supplier(key, one)] for key in keys}
            case invoices.RESOURCE:
                numbers = [number for key in keys for number in _numbers(key)]
                found = await self._by(resource, "invoice_number", numbers, traffic)
                return {key: [one for one in found.values() if _is_invoice(key, one)] for key in keys}
            case lookup_values.RESOURCE:
                return await self._values_of(keys, traffic)
        found = await self._by(resource, "po_number", _values(keys, "po-number"), traffic)
        return {key: [one for one in found.values() if one.natural_key == key] for key in keys}

    async def _values_of(self, keys: Sequence[NaturalKey], traffic: TrafficClass) -> dict[NaturalKey, Sequence[Found]]:
        found: dict[str, Found] = {}
        for lookup in sorted(set(_values(keys, "lookup"))):
            codes = [dict(key.fields)["external-ref-num"] for key in keys if dict(key.fields)["lookup"] == lookup]
            found |= await self._by(
                lookup_values.RESOURCE, "external_ref_num", codes, traffic, {"lookup[name]": lookup}
            )
        return {key: [one for one in found.values() if one.natural_key == key] for key in keys}

    async def _by(
        self,
        resource: str,
        attribute: str,
        values: Iterable[str],
        traffic: TrafficClass,
        where: Mapping[str, str] | None = None,
    ) -> dict[str, Found]:
        rows = await self._client.rows_of(resource, attribute, values, _RESOURCES[resource].fields, traffic, where)
        return {str(row["id"]): self._found(resource, row) for row in rows}

    async def read(self, resource: str, target_ids: Sequence[str], traffic: TrafficClass) -> Mapping[str, Found]:
        return await self._by(resource, "id", target_ids, traffic)

    async def reference(self, kind: str, codes: Sequence[str] | None, traffic: TrafficClass) -> Mapping[str, Json]:
        return await read_references(self._client, kind, codes, traffic)

    def _found(self, resource: str, row: Row) -> Found:
        return _RESOURCES[resource].found(row, self._settings)

    # writing

    def batch_limit(self, step: Step) -> int:
        """Coupa: one record a write."""
        return 1

    async def execute(
        self, steps: Sequence[Step], before_send: BeforeSend, traffic: TrafficClass, flow: FlowId
    ) -> Sequence[Outcome]:
        (step,) = steps
        writing = _Writing(before_send, traffic, flow)
        try:
            if step.name.startswith(invoice_plans.CLOSE_ORDER):
                await self._close_order(step, writing)
                return [Outcome(OutcomeKind.DONE)]
            return [Outcome(OutcomeKind.DONE, found=await self._carry_out(step, writing))]
        except VendorError as error:
            return [_failed(step, error)]

    async def _carry_out(self, step: Step, writing: _Writing) -> Found | None:
        """The echo, usable as read-back; it remembers what was sent, so that what Coupa ignores is not sent forever."""
        body = None if step.body is None else dict(step.body)
        if body is not None:
            await self._reopen_orders(body.pop(invoice_plans.REOPEN_ORDERS, ()), writing)
        row = await self._write(step.method, step.resource, body, writing, exported=step.name == "mark-exported")
        if row is None:
            return None
        found = self._found(_resource(step.resource), row)
        return found if body is None else replace(found, extra={**found.extra, "tried": digest(body)})

    async def _write(
        self, method: str, path: str, body: Json | None, writing: _Writing, *, exported: bool = False
    ) -> Row | None:
        return await self._client.write(
            method,
            path,
            body,
            _RESOURCES[_resource(path)].fields,
            writing.traffic,
            query={"exported": "true"} if exported else None,
            before_send=writing.before_send,
            flow=writing.flow,
        )

    async def _reopen_orders(self, orders: Sequence[str], writing: _Writing) -> None:
        if not orders:
            return
        for order, now in (await self.read(purchase_orders.RESOURCE, orders, writing.traffic)).items():
            if now.status == "soft_closed":
                await self._write("PUT", f"{purchase_orders.RESOURCE}/{order}/reopen", None, writing)

    async def _close_order(self, step: Step, writing: _Writing) -> None:
        """Close an order that is done at the source, if this invoice was the last that Coupa lacked."""
        assert step.target_id is not None
        assert step.body is not None
        shown = await self.read(purchase_orders.RESOURCE, [step.target_id], writing.traffic)
        now = shown.get(step.target_id)
        if now is None or not now.live or now.status in purchase_orders.CLOSED:
            return
        if purchase_orders.has_all_invoices(now, step.body["invoiced"]):
            await self._write(step.method, step.resource, None, writing)


def _resource(path: str) -> str:
    return path.partition("/")[0]


def _failed(step: Step, error: VendorError) -> Outcome:
    taken = error.kind is OutcomeKind.REJECTED and TAKEN in error.message
    code = "number-taken-in-target" if taken else "rejected-by-target"
    if error.kind is not OutcomeKind.REJECTED:
        code = str(error.kind)
    reason = Reason(
        code=code,
        message=f"{step.name}: {error.message}",
        fix="Correct the document at its source, or Coupa's settings, then: connector release."
        if error.kind is OutcomeKind.REJECTED
        else None,
        field=step.part,
    )
    return Outcome(
        error.kind,
        reason=reason,
        retry_after_s=error.retry_after_s,
        status=error.status,
        request_id=error.request_id,
    )


def _values(keys: Iterable[NaturalKey], field: str) -> list[str]:
    return [value for key in keys for name, value in key.fields if name == field]


def _numbers(key: NaturalKey) -> list[str]:
    fields = dict(key.fields)
    return [invoices.numbered(fields["invoice-number"], n) for n in range(int(fields["replacements"]) + 1)]


def _is_invoice(key: NaturalKey, found: Found) -> bool:
    """Number and supplier; a number of another year is another invoice, unless it carries this document's mark."""
    wanted, shown = dict(key.fields), dict(found.natural_key.fields)
    if shown["invoice-number"] not in _numbers(key) or shown["supplier"] != wanted["supplier"]:
        return False
    return found.stamp == wanted["stamp"] or shown["invoice-date"][:4] == wanted["invoice-date"][:4]


def _is_supplier(key: NaturalKey, found: Found) -> bool:
    shown: dict[str, Any] = dict(found.natural_key.fields)
    return any(shown.get(name) == value for name, value in key.fields)
