"""Exact as a target: batched look-ups and reads, plans by resource, one request a step."""

import base64
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx

from connector.adapters.vault import Fingerprints
from connector.domain.digest import digest
from connector.domain.documents.envelope import RecordStatus
from connector.domain.documents.invoice import Invoice
from connector.domain.documents.purchase_order import PurchaseOrder
from connector.domain.documents.supplier import Supplier
from connector.domain.identity import ConnectionId, Entity, FlowId, TrafficClass
from connector.domain.ports.blobs import Blobs
from connector.domain.ports.clock import Clock
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

from . import accounts, entries, entry_plans, images, orders
from .client import KEYS_PER_FILTER, ExactClient, Row
from .gathering import Gathered
from .options import BaswareExactOptions
from .references import References
from .rendering import Rendering
from .settings import Settings

RESOURCES = {
    entries.PART: entries.RESOURCE,
    images.PART: images.RESOURCE,
    orders.PART: orders.RESOURCE,
    accounts.PART: accounts.RESOURCE,
}
KEYS = {entries.RESOURCE: "EntryID", orders.RESOURCE: "PurchaseOrderID"}
"""The key field of each resource; ID elsewhere."""
REFRESHED = frozenset(
    ("gl-account", "cost-center", "cost-unit", "project", "vat-code", "payment-term", "journal", "item")
) | {"journal-period"}
"""What people close in Exact while we believe it open."""
READ_BACK_WITHIN_S = 5.0
"""How long a read waits for others while writes are under way. Exact gives one call a second on the average."""


