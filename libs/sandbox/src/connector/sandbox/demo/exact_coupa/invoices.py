"""Supplier invoices of the month: entries, invoices matched to order lines, credit notes, and the odd ones."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.sandbox.demo.control import Json
from connector.sandbox.demo.story import Fate

from .company import Company, Division, Supplier
from .orders import Order, Orders

ENTITY = "invoice"
_HOME_VAT = ("2", "2", "2", "2", "1", "1", "5", "4", "3")
_ACCOUNTS = (("4000", "CC1"), ("4000", "A-12"), ("4100", None), ("4200", "CC2"), ("7000", None), ("4600", None))
"""Ledger accounts with the cost center they ask for."""
WEBHOOK_DROP = 0.06
_MATCHED = 8033
"""Exact's type of a purchase invoice that is matched to a receipt."""


@dataclass(slots=True)
class Invoice:
    division: Division
    supplier: Supplier
    id: str
    number: str
    lines: list[Json]


class Invoices:
    def __init__(self, company: Company, orders: Orders) -> None:
        self.company = company
        self.orders = orders
        self.many: list[Invoice] = []
        self.special: dict[str, Invoice] = {}
        self._last = 0

    def _number(self) -> str:
        self._last += 1
        return f"F{self.company.today.year}-{self._last:04d}"

    # The many

    async def book(self, division: Division, count: int, days: tuple[int, int], *, pause_s: float = 0.0) -> None:
        """Some invoices: every third is matched to an order's lines, where one has something left to invoice."""
        for n in range(count):
            day = self.company.random.randint(*days)
            order = self._open_order(division) if n % 3 == 0 else None
            if order is None:
                await self._entry(division, day)
            else:
                await self._matched(order, day)
            await asyncio.sleep(pause_s)

    def _open_order(self, division: Division) -> Order | None:
        if division is self.company.other:  # of it only open orders are sent: none may be done before it was read
            return None
        open_orders = [o for o in self.orders.many if o.division is division and any(o.left.values())]
        return self.company.random.choice(open_orders) if open_orders else None

    async def _entry(self, division: Division, day: int) -> None:
        chance = self.company.random
        supplier = chance.choice(division.suppliers)
        lines = [self._line(supplier) for _ in range(chance.choice((1, 1, 2, 2, 3, 5)))]
        more: Json = {}
        theirs = [order for order in self.orders.many if order.supplier is supplier]
        if theirs and chance.random() < 0.5:
            more["OrderNumber"] = int(chance.choice(theirs).number)
        self.many.append(await self._book(division, supplier, lines, day, **more))

    def _line(self, supplier: Supplier) -> Json:
        chance = self.company.random
        account, center = chance.choice(_ACCOUNTS)
        amount: Any = chance.randint(500, 400_000) / 100
        if supplier.currency == "JPY":
            amount = chance.randint(1_000, 400_000)
        line = {"GLAccount": account, "AmountFC": amount, "Description": f"Costs of {account}"}
        line["VATCode"] = chance.choice(_HOME_VAT) if supplier.country == "NL" else "0"
        return line if center is None else {**line, "CostCenter": center}

    async def _book(self, division: Division, supplier: Supplier, lines: list[Json], day: int, **more: Any) -> Invoice:
        body = {
            "Journal": "70", "Supplier": supplier.code, "EntryDate": self.company.day(day), "YourRef": self._number(),
            "Currency": supplier.currency, "PurchaseEntryLines": lines, **more,
        }  # fmt: skip
        row = await self.company.exact.act("create_purchase_entry", division=division.code, **body)
        return self._remember(division, supplier, row)

    def _remember(self, division: Division, supplier: Supplier, row: Json) -> Invoice:
        invoice = Invoice(division, supplier, row["EntryID"], row["YourRef"], row["PurchaseEntryLines"])
        self.company.book.expect(ENTITY, invoice.id, invoice.number)
        return invoice

    async def _matched(self, order: Order, day: int, *, everything: bool = False) -> Invoice:
        """Invoice some of an order's lines: all that is left, or half of it."""
        lines = []
        for line in order.lines:
            left = order.left[line["ID"]]
            if not left:
                continue
            taken = left if everything or left < 2 or self.company.random.random() < 0.4 else left // 2
            order.left[line["ID"]] = left - taken
            lines.append({"PurchaseOrderLine": line["ID"], "Quantity": f"{taken:f}"})
        drafted = await self.company.exact.act(
            "create_purchase_invoice", division=order.division.code, Journal="70", Type=_MATCHED,
            Supplier=order.supplier.code, Currency=order.supplier.currency, InvoiceDate=self.company.day(day),
            YourRef=self._number(), PurchaseInvoiceLines=lines,
        )  # fmt: skip
        processed = await self.company.exact.act(
            "process_purchase_invoice", division=order.division.code, id=drafted["ID"]
        )
        invoice = self._remember(order.division, order.supplier, processed["PurchaseEntry"])
        self.many.append(invoice)
        return invoice

    async def credit(self, count: int, day: int) -> None:
        """Suppliers credit some invoices in full; Exact does not say which a credit note belongs to."""
        entries = [invoice for invoice in self.many if invoice.lines and invoice.division is self.company.main]
        for invoice in self.company.random.sample(entries, min(count, len(entries))):
            row = await self.company.exact.act(
                "credit_purchase_entry", division=invoice.division.code, id=invoice.id, EntryDate=self.company.day(day)
            )
            self._remember(invoice.division, invoice.supplier, row)

    # Those with a case of their own

    async def enter(
        self, what: str, lines: list[Json], *, supplier: Supplier | None = None, division: Division | None = None,
        fate: Fate = Fate.MIRRORED, reasons: tuple[str, ...] = (), day: int = 3, case: str = "", **more: Any,
    ) -> Invoice:  # fmt: skip
        of = division or self.company.main
        invoice = self.special[what] = await self._book(of, supplier or of.suppliers[3], lines, day, **more)
        self.company.book.expect(ENTITY, invoice.id, invoice.number, fate, *reasons, case=case or what)
        return invoice

    async def before_the_start(self) -> None:
        company = self.company
        await self.enter(
            "old",
            [_plain()],
            fate=Fate.EXCLUDED,
            reasons=("before-start",),
            day=-15,
            case="booked before the start date",
        )
        await self.enter("VAT included", [_plain(VATCode="3"), _plain("4200", 121, VATCode="3")])
        await self.enter("reverse charge", [_plain(VATCode="4"), _plain("7000", 19.95)])
        await self.enter("half deductible", [_plain("4500", 84.5, VATCode="6")])
        await self.enter("yen", [_plain("7000", 12_345, VATCode="0")], supplier=company.main.suppliers[-2])
        await self.enter("hyphen", [_plain("4000", 640, CostCenter="A-12")], case="a hyphen in the cost center")
        await self.enter("no order", [_plain()], case="without an order number")
        same = (await self.enter("one number", [_plain("4200", 77.7)])).number
        await self.enter(
            "same number", [_plain("4200", 88.8)], supplier=company.main.suppliers[4], YourRef=same,
            case="another supplier's invoice with the same number",
        )  # fmt: skip
        await self.enter(
            "unknown supplier", [_plain()], supplier=company.special["unknown"], fate=Fate.BLOCKED,
            reasons=("supplier-not-linked", "supplier-unknown-in-target"),
        )  # fmt: skip
        await self.enter(
            "unknown account", [_plain("4700", 250)], fate=Fate.BLOCKED, reasons=("gl-code-unknown-in-target",)
        )
        await self.enter("late account", [_plain("4800", 199)], case="its account is entered in Coupa later")
        await self.enter(
            "credit without original", [_plain("4200", -58.2)], case="a credit note, and nobody knows of what"
        )
        for what in (
            "deleted",
            "deleted early",
            "edited",
            "edited during approval",
            "rejected",
            "rejected early",
            "reversed",
            "refused and corrected",
        ):
            await self.enter(what, [_plain("4200", 310.4), _plain("4100", 45)])
        await self.enter("namesake", [_plain()], division=company.other, supplier=company.other.suppliers[0])
        full = self.orders.special["invoiced in full"]
        await company.exact.act("receive_purchase_order", division=full.division.code, id=full.id)
        self.special["invoiced in full"] = await self._matched(full, 6, everything=True)
        part = self.orders.special["cancelled in part"]
        part.left[part.lines[1]["ID"]] = Decimal(0)
        self.special["part of a cancelled order"] = await self._matched(part, 6)

    async def deleted_early(self) -> None:
        """Gone before anything was written of it."""
        invoice = self.special["deleted early"]
        await self._delete(invoice)
        self.company.book.turn(ENTITY, invoice.id, Fate.EXCLUDED, "gone-before-first-write")

    async def rejected_early(self) -> None:
        """Rejected at Exact before anything was written of it."""
        await self._reject(self.special["rejected early"], Fate.EXCLUDED, "gone-before-first-write")

    async def taken_back(self) -> None:
        """Entries that are in Coupa already are rejected at Exact, or cancelled by a reversal."""
        await self._reject(self.special["rejected"], Fate.ENDED)
        original = self.special["reversed"]
        reversal = await self.company.exact.act(
            "credit_purchase_entry", division=original.division.code, id=original.id, YourRef=original.number,
            Reversal=True, EntryDate=self.company.day(27),
        )  # fmt: skip
        self.company.book.turn(ENTITY, original.id, Fate.ENDED)
        self.company.book.expect(
            ENTITY, reversal["EntryID"], original.number, Fate.EXCLUDED, "gone-before-first-write", case="a reversal"
        )

    async def _reject(self, invoice: Invoice, fate: Fate, *reasons: str) -> None:
        """Its notice is not lost: no feed of Exact tells of rejected entries."""
        exact = self.company.exact
        await exact.switch(webhook_drop=0.0)
        await exact.act("reject_purchase_entry", division=invoice.division.code, id=invoice.id)
        await exact.switch(webhook_drop=WEBHOOK_DROP)
        self.company.book.turn(ENTITY, invoice.id, fate, *reasons)

    async def refuse(self) -> None:
        """Somebody at Coupa rejects an invoice that waits for approval."""
        store = await self.company.coupa.store()
        number = self.special["refused and corrected"].number
        for invoice in store["invoices"]:
            if invoice["invoice-number"] == number and invoice["status"] == "pending_approval":
                await self.company.coupa.act("reject_invoice", id=invoice["id"])

    async def correct_refused(self) -> None:
        """The entry is corrected at Exact, so that its invoice is made anew in Coupa."""
        await self._raise(self.special["refused and corrected"], -20.5)

    async def edit_during_approval(self) -> None:
        """The entry changes while people at Coupa still have its invoice to approve."""
        await self._raise(self.special["edited during approval"], 12.5)

    async def edit_approved(self) -> None:
        """The entry changes after its invoice was approved at Coupa: the invoice has to be replaced."""
        await self._raise(self.special["edited"], 7.25)

    async def _raise(self, invoice: Invoice, by: float) -> None:
        line = invoice.lines[0]
        amount = Decimal(line["AmountFC"]) + Decimal(str(by))
        await self.company.exact.act(
            "edit_purchase_entry_line", division=invoice.division.code, id=line["ID"], AmountFC=f"{amount:f}"
        )

    async def delete_silently(self) -> None:
        """An entry is deleted, and its notice is lost."""
        invoice = self.special["deleted"]
        await self.company.exact.act("drop_webhooks", topic="PurchaseEntries", action="Delete", key=invoice.id, count=1)
        await self._delete(invoice)
        self.company.book.turn(ENTITY, invoice.id, Fate.ENDED, case="deleted, its notice lost")

    async def _delete(self, invoice: Invoice) -> None:
        await self.company.exact.act("delete_purchase_entry", division=invoice.division.code, id=invoice.id)

    async def approve(self) -> None:
        """People at Coupa approve what waits for them."""
        store = await self.company.coupa.store()
        for invoice in store["invoices"]:
            if invoice["status"] == "pending_approval":
                await self.company.coupa.act("approve_invoice", id=invoice["id"])


def _plain(account: str = "4200", amount: float = 250.5, **more: Any) -> Json:
    return {"GLAccount": account, "AmountFC": amount, "VATCode": "2", "Description": f"Costs of {account}", **more}
