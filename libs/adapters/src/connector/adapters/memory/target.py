"""A small target system in memory: suppliers, and orders and invoices that are drafted and then submitted.

It does what the platform may expect of any vendor without idempotency keys: it accepts the same number twice, answers
may get lost, and what people do on its screens shows at the next look.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from connector.domain.documents.envelope import CanonicalRecord, RecordStatus
from connector.domain.documents.invoice import Invoice
from connector.domain.documents.purchase_order import OrderLifecycle, PurchaseOrder
from connector.domain.documents.supplier import Supplier
from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId, TrafficClass
from connector.domain.ports.target import (
    BeforeSend,
    Found,
    Json,
    Lookup,
    Measure,
    NaturalKey,
    Outcome,
    OutcomeKind,
    Part,
    Plan,
    Rendered,
    RenderInput,
    Step,
    TargetObject,
    Verb,
)
from connector.domain.reasons import Reason
from connector.domain.sync.lookup import link_key, mapping_key
from connector.domain.vendor_error import VendorUnavailable

SUPPLIERS, ORDERS, INVOICES = "suppliers", "orders", "invoices"
OUR_USER = "integration"


class Fault(StrEnum):
    """What goes wrong with one write."""

    LOST_BEFORE = "lost-before"
    """Nothing happened, and no answer came."""
    LOST_AFTER = "lost-after"
    """It was carried out, and no answer came."""
    UNAVAILABLE = "unavailable"
    RATE_LIMITED = "rate-limited"
    REFUSED = "refused"
    TAKEN = "taken"
    """Somebody enters the same object first, and ours is refused for its number."""
    WRONG_FIGURES = "wrong-figures"
    """Carried out, but the target's own arithmetic makes other figures of it."""


@dataclass(slots=True)
class Record:
    """One object as the vendor keeps it."""

    id: str
    resource: str
    number: str
    content: dict[str, Any]
    stamp: str | None
    status: str
    made_by: str
    made_at: datetime
    net: Decimal | None = None

    @property
    def live(self) -> bool:
        return self.status not in ("cancelled", "deleted")


@dataclass(slots=True)
class MemoryVendor:
    """The vendor's side. Tests and people act on it directly; `faults` are taken by the next writes, in order."""

    records: list[Record] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)
    reads_fail: int = 0
    latency_s: float = 0.0
    writes: list[tuple[str, str]] = field(default_factory=list)
    """(step, number) of every write carried out."""
    requests: int = 0
    references: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _by_number: defaultdict[tuple[str, str], list[Record]] = field(default_factory=lambda: defaultdict(list))
    _by_id: dict[str, Record] = field(default_factory=dict)

    def make(self, resource: str, number: str, made_by: str = "a person", **given: Any) -> Record:
        made = Record(
            id=f"{resource[:1].upper()}{len(self.records) + 1}",
            resource=resource,
            number=number,
            content=given.get("content", {}),
            stamp=given.get("stamp"),
            status=given.get("status", "draft"),
            made_by=made_by,
            made_at=self.now(),
            net=given.get("net"),
        )
        self.records.append(made)
        self._by_number[resource, number].append(made)
        self._by_id[made.id] = made
        return made

    def delete(self, record: Record) -> None:
        """What people delete is shown to nobody any more."""
        record.status = "deleted"
        self._by_number[record.resource, record.number].remove(record)
        del self._by_id[record.id]

    def by_id(self, target_id: str) -> Record | None:
        return self._by_id.get(target_id)

    def by_number(self, resource: str, number: str) -> Sequence[Record]:
        return self._by_number[resource, number]

    def live(self, resource: str, number: str) -> list[Record]:
        return [record for record in self.by_number(resource, number) if record.live]


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """Options of flows into this target."""

    submit: bool = True
    link_suppliers: bool = False
    map_accounts: bool = False
    code_authority: bool = True


