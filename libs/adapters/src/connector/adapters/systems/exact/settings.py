"""What a connection to Exact Online needs, and what only the company itself can say of its books."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.adapters.systems.addresses import require_origin, with_base_url
from connector.domain.documents.common import VatCategory


class Region(StrEnum):
    """Exact's seven sites; a customer and an app registration live on exactly one."""

    NL = "https://start.exactonline.nl"
    BE = "https://start.exactonline.be"
    UK = "https://start.exactonline.co.uk"
    DE = "https://start.exactonline.de"
    FR = "https://start.exactonline.fr"
    ES = "https://start.exactonline.es"
    COM = "https://start.exactonline.com"


_REGIONS = {region.name.lower(): region.value for region in Region}


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


SECRETS = {
    "client_id": "the app's client id",
    "client_secret": "the app's OAuth client secret",
    "webhook_secret": "the app's webhook secret, which is not its client secret",
    "webhook_secret_previous": "optional: the webhook secret before this one, while Exact still signs with it",
}


class VatTreatment(_Closed):
    """How one VAT code of the company counts; what is left out is taken from Exact's own VAT code."""

    category: VatCategory
    included: bool | None = None
    """Line amounts include the VAT (Exact: Type I)."""
    charged: bool | None = None
    """Reverse charge: the buyer owes the VAT, not the supplier (Exact: Charged)."""
    non_deductible: Decimal | None = Field(default=None, ge=0, le=100)
    """Per cent of the VAT that becomes cost."""


class Company(_Closed):
    """The division's own rules. Each entry that a document used is stamped on it, so a change re-reads only those."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    """The division's own currency; Exact's AmountDC fields are in it."""
    vat: dict[str, VatTreatment] = {}
    """By VAT code, without padding."""
    accounts: dict[str, str] = {}
    """Item code -> GL account code, above whatever the item itself says."""
    credit_amounts: Literal["negative", "positive"] = "negative"
    """The sign of amounts on credit notes (Type 31). Not documented by Exact."""
    percentages: Literal["fraction", "percent"] = "fraction"
    """Whether Exact's VAT percentages read 0.21 or 21. Seen as fractions; not documented."""


class Settings(_Closed):
    """A connection of system `exact`; credentials are its secrets."""

    region: str | None = None
    """nl, be, uk, de, fr, es or com; or give `base_url`."""
    base_url: str = ""
    """Scheme, host and port, without a path. Filled from `region` where empty."""
    division: int = Field(gt=0)
    webhooks: bool = True
    """Off to keep no subscriptions: then sweeps find everything."""
    company: Company
    purchase_invoices: bool = False
    """Read logistic invoices too, for order lines on invoices. Needs the purchase module, else Exact answers 403."""
    sync_feeds: bool = True
    """Off where the package has no sync feed of purchase orders: then `Modified` is swept."""
    expand_lines: bool = True
    """Off to read lines by queries of their own."""
    call_deadline_s: float = Field(default=30.0, gt=0)
    minute_s: float = Field(default=60.0, gt=0, le=60)
    """Length of Exact's short quota window; shorter only against the sandbox."""
    catch_up_s: float = Field(default=300.0, gt=0)
    """How often the change feeds are swept for what notices missed; each sweep costs about five calls."""
    reference_cache_s: float = Field(default=300.0, ge=0)
    """How long a joined reference value serves further documents before it is read again."""

    @model_validator(mode="before")
    @classmethod
    def _one_address(cls, values: object) -> object:
        return with_base_url(values, _REGIONS)

    @model_validator(mode="after")
    def _base_url_is_an_origin(self) -> "Settings":
        require_origin("base_url", self.base_url, "https://start.exactonline.nl")
        return self
