"""Exact's documents read by key, many in one call: headers with lines, and all that must be joined to them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connector.domain.identity import Entity, TrafficClass
from connector.domain.ports.source import Stamp

from .client import ExactClient, Query, Row, guid, text
from .fields import (
    ACCOUNT_FIELDS,
    ACCOUNTS,
    ENTRIES,
    ENTRY_FIELDS,
    ENTRY_LINE_FIELDS,
    ENTRY_LINES,
    INVOICE_FIELDS,
    INVOICE_LINE_FIELDS,
    INVOICES,
    ORDER_FIELDS,
    ORDER_LINE_FIELDS,
    ORDER_LINES,
    ORDERS,
    nested,
)
from .joins import Joins, Resolved, Wants, entry
from .settings import Settings

PAGE = 60
"""Exact's page size; whether it cuts an expanded collection there is not documented, so a full one is read again."""
PAIRS_PER_FILTER = 20
"""Conditions on two fields, where 40 on one would fit."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How documents of an entity lie in Exact."""

    endpoint: str
    key: str
    fields: Sequence[str]
    lines: str | None = None
    lines_endpoint: str = ""
    line_fields: Sequence[str] = ()


SHAPES: Mapping[Entity, Shape] = {
    Entity.PURCHASE_ORDER: Shape(
        ORDERS, "PurchaseOrderID", ORDER_FIELDS, "PurchaseOrderLines", ORDER_LINES, ORDER_LINE_FIELDS
    ),
    Entity.INVOICE: Shape(ENTRIES, "EntryID", ENTRY_FIELDS, "PurchaseEntryLines", ENTRY_LINES, ENTRY_LINE_FIELDS),
    Entity.SUPPLIER: Shape(ACCOUNTS, "ID", ACCOUNT_FIELDS),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document as read: its record, its joins, and when its request was about to leave."""

    native_id: str
    read_at: datetime
    record: Row
    resolved: Mapping[str, Any]


class Documents:
    def __init__(self, client: ExactClient, joins: Joins, settings: Settings) -> None:
        self._client = client
        self._joins = joins
        self._settings = settings

    async def read(self, entity: Entity, keys: Sequence[str], stamp: Stamp, traffic: TrafficClass) -> list[Document]:
        """The documents of these keys that Exact shows; read_at is each request's own."""
        shape = SHAPES[entity]
        stamped: list[tuple[datetime, Row]] = []
        for query in self._client.chunks(self._query(shape), shape.key, [guid(key) for key in keys]):
            read_at = await stamp()
            stamped.extend((read_at, row) for row in await self._client.rows(query, traffic))
        await self._complete_lines(shape, [row for _, row in stamped], traffic)
        return await self.joined(entity, stamped, traffic)

    def _query(self, shape: Shape) -> Query:
        if shape.lines is None or not self._settings.expand_lines:
            return Query(shape.endpoint, shape.fields)
        select = (*shape.fields, *nested(shape.lines, shape.line_fields))
        return Query(shape.endpoint, select, expand=(shape.lines,))

    async def _complete_lines(self, shape: Shape, rows: Sequence[Row], traffic: TrafficClass) -> None:
        """Every header gets all its lines: a collection that is missing, cut or not as long as Exact says is read by a
        query of its own."""
        if shape.lines is None:
            return
        lacking = {row[shape.key]: row for row in rows if _lacks_lines(row, shape.lines)}
        if lacking:
            for row in lacking.values():
                row[shape.lines] = []
            parent = "PurchaseOrderID" if shape.key == "PurchaseOrderID" else "EntryID"
            query = Query(shape.lines_endpoint, (parent, *shape.line_fields))
            for line in await self._client.rows_of(query, parent, [guid(key) for key in lacking], traffic):
                lacking[line.pop(parent)][shape.lines].append(line)
        for row in rows:
            row[shape.lines].sort(key=lambda line: line["LineNumber"])

    async def joined(
        self, entity: Entity, stamped: Sequence[tuple[datetime, Row]], traffic: TrafficClass
    ) -> list[Document]:
        """Records with everything that translation needs under `resolved`."""
        rows = [row for _, row in stamped]
        if entity is Entity.INVOICE:
            extra = await self._around_entries(rows, traffic)
        else:
            extra = [{} for _ in rows]
        resolved = await self._joins.resolve([_WANTS[entity](row) for row in rows], traffic)
        key = SHAPES[entity].key
        return [
            Document(row[key], read_at, row, {**values, **more, "company": self._company(row, values)})
            for (read_at, row), values, more in zip(stamped, resolved, extra, strict=True)
        ]

    def _company(self, row: Row, resolved: Resolved) -> dict[str, Any]:
        items = [item["Code"] for item in resolved.get("item", {}).values() if item.get("Code")]
        return self._joins.company(_vat_codes(row), items)

    async def _around_entries(self, rows: Sequence[Row], traffic: TrafficClass) -> list[Resolved]:
        """What belongs to entries beside codes: their logistic invoices, orders by number, and reversals."""
        order_lines: Mapping[str, Any] = {}
        if self._settings.purchase_invoices:
            await self._attach_invoices(rows, traffic)
            order_lines = await self._order_lines(rows, traffic)
        orders = await self._orders_by_number(rows, traffic)
        reversals = await self.reversals_of(rows, traffic)
        return [
            _without_empty(
                {
                    "order": _only(orders, [str(row["OrderNumber"])] if row.get("OrderNumber") else []),
                    "order-line": _only(order_lines, _linked_lines(row)),
                    "reversal": _only(reversals, [row["EntryID"]]),
                }
            )
            for row in rows
        ]

    async def _attach_invoices(self, rows: Sequence[Row], traffic: TrafficClass) -> None:
        """Exact: a logistic invoice and its entry share journal and entry number, nothing else."""
        by_number = {(row["Journal"], row["EntryNumber"]): row for row in rows if row.get("EntryNumber")}
        select = (*INVOICE_FIELDS, *nested("PurchaseInvoiceLines", INVOICE_LINE_FIELDS))
        query = Query(INVOICES, select, expand=("PurchaseInvoiceLines",))
        numbers = list(by_number)
        for start in range(0, len(numbers), PAIRS_PER_FILTER):
            where = " or ".join(
                f"(Journal eq {text(journal)} and EntryNumber eq {number})"
                for journal, number in numbers[start : start + PAIRS_PER_FILTER]
            )
            for invoice in await self._client.rows(replace(query, where=where), traffic):
                found = by_number.get((invoice["Journal"], invoice["EntryNumber"]))
                if found is not None and invoice.get("PurchaseInvoiceLines"):
                    found["PurchaseInvoice"] = invoice

    async def _order_lines(self, rows: Sequence[Row], traffic: TrafficClass) -> dict[str, Any]:
        """The order lines that invoice lines name, each with its order's id and number."""
        wanted = sorted({line for row in rows for line in _linked_lines(row)})
        if not wanted:
            return {}
        query = Query(ORDER_LINES, ("ID", "PurchaseOrderID"))
        lines = await self._client.rows_of(query, "ID", [guid(line) for line in wanted], traffic)
        orders = sorted({line["PurchaseOrderID"] for line in lines})
        query = Query(ORDERS, ("PurchaseOrderID", "OrderNumber"))
        found = await self._client.rows_of(query, "PurchaseOrderID", [guid(order) for order in orders], traffic)
        numbers = {order["PurchaseOrderID"]: order["OrderNumber"] for order in found}
        return {
            line["ID"]: entry(line["ID"], {**line, "OrderNumber": numbers[line["PurchaseOrderID"]]})
            for line in lines
            if line["PurchaseOrderID"] in numbers
        }

    async def _orders_by_number(self, rows: Sequence[Row], traffic: TrafficClass) -> dict[str, Any]:
        numbers = sorted({row["OrderNumber"] for row in rows if row.get("OrderNumber")})
        if not numbers:
            return {}
        query = Query(ORDERS, ("PurchaseOrderID", "OrderNumber", "Supplier", "Currency"))
        hits: dict[str, list[Row]] = {}
        for order in await self._client.rows_of(query, "OrderNumber", [str(number) for number in numbers], traffic):
            hits.setdefault(str(order["OrderNumber"]), []).append(order)
        return {
            number: entry(number, {"hits": sorted(found, key=lambda hit: hit["PurchaseOrderID"])})
            for number, found in hits.items()
        }

    async def reversals_of(self, rows: Sequence[Row], traffic: TrafficClass) -> dict[str, Any]:
        """Entry id -> the Reversal entry that cancels it: same supplier and reference, opposite amount."""
        originals = [row for row in rows if row.get("YourRef") and not row.get("Reversal")]
        found = await self._same_reference(originals, "Reversal eq true", traffic)
        return {
            row["EntryID"]: entry(other["EntryID"], {"EntryNumber": other["EntryNumber"]})
            for row in originals
            for other in found
            if _cancels(other, row)
        }

    async def originals_of(self, reversals: Sequence[Row], traffic: TrafficClass) -> list[str]:
        """Entry ids that these Reversal entries cancel."""
        found = await self._same_reference(reversals, "", traffic)  # Reversal may be null on ordinary entries
        originals = [row for row in found if not row.get("Reversal")]
        return [row["EntryID"] for row in originals if any(_cancels(reversal, row) for reversal in reversals)]

    async def _same_reference(self, rows: Sequence[Row], extra: str, traffic: TrafficClass) -> list[Row]:
        references = sorted({text(row["YourRef"]) for row in rows if row.get("YourRef")})
        if not references:
            return []
        query = Query(ENTRIES, REVERSAL_FIELDS)
        return await self._client.rows_of(query, "YourRef", references, traffic, extra=extra)


REVERSAL_FIELDS = ("EntryID", "EntryNumber", "Supplier", "YourRef", "AmountFC", "Currency", "Reversal", "Modified")


def _cancels(reversal: Row, original: Row) -> bool:
    same = all(reversal.get(name) == original.get(name) for name in ("Supplier", "YourRef", "Currency"))
    return same and _magnitude(reversal) == _magnitude(original) and reversal["EntryID"] != original["EntryID"]


def _magnitude(row: Row) -> str:
    return str(row.get("AmountFC")).lstrip("-")


def _lacks_lines(row: Row, lines: str) -> bool:
    shown = row.get(lines)
    if shown is None:
        return True
    stated = row.get("PurchaseOrderLineCount")
    return len(shown) != stated if isinstance(stated, int) and stated > 0 else len(shown) >= PAGE


def _linked_lines(row: Row) -> list[str]:
    invoice = row.get("PurchaseInvoice") or {}
    return [
        line["PurchaseOrderLine"] for line in invoice.get("PurchaseInvoiceLines", ()) if line.get("PurchaseOrderLine")
    ]


def _lines_of(row: Row) -> Iterable[Row]:
    yield from row.get("PurchaseOrderLines", ())
    yield from row.get("PurchaseEntryLines", ())
    yield from (row.get("PurchaseInvoice") or {}).get("PurchaseInvoiceLines", ())


def _vat_codes(row: Row) -> set[str]:
    return {line["VATCode"] for line in _lines_of(row) if line.get("VATCode")}


def _document_wants(row: Row) -> Wants:
    lines = list(_lines_of(row))
    items = {line["Item"] for line in lines if line.get("Item")}
    supplier = row.get("Supplier")
    return _without_empty(
        {
            "account": {supplier} if supplier else set(),
            "payment-term": {row["PaymentCondition"]} if row.get("PaymentCondition") else set(),
            "item": items,
            "supplier-item": {f"{item}/{supplier}" for item in items} if "PurchaseOrderLines" in row else set(),
            "vat-code": _vat_codes(row),
            "cost-center": {line["CostCenter"] for line in lines if line.get("CostCenter")},
            "cost-unit": {line["CostUnit"] for line in lines if line.get("CostUnit")},
            "project": {line["Project"] for line in lines if line.get("Project")},
        }
    )


def _account_wants(row: Row) -> Wants:
    term, account = row.get("PaymentConditionPurchase"), row.get("GLAccountPurchase")
    return _without_empty({"payment-term": {term} if term else set(), "gl-account": {account} if account else set()})


_WANTS: Mapping[Entity, Callable[[Row], Wants]] = {
    Entity.PURCHASE_ORDER: _document_wants,
    Entity.INVOICE: _document_wants,
    Entity.SUPPLIER: _account_wants,
}


def _only(values: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: values[key] for key in keys if key in values}


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
