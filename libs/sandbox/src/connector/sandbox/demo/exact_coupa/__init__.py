"""A month of a company that books in Exact Online and procures in Coupa."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox.demo.control import ControlPort
from connector.sandbox.demo.story import Book, Comparison, Said, Size, Step

from .company import (
    Company,
    Division,
    enter_late_account,
    meet_suppliers,
    part_with_supplier,
    set_up_coupa,
    set_up_exact,
)
from .comparison import compare
from .invoices import WEBHOOK_DROP, Invoices
from .orders import Orders

AMOUNT = {
    Size.SMALL: {"suppliers": 10, "orders": 24, "invoices": 26, "credits": 2},
    Size.NORMAL: {"suppliers": 40, "orders": 136, "invoices": 190, "credits": 8},
}
"""Beside those with a case of their own."""
PAUSE_S = 0.15
"""Between two documents that people enter."""
NEW_NAME = "Nieuwe Naam BV"


class ExactCoupa:
    """The story of flow `exact-coupa`."""

    def __init__(self, sandboxes: Mapping[str, ControlPort], *, seed: int, size: Size) -> None:
        exact, coupa = sandboxes["exact"], sandboxes["coupa"]
        main, other = exact.credentials["divisions"]
        self.book = Book()
        self._company = Company(
            exact, coupa, self.book, random.Random(seed), Division(main, ""), Division(other, "H"),
        )  # fmt: skip
        self._orders = Orders(self._company)
        self._invoices = Invoices(self._company, self._orders)
        self._amount = AMOUNT[size]
        self._size = size

    @property
    def switches(self) -> Mapping[str, Mapping[str, Any]]:
        """Exact's minute is shortened, so that a month fits in minutes; its notices are lost, doubled and reordered."""
        return {
            "exact": {
                "minute_s": 6.0, "webhook_drop": WEBHOOK_DROP, "webhook_duplicate": 0.1, "webhook_reorder": 0.1,
                "webhook_reorder_s": 2.0,
            },
            "coupa": {},
        }  # fmt: skip

    @property
    def facts(self) -> Mapping[str, Any]:
        company = self._company
        return {
            "start_date": company.start.isoformat(),
            "divisions": [{"code": division.code, "prefix": division.prefix} for division in company.divisions],
        }

    async def prepare(self) -> None:
        company = self._company
        await set_up_exact(company)
        await set_up_coupa(company)
        await meet_suppliers(company, self._amount["suppliers"])
        await self._orders.taken_number()
        await self._orders.before_the_start()
        await self._orders.place(company.main, self._share("orders", 0.4), (0, 6))
        await self._orders.place(company.other, self._share("orders", 0.08), (0, 6))
        await self._invoices.before_the_start()
        await self._invoices.book(company.main, self._share("invoices", 0.4), (1, 8))
        await self._invoices.book(company.other, self._share("invoices", 0.08), (1, 8))

    def _share(self, what: str, part: float) -> int:
        return max(1, round(self._amount[what] * part))

    @property
    def rehearsal(self) -> Sequence[Step]:
        return [Step("documents are deleted and rejected before anything is written", self._deleted_early)]

    @property
    def month(self) -> Sequence[Step]:
        return [
            Step("first half: orders, receipts, invoices", self._first_half),
            Step(
                "middle: changes, also during approval, approvals, refusals, a new name",
                self._middle,
                settled=True,
            ),
            Step("second half: orders, invoices, credit notes", self._second_half),
            Step("end: cancellations, deletions without notice, rejections, corrections", self._end, settled=True),
            Step("the last approvals", self._invoices.approve, settled=True),
        ]

    async def _deleted_early(self) -> None:
        await self._orders.deleted_early()
        await self._invoices.deleted_early()
        await self._invoices.rejected_early()

    async def _first_half(self) -> None:
        company = self._company
        await self._orders.place(company.main, self._share("orders", 0.25), (8, 14), pause_s=2 * PAUSE_S)
        await self._orders.receive(self._share("orders", 0.1))
        await self._invoices.book(company.main, self._share("invoices", 0.25), (9, 15), pause_s=PAUSE_S)

    async def _middle(self) -> None:
        await self._invoices.edit_during_approval()
        await self._invoices.refuse()
        await asyncio.sleep(3.0)
        await self._invoices.approve()
        await self._orders.changes()
        company = self._company
        await company.exact.act(
            "rename_supplier", division=company.main.code, id=company.special["renamed"].id, Name=NEW_NAME
        )
        await enter_late_account(company)

    async def _second_half(self) -> None:
        company = self._company
        await self._orders.place(company.main, self._share("orders", 0.22), (16, 24), pause_s=2 * PAUSE_S)
        await self._orders.place(company.other, self._share("orders", 0.05), (16, 24))
        await self._orders.receive(self._share("orders", 0.1))
        await self._invoices.book(company.main, self._share("invoices", 0.22), (17, 25), pause_s=PAUSE_S)
        await self._invoices.book(company.other, self._share("invoices", 0.05), (17, 25), pause_s=PAUSE_S)
        await self._invoices.credit(self._amount["credits"], 26)

    async def _end(self) -> None:
        await self._orders.endings()
        await self._invoices.edit_approved()
        await self._invoices.correct_refused()
        await self._invoices.taken_back()
        await part_with_supplier(self._company)
        await self._invoices.delete_silently()

    async def compare(self, said: Sequence[Said]) -> Comparison:
        company = self._company
        exact, coupa = await company.exact.store(), await company.coupa.store()
        return compare(exact, coupa, self.book, {d.code: d.prefix for d in company.divisions}, said)
