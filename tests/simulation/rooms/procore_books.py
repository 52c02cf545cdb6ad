"""A contractor that books in Exact and runs three projects in Procore, and what both must show in the end."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connector.domain.sync.states import State
from connector.sandbox.demo.exact_procore import CLOSED, COST_MODELS, WBS, ExactProcore
from connector.sandbox.demo.exact_procore.comparison import compare
from connector.sandbox.demo.exact_procore.documents import COSTS_OF, entry_line, line
from connector.sandbox.demo.story import Book, Size
from tests.simulation.checking import DISAGREEING, DOUBLED, LOST, Finding
from tests.simulation.loop import START

from .screens import Rows, Screens, Store, port, said, stuck, told, words

ITEMS = ("HOURS", "STEEL", "HUT", "PAINT")
ACCOUNTS = ("4000", "7000", "4100", "4200")
BUYERS, TRADERS = ("1001", "1002"), ("1003", "1004")
"""Suppliers that are ordered from, and those that send invoices without orders."""
ORDER, INVOICE = "purchase-order", "invoice"

Json = dict[str, Any]


@dataclass(slots=True)
class Document:
    entity: str
    id: str
    number: str
    lines: list[Json] = field(default_factory=list)
    supplier: str = ""
    billed: bool = False
    """An invoice is on it: it stays as it is."""
    ended: bool = False
    refused: bool = False
    """People in Procore closed or deleted it."""


class ProcoreBooks:
    def __init__(self, exact: Screens, procore: Screens, dice: random.Random) -> None:
        self.exact, self.procore = exact, procore
        self._division: int = exact.credentials["divisions"][0]
        self._dice = dice
        self._story = ExactProcore({"exact": port(exact), "procore": port(procore)}, seed=1, size=Size.SMALL)
        self._story._start = START.date() - timedelta(days=30)
        self._documents: dict[str, Document] = {}
        """By the name the schedule gives them."""
        self._suppliers: list[Document] = []

    @property
    def facts(self) -> Mapping[str, Any]:
        return self._story.facts

    async def prepare(self) -> None:
        await self._story._set_up_procore()
        for code in (*COST_MODELS, CLOSED):
            await self._act("create_project", Code=code, Description=f"Project {code}", Account="1")
        await self._act("create_item", Code="PAINT", Description="Paint", GLCosts="4200", Unit="stuk")
        await self._act("create_item", Code="HUT", Description="Site hut", GLCosts="4100", Unit="stuk")
        for code in (*BUYERS, *TRADERS):
            row = await self._act(
                "create_supplier", Code=code, Name=f"Bouwbedrijf {code}", Country="NL", City="Breda",
                Postcode="4800 AA", AddressLine1=f"Werf {code}", VATNumber=f"NL81000{code}B01", PurchaseVATCode="2",
                PaymentConditionPurchase="30",
            )  # fmt: skip
            self._suppliers.append(Document("supplier", row["ID"], code))

    async def _act(self, name: str, **given: Any) -> Any:
        return await self.exact.act(name, division=self._division, **given)

    def _day(self) -> str:
        return (START.date() - timedelta(days=self._dice.randint(5, 28))).isoformat()

    async def enter(self, name: str, entity: str) -> None:
        made = {ORDER: self._order, INVOICE: self._unlinked, "billed": self._billed}[entity]
        self._documents[name] = await made()

    async def _order(self) -> Document:
        """Now and then over two projects."""
        projects = self._dice.sample(list(COST_MODELS), 2 if self._dice.random() < 0.2 else 1)
        places = [*projects, *(self._dice.choice(projects) for _ in range(self._dice.randint(0, 2)))]
        lines = [self._line(project) for project in places]
        supplier = self._dice.choice(BUYERS)
        row = await self._act(
            "create_purchase_order", Supplier=supplier, OrderDate=self._day(), PurchaseOrderLines=lines
        )
        number, shown = str(row["OrderNumber"]), row["PurchaseOrderLines"]
        return Document(ORDER, row["PurchaseOrderID"], number, shown, supplier, billed=len(projects) > 1)

    def _line(self, project: str) -> Json:
        price = self._dice.randint(150, 90_000) / 100
        return line(project, self._dice.choice(ITEMS), self._dice.randint(1, 40), price)

    async def _unlinked(self) -> Document:
        projects = self._dice.sample(list(COST_MODELS), 2 if self._dice.random() < 0.2 else 1)
        lines = [
            entry_line(project, self._dice.choice(ACCOUNTS), self._dice.randint(500, 90_000) / 100, VATCode=code)
            for project in projects
            for code in self._dice.choices(("2", "5", "6"), k=self._dice.randint(1, 2))
        ]
        return await self._invoice(lines, self._dice.choice(TRADERS))

    async def _billed(self) -> Document:
        """Half of every line of an order; where there is none to bill, another order."""
        open_orders = [one for one in self._documents.values() if one.entity == ORDER and not (one.billed or one.ended)]
        if not open_orders:
            return await self._order()
        order = self._dice.choice(open_orders)
        order.billed = True
        rows = (await self.exact.store())["purchaseorder/PurchaseOrderLines"]
        lines = [
            entry_line(row["ProjectCode"], COSTS_OF[row["ItemCode"]], round(float(Decimal(row["AmountFC"]) / 2), 2))
            for row in rows
            if row["PurchaseOrderID"] == order.id and not row.get("_deleted")
        ]
        return await self._invoice(lines, order.supplier, OrderNumber=int(order.number))

    async def _invoice(self, lines: list[Json], supplier: str, **given: Any) -> Document:
        row = await self._act(
            "create_purchase_entry", Journal="70", Supplier=supplier, EntryDate=self._day(), Currency="EUR",
            YourRef=f"B-{len(self._documents) + 1:04d}", PurchaseEntryLines=lines, **given,
        )  # fmt: skip
        billed = "OrderNumber" in given
        return Document(INVOICE, row["EntryID"], row["YourRef"], row["PurchaseEntryLines"], supplier, billed=billed)

    async def change(self, kind: str, name: str) -> str | None:
        """Orders that are billed and the bills themselves stay: to change them is a matter for people."""
        document = self._documents.get(name)
        if document is None or document.ended or document.billed:
            return None
        if kind == "refused":
            return await self._refuse(document)
        return await self._edit(document) if kind == "edit" else await self._end(document, kind)

    async def _edit(self, document: Document) -> str:
        chosen = self._dice.choice(document.lines)
        if document.entity == ORDER:
            await self._act(
                "edit_purchase_order_line", id=chosen["ID"], QuantityInPurchaseUnits=self._dice.randint(1, 60)
            )
        else:
            amount = self._dice.randint(500, 90_000) / 100
            await self._act("edit_purchase_entry_line", id=chosen["ID"], AmountFC=amount)
        return "edit"

    async def _end(self, document: Document, how: str) -> str | None:
        if how == "cancelled" and document.entity != ORDER:
            return None
        document.ended = True
        kind = "purchase_order" if document.entity == ORDER else "purchase_entry"
        await self._act(f"{'cancel' if how == 'cancelled' else 'delete'}_{kind}", id=document.id)
        return "delete" if how == "deleted" else "cancel-order"

    async def _refuse(self, document: Document) -> str | None:
        """Where Procore lets people do so by now."""
        for row in _marked(await self.procore.store(), document):
            if (document.entity, row.get("status")) == (ORDER, "Approved"):
                await self.procore.act("close_purchase_order", id=row["id"])
                document.refused = True
                return "person-cancels-target"
        return None

    async def put_right(self) -> None:
        """Nothing that happens here takes people."""

    async def findings(self, rows: Rows) -> list[Finding]:
        """What ended is in no expectation, and so in no sum: cost that it still carries shows as a difference."""
        book = Book()
        for document in [*self._suppliers, *self._documents.values()]:
            if not document.ended and not document.refused:
                book.expect(document.entity, document.id, document.number)
        result = compare(await self.exact.store(), await self.procore.store(), book, COST_MODELS, WBS, said(rows))
        found = [told(difference) for difference in result.differences]
        found += [Finding(DOUBLED, f"{result.doubled} objects too many")] * bool(result.doubled)
        refused = {document.id for document in self._documents.values() if document.refused}
        found += stuck({ref: row for ref, row in rows.items() if ref.native_id not in refused})
        return [*found, *self._unknown(rows), *self._refused(rows)]

    def _refused(self, rows: Rows) -> Iterator[Finding]:
        """What people closed is theirs to settle, unless it ended as well: it stays closed, and they are told."""
        by_id = {ref.native_id: row for ref, row in rows.items()}
        for document in self._documents.values():
            if document.refused and not document.ended:
                row = by_id[document.id]
                if row.state is not State.BLOCKED:
                    yield Finding(DISAGREEING, f"order {document.number} was closed in Procore: {words(row)}")

    def _unknown(self, rows: Rows) -> Iterator[Finding]:
        known = {ref.native_id for ref in rows}
        for document in self._documents.values():
            if document.id not in known and not document.ended:
                yield Finding(LOST, f"{document.entity} {document.number} has no row")


def _marked(procore: Store, document: Document) -> list[Json]:
    kinds = ("purchase_order_contracts", "direct_costs", "requisitions")
    rows = [row for kind in kinds for row in procore[kind] if not row["deleted_at"]]
    return [row for row in rows if f"/{document.id}" in (row["origin_id"] or "")]
