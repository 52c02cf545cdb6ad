"""The companies whose documents flow while things are killed: they go on entering, changing and ending them."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from connector.sandbox.demo import ControlPort, Size, Story
from connector.sandbox.demo.basware_exact import BaswareExact
from connector.sandbox.demo.basware_exact.company import FIRST, SECOND, enter_vendor, open_late_account
from connector.sandbox.demo.control import Json
from connector.sandbox.demo.exact_coupa import ExactCoupa
from connector.sandbox.demo.exact_coupa.company import enter_late_account
from connector.sandbox.demo.exact_coupa.orders import Order
from connector.sandbox.demo.exact_procore import ExactProcore
from connector.sandbox.demo.exact_procore.documents import Document
from connector.sandbox.demo.story import Fate

ORDER, INVOICE = "purchase-order", "invoice"
DAYS = (8, 24)


class BusyCompany(Story, Protocol):
    """A demo's company; instead of a month of its own it does a little whenever it is asked."""

    async def do_a_little(self, dice: random.Random) -> None:
        """A few new documents, and now and then a change or an end. What ends is in the target, as people see there."""
        ...

    async def work(self, *, minutes: float, seed: int = 1) -> None:
        """Do a little again and again, as people do in so many minutes."""
        dice, ends = random.Random(seed), time.monotonic() + 60 * minutes
        while time.monotonic() < ends:
            await self.do_a_little(dice)
            await asyncio.sleep(dice.uniform(0.5, 3.0))


class BusyExactCoupa(ExactCoupa, BusyCompany):
    changing: list[Order]
    """Orders without invoices, whose lines people change and which they cancel."""
    changed: set[str]
    """Their ids. One that is changed and cancelled at once is cancelled as it was, which is not what is compared."""

    async def prepare(self) -> None:
        self.changing, self.changed = [], set()
        await super().prepare()
        await enter_late_account(self._company)

    async def do_a_little(self, dice: random.Random) -> None:
        main = self._company.main
        await self._orders.place(main, 2, DAYS)
        self.changing.append(self._orders.many.pop())
        await self._invoices.book(main, 1, DAYS)
        if dice.random() < 0.5:
            await self._change(dice.choice(self.changing), dice)
        if dice.random() < 0.25:
            await self._cancel_one(dice)

    async def _change(self, order: Order, dice: random.Random) -> None:
        self.changed.add(order.id)
        line = dice.choice(order.lines)
        price = dice.randint(100, 9_000) if order.supplier.currency == "JPY" else _price(dice)
        await self._company.exact.act(
            "edit_purchase_order_line", division=order.division.code, id=line["ID"], NetPrice=price
        )

    async def _cancel_one(self, dice: random.Random) -> None:
        issued = {row["po-number"] for row in (await self._company.coupa.store())["purchase_orders"]
                  if row["status"] == "issued"}  # fmt: skip
        there = [
            order
            for order in self.changing
            if order.division.in_coupa(order.number) in issued and order.id not in self.changed
        ]
        if there:
            order = dice.choice(there)
            self.changing.remove(order)
            await self._company.exact.act("cancel_purchase_order", division=order.division.code, id=order.id)
            self.book.turn(ORDER, order.id, Fate.ENDED, case="cancelled")


class BusyExactProcore(ExactProcore, BusyCompany):
    changing: list[Document]
    """Orders without invoices and invoices without orders, whose lines people change and which they end."""

    async def prepare(self) -> None:
        self.changing = []
        await super().prepare()

    async def do_a_little(self, dice: random.Random) -> None:
        documents = self._documents
        await documents.place(2)
        self.changing.append(documents.orders.pop())
        await documents.bill(1)
        self.changing += await documents.book_unlinked(1)
        if dice.random() < 0.5:
            await self._change(dice.choice(self.changing), dice)
        if dice.random() < 0.25:
            await self._end_one(dice)

    async def _change(self, document: Document, dice: random.Random) -> None:
        act, field = (
            ("edit_purchase_order_line", "NetPrice")
            if document.entity == ORDER
            else ("edit_purchase_entry_line", "AmountFC")
        )
        line = dice.choice(document.lines)
        await self._exact.act(act, division=self._division, id=line["ID"], **{field: _price(dice)})

    async def _end_one(self, dice: random.Random) -> None:
        store = await self._procore.store()
        marks = " ".join(
            row["origin_id"] or ""
            for kind in ("purchase_order_contracts", "direct_costs")
            for row in store[kind]
            if not row["deleted_at"] and row["status"].lower() == "approved"
        )
        there = [document for document in self.changing if document.id in marks]
        if there:
            document = dice.choice(there)
            self.changing.remove(document)
            act = "cancel_purchase_order" if document.entity == ORDER else "delete_purchase_entry"
            await self._exact.act(act, division=self._division, id=document.id)
            self.book.turn(document.entity, document.id, Fate.ENDED, case="ended")


class BusyBaswareExact(BaswareExact, BusyCompany):
    losses: Mapping[str, Any] = {}
    """Answers are lost as the trouble has it."""
    met: int
    """New vendors."""

    async def prepare(self) -> None:
        self.met = 0
        await super().prepare()
        await open_late_account(self._company)

    async def do_a_little(self, dice: random.Random) -> None:
        company, invoices = self._company, self._invoices
        await invoices.transfer(FIRST, 2, DAYS, images=int(dice.random() < 0.2))
        await invoices.transfer(SECOND, 1, DAYS)
        if dice.random() < 0.2:
            await invoices.without_account(dice.choice(company.vendors[FIRST]), Fate.REJECTED)
        if dice.random() < 0.05:
            await invoices.without_account(dice.choice(company.vendors[SECOND]), Fate.BLOCKED)
        if dice.random() < 0.1:
            self.met += 1
            company.vendors[FIRST].append(await enter_vendor(company, FIRST, f"N{100 + self.met}", "EUR"))
        if dice.random() < 0.3:
            await self._once_more(dice)

    async def _once_more(self, dice: random.Random) -> None:
        """Transfer a booked invoice again, as it was or with other amounts, or a refused one, corrected."""
        shown = (await self._company.basware.store())["accountingDocuments"]
        refused = _in_state(shown, "TransferFailed")
        booked = [key for key in _in_state(shown, "Transferred") if not self._has_a_case(key)]
        if refused and dice.random() < 0.5:
            key = dice.choice(refused)
            self._invoices.repaired.append(key)
            await self._invoices.correct(key)
        elif booked:
            await self._invoices.transfer_again(dice.choice(booked), recoded=dice.random() < 0.5)

    def _has_a_case(self, key: str) -> bool:
        known = self.book.get(INVOICE, key)
        return known is None or bool(known.case)


def _in_state(shown: list[Json], state: str) -> list[str]:
    return [row["invoiceId"] for row in shown if row["processingStatus"] == state]


def _price(dice: random.Random) -> float:
    return dice.randint(100, 9_000) / 100


COMPANIES: Mapping[str, Callable[..., BusyCompany]] = {
    "exact-coupa": BusyExactCoupa,
    "exact-procore": BusyExactProcore,
    "basware-exact": BusyBaswareExact,
}
"""By flow: a class called like the demo's."""


def busy_company(flow: str, sandboxes: Mapping[str, ControlPort], *, seed: int) -> BusyCompany:
    return COMPANIES[flow](sandboxes, seed=seed, size=Size.SMALL)
