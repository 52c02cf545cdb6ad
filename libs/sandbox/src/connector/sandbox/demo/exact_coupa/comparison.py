"""Both stores side by side: every document of Exact, what Coupa has of it, and what the connector says of it."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from connector.sandbox.demo.control import Json
from connector.sandbox.demo.story import Book, Comparison, Expected, Fate, Said

from .company import NO_COST_CENTER

Store = Mapping[str, list[Json]]
ZERO = Decimal(0)
_REPLACED = re.compile(r"-R\d+$")
_DEAD_INVOICES = frozenset({"voided", "abandoned"})
_STUCK = frozenset({"waiting", "blocked", "held", "failed", "rejected"})
_ENDED_ORDERS = frozenset({"cancelled", "canceled", "closed", "soft_closed"})
_ORDER_STATUS = {"open": frozenset({"issued"}), "complete": frozenset({"issued", "soft_closed", "closed"})}


def compare(exact: Store, coupa: Store, book: Book, prefixes: Mapping[int, str], said: Sequence[Said]) -> Comparison:
    """Judge every document the story knows. Divisions write their prefix before their numbers in Coupa."""
    result = Comparison()
    source, target = _Exact(exact, prefixes), _Coupa(coupa)
    words = {(one.entity, one.native_id): one for one in said}
    for entity, judge in (("supplier", _supplier), ("purchase-order", _order), ("invoice", _invoice)):
        for expected in book.of(entity):
            _Judged(result, expected, words.get((entity, expected.native_id))).judge(judge, source, target)
    for one in said:
        if one.state in _STUCK and book.get(one.entity, one.native_id) is None:
            result.differ(one.entity, one.number or one.native_id, "stuck, and not known to the story", "-", one.state)
    result.doubled = sum(1 for _ in target.doubles())
    for what in target.strangers(book):
        result.differ(
            "invoice" if what.startswith("invoice") else "purchase-order", what, "not known to the source", "-", what
        )
    return result


@dataclass(slots=True)
class _Judged:
    """One document on its way through the comparison."""

    result: Comparison
    expected: Expected
    said: Said | None

    def judge(self, mirrored: "Any", source: "_Exact", target: "_Coupa") -> None:
        expected, counted = self.expected, self.result.documents[self.expected.entity]
        counted.source += 1
        if expected.fate in (Fate.MIRRORED, Fate.ENDED):
            if mirrored(self, source, target):
                counted.target += 1
            else:
                self.differ("not in the target", "there", self._words())
            return
        if target.has(expected):
            self.differ("in the target, but should not be", expected.fate, "there")
        self._count_kept_back()

    def _count_kept_back(self) -> None:
        expected, said = self.expected, self.said
        counted = self.result.documents[expected.entity]
        state = said.state if said is not None else "unknown"
        if expected.fate is Fate.EXCLUDED:
            counted.excluded += state == "excluded"
        elif expected.fate is Fate.REJECTED:
            counted.rejected += state == "rejected"
        else:
            counted.blocked += state == "blocked"
        if said is None or state != expected.fate or not (said.reasons & expected.reasons):
            self.differ("is not where it should be", f"{expected.fate} {sorted(expected.reasons)}", self._words())
        elif expected.fate is Fate.BLOCKED:
            self.result.blocked_reasons[sorted(said.reasons & expected.reasons)[0]] += 1

    def _words(self) -> str:
        return "unknown to the connector" if self.said is None else f"{self.said.state} {sorted(self.said.reasons)}"

    def differ(self, what: str, source: object, target: object) -> None:
        name = f"{self.expected.number} ({self.expected.case})" if self.expected.case else self.expected.number
        self.result.differ(self.expected.entity, name, what, source, target)

    def same(self, what: str, source: object, target: object) -> None:
        if source != target:
            self.differ(what, source, target)


def _supplier(judged: _Judged, source: "_Exact", target: "_Coupa") -> bool:
    account = source.suppliers[judged.expected.native_id]
    found = [row for row in target.suppliers if row["number"] == judged.expected.number]
    found = found or [row for row in target.suppliers if row["name"] == account["Name"] and _stamp(row)]
    if len(found) != 1 or not _stamp(found[0]):
        return False
    judged.same("name", account["Name"], found[0]["name"])
    judged.same("status", "inactive" if judged.expected.fate is Fate.ENDED else "active", found[0]["status"])
    return True


def _order(judged: _Judged, source: "_Exact", target: "_Coupa") -> bool:
    order = source.orders[judged.expected.native_id]
    found = target.orders.get(judged.expected.number)
    if found is None:
        return False
    ended = judged.expected.fate is Fate.ENDED
    lines = [row for row in found["order-lines"] if not row.get("deleted")]
    net, mirrored = Decimal(order["AmountFCExclVat"]), _sum(lines, "total")
    judged.same("net", net, mirrored)
    judged.same("currency", order["Currency"], found["currency"]["code"])
    judged.same("supplier", source.supplier_number(order), found["supplier"]["number"])
    judged.same("exported", True, found["exported"])
    allowed = _ENDED_ORDERS if ended else _ORDER_STATUS["complete" if order["InvoiceStatus"] == 30 else "open"]
    if found["status"] not in allowed:
        judged.differ("status", "/".join(sorted(allowed)), found["status"])
    if not ended:
        with_totals = not Decimal(order["AmountDiscountExclVat"])  # Coupa has a discount on the whole in its lines
        mirrored_lines = sorted(_line(row, with_totals) for row in lines)
        judged.same("lines", source.order_lines_of(order, with_totals), mirrored_lines)
    judged.result.add("purchase-order", order["Currency"], net, mirrored)
    return True


def _invoice(judged: _Judged, source: "_Exact", target: "_Coupa") -> bool:
    entry = source.entries[judged.expected.native_id]
    generations = target.invoices_of(source.supplier_number(entry), judged.expected.number)
    if not generations:
        return False
    ended = judged.expected.fate is Fate.ENDED
    found = generations[-1]
    if not ended:
        live = [one for one in generations if one["status"] not in _DEAD_INVOICES]
        if not live:
            judged.differ("status", "live", found["status"])
            return True
        found = live[0]
        judged.same("end state", True, found["status"] in ("pending_approval", "approved"))
    elif found["status"] not in _DEAD_INVOICES:
        judged.differ("status", "voided or abandoned", found["status"])
    payable = Decimal(entry["AmountFC"])
    net = payable - Decimal(entry["VATAmountFC"])
    mirrored = _signed(found, Decimal(found["total-with-taxes"]))
    judged.same("payable", payable, mirrored)
    judged.same(
        "net", net, _signed(found, _sum(found["invoice-lines"], "total") - Decimal(found["discount-amount"] or 0))
    )
    judged.same("currency", entry["Currency"], found["currency"]["code"])
    judged.same("exported", True, found["exported"])
    if not ended:
        judged.same("coding", source.coding_of(entry), _coding(found))
    judged.result.add("invoice", entry["Currency"], payable, mirrored)
    return True


def _sum(rows: Sequence[Json], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), ZERO)


def _signed(invoice: Json, amount: Decimal) -> Decimal:
    """A credit note's totals are shown positive; what it does to the payable is the opposite."""
    return -abs(amount) if invoice["document-type"] == "Credit Note" else amount


