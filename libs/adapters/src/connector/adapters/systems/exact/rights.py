"""The user rights in Exact that a connection needs: to be read as a source, and for each flow that writes to it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from connector.domain.identity import Entity
from connector.domain.ports.configuration import Flow

from . import images
from .fields import ACCOUNTS, BANK_ACCOUNTS, ENTRIES, ENTRY_LINES, INVOICES, ORDER_LINES, ORDERS
from .options import BaswareExactOptions
from .references import JOURNAL_STATUS
from .settings import Settings
from .sweeps import CODE_TABLES

READ, CREATE, CHANGE, DELETE = "GET", "POST", "PUT", "DELETE"
_VERBS = {READ: "read", CREATE: "create", CHANGE: "change", DELETE: "delete"}
_CODING = ("gl-account", "cost-center", "cost-unit", "vat-code", "payment-term")
_BOOKING = (*_CODING, "project", "journal", "period")
_ORDERING = (*_CODING, "item")


class Right(NamedTuple):
    endpoint: str
    action: str

    def __str__(self) -> str:
        return f"right to {_VERBS[self.action]} {self.endpoint}"


def needed(settings: Settings, flows_into: Sequence[Flow]) -> Sequence[Right]:
    """Each right once; those to read what a source shows come first."""
    rights = [Right(endpoint, READ) for endpoint in (ORDERS, ENTRIES, ACCOUNTS)]
    if settings.purchase_invoices:
        rights.append(Right(INVOICES, READ))
    for flow in flows_into:
        rights += _to_write(flow.entities, flow.options)
    return list(dict.fromkeys(rights))


def _to_write(entities: frozenset[Entity], options: BaswareExactOptions) -> Iterator[Right]:
    """Suppliers go before what links to them, whatever entities a flow has; an account is made a supplier's."""
    yield from _each(ACCOUNTS, READ, CHANGE, *([CREATE] if options.create_suppliers else []))
    if Entity.INVOICE in entities:
        yield from _each(ENTRIES, READ, CREATE, CHANGE, DELETE)
        yield from _each(ENTRY_LINES, READ)
        yield from _each(BANK_ACCOUNTS, READ)
        yield from _each(JOURNAL_STATUS, READ)
        yield from _codes(_BOOKING)
        if options.images == "attach":
            yield from _each(images.RESOURCE, READ, CREATE)
            yield from _each(images.ATTACHMENTS, READ, CREATE)
    if Entity.PURCHASE_ORDER in entities and options.orders == "mirror":
        yield from _each(ORDERS, READ, CREATE, CHANGE, DELETE)
        yield from _each(ORDER_LINES, READ, CHANGE, DELETE)
        yield from _codes(_ORDERING)


def _codes(kinds: Sequence[str]) -> Iterator[Right]:
    return (Right(CODE_TABLES[kind].endpoint, READ) for kind in kinds)


def _each(endpoint: str, *actions: str) -> Iterator[Right]:
    return (Right(endpoint, action) for action in actions)
