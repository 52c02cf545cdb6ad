"""What a flow into Exact may choose."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BaswareExactOptions(BaseModel):
    """Options of flows of kind `basware-exact`: one division, the companies whose books it keeps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    companies: tuple[str, ...] = Field(min_length=1)
    """Basware company codes that are this division; documents of others are left to other flows."""
    journal: str
    """The purchase journal, by code."""
    journals: dict[str, str] = {}
    """Other purchase journals by currency, where one journal takes one currency only."""
    code_authority: bool = False
    """An equal supplier code in Exact means the same supplier, unless VAT number, registration or country
    contradict."""
    create_suppliers: bool = False
    """Create accounts that Exact does not have; else documents wait until somebody makes or links them there."""
    no_tax_code: str | None = None
    """Exact's VAT code of rows without tax; without it such rows are blocked."""
    rounding_limit: Decimal = Field(default=Decimal(0), ge=0, le=1)
    """How far the coding may miss the invoice, per document and in its currency."""
    rounding_account: str | None = None
    """The GL account that takes what is missed."""
    closed_period: Literal["block", "next-open"] = "block"
    """A document of a closed period: blocked, or booked in the first open period after it."""
    images: Literal["none", "attach"] = "attach"
    """Attach the image of the invoice, where the source has one."""
    orders: Literal["off", "mirror"] = "off"
    """Exact knows no order lines without an item: mirrored orders need the items below."""
    items: dict[str, str] = {}
    """Exact's item code by GL account, for lines of mirrored orders."""
    catch_all_item: str | None = None
    """Exact's item code for every other line of mirrored orders."""

    @model_validator(mode="after")
    def _whole(self) -> "BaswareExactOptions":
        if self.rounding_limit and self.rounding_account is None:
            raise ValueError("rounding_account: name the GL account that takes differences up to rounding_limit")
        if self.orders == "mirror" and self.catch_all_item is None and not self.items:
            raise ValueError("orders: mirror needs catch_all_item, or items by GL account")
        return self

    def journal_of(self, currency: str) -> str:
        return self.journals.get(currency, self.journal)

    def namespace(self) -> Mapping[str, str]:
        """What no other flow into the same division may claim too."""
        return {f"company {code}": code for code in self.companies}


TABLES: Mapping[str, str] = {
    "gl-accounts": "the source's account -> Exact's GL account; one that is not listed keeps its code",
    "cost-centers": "the source's cost center -> Exact's; one that is not listed keeps its code",
    "cost-units": "the source's cost unit -> Exact's; one that is not listed keeps its code",
    "projects": "the source's project -> Exact's; empty: send none; one that is not listed keeps its code",
    "vat-codes": "the source's tax code -> Exact's VAT code; one that is not listed keeps its code",
    "payment-terms": "the source's payment term -> Exact's payment condition; one that is not listed keeps its code",
}
"""Mapping tables of flows into Exact."""
