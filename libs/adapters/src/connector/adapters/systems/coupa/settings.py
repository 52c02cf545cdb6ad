"""What a connection to Coupa needs, and what a flow into it may choose."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.adapters.systems.addresses import require_origin
from connector.domain.documents.reference import ReferenceKind

SCOPES = (
    "core.supplier.read",
    "core.supplier.write",
    "core.purchase_order.read",
    "core.purchase_order.write",
    "core.invoice.read",
    "core.invoice.write",
    "core.invoice.create",
    "core.invoice.delete",
    "core.common.read",
    "core.common.write",
    "core.accounting.read",
    "core.user.read",
)
"""The least that suppliers, orders with the user they ship to, invoices and lookup values need.

Names vary with the release of the instance.
"""

Template = Annotated[str, Field(pattern=r"^[^{}]*\{number\}[^{}]*$", description="text around `{number}`")]
AccountKind = Literal["gl-account", "cost-center", "cost-unit", "project"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Signature(_Closed):
    """How this instance signs what it sends. Coupa documents no webhooks: everything about them is the customer's."""

    header: str = "X-Coupa-Signature"
    prefix: str = "sha256="
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: str | None = "X-Coupa-Timestamp"
    """Its value and a dot stand before the body in what is signed; None where only the body is."""
    tolerance_s: float = Field(default=300.0, gt=0)


class Settings(_Closed):
    """A connection of system `coupa`; credentials are its secrets."""

    base_url: str
    """Scheme, host and port of the instance, without a path."""
    scopes: tuple[str, ...] = SCOPES
    login: str | None = None
    """The login of the user our OAuth client acts as; objects made by it can be told from others'."""
    api_version: str | None = None
    """Sent as X-Coupa-API-Version where set: some say that it is needed, Coupa's documents do not."""
    stamp_field: str = "erp-source-id"
    """Custom field of suppliers, orders, order lines, invoices and lookup values that takes the source's identity."""
    order_number_field: str | None = None
    """Custom field of invoice lines that takes the order number of lines that are not backed by an order line."""
    price_places: int = Field(default=6, ge=2, le=10)
    """Decimal places that Coupa keeps of a price. Not documented."""
    signature: Signature = Signature()
    call_deadline_s: float = Field(default=30.0, gt=0)
    processing_s: float = Field(default=120.0, ge=0)
    """How long Coupa may still carry out a write whose answer was lost. Not stated by Coupa."""

    @model_validator(mode="after")
    def _base_url_is_an_origin(self) -> "Settings":
        require_origin("base_url", self.base_url, "https://example.coupahost.com")
        return self


class Segment(_Closed):
    """One segment of the chart of accounts: which code of a line it takes."""

    kind: AccountKind
    default: str | None = None
    """The segment's value where the line has no such code; None: then the line is blocked."""


class SegmentAccounts(_Closed):
    """Accounts made of segments, in the order of the chart; each is a value of the kind's lookup."""

    form: Literal["segments"]
    segments: tuple[Segment, ...] = Field(min_length=1, max_length=20)

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(segment.kind for segment in self.segments)


class FieldAccounts(_Closed):
    """One fixed account on every line, and the source's codes in custom fields of the line."""

    form: Literal["custom-fields"]
    account: tuple[str, ...] = Field(min_length=1, max_length=20)
    """The fixed account's segments."""
    fields: dict[AccountKind, str] = Field(min_length=1)
    """Custom field of order and invoice lines by kind of code."""

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self.fields)


class EndState(StrEnum):
    """How far invoices are taken."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"


class CoupaOptions(_Closed):
    """What every flow into Coupa chooses, whatever its source."""

    chart_of_accounts: str
    """The account type of lines and invoices, by name."""
    accounts: SegmentAccounts | FieldAccounts = Field(discriminator="form")
    lookups: dict[ReferenceKind, str]
    """The lookup that holds the values of each kind of code, by name."""
    ship_to_user: str
    """Login of the user that orders are shipped to."""
    ship_to_address: str
    """Location code of the address that orders are shipped to."""
    po_number: Template = "{number}"
    supplier_number: Template = "{number}"
    shared: frozenset[Literal["supplier-number", "lookup-values"]] = frozenset()
    """What other flows into the same instance may write too: equal numbers mean the same supplier, equal codes the same
    value."""
    code_authority: bool = False
    """An equal supplier number in Coupa means the same supplier, unless tax id or country contradict."""
    create_suppliers: bool = False
    """Create suppliers that Coupa does not have; else they are blocked until they are made or linked there."""
    po_method: Literal["prompt", "email", "cxml", "xml", "mark_as_sent", "buy_online"] = "prompt"
    """Of suppliers that are created; orders themselves are never transmitted."""
    match_type: Literal["2-way", "none"] = "2-way"
    """3-way matching would wait for receipts, and none are sent."""
    orders: Literal["open-only", "all"]
    close_orders: Literal["invoiced", "as-source"] = "invoiced"
    """When orders that are done at the source are closed: once Coupa has the invoices of all their lines, or at once,
    for sources that do not link invoices to order lines."""
    invoice_end_state: EndState
    settlement: Literal["source"] | None = None
    """`source` confirms that Coupa neither pays nor exports what is mirrored; without it invoices stay drafts."""
    original_unknown: Literal["block", "negative-invoice", "credit-note"] = "block"
    """What becomes of a credit note whose original invoice is not known."""
    unsent_order: Literal["wait", "unbacked"] = "wait"
    """Invoice lines on an order that is not in Coupa: wait for it, or send them without the link."""
    default_unit: str | None = None
    """Unit of measure of lines whose own unit is not known."""

    @model_validator(mode="after")
    def _every_code_has_a_lookup(self) -> "CoupaOptions":
        missing = sorted(self.accounts.kinds - {str(kind) for kind in self.lookups})
        if missing:
            raise ValueError(f"lookups: name the lookup that holds the values of {', '.join(missing)}")
        return self

    @property
    def end_state(self) -> EndState:
        """Nobody pays twice: without the confirmed settlement an invoice is left in a state that nobody exports."""
        return self.invoice_end_state if self.settlement == "source" else EndState.DRAFT

    def namespace(self) -> Mapping[str, str]:
        """What no other flow into the same instance may claim too."""
        claimed = {"po_number": self.po_number}
        if "supplier-number" not in self.shared:
            claimed["supplier_number"] = self.supplier_number
        if "lookup-values" not in self.shared:
            claimed |= {f"lookup of {kind}": name for kind, name in self.lookups.items()}
        return claimed


class ExactCoupaOptions(CoupaOptions):
    """Options of flows of kind `exact-coupa`."""


TABLES: Mapping[str, str] = {
    "payment-terms": "the source's payment term -> Coupa's payment term code; empty: send none",
    "tax-codes": "the source's VAT code -> Coupa's tax code, as CODE or CODE@COUNTRY; empty: send none",
    "units": "the source's unit -> Coupa's unit of measure; a unit that is not listed keeps its code",
}
"""Mapping tables of every flow into Coupa."""
