"""What a connection to Procore needs, and what a flow into it may choose."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.adapters.systems.addresses import require_origin

LOGIN_URL, API_URL = "https://login.procore.com", "https://api.procore.com"

Template = Annotated[str, Field(pattern=r"^[^{}]*\{number\}[^{}]*$", description="text around `{number}`")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(_Closed):
    """A connection of system `procore`; client id and secret of the service account are its secrets."""

    company_id: int = Field(gt=0)
    login_url: str = LOGIN_URL
    api_url: str = API_URL
    """Scheme, host and port. Credentials of one environment are refused by another's login host."""
    calls_per_hour: int = Field(default=600, gt=0)
    spike_calls: int = Field(default=25, gt=0)
    spike_s: float = Field(default=10.0, gt=0)
    """Procore limits the hour and a short spike window, differently for each app; each answer states the nearer one."""
    call_deadline_s: float = Field(default=30.0, gt=0)
    processing_s: float = Field(default=120.0, ge=0)
    """How long Procore may still carry out a write whose answer was lost. Not stated by Procore."""

    @model_validator(mode="after")
    def _addresses_are_origins(self) -> "Settings":
        for name in ("login_url", "api_url"):
            require_origin(name, getattr(self, name), API_URL)
        return self


class CostModel(StrEnum):
    """How invoices become cost in one project."""

    REQUISITIONS = "A"
    """Commitments, and requisitions on them; invoices without an order are direct costs."""
    SUBCONTRACTOR_COSTS = "B"
    """Commitments, and direct costs of type `subcontractor_invoice` for invoices on them."""
    DIRECT_COSTS = "C"
    """Direct costs only; commitments stay Draft, so that nothing counts twice."""


class Project(_Closed):
    """One project's books."""

    cost_model: CostModel
    accounting_method: Literal["amount", "unit"] = "amount"
    """Of new commitments. Procore: it can't change once a commitment has lines."""
    budget_view_excludes: Literal["confirmed"] | None = None
    """Confirms that the project's budget view leaves subcontractor invoices out of projected cost (model B): a
    commitment and the direct cost billed on it would count twice."""

    @model_validator(mode="after")
    def _coherent(self) -> "Project":
        if self.cost_model is CostModel.SUBCONTRACTOR_COSTS and self.budget_view_excludes is None:
            raise ValueError(
                "cost model B counts cost twice unless the budget view excludes subcontractor invoices: set "
                "budget_view_excludes: confirmed once it does, or choose A or C"
            )
        if self.cost_model is not CostModel.SUBCONTRACTOR_COSTS and self.budget_view_excludes is not None:
            raise ValueError("budget_view_excludes is for cost model B only: remove it, or choose B")
        if self.cost_model is CostModel.REQUISITIONS and self.accounting_method != "amount":
            raise ValueError("cost model A bills amounts: set accounting_method: amount")
        return self


class EndState(StrEnum):
    """How far invoices are taken."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"


class ExactProcoreOptions(_Closed):
    """Options of flows of kind `exact-procore`."""

    projects: dict[str, Project] = Field(min_length=1)
    """By Procore's project number; `*` is for every other project."""
    orders: Literal["open-only", "all"]
    invoice_end_state: EndState
    po_number: Template = "{number}"
    """An order over several projects takes the project's number behind it."""
    third_code: Literal["project", "cost-unit"] = "project"
    """Which code of a line stands beside GL account and cost center in the table `costs`."""
    on_frozen: Literal["reopen", "block"] = "reopen"
    """An approved commitment must change: set it to Draft, change it and restore its status; or leave it to people."""
    credit_mode: Literal["block", "negative"] = "block"
    """Procore does not say whether it takes negative amounts: `negative` once that was tried in the company."""
    no_open_period: Literal["next-open", "create", "block"] = "block"
    """A requisition needs an open billing period: the one that contains the invoice's date, where that is open."""
    retainage_percent: Decimal = Field(default=Decimal(0), ge=0, le=100)
    default_unit: str = "ea"
    """Unit of measure of lines whose own unit is not in the table `units`."""
    create_vendors: bool = True
    """Create suppliers that the company's directory does not have; else they wait until people make them there."""

    def project(self, number: str) -> Project | None:
        return self.projects.get(number) or self.projects.get("*")

    def namespace(self) -> Mapping[str, str]:
        """What no other flow into the same company may claim too."""
        return {"po_number": self.po_number}


TABLES: Mapping[str, str] = {
    "costs": "GL account/cost center/project or cost unit, `*` for any text -> Procore project number:WBS code, where "
    "`{code}` stands for the third code; the entry with the most fixed characters counts",
    "units": "the source's unit -> Procore's unit of measure",
}
"""Mapping tables of flows into Procore."""
