"""A project's books on both sides: as Procore shows them, and as the source's documents are coded."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from connector.domain.documents.common import Coding
from connector.domain.documents.envelope import RecordStatus
from connector.domain.documents.invoice import Invoice, InvoiceStatus
from connector.domain.documents.money import spread
from connector.domain.documents.purchase_order import OrderLifecycle, PurchaseOrder
from connector.domain.identity import TrafficClass
from connector.domain.reconciliation.projects import Books, Coded, Figures, Place, Unplaced, summed

from .amounts import cost_amounts, order_amounts
from .client import ProcoreClient, Row
from .naming import COMMITMENTS, DIRECT_COSTS, REQUISITIONS, line_origin
from .references import read_reference
from .settings import CostModel, ExactProcoreOptions
from .values import ZERO, decimal, inner

TRAFFIC = TrafficClass.CATCH_UP
COUNTS = frozenset(("Approved", "Partially Received"))
"""Procore: the statuses in which a commitment is committed cost."""


def source_books(documents: Iterable[Coded], options: ExactProcoreOptions) -> Books:
    unplaced: list[Unplaced] = []
    figures = [one for document in documents for one in _figures(document, options, unplaced)]
    return Books(summed(figures), unplaced)


def _figures(
    document: Coded, options: ExactProcoreOptions, unplaced: list[Unplaced]
) -> Iterator[tuple[Place, Figures]]:
    record, of = document.record, document.record.document
    if record.status is not RecordStatus.OK or document.state == "excluded":
        return
    if isinstance(of, PurchaseOrder) and of.lifecycle in (OrderLifecycle.OPEN, OrderLifecycle.CLOSED):
        for place, amount in _placed(document, of.lines, order_amounts(of), of.currency, unplaced):
            rules = options.project(place.project)
            if rules is not None and rules.cost_model is not CostModel.DIRECT_COSTS:
                yield place, Figures(committed=amount)
    elif isinstance(of, Invoice) and of.status in (InvoiceStatus.OPEN, InvoiceStatus.BOOKED):
        for place, amount in _placed(document, of.lines, cost_amounts(of), of.currency, unplaced):
            yield place, Figures(invoiced=amount)


def _placed(
    document: Coded, lines: Iterable[Any], amounts: Mapping[str, Decimal], currency: str, unplaced: list[Unplaced]
) -> Iterator[tuple[Place, Decimal]]:
    """Each coded share of each line; what has no coding is named with its sum."""
    record, without = document.record, ZERO
    for line in lines:
        if line.line_id not in amounts:
            continue
        codings = line.accounting or [Coding()]
        parts = spread(amounts[line.line_id], [coding.share for coding in codings], currency)
        for index, amount in enumerate(parts):
            code = document.coding.get(line_origin(record.ref, line.line_id, index), {}).get("code")
            if code is None:
                without += amount
            else:
                project, _, flat = code.partition(":")
                yield Place(project, flat), amount
    if without:
        unplaced.append(Unplaced(record.ref.key, record.native_number, without, document.state))


async def target_books(client: ProcoreClient) -> Books:
    """What counts as cost in every project the service account may see."""
    projects = await read_reference(client, "project", None, TRAFFIC)
    figures: list[tuple[Place, Figures]] = []
    for number, project in sorted(projects.items()):
        figures += await _project_figures(client, number, str(project["id"]))
    return Books(summed(figures))


async def _project_figures(client: ProcoreClient, number: str, project_id: str) -> list[tuple[Place, Figures]]:
    figures: list[tuple[Place, Figures]] = []
    contracts = await client.rows(f"v1.0/{COMMITMENTS}", {"project_id": project_id, "view": "extended"}, TRAFFIC)
    for contract in contracts:
        if contract.get("deleted_at") is None and contract["status"] in COUNTS:
            for line in contract.get("line_items") or ():
                figures.append((_place(number, line), Figures(committed=decimal(line.get("amount")))))
    path = f"v1.0/projects/{project_id}/{DIRECT_COSTS}"
    costs = {row["id"] for row in await client.rows(path, {}, TRAFFIC) if _counted(row)}
    for line in await client.rows(f"{path}/line_items", {}, TRAFFIC):
        if inner(line, "holder", "id") in costs:
            figures.append((_place(number, line), Figures(invoiced=decimal(line.get("amount")))))
    query = {"project_id": project_id, "view": "extended"}
    for requisition in await client.rows(f"v1.1/{REQUISITIONS}", query, TRAFFIC, page_size=100):
        if _counted(requisition):
            for item in requisition.get("items") or ():
                amount = decimal(item.get("work_completed_this_period"))
                figures.append((_place(number, item), Figures(invoiced=amount)))
    return figures


def _counted(row: Row) -> bool:
    return row.get("deleted_at") is None and row.get("status") != "draft"


def _place(project: str, line: Row) -> Place:
    return Place(project, str(inner(line, "wbs_code", "flat_code")))
