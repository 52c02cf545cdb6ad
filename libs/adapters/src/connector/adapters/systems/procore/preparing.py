"""What has to hold in Procore before a write may leave: vendors in the project's directory, codes still active, no open
commitment that an invoice may be meant for, and a billing period."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connector.domain.identity import FlowId, TrafficClass
from connector.domain.ports.target import Json, Outcome, OutcomeKind, Step
from connector.domain.reasons import Reason
from connector.domain.sync.adoption import NUMBER_TAKEN
from connector.domain.vendor_error import Rejected, UnknownOutcome

from .client import ProcoreClient, Row
from .naming import BILLS, DECISIONS, NO_COMMITMENT, REQUISITIONS, VENDORS, split
from .reading import number_of
from .references import open_vendors, wbs_codes


class Prepared(NamedTuple):
    """What was found out about a step before it may leave."""

    refused: Outcome | None = None
    made: Sequence[str] = ()
    """What had to be made in Procore for it, for its document's story."""


@dataclass(slots=True)
class Preparation:
    client: ProcoreClient
    _directories: dict[str, set[int]] = field(default_factory=dict)
    """Vendors known to be in a project's directory; one that is missing is read again before it is added."""
    _one_at_a_time: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """By project: of those that find something missing there, one makes it, and the others find it."""
    _unsure_until: dict[str, float] = field(default_factory=dict)
    """By project: until then a billing period may yet appear whose making nobody answered."""

    async def prepare(self, steps: Sequence[Step], traffic: TrafficClass, flow: FlowId) -> list[Prepared]:
        """By step. Raises GateError or VendorError: then none has left."""
        if steps[0].resource == VENDORS:
            return [Prepared()] * len(steps)
        collection, project_id = split(steps[0].resource)
        needs = [dict((step.body or {}).get("needs", {})) for step in steps]
        refused = await self._refused(project_id, needs, traffic, flow)
        made: list[list[str]] = [[] for _ in steps]
        if collection == REQUISITIONS:
            refused = [
                no or await self._taken(step, project_id, traffic) for step, no in zip(steps, refused, strict=True)
            ]
            made = [
                [] if no else await self._ensure_period(step, project_id, traffic, flow)
                for step, no in zip(steps, refused, strict=True)
            ]
        vendors = {
            need["vendor_id"] for need, no in zip(needs, refused, strict=True) if no is None and need.get("vendor_id")
        }
        added = await self._ensure_vendors(project_id, vendors, traffic, flow)
        prepared = []
        for need, no, of_step in zip(needs, refused, made, strict=True):
            reason = no or self._not_in_directory(project_id, need)
            beside = [f"vendor {need['vendor_id']} in the project"] if need.get("vendor_id") in added else []
            outcome = None if reason is None else Outcome(OutcomeKind.REJECTED, reason=reason)
            prepared.append(Prepared(outcome, [*of_step, *beside]))
        return prepared

    async def _taken(self, step: Step, project_id: str, traffic: TrafficClass) -> Reason | None:
        """Whether another requisition has the number that this one is about to be given. One that is about to be made
        was looked up."""
        if step.creates or step.natural_key is None or "invoice_number" not in (step.body or {}):
            return None
        fields = dict(step.natural_key.fields)
        rows = await self.client.rows(f"v1.1/{REQUISITIONS}", {"project_id": project_id}, traffic)
        wanted = fields.get("vendor_id", ""), fields.get("invoice_number", "")
        others = [row for row in rows if number_of(row) == wanted and str(row["id"]) != step.target_id]
        if not others:
            return None
        return Reason(
            code=NUMBER_TAKEN,
            message=f"Requisition {others[0]['id']} ({others[0]['status']}) has the vendor's number {wanted[1]!r}.",
            fix="Correct the wrong number at its source, then: connector release.",
        )

    async def _refused(
        self, project_id: str, needs: Sequence[Json], traffic: TrafficClass, flow: FlowId
    ) -> list[Reason | None]:
        """Objects about to be created are checked against the project as it is now; a table of yesterday won't do."""
        active: set[int] | None = None
        if any(need.get("wbs_code_ids") for need in needs):
            rows = await wbs_codes(self.client, project_id, traffic)
            active = {row["id"] for row in rows if row.get("status", "active") == "active"}
        open_orders: dict[int, str] = {}
        if any(need.get("undecided") for need in needs):
            open_orders = await open_vendors(self.client, project_id, traffic)
        return [_inactive(need, active) or _may_bill(need, open_orders, flow) for need in needs]

    async def _ensure_vendors(self, project_id: str, wanted: set[Any], traffic: TrafficClass, flow: FlowId) -> set[Any]:
        """Those added: Procore wants a vendor in the project's directory. Adding one that is there changes nothing."""
        added: set[Any] = set()
        async with self._one_at_a_time[project_id]:
            known = self._directories.setdefault(project_id, set())
            if wanted <= known:
                return added
            known |= {row["id"] for row in await self.client.rows(f"v1.0/projects/{project_id}/vendors", {}, traffic)}
            for vendor in sorted(wanted - known):
                path = f"v1.0/projects/{project_id}/vendors/{vendor}/actions/add"
                try:
                    await self.client.write("POST", path, {}, {}, traffic, flow, None)
                except Rejected:
                    continue
                known.add(vendor)
                added.add(vendor)
        return added

    def _not_in_directory(self, project_id: str, need: Json) -> Reason | None:
        vendor = need.get("vendor_id")
        if vendor is None or vendor in self._directories.get(project_id, set()):
            return None
        return Reason(
            code="vendor-not-in-project",
            message=f"Vendor {vendor} is not in the project's directory, and Procore did not let us add it.",
            fix="Add it in Procore, or give the service account the right to; then: connector release.",
        )

    def forget(self, project_id: str) -> None:
        """People took somebody out of the project's directory: it is read again before the next write."""
        self._directories.pop(project_id, None)

    async def _ensure_period(self, step: Step, project_id: str, traffic: TrafficClass, flow: FlowId) -> list[str]:
        """`no_open_period: create`: the invoice's month, unless another invoice or an earlier attempt has made it."""
        body = step.body or {}
        wanted = body.get("requisition", body)
        if wanted.get("period_id", "unchanged") is not None:
            return []
        path = f"v1.0/projects/{project_id}/billing_periods"
        start, end = wanted["requisition_start"], wanted["requisition_end"]
        async with self._one_at_a_time[project_id]:
            rows = await self.client.rows(path, {}, traffic)
            there = next((row for row in rows if (row["start_date"], row["end_date"]) == (start, end)), None)
            period = {"start_date": start, "end_date": end, "due_date": end, "status": "open"}
            made = there or await self._make_period(project_id, path, period, traffic, flow)
            wanted["period_id"] = made["id"]
        return [] if there else [f"billing period {made['id']} from {start} to {end}"]

    async def _make_period(self, project_id: str, path: str, period: Json, traffic: TrafficClass, flow: FlowId) -> Row:
        """Raises UnknownOutcome, for this invoice and for the others, while one without answer may yet be made."""
        clock = asyncio.get_running_loop()
        if clock.time() < self._unsure_until.get(project_id, 0.0):
            raise UnknownOutcome("Making a billing period had no answer; it is looked for before one is made again")
        begun_s = clock.time()
        try:
            made, _ = await self.client.write("POST", path, {}, {"billing_period": period}, traffic, flow, None)
        except UnknownOutcome:
            self._unsure_until[project_id] = begun_s + self.client.lost_for_s
            raise
        return made


def _inactive(need: Json, active: set[int] | None) -> Reason | None:
    gone = [str(code) for code in need.get("wbs_code_ids") or () if active is not None and code not in active]
    if not gone:
        return None
    return Reason(
        code="wbs-code-inactive",
        message=f"WBS codes were deleted or made inactive in Procore: {', '.join(gone)}.",
        fix="Activate them in the project, or correct the table costs; then: connector release.",
    )


def _may_bill(need: Json, open_orders: dict[int, str], flow: FlowId) -> Reason | None:
    of = need.get("undecided")
    number = open_orders.get(need.get("vendor_id", 0)) if of else None
    if of is None or number is None:
        return None
    decide = f"--flow {flow.flow} --part {BILLS}{of['project']} --resource {DECISIONS}/{of['record']}"
    return Reason(
        code="may-bill-commitment",
        message=f"The invoice names no order, and its vendor has an open commitment ({number}) in the project.",
        fix=f"Say which it bills: connector link {of['record']} COMMITMENT {decide} (COMMITMENT: its id in Procore, or "
        f"{NO_COMMITMENT} for a cost of its own).",
    )
