"""The company of a schedule: what its people enter in Exact, and where each document must be at the end."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from connector.domain.sync.states import State
from connector.sandbox.demo.exact_coupa.company import Company, Division, Supplier, set_up_coupa, set_up_exact
from connector.sandbox.demo.exact_coupa.comparison import compare
from connector.sandbox.demo.exact_coupa.orders import Orders
from connector.sandbox.demo.story import Book
from tests.simulation.checking import DISAGREEING, DOUBLED, LOST, Finding
from tests.simulation.loop import START

from .screens import Rows, Screens, Store, port, said, stuck, told, words

NOT_LIVE = ("canceled", "cancelled", "closed", "soft_closed", "voided", "abandoned")
JUDGED_HERE = ("not known to the source", "stuck, and not known to the story")
"""What the comparison says of documents that it was told nothing of."""


@dataclass(slots=True)
class Document:
    entity: str
    id: str
    number: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    ended: str | None = None
    """How it ended at the source: `cancelled` or `deleted`."""
    refused: bool = False
    """People at Coupa cancelled, rejected or voided it."""


class CoupaBooks:
    def __init__(self, exact: Screens, coupa: Screens, dice: random.Random) -> None:
        main, other = exact.credentials["divisions"]
        divisions = Division(main, ""), Division(other, "H")
        self.company = Company(port(exact), port(coupa), Book(), dice, *divisions, today=START.date())
        self._orders = Orders(self.company)
        self._dice = dice
        self.documents: dict[str, Document] = {}
        """By the name the schedule gives them."""
        self.suppliers: list[Document] = []
        self._entries = 0

    async def prepare(self) -> None:
        company = self.company
        await set_up_exact(company)
        await set_up_coupa(company)
        for row in (await company.exact.store())["crm/Accounts"]:
            if row["Division"] == company.main.code and row["IsSupplier"]:
                code, currency = row["Code"].strip(), row["PurchaseCurrency"] or "EUR"
                company.main.suppliers.append(Supplier(code, row["ID"], row["Name"], currency, row["Country"].strip()))
                self.suppliers.append(Document("supplier", row["ID"], code))

    async def enter(self, name: str, entity: str) -> None:
        made = self._order() if entity == "purchase-order" else self._entry()
        self.documents[name] = await made

    async def _order(self) -> Document:
        _, order = self._orders.draw(self.company.main, self._dice.randint(1, 20))
        row = await self.company.exact.act("create_purchase_order", **order)
        return Document("purchase-order", row["PurchaseOrderID"], str(row["OrderNumber"]), row["PurchaseOrderLines"])

    async def _entry(self) -> Document:
        self._entries += 1
        supplier = self._dice.choice(self.company.main.suppliers)
        lines = [
            {
                "GLAccount": "4000",
                "CostCenter": "CC1",
                "AmountFC": self._dice.randint(500, 90_000) / 100,
                "VATCode": "2",
            }
            for _ in range(self._dice.randint(1, 3))
        ]
        row = await self.company.exact.act(
            "create_purchase_entry", division=self.company.main.code, Journal="70", Supplier=supplier.code,
            EntryDate=self.company.day(5), YourRef=f"F-{self._entries}", Currency=supplier.currency,
            PurchaseEntryLines=lines,
        )  # fmt: skip
        return Document("invoice", row["EntryID"], row["YourRef"])

    async def change(self, kind: str, name: str) -> str | None:
        document = self.documents.get(name)
        match kind:
            case "rename":
                return await self._rename_supplier()
            case _ if document is None or document.ended:
                return None
            case "edit":
                return await self._edit(document)
            case "refused":
                return await self._refuse(document)
        return await self._end(document, kind)

    async def _edit(self, document: Document) -> str | None:
        """An order's line; Coupa takes no change of what people cancelled there."""
        if not document.lines:
            return None
        line = self._dice.choice(document.lines)
        quantity, common = self._dice.randint(1, 60), {"division": self.company.main.code, "id": line["ID"]}
        await self.company.exact.act("edit_purchase_order_line", QuantityInPurchaseUnits=quantity, **common)
        return "edit"

    async def _end(self, document: Document, how: str) -> str | None:
        if how == "cancelled" and document.entity != "purchase-order":
            return None
        document.ended = how
        kind = "purchase_order" if document.entity == "purchase-order" else "purchase_entry"
        act = f"{'cancel' if how == 'cancelled' else 'delete'}_{kind}"
        await self.company.exact.act(act, division=self.company.main.code, id=document.id)
        return "delete" if how == "deleted" else "cancel-order"

    async def _refuse(self, document: Document) -> str | None:
        """Where Coupa lets people do so by now."""
        for row in _live(await self.company.coupa.store(), document):
            act = _REFUSALS.get((document.entity, row["status"]))
            if act is not None:
                await self.company.coupa.act(act, id=row["id"])
                document.refused = True
                return "person-cancels-target"
        return None

    async def _rename_supplier(self) -> str:
        supplier = self._dice.choice(self.suppliers)
        name = f"Renamed {self._dice.randint(1, 999)} BV"
        await self.company.exact.act("rename_supplier", division=self.company.main.code, id=supplier.id, Name=name)
        return "edit"

    async def put_right(self) -> None:
        """People at Coupa approve what waits for them: what must be voided can be now."""
        for row in (await self.company.coupa.store())["invoices"]:
            if row["status"] == "pending_approval":
                await self.company.coupa.act("approve_invoice", id=row["id"])

    async def findings(self, rows: Rows) -> list[Finding]:
        exact, coupa = await self.company.exact.store(), await self.company.coupa.store()
        for document in [*self.suppliers, *self.documents.values()]:
            if not document.ended and not document.refused:
                self.company.book.expect(document.entity, document.id, document.number)
        result = compare(exact, coupa, self.company.book, {self.company.main.code: ""}, said(rows))
        found = [told(difference) for difference in result.differences if difference.what not in JUDGED_HERE]
        found += [Finding(DOUBLED, f"{result.doubled} objects too many")] * bool(result.doubled)
        return [*found, *self._stuck(rows), *self._unknown(rows), *self._not_ended(coupa), *self._refused(coupa, rows)]

    def _unknown(self, rows: Rows) -> Iterator[Finding]:
        """What ended before it was ever read need not be known."""
        known = {ref.native_id for ref in rows}
        for document in self.documents.values():
            if document.id not in known and not document.ended:
                yield Finding(LOST, f"{document.entity} {document.number} has no row")

    def _stuck(self, rows: Rows) -> Iterator[Finding]:
        refused = {document.id for document in self.documents.values() if document.refused}
        return stuck({ref: row for ref, row in rows.items() if ref.native_id not in refused})

    def _not_ended(self, coupa: Store) -> Iterator[Finding]:
        """What ended at the source is live in Coupa no more."""
        for document in self.documents.values():
            if document.ended:
                for row in _live(coupa, document):
                    yield Finding(DISAGREEING, f"{document.entity} {document.number} ended, and is {row['status']}")

    def _refused(self, coupa: Store, rows: Rows) -> Iterator[Finding]:
        """What people refused stays refused and is not made again; it is theirs to settle, unless it ended as well."""
        by_id = {ref.native_id: row for ref, row in rows.items()}
        for document in self.documents.values():
            if document.refused:
                row = by_id.get(document.id)
                settled = row is not None and row.state is State.SYNCED and document.ended
                told_so = row is not None and [reason.code for reason in row.reasons] == ["refused-in-target"]
                if not settled and not told_so:
                    what = f"{document.entity} {document.number} was refused in Coupa: {words(row)}"
                    yield Finding(DISAGREEING, what)
                if len(_marked(coupa, document)) > 1:
                    yield Finding(DOUBLED, f"{document.entity} {document.number} was refused, and made again")


_REFUSALS = {
    ("purchase-order", "issued"): "cancel_purchase_order",
    ("invoice", "pending_approval"): "reject_invoice",
    ("invoice", "approved"): "void_invoice",
}


def _live(coupa: Store, document: Document) -> list[dict[str, Any]]:
    return [row for row in _marked(coupa, document) if row["status"] not in NOT_LIVE]


def _marked(coupa: Store, document: Document) -> list[dict[str, Any]]:
    kind = "purchase_orders" if document.entity == "purchase-order" else "invoices"
    return [row for row in coupa[kind] if str(row["custom-fields"].get("erp-source-id")).endswith(document.id)]