class ExactTarget:
    """One division. See `connector.domain.ports.target.Target`."""

    def __init__(
        self,
        settings: Settings,
        connection: ConnectionId,
        gate: Gate,
        http: httpx.AsyncClient,
        blobs: Blobs,
        clock: Clock,
        fingerprints: Fingerprints,
    ) -> None:
        self._connection = connection
        self._client = ExactClient(settings, connection, gate, http)
        self._blobs = blobs
        self._references = References(self._client, settings, lambda: clock.now().date(), fingerprints)
        self._user: str | None = None
        self._reads: dict[tuple[str, TrafficClass], Gathered[Found]] = {}
        self._writing = 0

    @property
    def connection(self) -> ConnectionId:
        return self._connection

    def entities(self) -> Sequence[Entity]:
        return (Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)

    def render(self, wanted: RenderInput, lookup: Lookup) -> Rendered:
        """Every finding at once; those that the document carries from its source block here too."""
        r = Rendering(wanted, lookup)
        record = wanted.document
        if record.status is RecordStatus.DELETED:
            return Rendered(parts=r.gone(RESOURCES))
        rendered = self._render(r, record.document)
        return replace(rendered, findings=[*record.findings, *rendered.findings])

    def _render(self, r: Rendering, document: Any) -> Rendered:
        match document:
            case Invoice():
                return entries.render(r, document)
            case PurchaseOrder():
                return orders.render(r, document)
            case Supplier():
                return accounts.render(r, document)
        raise TypeError(f"{type(document).__name__} has no place in Exact")

    def same(self, part: Part, found: Found, options: BaswareExactOptions) -> Reason | None:
        return accounts.same(part, found)

    def plan(self, part: Part, known: TargetObject | None, found: Found | None, options: BaswareExactOptions) -> Plan:
        match part.natural_key.resource:
            case entries.RESOURCE:
                return entry_plans.plan(part, known, found)
            case images.RESOURCE:
                return images.plan(part, found)
            case orders.RESOURCE:
                return orders.plan(part, known, found)
        return accounts.plan(part, known, found, options)

    # reading

    async def look_up(self, keys: Sequence[NaturalKey], traffic: TrafficClass) -> Mapping[NaturalKey, Sequence[Found]]:
        hits: dict[NaturalKey, Sequence[Found]] = {}
        by_resource: defaultdict[str, list[NaturalKey]] = defaultdict(list)
        for key in keys:
            by_resource[key.resource].append(key)
        for resource, asked in by_resource.items():
            by_id = [key for key in asked if key.fields[0][0] == "id"]
            shown = await self.read(resource, [key.fields[0][1] for key in by_id], traffic) if by_id else {}
            hits |= {key: [shown[one] for one in (key.fields[0][1],) if one in shown] for key in by_id}
            named = [key for key in asked if key.fields[0][0] != "id"]
            if named:
                hits |= await self._named(resource, named, traffic)
        return hits

    async def _named(
        self, resource: str, keys: Sequence[NaturalKey], traffic: TrafficClass
    ) -> Mapping[NaturalKey, Sequence[Found]]:
        match resource:
            case entries.RESOURCE:
                return await entries.look_up(self._client, keys, await self._our_user(traffic), traffic)
            case images.RESOURCE:
                return await images.look_up(self._client, keys, traffic)
            case orders.RESOURCE:
                return await orders.look_up(self._client, keys, await self._our_user(traffic), traffic)
        return await accounts.look_up(self._client, keys, traffic)

    async def read(self, resource: str, target_ids: Sequence[str], traffic: TrafficClass) -> Mapping[str, Found]:
        """Rows are written one by one, and each is read back: those that wait for it at the same time share a call."""
        reading = self._reads.get((resource, traffic))
        if reading is None:
            reading = Gathered(
                partial(self._read, resource, traffic),
                lambda: self._writing > 0,
                enough=KEYS_PER_FILTER,
                wait_s=READ_BACK_WITHIN_S,
            )
            self._reads[resource, traffic] = reading
        return await reading(target_ids)

    async def _read(self, resource: str, traffic: TrafficClass, target_ids: Sequence[str]) -> Mapping[str, Found]:
        match resource:
            case entries.RESOURCE:
                return await entries.read(self._client, target_ids, await self._our_user(traffic), traffic)
            case images.RESOURCE:
                return await images.read(self._client, target_ids, traffic)
            case orders.RESOURCE:
                return await orders.read(self._client, target_ids, await self._our_user(traffic), traffic)
        return await accounts.read(self._client, target_ids, traffic)

    async def _our_user(self, traffic: TrafficClass) -> str:
        """Who we are in Exact; asked once, and not counted by Exact."""
        if self._user is None:
            self._user = str((await self._client.me(traffic))["UserID"])
        return self._user

    @property
    def refreshes(self) -> frozenset[str]:
        return REFRESHED

    async def reference(self, kind: str, codes: Sequence[str] | None, traffic: TrafficClass) -> Mapping[str, Json]:
        return await self._references.read(kind, codes, traffic)

    # writing

    def batch_limit(self, step: Step) -> int:
        """Exact: one record a write, one call at a time."""
        return 1

    async def execute(
        self, steps: Sequence[Step], before_send: BeforeSend, traffic: TrafficClass, flow: FlowId
    ) -> Sequence[Outcome]:
        (step,) = steps
        body = await self._sent(step)
        try:
            with self._under_way():
                row = await self._client.write(
                    step.method, step.resource, step.target_id, body, traffic, before_send=before_send, flow=flow.flow
                )
        except VendorError as error:
            return [_failed(step, error)]
        return [_done(step, row)]

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """A write, which is read back after it; the last of them lets the reads go."""
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1
            if not self._writing:
                for reading in self._reads.values():
                    reading.go()

    async def _sent(self, step: Step) -> Json | None:
        """The body as it goes out: the bytes of an image come from where they rest."""
        if step.body is None or images.BLOB not in step.body:
            return step.body
        data = await self._blobs.get(self._connection.tenant, step.body[images.BLOB])
        plain = {name: value for name, value in step.body.items() if name not in (images.BLOB, images.ATTACHED)}
        return {**plain, "Attachment": base64.b64encode(data).decode()}


def _done(step: Step, row: Row | None) -> Outcome:
    """What the echo shows. Exact's echo of a new entry or order has no lines: those are read back."""
    if not row:
        return Outcome(OutcomeKind.DONE)
    if step.resource == images.ATTACHMENTS:
        return Outcome(OutcomeKind.DONE, found=images.attached(step, row))
    if step.resource == images.RESOURCE:
        return Outcome(OutcomeKind.DONE, found=images.found(row, ()))
    if step.resource == accounts.RESOURCE:
        return Outcome(OutcomeKind.DONE, found=accounts.found(row))
    shown = entries.found(row, None) if step.resource == entries.RESOURCE else orders.found(row, None)
    remembered = replace(shown, extra={**shown.extra, "tried": digest(step.body)})
    return Outcome(OutcomeKind.DONE, found=remembered, incomplete=True)


def _failed(step: Step, error: VendorError) -> Outcome:
    rejected = error.kind is OutcomeKind.REJECTED
    reason = Reason(
        code="rejected-by-target" if rejected else str(error.kind),
        message=f"{step.name}: {error.message}",
        fix="Correct the document at its source, or Exact's settings, then: connector release." if rejected else None,
        field=step.part,
    )
    return Outcome(
        error.kind,
        reason=reason,
        retry_after_s=error.retry_after_s,
        status=error.status,
        request_id=error.request_id,
    )
