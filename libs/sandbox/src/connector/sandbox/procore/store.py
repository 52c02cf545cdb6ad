"""The vendor's database: typed rows in tables, indexed by id, by project and by origin_id."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

ZERO = Decimal(0)
TOOLS = ("directory", "budget", "commitments", "direct_costs", "invoicing")
"""Project tools that a customer can switch off; a call to one that is off gets 403."""


@dataclass(slots=True, kw_only=True)
class Record:
    """What every row has. Stamps are `YYYY-MM-DDTHH:MM:SSZ`, so that they sort as text."""

    id: int
    company_id: int
    project_id: int | None = None
    created_at: str
    updated_at: str
    deleted_at: str | None = None
    origin_id: str | None = None
    origin_code: str | None = None
    origin_data: str | None = None
    origin_owner: str | None = None
    """Who wrote the origin_id: an application's client id, or a person's login. Never on the wire."""


@dataclass(slots=True, kw_only=True)
class Company(Record):
    name: str
    currency: str
    multicurrency: bool = False
    connected: bool = True
    """Whether the service account was installed in it."""
    uoms: tuple[str, ...] = ()
    next_id: int


@dataclass(slots=True, kw_only=True)
class Project(Record):
    name: str
    number: str
    currency: str
    multicurrency: bool = False
    active: bool = True
    permitted: bool = True
    """Whether the customer added it to the service account's permitted projects."""
    tools: set[str] = field(default_factory=lambda: set(TOOLS))
    accounting_method: str = "amount"
    private_commitments: bool = False
    workflow_on_commitments: bool = False
    """The Workflow tool owns the status of commitments and direct costs."""
    auto_budget_lines: bool = True
    """Newer projects create a $0 budget line for an unbudgeted code; older ones may not."""
    budget_locked: bool = False
    excludes_subcontractor_invoices: bool = False
    """The customer's budget view leaves direct costs of type subcontractor_invoice out of Projected Costs."""
    required_fields: dict[str, list[str]] = field(default_factory=dict)
    """Configurable field sets: object -> fields that run_configurable_validations demands."""
    segments: tuple[str, ...] = ("cost_code", "line_item_type")
    delimiter: str = "."
    segment_ids: dict[str, int] = field(default_factory=dict)
    view_id: int
    vendors: dict[int, str] = field(default_factory=dict)
    """The project directory: vendor id -> when it was added."""


@dataclass(slots=True, kw_only=True)
class Vendor(Record):
    name: str
    is_active: bool = True
    synced_to_erp: bool = False
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class CostCode(Record):
    code: str
    name: str
    parent_id: int | None = None
    full_code: str
    standard_cost_code_id: int | None = None
    active: bool = True
    position: int = 0


@dataclass(slots=True, kw_only=True)
class LineItemType(Record):
    code: str
    name: str
    base_type: str


@dataclass(slots=True, kw_only=True)
class SubJob(Record):
    code: str
    name: str


@dataclass(slots=True, kw_only=True)
class TaxCode(Record):
    code: str
    description: str
    rate: Decimal
    archived: bool = False


@dataclass(slots=True, kw_only=True)
class WbsCode(Record):
    items: tuple[int, ...]
    """Segment item ids in the order of the project's segments (0: an optional segment left out)."""
    cost_code_id: int
    line_item_type_id: int
    sub_job_id: int | None = None
    flat_code: str
    flat_name: str
    description: str = ""
    status: str = "active"


@dataclass(slots=True, kw_only=True)
class BudgetLine(Record):
    wbs_code_id: int
    amount: Decimal = ZERO
    quantity: Decimal | None = None
    unit_cost: Decimal | None = None
    uom: str | None = None
    calculation_strategy: str = "manual"


@dataclass(slots=True, kw_only=True)
class Line(Record):
    """A schedule-of-values line of a commitment, or a line of a direct cost."""

    holder_id: int
    wbs_code_id: int
    description: str | None = None
    quantity: Decimal | None = None
    unit_cost: Decimal | None = None
    amount: Decimal = ZERO
    uom: str | None = None
    extended_type: str = "manual"
    tax_code_id: int | None = None
    position: int = 0


@dataclass(slots=True, kw_only=True)
class Contract(Record):
    """A commitment: `kind` is purchase_order_contract or work_order_contract."""

    kind: str
    number: str
    title: str | None = None
    status: str = "Draft"
    vendor_id: int | None = None
    accounting_method: str
    private: bool = False
    executed: bool = False
    retainage_percent: Decimal = ZERO
    currency: str
    exchange_rate: Decimal = Decimal(1)
    requisitions_are_enabled: bool = True
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    requisitions: list[int] = field(default_factory=list)
    total: Decimal = ZERO
    created_by_id: int


