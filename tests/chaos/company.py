"""The company whose documents flow while things are killed: it goes on entering, changing and ending them."""

import asyncio
import random
import time

from connector.sandbox.demo.exact_coupa import ExactCoupa
from connector.sandbox.demo.exact_coupa.company import enter_late_account
from connector.sandbox.demo.exact_coupa.orders import Order
from connector.sandbox.demo.story import Fate

ORDER = "purchase-order"


class BusyCompany(ExactCoupa):
    """The demo's company; instead of a month of its own it does a little whenever it is asked."""

    changing: list[Order]
    """Orders without invoices, whose lines people change."""
    ending: list[Order]
    """Those of them that are in Coupa for sure: they may be cancelled."""

    async def begin(self) -> None:
        self.changing, self.ending = [], []
        await self.prepare()
        await enter_late_account(self._company)

    async def do_a_little(self, dice: random.Random) -> None:
        """Two orders, an invoice, and now and then a change or an end."""
        main = self._company.main
        await self._orders.place(main, 2, (8, 24))
        self.changing.append(self._orders.many.pop())
        await self._invoices.book(main, 1, (8, 24))
        if dice.random() < 0.5:
            await self._change(dice)
        if self.ending and dice.random() < 0.15:
            await self._cancel(self.ending.pop(dice.randrange(len(self.ending))))

    async def work(self, *, minutes: float, seed: int = 1) -> None:
        """Do a little again and again, as people do in so many minutes."""
        dice, ends = random.Random(seed), time.monotonic() + 60 * minutes
        while time.monotonic() < ends:
            await self.do_a_little(dice)
            await asyncio.sleep(dice.uniform(0.5, 3.0))

    def everything_is_carried(self) -> None:
        self.ending += self.changing
        self.changing = []

    async def _change(self, dice: random.Random) -> None:
        order = dice.choice([*self.changing, *self.ending])
        line = dice.choice(order.lines)
        price = dice.randint(100, 9_000) if order.supplier.currency == "JPY" else dice.randint(100, 9_000) / 100
        await self._company.exact.act(
            "edit_purchase_order_line", division=order.division.code, id=line["ID"], NetPrice=price
        )

    async def _cancel(self, order: Order) -> None:
        await self._company.exact.act("cancel_purchase_order", division=order.division.code, id=order.id)
        self.book.turn(ORDER, order.id, Fate.ENDED, case="cancelled")
