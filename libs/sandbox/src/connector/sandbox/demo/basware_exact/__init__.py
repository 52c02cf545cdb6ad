"""A month of a company that approves its invoices in Basware and keeps its books in Exact Online."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox.demo.control import ControlPort
from connector.sandbox.demo.story import Book, Comparison, Said, Size, Step

from .company import FIRST, LATE_CENTER, SECOND, Company, open_late_account, set_up
from .comparison import Rounds, compare
from .invoices import Invoices

AMOUNT = {
    Size.SMALL: {"vendors": 8, "first": 24, "second": 8, "images": 3, "again": 2},
    Size.NORMAL: {"vendors": 40, "first": 170, "second": 40, "images": 20, "again": 6},
}
"""Beside those with a case of their own."""

LOST: Mapping[str, Sequence[tuple[str, Sequence[int]]]] = {
    "exact": (
        ("/crm/Accounts$", (1,)),
        ("/documents/Documents$", (0,)),
        ("/documents/DocumentAttachments$", (1,)),
        ("/purchaseentry/PurchaseEntries$", (3, 5, 7)),
    ),
    "basware": (("/acknowledge$", (6,)), ("/transferResponses$", (4, 8))),
}
"""POSTs that are carried out and whose answers get lost, by system and path: how many of them pass before each."""


class BaswareExact:
    """The story of flow `basware-exact`."""

    losses: Mapping[str, Sequence[tuple[str, Sequence[int]]]] = LOST

    def __init__(self, sandboxes: Mapping[str, ControlPort], *, seed: int, size: Size) -> None:
        basware, exact = sandboxes["basware"], sandboxes["exact"]
        first, second = exact.credentials["divisions"]
        self.book = Book()
        self._company = Company(basware, exact, self.book, random.Random(seed), {FIRST: first, SECOND: second})
        self._invoices = Invoices(self._company)
        self._amount = AMOUNT[size]
        self._ports = sandboxes

    @property
    def switches(self) -> Mapping[str, Mapping[str, Any]]:
        """Exact's minute is shortened, so that a month fits in minutes; Basware's notices are lost, doubled, reordered
        and forged, and a list shows an image as soon as an invoice has one."""
        return {
            "basware": {
                "webhook_drop": 0.06, "webhook_duplicate": 0.1, "webhook_reorder": 0.1, "webhook_reorder_s": 2.0,
                "webhook_corrupt_signature": 0.05, "webhook_retry_scale": 0.2, "async_delay_s": 0.5,
                "attachments_visible": "always",
            },
            "exact": {"minute_s": 6.0, "day_limit": 1_000_000},
        }  # fmt: skip

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"start_date": self._company.start.isoformat(), "divisions": dict(self._company.divisions)}

    async def prepare(self) -> None:
        await set_up(self._company, self._amount["vendors"])
        await self._invoices.transfer(FIRST, self._share("first", 0.3), (1, 8))
        await self._invoices.transfer(SECOND, self._share("second", 0.3), (1, 8))
        await self._plan_losses()

    async def _plan_losses(self) -> None:
        for system, rules in self.losses.items():
            for path, passing in rules:
                for skip in passing:
                    await self._ports[system].fault(path=path, method="POST", when="after", action="drop", skip=skip)

    def _share(self, what: str, part: float) -> int:
        return max(1, round(self._amount[what] * part))

    @property
    def rehearsal(self) -> Sequence[Step]:
        return []

    @property
    def month(self) -> Sequence[Step]:
        return [
            Step("first half: invoices approved, some of them wrong; both vendors' answers get lost", self._first_half),
            Step("middle: corrections, what was missing is made, what was open is closed", self._middle, settled=True),
            Step("second half: invoices, and booked ones transferred again", self._second_half, settled=True),
        ]

    async def _first_half(self) -> None:
        await self._invoices.odd()
        await self._invoices.transfer(FIRST, self._share("first", 0.35), (9, 15), images=self._amount["images"])
        await self._invoices.transfer(SECOND, self._share("second", 0.35), (9, 15))

    async def _middle(self) -> None:
        company = self._company
        await self._invoices.repair()
        await open_late_account(company)
        await self._invoices.enter_bank_account()
        await company.exact.act(
            "create_cost_center", division=company.divisions[SECOND], Code=LATE_CENTER, Description="Late"
        )
        await self._invoices.closed_after_approval()
        await self._invoices.booked_by_hand()

    async def _second_half(self) -> None:
        await self._invoices.retransfer(self._amount["again"])
        await self._invoices.transfer(FIRST, self._share("first", 0.35), (16, 25))
        await self._invoices.transfer(SECOND, self._share("second", 0.35), (16, 25))

    async def compare(self, said: Sequence[Said]) -> Comparison:
        company = self._company
        basware, exact = await company.basware.store(), await company.exact.store()
        invoices = self._invoices
        comparison = compare(
            basware,
            exact,
            self.book,
            company.divisions,
            Rounds(invoices.rounds, invoices.repaired, invoices.named),
            said,
        )
        await self._check_losses(comparison)
        return comparison

    async def _check_losses(self, comparison: Comparison) -> None:
        """A loss that never came about has shown nothing."""
        for system, rules in self.losses.items():
            calls = await self._ports[system].calls()
            for path, passing in rules:
                lost = [call["lost"] for call in calls if re.search(path, call["path"]) and call["lost"] is not None]
                carried_out = sum(status < 300 for status in lost)
                if carried_out != len(passing):
                    comparison.differ("lost answers", path, f"carried out by {system}", len(passing), carried_out)