Line = tuple[str, str, str, str]
"""Of an order line, as text: quantity, net (empty where it is not compared), cost center, ledger account."""


def _line(row: Json, with_totals: bool) -> Line:
    account = row["account"] or {}
    net = _plain(row["total"]) if with_totals else ""
    return _plain(row["quantity"]), net, account.get("segment-1") or "", account.get("segment-2") or ""


def _plain(amount: str | None) -> str:
    return "" if amount is None else f"{Decimal(amount).normalize():f}"


def _coding(invoice: Json) -> list[tuple[str, str, Decimal]]:
    """Net by cost center and ledger account, zero lines left out."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in invoice["invoice-lines"]:
        account = row["account"] or {}
        sums[account.get("segment-1") or "", account.get("segment-2") or ""] += _signed(invoice, Decimal(row["total"]))
    return sorted((center, gl, net) for (center, gl), net in sums.items() if net)


def _stamp(row: Json) -> str:
    return str((row.get("custom-fields") or {}).get("erp-source-id") or "")


@dataclass
class _Exact:
    """Exact's books, by key; removed records are there too, as they last were."""

    store: Store
    prefixes: Mapping[int, str]

    @cached_property
    def suppliers(self) -> dict[str, Json]:
        return {row["ID"]: row for row in self.store["crm/Accounts"]}

    @cached_property
    def orders(self) -> dict[str, Json]:
        return {row["PurchaseOrderID"]: row for row in self.store["purchaseorder/PurchaseOrders"]}

    @cached_property
    def entries(self) -> dict[str, Json]:
        return {row["EntryID"]: row for row in self.store["purchaseentry/PurchaseEntries"]}

    @cached_property
    def _items(self) -> dict[str, Json]:
        return {row["ID"]: row for row in self.store["logistics/Items"]}

    @cached_property
    def _accounts(self) -> dict[str, str]:
        return {row["ID"]: row["Code"] for row in self.store["financial/GLAccounts"]}

    @cached_property
    def _groups(self) -> dict[str, Json]:
        return {row["ID"]: row for row in self.store["logistics/ItemGroups"]}

    @cached_property
    def _order_lines(self) -> dict[str, list[Json]]:
        return _grouped(self.store["purchaseorder/PurchaseOrderLines"], "PurchaseOrderID")

    @cached_property
    def _entry_lines(self) -> dict[str, list[Json]]:
        return _grouped(self.store["purchaseentry/PurchaseEntryLines"], "EntryID")

    def supplier_number(self, document: Json) -> str:
        supplier = self.suppliers[document["Supplier"]]
        return f"{self.prefixes[supplier['Division']]}{supplier['Code'].strip()}"

    @cached_property
    def _vat_types(self) -> dict[tuple[int, str], str]:
        return {(row["Division"], row["Code"]): row["Type"] for row in self.store["vat/VATCodes"]}

    def order_lines_of(self, order: Json, with_totals: bool) -> list[Line]:
        rows = [row for row in self._order_lines[order["PurchaseOrderID"]] if not row.get("_deleted")]
        return sorted(self._order_line(row, with_totals) for row in rows)

    def _order_line(self, row: Json, with_totals: bool) -> Line:
        """AmountFC of a line has the VAT in it where the VAT code's type is I."""
        included = self._vat_types.get((row["Division"], row["VATCode"])) == "I"
        net = Decimal(row["AmountFC"]) - (Decimal(row["VATAmount"]) if included else ZERO)
        account = self._account(self._items[row["Item"]])
        shown = _plain(f"{net:f}") if with_totals else ""
        return _plain(row["QuantityInPurchaseUnits"]), shown, row["CostCenter"] or NO_COST_CENTER, account

    def _account(self, item: Json) -> str:
        name = "GLStock" if item["IsStockItem"] else "GLCosts"
        group = self._groups.get(item["ItemGroup"] or "") or {}
        return self._accounts[item[name] or group[name]]

    def coding_of(self, entry: Json) -> list[tuple[str, str, Decimal]]:
        sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in self._entry_lines[entry["EntryID"]]:
            if not row.get("_deleted"):
                place = row["CostCenter"] or NO_COST_CENTER, self._accounts[row["GLAccount"]]
                sums[place] += Decimal(row["VATBaseAmountFC"])
        return sorted((center, gl, net) for (center, gl), net in sums.items() if net)


