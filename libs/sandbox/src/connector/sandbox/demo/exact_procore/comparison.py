"""Both stores side by side: every document, and the sums of each project and cost code."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from connector.sandbox.demo.control import Json
from connector.sandbox.demo.story import Book, Comparison, Expected, Fate, Said

Store = Mapping[str, list[Json]]
Place = tuple[str, str]
"""Project number and WBS code."""
Sums = dict[Place, Decimal]
ZERO, CENT = Decimal(0), Decimal("0.01")
CONTRACTS, COSTS, REQUISITIONS = "purchase_order_contracts", "direct_costs", "requisitions"
LOST_VAT = {"6": Decimal("0.5")}
"""The part of its VAT that nobody gives back, by VAT code."""


def compare(
    exact: Store, procore: Store, book: Book, models: Mapping[str, str], wbs: Mapping[str, str], said: Sequence[Said]
) -> Comparison:
    """Judge every document the story knows, then committed and invoiced per project and cost code."""
    result = Comparison()
    source, target = _Exact(exact, wbs), _Procore(procore)
    words = {(one.entity, one.native_id): one for one in said}
    committed: Sums = defaultdict(Decimal)
    invoiced: Sums = defaultdict(Decimal)
    for expected in book:
        counted = result.documents[expected.entity]
        counted.source += 1
        if expected.fate not in (Fate.MIRRORED, Fate.ENDED):
            _kept_back(result, expected, words.get((expected.entity, expected.native_id)), target)
            continue
        found = target.of(expected.native_id)
        if not found and not (expected.fate is Fate.ENDED and expected.entity == "invoice"):
            result.differ(expected.entity, expected.number, f"not in the target ({expected.case})", "there", _words(
                words.get((expected.entity, expected.native_id))))  # fmt: skip
            continue
        counted.target += 1
        if expected.fate is Fate.ENDED or expected.entity == "supplier":
            continue
        wanted = source.places_of(expected)
        shown = target.places_of(expected)
        if wanted != shown:
            result.differ(expected.entity, expected.number, f"cost by place ({expected.case})", wanted, shown)
        result.add(expected.entity, "EUR", sum(wanted.values(), ZERO), sum(shown.values(), ZERO))
        for place, amount in wanted.items():
            if expected.entity == "invoice":
                invoiced[place] += amount
            elif models[place[0]] != "C":
                committed[place] += amount
    for what, sums, shown in (("committed", committed, target.committed()), ("invoiced", invoiced, target.invoiced())):
        for place in sorted(sums.keys() | shown.keys()):
            if sums.get(place, ZERO) != shown.get(place, ZERO):
                result.differ("project", " ".join(place), what, sums.get(place, ZERO), shown.get(place, ZERO))
    result.doubled = sum(1 for _ in target.doubles())
    return result


def _kept_back(result: Comparison, expected: Expected, said: Said | None, target: "_Procore") -> None:
    counted = result.documents[expected.entity]
    if target.of(expected.native_id):
        result.differ(expected.entity, expected.number, "in the target, but should not be", expected.fate, "there")
    if said is None or said.state != expected.fate or not (said.reasons & expected.reasons):
        wanted = f"{expected.fate} {sorted(expected.reasons)}"
        result.differ(expected.entity, expected.number, f"is elsewhere ({expected.case})", wanted, _words(said))
        return
    counted.excluded += expected.fate is Fate.EXCLUDED
    counted.rejected += expected.fate is Fate.REJECTED
    if expected.fate is Fate.BLOCKED:
        counted.blocked += 1
        result.blocked_reasons[sorted(said.reasons & expected.reasons)[0]] += 1


def _words(said: Said | None) -> str:
    return "unknown to the connector" if said is None else f"{said.state} {sorted(said.reasons)}"


@dataclass
class _Exact:
    store: Store
    wbs: Mapping[str, str]

    @cached_property
    def _items(self) -> dict[str, Json]:
        return {row["ID"]: row for row in self.store["logistics/Items"]}

    @cached_property
    def _groups(self) -> dict[str, Json]:
        return {row["ID"]: row for row in self.store["logistics/ItemGroups"]}

    @cached_property
    def _accounts(self) -> dict[str, str]:
        return {row["ID"]: row["Code"] for row in self.store["financial/GLAccounts"]}

    @cached_property
    def _projects(self) -> dict[str, str]:
        return {row["ID"]: row["Code"] for row in self.store["project/Projects"]}

    def places_of(self, expected: Expected) -> Sums:
        """Net of an order, cost of an invoice, by project and code; nothing where it sums to 0."""
        sums: Sums = defaultdict(Decimal)
        if expected.entity == "purchase-order":
            for row in self._rows("purchaseorder/PurchaseOrderLines", "PurchaseOrderID", expected.native_id):
                sums[self._place(row, self._item_account(self._items[row["Item"]]))] += Decimal(row["AmountFC"])
        else:
            for row in self._rows("purchaseentry/PurchaseEntryLines", "EntryID", expected.native_id):
                vat = LOST_VAT.get(row["VATCode"].strip(), ZERO) * Decimal(row["VATAmountFC"])
                lost = vat.quantize(CENT, ROUND_HALF_UP)
                sums[self._place(row, self._accounts[row["GLAccount"]])] += Decimal(row["VATBaseAmountFC"]) + lost
        return _without_zeros(sums)

    def _rows(self, table: str, key: str, value: str) -> list[Json]:
        return [row for row in self.store[table] if row[key] == value and not row.get("_deleted")]

    def _place(self, row: Json, account: str) -> Place:
        return self._projects[row["Project"]], f"01-100.{self.wbs[account]}"

    def _item_account(self, item: Json) -> str:
        name = "GLStock" if item["IsStockItem"] else "GLCosts"
        group = self._groups.get(item["ItemGroup"] or "") or {}
        return self._accounts[item[name] or group[name]]


def _without_zeros(sums: Sums) -> Sums:
    return {place: amount.quantize(CENT) for place, amount in sorted(sums.items()) if amount}


class _Procore:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._projects = {row["id"]: row["project_number"] for row in store["projects"]}
        self._contracts = {row["id"]: row for row in self._live(CONTRACTS)}
        self._costs = {row["id"]: row for row in self._live(COSTS)}

    def _live(self, collection: str) -> list[Json]:
        return [row for row in self._store[collection] if not row["deleted_at"]]

    def of(self, native_id: str) -> list[Json]:
        """What carries the mark of a document."""
        kinds = ("vendors", CONTRACTS, COSTS, REQUISITIONS)
        return [row for kind in kinds for row in self._live(kind) if f"/{native_id}" in (row["origin_id"] or "")]

    def places_of(self, expected: Expected) -> Sums:
        sums: Sums = defaultdict(Decimal)
        ids = {row["id"] for row in self.of(expected.native_id)}
        for line in self._lines():
            if line["holder"]["id"] in ids:
                sums[self._place(line)] += Decimal(line["amount"])
        for requisition in self._live(REQUISITIONS):
            if requisition["id"] in ids:
                self._add_items(requisition, sums)
        return _without_zeros(sums)

    def committed(self) -> Sums:
        sums: Sums = defaultdict(Decimal)
        for line in self._lines():
            if self._contracts.get(line["holder"]["id"], {}).get("status") == "Approved":
                sums[self._place(line)] += Decimal(line["amount"])
        return _without_zeros(sums)

    def invoiced(self) -> Sums:
        sums: Sums = defaultdict(Decimal)
        for line in self._lines():
            if self._costs.get(line["holder"]["id"], {}).get("status") == "approved":
                sums[self._place(line)] += Decimal(line["amount"])
        for requisition in self._live(REQUISITIONS):
            if requisition["status"] == "approved":
                self._add_items(requisition, sums)
        return _without_zeros(sums)

    def _lines(self) -> Iterator[Json]:
        for kind in ("purchase_order_contract_line_items", "direct_cost_line_items"):
            yield from self._live(kind)

    def _place(self, line: Json) -> Place:
        return self._projects[line["project"]["id"]], line["wbs_code"]["flat_code"]

    def _add_items(self, requisition: Json, sums: Sums) -> None:
        for item in requisition["items"]:
            place = self._projects[requisition["project"]["id"]], item["wbs_code"]["flat_code"]
            sums[place] += Decimal(item["work_completed_this_period"])

    def doubles(self) -> Iterator[str]:
        """Live objects that stand for the same thing, beyond the first, whatever mark they carry."""
        seen: Counter[tuple[str, ...]] = Counter()
        for row in self._contracts.values():
            seen["order", str(row["project_id"]), str(row["number"])] += 1
        for row in self._costs.values():
            seen["cost", str(row["project_id"]), str(row["vendor"]["id"]), str(row["invoice_number"])] += 1
        for row in self._live(REQUISITIONS):
            seen["requisition", str(row["commitment_id"]), str(row["invoice_number"])] += 1
        for row in self._live("vendors"):
            seen["vendor", str(row["name"])] += 1
        for what, count in seen.items():
            for _ in range(count - 1):
                yield " ".join(what)
