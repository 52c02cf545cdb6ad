"""Procore as a target: renders, looks up, plans and writes commitments, direct costs, requisitions and vendors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from connector.adapters.http import VendorAnswer
from connector.domain.documents.invoice import Invoice
from connector.domain.documents.purchase_order import PurchaseOrder
from connector.domain.documents.supplier import Supplier
from connector.domain.identity import ConnectionId, Entity, FlowId, TrafficClass
from connector.domain.ports.gate import Gate
from connector.domain.ports.references import ReferenceKey
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
from connector.domain.sync.failures import outcome_of
from connector.domain.vendor_error import Rejected, VendorError

from .client import ProcoreClient
from .commitments import found_commitment, plan_commitment, render_commitments
from .direct_costs import found_direct_cost, plan_direct_cost
from .errors import CODE_REFUSED, VENDOR_NOT_IN_PROJECT, refusal, refused_request
from .invoices import render_costs
from .naming import COMMITMENTS, DIRECT_COSTS, REQUISITIONS, VENDORS, split
from .preparing import Preparation
from .reading import look_up, read
from .references import read_reference
from .rendering import Rendering
from .requisitions import found_requisition, plan_requisition
from .settings import Settings
from .vendors import found_vendor, plan_vendor, render_vendor, same_vendor

BATCH = 128
"""Objects that one sync writes. Procore takes a thousand; those of one sync go on together, so the slowest of their
requests holds up the others."""
LINES_BATCH = 100


class ProcoreTarget:
    """One company, for flows of kind `exact-procore`."""

    def __init__(self, settings: Settings, connection: ConnectionId, gate: Gate, http: httpx.AsyncClient) -> None:
        self._connection = connection
        self._client = ProcoreClient(settings, connection, gate, http)
        self._preparation = Preparation(self._client)

    @property
    def connection(self) -> ConnectionId:
        return self._connection

    def entities(self) -> Sequence[Entity]:
        return (Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)

    def render(self, wanted: RenderInput, lookup: Lookup) -> Rendered:
        record = wanted.document
        rendering = Rendering(wanted, lookup, [found for found in record.findings if found.severity == "block"])
        document = record.document
        match wanted.row.entity:
            case Entity.SUPPLIER:
                assert document is None or isinstance(document, Supplier)
                return render_vendor(rendering, document)
            case Entity.PURCHASE_ORDER:
                assert document is None or isinstance(document, PurchaseOrder)
                return render_commitments(rendering, document)
            case Entity.INVOICE:
                assert document is None or isinstance(document, Invoice)
                return render_costs(rendering, document)
        reason = Reason(code="not-sent-type", message=f"Procore takes no {wanted.row.entity}.", severity="warn")
        return Rendered(excluded=reason)

    async def look_up(self, keys: Sequence[NaturalKey], traffic: TrafficClass) -> Mapping[NaturalKey, Sequence[Found]]:
        return await look_up(self._client, keys, traffic)

    async def read(self, resource: str, target_ids: Sequence[str], traffic: TrafficClass) -> Mapping[str, Found]:
        return await read(self._client, resource, target_ids, traffic)

    def plan(self, part: Part, known: TargetObject | None, found: Found | None, options: Any) -> Plan:
        plans = {
            VENDORS: plan_vendor,
            COMMITMENTS: plan_commitment,
            DIRECT_COSTS: plan_direct_cost,
            REQUISITIONS: plan_requisition,
        }
        return plans[_collection(part.natural_key.resource)](part, known, found, options)

    def same(self, part: Part, found: Found, options: Any) -> Reason | None:
        return same_vendor(part, found)

    def batch_limit(self, step: Step) -> int:
        return LINES_BATCH if step.name == "lines" else BATCH

    async def reference(self, kind: str, codes: Sequence[str] | None, traffic: TrafficClass) -> Mapping[str, Json]:
        return await read_reference(self._client, kind, codes, traffic)

    async def execute(
        self, steps: Sequence[Step], before_send: BeforeSend, traffic: TrafficClass, flow: FlowId
    ) -> Sequence[Outcome]:
        """Steps that lack something Procore needs are refused first; the others go in one request."""
        prepared = await self._preparation.prepare(steps, traffic, flow)
        going = [step for step, (refused, _) in zip(steps, prepared, strict=True) if refused is None]
        sent = iter(await self._send(going, before_send, traffic, flow) if going else ())
        return [replace(refused or next(sent), beside=made) for refused, made in prepared]

    async def _send(
        self, steps: Sequence[Step], before_send: BeforeSend, traffic: TrafficClass, flow: FlowId
    ) -> Sequence[Outcome]:
        method, path, query, body = _request(steps, self._client.company_id)
        try:
            shown, answer = await self._client.write(method, path, query, body, traffic, flow, before_send)
        except Rejected as error:
            outcome = replace(outcome_of(error), reason=refused_request(error))
            return [outcome] * len(steps)
        except VendorError as error:
            return [outcome_of(error)] * len(steps)
        if "/sync" in path:
            outcomes = [_outcome_of_sync(step, shown, answer, self._connection) for step in steps]
            if any(one.reason is not None and one.reason.code == VENDOR_NOT_IN_PROJECT for one in outcomes):
                self._preparation.forget(split(steps[0].resource)[1])
            return outcomes
        return [_done(_found(steps[0], shown) if "id" in shown else None, answer)]


def _collection(resource: str) -> str:
    return VENDORS if resource == VENDORS else split(resource)[0]


def _request(steps: Sequence[Step], company_id: int) -> tuple[str, str, dict[str, str], dict[str, Any] | None]:
    """Method, path, query and body. Procore wants the project here in the query, there in the body or the path."""
    step = steps[0]
    if step.resource == VENDORS:
        updates = [_identified(one, dict(one.body or {})) for one in steps]
        return "PATCH", "v1.0/vendors/sync", {}, {"company_id": company_id, "updates": updates}
    collection, project_id = split(step.resource)
    body = dict(step.body or {})
    if collection == REQUISITIONS:
        return _requisition_request(step, body, project_id)
    project = {"project_id": project_id}
    of_commitment = collection == COMMITMENTS
    base = f"v1.0/{COMMITMENTS}" if of_commitment else f"v1.0/projects/{project_id}/{DIRECT_COSTS}"
    match step.name:
        case "lines":
            items = [item for one in steps for item in (one.body or {})["items"]]
            path = f"{base}/{step.target_id}/line_items/sync" if of_commitment else f"{base}/line_items/sync"
            return "PATCH", path, project if of_commitment else {}, {"updates": items}
        case "remove-line":
            return "DELETE", f"{base}/{step.target_id}/line_items/{body['line_id']}", project, None
        case "delete":
            return "DELETE", f"{base}/{step.target_id}", project, None
    updates = [_identified(one, dict((one.body or {})["item"])) for one in steps]
    owner = {"project_id": int(project_id)} if of_commitment else {}
    return "PATCH", f"{base}/sync", {}, {**owner, "updates": updates}


def _identified(step: Step, item: dict[str, Any]) -> dict[str, Any]:
    """Known objects by id: a sync by origin id alone would make again what people deleted meanwhile."""
    return item if step.target_id is None else {"id": int(step.target_id), **item}


def _requisition_request(
    step: Step, body: dict[str, Any], project_id: str
) -> tuple[str, str, dict[str, str], dict[str, Any] | None]:
    project = {"project_id": project_id}
    if step.name == "create":
        return "POST", f"v1.1/{REQUISITIONS}", {"view": "extended"}, {"project_id": int(project_id), **body}
    path = f"v1.1/{REQUISITIONS}/{step.target_id}"
    if step.name == "delete":
        return "DELETE", path, project, None
    return "PATCH", path, {"view": "extended"}, {"project_id": int(project_id), "requisition": body}


def _outcome_of_sync(step: Step, shown: Json, answer: VendorAnswer, connection: ConnectionId) -> Outcome:
    """A sync answers 200 whatever became of its items, in an order of its own."""
    errors, entities = shown.get("errors") or [], shown.get("entities") or []
    if step.name == "lines":
        return _outcome_of_lines(step, errors, entities, answer, connection)
    item = _sent(step)
    refused = next((error for error in errors if _is(error, item)), None)
    if refused is not None:
        return Outcome(
            OutcomeKind.REJECTED, reason=refusal(refused), status=answer.status, request_id=_request_id(answer)
        )
    entity = next((entity for entity in entities if _is(entity, item)), None)
    if entity is None:
        return Outcome(OutcomeKind.UNKNOWN, status=answer.status, request_id=_request_id(answer))
    whole = step.creates or step.resource == VENDORS  # a sync shows no lines: only what has none yet is shown whole
    return _done(_found(step, entity) if whole else None, answer)


def _outcome_of_lines(
    step: Step, errors: Sequence[Json], entities: Sequence[Json], answer: VendorAnswer, connection: ConnectionId
) -> Outcome:
    body = step.body or {}
    items = body["items"]
    for error in errors:
        item = next((item for item in items if _is(error, item)), None)
        if item is not None:
            reason = refusal(error)
            code = body["codes"].get(item["wbs_code_id"]) if "wbs_code_id" in item else None
            if reason.code == CODE_REFUSED and code is not None:
                key = ReferenceKey(connection, "wbs-code", f"{split(step.resource)[1]}/{code}")
                reason = reason.model_copy(update={"missing": str(key)})
            return Outcome(OutcomeKind.REJECTED, reason=reason, status=answer.status, request_id=_request_id(answer))
    if all(any(_is(entity, item) for entity in entities) for item in items):
        return _done(None, answer)
    return Outcome(OutcomeKind.UNKNOWN, status=answer.status, request_id=_request_id(answer))


def _sent(step: Step) -> dict[str, Any]:
    body = dict(step.body or {})
    return _identified(step, dict(body.get("item", body)))


def _is(shown: Json, sent: Json) -> bool:
    name = "id" if "id" in sent else "origin_id"
    return shown.get(name) is not None and shown.get(name) == sent.get(name)


def _found(step: Step, row: Json) -> Found:
    assert step.natural_key is not None or step.target_id is not None
    if step.resource == VENDORS:
        assert step.natural_key is not None
        return found_vendor(row, step.natural_key)
    collection, project_id = split(step.resource)
    if collection == COMMITMENTS:
        return found_commitment(row, project_id, {})
    if collection == DIRECT_COSTS:
        return found_direct_cost(row, project_id, [])
    return found_requisition(row, project_id)


def _done(found: Found | None, answer: VendorAnswer) -> Outcome:
    return Outcome(OutcomeKind.DONE, found, status=answer.status, request_id=_request_id(answer))


def _request_id(answer: VendorAnswer) -> str | None:
    return answer.headers.get("x-request-id")
