"""One tenant (`bwcid`): its collections, subscriptions and the response codes already used."""

import uuid
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from .store import Changes, Collection, Facets, every_combination

if TYPE_CHECKING:
    from .webhooks import Subscription


@dataclass(slots=True)
class Seeded:
    """The one source of randomness; identifiers have their own, so that reads do not shift what goes wrong."""

    random: Random
    ids: Random

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.ids.getrandbits(128), version=4))

    def hex(self) -> str:
        return uuid.UUID(int=self.ids.getrandbits(128), version=4).hex

    def chance(self, probability: float) -> bool:
        """True with this probability; nothing is drawn when it is 0, so that an unused switch changes no run."""
        return probability > 0 and self.random.random() < probability


@dataclass(slots=True)
class Tenant:
    bwcid: str
    changes: Changes
    invoices: Collection = field(init=False)
    orders: Collection = field(init=False)
    tasks: Collection = field(init=False)
    results: Collection = field(init=False)
    imports: dict[str, Collection] = field(default_factory=dict)
    """Master data and imported documents, by resource path."""
    subscriptions: dict[tuple[str, str], "Subscription"] = field(default_factory=dict)
    response_codes: set[tuple[str, str]] = field(default_factory=set)
    """(kind of response, externalCode): unique per tenant, also after the response itself is trimmed."""
    by_number: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """invoiceIds by company and invoice number."""
    vendor_keys: dict[str, str] = field(default_factory=dict)
    """externalCode of a vendor by vendorCode."""
    deletions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.invoices = Collection("accountingDocuments", self.changes, _invoice_facets)
        self.orders = Collection("exportedPurchaseOrders", self.changes, _order_facets)
        self.tasks = Collection("tasks", self.changes, _task_facets)
        self.results = Collection("requestStatus", self.changes, _result_facets)

    def imported(self, path: str, facets: Facets) -> Collection:
        if path not in self.imports:
            self.imports[path] = Collection(path, self.changes, facets)
        return self.imports[path]


def _invoice_facets(fields: dict[str, Any]) -> Any:
    mode = fields.get("p2pProcessingMode") or "Standard"
    return every_combination([mode], [fields["processingStatus"]], [fields["companyCode"]])


def _order_facets(fields: dict[str, Any]) -> Any:
    return every_combination([fields["processingStatus"]], [fields.get("companyCode")])


def _task_facets(fields: dict[str, Any]) -> Any:
    return every_combination([fields["taskType"]], [fields["taskStatus"]], [fields["documentId"]])


def _result_facets(fields: dict[str, Any]) -> Any:
    return every_combination([fields["requestStatus"]], [fields["entityType"]])
