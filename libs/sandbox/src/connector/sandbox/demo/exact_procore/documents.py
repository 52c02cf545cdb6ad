"""Orders and invoices of the month: the many, and those with a case of their own."""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from connector.sandbox.demo.control import ControlPort, Json
from connector.sandbox.demo.story import Book, Fate

ORDER, INVOICE = "purchase-order", "invoice"
COSTS_OF = {"HOURS": "4000", "STEEL": "3000", "HUT": "4100", "PAINT": "4200"}
"""Ledger account of what is ordered."""
ITEMS = ("HOURS", "STEEL", "HUT")
ACCOUNTS = ("4000", "7000", "4100")
FORGOTTEN = ("paint order", "paint invoice", "paint billed")
"""Cases that wait for the ledger account that was not mapped at first: two are coded on it, one bills such an order."""


@dataclass(slots=True)
class Document:
    entity: str
    id: str
    number: str
    lines: list[Json]
    supplier: str
    project: str | None = None
    billed: bool = False


@dataclass(slots=True)
class Documents:
    exact: ControlPort
    division: int
    book: Book
    random: random.Random
    start: date
    projects: list[str]
    buyers: list[str] = field(default_factory=list)
    """Suppliers that are ordered from."""
    traders: list[str] = field(default_factory=list)
    """Suppliers that send invoices without orders."""
    orders: list[Document] = field(default_factory=list)
    special: dict[str, Document] = field(default_factory=dict)
    _last: int = 0

    def day(self, number: int) -> str:
        return (self.start + timedelta(days=number)).isoformat()

    def turn(self, what: str, fate: Fate, *reasons: str) -> None:
        document = self.special[what]
        self.book.turn(document.entity, document.id, fate, *reasons)

    async def meet_suppliers(self, count: int) -> None:
        accounts = [
            {"Code": str(1001 + n), "Name": f"Bouwbedrijf {n}", "Country": "NL", "City": "Breda", "Postcode": "4800 AA",
             "AddressLine1": f"Werf {n}", "VATNumber": f"NL{810000000 + n:09d}B01", "PurchaseVATCode": "2",
             "PaymentConditionPurchase": "30"}
            for n in range(count)
        ]  # fmt: skip
        made = await self.exact.many("create_supplier", accounts, division=self.division)
        for n, row in enumerate(made):
            code = row["Code"].strip()
            (self.traders if n % 3 == 2 else self.buyers).append(code)
            self.book.expect("supplier", row["ID"], code)

    # Orders

    async def place(self, count: int) -> None:
        for _ in range(count):
            project = self.random.choice(self.projects)
            several = self.random.random() < 0.15
            lines = [self._line(project) for _ in range(self.random.choice((1, 2, 3, 5)))]
            if several:
                lines.append(self._line(next(other for other in self.projects if other != project)))
            order = await self.order(lines, day=self.random.randint(1, 12))
            order.project = None if several else project
            self.orders.append(order)

    def _line(self, project: str) -> Json:
        return line(
            project, self.random.choice(ITEMS), self.random.randint(1, 40), self.random.randint(150, 90_000) / 100
        )

    async def order(
        self, lines: list[Json], *, what: str | None = None, fate: Fate = Fate.MIRRORED, reasons: tuple[str, ...] = (),
        supplier: str | None = None, day: int = 2,
    ) -> Document:  # fmt: skip
        who = supplier or self.random.choice(self.buyers)
        row = await self.exact.act(
            "create_purchase_order", division=self.division, Supplier=who, OrderDate=self.day(day),
            PurchaseOrderLines=lines,
        )  # fmt: skip
        made = Document(ORDER, row["PurchaseOrderID"], str(row["OrderNumber"]), row["PurchaseOrderLines"], who)
        return self._keep(made, what, fate, reasons)

    def _keep(self, made: Document, what: str | None, fate: Fate, reasons: tuple[str, ...]) -> Document:
        self.book.expect(made.entity, made.id, made.number, fate, *reasons, case=what or "")
        if what is not None:
            self.special[what] = made
        return made

    # Invoices

    async def book_unlinked(self, count: int) -> list[Document]:
        """Invoices of suppliers that nothing is ordered from."""
        made = []
        for _ in range(count):
            project = self.random.choice(self.projects)
            lines = [
                entry_line(project, self.random.choice(ACCOUNTS), self.random.randint(500, 90_000) / 100,
                           VATCode=self.random.choice(("2", "2", "5")))
                for _ in range(self.random.choice((1, 2, 4)))
            ]  # fmt: skip
            made.append(
                await self.invoice(lines, supplier=self.random.choice(self.traders), day=self.random.randint(2, 20))
            )
        return made

    async def bill(self, count: int) -> None:
        """Invoices of half of every line of an order, one an order."""
        unbilled = [order for order in self.orders if not order.billed and order.project is not None][:count]
        for order in unbilled:
            order.billed = True
            lines = [
                entry_line(
                    str(row["ProjectCode"]), COSTS_OF[row["ItemCode"]], round(float(Decimal(row["AmountFC"]) / 2), 2)
                )
                for row in order.lines
            ]
            await self.invoice(lines, supplier=order.supplier, OrderNumber=int(order.number), day=14)

    async def invoice(
        self, lines: list[Json], *, supplier: str, what: str | None = None, fate: Fate = Fate.MIRRORED,
        reasons: tuple[str, ...] = (), day: int = 10, **more: Any,
    ) -> Document:  # fmt: skip
        self._last += 1
        row = await self.exact.act(
            "create_purchase_entry", division=self.division, **{
                "Journal": "70", "Supplier": supplier, "EntryDate": self.day(day), "YourRef": f"B-{self._last:04d}",
                "Currency": "EUR", "PurchaseEntryLines": lines, **more,
            },
        )  # fmt: skip
        made = Document(INVOICE, row["EntryID"], row["YourRef"], row["PurchaseEntryLines"], supplier)
        return self._keep(made, what, fate, reasons)

    # Those with a case of their own

    async def cases_before_the_start(self) -> None:
        blocked = Fate.BLOCKED
        paint = await self.order(
            [line("P-100", "PAINT"), line("P-100", "STEEL", 40, 9.75)], what="paint order", fate=blocked,
            reasons=("cost-not-mapped",),
        )  # fmt: skip
        await self.invoice(
            [entry_line("P-100", "3000", 195)], supplier=paint.supplier, OrderNumber=int(paint.number), day=14,
            what="paint billed", fate=blocked, reasons=("commitment-not-there",),
        )  # fmt: skip
        await self.order([line("P-700")], what="closed project", fate=blocked, reasons=("project-closed",))
        await self.order([line(None)], what="no project", fate=blocked, reasons=("cost-not-mapped",))
        for what in ("edited", "cancelled", "deleted"):
            await self.order([line("P-100", "STEEL", 8, 12.5), line("P-100", "HUT", 2, 410)], what=what)
        trader, buyer = self.traders[0], self.buyers[0]
        await self.order([line("P-300")], what="committed", supplier=buyer)
        await self.invoice(
            [entry_line("P-200", "4200", 88.8)], supplier=trader, what="paint invoice", fate=blocked,
            reasons=("cost-not-mapped",),
        )  # fmt: skip
        await self.invoice([entry_line("P-200", "4000", 100, VATCode="6")], supplier=trader, what="half deductible")
        await self.invoice(
            [entry_line("P-200", "4000", 61.5), entry_line("P-100", "7000", 38.5)], supplier=trader, what="two projects"
        )
        for what in ("edited booking", "deleted booking"):
            await self.invoice([entry_line("P-200", "7000", 310.4)], supplier=trader, what=what)
        await self.invoice([entry_line("P-200", "4000", -58.2)], supplier=trader, what="credit note")

    async def changes(self) -> None:
        """People change what is in Procore already, and book cost that may belong to an open commitment."""
        common = {"division": self.division}
        edited = self.special["edited"]
        await self.exact.act("edit_purchase_order_line", id=edited.lines[0]["ID"], QuantityInPurchaseUnits=11, **common)
        await self.exact.act("delete_purchase_order_line", id=edited.lines[1]["ID"], **common)
        booking = self.special["edited booking"]
        await self.exact.act("edit_purchase_entry_line", id=booking.lines[0]["ID"], AmountFC=290.1, **common)
        await self.invoice(
            [entry_line("P-300", "4000", 12.5)], supplier=self.special["committed"].supplier, what="may bill",
            fate=Fate.BLOCKED, reasons=("may-bill-commitment",),
        )  # fmt: skip

    async def endings(self) -> None:
        common = {"division": self.division}
        await self.exact.act("cancel_purchase_order", id=self.special["cancelled"].id, **common)
        await self.exact.act("delete_purchase_order", id=self.special["deleted"].id, **common)
        await self.exact.act("delete_purchase_entry", id=self.special["deleted booking"].id, **common)
        for what in ("cancelled", "deleted", "deleted booking"):
            self.turn(what, Fate.ENDED)


def line(project: str | None, item: str = "HOURS", quantity: float = 2, price: float = 125.5) -> Json:
    placed = {} if project is None else {"Project": project}
    ordered = {"Item": item, "QuantityInPurchaseUnits": quantity, "NetPrice": price, "VATCode": "2"}
    return {**ordered, "CostCenter": "CC1", **placed}


def entry_line(project: str, account: str, amount: float, **more: Any) -> Json:
    placed = {"GLAccount": account, "AmountFC": amount, "Project": project, "CostCenter": "CC1", "VATCode": "2"}
    return {**placed, "Description": f"Costs of {account}", **more}