@dataclass(slots=True)
class MemoryTarget:
    connection: ConnectionId
    vendor: MemoryVendor
    batch: int = 1

    def entities(self) -> Sequence[Entity]:
        return (Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)

    def render(self, wanted: RenderInput, lookup: Lookup) -> Rendered:
        record: CanonicalRecord[Any] = wanted.document
        stamp = EntityRef(wanted.source, wanted.row.entity, wanted.row.native_id).key
        if record.status is RecordStatus.DELETED:
            return Rendered(parts=[_gone(name, known, stamp) for name, known in wanted.known.items()])
        match record.document:
            case Supplier() as supplier:
                return Rendered(parts=[_supplier_part(supplier, stamp)])
            case PurchaseOrder() as order:
                return _render_order(order, stamp, wanted, lookup)
            case Invoice() as invoice:
                return _render_invoice(invoice, stamp, wanted, lookup)
        reason = Reason(code="not-sent-type", message=f"This target has no {wanted.row.entity}.", severity="warn")
        return Rendered(excluded=reason)

    def same(self, part: Part, found: Found, options: MemoryOptions) -> Reason | None:
        if options.code_authority:
            return None
        return Reason(code="supplier-not-linked", message=f"{part.natural_key} may be another supplier.")

    async def look_up(self, keys: Sequence[NaturalKey], traffic: TrafficClass) -> Mapping[NaturalKey, Sequence[Found]]:
        await self._request()
        hits: dict[NaturalKey, list[Found]] = {}
        for key in keys:
            number = dict(key.fields)["number"]
            hits[key] = [_found(record) for record in self.vendor.by_number(key.resource, number)]
        return hits

    async def read(self, resource: str, target_ids: Sequence[str], traffic: TrafficClass) -> Mapping[str, Found]:
        await self._request()
        records = [self.vendor.by_id(target_id) for target_id in target_ids]
        return {r.id: _found(r) for r in records if r is not None and r.resource == resource}

    async def _request(self) -> None:
        self.vendor.requests += 1
        await asyncio.sleep(self.vendor.latency_s)
        if self.vendor.reads_fail:
            self.vendor.reads_fail -= 1
            raise VendorUnavailable("the vendor is away", status=503)

    def plan(self, part: Part, known: TargetObject | None, found: Found | None, options: MemoryOptions) -> Plan:
        if part.gone:
            return _plan_cancel(part, found)
        if found is None and known is not None:
            return Plan(Verb.FROZEN, reason=_refused(part, "deleted"))
        if found is None:
            return Plan(Verb.CREATE, [_step("create", part, None, creates=True)])
        if not found.live:
            return Plan(Verb.FROZEN, reason=_refused(part, found.status))
        if dict(found.projection) != dict(part.wanted):
            return Plan(Verb.UPDATE, [_step("update", part, found)])
        if found.stamp is None:
            return Plan(Verb.UPDATE, [_step("stamp", part, found)])
        if found.status == "draft" and options.submit and part.natural_key.resource != SUPPLIERS:
            return Plan(Verb.UPDATE, [_step("submit", part, found, irreversible=True)])
        return Plan(Verb.NONE)

    async def execute(
        self, steps: Sequence[Step], before_send: BeforeSend, traffic: TrafficClass, flow: FlowId
    ) -> Sequence[Outcome]:
        await before_send()
        self.vendor.requests += 1
        fault = self.vendor.faults.popleft() if self.vendor.faults else None
        refusal = _REFUSALS.get(fault) if fault else None
        await asyncio.sleep(self.vendor.latency_s / 2)
        if fault is Fault.TAKEN:
            for content in [dict((step.body or {})["content"]) for step in steps if step.creates]:
                self.vendor.make(steps[0].resource, content["number"], content=content)
        done = [] if refusal is not None else [self._carry_out(step, fault) for step in steps]
        await asyncio.sleep(self.vendor.latency_s / 2)
        if refusal is not None:
            return [refusal] * len(steps)
        if fault is Fault.LOST_AFTER:
            return [_UNKNOWN] * len(steps)
        return [Outcome(OutcomeKind.DONE, found=_found(record), status=200) for record in done]

    def _carry_out(self, step: Step, fault: Fault | None) -> Record:
        body = dict(step.body or {})
        if step.creates:
            record = self.vendor.make(step.resource, body["content"]["number"], OUR_USER)
        else:
            known = self.vendor.by_id(step.target_id or "")
            assert known is not None, "a step names an object that was looked at"
            record = known
        for name, value in body.items():
            setattr(record, name, value)
        if fault is Fault.WRONG_FIGURES and record.net is not None:
            record.net += 1
        self.vendor.writes.append((step.name, record.number))
        return record

    def batch_limit(self, step: Step) -> int:
        return self.batch

    async def reference(self, kind: str, codes: Sequence[str] | None, traffic: TrafficClass) -> Mapping[str, Json]:
        await self._request()
        return {
            code: body
            for (found, code), body in self.vendor.references.items()
            if found == kind and (codes is None or code in codes)
        }


_UNKNOWN = Outcome(OutcomeKind.UNKNOWN, reason=Reason(code="no-answer", message="The vendor did not answer in time."))
_REFUSALS: Mapping[Fault, Outcome] = {
    Fault.LOST_BEFORE: _UNKNOWN,
    Fault.UNAVAILABLE: Outcome(OutcomeKind.TRANSIENT, status=503),
    Fault.RATE_LIMITED: Outcome(OutcomeKind.RATE_LIMITED, status=429, retry_after_s=0.5),
    Fault.REFUSED: Outcome(
        OutcomeKind.REJECTED, status=400, reason=Reason(code="rejected-by-target", message="Description is too long.")
    ),
    Fault.TAKEN: Outcome(
        OutcomeKind.REJECTED, status=400, reason=Reason(code="number-taken-in-target", message="It is taken.")
    ),
}


def _found(record: Record) -> Found:
    return Found(
        target_id=record.id,
        natural_key=NaturalKey(record.resource, (("number", record.number),)),
        stamp=record.stamp,
        status=record.status,
        live=record.live,
        projection=dict(record.content),
        sub_ids={line: f"{record.id}-{line}" for line in record.content.get("lines", {})},
        measure=Measure(net=record.net),
        created_by_us=record.made_by == OUR_USER,
        created_at=record.made_at.isoformat(),
    )