def _grouped(rows: Sequence[Json], name: str) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups


@dataclass
class _Coupa:
    """Coupa's objects, by what people know them by."""

    store: Store
    suppliers: list[Json] = field(init=False)
    orders: dict[str, Json] = field(init=False)
    invoices: dict[tuple[str, str], list[Json]] = field(init=False)

    def __post_init__(self) -> None:
        self.suppliers = self.store["suppliers"]
        self.orders = {row["po-number"]: row for row in self.store["purchase_orders"]}
        self.invoices = defaultdict(list)
        for row in self.store["invoices"]:
            number = _REPLACED.sub("", row["invoice-number"])
            self.invoices[self._number_of(row["supplier"]), number].append(row)

    @cached_property
    def _numbers(self) -> dict[int, str]:
        return {row["id"]: row["number"] or "" for row in self.suppliers}

    def _number_of(self, supplier: Json) -> str:
        return self._numbers[supplier["id"]]

    def invoices_of(self, supplier: str, number: str) -> list[Json]:
        return self.invoices.get((supplier, number), [])

    def has(self, expected: Expected) -> bool:
        """Whether something of ours is there for a document that should not be: by our mark, not by number alone."""
        stamped = [
            row for kind in ("suppliers", "purchase_orders", "invoices") for row in self.store[kind] if _stamp(row)
        ]
        return any(_stamp(row).endswith(expected.native_id) for row in stamped)

    def doubles(self) -> Iterator[str]:
        """Live objects that say the same of the same document, beyond the first."""
        marks: Counter[str] = Counter()
        for row in self.store["invoices"]:
            if row["status"] not in _DEAD_INVOICES:
                marks[f"invoice {_stamp(row) or row['invoice-number']}"] += 1
        for row in self.store["purchase_orders"]:
            if row["status"] not in ("cancelled", "canceled"):
                marks[f"order {_stamp(row) or row['po-number']}"] += 1
        for row in self.store["suppliers"]:
            marks[f"supplier {row['number'] or row['name']}"] += 1
        for mark, count in marks.items():
            for _ in range(count - 1):
                yield mark

    def strangers(self, book: Book) -> Iterator[str]:
        """Objects with our mark whose document the story does not know."""
        known = {page.native_id for page in book}
        for kind, number in (("purchase_orders", "po-number"), ("invoices", "invoice-number")):
            for row in self.store[kind]:
                mark = _stamp(row)
                if mark and not any(mark.endswith(native_id) for native_id in known):
                    yield f"{kind.removesuffix('s')} {row[number]}"
