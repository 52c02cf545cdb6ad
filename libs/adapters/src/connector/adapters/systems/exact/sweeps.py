"""Exact's feeds and code tables, swept on schedule: what notices missed, what was deleted, and reference data.

A sync feed is ordered by row version (`Timestamp`, a number per division, not a time), a thousand rows a page; a row
shows its latest state. Entries have no feed of their own: their booked lines have one, and `Modified` finds the rest.
Modified is Exact's own wall clock, so that windows overlap by three hours.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.entry_index import EntryIndex
from connector.domain.ports.source import Notice, Read, Stamp, SweepPage
from connector.domain.vendor_error import ReauthorisationNeeded, Rejected

from .client import ExactClient, Page, Query, Row, moment, text
from .documents import REVERSAL_FIELDS, Documents
from .fields import ACCOUNT_FIELDS, ACCOUNTS, ENTRIES, INVOICES, ORDERS
from .settings import Settings

OVERLAP = timedelta(hours=3)
SYNC_ORDERS = "sync/PurchaseOrder/PurchaseOrders"
SYNC_LINES = "sync/Financial/TransactionLines"
SYNC_ACCOUNTS = "sync/CRM/Accounts"
SYNC_DELETED = "sync/Deleted"
DELETED_LINE, DELETED_ACCOUNT, DELETED_ORDER = 1, 2, 22
"""EntityType of the feed of deletions. It is kept two months, and numbers its rows by itself."""
ENTRY_TYPES = (30, 31)

Cursor = dict[str, Any]


def load(cursor: str | None) -> Cursor:
    return {} if cursor is None else dict(json.loads(cursor))


def dump(cursor: Cursor) -> str:
    return json.dumps(cursor, sort_keys=True, separators=(",", ":"))


def traffic_of(cursor: str | None) -> TrafficClass:
    """A first sweep reads everything there is; it may take only what live calls leave."""
    return TrafficClass.BACKFILL if cursor is None else TrafficClass.CATCH_UP


@dataclass(frozen=True, slots=True)
class CodeTable:
    """One kind of reference data: where it is, how its changes are found, and what its code is."""

    kind: str
    endpoint: str
    fields: tuple[str, ...]
    feed: str | None = None

    def code_of(self, row: Row) -> str:
        return f"{row['FinYear']}-{row['FinPeriod']:02d}" if self.kind == "period" else str(row["Code"])


_COMMON = ("ID", "Division", "Code", "Description", "Modified")
CODE_TABLES: Mapping[str, CodeTable] = {
    table.kind: table
    for table in (
        CodeTable(
            "gl-account",
            "financial/GLAccounts",
            (*_COMMON, "Type", "BalanceSide", "UseCostcenter", "UseCostunit", "VATCode", "IsBlocked"),
            "sync/Financial/GLAccounts",
        ),
        CodeTable("cost-center", "hrm/Costcenters", (*_COMMON, "EndDate")),
        CodeTable("cost-unit", "hrm/Costunits", (*_COMMON, "EndDate")),
        CodeTable(
            "vat-code",
            "vat/VATCodes",
            (*_COMMON, "Percentage", "Type", "VATTransactionType", "Charged", "IsBlocked"),
        ),
        CodeTable(
            "payment-term",
            "cashflow/PaymentConditions",
            (*_COMMON, "PaymentDays", "PaymentEndOfMonths", "PaymentMethod"),
        ),
        CodeTable(
            "item",
            "logistics/Items",
            (*_COMMON, "Unit", "IsStockItem", "IsPurchaseItem", "GLCostsCode", "EndDate"),
            "sync/Logistics/Items",
        ),
        CodeTable("project", "project/Projects", (*_COMMON, "EndDate"), "sync/Project/Projects"),
        CodeTable(
            "journal",
            "financial/Journals",
            (*_COMMON, "Type", "Currency", "AllowVariableCurrency", "IsBlocked"),
        ),
        CodeTable(
            "period",
            "financial/FinancialPeriods",
            ("ID", "Division", "FinYear", "FinPeriod", "StartDate", "EndDate", "Modified"),
        ),
    )
}


class Sweeps:
    def __init__(
        self,
        connection: ConnectionId,
        client: ExactClient,
        documents: Documents,
        index: EntryIndex,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._client = client
        self._documents = documents
        self._index = index
        self._settings = settings

    async def orders(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Keys of changed orders, from the sync feed, or by Modified where the package has none."""
        state, traffic = load(cursor), traffic_of(cursor)
        if not self._settings.sync_feeds:
            async for page in self._modified_orders(state, traffic):
                yield page
            return
        select = ("ID", "PurchaseOrderID", "Timestamp")
        async for rows, timestamp in self._feed(SYNC_ORDERS, select, state.get("timestamp"), traffic):
            keys = [Notice(Entity.PURCHASE_ORDER, key) for key in _distinct(row["PurchaseOrderID"] for row in rows)]
            yield SweepPage(keys=keys, cursor=dump({**state, "timestamp": timestamp}))

    async def _modified_orders(self, state: Cursor, traffic: TrafficClass) -> AsyncIterator[SweepPage]:
        rows = await self._changed(ORDERS, ("PurchaseOrderID", "Modified"), state.get("modified"), traffic)
        fresh, modified, seen = _unseen(rows, "PurchaseOrderID", state)
        keys = [Notice(Entity.PURCHASE_ORDER, row["PurchaseOrderID"]) for row in fresh]
        yield SweepPage(keys=keys, cursor=dump({**state, "modified": modified, "seen": seen}))

    async def entries(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Keys of changed entries: by their booked lines, which are remembered for deletions, then by Modified."""
        state, traffic = load(cursor), traffic_of(cursor)
        found: set[str] = set()
        select = ("ID", "EntryID", "Type", "Timestamp")
        async for rows, timestamp in self._feed(SYNC_LINES, select, state.get("timestamp"), traffic):
            booked = [row for row in rows if row["Type"] in ENTRY_TYPES]
            await self._index.remember(self._connection, {row["ID"]: row["EntryID"] for row in booked})
            keys = _distinct(row["EntryID"] for row in booked)
            found.update(keys)
            state["timestamp"] = timestamp
            yield SweepPage(keys=[Notice(Entity.INVOICE, key) for key in keys], cursor=dump(state))
        rows = await self._changed(ENTRIES, REVERSAL_FIELDS, state.get("modified"), traffic)
        fresh, modified, seen = _unseen(rows, "EntryID", state)
        reversals = [row for row in fresh if row.get("Reversal")]
        cancelled = await self._documents.originals_of(reversals, traffic)
        due = _distinct([row["EntryID"] for row in fresh if row["EntryID"] not in found] + cancelled)
        state |= {"modified": modified, "seen": seen}
        yield SweepPage(keys=[Notice(Entity.INVOICE, key) for key in due], cursor=dump(state))

    async def accounts(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Whole suppliers: the feed's rows have every field of an account, so no second read is needed."""
        state, traffic = load(cursor), traffic_of(cursor)
        select = (*ACCOUNT_FIELDS, "Timestamp")
        async for rows, timestamp, read_at in self._stamped_feed(
            SYNC_ACCOUNTS, select, state.get("timestamp"), traffic, stamp
        ):
            suppliers = [_without_timestamp(row) for row in rows if row.get("IsSupplier")]
            joined = await self._documents.joined(Entity.SUPPLIER, [(read_at, row) for row in suppliers], traffic)
            reads = [Read(item.native_id, item.read_at, item.record, item.resolved) for item in joined]
            yield SweepPage(rows={Entity.SUPPLIER: reads}, cursor=dump({**state, "timestamp": timestamp}))

    async def deletions(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Claims of deletion: orders and suppliers by their keys, entries by way of their lines."""
        state, traffic = load(cursor), traffic_of(cursor)
        select = ("ID", "EntityKey", "EntityType", "Timestamp")
        async for rows, timestamp in self._feed(SYNC_DELETED, select, state.get("timestamp"), traffic):
            by_type: dict[int, list[str]] = {}
            for row in rows:
                by_type.setdefault(row["EntityType"], []).append(row["EntityKey"])
            entries = await self._index.entries_of(self._connection, by_type.get(DELETED_LINE, []))
            keys = [
                *(Notice(Entity.PURCHASE_ORDER, key, deleted=True) for key in by_type.get(DELETED_ORDER, ())),
                *(Notice(Entity.INVOICE, key, deleted=True) for key in _distinct(entries.values())),
                *(Notice(Entity.SUPPLIER, key, deleted=True) for key in by_type.get(DELETED_ACCOUNT, ())),
            ]
            yield SweepPage(keys=keys, cursor=dump({**state, "timestamp": timestamp}))

    async def reference_data(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """Whole code tables, by feed where there is one, else by Modified."""
        state, traffic = load(cursor), traffic_of(cursor)
        for table in CODE_TABLES.values():
            if table.feed is not None:
                select = (*table.fields, "Timestamp")
                async for rows, timestamp, read_at in self._stamped_feed(
                    table.feed, select, state.get(table.kind), traffic, stamp
                ):
                    state[table.kind] = timestamp
                    yield SweepPage(rows=self.references(table, rows, read_at), cursor=dump(state))
            else:
                read_at = await stamp()
                rows = await self._changed(table.endpoint, table.fields, state.get(table.kind), traffic)
                state[table.kind] = _latest(rows, state.get(table.kind))
                yield SweepPage(rows=self.references(table, rows, read_at), cursor=dump(state))

    async def codes(self, kind: str, codes: Sequence[str], traffic: TrafficClass) -> list[Row]:
        """Rows of one code table by code; a period's code is its year and number."""
        table = CODE_TABLES[kind]
        query = Query(table.endpoint, table.fields)
        if kind == "period":
            years = sorted({code.partition("-")[0] for code in codes})
            rows = await self._client.rows_of(query, "FinYear", years, traffic)
            return [row for row in rows if table.code_of(row) in codes]
        return await self._client.rows_of(query, "Code", [text(code) for code in codes], traffic)

    def references(self, table: CodeTable, rows: Sequence[Row], read_at: datetime) -> dict[Entity, Sequence[Read]]:
        company = {"percentages": self._settings.company.percentages}
        resolved = {"company": company} if table.kind == "vat-code" else {}
        reads = [Read(f"{table.kind}/{table.code_of(row)}", read_at, _without_timestamp(row), resolved) for row in rows]
        return {Entity.REFERENCE: reads}

    async def division_check(self, cursor: str | None, stamp: Stamp) -> AsyncIterator[SweepPage]:
        """The division as Exact has it. Exact: a changed move date means that all row versions were given anew."""
        state, traffic = load(cursor), TrafficClass.CATCH_UP
        read_at = await stamp()
        division = await self._division(traffic)
        moved = {name: division.get(name) for name in ("DivisionMoveDate", "DivisionHRLinkUnlinkDate")}
        restart = FEED_JOBS if state and state != moved else ()
        read = Read(f"company/{self._settings.division}", read_at, division)
        yield SweepPage(rows={Entity.REFERENCE: [read]}, cursor=dump(moved), restart=restart)
        self._refuse_wrong(division)
        await self._refuse_without_rights(traffic)

    async def _division(self, traffic: TrafficClass) -> Row:
        select = (
            "Code", "Description", "Country", "Currency", "VATNumber", "Status", "BlockingStatus", "DivisionMoveDate",
            "DivisionHRLinkUnlinkDate",
        )  # fmt: skip
        query = Query("system/Divisions", select, where=f"Code eq {self._settings.division}")
        rows = await self._client.rows(query, traffic)
        if not rows:
            raise ReauthorisationNeeded(
                f"Exact shows this user no division {self._settings.division}: "
                "give the user access, or authorise again."
            )
        return rows[0]

    def _refuse_wrong(self, division: Row) -> None:
        number, currency = self._settings.division, division.get("Currency")
        if division.get("BlockingStatus"):
            raise ReauthorisationNeeded(f"Exact has blocked division {number}: settle it with Exact.")
        if currency != self._settings.company.currency:
            raise Rejected(
                f"Division {number} keeps its books in {currency}, the connection says "
                f"{self._settings.company.currency}: correct company.currency."
            )

    async def _refuse_without_rights(self, traffic: TrafficClass) -> None:
        """Exact answers an empty list where a user's right is missing: ask, or it looks like a mass deletion."""
        endpoints = [ORDERS, ENTRIES, ACCOUNTS, *([INVOICES] if self._settings.purchase_invoices else [])]
        lacking = [endpoint for endpoint in endpoints if not await self._client.has_rights(endpoint, traffic)]
        if lacking:
            raise ReauthorisationNeeded(f"Exact's user may not read {', '.join(lacking)}: give the user these rights.")

    async def _feed(
        self, endpoint: str, select: Sequence[str], timestamp: str | None, traffic: TrafficClass
    ) -> AsyncIterator[tuple[list[Row], str]]:
        async for page, latest in self._pages(endpoint, select, timestamp, traffic):
            yield page.rows, latest

    async def _stamped_feed(
        self, endpoint: str, select: Sequence[str], timestamp: str | None, traffic: TrafficClass, stamp: Stamp
    ) -> AsyncIterator[tuple[list[Row], str, datetime]]:
        """As `_feed`, for rows that are produced as they are: each page has the read_at of its own request."""
        read_at = await stamp()
        async for page, latest in self._pages(endpoint, select, timestamp, traffic):
            yield page.rows, latest, read_at
            if page.next_url is not None:
                read_at = await stamp()

    async def _pages(
        self, endpoint: str, select: Sequence[str], timestamp: str | None, traffic: TrafficClass
    ) -> AsyncIterator[tuple[Page, str]]:
        """Pages with rows, each with the highest row version seen so far: the next sweep starts above it."""
        latest = int(timestamp or 1)
        query = Query(endpoint, select, where=f"Timestamp gt {latest}")
        page = await self._client.page(query, traffic)
        while page.rows:
            latest = max(latest, *(int(row["Timestamp"]) for row in page.rows))
            yield page, str(latest)
            if page.next_url is None:
                return
            page = await self._client.next_page(query, page.next_url, traffic)

    async def _changed(
        self, endpoint: str, select: Sequence[str], modified: str | None, traffic: TrafficClass
    ) -> list[Row]:
        where = None
        if modified is not None:
            where = f"Modified ge {moment((datetime.fromisoformat(modified) - OVERLAP).isoformat())}"
        return await self._client.rows(Query(endpoint, select, where=where), traffic)


FEED_JOBS = ("purchase-orders", "purchase-entries", "accounts", "deleted", "reference-data")


def _distinct(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))


def _without_timestamp(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "Timestamp"}


def _latest(rows: Sequence[Row], before: str | None) -> str | None:
    stamps = [row["Modified"] for row in rows if row.get("Modified")]
    return max(stamps) if before is None and stamps else max([*stamps, before or ""]) or None


def _unseen(rows: Sequence[Row], key: str, state: Cursor) -> tuple[list[Row], str | None, dict[str, str]]:
    """Rows whose change was not swept before, the new watermark, and what lies in the next sweep's overlap."""
    seen: dict[str, str] = state.get("seen") or {}
    fresh = [row for row in rows if seen.get(row[key]) != row["Modified"]]
    modified = _latest(rows, state.get("modified"))
    if modified is None:
        return fresh, None, {}
    since = (datetime.fromisoformat(modified) - OVERLAP).isoformat()
    return fresh, modified, {row[key]: row["Modified"] for row in rows if row["Modified"] >= since}