def _part(resource: str, number: str, stamp: str, content: Json, net: Decimal | None, gone: bool = False) -> Part:
    key = NaturalKey(resource, (("number", number),))
    return Part(resource.removesuffix("s"), key, stamp, content, Measure(net=net), gone=gone)


def _gone(name: str, known: TargetObject, stamp: str) -> Part:
    return replace(_part(f"{name}s", "", stamp, {}, None, gone=True), name=name)


def _supplier_part(supplier: Supplier, stamp: str) -> Part:
    number = supplier.number or supplier.name
    return _part(SUPPLIERS, number, stamp, {"number": number, "name": supplier.name}, None)


def _render_order(order: PurchaseOrder, stamp: str, wanted: RenderInput, lookup: Lookup) -> Rendered:
    if order.lifecycle is OrderLifecycle.AWAITING:
        return Rendered(excluded=Reason(code="unapproved", message="The order awaits approval.", severity="warn"))
    findings = [*_supplier_findings(order.supplier.id, wanted, lookup)]
    lines: dict[str, list[str | None]] = {}
    for line in order.lines:
        account = line.accounting[0].gl_account if line.accounting else None
        mapped, finding = _account(account, wanted, lookup)
        findings += finding
        lines[line.line_id] = [None if line.net_amount is None else str(line.net_amount), mapped]
    content = {"number": order.order_number, "currency": order.currency, "lines": lines}
    gone = order.lifecycle is OrderLifecycle.CANCELLED
    part = _part(ORDERS, order.order_number, stamp, content, order.totals.net, gone)
    return Rendered(parts=[part], findings=findings)


def _render_invoice(invoice: Invoice, stamp: str, wanted: RenderInput, lookup: Lookup) -> Rendered:
    findings = [*_supplier_findings(invoice.supplier.id, wanted, lookup)]
    orders = {line.order_link.order_id for line in invoice.lines if line.order_link.order_id}
    for order in sorted(orders):
        ref = EntityRef(wanted.source, Entity.PURCHASE_ORDER, order)
        if lookup.link(ref) is None:
            findings.append(
                Reason(code="order-not-there", message=f"Order {order} comes first.", missing=link_key(ref))
            )
    number = invoice.invoice_number or ""
    content = {"number": number, "lines": {line.line_id: str(line.net_amount) for line in invoice.lines}}
    return Rendered(parts=[_part(INVOICES, number, stamp, content, invoice.totals.net)], findings=findings)


def _supplier_findings(supplier: str | None, wanted: RenderInput, lookup: Lookup) -> list[Reason]:
    if not wanted.options.link_suppliers or supplier is None:
        return []
    ref = EntityRef(wanted.source, Entity.SUPPLIER, supplier)
    if lookup.link(ref) is not None:
        return []
    return [Reason(code="supplier-not-there", message=f"Supplier {supplier} comes first.", missing=link_key(ref))]


def _account(code: str | None, wanted: RenderInput, lookup: Lookup) -> tuple[str | None, list[Reason]]:
    if not wanted.options.map_accounts or code is None:
        return code, []
    mapped = lookup.mapping("gl", code)
    if mapped is not None and lookup.reference(wanted.target, "account", mapped) is None:
        key = f"reference:{wanted.target}/account/{mapped}"
        return None, [Reason(code="account-not-in-target", message=f"The target has no account {mapped}.", missing=key)]
    if mapped is not None:
        return mapped, []
    fix = f"Add {code} to the mapping table gl."
    missing = mapping_key("gl", code)
    return None, [Reason(code="gl-not-mapped", message=f"Account {code} has no mapping.", missing=missing, fix=fix)]


def _plan_cancel(part: Part, found: Found | None) -> Plan:
    if found is None or not found.live:
        return Plan(Verb.NONE)
    return Plan(Verb.CANCEL, [_step("cancel", part, found)])


def _step(name: str, part: Part, found: Found | None, *, creates: bool = False, irreversible: bool = False) -> Step:
    bodies: dict[str, dict[str, Any]] = {
        "submit": {"status": "submitted"},
        "cancel": {"status": "cancelled"},
        "stamp": {"stamp": part.stamp},
    }
    content = {"content": dict(part.wanted), "stamp": part.stamp, "net": part.measure.net}
    return Step(
        name=name,
        part=part.name,
        method="POST" if creates else "PUT",
        resource=part.natural_key.resource,
        body=bodies.get(name, content),
        target_id=found.target_id if found else None,
        natural_key=part.natural_key,
        creates=creates,
        irreversible=irreversible,
        batch_key=f"{name} {part.natural_key.resource}",
    )


def _refused(part: Part, ended: str) -> Reason:
    message = f"{part.natural_key} was {ended} in the target."
    return Reason(code="refused-in-target", message=message, fix="Reopen it in the target, or cancel it at the source.")