@dataclass(slots=True, kw_only=True)
class DirectCost(Record):
    direct_cost_type: str
    status: str = "draft"
    vendor_id: int | None = None
    invoice_number: str | None = None
    currency: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    total: Decimal = ZERO


@dataclass(slots=True, kw_only=True)
class BillingPeriod(Record):
    start_date: str
    end_date: str
    due_date: str
    status: str = "open"


@dataclass(slots=True)
class RequisitionItem:
    id: int
    line_item_id: int
    this_period: Decimal = ZERO
    quantity: Decimal | None = None
    stored: Decimal = ZERO
    """Materials presently stored."""
    retainage_percent: Decimal = ZERO
    claimed: Decimal | None = None
    status: str = "no_action"
    comment: str | None = None


@dataclass(slots=True, kw_only=True)
class Requisition(Record):
    commitment_id: int
    number: int
    period_id: int
    status: str = "draft"
    invoice_number: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    items: dict[int, RequisitionItem] = field(default_factory=dict)
    """By the commitment line they bill."""


@dataclass(slots=True, kw_only=True)
class Payment(Record):
    contract_id: int
    amount: Decimal
    values: dict[str, Any] = field(default_factory=dict)


R = TypeVar("R", bound=Record)


class Table(Generic[R]):
    """Rows of one type. Deleted rows stay, marked by `deleted_at`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[int, R] = {}
        self.of_project: defaultdict[int, dict[int, R]] = defaultdict(dict)
        self.of_origin: dict[tuple[int, str], R] = {}
        """(company, origin_id) -> row: an origin_id is unique within a company across projects, per type."""

    def add(self, row: R) -> R:
        self.rows[row.id] = row
        if row.project_id is not None:
            self.of_project[row.project_id][row.id] = row
        return row

    def find(self, id_: int | None, *, project: int | None = None, deleted: bool = False) -> R | None:
        row = self.rows.get(id_) if id_ is not None else None
        if row is None or (project is not None and row.project_id != project):
            return None
        return row if deleted or row.deleted_at is None else None

    def live(self, project: int | None = None) -> Iterator[R]:
        rows = self.rows if project is None else self.of_project[project]
        return (row for row in rows.values() if row.deleted_at is None)


class Store:
    """All tables. Tables of lines hold the same objects as their headers do."""

    def __init__(self) -> None:
        self.companies: Table[Company] = Table("companies")
        self.projects: Table[Project] = Table("projects")
        self.vendors: Table[Vendor] = Table("vendors")
        self.cost_codes: Table[CostCode] = Table("cost_codes")
        self.line_item_types: Table[LineItemType] = Table("line_item_types")
        self.sub_jobs: Table[SubJob] = Table("sub_jobs")
        self.tax_codes: Table[TaxCode] = Table("tax_codes")
        self.wbs_codes: Table[WbsCode] = Table("wbs_codes")
        self.budget_lines: Table[BudgetLine] = Table("budget_line_items")
        self.purchase_orders: Table[Contract] = Table("purchase_order_contracts")
        self.purchase_order_lines: Table[Line] = Table("purchase_order_contract_line_items")
        self.work_orders: Table[Contract] = Table("work_order_contracts")
        self.work_order_lines: Table[Line] = Table("work_order_contract_line_items")
        self.direct_costs: Table[DirectCost] = Table("direct_costs")
        self.direct_cost_lines: Table[Line] = Table("direct_cost_line_items")
        self.billing_periods: Table[BillingPeriod] = Table("billing_periods")
        self.requisitions: Table[Requisition] = Table("requisitions")
        self.payments: Table[Payment] = Table("contract_payments")

        self.wbs_of_items: dict[tuple[int, tuple[int, ...]], WbsCode] = {}
        self.wbs_of_pair: dict[tuple[int, int, int], WbsCode] = {}
        """(project, cost code, cost type) without a sub job -> WBS code."""
        self.wbs_of_cost_code: defaultdict[int, list[WbsCode]] = defaultdict(list)
        self.budget_of_wbs: dict[int, BudgetLine] = {}
        self.invoice_numbers: dict[tuple[int, int, str], int] = {}
        """(project, vendor, invoice number) -> the direct cost that holds it."""
        self.direct_costs_of_number: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
        self.billings: defaultdict[int, dict[int, RequisitionItem]] = defaultdict(dict)
        """Commitment line -> requisition -> its item."""
        self.payments_of: defaultdict[int, list[Payment]] = defaultdict(list)
        """Commitment -> its payments."""
        self.contracts_of_number: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
        """(company, number) -> commitments."""

    def tables(self) -> list[Table[Any]]:
        return [table for table in vars(self).values() if isinstance(table, Table)]

    def commitment(self, id_: int, project: int) -> Contract | None:
        return self.purchase_orders.find(id_, project=project) or self.work_orders.find(id_, project=project)
