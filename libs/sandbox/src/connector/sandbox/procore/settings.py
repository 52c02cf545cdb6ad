"""The switches of the Procore sandbox; each names the fact, or the open question, that it stands for."""

from dataclasses import dataclass


@dataclass
class Settings:
    """Seconds are the sandbox clock's. Every attribute may be changed while the sandbox runs."""

    # Tokens
    token_life_s: float = 5400
    """A client-credentials token lives 90 minutes and has no refresh token."""

    # Quota: the limits differ per app; None lifts a window
    hour_limit: int | None = 600
    hour_window_s: float = 3600
    spike_limit: int | None = 25
    spike_window_s: float = 10
    retry_after_on_429: bool = True
    """Error pages promise Retry-After, the rate page only X-Rate-Limit-Reset: a client must manage without."""

    # Requests and answers
    company_header: str = "reject"
    """`reject` or `warn`: what a call without Procore-Company-Id gets (the header is documented as required)."""
    company_header_status: int = 400
    """The status of that refusal is not documented."""
    unpermitted_project: int = 403
    """403 or 404: both are documented for a project that the service account was not given."""
    inactive_project_writes: str = "refuse"
    """`refuse` (403) or `allow`: what a write into a closed project gets is not documented."""
    unknown_keys: str = "ignore"
    """`ignore` or `reject` (406): unknown body keys."""
    error_shape: str = ""
    """Empty: the shape each endpoint declares. `a` `b` `c` `e` `f` `list` `text`: that shape from every v1 endpoint."""
    per_page_default: int = 100
    per_page_max: int = 2000
    """The default and the largest page of v1 lists are not documented; larger requests are cut to the maximum."""
    empty_delete_body: bool = False
    """v1 documents `200, no body` for DELETE; some clients cannot read an empty 200."""

    # Sync
    sync_limit: int = 1000
    shuffle_sync_entities: bool = True
    """The order of `entities` is not promised."""
    sync_item_fault_rate: float = 0.0
    """Share of sync items that fail for a reason of the server's own."""
    deleted_frees_origin_id: bool = True
    """Whether a deleted record's origin_id may be used again is not documented."""
    other_integration_may_edit_synced: bool = False
    """Whether an integration other than the owner may write a locked direct cost or requisition is not documented."""

    # Commitments
    approved_locks: bool = True
    """Approved (or Complete) freezes vendor, schedule of values and deletion: documented for screens only."""
    amount_contract_quantity: str = "ignore"
    """`ignore` or `reject`: quantity, unit cost and unit on a contract with accounting method `amount`."""
    refuse_duplicate_number: bool = False
    """Screens ask for confirmation of a number used before; what the API does is not documented."""

    # Direct costs
    direct_cost_write_s: float = 0.02
    """How long a write holds its direct cost; a second write in that time gets 409."""
    subcontractor_invoice_enabled: bool = False
    """The direct cost type `subcontractor_invoice` exists only where Procore's staff switched it on."""
    patch_synced_direct_cost: bool = False
    """Whether a direct cost with an origin_id takes PATCH outside sync is not documented; sync by its owner works."""
    delete_synced_direct_cost: bool = True
    """Whether its owner may delete it (or a line of it) through the API is not documented."""
    edit_synced_direct_costs: bool = False
    """Company setting `Edit Synced Direct Cost Transactions`: people may edit records that carry an origin_id."""
    negative_amounts: str = "accept"
    """`accept` or `reject`: credit notes as negative direct costs and requisition items are not documented."""

    # Requisitions
    patch_synced_requisition: bool = True
    """Requisitions have no sync, so that PATCH by the owner is the only way to change their status."""
    requisition_needs_approved_commitment: bool = True
    invoicing_admin: bool = True
    """An admin may name a closed billing period, edit any requisition and set retainage; others may not."""
    overbilling: str = "refuse"
    """`refuse` or `allow` billing a line beyond its amount."""
    requisition_automatic_numbers: bool = False
    """The company numbers its invoices itself: invoice_number is replaced."""

    # Webhooks
    webhook_drop: float = 0.0
    webhook_duplicate: float = 0.0
    webhook_reorder: float = 0.0
    webhook_delay_s: float = 0.0
    """Upper bound of a random delay before a notice is first sent."""
    webhook_timeout_s: float = 5.0
    webhook_retry_first_s: float = 1.0
    webhook_retry_max_s: float = 3600.0
    webhook_retry_for_s: float = 43_200.0
    """Retried 1 s to 1 h apart for 12 h while the hook's queue waits; then the queue is discarded."""
    webhook_allow_http: bool = True
    """The vendor delivers to HTTPS only; loopback receivers of the sandbox speak plain HTTP."""
    requisition_webhooks: bool = False
    """Requisitions are in none of the documented resource lists."""
