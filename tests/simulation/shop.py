"""The target of the simulated world: the small target of the adapters, at the far end of a network."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connector.adapters.memory.target import OUR_USER, MemoryOptions, MemoryTarget, MemoryVendor, Record, _found
from connector.domain.identity import FlowId, TrafficClass
from connector.domain.ports.target import (
    BeforeSend,
    Found,
    NaturalKey,
    Outcome,
    OutcomeKind,
    Part,
    Plan,
    Step,
    TargetObject,
)
from connector.domain.reasons import Reason
from connector.domain.vendor_error import RateLimited, VendorUnavailable


class WriteFault(StrEnum):
    """What befalls one write."""

    LOST_BEFORE = "lost-before-commit"
    LOST_AFTER = "lost-after-commit"
    LATE = "committed-late"
    """Carried out as late as the vendor's processing may take, long after the caller gave up."""
    UNAVAILABLE = "write-unavailable"
    REFUSED = "write-refused"
    WRONG_FIGURES = "wrong-figures"


@dataclass(frozen=True, slots=True)
class Written:
    """One change of one object: by us or by a person, in the order it was carried out."""

    by_us: bool
    what: str
    content: Mapping[str, Any]
    status: str


@dataclass(slots=True)
class Shop:
    """The vendor's side, with everything that ever happened to each object."""

    random: random.Random
    covered: Counter[str]
    processing_s: float
    vendor: MemoryVendor = field(default_factory=MemoryVendor)
    faults: list[WriteFault] = field(default_factory=list)
    away_until_s: float = 0.0
    storm_until_s: float = 0.0
    locked_until_s: float = 0.0
    """What is there cannot be changed for now: somebody has it open, or a period is being closed."""
    history: defaultdict[str, list[Written]] = field(default_factory=lambda: defaultdict(list))
    order: list[str] = field(default_factory=list)
    """Object ids in the order of their making."""
    under_way: int = 0
    _carrying: list[asyncio.Task[None]] = field(default_factory=list)

    def note(self, record: Record, what: str, *, by_us: bool) -> None:
        if not self.history[record.id]:
            self.order.append(record.id)
        self.history[record.id].append(Written(by_us, what, dict(record.content), record.status))

    async def reach(self) -> None:
        """The way there of a read."""
        await asyncio.sleep(self.random.uniform(0.02, 0.3))
        now_s = asyncio.get_running_loop().time()
        if now_s < self.away_until_s:
            raise VendorUnavailable("the shop is away", status=503)
        if now_s < self.storm_until_s:
            raise RateLimited("too many requests", status=429, retry_after_s=self.random.uniform(0.2, 1.0))

    def send(
        self, carry_out: Callable[[WriteFault | None], Sequence[Outcome]], deadline_s: float
    ) -> asyncio.Future[Any]:
        """A request on its way: what happens to it no longer depends on the life of its sender."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.under_way += 1
        task = asyncio.get_running_loop().create_task(self._carry(carry_out, deadline_s, answer))
        self._carrying = [known for known in self._carrying if not known.done()]
        self._carrying.append(task)
        return answer

    async def _carry(
        self,
        carry_out: Callable[[WriteFault | None], Sequence[Outcome]],
        deadline_s: float,
        answer: asyncio.Future[Any],
    ) -> None:
        fault = self.faults.pop(0) if self.faults else None
        now_s = asyncio.get_running_loop().time()
        try:
            if fault is WriteFault.LATE:
                self.covered[fault] += 1
                await asyncio.sleep(self.random.uniform(deadline_s, deadline_s + 0.98 * self.processing_s))
            else:
                await asyncio.sleep(self.random.uniform(0.02, 0.5))
            refusal = self._turned_away(now_s, fault)
            if refusal is not None:
                _resolve(answer, refusal)
                return
            if fault is WriteFault.LOST_BEFORE:
                self.covered[fault] += 1
                return
            done = carry_out(fault)
            if fault is WriteFault.LOST_AFTER:
                self.covered[fault] += 1
                return
            await asyncio.sleep(self.random.uniform(0.02, 0.3))
            _resolve(answer, done)
        finally:
            self.under_way -= 1

    def _turned_away(self, now_s: float, fault: WriteFault | None) -> Outcome | None:
        if now_s < self.away_until_s or fault is WriteFault.UNAVAILABLE:
            self.covered["write-unavailable"] += 1
            return Outcome(OutcomeKind.TRANSIENT, status=503)
        if now_s < self.storm_until_s:
            return Outcome(OutcomeKind.RATE_LIMITED, status=429, retry_after_s=0.5)
        if fault is WriteFault.REFUSED:
            self.covered[fault] += 1
            reason = Reason(code="rejected-by-target", message="The shop does not take it today.")
            return Outcome(OutcomeKind.REJECTED, status=400, reason=reason)
        return None


def _resolve(answer: asyncio.Future[Any], outcome: Any) -> None:
    if not answer.done():
        answer.set_result(outcome)


@dataclass(slots=True)
class ShopTarget(MemoryTarget):
    """The shop's room, as one process has it. Set `shop` and `point` after making it."""

    shop: Shop = field(init=False)
    point: Callable[[], Awaitable[None]] = field(init=False)
    refreshes = frozenset({"account"})

    def plan(self, part: Part, known: TargetObject | None, found: Found | None, options: MemoryOptions) -> Plan:
        plan = MemoryTarget.plan(self, part, known, found, options)
        if found is None or not plan.steps or asyncio.get_running_loop().time() >= self.shop.locked_until_s:
            return plan
        self.shop.covered["target-locked"] += 1
        reason = Reason(code="locked-in-target", message=f"{found.target_id} cannot be changed now.", severity="warn")
        return Plan(plan.verb, reason=reason, retry=True)

    async def _request(self) -> None:
        self.vendor.requests += 1
        await self.shop.reach()

    async def look_up(self, keys: Sequence[NaturalKey], traffic: TrafficClass) -> Mapping[NaturalKey, Sequence[Found]]:
        hits = await MemoryTarget.look_up(self, keys, traffic)
        await self.point()
        return hits

    async def read(self, resource: str, target_ids: Sequence[str], traffic: TrafficClass) -> Mapping[str, Found]:
        found = await MemoryTarget.read(self, resource, target_ids, traffic)
        await self.point()
        return found

    async def execute(
        self, steps: Sequence[Step], before_send: BeforeSend, traffic: TrafficClass, flow: FlowId
    ) -> Sequence[Outcome]:
        left_s = await before_send()
        answer = self.shop.send(lambda fault: [self._do(step, fault) for step in steps], left_s)
        try:
            outcome = await asyncio.wait_for(answer, left_s)
        except TimeoutError:
            reason = Reason(code="no-answer", message="The shop did not answer in time.")
            outcome = Outcome(OutcomeKind.UNKNOWN, reason=reason)
        await self.point()
        return [outcome] * len(steps) if isinstance(outcome, Outcome) else outcome

    def _do(self, step: Step, fault: WriteFault | None) -> Outcome:
        """What the shop does with one step; it takes the same number twice, as most vendors do."""
        body = dict(step.body or {})
        if step.creates:
            record = self.vendor.make(step.resource, body["content"]["number"], OUR_USER)
        else:
            known = self.vendor.by_id(step.target_id or "")
            if known is None:  # people deleted it while the request was on its way
                return Outcome(OutcomeKind.CONFLICT, status=404)
            record = known
        for name, value in body.items():
            setattr(record, name, value)
        if fault is WriteFault.WRONG_FIGURES and step.creates and record.net is not None:
            self.shop.covered[fault] += 1
            record.net += 1
        self.shop.note(record, step.name, by_us=True)
        return Outcome(OutcomeKind.DONE, found=_found(record), status=200)
