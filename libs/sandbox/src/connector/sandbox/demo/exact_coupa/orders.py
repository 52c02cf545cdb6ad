"""Purchase orders of the month: the many, and those with a case of their own."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from connector.sandbox.demo.control import Json, trickle
from connector.sandbox.demo.story import Fate

from .company import Company, Division, Supplier

ENTITY = "purchase-order"
_HOME_VAT = ("2", "2", "2", "2", "1", "1", "5", "4", "3")
"""Mostly 21 %, some 9 %, 0 %, reverse charge, and 21 % included in the price."""
_ITEMS = ("PURCHASE", "PAPER", "HOURS", "STEEL", "RENT", "DINNER", "SCREW")
_CENTERS = ("CC1", "CC2", "A-12", None)
FOREIGN_NUMBER = 900001
"""An order number that somebody has used in Coupa already."""


@dataclass(slots=True)
class Order:
    """An order as the story remembers it. `left`: what may still be invoiced, in purchase units, by line id."""

    division: Division
    supplier: Supplier
    id: str
    number: str
    lines: list[Json]
    left: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, division: Division, supplier: Supplier, row: Json) -> "Order":
        lines = row["PurchaseOrderLines"]
        left = {line["ID"]: Decimal(line["QuantityInPurchaseUnits"]) for line in lines}
        return cls(division, supplier, row["PurchaseOrderID"], str(row["OrderNumber"]), lines, left)


class Orders:
    def __init__(self, company: Company) -> None:
        self.company = company
        self.many: list[Order] = []
        """Those without a case of their own, open for receipts and invoices."""
        self.special: dict[str, Order] = {}

    # The many

    def draw(self, division: Division, day: int) -> tuple[Supplier, Json]:
        chance = self.company.random
        supplier = chance.choice(division.suppliers)
        lines = [self._line(supplier) for _ in range(chance.choice((1, 2, 2, 3, 3, 4, 6)))]
        order: Json = {
            "division": division.code, "Supplier": supplier.code, "OrderDate": self.company.day(day),
            "ReceiptDate": self.company.day(day + 5), "Description": f"Order of day {day}", "PurchaseOrderLines": lines,
        }  # fmt: skip
        if chance.random() < 0.12:
            order["Discount"] = chance.choice((0.02, 0.05, 0.1))
        return supplier, order

    def _line(self, supplier: Supplier) -> Json:
        chance = self.company.random
        item = chance.choice(_ITEMS)
        if item == "PAPER" and supplier.code != "1":
            item = "PURCHASE"
        quantity: Any = chance.randint(1, 40)
        if item in ("HOURS", "STEEL"):
            quantity = chance.randint(2, 80) / 2
        price: Any = chance.randint(150, 90_000) / 100
        if supplier.currency == "JPY":
            price = chance.randint(100, 90_000)
        if item == "SCREW":
            quantity, price = chance.randint(10, 90) * 100, chance.randint(101, 999) / 10_000
        if item == "SCREW" and supplier.currency == "JPY":
            price = chance.randint(1, 9)
        line: Json = {"Item": item, "QuantityInPurchaseUnits": quantity, "NetPrice": price}
        line["VATCode"] = chance.choice(_HOME_VAT) if supplier.country == "NL" else "0"
        center = chance.choice(_CENTERS[:-1] if item == "HOURS" else _CENTERS)  # its account asks for one
        if center is not None:
            line["CostCenter"] = center
        if chance.random() < 0.2:
            line["Project"] = chance.choice(("P-001", "P-002"))
        return line

    async def place(self, division: Division, count: int, days: tuple[int, int], *, pause_s: float = 0.0) -> None:
        """Enter some orders, drawn at random; the supplier of one line in twelve gets a discount on the whole."""
        drawn = [self.draw(division, self.company.random.randint(*days)) for _ in range(count)]
        rows = await trickle(
            self.company.exact, "create_purchase_order", [order for _, order in drawn], at_once=2, pause_s=pause_s
        )
        for (supplier, _), row in zip(drawn, rows, strict=True):
            order = Order.of(division, supplier, row)
            self.many.append(order)
            self.company.book.expect(ENTITY, order.id, division.in_coupa(order.number))

    async def receive(self, count: int) -> None:
        """Part of what was ordered arrives: half of the first line."""
        for order in self.company.random.sample(self.many, min(count, len(self.many))):
            line = order.lines[0]
            arrived = Decimal(line["QuantityInPurchaseUnits"]) / 2
            await self.company.exact.act(
                "receive_purchase_order", division=order.division.code, id=order.id,
                lines=[{"ID": line["ID"], "quantity": f"{arrived:f}"}],
            )  # fmt: skip

    # Those with a case of their own

    async def enter(
        self, what: str, lines: list[Json], *, supplier: Supplier | None = None, division: Division | None = None,
        fate: Fate = Fate.MIRRORED, reasons: tuple[str, ...] = (), day: int = 2, case: str = "", **more: Any,
    ) -> Order:  # fmt: skip
        company, of = self.company, division or self.company.main
        who = supplier or of.suppliers[3]
        row = await company.exact.act(
            "create_purchase_order", division=of.code, Supplier=who.code, PurchaseOrderLines=lines,
            **{"OrderDate": company.day(day), **more},
        )  # fmt: skip
        order = self.special[what] = Order.of(of, who, row)
        company.book.expect(ENTITY, order.id, of.in_coupa(order.number), fate, *reasons, case=case or what)
        return order

    async def before_the_start(self) -> None:
        """Orders that exist when the connector is connected."""
        company = self.company
        old = (company.start.replace(day=1)).isoformat()
        await self.enter(
            "old", [_plain()], fate=Fate.EXCLUDED, reasons=("before-start",), OrderDate=old if old < company.day(0) else
            company.day(-15), case="placed before the start date",
        )  # fmt: skip
        await company.exact.switch(orders_await_approval=True)
        for what in ("awaiting", "approved later"):
            await self.enter(what, [_plain()], fate=Fate.EXCLUDED, reasons=("unapproved",), case="awaits approval")
        await company.exact.switch(orders_await_approval=False)
        await self.enter(
            "boxes", [_plain("PAPER", 5, 24)], supplier=company.main.suppliers[0], case="bought by the box of 12"
        )
        await self.enter("VAT included", [_plain(VATCode="3"), _plain("RENT", 1, 121, VATCode="3")])
        await self.enter("reverse charge", [_plain(VATCode="4")])
        await self.enter("half deductible", [_plain("DINNER", 2, 84.5, VATCode="6")])
        await self.enter("header discount", [_plain("STEEL", 10.5, 17.35), _plain("RENT", 1, 99.99)], Discount=0.075)
        await self.enter("freight", [_plain("STEEL", 4, 50), _plain("PURCHASE", 1, 35, Description="Freight")])
        await self.enter("four decimals", [_plain("SCREW", 1333, 0.0375)])
        await self.enter("yen", [_plain("PURCHASE", 3, 1250, VATCode="0")], supplier=company.main.suppliers[-2])
        await self.enter("hyphen", [_plain(CostCenter="A-12")], case="a hyphen in the cost center")
        await self.enter(
            "unknown supplier", [_plain()], supplier=company.special["unknown"], fate=Fate.BLOCKED,
            reasons=("supplier-not-linked", "supplier-unknown-in-target"),
        )  # fmt: skip
        await self.enter("unknown account", [_plain("LAB")], fate=Fate.BLOCKED, reasons=("gl-code-unknown-in-target",))
        await self.enter("late account", [_plain("COURSE")], case="its account is entered in Coupa later")
        await self.enter(
            "no account", [_plain("MYSTERY")], supplier=company.special["bare"], fate=Fate.BLOCKED,
            reasons=("no-account-for-item",), case="neither item, group nor supplier has an account",
        )  # fmt: skip
        await self.enter(
            "number taken", [_plain()], fate=Fate.BLOCKED, reasons=("number-taken-in-target",),
            case="a person has used the number in Coupa", OrderNumber=FOREIGN_NUMBER,
        )  # fmt: skip
        for what in (
            "cancelled",
            "cancelled in part",
            "deleted",
            "deleted early",
            "edited",
            "grows",
            "shrinks",
            "un-approved",
        ):
            await self.enter(what, [_plain("STEEL", 8, 12.5), _plain("RENT", 2, 410)])
        await self.enter("invoiced in full", [_plain("STEEL", 6, 20)])
        await self.enter("namesake", [_plain()], division=company.other, supplier=company.other.suppliers[0])
        await self.enter("of a leaving supplier", [_plain()], supplier=company.special["leaving"])
        await self.enter("of a new supplier", [_plain()], division=company.other, supplier=company.special["new"])
        done = await self.enter(
            "done", [_plain()], division=company.other, fate=Fate.EXCLUDED, reasons=("not-sent-type",),
            case="received and invoiced before the start, where only open orders are sent",
        )  # fmt: skip
        for act in ("receive_purchase_order", "invoice_purchase_order"):
            await company.exact.act(act, division=company.other.code, id=done.id)

    async def taken_number(self) -> None:
        """Somebody makes an order by hand in Coupa, with a number that Exact will use."""
        known = self.company.main.suppliers[0]
        await self.company.coupa.act(
            "create_purchase_order", **{
                "po-number": str(FOREIGN_NUMBER), "supplier": {"number": known.code}, "currency": {"code": "EUR"},
                "ship-to-address": {"location-code": "MAIN"}, "ship-to-user": {"login": "receiving"},
                "order-lines": [{"description": "By hand", "price": "10", "quantity": "1", "uom": {"code": "EA"},
                                 "currency": {"code": "EUR"}}],
            },
        )  # fmt: skip

    async def deleted_early(self) -> None:
        """Gone before anything was written of it."""
        await self._delete(self.special["deleted early"])
        order = self.special["deleted early"]
        self.company.book.turn(ENTITY, order.id, Fate.EXCLUDED, "gone-before-first-write")

    async def changes(self) -> None:
        """People change orders that are in Coupa already."""
        exact, special = self.company.exact, self.special
        edited, grows, shrinks = special["edited"], special["grows"], special["shrinks"]
        common = {"division": self.company.main.code}
        await exact.act("edit_purchase_order_line", id=edited.lines[0]["ID"], QuantityInPurchaseUnits=11, **common)
        await exact.act("edit_purchase_order_line", id=edited.lines[1]["ID"], NetPrice=399.5, **common)
        await exact.act("create_purchase_order_line", PurchaseOrderID=grows.id, **_plain("HOURS", 7.5, 82.4), **common)
        await exact.act("delete_purchase_order_line", id=shrinks.lines[0]["ID"], **common)
        late = special["approved later"]
        await exact.act("approve_purchase_order", id=late.id, **common)
        self.company.book.turn(ENTITY, late.id, Fate.MIRRORED, case="approved later")
        await exact.act("unapprove_purchase_order", id=special["un-approved"].id, **common)

    async def endings(self) -> None:
        """Orders come to an end: cancelled, cancelled with a part invoiced, deleted without a notice."""
        exact, book, special = self.company.exact, self.company.book, self.special
        common = {"division": self.company.main.code}
        for what in ("cancelled", "cancelled in part"):
            await exact.act("cancel_purchase_order", id=special[what].id, **common)
            book.turn(ENTITY, special[what].id, Fate.ENDED)
        await exact.act("drop_webhooks", topic="PurchaseOrders", action="Delete", key=special["deleted"].id, count=1)
        await self._delete(special["deleted"])
        book.turn(ENTITY, special["deleted"].id, Fate.ENDED, case="deleted, its notice lost")

    async def _delete(self, order: Order) -> None:
        await self.company.exact.act("delete_purchase_order", division=order.division.code, id=order.id)


def _plain(item: str = "PURCHASE", quantity: float = 2, price: float = 125.5, **more: Any) -> Json:
    return {
        "Item": item,
        "QuantityInPurchaseUnits": quantity,
        "NetPrice": price,
        "VATCode": "2",
        "CostCenter": "CC1",
        **more,
    }
