"""Reference values joined to documents under `resolved`, each read once for as many documents as need it.

A document's joins are found in rounds: what it names itself (items, accounts, codes), then what those name (item
groups, GL accounts). Values are kept for `reference_cache_s`; a changed one reaches documents read after that, and the
sweep of reference data tells the writers at once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.domain.digest import digest
from connector.domain.identity import TrafficClass

from .client import ExactClient, Query, Row, guid, text
from .fields import ACCOUNTS
from .settings import Company

Resolved = dict[str, dict[str, Any]]
Wants = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A code table of Exact: where it is, what its rows are keyed by, and whether it is small enough to read whole."""

    endpoint: str
    key: str
    select: tuple[str, ...]
    literal: Callable[[str], str] = guid
    whole: bool = False


TABLES: Mapping[str, Table] = {
    "account": Table(ACCOUNTS, "ID", ("ID", "Code", "Name", "GLAccountPurchase")),
    "item": Table(
        "logistics/Items",
        "ID",
        ("ID", "Code", "Description", "Unit", "IsStockItem", "GLCosts", "GLCostsCode", "GLStock", "ItemGroup"),
    ),
    "item-group": Table("logistics/ItemGroups", "ID", ("ID", "Code", "Description", "GLCosts", "GLStock")),
    "supplier-item": Table("logistics/SupplierItem", "Item", ("ID", "Item", "Supplier", "PurchaseUnit")),
    "gl-account": Table("financial/GLAccounts", "ID", ("ID", "Code", "Description")),
    "cost-center": Table("hrm/Costcenters", "Code", ("ID", "Code", "Description"), text),
    "cost-unit": Table("hrm/Costunits", "Code", ("ID", "Code", "Description"), text),
    "project": Table("project/Projects", "ID", ("ID", "Code", "Description")),
    "vat-code": Table(
        "vat/VATCodes", "Code", ("ID", "Code", "Description", "Percentage", "Type", "Charged"), whole=True
    ),
    "payment-term": Table(
        "cashflow/PaymentConditions", "Code", ("ID", "Code", "Description", "PaymentDays"), whole=True
    ),
}


MISS_KEPT_S = 10.0
"""How long a value that Exact does not have is not asked for again: long enough for a backlog, short for a person."""


@dataclass(frozen=True, slots=True)
class _Kept:
    until_s: float
    value: dict[str, Any] | None
    """None where Exact has no such value."""


class Joins:
    """Reads and keeps reference values of one division. `boot_time_s` is the clock that values age by."""

    def __init__(self, client: ExactClient, company: Company, keep_s: float, boot_time_s: Callable[[], float]) -> None:
        self._client = client
        self._company = company
        self._keep_s = keep_s
        self._boot_time_s = boot_time_s
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def resolve(self, wanted: Sequence[Wants], traffic: TrafficClass) -> list[Resolved]:
        """For each document's wants, the values found; what Exact does not know is left out."""
        self._forget_old()
        resolved = await self._round(wanted, traffic)
        for further in (_groups_of, _accounts_of):
            more = [further(values) for values in resolved]
            for values, found in zip(resolved, await self._round(more, traffic), strict=True):
                for kind, entries in found.items():
                    values.setdefault(kind, {}).update(entries)
        return resolved

    async def _round(self, wanted: Sequence[Wants], traffic: TrafficClass) -> list[Resolved]:
        known: dict[tuple[str, str], dict[str, Any]] = {}
        for kind in sorted({kind for wants in wanted for kind in wants}):
            keys = {key for wants in wanted for key in wants.get(kind, ())}
            found = await self._load(kind, keys, traffic)
            known.update({(kind, key): value for key, value in found.items()})
        return [_those_known(wants, known) for wants in wanted]

    async def _load(self, kind: str, keys: set[str], traffic: TrafficClass) -> dict[str, dict[str, Any]]:
        now_s = self._boot_time_s()
        missing = sorted(key for key in keys if (kind, key) not in self._kept)
        if missing:
            rows = await self._read(kind, missing, traffic)
            for key in missing:
                self._kept[kind, key] = _Kept(now_s + min(self._keep_s, MISS_KEPT_S), None)
            for row in rows:
                self._keep(kind, row, now_s + self._keep_s)
        found = {key: self._kept[kind, key].value for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def _forget_old(self) -> None:
        now_s = self._boot_time_s()
        self._kept = {key: kept for key, kept in self._kept.items() if now_s < kept.until_s}

    async def _read(self, kind: str, keys: Sequence[str], traffic: TrafficClass) -> list[Row]:
        table = TABLES[kind]
        query = Query(table.endpoint, table.select)
        if table.whole:
            return await self._client.rows(query, traffic)
        named = sorted({key.partition("/")[0] for key in keys}) if kind == "supplier-item" else keys
        return await self._client.rows_of(query, table.key, [table.literal(key) for key in named], traffic)

    def _keep(self, kind: str, row: Row, until_s: float) -> None:
        key = f"{row['Item']}/{row['Supplier']}" if kind == "supplier-item" else str(row[TABLES[kind].key])
        self._kept[kind, key] = _Kept(until_s, entry(str(row["ID"]), row))

    def company(self, vat_codes: Iterable[str], item_codes: Iterable[str]) -> dict[str, Any]:
        """The company's settings that a document used; one that is not set counts as used too, for it may be set."""
        company = self._company
        stamped: dict[str, Any] = {
            "currency": company.currency,
            "credit_amounts": company.credit_amounts,
            "percentages": company.percentages,
        }
        for code in sorted(set(vat_codes)):
            treatment = company.vat.get(code)
            stamped[f"vat/{code}"] = None if treatment is None else treatment.model_dump(mode="json")
        for code in sorted(set(item_codes)):
            stamped[f"accounts/{code}"] = company.accounts.get(code)
        return stamped


def _those_known(wants: Wants, known: Mapping[tuple[str, str], dict[str, Any]]) -> Resolved:
    resolved = {
        kind: {key: known[kind, key] for key in sorted(keys) if (kind, key) in known} for kind, keys in wants.items()
    }
    return {kind: values for kind, values in resolved.items() if values}


def entry(identity: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A joined value as it lies under `resolved`: its id, the digest of the rest, and the rest."""
    rest = {name: value for name, value in values.items() if name not in ("ID", "Modified")}
    return {"id": identity, "digest": digest(rest), **rest}


def _groups_of(resolved: Resolved) -> Wants:
    """Item groups of the items that have no account of their own."""
    groups = {
        item["ItemGroup"]
        for item in resolved.get("item", {}).values()
        if item.get("ItemGroup") and not item.get("GLStock" if item.get("IsStockItem") else "GLCosts")
    }
    return {"item-group": groups} if groups else {}


def _accounts_of(resolved: Resolved) -> Wants:
    """GL accounts that items, groups and suppliers name by id."""
    ids: set[str] = set()
    for kind in ("item", "item-group", "account"):
        for holder in resolved.get(kind, {}).values():
            ids.update(holder[name] for name in ("GLCosts", "GLStock", "GLAccountPurchase") if holder.get(name))
    return {"gl-account": ids} if ids else {}
