"""What a connection to Basware needs, and what only the customer can say of its companies."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.adapters.systems.addresses import require_origin, with_base_url
from connector.domain.documents.common import VatCategory


class Region(StrEnum):
    """Production hosts. AU and CA follow the pattern of the others; Basware does not publish them."""

    EU = "https://api.basware.com"
    US = "https://api.us.basware.com"
    AU = "https://api.au.basware.com"
    CA = "https://api.ca.basware.com"


_REGIONS = {region.name.lower(): region.value for region in Region}

SCOPES = (
    "accountingDocuments.read",
    "accountingDocuments.write",
    "exportedPurchaseOrders.read",
    "exportedPurchaseOrders.write",
    "vendors.read",
    "requestStatus.read",
    "subscriptions.read",
    "subscriptions.write",
    "subscriptions.delete",
    "tasks.read",
)
"""The least that reading, acknowledging and answering need."""

SECRETS = {
    "client_id": "the API client's id, given by Basware",
    "client_secret": "the API client's secret",
    "webhook_secret": "any long random text; it is given to Basware with each subscription and signs its notices",
    "webhook_secret_previous": "optional: the webhook secret before this one, while Basware may still sign with it",
}


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaxTreatment(_Closed):
    """How one of the company's tax codes counts."""

    category: VatCategory


class Company(_Closed):
    """A company's own rules. Each entry that a document used is stamped on it, so a change re-reads only those."""

    tax: dict[str, TaxTreatment] = {}
    """By Basware tax code; a code that is not listed is owed to the supplier."""
    credit_types: tuple[str, ...] = ()
    """Values of invoiceTypeCode that mean a credit note. Basware has no flag for it; negative sums count as well."""


Dimension = Literal[
    "projectCode", "projectSubCode", "profitCenterCode", "businessUnitCode", "businessAreaCode", "internalOrderCode",
    "workOrderCode", "dimCode1", "dimCode2", "dimCode3", "dimCode4", "dimCode5", "dimCode6", "dimCode7", "dimCode8",
    "dimCode9", "dimCode10",
]  # fmt: skip


class Settings(_Closed):
    """A connection of system `basware`; credentials are its secrets."""

    region: str | None = None
    """eu, us, au or ca; or give `base_url` (test environments have hosts of their own)."""
    base_url: str = ""
    """Scheme, host and port, without a path. Filled from `region` where empty."""
    tenant_id: str | None = None
    """Basware's name of the tenant (`bwcid` of its tokens): set, it refuses credentials of another one."""
    scopes: tuple[str, ...] = SCOPES
    company: dict[str, Company] = Field(min_length=1)
    """By company code: those whose documents may be carried. Any other code is a finding on the document."""
    cost_unit: Dimension | None = None
    """The field of a coding row that holds the cost unit."""
    project: Dimension | None = "projectCode"
    """The field of a coding row that holds the project."""
    images: bool = False
    """Read the image of each invoice, where Basware lists it."""
    image_cap_bytes: int = Field(default=10 * 1024 * 1024, gt=0)
    """A larger image is not read; the document says so."""
    webhooks: bool = True
    """Off to keep no subscriptions: then polling finds everything."""
    accept_unsigned_test: bool = False
    """Answer a ConnectionTest without signature. Whether Basware signs it is not documented."""
    catch_up_s: float = Field(default=300.0, gt=0)
    """How often waiting invoices and orders are listed for what notices missed."""
    vendors_s: float = Field(default=900.0, gt=0)
    """How often changed vendors are listed: Basware sends no notices of them."""
    stuck_after_s: float = Field(default=3600.0, gt=0)
    """How long an acknowledged invoice may go without our answer before people are told."""
    confirm_after_s: float = Field(default=5.0, gt=0)
    """How long after an answer Basware is asked what became of it."""
    source_system: str = Field(default="ml-connector", max_length=32)
    """How we name ourselves in answers."""
    calls_per_s: int = Field(default=5, ge=1, le=100)
    """Basware asks for fair use and states no number."""
    call_deadline_s: float = Field(default=30.0, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _one_address(cls, values: object) -> object:
        return with_base_url(values, _REGIONS)

    @model_validator(mode="after")
    def _base_url_is_an_origin(self) -> "Settings":
        require_origin("base_url", self.base_url, "https://api.basware.com")
        return self
