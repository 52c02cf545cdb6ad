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
        resource = step.resource.partition("/")[0]
        query = {"exported": "true"} if step.name == "mark-exported" else None
        try:
            row = await self._client.write(
                step.method,
                step.resource,
                step.body,
                _RESOURCES[resource].fields,
                traffic,
                query=query,
                before_send=before_send,
                flow=flow,
            )
        except VendorError as error:
            return [_failed(step, error)]
        return [Outcome(OutcomeKind.DONE, found=None if row is None else self._shown(step, resource, row))]

    def _shown(self, step: Step, resource: str, row: Row) -> Found:
        """The echo, usable as read-back; it remembers what was sent, so that what Coupa ignores is not sent forever."""
        found = self._found(resource, row)
        if step.body is None:
            return found
        return replace(found, extra={**found.extra, "tried": digest(step.body)})


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
