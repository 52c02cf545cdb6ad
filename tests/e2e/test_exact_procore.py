"""A contractor's month through every service as its own process, the writer killed four times; then its books."""

import asyncio
import csv
import io
import json
import os
import re
from decimal import Decimal
from typing import Any

import pytest

from connector.console.demo import watching
from connector.console.demo.play import play
from connector.console.demo.stage import Stage
from connector.console.processes import module
from connector.sandbox.demo import Size

pytestmark = [pytest.mark.slow, pytest.mark.ci, pytest.mark.usefixtures("own_parts")]

ORDERS = "purchase_order_contracts"
SETTLES_WITHIN_S = 90.0


class Told:
    """What the demo said, printed when a test fails."""

    def say(self, line: str) -> None:
        print(line)

    def now(self, what: str) -> None:
        """Nobody watches."""


async def reconcile(stage: Stage, *how: str) -> tuple[int, str]:
    """`connector reconcile` as people run it: its exit code, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *module("connector.console.main", "reconcile", "--flow", "exact-procore", *how),
        env={**os.environ, **stage.platform.environment, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, noise = await process.communicate()
    assert process.returncode in (0, 1), noise.decode()
    return process.returncode, out.decode()


async def somebody_raises_a_line(stage: Stage, by: Decimal) -> tuple[str, str]:
    """By hand, in an approved commitment; its project and cost code."""
    procore = stage.sandboxes["procore"]
    store = await procore.store()
    projects = {row["id"]: row["project_number"] for row in store["projects"]}
    order = next(row for row in store[ORDERS] if row["status"] == "Approved" and not row["deleted_at"])
    line = order["line_items"][0]
    await procore.act("edit_purchase_order", id=order["id"], status="Draft")
    amount = str(Decimal(line["amount"]) + by)
    await procore.act("edit_purchase_order_line", id=order["id"], line_id=line["id"], amount=amount)
    await procore.act("edit_purchase_order", id=order["id"], status="Approved")
    return projects[order["project_id"]], line["wbs_code"]["flat_code"]


async def a_person_decides(stage: Stage) -> None:
    """Causes say what is missing; the command that one of them names is run as it stands, and its record goes on."""
    stuck = {one["reason"]["code"]: one for one in await stage.connector("blocked", "--flow", "exact-procore")}
    assert set(stuck) == {"cost-not-mapped", "may-bill-commitment", "project-closed"}
    assert stuck["cost-not-mapped"]["reason"]["missing"] == "mapping:costs/4000/CC1/"
    said = re.search(r"connector (link \S+ COMMITMENT [^(]+) \(", stuck["may-bill-commitment"]["reason"]["fix"])
    assert said is not None
    await stage.connector(*said[1].replace("COMMITMENT", "none").split(), "--yes")
    left = await watching.settled(stage, SETTLES_WITHIN_S)
    assert not left, str(left)
    (decided,) = stuck["may-bill-commitment"]["examples"]
    costs = (await stage.sandboxes["procore"].store())["direct_costs"]
    (made,) = [row for row in costs if f"/{decided['native_id']}:" in (row["origin_id"] or "")]
    assert (made["direct_cost_type"], made["status"], made["grand_total"]) == ("invoice", "approved", "12.5")


async def both_sides_of_the_books(stage: Stage) -> None:
    """Table, JSON and CSV say the same, first that all agrees, then the one line that differs."""
    await a_person_decides(stage)
    asked = [call for call in await stage.sandboxes["exact"].calls() if "/api/v1/" in call["path"]]
    written = {call["path"].rpartition("/")[2].partition("(")[0] for call in asked if call["method"] != "GET"}
    assert written <= {"WebhookSubscriptions"}, "nothing goes back to Exact"
    code, printed = await reconcile(stage, "--json")
    told: dict[str, Any] = json.loads(printed)
    assert (code, told["agree"]) == (0, True), printed
    assert {row["project"] for row in told["rows"]} == {"P-100", "P-200", "P-300"}
    assert all(row["committed_source"] == row["committed_target"] for row in told["rows"])
    assert {one["state"] for one in told["unplaced"]} == {"blocked"}

    project, wbs = await somebody_raises_a_line(stage, Decimal("12.34"))
    code, printed = await reconcile(stage, "--csv")
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert (code, len(rows)) == (1, len(told["rows"]))
    (differs,) = [row for row in rows if row["agrees"] == "no"]
    assert (differs["project"], differs["code"]) == (project, wbs)
    assert Decimal(differs["committed_target"]) - Decimal(differs["committed_source"]) == Decimal("12.34")
    assert differs["invoiced_target"] == differs["invoiced_source"]
    code, table = await reconcile(stage)
    assert code == 1
    assert f"1 of {len(rows)} rows differ" in table


async def test_books_agree_though_the_writer_is_killed_people_decide_and_a_change_by_hand_shows() -> None:
    played = await play(
        "exact-procore", seed=7, size=Size.SMALL, progress=Told(), afterwards=both_sides_of_the_books
    )  # fmt: skip
    assert played.agree, json.dumps(played.as_json(), indent=2)
    assert set(played.comparison.blocked_reasons) == {"cost-not-mapped", "may-bill-commitment", "project-closed"}
