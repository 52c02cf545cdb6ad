"""The company of a schedule: what its people enter in Exact, and where each document must be at the end."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from connector.adapters.memory.tables import Row
from connector.domain.identity import RowRef
from connector.domain.sync.states import State
from connector.sandbox.core.sandbox import Sandbox
from connector.sandbox.demo.control import ControlPort
from connector.sandbox.demo.exact_coupa.company import Company, Division, Supplier, set_up_coupa, set_up_exact
from connector.sandbox.demo.exact_coupa.comparison import compare
from connector.sandbox.demo.exact_coupa.orders import Orders
from connector.sandbox.demo.story import Book, Difference, Said
from tests.simulation.checking import DISAGREEING, DOUBLED, LOST, Finding
from tests.simulation.loop import START

NOT_LIVE = ("canceled", "cancelled", "closed", "soft_closed", "voided", "abandoned")
ENDED_HERE = "not known to the source"
"""What the comparison says of objects whose documents it was told nothing of; these are judged here."""

Store = Mapping[str, list[dict[str, Any]]]
Rows = Mapping[RowRef, Row]


class Screens:
    """A sandbox's screens without its control port; speaks as a ControlPort does."""

    def __init__(self, sandbox: Sandbox, base_url: str) -> None:
        self._sandbox = sandbox
        self.credentials = sandbox.credentials(base_url)

    async def act(self, name: str, /, **payload: Any) -> Any:
        return _plain(await self._sandbox.acts[name](payload))

    async def many(self, name: str, records: Sequence[dict[str, Any]], /, **common: Any) -> Any:
        return await self.act(name, records=list(records), **common) if records else []

    async def store(self) -> dict[str, list[dict[str, Any]]]:
        stored: dict[str, list[dict[str, Any]]] = _plain(self._sandbox.dump())
        return stored


def _port(screens: Screens) -> ControlPort:
    return cast(ControlPort, screens)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


@dataclass(slots=True)
class Document:
    entity: str
    id: str
    number: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    ended: str | None = None
    """How it ended at the source: `cancelled` or `deleted`."""


class Books:
    def __init__(self, exact: Screens, coupa: Screens, dice: random.Random) -> None:
        main, other = exact.credentials["divisions"]
        divisions = Division(main, ""), Division(other, "H")
        self.company = Company(_port(exact), _port(coupa), Book(), dice, *divisions, today=START.date())
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

    async def edit(self, name: str) -> bool:
        """Change an order's line; whether there was something to change."""
        document = self.documents.get(name)
        if document is None or document.ended or not document.lines:
            return False
        line = self._dice.choice(document.lines)
        quantity, common = self._dice.randint(1, 60), {"division": self.company.main.code, "id": line["ID"]}
        await self.company.exact.act("edit_purchase_order_line", QuantityInPurchaseUnits=quantity, **common)
        return True

    async def end(self, name: str, how: str) -> bool:
        document = self.documents.get(name)
        if document is None or document.ended or (how == "cancelled" and document.entity != "purchase-order"):
            return False
        document.ended = how
        kind = "purchase_order" if document.entity == "purchase-order" else "purchase_entry"
        act = f"{'cancel' if how == 'cancelled' else 'delete'}_{kind}"
        await self.company.exact.act(act, division=self.company.main.code, id=document.id)
        return True

    async def rename_supplier(self) -> None:
        supplier = self._dice.choice(self.suppliers)
        name = f"Renamed {self._dice.randint(1, 999)} BV"
        await self.company.exact.act("rename_supplier", division=self.company.main.code, id=supplier.id, Name=name)

    async def approve_invoices(self) -> None:
        """People at Coupa approve what waits for them: what must be voided can be now."""
        for row in (await self.company.coupa.store())["invoices"]:
            if row["status"] == "pending_approval":
                await self.company.coupa.act("approve_invoice", id=row["id"])

    async def findings(self, rows: Rows) -> list[Finding]:
        """Both stores side by side, judged by code that knows nothing of the connector."""
        exact, coupa = await self.company.exact.store(), await self.company.coupa.store()
        said = [_said(ref, row) for ref, row in rows.items()]
        for document in [*self.suppliers, *self.documents.values()]:
            if not document.ended:
                self.company.book.expect(document.entity, document.id, document.number)
        result = compare(exact, coupa, self.company.book, {self.company.main.code: ""}, said)
        found = [_told(difference) for difference in result.differences if difference.what != ENDED_HERE]
        found += [Finding(DOUBLED, f"{result.doubled} objects too many")] * bool(result.doubled)
        return [*found, *self._stuck(rows), *self._unknown(rows), *self._not_ended(coupa)]

    def _unknown(self, rows: Rows) -> Iterator[Finding]:
        """What ended before it was ever read need not be known."""
        known = {ref.native_id for ref in rows}
        for document in self.documents.values():
            if document.id not in known and not document.ended:
                yield Finding(LOST, f"{document.entity} {document.number} has no row")

    def _stuck(self, rows: Rows) -> Iterator[Finding]:
        """Nothing that happens here is a reason to block."""
        for ref, row in rows.items():
            if row.state not in (State.SYNCED, State.EXCLUDED):
                reasons = "; ".join(str(reason) for reason in row.reasons)
                yield Finding(DISAGREEING, f"{ref.entity} {ref.native_id}: {row.state}: {reasons}")

    def _not_ended(self, coupa: Store) -> Iterator[Finding]:
        """What ended at the source is live in Coupa no more."""
        for document in self.documents.values():
            if document.ended:
                for row in _live(coupa, document):
                    yield Finding(DISAGREEING, f"{document.entity} {document.number} ended, and is {row['status']}")


def _live(coupa: Store, document: Document) -> list[dict[str, Any]]:
    kind = "purchase_orders" if document.entity == "purchase-order" else "invoices"
    marked = [row for row in coupa[kind] if str(row["custom-fields"].get("erp-source-id")).endswith(document.id)]
    return [row for row in marked if row["status"] not in NOT_LIVE]


def _said(ref: RowRef, row: Row) -> Said:
    codes = frozenset(reason.code for reason in row.reasons)
    return Said(str(ref.entity), ref.native_id, row.desired.number, str(row.state), codes)


def _told(one: Difference) -> Finding:
    return Finding(DISAGREEING, f"{one.entity} {one.number}: {one.what}: {one.source} / {one.target}")
