"""Reconciling a project's books: the source's documents by project and cost code."""

from decimal import Decimal
from typing import Any

from connector.adapters.systems.procore.books import source_books
from connector.adapters.systems.procore.settings import ExactProcoreOptions
from connector.domain.documents.purchase_order import OrderLifecycle
from connector.domain.reconciliation.projects import Books, Coded, Figures, Place, reconcile
from tests.contract.coupa_target.coupa import record
from tests.contract.procore_target.procore import OPTIONS, cost, invoice, line, order

CHOSEN = ExactProcoreOptions.model_validate(OPTIONS)


def coded(document: Any, native_id: str, codes: dict[str, str], state: str = "synced") -> Coded:
    read = record(document, native_id)
    return Coded(read, {f"{read.ref.key}#{line}": {"code": code} for line, code in codes.items()}, state)


def test_orders_commit_by_net_and_invoices_cost_with_the_vat_nobody_gives_back() -> None:
    books = source_books(
        [
            coded(order("1", line("1-1"), line("1-2", "4", "25.00")), "o1", {"1-1": "P-100:A", "1-2": "P-200:A"}),
            coded(order("2", line("2-1"), lifecycle=OrderLifecycle.CANCELLED), "o2", {"2-1": "P-100:A"}),
            coded(invoice("F", cost("1", "10.00", "2.10")), "i1", {"1": "P-100:A"}),
        ],
        CHOSEN,
    )
    place = Place("P-100", "A")
    assert books.figures == {place: Figures(Decimal("25.00"), Decimal("12.10"))}, "model C commits nothing in P-200"
    found = reconcile(books, Books({place: Figures(Decimal(25), Decimal(12))}))
    (row,) = found.differences
    assert (row.source.invoiced, row.target.invoiced) == (Decimal("12.10"), Decimal(12))


def test_what_was_never_written_is_named_with_its_sum() -> None:
    books = source_books([coded(order("3"), "o3", {}, "blocked"), coded(order("4"), "o4", {}, "excluded")], CHOSEN)
    (one,) = books.unplaced
    assert (one.document, one.amount, one.reason) == ("acme/exact-nl/purchase-order/o3", Decimal("125.00"), "blocked")
