"""A month of a contractor that books in Exact Online and runs its projects in Procore, one project a cost model."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.sandbox.demo.control import ControlPort, Json
from connector.sandbox.demo.story import Book, Comparison, Fate, Said, Size, Step

from .comparison import compare
from .documents import FORGOTTEN, Documents

COST_MODELS = {"P-100": "A", "P-200": "C", "P-300": "B"}
CLOSED = "P-700"
COSTS = {
    "4000/*/*": "{code}:01-100.S",
    "4100/CC1/*": "{code}:01-100.L",
    "7000/*/*": "{code}:01-100.M",
    "3000/*/*": "{code}:01-100.M",
}
"""GL account/cost center/project -> project and WBS code, as first set up: paint (4200) was forgotten."""
ADDED_COSTS = {"4200/*/*": "{code}:01-100.O"}
WBS = {"4000": "S", "4100": "L", "7000": "M", "3000": "M", "4200": "O"}
"""Cost type of each ledger account, as the comparison knows it."""
AMOUNT = {
    Size.SMALL: {"suppliers": 6, "orders": 15, "invoices": 12},
    Size.NORMAL: {"suppliers": 30, "orders": 120, "invoices": 120},
}
"""Beside those with a case of their own."""


class ExactProcore:
    """The story of flow `exact-procore`."""

    def __init__(self, sandboxes: Mapping[str, ControlPort], *, seed: int, size: Size) -> None:
        self.book = Book()
        self._exact, self._procore = sandboxes["exact"], sandboxes["procore"]
        self._division: int = self._exact.credentials["divisions"][0]
        self._start = datetime.now(UTC).date() - timedelta(days=30)
        self._amount = AMOUNT[size]
        self._documents = Documents(
            self._exact, self._division, self.book, random.Random(seed), self._start, list(COST_MODELS)
        )

    @property
    def switches(self) -> Mapping[str, Mapping[str, Any]]:
        """Windows shortened, so that a month fits in minutes; Exact's notices are lost and doubled."""
        return {
            "exact": {"minute_s": 6.0, "webhook_drop": 0.05, "webhook_duplicate": 0.1},
            "procore": {"hour_limit": 100_000, "spike_window_s": 2.0, "subcontractor_invoice_enabled": True},
        }

    @property
    def facts(self) -> Mapping[str, Any]:
        return {
            "start_date": self._start.isoformat(),
            "division": self._division,
            "cost_models": COST_MODELS,
            "closed": CLOSED,
            "costs": COSTS,
            "corrected_costs": {**COSTS, **ADDED_COSTS},
        }

    async def prepare(self) -> None:
        await self._set_up_procore()
        for code in (*COST_MODELS, CLOSED):
            await self._exact.act(
                "create_project", division=self._division, Code=code, Description=f"Project {code}", Account="1"
            )
        paint: Json = {"Code": "PAINT", "Description": "Paint", "GLCosts": "4200", "Unit": "stuk"}
        house: Json = {"Code": "HUT", "Description": "Site hut", "GLCosts": "4100", "Unit": "stuk"}
        await self._exact.many("create_item", [paint, house], division=self._division)
        await self._documents.meet_suppliers(self._amount["suppliers"])
        await self._documents.place(self._amount["orders"] // 2)
        await self._documents.cases_before_the_start()
        await self._documents.book_unlinked(self._amount["invoices"] // 3)

    async def _set_up_procore(self) -> None:
        """One project was closed and is opened again, one is closed; last month's billing periods are still open."""
        store = await self._procore.store()
        projects = {row["project_number"]: row["id"] for row in store["projects"]}
        await self._procore.act("reopen_project", project_id=projects["P-300"])
        closed = await self._procore.act(
            "create_project", project_number=CLOSED, name="Finished", cost_codes=[{"code": "01-100", "name": "Site"}]
        )
        await self._procore.act("close_project", project_id=closed["id"])
        months = {(self._start + timedelta(days=n)).replace(day=1) for n in range(31)}
        for number in COST_MODELS:
            known = {row["start_date"] for row in store["billing_periods"] if row["project_id"] == projects[number]}
            for first in sorted(months):
                if first.isoformat() not in known:
                    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
                    await self._procore.act(
                        "create_billing_period", project_id=projects[number], start_date=first.isoformat(),
                        end_date=last.isoformat(), due_date=last.isoformat(), status="open",
                    )  # fmt: skip

    @property
    def rehearsal(self) -> Sequence[Step]:
        return []

    @property
    def month(self) -> Sequence[Step]:
        documents = self._documents
        return [
            Step("orders and invoices on them", self._first_half),
            Step("changes of what is in Procore already", documents.changes, settled=True),
            Step("the forgotten account is mapped", self._mapped, corrects=True),
            Step("second half: orders and invoices", self._second_half),
            Step("end: cancellations and deletions", documents.endings, settled=True),
        ]

    async def _first_half(self) -> None:
        await self._documents.bill(self._amount["invoices"] // 3)
        await self._documents.place(self._amount["orders"] // 4)

    async def _mapped(self) -> None:
        """What was blocked for want of the mapping, and what depends on it, goes on once the table is corrected."""
        for what in FORGOTTEN:
            self._documents.turn(what, Fate.MIRRORED)

    async def _second_half(self) -> None:
        await self._documents.place(self._amount["orders"] // 4)
        await self._documents.book_unlinked(self._amount["invoices"] // 6)
        await self._documents.bill(self._amount["invoices"] // 6)

    async def compare(self, said: Sequence[Said]) -> Comparison:
        exact, procore = await self._exact.store(), await self._procore.store()
        return compare(exact, procore, self.book, COST_MODELS, WBS, said)
